/* results_read.c - reading data sets, texts, attributes and lists of names from run.h5, which may be anybody's file: what
 * it announces is checked before room is made for it. */
#include "base/error.h"
#include "results/h5.h"
#include "results/results_private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading: data sets and attributes differ in three calls ---- */

typedef struct source {
    hid_t id, type, space;
    bool is_attribute;
} source;

static void source_close(source *s)
{
    if (s->type >= 0)
        H5Tclose(s->type);
    if (s->space >= 0)
        H5Sclose(s->space);
    if (s->id >= 0)
        s->is_attribute ? H5Aclose(s->id) : H5Dclose(s->id);
}

/* Of one datum in memory, which is more than any page shows: 16 million numbers, a million texts. */
enum { MOST_BYTES = 128 << 20, MOST_TEXTS = 1 << 20 };

/* Takes the line over. */
static void note(px_results *r, char *line)
{
    bool known = false;
    px_one_line(line);
    for (int i = 0; !known && i < r->left_count; i++)
        known = strcmp(r->left_out[i], line) == 0;
    if (known) {
        free(line);
        return;
    }
    r->left_out = px_grow(r->left_out, r->left_count, sizeof *r->left_out);
    r->left_out[r->left_count++] = line;
}

void px_results_leave_out(px_results *r, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    note(r, px_format("%s: %s", r->path, text));
}

int px_results_left_out(const px_results *r, const char *const **lines)
{
    *lines = (const char *const *)r->left_out;
    return r->left_count;
}

/* Bytes that HDF5 unpacks to read a whole data set: its chunks, which may reach beyond the extent. */
static double unpacked(hid_t set, hid_t space, double element, double *largest)
{
    hsize_t extent[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_dims(space, extent, NULL);
    hid_t how = H5Dget_create_plist(set);
    bool chunked = H5Pget_layout(how) == H5D_CHUNKED && H5Pget_chunk(how, H5S_MAX_RANK, chunk) == rank;
    H5Pclose(how);
    double all = element;
    *largest = chunked ? element : 0;
    for (int i = 0; i < rank; i++) {
        hsize_t chunks = chunked ? (extent[i] + chunk[i] - 1) / chunk[i] : 0;
        all *= chunked ? (double)chunks * (double)chunk[i] : (double)extent[i];
        *largest *= chunked ? (double)chunk[i] : 1;
    }
    return all;
}

/* A small file can be made of zeros that unpack to a thousand times its size, in many data sets. A page shows a part of
 * them a few times. */
static bool too_much_in_all(px_results *r, double bytes)
{
    enum { ALWAYS = 256 << 20, TIMES = 64 };
    hsize_t whole = 0;
    H5Fget_filesize(r->file, &whole);
    if (r->read_bytes + bytes > ALWAYS + TIMES * (double)whole)
        return true;
    r->read_bytes += bytes;
    return false;
}

int px_results_fits(px_results *r, hid_t set, const char *what)
{
    char why[PX_H5_WHY];
    if (px_h5_unreadable(set, why))
        return px_fail(PX_DATA, "%s: %s: %s", r->path, what, why);
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    size_t element = H5Tget_size(type);
    double largest, stored = unpacked(set, space, (double)element, &largest),
                    bytes = (double)count * (element > sizeof(double) ? (double)element : sizeof(double));
    H5Tclose(type);
    H5Sclose(space);
    if (count < 0 || (largest <= MOST_BYTES && !px_h5_plausible(set, 1, (hsize_t[]){(hsize_t)count}, element)))
        return px_fail(PX_DATA, "%s: %s announces %lld elements, but stores %llu bytes", r->path, what,
                       (long long)count, (unsigned long long)H5Dget_storage_size(set));
    if (bytes > MOST_BYTES || largest > MOST_BYTES)
        return px_fail(PX_DATA, "%s: %s is too large to be shown: %.0f MB, but at most %d MB are read", r->path, what,
                       (bytes < largest ? largest : bytes) / 1e6, MOST_BYTES / 1000000);
    if (too_much_in_all(r, stored > bytes ? stored : bytes))
        return px_fail(PX_DATA, "%s: %s is not read: all that the file announces would be too large for it", r->path,
                       what);
    return 0;
}

/* Attributes are stored as they are, and read in one piece. */
int px_results_attribute_fits(px_results *r, hid_t attribute, const char *what)
{
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute), file = H5Iget_file_id(attribute);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    double element = (double)H5Tget_size(type);
    hsize_t whole = 0;
    H5Fget_filesize(file, &whole);
    H5Fclose(file);
    H5Sclose(space);
    H5Tclose(type);
    if (count >= 0 && (double)count * element <= (double)whole && (double)count * (element + 8) <= MOST_BYTES)
        return 0;
    return px_fail(PX_DATA, "%s: attribute %s announces %lld elements, more than the file can contain", r->path, what,
                   (long long)count);
}

