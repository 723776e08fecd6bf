/* labels_read.c - reads the text files of labels=. libcsv takes quotes and separators apart; what columns are is decided
 * here. */
#include "data/labels.h"

#include "base/error.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { COLUMNS = 64 }; /* further ones are not looked at */

typedef struct record {
    char *field[COLUMNS];
    int fields;
} record;

typedef struct reading {
    px_label_rows *rows;
    const char *name;
    bool (*is_image)(void *, const char *);
    void *context;
    record now;
    int64_t line;             /* of the records so far */
    int path, label, split;   /* the columns; -1: there is none */
    bool yes_is_train, begun; /* the split's column says 1 for train */
    int failed;
} reading;

/* ---- columns ----------------------------------------------------------------------------------------------------- */

static int column_called(const record *r, const char *const *names)
{
    for (; *names; names++)
        for (int k = 0; k < r->fields; k++)
            if (strcasecmp(r->field[k], *names) == 0)
                return k;
    return -1;
}

static const char *const path_names[] = {"path",      "filepath", "file_path",  "file",       "filename",
                                         "file_name", "image",    "image_path", "image_name", "imagename",
                                         "image_id",  "imageid",  "img",        "img_path",   "img_name",
                                         "id_code",   "id",       "name",       NULL};
static const char *const label_names[] = {
    "label",      "labels",           "class",  "class_name", "classname", "class_id",
    "category",   "category_name",    "target", "species",    "breed",     "diagnosis",
    "label_name", "predictionstring", "y",      "dx",         "classid",   NULL};
static const char *const split_names[] = {"split", "set", "subset", "partition", "fold", NULL};
static const char *const train_names[] = {"is_train", "is_training_image", "train", NULL};

/* A first line that names its columns must name one for labels, too: taking the second would label wrongly. */
static int no_label_column(reading *r)
{
    char *names = px_strdup(r->now.field[0]);
    for (int k = 1; k < r->now.fields; k++) {
        char *longer = px_format("%s, %s", names, r->now.field[k]);
        free(names);
        names = longer;
    }
    int status = px_fail(PX_DATA,
                         "%s: row 1 names the columns %s, but none of them is known as the label; call the one that "
                         "is 'label'",
                         r->name, names);
    free(names);
    return status;
}

static const char *text_of(const record *r, int column)
{
    return column >= 0 && column < r->fields ? r->field[column] : NULL;
}

/* Of two columns with one name, the wrong one might be taken. */
static int named_twice(const reading *r, int column)
{
    const char *name = text_of(&r->now, column), *other;
    for (int k = column + 1; name && (other = text_of(&r->now, k)); k++)
        if (strcasecmp(name, other) == 0)
            return px_fail(PX_DATA, "%s: row 1 calls columns %d and %d '%s'; rename the one that is not meant", r->name,
                           column + 1, k + 1, name);
    return 0;
}

/* Takes the first record as the columns' names if it has that of a path, and is not an image itself. */
static bool is_head(reading *r)
{
    const record *first = &r->now;
    int path = column_called(first, path_names), label = column_called(first, label_names);
    if (path < 0 || path == label || first->fields < 2 || r->is_image(r->context, first->field[path]))
        return false;
    if (label < 0)
        r->failed = no_label_column(r);
    r->path = path;
    r->label = label;
    r->split = column_called(first, split_names);
    if (r->split < 0) {
        r->split = column_called(first, train_names);
        r->yes_is_train = r->split >= 0;
    }
    if (!r->failed && (named_twice(r, path) != 0 || named_twice(r, label) != 0 || named_twice(r, r->split) != 0))
        r->failed = -1;
    return true;
}

