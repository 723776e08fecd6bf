/* fuzz_h5.h - HDF5 files by recipe: whatever the input says, the file is a valid one, so that our readers are tried and
 * not HDF5's parser.
 *
 *     static const char *const members[] = {"images", "train/loss", "@mean", "train@note", NULL};   // @: an attribute
 *     const char *path = fuzz_h5_cook(&in, members);
 *
 * A recipe is a row of members, each: name, kind, how many axes, storage, extents, how it is filled, and with what.
 */
#ifndef PX_TESTS_FUZZ_H5_H
#define PX_TESTS_FUZZ_H5_H

#include "fuzz.h"
#include "results/h5.h"

/* HDF5 itself leaks memory when it refuses something, which we cannot mend. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

enum { FUZZ_H5_MEMBERS = 24, FUZZ_H5_AXES = 7, FUZZ_H5_BYTES = 1 << 13, FUZZ_H5_TEXTS = 64 };

typedef enum fuzz_h5_kind {
    FUZZ_H5_F32,
    FUZZ_H5_F64,
    FUZZ_H5_U8,
    FUZZ_H5_I32,
    FUZZ_H5_I64,
    FUZZ_H5_CELLS, /* text of fixed length, which follows */
    FUZZ_H5_TEXTS_OF_ANY_LENGTH,
    FUZZ_H5_COMPOUND,
    FUZZ_H5_LIST,
    FUZZ_H5_GROUP,
    FUZZ_H5_SOFT,
    FUZZ_H5_EXTERNAL,
    FUZZ_H5_STORAGE, /* in another file */
    FUZZ_H5_VIRTUAL,
    FUZZ_H5_KINDS
} fuzz_h5_kind;

/* Extents from 128 on are beyond what a byte can say, or beyond all reason. */
static inline hsize_t fuzz_h5_extent(fuzz_input *in, bool attribute, int axis)
{
    static const hsize_t large[] = {
        128, 256, 1000, 4097, 1 << 16, 1 << 20, 1 << 28, (hsize_t)1 << 31, (hsize_t)1 << 40, (hsize_t)1 << 62};
    uint8_t b = fuzz_byte(in);
    if (attribute) /* which HDF5 writes at once, so that it must be small */
        return b % (axis == 0 ? 70 : 3);
    return b < 128 ? b : large[(b - 128) % (sizeof large / sizeof *large)];
}

/* A new type. */
static inline hid_t fuzz_h5_type(fuzz_h5_kind kind, uint8_t cell)
{
    hid_t type;
    switch (kind) {
    case FUZZ_H5_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case FUZZ_H5_U8:
    case FUZZ_H5_STORAGE:
    case FUZZ_H5_VIRTUAL:
        return H5Tcopy(H5T_STD_U8LE);
    case FUZZ_H5_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case FUZZ_H5_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case FUZZ_H5_CELLS:
    case FUZZ_H5_TEXTS_OF_ANY_LENGTH:
        type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, kind == FUZZ_H5_CELLS ? cell % 32u + 1 : H5T_VARIABLE);
        return type;
    case FUZZ_H5_COMPOUND:
        type = H5Tcreate(H5T_COMPOUND, 8);
        H5Tinsert(type, "x", 0, H5T_IEEE_F32LE);
        return type;
    case FUZZ_H5_LIST:
        return H5Tvlen_create(H5T_IEEE_F32LE);
    default:
        return H5Tcopy(H5T_IEEE_F32LE);
    }
}

/* Puts numbers that grow by `step` into elements of a numeric type. */
static inline void fuzz_h5_ramp(uint8_t *bytes, size_t count, hid_t type, int start, int step)
{
    size_t size = H5Tget_size(type);
    for (size_t i = 0; i < count; i++) {
        double real = start + step * (double)i;
        float half = (float)real;
        int64_t whole = (int64_t)real;
        bool is_real = H5Tget_class(type) == H5T_FLOAT;
        const void *from = !is_real ? (const void *)&whole : size == 8 ? (const void *)&real : (const void *)&half;
        memcpy(bytes + i * size, from, size < 8 ? size : 8);
    }
}

/* The elements, in `bytes`; false: they are not written at all. */
static inline bool fuzz_h5_fill(fuzz_input *in, uint8_t *bytes, size_t count, hid_t type)
{
    size_t size = count * H5Tget_size(type), length;
    int start;
    switch (fuzz_byte(in) % 4) {
    case 0:
        return false;
    case 1:
        memset(bytes, fuzz_byte(in), size);
        return true;
    case 2:
        start = (fuzz_byte(in) ^ 128) - 128; /* -128 to 127 */
        fuzz_h5_ramp(bytes, count, type, start, (fuzz_byte(in) ^ 128) - 128);
        return true;
    default:
        length = fuzz_byte(in);
        length |= (size_t)fuzz_byte(in) << 8;
        for (size_t i = 0; i < size && i < length; i++)
            bytes[i] = fuzz_byte(in);
        return true;
    }
}

/* Pointers to texts; a length of 15 is none, a NULL. */
static inline void fuzz_h5_texts(fuzz_input *in, char **texts, char (*cells)[16], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = fuzz_byte(in) % 16;
        for (size_t k = 0; k < length && length < 15; k++)
            cells[i][k] = (char)fuzz_byte(in);
        texts[i] = length < 15 ? cells[i] : NULL;
    }
}

