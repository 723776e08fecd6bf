/* option.c - checks a setting against its option (type, range, choices) and assigns it; options as text. */
#include "base/config.h"
#include "base/error.h"
#include "base/setting.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const wanted[] = {
    [PX_OPTION_INT] = "an integer",     [PX_OPTION_INT64] = "an integer",   [PX_OPTION_REAL] = "a number",
    [PX_OPTION_BOOL] = "true or false", [PX_OPTION_STRING] = "quoted text", [PX_OPTION_LIST] = "a list of numbers",
    [PX_OPTION_WORD] = "quoted text",
};

char **px_split_choices(const char *choices)
{
    size_t count = 1;
    for (const char *p = choices; *p; p++)
        count += *p == '|';
    size_t size = strlen(choices) + 1;
    char **list = px_calloc(1, (count + 1) * sizeof *list + size);
    char *rest = memcpy(list + count + 1, choices, size);
    for (size_t i = 0; i < count; i++)
        list[i] = strsep(&rest, "|");
    return list;
}

/* ---- words of the command line, and defaults ---- */

static bool only_space(const char *text)
{
    return text[strspn(text, " \t")] == 0;
}

static bool read_integer(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
    if (end == text || errno)
        return false;
    end += strspn(end, "L"); /* libconfig's suffix for 64 bits */
    *value = v;
    return only_space(end);
}

static bool read_real(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return end != text && only_space(end);
}

/* "[15, 25]", "15,25", "15", "[]" or "". */
static bool read_list(const char *text, px_list *list)
{
    char *copy = px_strdup(text), *rest = copy + strspn(copy, " "), *element;
    const char *closing = *rest == '[' ? "]" : *rest == '(' ? ")" : "";
    rest += *closing != 0;
    char *end = rest + strcspn(rest, *closing ? closing : "])");
    bool ok = *end == *closing && only_space(end + (*closing != 0));
    *end = 0;
    *list = (px_list){0};
    if (only_space(rest))
        rest = NULL;
    while (ok && (element = strsep(&rest, ","))) {
        double value;
        ok = read_real(element, &value);
        if (list->count < PX_LIST_MAX)
            list->value[list->count] = value;
        list->count++;
    }
    free(copy);
    return ok;
}

static px_setting read_word(const char *word, px_option_type type)
{
    px_setting s = {.text = word, .kind = PX_SETTING_TEXT};
    if (type == PX_OPTION_STRING || type == PX_OPTION_WORD)
        return s;
    if (type == PX_OPTION_LIST && read_list(word, &s.list)) {
        s.kind = PX_SETTING_LIST;
    } else if (read_integer(word, &s.integer)) {
        s.kind = PX_SETTING_INTEGER;
    } else if (read_real(word, &s.real)) {
        s.kind = PX_SETTING_REAL;
    } else if (strcasecmp(word, "true") == 0 || strcasecmp(word, "false") == 0) {
        s.kind = PX_SETTING_BOOL;
        s.flag = strcasecmp(word, "true") == 0;
    }
    return s;
}

/* ---- checks ---- */

static char *describe(const px_setting *s)
{
    switch (s->kind) {
    case PX_SETTING_INTEGER:
        return px_format("%lld", (long long)s->integer);
    case PX_SETTING_REAL:
        return px_format("%.15g", s->real);
    case PX_SETTING_BOOL:
        return px_strdup(s->flag ? "true" : "false");
    case PX_SETTING_TEXT:
    case PX_SETTING_WORD:
        return px_format("\"%s\"", s->text);
    case PX_SETTING_LIST:
        return px_strdup("a list");
    case PX_SETTING_GROUP:
        return px_strdup("a group");
    case PX_SETTING_OTHER:
        break;
    }
    return px_strdup("a list of something other than numbers");
}

/* Converts numbers to the option's type; false if the setting's type does not fit. */
static bool convert(px_option_type type, px_setting *s)
{
    bool number = s->kind == PX_SETTING_INTEGER || s->kind == PX_SETTING_REAL;
    if (s->kind == PX_SETTING_INTEGER)
        s->real = (double)s->integer;
    switch (type) {
    case PX_OPTION_INT:
    case PX_OPTION_INT64:
        return s->kind == PX_SETTING_INTEGER;
    case PX_OPTION_REAL:
        return number;
    case PX_OPTION_BOOL:
        return s->kind == PX_SETTING_BOOL;
    case PX_OPTION_STRING:
    case PX_OPTION_WORD:
        return s->kind == PX_SETTING_TEXT;
    case PX_OPTION_LIST:
        if (number)
            s->list = (px_list){.count = 1, .value = {s->real}};
        return number || s->kind == PX_SETTING_LIST;
    }
    return false;
}

