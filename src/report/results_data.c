/* results_data.c - dense data sets, texts, attributes and listings of run.h5. */
#include "base/error.h"
#include "data/h5.h"
#include "report/results_private.h"

#include <stdlib.h>
#include <string.h>

bool px_results_exists(hid_t file, const char *path)
{
    char *walk = px_strdup(path);
    bool there = true;
    for (char *at = walk + 1; there && at[-1]; at++) /* "/a/b": asks for "/a", then for "/a/b" */
        if ((*at == '/' || *at == '\0') && at[-1] != '/') {
            char stop = *at;
            *at = '\0';
            there = H5Lexists(file, walk, H5P_DEFAULT) > 0;
            *at = stop;
        }
    free(walk);
    return there;
}

bool px_results_has(px_results *r, const char *path)
{
    return px_results_exists(r->file, path);
}

/* ---- writing ---- */

/* Creates `path`, in place of any older object. Negative, with the message set, on failure. */
static hid_t replace(px_results *r, const char *path, hid_t type, hid_t space)
{
    PX_CHECK(r->stage && !r->live); /* SWMR allows no new objects */
    if (px_results_exists(r->file, path) && H5Ldelete(r->file, path, H5P_DEFAULT) < 0)
        return px_results_broken(r->path, PX_FAIL, "replace", path);
    hid_t lcpl = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(lcpl, 1);
    hid_t set = H5Dcreate2(r->file, path, type, space, lcpl, H5P_DEFAULT, H5P_DEFAULT);
    if (set < 0)
        px_results_broken(r->path, PX_FAIL, "create", path);
    H5Pclose(lcpl);
    return set;
}

