/* config.c - assigns the settings of files and command line to the options of the registered groups. */
#include "base/config.h"
#include "base/error.h"
#include "base/setting.h"

#include <stdlib.h>
#include <string.h>

typedef struct group {
    const char *name; /* owned */
    const px_option *options;
    void *target;
} group;

struct px_config {
    group *groups;
    int group_count;
    px_assignments entries;
    char *peeked;
};

px_config *px_config_create(void)
{
    return px_calloc(1, sizeof(px_config));
}

void px_config_destroy(px_config *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->group_count; i++)
        free((char *)c->groups[i].name);
    px_assignments_finish(&c->entries);
    free(c->groups);
    free(c->peeked);
    free(c);
}

int px_config_file(px_config *c, const char *path)
{
    return px_assignments_file(&c->entries, path);
}

int px_config_text_load(px_config *c, const char *text, const char *origin)
{
    return px_assignments_text(&c->entries, text, origin);
}

int px_config_set(px_config *c, const char *assignment)
{
    return px_assignments_one(&c->entries, assignment);
}

static void assign_default(const group *g, const px_option *o)
{
    const px_setting def = {.kind = PX_SETTING_WORD, .text = o->def};
    if (px_option_assign(o, g->target, &def, o->name, "default of an option") != 0)
        px_check_failed(__FILE__, __LINE__, px_error()); /* a table that contradicts itself */
}

static void assign_defaults(const group *g)
{
    for (const px_option *o = g->options; o->name; o++)
        assign_default(g, o);
}

void px_config_group(px_config *c, const char *name, const px_option *options, void *target)
{
    for (int i = 0; i < c->group_count; i++)
        PX_CHECK(strcmp(c->groups[i].name, name) != 0);
    c->groups = px_realloc(c->groups, (size_t)(c->group_count + 1) * sizeof *c->groups);
    c->groups[c->group_count++] = (group){px_strdup(name), options, target};
    assign_defaults(&c->groups[c->group_count - 1]);
}

static char *plain_text(const px_setting *s)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    if (s->kind == PX_SETTING_INTEGER)
        fprintf(out, "%lld", (long long)s->integer);
    else if (s->kind == PX_SETTING_REAL)
        px_real_write(out, s->real);
    else if (s->kind == PX_SETTING_BOOL)
        fputs(s->flag ? "true" : "false", out);
    else if (s->text)
        fputs(s->text, out);
    for (int i = 0; s->kind == PX_SETTING_LIST && i < s->list.count && i < PX_LIST_MAX; i++) {
        fputs(i ? ", " : "[", out);
        px_real_write(out, s->list.value[i]);
    }
    if (s->kind == PX_SETTING_LIST)
        fputs(s->list.count ? "]" : "[]", out);
    fclose(out);
    return text;
}

const char *px_config_peek(px_config *c, const char *key, const char *fallback)
{
    for (int override = 1; override >= 0; override--) {
        for (int i = c->entries.count; i-- > 0;) {
            const px_assignment *e = &c->entries.list[i];
            if (e->override != override || e->value.kind == PX_SETTING_GROUP || strcmp(e->key, key) != 0)
                continue;
            free(c->peeked);
            return c->peeked = plain_text(&e->value);
        }
    }
    return fallback;
}

/* ---- unknown names ---- */

/* All names of groups, or of one group's options, for "nearest is". */
static const char **group_names(const px_config *c)
{
    const char **names = px_calloc((size_t)c->group_count + 1, sizeof *names);
    int n = 0;
    for (int i = 0; i < c->group_count; i++)
        if (*c->groups[i].name)
            names[n++] = c->groups[i].name;
    return names;
}

static const char **option_names(const group *g)
{
    int n = 0;
    while (g->options[n].name)
        n++;
    const char **names = px_calloc((size_t)n + 1, sizeof *names);
    for (int i = 0; i < n; i++)
        names[i] = g->options[i].name;
    return names;
}

static const group *find_group(const px_config *c, const char *name, size_t length)
{
    for (int i = 0; i < c->group_count; i++)
        if (strlen(c->groups[i].name) == length && memcmp(c->groups[i].name, name, length) == 0)
            return &c->groups[i];
    return NULL;
}

