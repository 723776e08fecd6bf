/* pack_file.c - writes a data set with HDF5, completely or not at all. */
#include "data/pack_file.h"

#include "base/error.h"
#include "data/pack.h"
#include "results/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int unwritable(const px_pack_file *f)
{
    if (px_h5_disk_check(&f->disk, f->path) != 0)
        return -1;
    return px_fail(PX_FAIL, "%s: cannot be written: %s", f->path, px_h5_why((char[PX_H5_WHY]){0}));
}

/* Creates an array, contiguous and not filled in advance, so that readers can map it and every byte is written only
 * once. Returns the id, or -1. */
static hid_t create_array(hid_t file, const char *name, hid_t type, int rank, const hsize_t dims[])
{
    hid_t space = H5Screate_simple(rank, dims, NULL), how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(how, H5D_CONTIGUOUS);
    H5Pset_alloc_time(how, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(how, H5D_FILL_TIME_NEVER);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    H5Pclose(how);
    H5Sclose(space);
    return set;
}

static hid_t create_pixels(const px_pack_file *f)
{
    const px_pack_shape *s = &f->shape;
    if (s->height == 0)
        return create_array(f->file, "/encoded", H5T_STD_U8LE, 1, (hsize_t[]){s->encoded_size});
    hsize_t dims[] = {(hsize_t)s->count, (hsize_t)s->height, (hsize_t)s->width, (hsize_t)s->channels};
    return create_array(f->file, "/images", s->bits == 16 ? H5T_NATIVE_UINT16 : H5T_STD_U8LE, 4, dims);
}

/* Reserves the space on the disk now, so that a full disk shows before hours of decoding, and before HDF5 has anything
 * to write. Some filesystems cannot do this. */
static int claim_space(const px_pack_file *f)
{
    const px_pack_shape *s = &f->shape;
    int64_t area = (int64_t)s->height * s->width * s->channels * (int64_t)px_value_bytes(s->bits);
    off_t pixels = s->height ? s->count * area : (off_t)s->encoded_size;
    off_t beside = s->count * (off_t)(sizeof(int32_t) + sizeof(uint64_t) + 1) + (1 << 20); /* labels, names, ... */
    int fd = open(f->partial, O_WRONLY | O_CLOEXEC), error = 0;
    if (fd < 0 || fallocate(fd, 0, 0, pixels) != 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, pixels, beside) != 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    if (error == 0 || error == EOPNOTSUPP || error == ENOSYS)
        return 0;
    return px_fail(PX_FAIL, "%s: cannot be written: %s (%.1f MB)", f->path, strerror(error),
                   (double)(pixels + beside) * 1e-6);
}

static int open_partial(px_pack_file *f)
{
    hid_t access = px_h5_disk_access(&f->disk);
    H5Pset_alignment(access, 1 << 16, 4096); /* large arrays begin on a page, which is good for mapping */
    /* In formats before 1.8 an attribute has at most 64 kB: the names of 4096 classes. */
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
    f->file = H5Fcreate(f->partial, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
    if (f->file < 0)
        return unwritable(f);
    if (claim_space(f) != 0)
        return -1;
    f->pixels = create_pixels(f);
    return f->pixels < 0 ? unwritable(f) : 0;
}

int px_pack_file_create(px_pack_file *f, const px_pack_shape *shape, const char *path)
{
    px_h5_quiet();
    if (px_replaceable(path) != 0)
        return -1;
    *f = (px_pack_file){.shape = *shape, .path = px_strdup(path), .file = -1, .pixels = -1};
    f->partial = px_partial_name(path);
    int fd = open(f->partial, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666), status;
    if (fd < 0) {
        status = errno == EEXIST ? px_fail(PX_FAIL, "%s: is left over from an earlier run; remove it", f->partial)
                                 : px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(errno));
        free(f->partial); /* not ours to remove */
        f->partial = NULL;
    } else {
        close(fd);
        status = open_partial(f);
    }
    if (status != 0)
        px_pack_file_abandon(f);
    return status;
}

int px_pack_file_write(px_pack_file *f, int64_t first, int64_t count, const void *pixels)
{
    const px_pack_shape *s = &f->shape;
    int rank = s->height ? 4 : 1;
    hsize_t start[4] = {(hsize_t)first};
    hsize_t extent[4] = {(hsize_t)count, (hsize_t)s->height, (hsize_t)s->width, (hsize_t)s->channels};
    hid_t space = H5Dget_space(f->pixels), memory = H5Screate_simple(rank, extent, NULL);
    herr_t status = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, extent, NULL);
    if (status >= 0)
        status = H5Dwrite(f->pixels, s->height && s->bits == 16 ? H5T_NATIVE_UINT16 : H5T_NATIVE_UINT8, memory, space,
                          H5P_DEFAULT, pixels);
    int result = status < 0 || f->disk.error ? unwritable(f) : 0;
    H5Sclose(memory);
    H5Sclose(space);
    return result;
}

