/* grid.c - see grid.h. */
#include "cli/grid.h"
#include "base/error.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_LONGEST = 48, FOLDER_LONGEST = 200 };

/* ---- values ---- */

static int add_value(px_axis *a, char *value)
{
    for (int i = 0; i < a->count; i++)
        if (strcmp(a->value[i], value) == 0) {
            int status = px_fail(PX_USAGE, "%s: the value %s is given twice", a->key, value);
            free(value);
            return status;
        }
    a->value = px_realloc(a->value, (size_t)(a->count + 1) * sizeof *a->value);
    a->value[a->count++] = value;
    return 0;
}

/* Whether the text is FIRST..LAST. */
static bool read_range(const char *text, long *first, long *last)
{
    char *end;
    if (!isdigit((unsigned char)*text) && *text != '-')
        return false;
    *first = strtol(text, &end, 10);
    if (end == text || strncmp(end, "..", 2) != 0 || (!isdigit((unsigned char)end[2]) && end[2] != '-'))
        return false;
    text = end + 2;
    *last = strtol(text, &end, 10);
    return end != text && *end == 0;
}

static int add_range(px_axis *a, const char *text, long first, long last)
{
    bool many = (unsigned long)last - (unsigned long)first >= PX_GRID_MOST; /* the difference may be no long */
    if (last < first || many || first == LONG_MIN || last == LONG_MAX)
        return px_fail(PX_USAGE, "%s=%s: a range is FIRST..LAST, the smaller number first, of at most %d numbers",
                       a->key, text, PX_GRID_MOST);
    int status = 0;
    for (long v = first; v <= last && status == 0; v++)
        status = add_value(a, px_format("%ld", v));
    return status;
}

/* The length of the value at the beginning of `text`; -1: brackets or quotes do not match. */
static int value_length(const char *text)
{
    int depth = 0, i = 0;
    for (bool quoted = false; text[i] && (depth > 0 || quoted || text[i] != ','); i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\' && text[i + 1])
            i++;
        else if (!quoted)
            depth += (text[i] == '[') - (text[i] == ']');
        if (depth < 0 || (!text[i + 1] && quoted))
            return -1;
    }
    return depth == 0 ? i : -1;
}

/* Reads the values behind "key=". *varies: there are several, or a range. */
static int read_values(px_axis *a, const char *text, bool *varies)
{
    int status = 0;
    *varies = false;
    for (bool more = true; more && status == 0;) {
        int length = value_length(text);
        if (length < 0)
            return px_fail(PX_USAGE, "%s=%s: brackets or quotes do not match", a->key, text);
        more = text[length] == ',';
        *varies |= more;
        if (length == 0 && *varies)
            return px_fail(PX_USAGE, "%s: there is an empty value between or behind the commas", a->key);
        long first, last;
        char *value = px_format("%.*s", length, text);
        bool range = read_range(value, &first, &last);
        *varies |= range;
        status = range ? add_range(a, value, first, last) : add_value(a, px_strdup(value));
        free(value);
        text += length + more;
    }
    return status;
}

/* ---- names ---- */

/* The value with one '-' for whatever is not safe in the name of a file. Of a long one the end remains, which tells paths
 * apart, with a checksum of the whole (FNV-1a). */
static char *safe_name(const char *value)
{
    char *name = px_calloc(strlen(value) + 1, 1), *to = name;
    unsigned sum = 2166136261u;
    for (const char *at = value; *at; at++) {
        bool safe = (isascii((unsigned char)*at) && isalnum((unsigned char)*at)) || strchr("+-._", *at);
        sum = (sum ^ (unsigned char)*at) * 16777619u;
        if (safe)
            *to++ = *at;
        else if (to > name && to[-1] != '-')
            *to++ = '-';
    }
    while (to > name && to[-1] == '-')
        *--to = 0;
    if (to - name <= NAME_LONGEST)
        return name;
    char *cut = px_format("%08x%s", sum, to - NAME_LONGEST);
    free(name);
    return cut;
}

static int name_values(px_axis *a)
{
    a->name = px_calloc((size_t)a->count, sizeof *a->name);
    for (int i = 0; i < a->count; i++) {
        a->name[i] = safe_name(a->value[i]);
        for (int k = 0; k < i; k++)
            if (strcasecmp(a->name[i], a->name[k]) == 0) /* some file systems do not tell a from A */
                return px_fail(PX_USAGE, "%s: the values %s and %s would both be called '%s'", a->key, a->value[k],
                               a->value[i], a->name[i]);
    }
    return 0;
}

/* Whether the last `length` characters of the key, from behind a point, are also the end of another axis. */
static bool is_shared(const px_grid *g, int axis, size_t length)
{
    const char *end = g->axis[axis].key + strlen(g->axis[axis].key) - length;
    for (int i = 0; i < g->axes; i++) {
        size_t other = strlen(g->axis[i].key);
        if (i != axis && other >= length && strcmp(g->axis[i].key + other - length, end) == 0 &&
            (other == length || g->axis[i].key[other - length - 1] == '.'))
            return true;
    }
    return false;
}

static char *label_of(const px_grid *g, int axis)
{
    const char *key = g->axis[axis].key, *from = key + strlen(key);
    do
        for (from--; from > key && from[-1] != '.';)
            from--;
    while (from > key && is_shared(g, axis, strlen(from)));
    return px_strdup(from);
}

/* ---- the product ---- */

static void finish_axis(px_axis *a)
{
    for (int i = 0; i < a->count; i++) {
        free(a->value[i]);
        if (a->name)
            free(a->name[i]);
    }
    free(a->value);
    free(a->name);
    free(a->key);
    free(a->label);
}

