/* dataset_load.c - reads the parts of a packed data set. Everything is checked here, once. */
#include "base/crash.h"
#include "base/error.h"
#include "data/dataset_private.h"
#include "data/image.h"
#include "results/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIDE_MAX = 65500, SPLITS_MAX = 255, CLASSES_MAX = 1 << 20 };

/* ---- reading pieces of the file ---------------------------------------------------------------------------------- */

static bool has(hid_t file, const char *name)
{
    return H5Lexists(file, name, H5P_DEFAULT) > 0;
}

static bool has_attribute(hid_t file, const char *name)
{
    return H5Aexists(file, name) > 0;
}

static int unreadable(const px_dataset *d, const char *name)
{
    return px_fail(PX_DATA, "%s: %s cannot be read: %s", d->path, name, px_h5_why((char[PX_H5_WHY]){0}));
}

static int unbelievable(const px_dataset *d, const char *name)
{
    return px_fail(PX_DATA, "%s: %s claims to be larger than the file can contain", d->path, name);
}

/* Of what type an array must be. */
typedef enum element { BYTES, PIXELS /* uint8 or uint16 */, INTEGERS } element;

static bool is_of(hid_t type, element kind)
{
    bool unsign = H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_NONE;
    size_t size = H5Tget_size(type);
    if (kind == INTEGERS)
        return H5Tget_class(type) == H5T_INTEGER;
    return unsign && (size == 1 || (kind == PIXELS && size == 2));
}

/* Opens an HDF5 data set with `rank` axes of this type. Returns the id, or -1. */
static hid_t open_array(const px_dataset *d, hid_t file, const char *name, int rank, element kind, hsize_t dims[])
{
    char why[PX_H5_WHY];
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0 && d->disk.refused[0])
        return px_fail(PX_DATA, "%s: %s leads to another file, '%s', which is not read; data.links=true allows it",
                       d->path, name, d->disk.refused);
    if (set < 0)
        return unreadable(d, name);
    if (px_h5_lacks_filter(set, why)) {
        H5Dclose(set);
        return px_fail(PX_DATA, "%s: %s: %s", d->path, name, why);
    }
    if (d->disk.alone && px_h5_unreadable(set, why)) {
        H5Dclose(set);
        return px_fail(PX_DATA, "%s: %s: %s; data.links=true allows it", d->path, name, why);
    }
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    int axes = H5Sget_simple_extent_ndims(space);
    static const char *const expected[] = {"uint8", "uint8 or uint16", "integers"};
    bool typed = is_of(type, kind);
    if (axes == rank)
        H5Sget_simple_extent_dims(space, dims, NULL);
    H5Tclose(type);
    H5Sclose(space);
    int status = 0;
    if (axes != rank)
        status = px_fail(PX_DATA, "%s: %s has %d axes, but %d are expected", d->path, name, axes, rank);
    else if (!typed)
        status = px_fail(PX_DATA, "%s: %s has the wrong type; %s expected", d->path, name, expected[kind]);
    if (status != 0)
        H5Dclose(set);
    return status == 0 ? set : -1;
}

/* Reads a 1-D array of exactly `count` integers as `type`. Returns a new array, or NULL with a message. */
static void *read_array(const px_dataset *d, hid_t file, const char *name, hid_t type, int64_t count)
{
    hsize_t length = 0;
    char why[PX_H5_WHY];
    hid_t set = open_array(d, file, name, 1, INTEGERS, &length);
    if (set < 0)
        return NULL;
    void *values = NULL;
    if (length != (hsize_t)count) {
        px_fail(PX_DATA, "%s: %s has %lld entries, but %lld are expected", d->path, name, (long long)length,
                (long long)count);
    } else if (!px_h5_plausible(set, 1, &length, H5Tget_size(type))) {
        unbelievable(d, name);
    } else if (px_h5_is_bomb(set, (double)length * (double)H5Tget_size(type), why)) {
        px_fail(PX_DATA, "%s: %s: %s", d->path, name, why);
    } else {
        values = px_calloc((size_t)count, H5Tget_size(type));
        if (H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
            unreadable(d, name);
            free(values);
            values = NULL;
        }
    }
    H5Dclose(set);
    return values;
}

