/* json.c - see json.h. */
#include "figures/json.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>

json_t *px_json_text(const char *text)
{
    json_t *s = json_string(text);
    if (s)
        return s;
    char *readable = px_printable(px_strdup(text), "\n\t");
    s = json_string(readable);
    free(readable);
    return s ? s : json_null();
}

json_t *px_json_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *px_json_cost(const px_ledger_total *t)
{
    if (t->sessions == 0)
        return json_null();
    json_t *o = json_object(), *wall = json_object(), *core = json_object();
    for (int i = 0; i < PX_PARTS; i++) {
        json_object_set_new(wall, px_part_names[i], px_json_number(t->sum.wall[i]));
        json_object_set_new(core, px_part_names[i], px_json_number(t->sum.core[i]));
    }
    json_object_set_new(o, "sessions", json_integer(t->sessions));
    json_object_set_new(o, "ranks", px_json_number(t->sum.ranks));
    json_object_set_new(o, "images", px_json_number(t->sum.images));
    json_object_set_new(o, "multiply_adds", px_json_number(t->sum.multiply_adds));
    json_object_set_new(o, "bytes_sent", px_json_number(t->sum.bytes_sent));
    json_object_set_new(o, "peak_bytes", px_json_number(t->sum.peak_bytes));
    json_object_set_new(o, "joules", px_json_number(t->without_energy ? NAN : t->sum.joules));
    json_object_set_new(o, "wall_seconds", px_json_number(px_ledger_wall(&t->sum)));
    json_object_set_new(o, "core_seconds", px_json_number(px_ledger_core_seconds(&t->sum)));
    json_object_set_new(o, "wall_seconds_by_part", wall);
    json_object_set_new(o, "core_seconds_by_part", core);
    return o;
}

void px_json_print(json_t *root, FILE *out)
{
    json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    fputc('\n', out);
    json_decref(root);
}
