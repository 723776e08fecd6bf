/* results_data.c - dense data sets, texts and attributes that are written into run.h5. */
#include "base/error.h"
#include "results/results_private.h"

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

int px_results_move(px_results *r, const char *from, const char *to)
{
    PX_CHECK(r->stage && !r->live);
    return H5Lmove(r->file, from, r->file, to, H5P_DEFAULT, H5P_DEFAULT) < 0
               ? px_results_broken(r->path, PX_FAIL, "rename", from)
               : 0;
}

int px_results_remove(px_results *r, const char *path)
{
    PX_CHECK(r->stage && !r->live);
    return px_results_exists(r->file, path) && H5Ldelete(r->file, path, H5P_DEFAULT) < 0
               ? px_results_broken(r->path, PX_FAIL, "remove", path)
               : 0;
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
