/* labels.c - finds the images that the rows of labels= name, and gives them their labels. */
#include "data/labels.h"

#include "base/error.h"
#include "data/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT_MAX ((off_t)1 << 30)

/* An image under its name, or its name without extension. */
typedef struct key {
    const char *name;
    size_t length;
    px_block *image;
} key;

typedef struct finder {
    px_catalog *c;
    key *by_name, *by_stem; /* (block_count) sorted */
    const char *folder;     /* of the file of labels, in its source; NULL: it is elsewhere */
    int64_t unknown;        /* rows that name no image */
    char *first_unknown;
    char **names; /* of classes, for labels that are numbers; NULL: none */
    int base;     /* of these numbers */
    bool *given;  /* (block_count) the image has its label from the file */
} finder;

/* ---- images by name ---------------------------------------------------------------------------------------------- */

static int by_key(const void *left, const void *right)
{
    const key *a = left, *b = right;
    size_t least = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->name, b->name, least);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static void make_keys(finder *f)
{
    size_t count = f->c->block_count;
    f->by_name = px_calloc(count + 1, sizeof(key));
    f->by_stem = px_calloc(count + 1, sizeof(key));
    f->given = px_calloc(count + 1, sizeof(bool));
    for (size_t k = 0; k < count; k++) {
        px_block *b = &f->c->blocks[k];
        const char *name = px_base_name(b->path), *dot = strrchr(name, '.');
        size_t length = strlen(name);
        f->by_name[k] = (key){name, length, b};
        f->by_stem[k] = (key){name, dot && dot > name ? (size_t)(dot - name) : length, b};
    }
    qsort(f->by_name, count, sizeof(key), by_key);
    qsort(f->by_stem, count, sizeof(key), by_key);
}

/* Whether one of the paths ends with the other, at a slash. Extensions do not count if `stem`. */
static bool paths_agree(const char *row, size_t row_length, const key *k, bool stem)
{
    const char *path = k->image->path;
    size_t length = (size_t)(k->name - path) + (stem ? k->length : strlen(k->name));
    size_t least = row_length < length ? row_length : length;
    if (memcmp(row + row_length - least, path + length - least, least) != 0)
        return false;
    return (row_length == least || row[row_length - least - 1] == '/') &&
           (length == least || path[length - least - 1] == '/');
}

static bool is_beside(const finder *f, const px_block *b)
{
    size_t length = f->folder ? strlen(f->folder) : 0;
    return f->folder && strncmp(b->path, f->folder, length) == 0 && (length == 0 || b->path[length] == '/');
}