static herr_t write_array(hid_t file, const char *name, hid_t type, hid_t memory, int64_t count, const void *values)
{
    hid_t set = create_array(file, name, type, 1, (hsize_t[]){(hsize_t)count});
    herr_t status = set < 0 ? -1 : H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    herr_t closed = set < 0 ? -1 : H5Dclose(set);
    return status < 0 ? status : closed;
}

/* Writes an attribute of the root group: one value (`count` 0) or an array. */
static herr_t write_attribute(hid_t file, const char *name, hid_t type, hid_t memory, int count, const void *values)
{
    hid_t space = count ? H5Screate_simple(1, (hsize_t[]){(hsize_t)count}, NULL) : H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t status = attribute < 0 ? -1 : H5Awrite(attribute, memory, values);
    H5Aclose(attribute);
    H5Sclose(space);
    return status;
}

static herr_t write_strings(hid_t file, const char *name, int count, const char *const *strings)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    herr_t status = write_attribute(file, name, type, type, count, strings);
    H5Tclose(type);
    return status;
}

static int write_about(const px_pack_file *f, const px_pack_about *a)
{
    hid_t file = f->file;
    int channels = f->shape.channels;
    int64_t count = f->shape.count;
    if (write_array(file, "/labels", H5T_STD_I32LE, H5T_NATIVE_INT32, count, a->labels) < 0 ||
        write_array(file, "/split", H5T_STD_U8LE, H5T_NATIVE_UINT8, count, a->split) < 0 ||
        (a->offsets && write_array(file, "/offsets", H5T_STD_U64LE, H5T_NATIVE_UINT64, count + 1, a->offsets) < 0) ||
        (a->classes && write_strings(file, "class_names", a->classes, a->class_names) < 0) ||
        (a->skips && write_strings(file, "skipped", a->skips, a->skipped) < 0) ||
        (a->unturned && a->offsets && write_strings(file, "exif", 0, &(const char *){"ignore"}) < 0) ||
        write_strings(file, "split_names", a->splits, a->split_names) < 0 ||
        write_attribute(file, "mean", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, channels, a->mean) < 0 ||
        write_attribute(file, "std", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, channels, a->std) < 0 ||
        write_attribute(file, "channels", H5T_STD_I32LE, H5T_NATIVE_INT, 0, &channels) < 0 ||
        (f->shape.bits == 16 && write_attribute(file, "bits", H5T_STD_I32LE, H5T_NATIVE_INT, 0, &f->shape.bits) < 0) ||
        write_strings(file, "source", 0, &a->source) < 0)
        return unwritable(f);
    return 0;
}

static int close_file(px_pack_file *f)
{
    herr_t pixels = H5Dclose(f->pixels), file = H5Fclose(f->file);
    f->file = f->pixels = -1;
    return pixels < 0 || file < 0 || f->disk.error ? unwritable(f) : 0;
}

static int sync_path(const px_pack_file *f, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
    if (fd < 0 || fsync(fd) != 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    return error && error != EINVAL ? px_fail(PX_FAIL, "%s: cannot be written: %s", f->path, strerror(error)) : 0;
}

/* After this the new file has its name even if the machine crashes. */
static int put_in_place(const px_pack_file *f)
{
    if (sync_path(f, f->partial) != 0)
        return -1;
    if (rename(f->partial, f->path) != 0)
        return px_fail(PX_FAIL, "%s: cannot be replaced: %s", f->path, strerror(errno));
    char *copy = px_strdup(f->path);
    int status = sync_path(f, dirname(copy));
    free(copy);
    return status;
}

static void release(px_pack_file *f)
{
    free(f->path);
    free(f->partial);
    f->path = f->partial = NULL;
}

int px_pack_file_finish(px_pack_file *f, const px_pack_about *about)
{
    if (write_about(f, about) != 0 || close_file(f) != 0 || put_in_place(f) != 0) {
        px_pack_file_abandon(f);
        return -1;
    }
    release(f);
    return 0;
}

void px_pack_file_abandon(px_pack_file *f)
{
    if (f->pixels >= 0)
        H5Dclose(f->pixels);
    if (f->file >= 0)
        H5Fclose(f->file);
    if (f->partial)
        unlink(f->partial);
    release(f);
}