static inline hid_t fuzz_h5_storage(fuzz_h5_kind kind, uint8_t how, int rank, const hsize_t dim[], hid_t space)
{
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[FUZZ_H5_AXES];
    for (int i = 0; i < rank; i++)
        chunk[i] = dim[i] < 8 && dim[i] > 0 ? dim[i] : 8;
    bool axes = rank > 0 && rank < FUZZ_H5_AXES;
    if (kind == FUZZ_H5_STORAGE)
        H5Pset_external(list, "/etc/passwd", 0, H5F_UNLIMITED);
    else if (kind == FUZZ_H5_VIRTUAL && axes)
        H5Pset_virtual(list, space, "/etc/passwd", "/x", space);
    else if (how % 4 == 1)
        H5Pset_layout(list, H5D_COMPACT);
    else if (how % 4 >= 2 && axes)
        H5Pset_chunk(list, rank, chunk);
    if (how % 4 == 3 && axes && kind < FUZZ_H5_CELLS)
        H5Pset_deflate(list, 1);
    return list;
}

/* A data set or an attribute. */
static inline void fuzz_h5_array(hid_t file, const char *path, const char *attribute, fuzz_h5_kind kind, fuzz_input *in)
{
    static uint8_t bytes[FUZZ_H5_BYTES];
    char *texts[FUZZ_H5_TEXTS], cells[FUZZ_H5_TEXTS][16] = {{0}};
    hsize_t dim[FUZZ_H5_AXES];
    uint8_t cell = kind == FUZZ_H5_CELLS ? fuzz_byte(in) : 0;
    int rank = fuzz_byte(in) % (FUZZ_H5_AXES + 1);
    uint8_t how = fuzz_byte(in);
    for (int i = 0; i < rank; i++)
        dim[i] = fuzz_h5_extent(in, attribute != NULL, i);
    bool none = rank == FUZZ_H5_AXES;
    hid_t type = fuzz_h5_type(kind, cell), space = rank == 0 ? H5Screate(H5S_SCALAR)
                                                   : none    ? H5Screate(H5S_NULL)
                                                             : H5Screate_simple(rank, dim, NULL);
    hid_t list = fuzz_h5_storage(kind, how, rank, dim, space), links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    hid_t parent = !attribute ? -1 : *path ? H5Oopen(file, path, H5P_DEFAULT) : H5Gopen2(file, "/", H5P_DEFAULT);
    hid_t id = !attribute    ? H5Dcreate2(file, path, type, space, links, list, H5P_DEFAULT)
               : parent >= 0 ? H5Acreate2(parent, attribute, type, space, H5P_DEFAULT, H5P_DEFAULT)
                             : -1;
    hssize_t points = H5Sget_simple_extent_npoints(space);
    const void *data = NULL;
    memset(bytes, 0, sizeof bytes);
    if (kind == FUZZ_H5_TEXTS_OF_ANY_LENGTH && points >= 0 && points <= FUZZ_H5_TEXTS)
        fuzz_h5_texts(in, texts, cells, (size_t)points), data = texts;
    else if (kind < FUZZ_H5_LIST && kind != FUZZ_H5_TEXTS_OF_ANY_LENGTH && points >= 0 &&
             (double)points * (double)H5Tget_size(type) <= (double)sizeof bytes &&
             fuzz_h5_fill(in, bytes, (size_t)points, type))
        data = bytes;
    if (id >= 0 && data)
        attribute ? H5Awrite(id, type, data) : H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    if (id >= 0)
        attribute ? H5Aclose(id) : H5Dclose(id);
    if (parent >= 0)
        H5Oclose(parent);
    H5Pclose(links);
    H5Pclose(list);
    H5Sclose(space);
    H5Tclose(type);
}

static inline void fuzz_h5_member(hid_t file, const char *name, const char *other, fuzz_input *in)
{
    char path[64];
    fuzz_h5_kind kind = (fuzz_h5_kind)(fuzz_byte(in) % FUZZ_H5_KINDS);
    snprintf(path, sizeof path, "%s", name);
    char *attribute = strchr(path, '@');
    if (attribute)
        *attribute++ = '\0';
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    if (attribute || kind < FUZZ_H5_GROUP || kind >= FUZZ_H5_STORAGE)
        fuzz_h5_array(file, path, attribute, attribute ? (fuzz_h5_kind)(kind % FUZZ_H5_GROUP) : kind, in);
    else if (kind == FUZZ_H5_GROUP)
        H5Gclose(H5Gcreate2(file, path, links, H5P_DEFAULT, H5P_DEFAULT));
    else if (kind == FUZZ_H5_SOFT)
        H5Lcreate_soft(other, file, path, links, H5P_DEFAULT);
    else
        H5Lcreate_external("/etc/passwd", other, file, path, links, H5P_DEFAULT);
    H5Pclose(links);
}

static inline const char *fuzz_h5_cook(fuzz_input *in, const char *const members[])
{
    uint8_t count = 0;
    const char *path = fuzz_empty_file();
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    while (members[count])
        count++;
    px_h5_quiet();
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    PX_CHECK(file >= 0);
    for (int i = 0; i < FUZZ_H5_MEMBERS && in->at < in->size; i++) {
        uint8_t name = fuzz_byte(in);
        fuzz_h5_member(file, members[name % count], members[(name / count) % count], in);
    }
    H5Fclose(file);
    H5Pclose(access);
    return path;
}

#endif
