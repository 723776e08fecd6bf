/* h5_array.c - see h5_array.h. */
#include "data/h5_array.h"

#include "base/error.h"
#include "data/arrays.h"
#include "data/image.h"
#include "results/h5.h"

#include <stdlib.h>
#include <string.h>

hid_t px_h5_images_open(const char *path, px_h5_disk *disk)
{
    *disk = (px_h5_disk){.alone = true};
    px_h5_quiet();
    hid_t file = px_h5_open(path, false, disk);
    return file < 0 ? px_fail(PX_DATA, "%s: cannot be opened: %s", path, px_h5_why((char[PX_H5_WHY]){0})) : file;
}

hid_t px_h5_array_open(hid_t file, const char *path, const char *name, size_t element)
{
    char why[PX_H5_WHY];
    hsize_t d[H5S_MAX_RANK];
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0)
        return px_fail(PX_DATA, "%s: %s cannot be read: %s", path, name, px_h5_why(why));
    hid_t space = H5Dget_space(set);
    int rank = H5Sget_simple_extent_dims(space, d, NULL), status = 0;
    if (px_h5_unreadable(set, why))
        status = px_fail(PX_DATA, "%s: %s: %s", path, name, why);
    else if (!px_h5_plausible(set, rank, d, element))
        status = px_fail(PX_DATA, "%s: %s claims to be larger than the file can contain", path, name);
    else if (px_h5_is_bomb(set, (double)H5Sget_simple_extent_npoints(space) * (double)element, why))
        status = px_fail(PX_DATA, "%s: %s: %s", path, name, why);
    H5Sclose(space);
    if (status != 0)
        H5Dclose(set);
    return status == 0 ? set : -1;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* The array that is being packed; it stays open from its first row to the last. */
struct px_h5_reader {
    px_h5_disk disk;
    hid_t file, set; /* 0: not open */
};

/* The extents that the first walk saw. */
static bool has_shape(const px_block *b, int rank, const hsize_t d[])
{
    hsize_t n = (hsize_t)b->count, h = (hsize_t)b->height, w = (hsize_t)b->width, ch = (hsize_t)b->channels;
    if (rank == 3)
        return ch == 1 && d[0] == n && d[1] == h && d[2] == w;
    if (b->turned_axes)
        return rank == 4 && d[0] == n && d[1] == ch && d[2] == h && d[3] == w;
    return rank == 4 && d[0] == n && d[1] == h && d[2] == w && d[3] == ch;
}

static int read_rows(hid_t set, const px_block *b, int64_t first, int64_t count, void *out)
{
    hid_t space = H5Dget_space(set), type = b->bits == 16 ? H5T_NATIVE_UINT16 : H5T_NATIVE_UINT8;
    hsize_t d[H5S_MAX_RANK] = {0}, start[4] = {(hsize_t)first};
    int rank = H5Sget_simple_extent_dims(space, d, NULL), status = 0;
    bool same = has_shape(b, rank, d);
    d[0] = (hsize_t)count;
    hid_t memory = same ? H5Screate_simple(rank, d, NULL) : -1;
    if (!same)
        status = px_fail(PX_DATA, "%s: %s changed while it was being packed", b->file, b->array);
    else if (H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, d, NULL) < 0 ||
             H5Dread(set, type, memory, space, H5P_DEFAULT, out) < 0)
        status = px_fail(PX_DATA, "%s: %s cannot be read: %s", b->file, b->array, px_h5_why((char[PX_H5_WHY]){0}));
    if (memory >= 0)
        H5Sclose(memory);
    H5Sclose(space);
    return status;
}

static void close_reader(struct px_h5_reader *r)
{
    if (r->set > 0)
        H5Dclose(r->set);
    if (r->file > 0)
        H5Fclose(r->file);
    *r = (struct px_h5_reader){0};
}

struct px_h5_reader *px_h5_reader_create(void)
{
    return px_calloc(1, sizeof(struct px_h5_reader));
}

void px_h5_reader_destroy(struct px_h5_reader *r)
{
    if (r)
        close_reader(r);
    free(r);
}

/* Room for the chunks that the rows of one chunk lie in, so that none is unpacked again for the next rows. */
static size_t cache_for(hid_t set, const px_block *b)
{
    enum { USUAL = 1 << 20, MOST = 256 << 20 };
    hsize_t chunk[H5S_MAX_RANK] = {0};
    double one = px_h5_chunk_bytes(set), row = (double)b->height * b->width * b->channels * (b->bits / 8.0);
    hid_t how = H5Dget_create_plist(set);
    int64_t rows = one > 0 && H5Pget_chunk(how, H5S_MAX_RANK, chunk) > 0 ? (int64_t)chunk[0] : 0;
    H5Pclose(how);
    double all = row * (double)(rows < b->count ? rows : b->count);
    return (size_t)(one > MOST ? one : all > MOST ? MOST : all > one ? all : one > USUAL ? one : USUAL);
}

static int open_reader(struct px_h5_reader *r, const px_block *b)
{
    enum { SLOTS = 12421 };
    hid_t file = px_h5_images_open(b->file, &r->disk), set;
    if (file < 0)
        return -1;
    r->file = file;
    if ((set = px_h5_array_open(file, b->file, b->array, px_value_bytes(b->bits))) < 0)
        return -1;
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    H5Pset_chunk_cache(access, SLOTS, cache_for(set, b), H5D_CHUNK_CACHE_W0_DEFAULT);
    H5Dclose(set); /* the cache's size counts when it is opened */
    r->set = H5Dopen2(file, b->array, access);
    H5Pclose(access);
    return r->set > 0
               ? 0
               : px_fail(PX_DATA, "%s: %s cannot be read: %s", b->file, b->array, px_h5_why((char[PX_H5_WHY]){0}));
}

int px_h5_unpack(const px_block *b, const uint8_t *bytes, int64_t first, int64_t count, uint8_t *pixels)
{
    (void)bytes;
    struct px_h5_reader *r = b->reader;
    size_t size = (size_t)count * (size_t)b->height * (size_t)b->width * (size_t)b->channels * px_value_bytes(b->bits);
    uint8_t *turned = b->turned_axes ? px_realloc(NULL, size) : NULL;
    int status = r->set > 0 ? 0 : open_reader(r, b);
    if (status == 0)
        status = read_rows(r->set, b, first, count, turned ? turned : pixels);
    if (status == 0 && turned)
        px_array_put_channels_last(b, count, turned, pixels);
    free(turned);
    if (status != 0 || first + count == b->count)
        close_reader(r);
    return status;
}
