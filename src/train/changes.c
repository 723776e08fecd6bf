/* changes.c - see changes.h. */
#include "train/changes.h"

#include <stdbool.h>
#include <string.h>

/* A place in a configuration's text: one key per line, groups from "name = {" to "};", one level deep. */
typedef struct cursor {
    const char *at;
    int group_length, key_length, value_length;
    const char *group, *key, *value;
} cursor;

/* Moves to the next key; false at the end. */
static bool next(cursor *c)
{
    while (*c->at) {
        const char *line = c->at + strspn(c->at, " \t"), *equals = strstr(line, " = ");
        int length = (int)strcspn(line, "\n");
        c->at = line + length + (line[length] == '\n');
        if (*line == '}') {
            c->group_length = 0;
            continue;
        }
        if (!equals || equals > line + length)
            continue;
        c->key = line;
        c->key_length = (int)(equals - line);
        c->value = equals + 3;
        c->value_length = (int)(line + length - c->value);
        if (*c->value != '{') {
            c->value_length -= c->value_length > 0 && c->value[c->value_length - 1] == ';';
            return true;
        }
        c->group = c->key;
        c->group_length = c->key_length;
    }
    return false;
}

static bool same(const char *a, int a_length, const char *b, int b_length)
{
    return a_length == b_length && (a_length == 0 || memcmp(a, b, (size_t)a_length) == 0);
}

/* Finds the key of `wanted` in another text. */
static bool find(const char *text, const cursor *wanted, cursor *found)
{
    *found = (cursor){.at = text};
    while (next(found))
        if (same(found->group, found->group_length, wanted->group, wanted->group_length) &&
            same(found->key, found->key_length, wanted->key, wanted->key_length))
            return true;
    return false;
}

static void tell(px_log *log, const cursor *key, const cursor *was, const cursor *is)
{
    px_log_warning(log, "resumed with a different setting: %.*s%s%.*s = %.*s (was: %.*s)", key->group_length,
                   key->group_length ? key->group : "", key->group_length ? "." : "", key->key_length, key->key,
                   is ? is->value_length : 4, is ? is->value : "none", was ? was->value_length : 4,
                   was ? was->value : "none");
}

/* Runs of older versions wrote true and false, and auto does what false did. */
static bool same_meaning(const cursor *a, const cursor *b)
{
    static const char *const words[][2] = {{"auto", "none"}, {"false", "none"}, {"true", "dataset"}};
    const char *value[] = {a->value, b->value};
    int length[] = {a->value_length, b->value_length};
    bool normalize = same(b->group, b->group_length, "data", 4) && same(b->key, b->key_length, "normalize", 9);
    for (int i = 0; i < 2 && normalize; i++) {
        if (length[i] >= 2 && value[i][0] == '"') {
            value[i]++;
            length[i] -= 2;
        }
        for (size_t k = 0; k < sizeof words / sizeof words[0]; k++)
            if (same(value[i], length[i], words[k][0], (int)strlen(words[k][0]))) {
                value[i] = words[k][1];
                length[i] = (int)strlen(words[k][1]);
            }
    }
    return same(value[0], length[0], value[1], length[1]);
}

void px_changes_tell(px_log *log, const char *before, const char *now)
{
    cursor a, b = {.at = now};
    while (next(&b))
        if (!find(before, &b, &a))
            tell(log, &b, NULL, &b);
        else if (!same_meaning(&a, &b))
            tell(log, &b, &a, &b);
    a = (cursor){.at = before};
    while (next(&a))
        if (!find(now, &a, &b))
            tell(log, &a, &a, NULL);
}