static int source_set(px_results *r, source *s, const char *path)
{
    *s = (source){
        .id = px_results_exists(r->file, path) ? H5Dopen2(r->file, path, H5P_DEFAULT) : -1, .type = -1, .space = -1};
    if (s->id < 0)
        return px_fail(PX_DATA, "%s: contains no data set %s", r->path, path);
    s->type = H5Dget_type(s->id);
    s->space = H5Dget_space(s->id);
    return px_results_fits(r, s->id, path);
}

/* A datum that is there, but cannot be read: a page that needs it goes on without it, and says so. */
static int source_end(px_results *r, source *s, int bad)
{
    if (bad && s->id >= 0 && !s->is_attribute)
        note(r, px_strdup(px_error()));
    source_close(s);
    return bad;
}

static int source_attribute(px_results *r, source *s, const char *object, const char *name)
{
    *s = (source){.id = -1, .type = -1, .space = -1, .is_attribute = true};
    if (px_results_exists(r->file, object) && H5Aexists_by_name(r->file, object, name, H5P_DEFAULT) > 0)
        s->id = H5Aopen_by_name(r->file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    if (s->id < 0)
        return px_fail(PX_DATA, "%s: %s has no attribute %s", r->path, object, name);
    s->type = H5Aget_type(s->id);
    s->space = H5Aget_space(s->id);
    return px_results_attribute_fits(r, s->id, name);
}

static herr_t source_read(const source *s, hid_t type, void *values)
{
    return s->is_attribute ? H5Aread(s->id, type, values) : H5Dread(s->id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
}

static int read_numbers(px_results *r, const source *s, const char *what, double *values)
{
    H5T_class_t kind = H5Tget_class(s->type);
    if (kind != H5T_INTEGER && kind != H5T_FLOAT)
        return px_fail(PX_DATA, "%s: %s is not numeric", r->path, what);
    return source_read(s, H5T_NATIVE_DOUBLE, values) < 0 ? px_results_broken(r->path, PX_DATA, "read", what) : 0;
}

/* Strings of variable length: many references may lead to the same long one, so that room for them is counted. */
typedef struct pool {
    void **block;
    int count;
    size_t bytes;
} pool;

static void *pool_take(size_t size, void *data)
{
    pool *p = data;
    if (size > MOST_BYTES - p->bytes)
        return NULL; /* the read fails */
    p->bytes += size;
    p->block = px_grow(p->block, p->count, sizeof *p->block);
    return p->block[p->count++] = px_calloc(size, 1);
}

static void pool_keep(void *block, void *data)
{
    (void)block, (void)data; /* all are freed together */
}

/* An attribute's are bounded by the file: HDF5 offers no such call for them. */
static int read_variable(px_results *r, const source *s, const char *what, char **texts, size_t count)
{
    pool p = {0};
    hid_t how = H5Pcreate(H5P_DATASET_XFER);
    H5Pset_vlen_mem_manager(how, pool_take, &p, pool_keep, &p);
    char **borrowed = px_calloc(count + 1, sizeof *borrowed);
    herr_t got =
        s->is_attribute ? H5Aread(s->id, s->type, borrowed) : H5Dread(s->id, s->type, H5S_ALL, H5S_ALL, how, borrowed);
    int bad = got < 0 ? px_results_broken(r->path, PX_DATA, "read", what) : 0;
    for (size_t i = 0; bad == 0 && i < count; i++)
        texts[i] = px_strdup(borrowed[i] ? borrowed[i] : "");
    if (bad == 0 && s->is_attribute)
        H5Dvlen_reclaim(s->type, s->space, H5P_DEFAULT, borrowed);
    for (int i = 0; i < p.count; i++)
        free(p.block[i]);
    free(p.block);
    free(borrowed);
    H5Pclose(how);
    return bad;
}

static int read_fixed(px_results *r, const source *s, const char *what, char **texts, size_t count)
{
    size_t size = H5Tget_size(s->type);
    char *block = px_calloc(count + 1, size);
    int bad = source_read(s, s->type, block) < 0 ? px_results_broken(r->path, PX_DATA, "read", what) : 0;
    for (size_t i = 0; bad == 0 && i < count; i++)
        texts[i] = px_format("%.*s", (int)size, block + i * size);
    free(block);
    return bad;
}

/* Reads strings of any kind; those of other programs may have a fixed size. */
static int read_texts(px_results *r, const source *s, const char *what, char ***texts, int *count)
{
    if (H5Tget_class(s->type) != H5T_STRING)
        return px_fail(PX_DATA, "%s: %s is not text", r->path, what);
    size_t n = (size_t)H5Sget_simple_extent_npoints(s->space);
    if (n > MOST_TEXTS)
        return px_fail(PX_DATA, "%s: %s has %zu texts, but at most %d are read", r->path, what, n, MOST_TEXTS);
    char **found = px_calloc(n + 1, sizeof *found);
    int bad = H5Tis_variable_str(s->type) > 0 ? read_variable(r, s, what, found, n) : read_fixed(r, s, what, found, n);
    if (bad) {
        free(found);
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        px_printable(found[i], "\n\t");
    *texts = found;
    *count = (int)n;
    return 0;
}

static int read_text(px_results *r, const source *s, const char *what, char **text)
{
    char **texts = NULL;
    int count = 0;
    if (read_texts(r, s, what, &texts, &count) != 0)
        return -1;
    *text = count ? texts[0] : px_strdup("");
    for (int i = 1; i < count; i++)
        free(texts[i]);
    free(texts);
    return 0;
}

int px_results_get(px_results *r, const char *path, double **data, int *rank, int64_t dim[4])
{
    source s;
    int bad = source_set(r, &s, path);
    hsize_t extent[H5S_MAX_RANK] = {0};
    int ndims = bad ? 0 : H5Sget_simple_extent_dims(s.space, extent, NULL);
    if (bad == 0 && (ndims < 0 || ndims > 4))
        bad = px_fail(PX_DATA, "%s: %s has %d axes, but at most 4 are supported", r->path, path, ndims);
    if (bad == 0) {
        double *values = px_calloc((size_t)H5Sget_simple_extent_npoints(s.space) + 1, sizeof *values);
        bad = read_numbers(r, &s, path, values);
        if (bad)
            free(values);
        else
            *data = values;
        *rank = ndims;
        for (int i = 0; i < 4; i++)
            dim[i] = i < ndims ? (int64_t)extent[i] : 1;
    }
    return source_end(r, &s, bad);
}

int px_results_get_text(px_results *r, const char *path, char **text)
{
    source s;
    int bad = source_set(r, &s, path) != 0 || read_text(r, &s, path, text) != 0 ? -1 : 0;
    return source_end(r, &s, bad);
}

int px_results_get_texts(px_results *r, const char *path, char ***texts, int *count)
{
    source s;
    int bad = source_set(r, &s, path) != 0 || read_texts(r, &s, path, texts, count) != 0 ? -1 : 0;
    return source_end(r, &s, bad);
}

int px_results_get_attribute_text(px_results *r, const char *object, const char *name, char **text)
{
    source s;
    int bad = source_attribute(r, &s, object, name) != 0 || read_text(r, &s, name, text) != 0 ? -1 : 0;
    return source_end(r, &s, bad);
}

int px_results_get_attribute_texts(px_results *r, const char *object, const char *name, char ***texts, int *count)
{
    source s;
    int bad = source_attribute(r, &s, object, name) != 0 || read_texts(r, &s, name, texts, count) != 0 ? -1 : 0;
    return source_end(r, &s, bad);
}

int px_results_get_attribute_real(px_results *r, const char *object, const char *name, double *value)
{
    source s;
    int bad = source_attribute(r, &s, object, name);
    if (bad == 0 && H5Sget_simple_extent_npoints(s.space) != 1)
        bad = px_fail(PX_DATA, "%s: attribute %s is not a single number", r->path, name);
    if (bad == 0)
        bad = read_numbers(r, &s, name, value);
    return source_end(r, &s, bad);
}

/* ---- listing ---- */

typedef struct name_list {
    char **names;
    int count;
} name_list;

static herr_t collect(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
    (void)group, (void)info;
    name_list *list = data;
    list->names = px_realloc(list->names, (size_t)(list->count + 1) * sizeof *list->names);
    list->names[list->count++] = px_strdup(name);
    return 0;
}

int px_results_list(px_results *r, const char *path, char ***names, int *count)
{
    hid_t group =
        strcmp(path, "/") == 0 || px_results_exists(r->file, path) ? H5Gopen2(r->file, path, H5P_DEFAULT) : -1;
    if (group < 0)
        return px_fail(PX_DATA, "%s: contains no group %s", r->path, path);
    name_list list = {px_calloc(1, sizeof *list.names), 0};
    H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, collect, &list);
    H5Gclose(group);
    *names = list.names;
    *count = list.count;
    return 0;
}
