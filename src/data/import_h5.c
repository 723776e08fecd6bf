/* import_h5.c - HDF5 files of others: an array of images, and one of labels, under the names that people give them
 * (docs/files.md). The words of an array's name, of the groups that it is in, and of the file tell what it is: x, images, data
 * or y, labels, target; train, valid or test. Labels may lie in a file beside that of the images (PatchCamelyon). */
#include "base/error.h"
#include "data/arrays.h"
#include "data/h5_array.h"
#include "results/h5.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

extern const px_importer px_importer_h5;

enum {
    ARRAYS_MAX = 64,
    OBJECTS_MAX = 20000, /* groups and arrays: each takes some microseconds */
    DEEPEST = 64,
    UNREADABLE = -2
};

/* An array of the file. */
typedef struct array {
    char *name;
    px_array_role role;
    int split; /* -1: its name does not tell */
    px_array_axes axes;
    int bits;
} array;

typedef struct contents {
    const char *path; /* of the file */
    array list[ARRAYS_MAX];
    int count, objects;
} contents;

static bool claims(const px_entry *entry)
{
    return entry->size >= 8 && memcmp(entry->bytes, "\x89HDF\r\n\x1a\n", 8) == 0;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static bool is_image_array(hid_t set, array *a)
{
    hsize_t d[H5S_MAX_RANK] = {0};
    int64_t extents[4] = {0};
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    int rank = H5Sget_simple_extent_ndims(space);
    size_t width = H5Tget_size(type);
    bool pixels = (rank == 3 || rank == 4) && H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_NONE &&
                  (width == 1 || width == 2);
    if (pixels)
        H5Sget_simple_extent_dims(space, d, NULL);
    H5Tclose(type);
    H5Sclose(space);
    for (int i = 0; i < 4; i++)
        extents[i] = d[i] > INT64_MAX ? -1 : (int64_t)d[i];
    a->bits = (int)width * 8;
    return pixels && px_array_axes_of(rank, extents, width, &a->axes);
}

/* Whole numbers, one per image: (N), or (N, 1, 1, 1). */
static bool is_label_array(hid_t set, array *a)
{
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    hsize_t d[H5S_MAX_RANK] = {0};
    int rank = H5Sget_simple_extent_ndims(space);
    hssize_t points = H5Sget_simple_extent_npoints(space);
    bool right = rank >= 1 && H5Tget_class(type) == H5T_INTEGER;
    if (right)
        H5Sget_simple_extent_dims(space, d, NULL);
    H5Tclose(type);
    H5Sclose(space);
    a->axes.count = (int64_t)d[0];
    return right && points > 0 && (hsize_t)points == d[0];
}

static herr_t take_array(hid_t file, const char *name, const H5O_info_t *info, void *context)
{
    contents *all = context;
    int depth = 0;
    for (const char *at = name; (at = strchr(at, '/')); at++)
        depth++;
    if (depth > DEEPEST)
        return px_fail(PX_DATA, "%s: has groups within each other, more than %d deep", all->path, DEEPEST);
    if (++all->objects > OBJECTS_MAX)
        return px_fail(PX_DATA, "%s: has more than %d groups and arrays, too many for a data set that is read",
                       all->path, OBJECTS_MAX);
    if (info->type != H5O_TYPE_DATASET || all->count == ARRAYS_MAX)
        return 0; /* the names of groups are not looked at: nested ones are long */
    array a = {.split = px_array_split_of(name), .role = px_array_role_of(name)};
    if (a.role == PX_ARRAY_UNKNOWN)
        return 0;
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0)
        return px_fail(PX_DATA, "%s: %s cannot be opened: %s", all->path, name, px_h5_why((char[PX_H5_WHY]){0}));
    bool taken = a.role == PX_ARRAY_IMAGES ? is_image_array(set, &a) : is_label_array(set, &a);
    H5Dclose(set);
    if (taken) {
        a.name = px_strdup(name);
        all->list[all->count++] = a;
    }
    return 0;
}