static void number_columns(reading *r)
{
    const record *first = &r->now;
    r->rows->list = first->fields == 1;
    r->path = first->fields == 1 ? -1 : 0;
    r->label = first->fields == 1 ? 0 : 1;
    bool split = first->fields > 2 && px_split_of_name(first->field[2], strlen(first->field[2])) >= 0;
    r->split = split ? 2 : -1;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static void drop_record(record *r)
{
    for (int k = 0; k < r->fields; k++)
        free(r->field[k]);
    r->fields = 0;
}

static void take_field(void *bytes, size_t size, void *context)
{
    reading *r = context;
    if (r->now.fields < COLUMNS)
        r->now.field[r->now.fields++] = px_format("%.*s", (int)size, (const char *)bytes);
}

/* The split in the words of the file, as a new string. */
static char *split_text(const reading *r)
{
    const char *text = text_of(&r->now, r->split);
    if (!text || !*text)
        return NULL;
    if (r->yes_is_train) {
        bool yes = strcmp(text, "1") == 0 || strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0;
        text = yes ? "train" : "test";
    }
    return px_strdup(text);
}

static void take_record(int end, void *context)
{
    (void)end;
    reading *r = context;
    bool begun = r->begun;
    r->line++;
    r->begun = true;
    if (!begun && is_head(r)) {
        drop_record(&r->now);
        return;
    }
    if (!begun)
        number_columns(r);
    const char *path = text_of(&r->now, r->path), *label = text_of(&r->now, r->label);
    if (!r->failed && (!label || (r->path >= 0 && (!path || !*path))))
        r->failed = px_fail(PX_DATA, "%s: row %lld has %d columns, but column %d is %s", r->name, (long long)r->line,
                            r->now.fields, (label ? r->path : r->label) + 1, label ? "the image" : "the label");
    if (!r->failed && ((path && strpbrk(path, "\r\n")) || (label && strpbrk(label, "\r\n"))))
        r->failed = px_fail(PX_DATA, "%s: row %lld goes on over several lines; is a quote missing?", r->name,
                            (long long)r->line);
    if (!r->failed) {
        px_label_rows *rows = r->rows;
        rows->row = px_grow(rows->row, rows->count, sizeof *rows->row);
        rows->row[rows->count++] = (px_label_row){
            .path = path ? px_strdup(path) : NULL, .label = px_strdup(label), .split = split_text(r), .line = r->line};
    }
    drop_record(&r->now);
}

/* ---- the text ---------------------------------------------------------------------------------------------------- */

/* What separates columns in the first line; 0: blanks, or there is one column. */
static char separator(const char *text, size_t size)
{
    size_t line = 0;
    while (line < size && text[line] != '\n')
        line++;
    for (const char *c = "\t,;"; *c; c++)
        if (memchr(text, *c, line))
            return *c;
    return 0;
}

/* "n01/some name.jpg 65": the last word is the label. */
static void read_words(reading *r, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        const char *line = text + at;
        size_t length = 0;
        while (at + length < size && line[length] != '\n')
            length++;
        at += length + 1;
        while (length > 0 && strchr(" \r", line[length - 1]))
            length--;
        while (length > 0 && *line == ' ') {
            line++;
            length--;
        }
        if (length == 0)
            continue;
        size_t word = length;
        while (word > 0 && line[word - 1] != ' ')
            word--;
        size_t path = word;
        while (path > 0 && line[path - 1] == ' ')
            path--;
        if (path > 0)
            take_field((char *)line, path, r);
        take_field((char *)line + word, length - word, r);
        take_record('\n', r);
    }
}

static void read_csv(reading *r, const char *text, size_t size, char by)
{
    struct csv_parser parser;
    PX_CHECK(csv_init(&parser, 0) == 0);
    csv_set_delim(&parser, (unsigned char)by);
    csv_set_blk_size(&parser, 1 << 16); /* a field grows by so much; by its own 128 bytes a long one takes long */
    if (csv_parse(&parser, text, size, take_field, take_record, r) != size && !r->failed)
        r->failed = px_fail(PX_DATA, "%s: cannot be read as a table: %s", r->name, csv_strerror(csv_error(&parser)));
    int64_t last = r->line + 1;
    csv_set_opts(&parser, CSV_STRICT | CSV_STRICT_FINI); /* only now: quotes within fields are left alone */
    if (!r->failed && csv_fini(&parser, take_field, take_record, r) != 0)
        r->failed = px_fail(PX_DATA, "%s: row %lld has a quote that does not end", r->name, (long long)last);
    csv_free(&parser);
}

int px_label_rows_read(px_label_rows *rows, const char *text, size_t size, const char *name,
                       bool (*is_image)(void *, const char *path), void *context)
{
    *rows = (px_label_rows){0};
    reading *r = px_calloc(1, sizeof *r);
    *r = (reading){.rows = rows, .name = name, .is_image = is_image, .context = context};
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { /* the byte order mark that Excel writes */
        text += 3;
        size -= 3;
    }
    if (memchr(text, 0, size)) {
        r->failed = px_fail(PX_DATA, "%s: is not a text file", name);
    } else {
        char by = separator(text, size);
        if (by)
            read_csv(r, text, size, by);
        else
            read_words(r, text, size);
    }
    drop_record(&r->now);
    int status = r->failed;
    free(r);
    if (status == 0 && rows->count == 0)
        return px_fail(PX_DATA, "%s: contains no labels", name);
    return status;
}

void px_label_rows_free(px_label_rows *rows)
{
    for (int k = 0; k < rows->count; k++) {
        free(rows->row[k].path);
        free(rows->row[k].label);
        free(rows->row[k].split);
    }
    free(rows->row);
    *rows = (px_label_rows){0};
}