static int put(px_results *r, const char *path, hid_t file_type, hid_t type, hid_t space, const void *data)
{
    hid_t set = replace(r, path, file_type, space);
    int bad = set < 0 ? -1 : 0;
    if (bad == 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        bad = px_results_broken(r->path, PX_FAIL, "write", path);
    if (set >= 0)
        H5Dclose(set);
    return bad;
}

/* HDF5 has no bfloat16, so the numbers are written as float32. */
static float *widen_bf16(const uint16_t *from, size_t count)
{
    uint32_t *bits = px_calloc(count + 1, sizeof *bits);
    for (size_t i = 0; i < count; i++)
        bits[i] = (uint32_t)from[i] << 16;
    return (float *)bits;
}

int px_results_put(px_results *r, const char *path, px_dtype dtype, int rank, const int64_t dim[], const void *data)
{
    const struct {
        hid_t file, memory;
    } types[PX_DTYPES] = {
        [PX_F32] = {H5T_IEEE_F32LE, H5T_NATIVE_FLOAT},  [PX_F64] = {H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE},
        [PX_BF16] = {H5T_IEEE_F32LE, H5T_NATIVE_FLOAT}, [PX_I32] = {H5T_STD_I32LE, H5T_NATIVE_INT32},
        [PX_U8] = {H5T_STD_U8LE, H5T_NATIVE_UINT8},
    };
    hsize_t extent[H5S_MAX_RANK];
    size_t count = 1;
    PX_CHECK(rank >= 0 && rank <= H5S_MAX_RANK);
    for (int i = 0; i < rank; i++)
        count *= extent[i] = (hsize_t)dim[i];
    float *wide = dtype == PX_BF16 ? widen_bf16(data, count) : NULL;
    hid_t space = rank ? H5Screate_simple(rank, extent, NULL) : H5Screate(H5S_SCALAR);
    int bad = put(r, path, types[dtype].file, types[dtype].memory, space, wide ? wide : data);
    H5Sclose(space);
    free(wide);
    return bad;
}

static hid_t text_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

int px_results_put_text(px_results *r, const char *path, const char *text)
{
    hid_t type = text_type(), space = H5Screate(H5S_SCALAR);
    int bad = put(r, path, type, type, space, &text);
    H5Sclose(space);
    H5Tclose(type);
    return bad;
}

int px_results_put_texts(px_results *r, const char *path, const char *const texts[], int count)
{
    hsize_t extent = (hsize_t)count;
    hid_t type = text_type(), space = H5Screate_simple(1, &extent, NULL);
    int bad = put(r, path, type, type, space, texts);
    H5Sclose(space);
    H5Tclose(type);
    return bad;
}

/* ---- attributes ---- */

static int attribute(px_results *r, const char *object, const char *name, hid_t file_type, hid_t type,
                     const void *value)
{
    PX_CHECK(r->stage && !r->live);
    hid_t lcpl = H5Pcreate(H5P_LINK_CREATE), space = H5Screate(H5S_SCALAR);
    H5Pset_create_intermediate_group(lcpl, 1);
    hid_t at = px_results_exists(r->file, object) ? H5Oopen(r->file, object, H5P_DEFAULT)
                                                  : H5Gcreate2(r->file, object, lcpl, H5P_DEFAULT, H5P_DEFAULT);
    if (at >= 0 && H5Aexists(at, name) > 0)
        H5Adelete(at, name);
    hid_t attr = at < 0 ? at : H5Acreate2(at, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    int bad =
        attr < 0 || H5Awrite(attr, type, value) < 0 ? px_results_broken(r->path, PX_FAIL, "write attribute", name) : 0;
    if (attr >= 0)
        H5Aclose(attr);
    if (at >= 0)
        H5Oclose(at);
    H5Sclose(space);
    H5Pclose(lcpl);
    return bad;
}

int px_results_attribute_text(px_results *r, const char *object, const char *name, const char *text)
{
    hid_t type = text_type();
    int bad = attribute(r, object, name, type, type, &text);
    H5Tclose(type);
    return bad;
}

int px_results_attribute_real(px_results *r, const char *object, const char *name, double value)
{
    return attribute(r, object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

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

/* A file of a few bytes can announce an extent of any size, which would be allocated and filled before it is read. */
static int stores_what_it_announces(px_results *r, const source *s, const char *path)
{
    const hssize_t most = (hssize_t)1 << 27; /* more than any page shows */
    hssize_t count = H5Sget_simple_extent_npoints(s->space);
    if (count >= 0 && count <= most && px_h5_plausible(s->id, 1, (hsize_t[]){(hsize_t)count}, H5Tget_size(s->type)))
        return 0;
    return px_fail(PX_DATA, "%s: %s announces %lld elements, but stores %llu bytes", r->path, path, (long long)count,
                   (unsigned long long)H5Dget_storage_size(s->id));
}

static int source_set(px_results *r, source *s, const char *path)
{
    *s = (source){
        .id = px_results_exists(r->file, path) ? H5Dopen2(r->file, path, H5P_DEFAULT) : -1, .type = -1, .space = -1};
    if (s->id < 0)
        return px_fail(PX_DATA, "%s: contains no data set %s", r->path, path);
    s->type = H5Dget_type(s->id);
    s->space = H5Dget_space(s->id);
    char why[PX_H5_WHY];
    if (px_h5_outside(s->id, why))
        return px_fail(PX_DATA, "%s: %s: %s", r->path, path, why);
    return stores_what_it_announces(r, s, path);
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
    return 0;
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

static int read_variable(px_results *r, const source *s, const char *what, char **texts, size_t count)
{
    char **borrowed = px_calloc(count + 1, sizeof *borrowed);
    int bad = source_read(s, s->type, borrowed) < 0 ? px_results_broken(r->path, PX_DATA, "read", what) : 0;
    for (size_t i = 0; bad == 0 && i < count; i++)
        texts[i] = px_strdup(borrowed[i] ? borrowed[i] : "");
    if (bad == 0)
        H5Dvlen_reclaim(s->type, s->space, H5P_DEFAULT, borrowed);
    free(borrowed);
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
    if (source_set(r, &s, path) != 0)
        return -1;
    hsize_t extent[H5S_MAX_RANK] = {0};
    int ndims = H5Sget_simple_extent_dims(s.space, extent, NULL), bad = 0;
    if (ndims < 0 || ndims > 4)
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
    source_close(&s);
    return bad;
}

int px_results_get_text(px_results *r, const char *path, char **text)
{
    source s;
    int bad = source_set(r, &s, path) != 0 || read_text(r, &s, path, text) != 0 ? -1 : 0;
    source_close(&s);
    return bad;
}

int px_results_get_texts(px_results *r, const char *path, char ***texts, int *count)
{
    source s;
    int bad = source_set(r, &s, path) != 0 || read_texts(r, &s, path, texts, count) != 0 ? -1 : 0;
    source_close(&s);
    return bad;
}

int px_results_get_attribute_text(px_results *r, const char *object, const char *name, char **text)
{
    source s;
    int bad = source_attribute(r, &s, object, name) != 0 || read_text(r, &s, name, text) != 0 ? -1 : 0;
    source_close(&s);
    return bad;
}

int px_results_get_attribute_texts(px_results *r, const char *object, const char *name, char ***texts, int *count)
{
    source s;
    int bad = source_attribute(r, &s, object, name) != 0 || read_texts(r, &s, name, texts, count) != 0 ? -1 : 0;
    source_close(&s);
    return bad;
}

int px_results_get_attribute_real(px_results *r, const char *object, const char *name, double *value)
{
    source s;
    int bad = source_attribute(r, &s, object, name);
    if (bad == 0 && H5Sget_simple_extent_npoints(s.space) != 1)
        bad = px_fail(PX_DATA, "%s: attribute %s is not a single number", r->path, name);
    if (bad == 0)
        bad = read_numbers(r, &s, name, value);
    source_close(&s);
    return bad;
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
