/* hostile_h5.c - see hostile_h5.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "hostile_h5.h"

#include <hdf5.h>

enum { AXES = 32, MOST = 1 << 22 };

/* What an object was before it is damaged. */
typedef struct object {
    hid_t file, parent;
    char path[HOSTILE_NAME];
    char *attribute; /* NULL: a data set; points into path */
    hid_t type;
    int rank;
    hsize_t dim[AXES];
    size_t size; /* bytes of all elements */
    uint8_t *data;
} object;

static hid_t space_of(const object *o)
{
    return o->rank > 0 ? H5Screate_simple(o->rank, o->dim, NULL) : H5Screate(H5S_SCALAR);
}

static void object_read(object *o, hid_t file, const char *text)
{
    *o = (object){.file = file};
    snprintf(o->path, sizeof o->path, "%s", text);
    o->attribute = strchr(o->path, '@');
    if (o->attribute)
        *o->attribute++ = '\0';
    o->parent = H5Oopen(file, *o->path ? o->path : "/", H5P_DEFAULT);
    PX_CHECK(o->parent >= 0);
    if (!o->attribute && H5Iget_type(o->parent) != H5I_DATASET)
        return; /* a group: it can be removed, or become a link */
    hid_t id = o->attribute ? H5Aopen(o->parent, o->attribute, H5P_DEFAULT) : o->parent;
    hid_t space = o->attribute ? H5Aget_space(id) : H5Dget_space(id);
    o->type = o->attribute ? H5Aget_type(id) : H5Dget_type(id);
    o->rank = H5Sget_simple_extent_dims(space, o->dim, NULL);
    o->size = (size_t)H5Sget_simple_extent_npoints(space) * H5Tget_size(o->type);
    o->data = px_calloc(o->size + MOST, 1); /* longer ones read zeros */
    herr_t bad =
        o->attribute ? H5Aread(id, o->type, o->data) : H5Dread(id, o->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, o->data);
    PX_CHECK(bad >= 0);
    if (o->attribute)
        H5Aclose(id);
    H5Sclose(space);
}

static void object_remove(object *o)
{
    if (o->attribute) {
        PX_CHECK(H5Adelete(o->parent, o->attribute) >= 0);
    } else {
        H5Oclose(o->parent);
        PX_CHECK(H5Ldelete(o->file, o->path, H5P_DEFAULT) >= 0);
        o->parent = H5Gopen2(o->file, "/", H5P_DEFAULT);
    }
}

/* Creates it again. Without data it is only announced. */
static void object_make(const object *o, hid_t type, hid_t space, hid_t how, const void *data)
{
    hid_t id = o->attribute ? H5Acreate2(o->parent, o->attribute, type, space, H5P_DEFAULT, H5P_DEFAULT)
                            : H5Dcreate2(o->file, o->path, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    PX_CHECK(id >= 0);
    if (data)
        PX_CHECK((o->attribute ? H5Awrite(id, type, data) : H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data)) >=
                 0);
    o->attribute ? H5Aclose(id) : H5Dclose(id);
}

/* ---- the damages: each returns whether `kind` is one of its ------------------------------------------------------ */