/* H5Ovisit passes links to other files by. */
static herr_t refuse_link(hid_t file, const char *name, const H5L_info_t *info, void *context)
{
    const contents *all = context;
    (void)file;
    return info->type == H5L_TYPE_EXTERNAL && px_array_role_of(name) != PX_ARRAY_UNKNOWN
               ? px_fail(PX_DATA, "%s: %s is a link to another file, which is not read", all->path, name)
               : 0;
}

static void free_contents(contents *all)
{
    for (int i = 0; i < all->count; i++)
        free(all->list[i].name);
}

/* Where the entry lies on the disk. A new string, or NULL with a message. */
static char *file_of(const char *source, const char *path)
{
    struct stat about;
    char name[PX_ENTRY_NAME];
    bool folder = stat(source, &about) == 0 && S_ISDIR(about.st_mode);
    if (folder)
        return px_format("%s/%s", source, path);
    if (px_entry_is_source(source, path))
        return px_strdup(source);
    return px_fail_null(PX_DATA, "%s: is an HDF5 file in an archive, or compressed; unpack it first",
                        px_entry_name(source, path, name));
}

/* The labels: a new array, or NULL with a message. */
static int32_t *read_labels(hid_t file, const char *path, const array *a)
{
    hid_t set = px_h5_array_open(file, path, a->name, sizeof(int32_t));
    if (set < 0)
        return NULL;
    int32_t *labels = px_calloc((size_t)a->axes.count, sizeof *labels);
    if (H5Dread(set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, labels) < 0) {
        px_fail(PX_DATA, "%s: %s cannot be read: %s", path, a->name, px_h5_why((char[PX_H5_WHY]){0}));
        free(labels);
        labels = NULL;
    }
    H5Dclose(set);
    return labels;
}

/* ---- the first walk ---------------------------------------------------------------------------------------------- */

static bool same_split(const array *a, const array *b)
{
    return a->split == b->split;
}

/* The labels of these images in the same file. 0 or -1. */
static int find_labels(px_block *b, hid_t file, const char *path, const contents *all, const array *images)
{
    const array *found = NULL;
    for (int i = 0; i < all->count; i++) {
        const array *a = &all->list[i];
        if (a->role != PX_ARRAY_LABELS || !same_split(a, images) || a->axes.count != images->axes.count)
            continue;
        if (found)
            return px_fail(PX_DATA, "%s: both %s and %s could be the labels of %s; remove one, or give it another name",
                           path, found->name, a->name, images->name);
        found = a;
    }
    b->labels = found ? read_labels(file, path, found) : NULL;
    return found && !b->labels ? -1 : 0;
}

static int add_images(px_catalog *c, const px_entry *entry, hid_t file, const char *path, const contents *all,
                      const array *a)
{
    int split = a->split >= 0 ? a->split : px_array_split_of(entry->path);
    for (const array *other = all->list; other < a; other++)
        if (other->role == PX_ARRAY_IMAGES && same_split(other, a))
            return px_fail(PX_DATA, "%s: both %s and %s are arrays of images; remove one, or give it another name",
                           path, other->name, a->name);
    hid_t set =
        px_h5_array_open(file, path, a->name, (size_t)a->bits / 8); /* before a data set of that size is begun */
    if (set < 0)
        return -1;
    H5Dclose(set);
    px_block *b = px_catalog_block(c, entry, &px_importer_h5, split >= 0 ? split : PX_SPLIT_TRAIN, a->axes.count);
    if (!b)
        return -1;
    b->height = a->axes.height;
    b->width = a->axes.width;
    b->channels = a->axes.channels;
    b->bits = a->bits;
    b->turned_axes = a->axes.channels_first;
    b->file = px_strdup(path);
    b->array = px_strdup(a->name);
    b->reader = px_h5_reader_create();
    return find_labels(b, file, path, all, a);
}