static int add_assignment(px_grid *g, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals)
        return px_fail(PX_USAGE, "on the command line: '%s' is not of the form key=value", text);
    px_axis a = {.key = px_format("%.*s", (int)(equals - text), text)};
    bool varies;
    int status = read_values(&a, equals + 1, &varies);
    for (int i = 0; i < g->axes && status == 0; i++)
        if (strcmp(g->axis[i].key, a.key) == 0)
            status = px_fail(PX_USAGE, "%s is given twice; all values go into one list: %s=A,B", a.key, a.key);
    for (int i = 0; i < g->fixed_count && status == 0 && varies; i++)
        if (strncmp(g->fixed[i], text, (size_t)(equals + 1 - text)) == 0)
            status = px_fail(PX_USAGE, "%s is given twice; all values go into one list: %s=A,B", a.key, a.key);
    if (status != 0 || !varies) {
        finish_axis(&a);
        if (status == 0) {
            g->fixed = px_realloc(g->fixed, (size_t)(g->fixed_count + 1) * sizeof *g->fixed);
            g->fixed[g->fixed_count++] = px_strdup(text);
        }
        return status;
    }
    if ((double)g->runs * a.count > PX_GRID_MOST) {
        finish_axis(&a);
        return px_fail(PX_USAGE, "these are more than %d runs", PX_GRID_MOST);
    }
    g->runs *= a.count;
    g->axis = px_realloc(g->axis, (size_t)(g->axes + 1) * sizeof *g->axis);
    g->axis[g->axes++] = a;
    return 0;
}

static int by_letters(const void *a, const void *b)
{
    return strcasecmp(*(char *const *)a, *(char *const *)b);
}

/* Values of different axes may also make the same name: "a-x_b-1" and "b-1" of the first, "a-x" and "b-1_b-1" of the second. */
static int check_names(const px_grid *g)
{
    char **name = px_calloc((size_t)g->runs, sizeof *name);
    int status = 0;
    for (int i = 0; i < g->runs; i++) {
        name[i] = px_grid_name(g, i);
        if (status == 0 && strlen(name[i]) > FOLDER_LONGEST)
            status = px_fail(PX_USAGE, "%s: the name of this run's folder would be too long; vary fewer keys at once",
                             name[i]);
    }
    qsort(name, (size_t)g->runs, sizeof *name, by_letters);
    for (int i = 0; i + 1 < g->runs && status == 0; i++)
        if (strcasecmp(name[i], name[i + 1]) == 0)
            status =
                px_fail(PX_USAGE, "two runs would have the same folder, %s; vary one of its keys in a grid of its own",
                        name[i]);
    for (int i = 0; i < g->runs; i++)
        free(name[i]);
    free(name);
    return status;
}

/* A grid of one run is called by its seed, if one is given, so that it can grow to more of them. */
static void vary_seed(px_grid *g)
{
    for (int i = 0; i < g->fixed_count && g->axes == 0; i++)
        if (strncmp(g->fixed[i], "seed=", 5) == 0) {
            g->axis = px_calloc(1, sizeof *g->axis);
            g->axis[g->axes++] = (px_axis){.key = px_strdup("seed")};
            add_value(g->axis, px_strdup(g->fixed[i] + 5));
            free(g->fixed[i]);
            g->fixed_count--;
            memmove(g->fixed + i, g->fixed + i + 1, (size_t)(g->fixed_count - i) * sizeof *g->fixed);
        }
}

int px_grid_read(px_grid *g, const char *const assignments[], int count)
{
    *g = (px_grid){.runs = 1};
    int status = 0;
    for (int i = 0; i < count && status == 0; i++)
        status = add_assignment(g, assignments[i]);
    if (status == 0 && g->axes == 0)
        vary_seed(g);
    for (int i = 0; i < g->axes && status == 0; i++) {
        g->axis[i].label = label_of(g, i);
        status = name_values(&g->axis[i]);
    }
    if (status == 0)
        status = check_names(g);
    if (status != 0)
        px_grid_finish(g);
    return status;
}

void px_grid_finish(px_grid *g)
{
    for (int i = 0; i < g->axes; i++)
        finish_axis(&g->axis[i]);
    for (int i = 0; i < g->fixed_count; i++)
        free(g->fixed[i]);
    free(g->axis);
    free(g->fixed);
    *g = (px_grid){0};
}

/* Which value of an axis a run has. */
static int choice(const px_grid *g, int run, int axis)
{
    for (int i = g->axes - 1; i > axis; i--)
        run /= g->axis[i].count;
    return run % g->axis[axis].count;
}

char **px_grid_settings(const px_grid *g, int run)
{
    char **all = px_calloc((size_t)(g->fixed_count + g->axes + 1), sizeof *all);
    for (int i = 0; i < g->fixed_count; i++)
        all[i] = px_strdup(g->fixed[i]);
    for (int i = 0; i < g->axes; i++)
        all[g->fixed_count + i] = px_format("%s=%s", g->axis[i].key, g->axis[i].value[choice(g, run, i)]);
    return all;
}

char *px_grid_name(const px_grid *g, int run)
{
    char *name = px_strdup(g->axes ? "" : "run");
    for (int i = 0; i < g->axes; i++) {
        const px_axis *a = &g->axis[i];
        char *longer = px_format("%s%s%s-%s", name, i ? "_" : "", a->label, a->name[choice(g, run, i)]);
        free(name);
        name = longer;
    }
    return name;
}