static bool link_damage(object *o, const char *kind)
{
    hid_t file = o->file;
    if (strcmp(kind, "remove") == 0)
        object_remove(o);
    else if (strcmp(kind, "group") == 0)
        object_remove(o), H5Gclose(H5Gcreate2(file, o->path, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    else if (strcmp(kind, "dangling") == 0)
        object_remove(o), H5Lcreate_soft("/nowhere", file, o->path, H5P_DEFAULT, H5P_DEFAULT);
    else if (strcmp(kind, "loop") == 0)
        object_remove(o), H5Lcreate_soft(o->path, file, o->path, H5P_DEFAULT, H5P_DEFAULT);
    else if (strcmp(kind, "external") == 0)
        object_remove(o), H5Lcreate_external("../../good/d.h5", "/images", file, o->path, H5P_DEFAULT, H5P_DEFAULT);
    else if (strcmp(kind, "passwd") == 0)
        object_remove(o), H5Lcreate_external("/etc/passwd", "/", file, o->path, H5P_DEFAULT, H5P_DEFAULT);
    else
        return strcmp(kind, "none") == 0;
    return true;
}

/* A new type, or negative. */
static hid_t type_of(const char *kind)
{
    hid_t type = -1;
    if (strcmp(kind, "text") == 0) {
        type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, 8);
    } else if (strcmp(kind, "real") == 0) {
        type = H5Tcopy(H5T_IEEE_F64LE);
    } else if (strcmp(kind, "integer") == 0) {
        type = H5Tcopy(H5T_STD_I64LE);
    } else if (strcmp(kind, "compound") == 0) {
        type = H5Tcreate(H5T_COMPOUND, 8);
        H5Tinsert(type, "a", 0, H5T_STD_I32LE);
        H5Tinsert(type, "b", 4, H5T_STD_I32LE);
    } else if (strcmp(kind, "opaque") == 0) {
        type = H5Tcreate(H5T_OPAQUE, 8);
        H5Tset_tag(type, "x");
    } else if (strcmp(kind, "enum") == 0) {
        type = H5Tenum_create(H5T_STD_U8LE);
        H5Tenum_insert(type, "a", &(uint8_t){0});
    } else if (strcmp(kind, "bits") == 0) {
        type = H5Tcopy(H5T_STD_B8LE);
    } else if (strcmp(kind, "list") == 0) {
        type = H5Tvlen_create(H5T_STD_I32LE);
    } else if (strcmp(kind, "reference") == 0) {
        type = H5Tcopy(H5T_STD_REF_OBJ);
    }
    return type;
}

static bool type_damage(object *o, const char *kind)
{
    hid_t type = type_of(kind), space = space_of(o);
    if (type >= 0) {
        size_t count = (size_t)H5Sget_simple_extent_npoints(space);
        void *zeros = px_calloc(count + 1, 16);
        object_remove(o);
        object_make(o, type, space, H5P_DEFAULT, zeros);
        free(zeros);
        H5Tclose(type);
    }
    H5Sclose(space);
    return type >= 0;
}

static bool extent_damage(object *o, const char *kind)
{
    hid_t space = -1;
    bool scalar = o->rank == 0;
    if (scalar)
        o->dim[0] = 1;
    hsize_t first = o->dim[0];
    if (strcmp(kind, "null") == 0)
        space = H5Screate(H5S_NULL);
    else if (strcmp(kind, "scalar") == 0)
        space = H5Screate(H5S_SCALAR);
    else if (strcmp(kind, "more-axes") == 0)
        o->dim[o->rank++] = 1;
    else if (strcmp(kind, "32-axes") == 0)
        while (o->rank < AXES)
            o->dim[o->rank++] = 1;
    else if (strcmp(kind, "empty") == 0)
        o->dim[0] = 0;
    else if (strcmp(kind, "one") == 0)
        o->dim[0] = 1;
    else if (strcmp(kind, "shorter") == 0)
        o->dim[0] = first - 1;
    else if (strcmp(kind, "longer") == 0)
        o->dim[0] = first + 1;
    else
        return false;
    if (scalar && o->rank == 0)
        o->rank = 1;
    bool null = space >= 0 && H5Sget_simple_extent_type(space) == H5S_NULL;
    if (space < 0)
        space = space_of(o);
    object_remove(o);
    object_make(o, o->type, space, H5P_DEFAULT, null ? NULL : o->data);
    H5Sclose(space);
    return true;
}

static bool announced_damage(object *o, const char *kind)
{
    bool huge = strcmp(kind, "huge") == 0, overflow = strcmp(kind, "overflow") == 0;
    if (!huge && !overflow)
        return false;
    hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t block[AXES], whole = 1;
    for (int i = 0; i < o->rank; i++) {
        block[i] = 1;
        whole *= i > 0 ? o->dim[i] : 1;
    }
    o->dim[0] = 1ull << 40;
    if (overflow)
        o->dim[0] = UINT64_MAX / (whole * H5Tget_size(o->type)) + 7; /* the bytes are more than 2^64 */
    H5Pset_chunk(how, o->rank, block);
    hid_t space = space_of(o);
    object_remove(o);
    object_make(o, o->type, space, how, NULL);
    H5Sclose(space);
    H5Pclose(how);
    return true;
}

static bool storage_damage(object *o, const char *kind)
{
    hid_t how = H5Pcreate(H5P_DATASET_CREATE), space = space_of(o);
    bool broken = strcmp(kind, "broken") == 0, known = true;
    if (strcmp(kind, "storage") == 0) {
        H5Pset_external(how, "/etc/passwd", 0, H5F_UNLIMITED);
        object_remove(o);
        object_make(o, o->type, space, how, NULL);
    } else if (strcmp(kind, "virtual") == 0) {
        H5Pset_virtual(how, space, "../../good/d.h5", o->path, space);
        object_remove(o);
        object_make(o, o->type, space, how, NULL);
    } else if (strcmp(kind, "chunked") == 0 || broken) {
        H5Pset_chunk(how, o->rank, o->dim);
        H5Pset_deflate(how, 6);
        object_remove(o);
        object_make(o, o->type, space, how, broken ? NULL : o->data);
        if (broken) {
            hid_t set = H5Dopen2(o->file, o->path, H5P_DEFAULT);
            PX_CHECK(H5Dwrite_chunk(set, H5P_DEFAULT, 0, (hsize_t[AXES]){0}, o->size / 8 + 1, o->data) >= 0);
            H5Dclose(set);
        }
    } else {
        known = false;
    }
    H5Pclose(how);
    H5Sclose(space);
    return known;
}

/* "one-chunk": of more than 200 MB, which could be what its 2 MB unpack to. "filter": packed by one that nobody has. */
static bool chunk_damage(object *o, const char *kind)
{
    enum { STORED = 2 << 20, SIDE = 1000, NO_FILTER = 32767 };
    bool large = strcmp(kind, "one-chunk") == 0, filter = strcmp(kind, "filter") == 0;
    if (!large && !filter)
        return false;
    if (large)
        o->dim[1] = o->dim[2] = SIDE;
    hid_t how = H5Pcreate(H5P_DATASET_CREATE), space = space_of(o);
    H5Pset_chunk(how, o->rank, o->dim);
    if (filter)
        H5Pset_filter(how, NO_FILTER, H5Z_FLAG_OPTIONAL, 0, NULL);
    else
        H5Pset_deflate(how, 6);
    object_remove(o);
    object_make(o, o->type, space, how, NULL);
    hid_t set = H5Dopen2(o->file, o->path, H5P_DEFAULT);
    PX_CHECK(H5Dwrite_chunk(set, H5P_DEFAULT, 0, (hsize_t[AXES]){0}, large ? STORED : o->size, o->data) >= 0);
    H5Dclose(set);
    H5Pclose(how);
    H5Sclose(space);
    return true;
}

static bool value_damage(object *o, const hostile *h)
{
    hid_t space = space_of(o);
    bool known = true;
    if (strcmp(h->kind, "ones") == 0) {
        memset(o->data, 0xFF, o->size);
    } else if (strcmp(h->kind, "value") == 0) {
        size_t each = H5Tget_size(o->type);
        int64_t whole = (int64_t)h->number;
        uint8_t *at = o->data + (size_t)h->at * each;
        bool number = H5Tget_class(o->type) == H5T_FLOAT;
        PX_CHECK((size_t)h->at * each < o->size);
        if (number) {
            double value[2] = {h->number};
            PX_CHECK(H5Tconvert(H5T_NATIVE_DOUBLE, o->type, 1, value, NULL, H5P_DEFAULT) >= 0);
            memcpy(at, value, each);
        } else {
            memcpy(at, &whole, each); /* little endian, as stored */
        }
    } else {
        known = false;
    }
    if (known) {
        object_remove(o);
        object_make(o, o->type, space, H5P_DEFAULT, o->data);
    }
    H5Sclose(space);
    return known;
}

/* ---- files and rows ---------------------------------------------------------------------------------------------- */

static void damage_file(const hostile *h, const char *path)
{
    char *from = px_format("../../good/%s", h->from);
    blob b = read_file(from);
    hostile_put(path, b.bytes, b.size);
    free(b.bytes);
    free(from);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110); /* attributes of any size */
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, access);
    object o;
    PX_CHECK(file >= 0);
    object_read(&o, file, h->object);
    if (!link_damage(&o, h->kind) && !type_damage(&o, h->kind) && !extent_damage(&o, h->kind) &&
        !announced_damage(&o, h->kind) && !storage_damage(&o, h->kind) && !chunk_damage(&o, h->kind) &&
        !value_damage(&o, h))
        fail_msg("there is no damage '%s'", h->kind);
    if (o.type > 0)
        H5Tclose(o.type);
    free(o.data);
    H5Oclose(o.parent);
    H5Fclose(file);
    H5Pclose(access);
}

