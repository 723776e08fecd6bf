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

/* The path of an image, whole or without its extension. */
typedef struct key {
    const char *path;
    size_t length;
    px_block *image;
} key;

/* Sorted from their ends, so that the paths that end with a row's lie side by side. */
typedef struct keys {
    key *key;
    size_t count;
} keys;

typedef struct finder {
    px_catalog *c;
    keys whole, stems;         /* of all images */
    keys own_whole, own_stems; /* of those below the folder of the file of labels; none if that is not in a source */
    int64_t unknown;           /* rows that name no image */
    char *first_unknown;
    char **names; /* of classes, for labels that are numbers; NULL: none */
    int name_count;
    int base;    /* of these numbers */
    bool *given; /* (block_count) the image has its label from the file */
} finder;

/* ---- images by name ---------------------------------------------------------------------------------------------- */

/* The byte before the last `back`; a path's beginning and slashes come first, in this order. */
static int byte_from_end(const char *path, size_t length, size_t back)
{
    if (back >= length)
        return -1;
    unsigned char c = (unsigned char)path[length - 1 - back];
    return c == '/' ? 0 : c;
}

static int compare_ends(const char *a, size_t a_length, const char *b, size_t b_length)
{
    for (size_t back = 0;; back++) {
        int x = byte_from_end(a, a_length, back), y = byte_from_end(b, b_length, back);
        if (x != y || x < 0)
            return x - y;
    }
}

static int by_end(const void *left, const void *right)
{
    const key *a = left, *b = right;
    int order = compare_ends(a->path, a->length, b->path, b->length);
    return order ? order : a->image->source - b->image->source;
}

/* Whether the image is in the folder or below it. */
static bool is_below_folder(const px_block *b, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(b->path, folder, length) == 0 && (length == 0 || b->path[length] == '/');
}

/* The images below `folder`; NULL: all. */
static keys make_keys(px_catalog *c, const char *folder, bool stems)
{
    keys k = {.key = px_calloc(c->block_count + 1, sizeof(key))};
    for (size_t i = 0; i < c->block_count; i++) {
        px_block *b = &c->blocks[i];
        if (folder && !is_below_folder(b, folder))
            continue;
        const char *name = px_base_name(b->path), *dot = stems ? strrchr(name, '.') : NULL;
        k.key[k.count++] = (key){b->path, dot && dot > name ? (size_t)(dot - b->path) : strlen(b->path), b};
    }
    qsort(k.key, k.count, sizeof(key), by_end);
    return k;
}

/* The first of the paths that end with path[0 : length], if there are any. */
static size_t first_that_ends(const keys *k, const char *path, size_t length)
{
    size_t low = 0, high = k->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_ends(k->key[middle].path, k->key[middle].length, path, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What was found: at most two images, since two are one too many. */
typedef struct found {
    px_block *image[2];
    int count;
} found;

/* Images whose paths end with the row's, at a slash; or if `same`, that are the same. */
static void find_ends(const keys *k, const char *path, size_t length, bool same, found *f)
{
    for (size_t i = first_that_ends(k, path, length); i < k->count && f->count < 2; i++) {
        const key *at = &k->key[i];
        if (at->length < length || memcmp(at->path + at->length - length, path, length) != 0 ||
            (at->length > length && (same || at->path[at->length - length - 1] != '/')))
            return;
        f->image[f->count++] = at->image;
    }
}

/* Images whose paths end with the row's, or the other way round. */
static found find_in(const keys *k, const char *path)
{
    found f = {0};
    find_ends(k, path, strlen(path), false, &f);
    for (const char *slash = strchr(path, '/'); slash && f.count < 2; slash = strchr(slash + 1, '/'))
        find_ends(k, slash + 1, strlen(slash + 1), true, &f);
    return f;
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

/* The images that a row names. Those below the file's own folder go before others. */
static found find_image(const finder *f, const char *given)
{
    char *path = clean(given);
    found is = find_in(&f->own_whole, path);
    if (is.count == 0)
        is = find_in(&f->whole, path);
    for (int converted = 0; converted < 2 && is.count == 0; converted++) {
        char *dot = converted ? strrchr(px_base_name(path), '.') : NULL;
        if (converted && !dot)
            break;
        if (dot) /* the files were converted: .tif in the table, .png here */
            *dot = '\0';
        is = find_in(&f->own_stems, path);
        if (is.count == 0)
            is = find_in(&f->stems, path);
    }
    free(path);
    return is;
}

static bool is_image(void *context, const char *path)
{
    return find_image(context, path).count > 0;
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
    int number = atoi(*label) - f->base, count = f->name_count;
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
    int status = 0;
    int64_t known = 0;
    for (int k = 0; k < rows->count && status == 0; k++) {
        const px_label_row *row = &rows->row[k];
        found is = find_image(f, row->path);
        if (is.count > 1) {
            status = px_fail(PX_DATA, "%s: row %lld names %s, which may be %s or %s; give its folder", name,
                             (long long)row->line, row->path, is.image[0]->path, is.image[1]->path);
        } else if (is.count == 1) {
            known++;
            status = give_label(f, is.image[0], row, name);
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
    int least = INT32_MAX, most = -1, count = f->name_count;
    for (int k = 0; k < rows->count; k++) {
        if (!is_number(rows->row[k].label))
            continue;
        int number = atoi(rows->row[k].label);
        least = number < least ? number : least;
        most = number > most ? number : most;
    }
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
    if (on_disk && px_plain_file(path, PX_DATA) != 0)
        return NULL;
    FILE *file = fopen(path, "rb");
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
    if (!there && option && *option && stat(option, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode))
        return px_plain_file(option, PX_DATA);
    if (!there)
        return 0;
    size_t size = 0;
    int count = 0;
    char *folder, *text = read_text(c, option, &size, &folder), *rest = text, *line;
    free(folder);
    if (!text)
        return -1;
    if (memchr(text, 0, size)) {
        free(text);
        return px_fail(PX_DATA, "%s: is not a text file", option);
    }
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
    if (folder) {
        f->own_whole = make_keys(f->c, folder, false);
        f->own_stems = make_keys(f->c, folder, true);
    }
    int status = px_label_rows_read(&rows, text, size, path, is_image, f);
    if (status == 0)
        status = find_base(f, &rows, path);
    if (status == 0)
        status = rows.list ? apply_list(f, &rows, path) : apply_table(f, &rows, path);
    px_label_rows_free(&rows);
    free(f->own_whole.key);
    free(f->own_stems.key);
    f->own_whole = f->own_stems = (keys){0};
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
    while (f.names && f.names[f.name_count])
        f.name_count++;
    if (*any) {
        f.whole = make_keys(c, NULL, false);
        f.stems = make_keys(c, NULL, true);
        f.given = px_calloc(c->block_count + 1, sizeof *f.given);
    }
    while (status == 0 && (path = strsep(&rest, ",")))
        if (*path)
            status = apply_file(&f, path);
    for (int k = 0; f.names && f.names[k]; k++)
        free(f.names[k]);
    free(f.names);
    free(f.whole.key);
    free(f.stems.key);
    free(f.given);
    free(f.first_unknown);
    free(copy);
    return status;
}
