/* config_read.c - records the settings of configuration files (libconfig) and the command line. */
#include "base/error.h"
#include "base/setting.h"

#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *px_key_join(const char *group, const char *name)
{
    return *group ? px_format("%s.%s", group, name) : px_strdup(name);
}

void px_assignments_finish(px_assignments *all)
{
    for (int i = 0; i < all->count; i++) {
        free(all->list[i].key);
        free(all->list[i].where);
        free(all->list[i].text);
    }
    free(all->list);
    *all = (px_assignments){0};
}

/* Takes ownership of `key` and `where`; copies the text of `value`. */
static void record(px_assignments *all, char *key, char *where, px_setting value, bool override)
{
    all->list = px_realloc(all->list, (size_t)(all->count + 1) * sizeof *all->list);
    px_assignment *e = &all->list[all->count++];
    *e = (px_assignment){.key = key, .where = where, .value = value, .override = override};
    if (value.text)
        e->value.text = e->text = px_strdup(value.text);
}

typedef struct source {
    const char *text, *name; /* of the main file; libconfig gives names only for included ones */
    const char *directory;   /* of included files; NULL: text in memory, which may include none */
} source;

/* The path by which an included file can be opened. Returns `path`. */
static char *included_path(const source *src, const char *file, char path[PATH_MAX])
{
    if (*file == '/' || !src->directory || strcmp(src->directory, ".") == 0)
        snprintf(path, PATH_MAX, "%s", file);
    else
        snprintf(path, PATH_MAX, "%s/%s", src->directory, file);
    return path;
}

static char *place(const source *src, const char *file, int line)
{
    char path[PATH_MAX];
    return px_format("%s:%d", file ? included_path(src, file, path) : src->name, line);
}

/* Whether a text in quotes has the escape \x00, behind which libconfig loses the rest. */
static bool has_zero_escape(const char *text)
{
    for (const char *at = strchr(text, '\\'); at && at[1]; at = strchr(at + 2, '\\'))
        if (strncmp(at, "\\x00", 4) == 0)
            return true;
    return false;
}

char *px_config_read_text(const char *path)
{
    struct stat about;
    if (lstat(path, &about) == 0 && S_ISFIFO(about.st_mode)) /* /dev/stdin and the shell's <(...) are links */
        return px_fail_null(PX_USAGE, "%s: is a pipe, not a file", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* does not wait for a pipe's writer */
    if (fd < 0)
        return px_fail_null(PX_USAGE, "%s: %s", path, strerror(errno));
    fcntl(fd, F_SETFL, 0);
    FILE *in = fdopen(fd, "r");
    PX_CHECK(in != NULL);
    char *text = px_calloc(PX_CONFIG_KIB * 1024 + 1, 1);
    size_t length = fread(text, 1, PX_CONFIG_KIB * 1024 + 1, in);
    int reason = ferror(in) ? errno : 0; /* it is a folder, for example: libconfig would call exit() */
    fclose(in);
    if (reason)
        px_fail(PX_USAGE, "%s: %s", path, strerror(reason));
    else if (length > PX_CONFIG_KIB * 1024)
        px_fail(PX_USAGE, "%s: is larger than %d KiB; is this a configuration?", path, PX_CONFIG_KIB);
    else if (strlen(text) < length || has_zero_escape(text))
        px_fail(PX_USAGE, "%s: contains a zero byte, but a configuration is text", path);
    else
        return text;
    free(text);
    return NULL;
}

static const char *line_start(const char *text, int line)
{
    const char *end = text ? text + strlen(text) : NULL;
    while (--line > 0 && text) {
        text = memchr(text, '\n', (size_t)(end - text));
        text = text ? text + 1 : NULL;
    }
    return text;
}

/* The next place in the text where `name` stands as a whole; NULL: there is none. */
static const char *find_name(const char *text, const char *name)
{
    static const char in_names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-*";
    size_t length = strlen(name);
    for (const char *at = text; (at = strstr(at, name)); at += length)
        if ((at == text || !strchr(in_names, at[-1])) && strspn(at + length, in_names) == 0)
            return at;
    return NULL;
}

/* libconfig 1.5 silently cuts an integer without an L to its low 32 bits. So the number is read again from its line, where
 * other groups may have a setting of the same name: it is the first one with these 32 bits. */
static px_setting integer_as_written(const config_setting_t *s, const source *src)
{
    px_setting value = {.kind = PX_SETTING_INTEGER, .integer = config_setting_get_int(s)};
    const char *file = config_setting_source_file(s), *name = config_setting_name(s);
    char path[PATH_MAX];
    char *included = file ? px_config_read_text(included_path(src, file, path)) : NULL;
    const char *text = line_start(included ? included : src->text, (int)config_setting_source_line(s));
    const char *at = text && name && (included || !file) ? find_name(text, name) : NULL;
    for (bool found = false; at && !found; at = find_name(at + strlen(name), name)) {
        const char *number = at + strlen(name);
        number += strspn(number, " \t\r\n=:");
        errno = 0;
        long long exact = strtoll(number, NULL, 0);
        found = (int)(exact & 0xFFFFFFFF) == (int)value.integer;
        if (found && errno == ERANGE)
            value = (px_setting){.kind = PX_SETTING_REAL, .real = strtod(number, NULL)};
        else if (found)
            value.integer = exact;
    }
    free(included);
    return value;
}

static px_setting read_elements(const config_setting_t *s)
{
    px_setting value = {.kind = PX_SETTING_LIST, .list.count = config_setting_length(s)};
    for (int i = 0; i < value.list.count; i++) {
        const config_setting_t *element = config_setting_get_elem(s, (unsigned)i);
        int type = config_setting_type(element);
        double number;
        if (type == CONFIG_TYPE_INT)
            number = config_setting_get_int(element);
        else if (type == CONFIG_TYPE_INT64)
            number = (double)config_setting_get_int64(element);
        else if (type == CONFIG_TYPE_FLOAT)
            number = config_setting_get_float(element);
        else
            return (px_setting){.kind = PX_SETTING_OTHER};
        if (i < PX_LIST_MAX)
            value.list.value[i] = number;
    }
    return value;
}

static px_setting read_setting(const config_setting_t *s, const source *src)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_INT:
        return integer_as_written(s, src);
    case CONFIG_TYPE_INT64:
        return (px_setting){.kind = PX_SETTING_INTEGER, .integer = config_setting_get_int64(s)};
    case CONFIG_TYPE_FLOAT:
        return (px_setting){.kind = PX_SETTING_REAL, .real = config_setting_get_float(s)};
    case CONFIG_TYPE_BOOL:
        return (px_setting){.kind = PX_SETTING_BOOL, .flag = config_setting_get_bool(s)};
    case CONFIG_TYPE_STRING:
        return (px_setting){.kind = PX_SETTING_TEXT, .text = config_setting_get_string(s)};
    case CONFIG_TYPE_GROUP:
        return (px_setting){.kind = PX_SETTING_GROUP};
    default:
        return read_elements(s);
    }
}

