/* checkpoint_write.c - px_checkpoint_save. */
#include "base/error.h"
#include "results/h5.h"
#include "results/h5_disk.h"
#include "train/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

/* Call it before any other HDF5 function, which would erase the reason of the failure. */
static int not_written(const char *path)
{
    return px_fail(PX_FAIL, "%s: cannot be written: %s", path, px_h5_why((char[PX_H5_WHY]){0}));
}

/* Writes a new data set completely and closes it, which may be when it reaches the disk. */
static int put_values(const char *path, hid_t set, hid_t type, const void *data)
{
    if (set < 0)
        return not_written(path);
    int status = H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0 ? not_written(path) : 0;
    return H5Dclose(set) < 0 && status == 0 ? not_written(path) : status;
}

static hid_t make_group(const char *path, hid_t in, const char *name)
{
    hid_t group = H5Gcreate2(in, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0)
        not_written(path);
    return group;
}

static int put_number(const char *path, hid_t file, const char *name, int64_t value)
{
    return px_h5_put_attribute_number(file, name, value) == 0
               ? 0
               : px_fail(PX_FAIL, "%s: cannot be written: attribute %s", path, name);
}

static int put_text(const char *path, hid_t file, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, strlen(text) + 1);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(plist, H5D_COMPACT); /* in the object's header, which has a checksum */
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    int status = put_values(path, set, type, text);
    H5Pclose(plist);
    H5Sclose(space);
    H5Tclose(type);
    return status;
}