/* The file in which HDF5 found the data set, opened once more: not by its name, which may be another file's by now. */
static int descriptor_of(hid_t set)
{
    int *inside = NULL;
    hid_t file = H5Iget_file_id(set);
    int fd = H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&inside) >= 0 ? fcntl(*inside, F_DUPFD_CLOEXEC, 0) : -1;
    H5Fclose(file);
    return fd;
}

/* Maps the `size` bytes at `offset` of the file. On filesystems without mmap, d->map stays NULL: the caller reads. */
static int map_file(px_dataset *d, hid_t set, haddr_t offset, size_t size)
{
    struct stat about;
    int fd = descriptor_of(set);
    if (fd < 0 || fstat(fd, &about) != 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return px_fail(PX_DATA, "%s: cannot be opened: %s", d->path, strerror(error));
    }
    haddr_t end;
    if (__builtin_add_overflow(offset, size, &end) || end > (uint64_t)about.st_size) {
        close(fd);
        return px_fail(PX_DATA, "%s: is truncated: it has %lld bytes, but its images take %zu from byte %llu on",
                       d->path, (long long)about.st_size, size, (unsigned long long)offset);
    }
    size_t lead = (size_t)(offset % (haddr_t)sysconf(_SC_PAGESIZE));
    void *map = mmap(NULL, size + lead, PROT_READ, MAP_SHARED, fd, (off_t)(offset - lead));
    if (map == MAP_FAILED) {
        close(fd);
        return 0;
    }
    px_crash_file_add(map, size + lead, d->path);
    d->fd = fd;
    d->file_end = (off_t)end;
    d->map = map;
    d->map_size = size + lead;
    d->bytes = (const uint8_t *)map + lead;
    return 0;
}

/* Whether the file has 16-bit values in the other byte order. */
static bool is_swapped(hid_t set, size_t width)
{
    hid_t type = H5Dget_type(set);
    bool same = width == 1 || H5Tequal(type, H5T_NATIVE_UINT16) > 0;
    H5Tclose(type);
    return !same;
}

/* Makes the `size` bytes of an HDF5 data set of values of `width` bytes accessible as d->bytes. */
static int load_bytes(px_dataset *d, hid_t set, const char *name, size_t size, size_t width)
{
    haddr_t offset =
        H5Dget_offset(set); /* from the file's first byte, user block included; undefined unless contiguous */
    bool mapped = offset != HADDR_UNDEF && offset % width == 0 && !is_swapped(set, width);
    hid_t type = width == 2 ? H5T_NATIVE_UINT16 : H5T_NATIVE_UINT8;
    if (mapped && size > 0 && map_file(d, set, offset, size) != 0)
        return -1;
    if (d->map || size == 0)
        return 0;
    char why[PX_H5_WHY];
    if (!px_h5_unreadable(set, why) && !px_h5_plausible(set, 1, (hsize_t[]){size / width}, width))
        return unbelievable(d, name);
    if (!px_h5_unreadable(set, why) && px_h5_is_bomb(set, (double)size, why))
        return px_fail(PX_DATA, "%s: %s: %s", d->path, name, why);
    d->copy = px_realloc(NULL, size);
    d->bytes = d->copy;
    return H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, d->copy) < 0 ? unreadable(d, name) : 0;
}

/* Reads an attribute of exactly `count` numbers. */
static int read_numbers(const px_dataset *d, hid_t file, const char *name, hid_t type, int count, void *out)
{
    if (!has_attribute(file, name))
        return px_fail(PX_DATA, "%s: has no attribute %s (%d numbers)", d->path, name, count);
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT), space = H5Aget_space(attribute), from = H5Aget_type(attribute);
    hssize_t there = H5Sget_simple_extent_npoints(space);
    H5T_class_t class = H5Tget_class(from);
    int status = 0;
    if (there != count || (class != H5T_FLOAT && class != H5T_INTEGER))
        status = px_fail(PX_DATA, "%s: attribute %s must be %d numbers", d->path, name, count);
    else if (H5Aread(attribute, type, out) < 0)
        status = unreadable(d, name);
    H5Tclose(from);
    H5Sclose(space);
    H5Aclose(attribute);
    return status;
}

/* Copies strings from what H5Aread gave: an array of pointers, or of fixed cells of `cell` bytes. */
static char **copy_strings(const void *raw, size_t count, size_t cell)
{
    char **names = px_calloc(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++) {
        if (cell == 0) {
            const char *text = ((char *const *)raw)[i];
            names[i] = px_strdup(text ? text : "");
        } else {
            names[i] = px_format("%.*s", (int)cell, (const char *)raw + i * cell);
        }
    }
    return names;
}

