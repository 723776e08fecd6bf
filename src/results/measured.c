/* measured.c - see measured.h. */
#include "results/measured.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* ---- the text ---- */

/* A line of the text; `value` is the length of all of it before " = ". */
typedef struct line {
    const char *text;
    size_t length, key;
} line;

/* The next line at *at, which goes on behind it; false at the end. */
static bool next_line(const char **at, line *l)
{
    if (!*at || !**at)
        return false;
    size_t length = strcspn(*at, "\n");
    const char *equals = memmem(*at, length, " = ", 3);
    *l = (line){*at, length, equals ? (size_t)(equals - *at) : length};
    *at += length + ((*at)[length] == '\n');
    return true;
}

static bool find_line(const char *text, const char *key, size_t length, line *l)
{
    for (const char *at = text; next_line(&at, l);)
        if (l->key == length && memcmp(l->text, key, length) == 0)
            return true;
    return false;
}

char *px_measured_value(const char *measured, const char *key)
{
    line l;
    if (!find_line(measured, key, strlen(key), &l) || l.key == l.length)
        return NULL;
    return px_format("%.*s", (int)(l.length - l.key - 3), l.text + l.key + 3);
}

bool px_measured_of_weights(const char *key)
{
    return strncmp(key, "weights", 7) == 0;
}

/* How pixels were normalized where nothing was said, and what weights of such a run say when they are exported. */
static bool is_unnormalized(const line *l)
{
    static const char *const words[] = {"normalize = auto", "normalize = none", "normalize = false"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (l->length == strlen(words[i]) && memcmp(l->text, words[i], l->length) == 0)
            return true;
    return false;
}

static bool same_line(const line *a, const line *b)
{
    return (a->length == b->length && memcmp(a->text, b->text, a->length) == 0) ||
           (is_unnormalized(a) && is_unnormalized(b));
}

/* Whether each line of `a`, unless it tells of the weights, is in `b`. */
static bool within(const char *a, const char *b)
{
    line here, there;
    for (const char *at = a; next_line(&at, &here);)
        if (!px_measured_of_weights(here.text) &&
            (!find_line(b, here.text, here.key, &there) || !same_line(&here, &there)))
            return false;
    return true;
}

bool px_measured_alike(const char *a, const char *b)
{
    return a && b && within(a, b) && within(b, a);
}

static bool has_name(char *const *names, int count, const line *l)
{
    for (int i = 0; i < count; i++)
        if (strlen(names[i]) == l->key && memcmp(names[i], l->text, l->key) == 0)
            return true;
    return false;
}

/* Whether a text has another value of this line's key. One without `precision` was measured in fp32. */
static bool differs(const char *const *measured, int count, const line *l)
{
    line there;
    for (int i = 0; i < count; i++)
        if (find_line(measured[i], l->text, l->key, &there) ? !same_line(l, &there)
                                                            : l->key == 9 && memcmp(l->text, "precision", 9) == 0)
            return true;
    return false;
}

char **px_measured_differences(const char *const *measured, int count, int *keys)
{
    char **names = NULL;
    *keys = 0;
    for (int i = 0; i < count; i++) {
        line l;
        for (const char *at = measured[i]; next_line(&at, &l);)
            if (!has_name(names, *keys, &l) && differs(measured, count, &l)) {
                names = px_grow(names, *keys, sizeof names[0]);
                names[(*keys)++] = px_format("%.*s", (int)l.key, l.text);
            }
    }
    return names;
}

int px_measured_subject(const char *name)
{
    return (int)strcspn(name, "@");
}

/* ---- in a file ---- */

char *px_measured_get(px_results *r, const char *group)
{
    enum { LONGEST = 8192 }; /* ours have some hundred characters; texts are compared line by line */
    char *text = NULL;
    if (!px_results_has(r, group) || px_results_get_attribute_text(r, group, "measured", &text) != 0)
        return NULL;
    if (strlen(text) <= LONGEST)
        return text;
    free(text);
    return NULL;
}

/* Looks at the measurements that were set aside: removes the one with this text, and returns the highest number, or -1. */
static int look_aside(px_results *r, const char *group, const char *measured)
{
    const char *slash = strrchr(group, '/');
    char *parent = px_format("%.*s", (int)(slash - group), group), **names;
    int count, most = 0;
    if (px_results_list(r, parent, &names, &count) != 0)
        count = 0, names = NULL;
    for (int i = 0; i < count; i++) {
        char *path = px_format("%s/%s", parent, names[i]), *at = strrchr(names[i], '@');
        if (at)
            *at = 0;
        if (at && strcmp(names[i], slash + 1) == 0 && most >= 0) {
            long number = strtol(at + 1, NULL, 10);
            char *text = px_measured_get(r, path);
            most = number > most && number < 1000000 ? (int)number : most;
            if (text && strcmp(text, measured) == 0 && px_results_remove(r, path) != 0)
                most = -1;
            free(text);
        }
        free(path);
        free(names[i]);
    }
    free(names);
    free(parent);
    return most;
}

int px_measured_begin(px_results *r, const char *group, const char *measured)
{
    char *before = px_measured_get(r, group);
    bool another = px_results_has(r, group) && !(before && strcmp(before, measured) == 0);
    free(before);
    if (another) {
        int last = look_aside(r, group, measured);
        char *aside = px_format("%s@%d", group, last + 1);
        int status = last < 0 ? -1 : px_results_move(r, group, aside);
        free(aside);
        if (status != 0)
            return -1;
    }
    return px_results_attribute_text(r, group, "measured", measured);
}
