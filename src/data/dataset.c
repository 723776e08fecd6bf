/* dataset.c - a packed data set, open for reading: everything is checked once on opening (dataset_load.c), so that reading
 * an image is only an index into the mapped file. */
#include "base/crash.h"
#include "base/error.h"
#include "data/dataset_private.h"
#include "results/h5.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns the id of the opened file, or -1. `disk` outlives it. */
static hid_t open_file(const char *path, px_h5_disk *disk)
{
    struct stat about;
    px_h5_quiet();
    if (stat(path, &about) != 0 || access(path, R_OK) != 0)
        return px_fail(PX_DATA, "%s: cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode))
        return px_fail(PX_DATA, "%s: is %s; `pretext pack %s out=DATA.h5` makes a data set of images", path,
                       S_ISDIR(about.st_mode) ? "a folder" : "not a file", S_ISDIR(about.st_mode) ? path : "SOURCE");
    if (H5Fis_hdf5(path) == 0)
        return px_fail(PX_DATA, "%s: is not an HDF5 file; `pretext pack SOURCE out=DATA.h5` makes a data set", path);
    hid_t file = px_h5_open(path, false, disk);
    return file < 0 ? px_fail(PX_DATA, "%s: cannot be opened: %s", path, px_h5_why((char[PX_H5_WHY]){0})) : file;
}

int px_dataset_open(px_dataset **out, const char *path, px_links links)
{
    *out = NULL;
    if (!path[0])
        return px_fail(PX_USAGE, "data.path is not set: give a data set made by 'pretext pack', as in data.path=d.h5");
    px_dataset *d = px_calloc(1, sizeof *d);
    d->info.path = d->path = px_strdup(path);
    d->disk.alone = links == PX_LINKS_REFUSED;
    hid_t file = open_file(path, &d->disk);
    int status = file < 0 ? -1 : px_dataset_load(d, file);
    if (file >= 0)
        H5Fclose(file);
    if (status != 0) {
        px_dataset_close(d);
        return -1;
    }
    *out = d;
    return 0;
}

static void free_strings(char **strings)
{
    for (char **s = strings; s && *s; s++)
        free(*s);
    free(strings);
}

void px_dataset_close(px_dataset *d)
{
    if (!d)
        return;
    if (d->map) {
        px_crash_file_remove(d->map);
        munmap(d->map, d->map_size);
        close(d->fd);
    }
    free(d->copy);
    free(d->offsets);
    free(d->labels);
    free(d->split_of);
    free(d->rows);
    free(d->splits);
    free_strings(d->class_names);
    free_strings(d->split_names);
    free(d->path);
    free(d->note);
    free(d);
}

/* Reading beyond the end of a mapped file is a signal (base/crash.h), but the last page's rest reads as zeros. */
int px_dataset_check(const px_dataset *d)
{
    struct stat about;
    if (!d->map || (fstat(d->fd, &about) == 0 && about.st_size >= d->file_end))
        return 0;
    return px_crash_file_lost(d->path);
}

void px_dataset_tell(const px_dataset *d)
{
    if (d->note)
        px_tell("%s", d->note);
}

const px_dataset_info *px_dataset_about(const px_dataset *d)
{
    return &d->info;
}

const px_split *px_dataset_split_for(const px_dataset *d, const char *key, const char *name)
{
    for (int s = 0; s < d->info.splits; s++)
        if (strcmp(d->split_names[s], name) == 0)
            return &d->splits[s];
    char there[300] = "";
    for (int s = 0; s < d->info.splits; s++) {
        size_t used = strlen(there);
        snprintf(there + used, sizeof there - used, "%s%s", s ? ", " : "", d->split_names[s]);
    }
    return px_fail_null(PX_DATA, "%s: has no split \"%s\"%s%s; it has: %s", d->path, name, *key ? " for " : "", key,
                        there);
}

const px_split *px_dataset_split(const px_dataset *d, const char *name)
{
    return px_dataset_split_for(d, "", name);
}

int px_dataset_label(const px_dataset *d, int64_t row)
{
    return d->labels ? d->labels[row] : -1;
}

int px_dataset_split_of(const px_dataset *d, int64_t row)
{
    return d->split_of[row];
}

static int by_size(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The median side, from the headers of some images, evenly spaced over the data set. Damaged ones are skipped; reading
 * them will fail with a message. */
static int median_side(const px_dataset *d)
{
    enum { MOST = 101 };
    int side[MOST], count = 0;
    int64_t looks = d->info.count < MOST ? d->info.count : MOST;
    for (int64_t i = 0; i < looks; i++) {
        int64_t row = d->info.count * i / looks;
        px_image_about about;
        if (px_image_probe(d->bytes + d->offsets[row], (size_t)(d->offsets[row + 1] - d->offsets[row]), &about,
                           d->path) == 0)
            side[count++] = about.height < about.width ? about.height : about.width;
    }
    qsort(side, (size_t)count, sizeof side[0], by_size);
    return count ? side[count / 2] : 0;
}

int px_dataset_side(const px_dataset *d)
{
    int height = d->info.height, width = d->info.width;
    return height == 0 ? median_side(d) : height > width ? height : width;
}

int64_t *px_split_limit(px_split *split, int64_t limit)
{
    if (limit <= 0 || limit >= split->count)
        return NULL;
    int64_t *index = px_calloc((size_t)limit, sizeof index[0]);
    for (int64_t i = 0; i < limit; i++)
        index[i] = split->index[(int64_t)((double)i * (double)split->count / (double)limit)];
    split->index = index;
    split->count = limit;
    return index;
}

int px_dataset_read(const px_dataset *d, int64_t row, px_image *image)
{
    PX_CHECK(row >= 0 && row < d->info.count);
    image->label = px_dataset_label(d, row);
    image->index = row;
    if (!d->offsets) {
        image->pixels = d->bytes + (size_t)row * d->stride;
        image->height = d->info.height;
        image->width = d->info.width;
        image->channels = d->info.channels;
        image->bits = d->info.bits;
        return 0;
    }
    char name[300];
    snprintf(name, sizeof name, "%s: image %lld", d->path, (long long)row);
    return px_image_decode(image, d->bytes + d->offsets[row], (size_t)(d->offsets[row + 1] - d->offsets[row]),
                           (px_image_want){.channels = d->info.channels, .bits = d->info.bits, .unturned = d->unturned},
                           name);
}