static int put_array(const char *path, hid_t group, const char *name, px_shape shape, const float *data)
{
    hsize_t dim[PX_RANK_MAX], chunk[PX_RANK_MAX], left = CHUNK;
    for (int i = shape.rank - 1; i >= 0; i--) { /* chunks of about a million elements along the inner axes */
        dim[i] = (hsize_t)shape.dim[i];
        chunk[i] = dim[i] < left ? dim[i] : left;
        if (chunk[i] == 0)
            chunk[i] = 1; /* HDF5's least */
        left = left / chunk[i] > 1 ? left / chunk[i] : 1;
    }
    hid_t space = H5Screate_simple(shape.rank, dim, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, shape.rank, chunk);
    H5Pset_fletcher32(plist);
    hid_t set = H5Dcreate2(group, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    int status = put_values(path, set, H5T_NATIVE_FLOAT, data);
    H5Pclose(plist);
    H5Sclose(space);
    return status;
}

static int put_parameters(const char *path, hid_t file, px_model *m)
{
    hid_t group = make_group(path, file, "parameters");
    int status = group < 0 ? -1 : 0;
    for (int i = 0; i < px_graph_params(m->graph) && status == 0; i++) {
        const px_param *p = px_graph_param(m->graph, i);
        float *plain = px_checkpoint_plain(p->value->shape);
        px_plan_get_param(m->plan, i, plain);
        status = put_array(path, group, p->name, p->value->shape, plain);
        free(plain);
    }
    H5Gclose(group);
    return status;
}

static int put_moments(const char *path, hid_t file, const px_model *m)
{
    if (!m->mean || !m->std)
        return 0;
    hid_t group = make_group(path, file, "moments");
    px_shape shape = PX_SHAPE(m->channels);
    int status = group < 0 || put_array(path, group, "mean", shape, m->mean) != 0 ||
                         put_array(path, group, "std", shape, m->std) != 0
                     ? -1
                     : 0;
    if (group >= 0)
        H5Gclose(group);
    return status;
}

/* Where the numbers of one slot go; `path` NULL: nowhere. */
typedef struct slot_group {
    const char *path;
    hid_t group;
} slot_group;

/* Collective if the optimizer is divided: so all parameters are read, even after one could not be written. */
static int put_slot(const slot_group *to, px_model *m, px_optimizer *optimizer, int slot)
{
    int spans, status = 0;
    const px_param_span *span = px_plan_spans(m->plan, &spans);
    for (int i = 0, k = 0; i < px_graph_params(m->graph); i++) {
        const px_param *p = px_graph_param(m->graph, i);
        if (p->value->kind != PX_PARAMETER)
            continue;
        float *part = px_aligned_calloc((size_t)span[k].count * sizeof *part), *plain = NULL;
        px_optimizer_read(optimizer, slot, span[k].offset, span[k].count, part);
        if (to->path && status == 0) {
            plain = px_checkpoint_plain(p->value->shape);
            px_plan_get_like(m->plan, i, part, plain);
            status = put_array(to->path, to->group, p->name, p->value->shape, plain);
        }
        free(part);
        free(plain);
        k++;
    }
    return status;
}

void px_checkpoint_hand_in(px_model *m, px_optimizer *optimizer)
{
    const char *names[2];
    int slots = optimizer && px_optimizer_divided(optimizer) ? px_optimizer_slots(optimizer, names) : 0;
    for (int k = 0; k < slots; k++)
        put_slot(&(slot_group){.path = NULL}, m, optimizer, k);
}

/* `written` is the status of what was written before: if not 0, this rank only takes what others hand in. */
static int put_optimizer(const char *path, hid_t file, px_model *m, px_optimizer *optimizer, int written)
{
    const char *names[2];
    if (written != 0) {
        px_checkpoint_hand_in(m, optimizer);
        return -1;
    }
    int slots = px_optimizer_slots(optimizer, names), status = 0;
    hid_t group = make_group(path, file, "optimizer");
    for (int k = 0; k < slots; k++) {
        hid_t slot = group < 0 || status != 0 ? -1 : make_group(path, group, names[k]);
        if (put_slot(&(slot_group){slot < 0 ? NULL : path, slot}, m, optimizer, k) != 0 || slot < 0)
            status = -1;
        if (slot >= 0)
            H5Gclose(slot);
    }
    if (group >= 0)
        H5Gclose(group);
    return status == 0 ? put_number(path, file, "optimizer_step", *px_optimizer_steps(optimizer)) : -1;
}

/* Without steps_per_epoch, which a run has, a place means nothing. */
static int put_position(const char *path, hid_t file, px_position at)
{
    if (put_number(path, file, "step", at.step) != 0)
        return -1;
    if (at.per_epoch == 0)
        return 0;
    return put_number(path, file, "place", at.place) == 0 ? put_number(path, file, "steps_per_epoch", at.per_epoch)
                                                          : -1;
}

static int write_file(const char *path, px_model *m, px_optimizer *optimizer, px_position at, const char *config)
{
    px_h5_disk disk = {0};
    hid_t access_list = px_h5_disk_access(&disk);
    /* In older formats the index of chunks has no checksum: after one flipped bit a chunk reads as zeros. */
    H5Pset_libver_bounds(access_list, H5F_LIBVER_V110, H5F_LIBVER_V110);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access_list);
    H5Pclose(access_list);
    if (file < 0) {
        px_checkpoint_hand_in(m, optimizer);
        return px_h5_disk_check(&disk, path) != 0 ? -1 : not_written(path);
    }
    int status = 0;
    if (put_number(path, file, "format", PX_CHECKPOINT_FORMAT) != 0 || put_position(path, file, at) != 0 ||
        put_text(path, file, "config", config) != 0 || put_parameters(path, file, m) != 0 ||
        put_moments(path, file, m) != 0)
        status = -1;
    if (optimizer && put_optimizer(path, file, m, optimizer, status) != 0)
        status = -1;
    char *folder = getcwd(NULL, 0); /* not known: it was removed */
    if (status == 0 && folder)
        status = put_text(path, file, "folder", folder);
    free(folder);
    if (H5Fclose(file) < 0 && status == 0)
        status = not_written(path);
    return px_h5_disk_check(&disk, path) != 0 ? -1 : status;
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags);
    if (fd < 0 || fsync(fd) != 0) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(why));
    }
    close(fd);
    return 0;
}

/* `now` becomes `previous`, and `partial` `now`, so that there always is a file `now`, where the file system has hard links. */
static int replace(const char *partial, const char *now, const char *previous)
{
    if (unlink(previous) != 0 && errno != ENOENT)
        return -1;
    bool kept = link(now, previous) == 0 || errno == ENOENT;
    if (!kept && rename(now, previous) != 0)
        return -1;
    return rename(partial, now);
}

int px_checkpoint_save(const char *folder, px_model *m, px_optimizer *optimizer, px_position at, const char *config)
{
    char *partial = px_format("%s/checkpoint.h5.partial", folder), *now = px_format("%s/checkpoint.h5", folder),
         *previous = px_format("%s/checkpoint.previous.h5", folder);
    px_h5_quiet();
    int status = px_plain_file(partial, PX_FAIL) != 0 ? -1 : 0;
    if (status != 0)
        px_checkpoint_hand_in(m, optimizer);
    else
        status = write_file(partial, m, optimizer, at, config) != 0 || sync_path(partial, O_RDWR) != 0 ? -1 : 0;
    if (status == 0 && replace(partial, now, previous) != 0)
        status = px_fail(PX_FAIL, "%s: cannot be renamed: %s", partial, strerror(errno));
    if (status == 0)
        status = sync_path(folder, O_RDONLY | O_DIRECTORY);
    else
        unlink(partial);
    free(partial);
    free(now);
    free(previous);
    return status;
}