void hostile_h5_file(const hostile *h)
{
    damage_file(h, h->name);
}

static void damage_in_folder(const hostile *h, const char *name)
{
    char *path = px_format("%s/%s", h->name, name);
    damage_file(h, path);
    free(path);
}

void hostile_h5_checkpoint(const hostile *h)
{
    damage_in_folder(h, "checkpoint.h5");
}

void hostile_h5_results(const hostile *h)
{
    damage_in_folder(h, "run.h5");
}

static void add_row(hostile_rows *rows, const char *from, void (*make)(const hostile *), const h5_case *c,
                    const char *of, const char *kind)
{
    const char *base = strrchr(of, '/') ? strrchr(of, '/') + 1 : of;
    hostile *h = hostile_add(rows);
    *h = (hostile){.make = make, .status = c->status, .says = c->says, .from = from, .at = c->at, .number = c->number};
    strcpy(h->object, of);
    strcpy(h->kind, kind);
    snprintf(h->name, sizeof h->name, "%s-%s%s", *base == '@' ? base + 1 : base, kind,
             make == hostile_h5_file ? ".h5" : "");
}

void hostile_h5_rows(hostile_rows *rows, const char *from, void (*make)(const hostile *), const h5_case cases[],
                     int count)
{
    char of[HOSTILE_KIND], kind[HOSTILE_KIND];
    for (int i = 0; i < count; i++)
        for (const char *rest = cases[i].objects; hostile_next(&rest, of);)
            for (const char *left = cases[i].damages; hostile_next(&left, kind);)
                add_row(rows, from, make, &cases[i], of, kind);
}