/* "between 0 and 100", "at least 1", "at most 8"; false if any value is allowed. */
static bool range_text(const px_option *o, char text[96])
{
    bool low = o->min > -1e300, high = o->max < 1e300;
    if ((o->min == 0 && o->max == 0) || (!low && !high))
        return false;
    if (low && high)
        snprintf(text, 96, "between %.12g and %.12g", o->min, o->max);
    else if (low)
        snprintf(text, 96, "at least %.12g", o->min);
    else
        snprintf(text, 96, "at most %.12g", o->max);
    return true;
}

static int check_number(const px_option *o, double value, const char *text, const char *key, const char *where)
{
    char range[96];
    if (!isfinite(value))
        return px_fail(PX_USAGE, "%s: %s must be finite, not %s", where, key, text);
    if (range_text(o, range) && !(value >= o->min && value <= o->max))
        return px_fail(PX_USAGE, "%s: %s must be %s, not %s", where, key, range, text);
    if (o->type == PX_OPTION_INT && (value < INT_MIN || value > INT_MAX))
        return px_fail(PX_USAGE, "%s: %s must be between %d and %d, not %s", where, key, INT_MIN, INT_MAX, text);
    return 0;
}

/* Above 2^53 not every integer is a double: 10^18 + 1 would pass as 10^18. */
static int check_integer(const px_option *o, const px_setting *value, const char *text, const char *key,
                         const char *where)
{
    char range[96];
    bool beyond = (o->max < 0x1p63 && value->integer > (int64_t)o->max) ||
                  (o->min >= -0x1p63 && value->integer < (int64_t)o->min);
    if (beyond && range_text(o, range))
        return px_fail(PX_USAGE, "%s: %s must be %s, not %s", where, key, range, text);
    return check_number(o, value->real, text, key, where);
}

static int check_list(const px_option *o, const px_list *list, const char *key, const char *where)
{
    if (list->count > PX_LIST_MAX)
        return px_fail(PX_USAGE, "%s: %s has %d elements, but at most %d are allowed", where, key, list->count,
                       PX_LIST_MAX);
    for (int i = 0; i < list->count; i++) {
        char text[32], element[160];
        snprintf(text, sizeof text, "%.15g", list->value[i]);
        snprintf(element, sizeof element, "element %d of %s", i + 1, key);
        if (check_number(o, list->value[i], text, element, where) != 0)
            return -1;
    }
    return 0;
}

static int check_choice(const px_option *o, const px_setting *value, const char *text, const char *key,
                        const char *where)
{
    const char *word = value->kind == PX_SETTING_TEXT ? value->text : text;
    char **choices = px_split_choices(o->choices);
    int rc = 0, i = 0;
    while (choices[i] && strcmp(choices[i], word) != 0)
        i++;
    if (!choices[i]) {
        char *list = px_nearest_first(word, (const char *const *)choices);
        rc = px_fail(PX_USAGE, "%s: %s = %s is unknown; choose one of: %s", where, key, text, list);
        free(list);
    }
    free(choices);
    return rc;
}

/* `value` has the option's type; `text` is how it reads. */
static int check_value(const px_option *o, const px_setting *value, const char *text, const char *key,
                       const char *where)
{
    if (o->choices)
        return check_choice(o, value, text, key, where);
    if (o->type == PX_OPTION_LIST)
        return check_list(o, &value->list, key, where);
    if (o->type == PX_OPTION_INT || o->type == PX_OPTION_INT64)
        return check_integer(o, value, text, key, where);
    return o->type == PX_OPTION_REAL ? check_number(o, value->real, text, key, where) : 0;
}

/* The place of a word among the choices, one of which it is. */
static unsigned choice_of(const px_option *o, const char *word)
{
    char **choices = px_split_choices(o->choices);
    unsigned i = 0;
    while (strcmp(choices[i], word) != 0)
        i++;
    free(choices);
    return i;
}

static void store(const px_option *o, void *target, const px_setting *s)
{
    void *field = (char *)target + o->offset;
    switch (o->type) {
    case PX_OPTION_INT:
        *(int *)field = (int)s->integer;
        break;
    case PX_OPTION_INT64:
        *(int64_t *)field = s->integer;
        break;
    case PX_OPTION_REAL:
        *(double *)field = s->real;
        break;
    case PX_OPTION_BOOL:
        *(bool *)field = s->flag;
        break;
    case PX_OPTION_STRING:
        *(const char **)field = s->text;
        break;
    case PX_OPTION_LIST:
        *(px_list *)field = s->list;
        break;
    case PX_OPTION_WORD:
        *(unsigned *)field = choice_of(o, s->text);
        break;
    }
}

