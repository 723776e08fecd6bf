/* changes.c - see changes.h. */
#include "train/changes.h"
#include "base/error.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
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

/* ---- what makes it another run ---- */

/* Settings that change what the stored numbers mean. Others that change the parameters' shapes (a head's width) are refused by
 * the checkpoint. */
static const struct {
    const char *group, *key;
    bool trained; /* features can be read with another value */
} fixed[] = {{"", "method", false},           {"", "backbone", false},           {"resnet", "stem", false},
             {"resnet", "max_pool", false},   {"resnet", "width", false},        {"resnet", "shortcuts", false},
             {"vit", "heads", false},         {"vit", "depth", false},           {"vit", "embed_dim", false},
             {"nasnet", "cells", false},      {"nasnet", "normal", false},       {"nasnet", "reduction", false},
             {"mobilenet_v1", "stem", false}, {"mobilenet_v2", "stem", false},   {"mobilenet_v3", "stem", false},
             {"vgg", "last_pool", false},     {"googlenet", "transform", false}, {"vit", "pool", true},
             {"vit", "positions", true},      {"optim", "optimizer", true}};

static cursor key_of(const char *group, const char *key)
{
    return (cursor){.group = group, .group_length = (int)strlen(group), .key = key, .key_length = (int)strlen(key)};
}

/* A value as people write it: 10.0, not 1.0e+01. "none": there is no such key. A new string. */
static char *shown(const cursor *c)
{
    char *text = c ? px_format("%.*s", c->value_length, c->value) : px_strdup("none"), *end;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !strchr(text, 'e') || fabs(number) < 1 || fabs(number) >= 1e15)
        return text;
    free(text);
    return px_format(number == floor(number) ? "%.1f" : "%.15g", number);
}

int px_changes_check(const px_changes *c, const char *run)
{
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        cursor wanted = key_of(fixed[i].group, fixed[i].key), was, is;
        if ((c->to_read && fixed[i].trained) || !find(c->before, &wanted, &was) || !find(c->now, &wanted, &is) ||
            same(was.value, was.value_length, is.value, is.value_length))
            continue;
        const char *point = wanted.group_length ? "." : "";
        return px_fail(PX_USAGE,
                       "%s: is a run with %s%s%s = %.*s and cannot go on with %.*s; pretext export %s "
                       "out=w.safetensors and init=w.safetensors give its weights to another run",
                       run, wanted.group, point, wanted.key, was.value_length, was.value, is.value_length, is.value,
                       run);
    }
    return 0;
}

/* Settings that change no result. */
static const char *const harmless[] = {
    "out", "time_limit", "threads",      "checkpoint_minutes", "rank_timeout", "recompute", "divide_optimizer",
    "isa", "data.path",  "data.workers", "data.timeout",       "data.links",   NULL};

static bool is_among(const char *const names[], const char *name)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

int px_changes_refuse(const char *before, const char *now, const char *const allowed[], const char *run)
{
    cursor was = {.at = before}, is;
    while (next(&was)) {
        char *name = px_format("%.*s%s%.*s", was.group_length, was.group_length ? was.group : "",
                               was.group_length ? "." : "", was.key_length, was.key);
        bool may = is_among(harmless, name) || is_among(allowed, name), found = find(now, &was, &is);
        int status = 0;
        if (!may && found && !same_meaning(&was, &is)) {
            char *before_text = shown(&was), *now_text = shown(&is);
            status = px_fail(PX_USAGE, "%s: was begun with %s = %s, not %s; another one takes another out=", run, name,
                             before_text, now_text);
            free(before_text);
            free(now_text);
        }
        free(name);
        if (status != 0)
            return -1;
    }
    return 0;
}

double px_changes_number(const char *text, const char *key)
{
    cursor wanted = key_of("", key), found;
    return find(text, &wanted, &found) ? strtod(found.value, NULL) : 0;
}

/* ---- what may change ---- */

static void tell(px_log *log, const cursor *key, const cursor *was, const cursor *is)
{
    char *before = shown(was), *now = shown(is);
    px_log_warning(log, "resumed with a different setting: %.*s%s%.*s = %s (was: %s)", key->group_length,
                   key->group_length ? key->group : "", key->group_length ? "." : "", key->key_length, key->key, now,
                   before);
    free(before);
    free(now);
}

/* A key that the run's version did not have: it did what the default does now. */
static bool is_usual(const px_changes *c, const cursor *key)
{
    cursor asked, usual;
    return find(c->asked, key, &asked) && find(c->usual, key, &usual) && same_meaning(&asked, &usual);
}

void px_changes_tell(px_log *log, const px_changes *c)
{
    cursor a, b = {.at = c->now};
    while (next(&b)) {
        bool old = find(c->before, &b, &a);
        if (old && !same_meaning(&a, &b))
            tell(log, &b, &a, &b);
        else if (!old && !is_usual(c, &b))
            tell(log, &b, NULL, &b);
    }
    a = (cursor){.at = c->before};
    while (next(&a))
        if (!find(c->now, &a, &b))
            tell(log, &a, &a, NULL);
}