static void record_members(px_assignments *all, const config_setting_t *parent, const char *prefix, const source *src)
{
    for (int i = 0; i < config_setting_length(parent); i++) {
        const config_setting_t *s = config_setting_get_elem(parent, (unsigned)i);
        char *key = px_key_join(prefix, config_setting_name(s));
        char *where = place(src, config_setting_source_file(s), (int)config_setting_source_line(s));
        record(all, key, where, read_setting(s, src), false);
        if (config_setting_is_group(s))
            record_members(all, s, key, src);
    }
}

/* The name in a line `@include "name"`, without the escapes. A new string, or NULL if it is another line. */
static char *included_name(const char *line)
{
    static const char word[] = "@include";
    line += strspn(line, " \t");
    size_t space = strncmp(line, word, sizeof word - 1) == 0 ? strspn(line + sizeof word - 1, " \t") : 0;
    if (space == 0 || line[sizeof word - 1 + space] != '"')
        return NULL;
    char *name = px_strdup(line + sizeof word + space), *to = name;
    for (const char *from = name; *from && *from != '"'; from++) {
        from += *from == '\\' && from[1];
        *to++ = *from;
    }
    *to = '\0';
    return name;
}

/* libconfig calls exit() if an included file is a folder, and waits forever on a pipe. *left: how many bytes may still
 * be included. */