/* The image that a row names: NULL, or the first of *several. One below the file's own folder goes before others. */
static px_block *find_in(const finder *f, const key *keys, const char *path, bool stem, int *several, px_block **second)
{
    size_t length = strlen(path), count = f->c->block_count, low = 0, high = count;
    key wanted = {px_base_name(path), strlen(px_base_name(path)), NULL};
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (by_key(&keys[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    px_block *found = NULL;
    *several = 0;
    for (int own = 1; own >= 0 && !found; own--)
        for (size_t k = low; k < count && by_key(&keys[k], &wanted) == 0; k++) {
            if ((own && !is_beside(f, keys[k].image)) || !paths_agree(path, length, &keys[k], stem))
                continue;
            *second = found ? keys[k].image : NULL;
            found = found ? found : keys[k].image;
            if (++*several > 1)
                return found;
        }
    return found;
}

/* Backslashes become slashes; "./" and "/" at the front go. A new string. */
static char *clean(const char *path)
{
    while (*path == '/' || *path == '\\' || (path[0] == '.' && (path[1] == '/' || path[1] == '\\')))
        path += *path == '.' ? 2 : 1;
    char *copy = px_strdup(path);
    for (char *c = copy; *c; c++)
        if (*c == '\\')
            *c = '/';
    return copy;
}

static px_block *find_image(const finder *f, const char *given, int *several, px_block **second)
{
    char *path = clean(given);
    px_block *found = find_in(f, f->by_name, path, false, several, second);
    if (!found)
        found = find_in(f, f->by_stem, path, true, several, second);
    char *dot = strrchr(px_base_name(path), '.');
    if (!found && dot) { /* the files were converted: .tif in the table, .png here */
        *dot = '\0';
        found = find_in(f, f->by_stem, path, true, several, second);
    }
    free(path);
    return found;
}

static bool is_image(void *context, const char *path)
{
    int several;
    px_block *second;
    return find_image(context, path, &several, &second) != NULL;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static bool is_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 9 && !text[digits];
}

/* A label in words: that of Kaggle's ImageNet is followed by boxes; numbers may count lines of class_names=. -1 with a
 * message if there is no such line; *label is a new string. */
static int class_text(const finder *f, const char *text, const char *name, int64_t line, char **label)
{
    bool boxes = text[0] == 'n' && strspn(text + 1, "0123456789") == 8 && text[9] == ' ';
    *label = px_format("%.*s", boxes ? 9 : (int)strlen(text), text);
    if (!f->names || !is_number(*label))
        return 0;
    int number = atoi(*label) - f->base, count = 0;
    while (f->names[count])
        count++;
    free(*label);
    *label = NULL;
    if (number < 0 || number >= count)
        return px_fail(PX_DATA, "%s: row %lld has the label %d, but class_names gives %d names", name, (long long)line,
                       number + f->base, count);
    *label = px_strdup(f->names[number]);
    return 0;
}

static int give_label(finder *f, px_block *b, const px_label_row *row, const char *name)
{
    size_t at = (size_t)(b - f->c->blocks);
    char *text = NULL;
    if (b->split == PX_SPLIT_LEFT_OUT)
        return 0;
    if (class_text(f, row->label, name, row->line, &text) != 0 || !text)
        return -1;
    int label = *text ? px_layout_class(f->c, text) : -1;
    free(text);
    if (f->given[at] && b->label != label)
        return px_fail(PX_DATA, "%s: row %lld gives %s another label than a row before", name, (long long)row->line,
                       b->path);
    f->given[at] = true;
    b->label = label;
    if (!row->split || f->c->splits.whole >= 0)
        return 0;
    int split = px_split_of_name(row->split, strlen(row->split));
    b->split = split >= 0 ? split : px_splits_number(&f->c->splits, row->split, strlen(row->split));
    return b->split < 0 ? -1 : 0;
}

static int apply_table(finder *f, const px_label_rows *rows, const char *name)
{
    int status = 0, several;
    int64_t known = 0;
    for (int k = 0; k < rows->count && status == 0; k++) {
        const px_label_row *row = &rows->row[k];
        px_block *second = NULL, *b = find_image(f, row->path, &several, &second);
        if (several > 1 && b && second) {
            status = px_fail(PX_DATA, "%s: row %lld names %s, which may be %s or %s; give its folder", name,
                             (long long)row->line, row->path, b->path, second->path);
        } else if (b) {
            known++;
            status = give_label(f, b, row, name);
        } else if (f->unknown++ == 0) {
            f->first_unknown = px_strdup(row->path);
        }
    }
    if (status == 0 && known == 0)
        return px_fail(PX_DATA, "%s: none of its %d rows names an image; the first names %s", name, rows->count,
                       rows->row[0].path);
    if (status == 0 && f->unknown > 0)
        px_log_warning(f->c->log, "%s: %lld of %d rows name no image; the first names %s", name, (long long)f->unknown,
                       rows->count, f->first_unknown);
    return status;
}

static int by_path(const void *left, const void *right)
{
    const px_block *a = *(px_block *const *)left, *b = *(px_block *const *)right;
    return a->source != b->source ? a->source - b->source : strcmp(a->path, b->path);
}

/* One label per line: of the images without a label, or of all. */
static int apply_list(finder *f, const px_label_rows *rows, const char *name)
{
    px_catalog *c = f->c;
    px_block **image = px_calloc(c->block_count + 1, sizeof *image);
    int64_t without = 0, all = 0;
    for (size_t k = 0; k < c->block_count; k++) {
        all += c->blocks[k].split != PX_SPLIT_LEFT_OUT;
        without += c->blocks[k].split != PX_SPLIT_LEFT_OUT && c->blocks[k].label < 0;
    }
    bool only = without == rows->count;
    int status = 0;
    if (!only && all != rows->count)
        status = px_fail(PX_DATA, "%s: has %d lines, but %lld images have no label, and there are %lld in all", name,
                         rows->count, (long long)without, (long long)all);
    size_t count = 0;
    for (size_t k = 0; k < c->block_count; k++)
        if (c->blocks[k].split != PX_SPLIT_LEFT_OUT && (!only || c->blocks[k].label < 0))
            image[count++] = &c->blocks[k];
    qsort(image, count, sizeof *image, by_path);
    for (int k = 0; k < rows->count && status == 0; k++)
        status = give_label(f, image[k], &rows->row[k], name);
    free(image);
    return status;
}

/* Whether numbers as labels begin at 0 or 1, where they count the lines of class_names=. */
static int find_base(finder *f, const px_label_rows *rows, const char *name)
{
    int least = INT32_MAX, most = -1, count = 0;
    for (int k = 0; k < rows->count; k++) {
        if (!is_number(rows->row[k].label))
            continue;
        int number = atoi(rows->row[k].label);
        least = number < least ? number : least;
        most = number > most ? number : most;
    }
    while (f->names && f->names[count])
        count++;
    f->base = least > 0 && most >= count;
    if (!f->names || most < 0 || least == 0 || most >= count)
        return 0;
    return px_fail(
        PX_DATA,
        "%s: its labels are %d to %d, so it is not clear whether they count the %d names of class_names from 0 "
        "or from 1; give the names instead",
        name, least, most, count);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Whether a file's path in a source is the one that an option names: one ends with the other. */
static bool is_named(const char *option, size_t length, const char *path)
{
    size_t own = strlen(path), least = own < length ? own : length;
    if (least == 0 || memcmp(option + length - least, path + own - least, least) != 0)
        return false;
    return (own == least || path[own - least - 1] == '/') && (length == least || option[length - least - 1] == '/');
}

bool px_labels_offer(px_catalog *c, const px_entry *entry)
{
    const char *options[] = {c->options->labels, c->options->class_names};
    for (int o = 0; o < 2; o++)
        for (const char *at = options[o] ? options[o] : ""; *at;
             at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
            if (!is_named(at, strcspn(at, ","), entry->path) || entry->size > (size_t)TEXT_MAX)
                continue;
            c->texts = px_grow(c->texts, c->text_count, sizeof *c->texts);
            px_side *t = &c->texts[c->text_count++];
            *t = (px_side){.path = px_strdup(entry->path), .source = c->source, .size = entry->size};
            t->bytes = px_calloc(entry->size + 1, 1);
            memcpy(t->bytes, entry->bytes, entry->size);
            return true;
        }
    return false;
}

/* Whether a path on the disk is written as one in the source's folder. */
static bool is_below(const char *path, const char *source)
{
    size_t length = strlen(source);
    while (length > 1 && source[length - 1] == '/')
        length--;
    return strncmp(path, source, length) == 0 && path[length] == '/';
}

/* The content of the file that `path` names, on the disk or in a source: a new string. *folder: where it is in its source,
 * a new string, or NULL. */
static char *read_text(const px_catalog *c, const char *path, size_t *size, char **folder)
{
    struct stat about;
    const px_side *text_there = NULL;
    bool on_disk = stat(path, &about) == 0;
    *folder = NULL;
    for (int k = 0; k < c->text_count; k++) {
        const px_side *t = &c->texts[k];
        if (!is_named(path, strlen(path), t->path) || (on_disk && !is_below(path, c->sources[t->source])))
            continue;
        if (text_there)
            return px_fail_null(PX_DATA, "%s: may be %s or %s; give more of its path", path, text_there->path, t->path);
        text_there = t;
    }
    if (text_there) {
        const char *base = px_base_name(text_there->path);
        *folder = px_format("%.*s", (int)(base > text_there->path ? base - text_there->path - 1 : 0), text_there->path);
        *size = text_there->size;
        return memcpy(px_calloc(text_there->size + 1, 1), text_there->bytes, text_there->size);
    }
    FILE *file = px_plain_file(path, PX_DATA) == 0 ? fopen(path, "rb") : NULL;
    if (!file)
        return px_fail_null(PX_DATA, "%s: cannot be opened, and is in no source: %s", path, strerror(errno));
    bool fits = fstat(fileno(file), &about) == 0 && about.st_size <= TEXT_MAX;
    char *text = fits ? px_calloc((size_t)about.st_size + 1, 1) : NULL;
    *size = fits ? fread(text, 1, (size_t)about.st_size, file) : 0;
    fclose(file);
    return fits ? text : px_fail_null(PX_DATA, "%s: is too large for a text file of labels", path);
}

int px_labels_class_names(const px_catalog *c, char ***names)
{
    const char *option = c->options->class_names;
    struct stat about;
    bool there = option && *option && stat(option, &about) == 0 && S_ISREG(about.st_mode);
    for (int k = 0; option && k < c->text_count; k++)
        there = there || (*option && is_named(option, strlen(option), c->texts[k].path));
    *names = NULL;
    if (!there)
        return 0;
    size_t size;
    int count = 0;
    char *folder, *text = read_text(c, option, &size, &folder), *rest = text, *line;
    free(folder);
    if (!text)
        return -1;
    while ((line = strsep(&rest, "\r\n"))) {
        line += strspn(line, " \t");
        if (!*line)
            continue;
        char number[16];
        snprintf(number, sizeof number, "%d ", count + 1);
        bool synset = line[0] == 'n' && strspn(line + 1, "0123456789") == 8 && strchr(" \t,", line[9]);
        if (strncmp(line, number, strlen(number)) == 0)
            line += strlen(number); /* CUB's classes.txt */
        *names = px_grow(*names, count, sizeof **names);
        (*names)[count++] = px_format("%.*s", synset ? 9 : (int)strlen(line), line);
    }
    *names = px_grow(*names, count, sizeof **names);
    (*names)[count] = NULL;
    free(text);
    return count > 0 ? 0 : px_fail(PX_DATA, "%s: contains no names of classes", option);
}

static int apply_file(finder *f, const char *path)
{
    size_t size = 0;
    char *folder = NULL, *text = read_text(f->c, path, &size, &folder);
    if (!text)
        return -1;
    px_label_rows rows;
    f->folder = folder;
    int status = px_label_rows_read(&rows, text, size, path, is_image, f);
    if (status == 0)
        status = find_base(f, &rows, path);
    if (status == 0)
        status = rows.list ? apply_list(f, &rows, path) : apply_table(f, &rows, path);
    px_label_rows_free(&rows);
    f->folder = NULL;
    free(folder);
    free(text);
    return status;
}

int px_labels_apply(px_catalog *c, bool *any)
{
    finder f = {.c = c};
    char *copy = px_strdup(c->options->labels ? c->options->labels : ""), *rest = copy, *path;
    *any = *copy != '\0';
    int status = *any ? px_labels_class_names(c, &f.names) : 0;
    if (*any)
        make_keys(&f);
    while (status == 0 && (path = strsep(&rest, ",")))
        if (*path)
            status = apply_file(&f, path);
    for (int k = 0; f.names && f.names[k]; k++)
        free(f.names[k]);
    free(f.names);
    free(f.by_name);
    free(f.by_stem);
    free(f.given);
    free(f.first_unknown);
    free(copy);
    return status;
}