/* Reads an attribute of strings of variable or fixed length. A NULL-terminated array, or NULL with a message. */
static char **read_strings(const px_dataset *d, hid_t file, const char *name, int *count)
{
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT), space = H5Aget_space(attribute), type = H5Aget_type(attribute);
    hssize_t points = H5Sget_simple_extent_npoints(space);
    char **names = NULL;
    if (points < 1 || points > INT32_MAX || H5Tget_class(type) != H5T_STRING) {
        px_fail(PX_DATA, "%s: attribute %s must be strings", d->path, name);
    } else {
        size_t cell = H5Tis_variable_str(type) > 0 ? 0 : H5Tget_size(type);
        void *raw = px_calloc((size_t)points, cell ? cell : sizeof(char *));
        if (H5Aread(attribute, type, raw) < 0) {
            unreadable(d, name);
        } else {
            names = copy_strings(raw, (size_t)points, cell);
            *count = (int)points;
            if (cell == 0)
                H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw);
        }
        free(raw);
    }
    H5Tclose(type);
    H5Sclose(space);
    H5Aclose(attribute);
    return names;
}

/* ---- the parts of a data set ------------------------------------------------------------------------------------- */

static int load_raw(px_dataset *d, hid_t file)
{
    hsize_t dims[4] = {0};
    hid_t set = open_array(d, file, "/images", 4, PIXELS, dims);
    if (set < 0)
        return -1;
    int status = 0;
    hid_t type = H5Dget_type(set);
    size_t width = H5Tget_size(type);
    H5Tclose(type);
    if (dims[1] < 1 || dims[2] < 1 || dims[1] > SIDE_MAX || dims[2] > SIDE_MAX || dims[3] < 1 ||
        dims[3] > PX_CHANNELS_MAX || dims[0] > (hsize_t)INT64_MAX / (dims[1] * dims[2] * dims[3] * width)) {
        status =
            px_fail(PX_DATA, "%s: /images is (%llu, %llu, %llu, %llu), but (N, height, width, 1 to 64) is expected",
                    d->path, (unsigned long long)dims[0], (unsigned long long)dims[1], (unsigned long long)dims[2],
                    (unsigned long long)dims[3]);
    } else {
        d->info.count = (int64_t)dims[0];
        d->info.height = (int)dims[1];
        d->info.width = (int)dims[2];
        d->info.channels = (int)dims[3];
        d->info.bits = (int)width * 8;
        d->stride = (size_t)(dims[1] * dims[2] * dims[3]) * width;
        status = load_bytes(d, set, "/images", d->stride * (size_t)dims[0], width);
    }
    H5Dclose(set);
    return status;
}

static int load_offsets(px_dataset *d, hid_t file, uint64_t total)
{
    hsize_t length = 0;
    hid_t set = open_array(d, file, "/offsets", 1, INTEGERS, &length);
    if (set < 0)
        return -1;
    H5Dclose(set);
    if (length < 1)
        return px_fail(PX_DATA, "%s: /offsets is empty; it needs one more entry than there are images", d->path);
    d->info.count = (int64_t)length - 1;
    d->offsets = read_array(d, file, "/offsets", H5T_NATIVE_UINT64, (int64_t)length);
    if (!d->offsets)
        return -1;
    for (hsize_t i = 0; i + 1 < length; i++)
        if (d->offsets[i] >= d->offsets[i + 1] || d->offsets[i + 1] > total)
            return px_fail(PX_DATA, "%s: /offsets gives image %llu the bytes %llu to %llu of %llu", d->path,
                           (unsigned long long)i, (unsigned long long)d->offsets[i],
                           (unsigned long long)d->offsets[i + 1], (unsigned long long)total);
    return 0;
}