static int check_includes(const source *src, const char *text, const char *where, int depth, size_t *left)
{
    enum { DEPTH = 10 }; /* libconfig's limit, which it reports */
    int status = 0, number = 1;
    for (const char *line = text; line && status == 0 && depth < DEPTH; number++) {
        char path[PATH_MAX], *name = included_name(line);
        struct stat about;
        if (name && !src->directory) {
            status = px_fail(PX_USAGE, "%s:%d: @include \"%s\": a stored configuration cannot include files", where,
                             number, name);
            free(name);
            return status;
        }
        if (name) /* libconfig 1.5 opens no absolute paths, and takes "" for the folder itself */
            snprintf(path, sizeof path, "%s/%s", src->directory, name);
        if (name && stat(path, &about) == 0) {
            char *inner = S_ISREG(about.st_mode) ? px_config_read_text(path) : NULL;
            if (!S_ISREG(about.st_mode))
                status = px_fail(PX_USAGE, "%s:%d: @include \"%s\": is not a file", where, number, name);
            else if (inner && strlen(inner) > *left)
                status = px_fail(PX_USAGE,
                                 "%s:%d: with all included files this is larger than %d KiB; is this a "
                                 "configuration?",
                                 where, number, PX_CONFIG_KIB);
            else if (inner)
                *left -= strlen(inner);
            if (status == 0)
                status = inner ? check_includes(src, inner, path, depth + 1, left) : -1;
            free(inner);
        }
        free(name);
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return status;
}

static int parse_text(config_t *parsed, const source *src, const char *text)
{
    config_init(parsed);
    config_set_include_dir(parsed, src->directory ? src->directory : ".");
    return config_read_string(parsed, text);
}

/* 1, or 0 with the error in `parsed`; -1: a comment has no end, which libconfig does not miss. So a last setting is
 * added to the text. The caller destroys `parsed`. */
static int parse(config_t *parsed, const source *src)
{
    static const char last[] = "end_of_configuration";
    char *whole = px_format("%s\n%s = 1;\n", src->text, last);
    int rc = parse_text(parsed, src, whole);
    free(whole);
    if (rc != CONFIG_TRUE) { /* again without it, for the right line; from new: libconfig 1.7 keeps the first one */
        config_destroy(parsed);
        return parse_text(parsed, src, src->text);
    }
    return config_setting_remove(config_root_setting(parsed), last) == CONFIG_TRUE ? 1 : -1;
}

static int load(px_assignments *all, const source *src)
{
    size_t left = PX_CONFIG_KIB * 1024;
    if (check_includes(src, src->text, src->name, 0, &left) != 0)
        return -1;
    config_t parsed;
    int rc = 0, read = parse(&parsed, src);
    if (read < 0) {
        rc = px_fail(PX_USAGE, "%s: a comment has no end", src->name);
    } else if (read > 0) {
        record_members(all, config_root_setting(&parsed), "", src);
    } else {
        const char *text = config_error_text(&parsed);
        bool mixed = strstr(text, "mismatched element type");
        char *where = place(src, config_error_file(&parsed), config_error_line(&parsed));
        rc = px_fail(PX_USAGE, "%s: %s%s", where, text,
                     mixed ? ": write all elements with a decimal point, or none" : "");
        free(where);
    }
    config_destroy(&parsed);
    return rc;
}

int px_assignments_text(px_assignments *all, const char *text, const char *origin)
{
    if (strlen(text) > PX_CONFIG_KIB * 1024)
        return px_fail(PX_USAGE, "%s: its configuration is larger than %d KiB", origin, PX_CONFIG_KIB);
    return load(all, &(source){.text = text, .name = origin});
}

int px_assignments_file(px_assignments *all, const char *path)
{
    char *text = px_config_read_text(path);
    if (!text)
        return -1;
    const char *slash = strrchr(path, '/');
    char *directory = slash ? px_format("%.*s", slash == path ? 1 : (int)(slash - path), path) : px_strdup(".");
    int rc = load(all, &(source){.text = text, .name = path, .directory = directory});
    free(directory);
    free(text);
    return rc;
}

int px_assignments_one(px_assignments *all, const char *assignment)
{
    size_t length = strspn(assignment, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-*.");
    const char *word = assignment + length + 1;
    if (length == 0 || assignment[length] != '=')
        return px_fail(PX_USAGE, "on the command line: '%s' is not of the form key=value", assignment);
    px_setting value = {.kind = PX_SETTING_WORD, .text = word};
    config_t quoted; /* libconfig handles quotes and escapes */
    config_init(&quoted);
    int rc = 0;
    if (*word == '"') {
        char *text = px_format("value = %s;", word);
        value.kind = PX_SETTING_TEXT;
        if (!config_read_string(&quoted, text) || !config_lookup_string(&quoted, "value", &value.text) ||
            config_setting_length(config_root_setting(&quoted)) != 1)
            rc = px_fail(PX_USAGE, "on the command line: %s: the quotes do not match", assignment);
        else if (has_zero_escape(word))
            rc = px_fail(PX_USAGE, "on the command line: %s: contains a zero byte", assignment);
        free(text);
    }
    if (rc == 0)
        record(all, px_format("%.*s", (int)length, assignment), px_strdup("on the command line"), value, true);
    config_destroy(&quoted);
    return rc;
}