static const px_option *find_option(const group *g, const char *name)
{
    for (const px_option *o = g->options; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

/* Whether it is a group's name, or the beginning of one ("eval" of "eval.linear"). */
static bool is_group(const px_config *c, const char *name)
{
    size_t length = strlen(name);
    for (int i = 0; i < c->group_count; i++) {
        const char *other = c->groups[i].name;
        if (length && strncmp(other, name, length) == 0 && (other[length] == 0 || other[length] == '.'))
            return true;
    }
    return false;
}

static int unknown_group(const px_config *c, const char *name, const char *where)
{
    const group *top = find_group(c, "", 0);
    if (top && find_option(top, name))
        return px_fail(PX_USAGE, "%s: '%s' is a single value, not a group", where, name);
    const char **names = group_names(c), *nearest = px_nearest(name, names);
    char *all = px_nearest_first(name, names);
    if (nearest)
        px_fail(PX_USAGE, "%s: unknown group '%s', nearest is '%s'", where, name, nearest);
    else
        px_fail(PX_USAGE, "%s: unknown group '%s'%s%s", where, name, *all ? "; valid: " : "", all);
    free(all);
    free(names);
    return -1;
}

static int unknown_key(const px_config *c, const group *g, const px_assignment *e, const char *name)
{
    const char *where = e->where, *key = e->key;
    if (is_group(c, key))
        return px_fail(PX_USAGE, "%s: '%s' is a group and has no value itself; set %s.KEY", where, key, key);
    for (int i = 0; i < c->group_count; i++) { /* the right name in the wrong group */
        const group *other = &c->groups[i];
        if (other != g && find_option(other, name)) {
            char *right = px_key_join(other->name, name);
            px_fail(PX_USAGE, "%s: unknown key '%s', nearest is '%s'", where, key, right);
            free(right);
            return -1;
        }
    }
    const char **names = option_names(g), *nearest = px_nearest(name, names);
    char *right = px_key_join(g->name, nearest ? nearest : ""), *all = px_nearest_first(name, names);
    if (nearest)
        px_fail(PX_USAGE, "%s: unknown key '%s', nearest is '%s'", where, key, right);
    else
        px_fail(PX_USAGE, "%s: unknown key '%s'%s%s", where, key, *all ? "; valid: " : "", all);
    free(right);
    free(all);
    free(names);
    return -1;
}

/* ---- the whole configuration ---- */

static const px_option no_options[] = {{0}};
static const group empty_top = {.name = "", .options = no_options}; /* if the top level is not registered */

static int assign(const px_config *c, const px_assignment *e)
{
    const char *dot = strrchr(e->key, '.'), *name = dot ? dot + 1 : e->key;
    size_t prefix = dot ? (size_t)(dot - e->key) : 0;
    if (e->value.kind == PX_SETTING_GROUP && is_group(c, e->key))
        return 0;
    const group *g = find_group(c, e->key, prefix);
    if (!g && prefix == 0)
        g = &empty_top;
    if (e->value.kind == PX_SETTING_GROUP && !(g && find_option(g, name)))
        return unknown_group(c, e->key, e->where);
    if (!g) {
        char *group_name = px_format("%.*s", (int)prefix, e->key);
        int rc = unknown_group(c, group_name, e->where);
        free(group_name);
        return rc;
    }
    const px_option *o = find_option(g, name);
    return o ? px_option_assign(o, g->target, &e->value, e->key, e->where) : unknown_key(c, g, e, name);
}

int px_config_finish(px_config *c)
{
    for (int i = 0; i < c->group_count; i++)
        assign_defaults(&c->groups[i]);
    for (int override = 0; override <= 1; override++)
        for (int i = 0; i < c->entries.count; i++)
            if (c->entries.list[i].override == override && assign(c, &c->entries.list[i]) != 0)
                return -1;
    char *text = px_config_text(c);
    bool large = strlen(text) > PX_CONFIG_KIB * 1024;
    free(text);
    return large ? px_fail(PX_USAGE, "all settings together are larger than %d KiB: shorter texts are needed",
                           PX_CONFIG_KIB)
                 : 0;
}

/* The first component of the group's name after `prefix`, if it is below `prefix`: "linear" for "eval.linear" and
 * "eval". */
static const char *child_of(const char *name, const char *prefix, size_t *length)
{
    size_t skip = strlen(prefix);
    if (strncmp(name, prefix, skip) != 0 || !name[skip] || (skip && name[skip] != '.'))
        return NULL;
    const char *child = name + skip + (skip > 0);
    *length = strcspn(child, ".");
    return child;
}

/* Whether an earlier group is below the same child of `prefix`: each child is written once. */
static bool seen_before(const px_config *c, int index, const char *prefix, const char *child, size_t length)
{
    for (int i = 0; i < index; i++) {
        size_t other_length;
        const char *other = child_of(c->groups[i].name, prefix, &other_length);
        if (other && other_length == length && memcmp(other, child, length) == 0)
            return true;
    }
    return false;
}

static void write_group(const px_config *c, FILE *out, const char *prefix, int indent)
{
    const group *g = find_group(c, prefix, strlen(prefix));
    for (const px_option *o = g ? g->options : NULL; o && o->name; o++) {
        fprintf(out, "%*s%s = ", indent, "", o->name);
        px_option_write(out, o, g->target);
        fputs(";\n", out);
    }
    for (int i = 0; i < c->group_count; i++) {
        size_t length;
        const char *child = child_of(c->groups[i].name, prefix, &length);
        if (!child || seen_before(c, i, prefix, child, length))
            continue;
        char *path = px_format("%.*s", (int)(child + length - c->groups[i].name), c->groups[i].name);
        fprintf(out, "%*s%.*s = {\n", indent, "", (int)length, child);
        write_group(c, out, path, indent + 4);
        fprintf(out, "%*s};\n", indent, "");
        free(path);
    }
}

char *px_config_text(const px_config *c)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    write_group(c, out, "", 0);
    fclose(out);
    return text;
}