static int load_encoded(px_dataset *d, hid_t file)
{
    hsize_t total = 0;
    if (!has(file, "/offsets"))
        return px_fail(PX_DATA, "%s: has /encoded but no /offsets", d->path);
    if (read_numbers(d, file, "channels", H5T_NATIVE_INT, 1, &d->info.channels) != 0)
        return -1;
    if (d->info.channels < 1 || d->info.channels > PX_CHANNELS_MAX)
        return px_fail(PX_DATA, "%s: attribute channels is %d, but must be 1 to %d", d->path, d->info.channels,
                       PX_CHANNELS_MAX);
    d->info.bits = 8;
    if (has_attribute(file, "bits") && read_numbers(d, file, "bits", H5T_NATIVE_INT, 1, &d->info.bits) != 0)
        return -1;
    if (d->info.bits != 8 && d->info.bits != 16)
        return px_fail(PX_DATA, "%s: attribute bits is %d, but must be 8 or 16", d->path, d->info.bits);
    d->unturned = has_attribute(file, "exif");
    hid_t set = open_array(d, file, "/encoded", 1, BYTES, &total);
    if (set < 0)
        return -1;
    int status = load_offsets(d, file, total);
    if (status == 0)
        status = load_bytes(d, set, "/encoded", (size_t)total, 1);
    H5Dclose(set);
    return status;
}

/* Keeps a line about the file. */
static void note(px_dataset *d, const char *text)
{
    char *longer = d->note ? px_format("%s; %s", d->note, text) : px_format("%s: %s", d->path, text);
    free(d->note);
    d->info.note = d->note = longer;
}

/* Files of others have /labels of several numbers per image, or of fractions: no classes. */
static bool are_classes(px_dataset *d, hid_t file)
{
    hid_t set = H5Dopen2(file, "/labels", H5P_DEFAULT);
    if (set < 0)
        return true; /* read_array says why */
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    bool whole = H5Tget_class(type) == H5T_INTEGER, number = whole || H5Tget_class(type) == H5T_FLOAT;
    int axes = H5Sget_simple_extent_ndims(space);
    bool classes = !number || axes < 1 || (whole && axes == 1); /* read_array refuses all but numbers */
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(set);
    if (!classes)
        note(d, "/labels are not one whole number per image and are ignored");
    return classes;
}

static int load_labels(px_dataset *d, hid_t file)
{
    int highest = -1;
    if (has(file, "/labels") && are_classes(d, file)) {
        d->labels = read_array(d, file, "/labels", H5T_NATIVE_INT32, d->info.count);
        if (!d->labels)
            return -1;
        for (int64_t i = 0; i < d->info.count; i++)
            if (d->labels[i] > highest)
                highest = d->labels[i];
    }
    if (highest >= CLASSES_MAX)
        return px_fail(PX_DATA, "%s: has labels up to %d, but at most %d classes are supported", d->path, highest,
                       CLASSES_MAX);
    if (has_attribute(file, "class_names")) {
        d->class_names = read_strings(d, file, "class_names", &d->info.classes);
        if (!d->class_names)
            return -1;
    } else if (highest >= 0) { /* use numbers as names */
        d->info.classes = highest + 1;
        d->class_names = px_calloc((size_t)highest + 2, sizeof *d->class_names);
        for (int i = 0; i <= highest; i++)
            d->class_names[i] = px_format("%d", i);
    }
    for (int64_t i = 0; d->labels && i < d->info.count; i++)
        if (d->labels[i] < -1 || d->labels[i] >= d->info.classes)
            return px_fail(PX_DATA, "%s: label %d of image %lld is not in 0..%d (or -1: none)", d->path, d->labels[i],
                           (long long)i, d->info.classes - 1);
    return 0;
}

/* Sorts the rows by split, keeping their order. */
static void index_splits(px_dataset *d)
{
    int64_t count[SPLITS_MAX] = {0}, *next[SPLITS_MAX], first = 0;
    for (int64_t i = 0; i < d->info.count; i++)
        count[d->split_of[i]]++;
    d->rows = px_calloc((size_t)d->info.count, sizeof *d->rows);
    d->splits = px_calloc((size_t)d->info.splits, sizeof *d->splits);
    for (int s = 0; s < d->info.splits; s++) {
        d->splits[s] = (px_split){d->split_names[s], d->rows + first, count[s]};
        next[s] = d->rows + first;
        first += count[s];
    }
    for (int64_t i = 0; i < d->info.count; i++)
        *next[d->split_of[i]]++ = i;
}