int px_option_assign(const px_option *o, void *target, const px_setting *setting, const char *key, const char *where)
{
    px_setting value = setting->kind == PX_SETTING_WORD ? read_word(setting->text, o->type) : *setting;
    if (value.kind == PX_SETTING_BOOL && o->choices && strstr(o->choices, "true")) /* a choice that was a flag before */
        value = (px_setting){.kind = PX_SETTING_TEXT, .text = value.flag ? "true" : "false"};
    char *text = describe(&value);
    int rc = convert(o->type, &value)
                 ? check_value(o, &value, text, key, where)
                 : px_fail(PX_USAGE, "%s: %s must be %s, not %s", where, key, wanted[o->type], text);
    if (rc == 0)
        store(o, target, &value);
    free(text);
    return rc;
}

/* ---- text ---- */

void px_real_write(FILE *out, double value)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    size_t mantissa = strcspn(text, "e"); /* with a decimal point libconfig reads it as a real */
    bool point = strchr(text, '.');
    fprintf(out, "%.*s%s%s", (int)mantissa, text, point ? "" : ".0", text + mantissa);
}

static void write_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < ' ' || *c == 127)
            fprintf(out, "\\x%02x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

void px_option_write(FILE *out, const px_option *o, const void *target)
{
    const void *field = (const char *)target + o->offset;
    switch (o->type) {
    case PX_OPTION_INT:
        fprintf(out, "%d", *(const int *)field);
        break;
    case PX_OPTION_INT64: {
        int64_t value = *(const int64_t *)field;
        fprintf(out, "%lld%s", (long long)value, value < INT_MIN || value > INT_MAX ? "L" : "");
        break;
    }
    case PX_OPTION_REAL:
        px_real_write(out, *(const double *)field);
        break;
    case PX_OPTION_BOOL:
        fputs(*(const bool *)field ? "true" : "false", out);
        break;
    case PX_OPTION_STRING:
        write_string(out, *(const char *const *)field);
        break;
    case PX_OPTION_WORD: {
        char **choices = px_split_choices(o->choices);
        write_string(out, choices[*(const unsigned *)field]);
        free(choices);
        break;
    }
    case PX_OPTION_LIST: {
        const px_list *list = field;
        fputc('[', out);
        for (int i = 0; i < list->count; i++) {
            fputs(i ? ", " : "", out);
            px_real_write(out, list->value[i]);
        }
        fputc(']', out);
        break;
    }
    }
}

char *px_option_allowed(const px_option *o)
{
    static const char *const names[] = {
        [PX_OPTION_INT] = "int",         [PX_OPTION_INT64] = "int",   [PX_OPTION_REAL] = "real",
        [PX_OPTION_BOOL] = "true|false", [PX_OPTION_STRING] = "text", [PX_OPTION_LIST] = "list",
        [PX_OPTION_WORD] = "text",
    };
    if (o->choices)
        return px_strdup(o->choices);
    const char *name = names[o->type];
    bool low = o->min > -1e300, high = o->max < 1e300;
    if ((o->min == 0 && o->max == 0) || (!low && !high))
        return px_strdup(name);
    if (low && high)
        return px_format("%s %.12g..%.12g", name, o->min, o->max);
    return low ? px_format("%s >= %.12g", name, o->min) : px_format("%s <= %.12g", name, o->max);
}

char *px_options_help(const char *group, const px_option *options)
{
    int name_width = 0, default_width = 0, allowed_width = 0;
    const char *dot = *group ? "." : "";
    for (int pass = 0;; pass++) { /* the first pass measures the columns */
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        PX_CHECK(out);
        for (const px_option *o = options; o->name; o++) {
            char *name = px_format("%s%s%s", group, dot, o->name), *allowed = px_option_allowed(o);
            const char *def = *o->def ? o->def : "\"\"";
            int widths[] = {(int)strlen(name), (int)strlen(def), (int)strlen(allowed)};
            name_width = widths[0] > name_width ? widths[0] : name_width;
            default_width = widths[1] > default_width ? widths[1] : default_width;
            allowed_width = widths[2] > allowed_width ? widths[2] : allowed_width;
            fprintf(out, "  %-*s  %-*s  %-*s  %s\n", name_width, name, default_width, def, allowed_width, allowed,
                    o->help);
            free(name);
            free(allowed);
        }
        fclose(out);
        if (pass == 1)
            return text;
        free(text);
    }
}