/* Keeps labels without images for the file beside this one. */
static int add_labels(px_catalog *c, const px_entry *entry, hid_t file, const char *path, const array *a)
{
    int32_t *labels = read_labels(file, path, a);
    if (!labels)
        return -1;
    px_catalog_side(c,
                    &(px_entry){.source = entry->source,
                                .path = entry->path,
                                .bytes = (const uint8_t *)labels,
                                .size = (size_t)a->axes.count * sizeof *labels},
                    &px_importer_h5);
    free(labels);
    return 0;
}

/* Keeps what is wrong with the file: whether that matters is known when all files are (px_h5_drop). 0 or -1. */
static int add_bad(px_catalog *c, const px_entry *entry, const char *why)
{
    char *message = px_strdup(why);
    px_block *b = px_catalog_block(c, entry, &px_importer_h5, PX_SPLIT_TRAIN, 0);
    if (!b) {
        free(message);
        return -1;
    }
    b->bad = true;
    b->why = message;
    return 0;
}

/* Whether `pretext pack` made it. What it keeps of splits and classes would be lost. */
static bool is_data_set(hid_t file)
{
    return H5Lexists(file, "split", H5P_DEFAULT) > 0 && H5Aexists(file, "split_names") > 0;
}

/* 0, -1, or UNREADABLE: nothing is known by its name; the latter two with a message. */
static int list_arrays(px_catalog *c, const px_entry *entry, hid_t file, const char *path)
{
    contents all = {.path = path};
    int images = 0, labels = 0, status = 0;
    px_fail(PX_DATA, "%s: its contents cannot be listed", path); /* unless one of the two says why */
    if (H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, take_array, &all) < 0 ||
        H5Lvisit(file, H5_INDEX_NAME, H5_ITER_INC, refuse_link, &all) < 0) {
        free_contents(&all);
        return add_bad(c, entry, px_error());
    }
    for (int i = 0; i < all.count && status == 0; i++)
        if (all.list[i].role == PX_ARRAY_IMAGES) {
            images++;
            status = add_images(c, entry, file, path, &all, &all.list[i]);
        }
    for (int i = 0; i < all.count && status == 0 && images == 0; i++)
        status =
            labels++ == 0
                ? add_labels(c, entry, file, path, &all.list[i])
                : px_fail(PX_DATA, "%s: has no images, and several arrays of labels, %s and %s; keep the one to use",
                          path, all.list[0].name, all.list[i].name);
    bool none = status == 0 && images + labels == 0;
    if (none)
        px_fail(PX_DATA,
                "%s: has no array of images that is known by its name (x, images, data, ...; uint8 or uint16, "
                "(N, height, width, channels)) and none of labels (y, labels, target, ...)",
                path);
    free_contents(&all);
    return none ? UNREADABLE : status;
}

static int list_file(px_catalog *c, const px_entry *entry, const char *path)
{
    px_h5_disk disk;
    hid_t file = px_h5_images_open(path, &disk);
    if (file < 0)
        return add_bad(c, entry, px_error());
    int found;
    if (is_data_set(file)) {
        char *why = px_format("%s: is a data set already, which needs no packing", path);
        found = add_bad(c, entry, why);
        free(why);
    } else {
        found = list_arrays(c, entry, file, path);
    }
    H5Fclose(file);
    return found;
}

/* Beside images, and where nothing in them is known by its name, HDF5 files are left out; not if the source is the file. */
static int list(px_catalog *c, const px_entry *entry)
{
    bool itself = px_entry_is_source(entry->source, entry->path);
    int yields = px_catalog_yields(c, entry, &px_importer_h5);
    if (yields != 0)
        return yields < 0 ? -1 : 0;
    char *path = file_of(entry->source, entry->path);
    int found = path ? list_file(c, entry, path) : UNREADABLE;
    free(path);
    if (found == UNREADABLE && !itself)
        px_catalog_leave_out(c, entry->path, c->source);
    return found == 0 || (found == UNREADABLE && !itself) ? 0 : -1;
}

const px_importer px_importer_h5 = {
    .name = "HDF5", .yields = true, .claims = claims, .list = list, .finish = px_arrays_finish, .unpack = px_h5_unpack};