static int load_splits(px_dataset *d, hid_t file)
{
    if (has(file, "/split") != has_attribute(file, "split_names"))
        return px_fail(PX_DATA, "%s: /split and the attribute split_names belong together, but one is missing",
                       d->path);
    if (has(file, "/split")) {
        d->split_of = read_array(d, file, "/split", H5T_NATIVE_UINT8, d->info.count);
        if (!d->split_of)
            return -1;
        d->split_names = read_strings(d, file, "split_names", &d->info.splits);
        if (!d->split_names)
            return -1;
    } else {
        d->split_of = px_calloc((size_t)d->info.count, 1);
        d->split_names = px_calloc(2, sizeof *d->split_names);
        d->split_names[0] = px_strdup("train");
        d->info.splits = 1;
    }
    if (d->info.splits > SPLITS_MAX)
        return px_fail(PX_DATA, "%s: has %d splits, but at most %d are supported", d->path, d->info.splits, SPLITS_MAX);
    for (int64_t i = 0; i < d->info.count; i++)
        if (d->split_of[i] >= d->info.splits)
            return px_fail(PX_DATA, "%s: split %d of image %lld is not in 0..%d", d->path, d->split_of[i], (long long)i,
                           d->info.splits - 1);
    index_splits(d);
    return 0;
}

/* Sums values and squares of one image, per channel. */
static void add_image(const px_dataset *d, int64_t row, double *sum, double *square)
{
    size_t channels = (size_t)d->info.channels, values = d->stride / px_value_bytes(d->info.bits);
    const uint8_t *byte = d->bytes + (size_t)row * d->stride;
    const uint16_t *wide = (const void *)byte;
    for (size_t i = 0; i < values; i++) {
        double v = d->info.bits == 16 ? wide[i] / 65535.0 : byte[i] / 255.0;
        sum[i % channels] += v;
        square[i % channels] += v * v;
    }
}

/* Mean and deviation of the first split's pixels, or of images evenly spaced in it. */
static void measure(px_dataset *d)
{
    enum { MOST = 5000 };
    double sum[PX_CHANNELS_MAX] = {0}, square[PX_CHANNELS_MAX] = {0};
    const px_split *split = &d->splits[0];
    for (int s = 0; s < d->info.splits; s++)
        if (strcmp(d->split_names[s], "train") == 0 && d->splits[s].count > 0)
            split = &d->splits[s];
    int64_t looks = split->count < MOST ? split->count : MOST;
    for (int64_t i = 0; i < looks; i++)
        add_image(d, split->index[(int64_t)((double)i * (double)split->count / (double)looks)], sum, square);
    double n = (double)looks * d->info.height * d->info.width, step = d->info.bits == 16 ? 1.0 / 65535 : 1.0 / 255;
    for (int c = 0; c < d->info.channels; c++) {
        double mean = looks ? sum[c] / n : 0, variance = looks ? square[c] / n - mean * mean : 1;
        d->info.mean[c] = (float)mean;
        d->info.std[c] = (float)(variance > step * step ? sqrt(variance) : step);
    }
    char *text = px_format("has no mean and std; they were measured on %lld images of the split %s", (long long)looks,
                           split->name);
    note(d, text);
    free(text);
}

static int load_statistics(px_dataset *d, hid_t file)
{
    int channels = d->info.channels;
    if (!d->offsets && !has_attribute(file, "mean") && !has_attribute(file, "std")) {
        measure(d);
        return 0;
    }
    if (read_numbers(d, file, "mean", H5T_NATIVE_FLOAT, channels, d->info.mean) != 0 ||
        read_numbers(d, file, "std", H5T_NATIVE_FLOAT, channels, d->info.std) != 0)
        return -1;
    for (int c = 0; c < channels; c++)
        if (!isfinite(d->info.mean[c]) || !isfinite(d->info.std[c]) || d->info.std[c] <= 0)
            return px_fail(PX_DATA, "%s: mean %g and std %g of channel %d cannot be used to normalise", d->path,
                           d->info.mean[c], d->info.std[c], c);
    return 0;
}

int px_dataset_load(px_dataset *d, hid_t file)
{
    bool raw = has(file, "/images");
    if (!raw && !has(file, "/encoded"))
        return px_fail(PX_DATA, "%s: has neither /images nor /encoded; use `pretext pack` to make a data set", d->path);
    if ((raw ? load_raw(d, file) : load_encoded(d, file)) != 0)
        return -1;
    if (d->info.count < 1)
        return px_fail(PX_DATA, "%s: contains no images", d->path);
    if (load_labels(d, file) != 0 || load_splits(d, file) != 0 || load_statistics(d, file) != 0)
        return -1;
    d->info.class_names = (const char *const *)d->class_names;
    d->info.split_names = (const char *const *)d->split_names;
    return 0;
}
