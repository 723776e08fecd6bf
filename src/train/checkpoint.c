/* checkpoint.c - see checkpoint.h. */
#include "train/checkpoint.h"
#include "base/error.h"
#include "data/h5.h"
#include "data/h5_disk.h"
#include "nn/positions.h"
#include "train/advice.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT = 1, CHUNK = 1 << 20 };

static const int64_t steps_max = (int64_t)1 << 40; /* no run is longer, and nothing overflows that counts images */

/* ---- paths ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_there(const char *folder, const char *name)
{
    char *path = px_format("%s/%s", folder, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

bool px_checkpoint_exists(const char *folder)
{
    return is_there(folder, "checkpoint.h5") || is_there(folder, "checkpoint.previous.h5");
}

/* ---- writing ---- */

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

static float *plain_buffer(px_shape shape)
{
    return px_aligned_calloc((size_t)px_shape_count(shape) * sizeof(float) + 64);
}

static int put_parameters(const char *path, hid_t file, px_model *m)
{
    hid_t group = make_group(path, file, "parameters");
    int status = group < 0 ? -1 : 0;
    for (int i = 0; i < px_graph_params(m->graph) && status == 0; i++) {
        const px_param *p = px_graph_param(m->graph, i);
        float *plain = plain_buffer(p->value->shape);
        px_plan_get_param(m->plan, i, plain);
        status = put_array(path, group, p->name, p->value->shape, plain);
        free(plain);
    }
    H5Gclose(group);
    return status;
}

static int put_slot(const char *path, hid_t optimizer, const char *name, px_model *m, const float *flat)
{
    hid_t group = make_group(path, optimizer, name);
    int status = group < 0 ? -1 : 0;
    for (int i = 0; i < px_graph_params(m->graph) && status == 0; i++) {
        const px_param *p = px_graph_param(m->graph, i);
        if (p->value->kind != PX_PARAMETER)
            continue;
        float *plain = plain_buffer(p->value->shape);
        px_plan_get_like(m->plan, i, flat, plain);
        status = put_array(path, group, p->name, p->value->shape, plain);
        free(plain);
    }
    H5Gclose(group);
    return status;
}

static int put_optimizer(const char *path, hid_t file, px_model *m, px_optimizer *optimizer)
{
    const char *names[2];
    float *slot[2];
    int slots = px_optimizer_slots(optimizer, names, slot);
    hid_t group = make_group(path, file, "optimizer");
    int status = group < 0 ? -1 : 0;
    for (int k = 0; k < slots && status == 0; k++)
        status = put_slot(path, group, names[k], m, slot[k]);
    H5Gclose(group);
    return status == 0 ? put_number(path, file, "optimizer_step", *px_optimizer_steps(optimizer)) : -1;
}

static int write_file(const char *path, px_model *m, px_optimizer *optimizer, int64_t step, const char *config)
{
    px_h5_disk disk = {0};
    hid_t access_list = px_h5_disk_access(&disk);
    /* In older formats the index of chunks has no checksum: after one flipped bit a chunk reads as zeros. */
    H5Pset_libver_bounds(access_list, H5F_LIBVER_V110, H5F_LIBVER_V110);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access_list);
    H5Pclose(access_list);
    if (file < 0)
        return px_h5_disk_check(&disk, path) != 0 ? -1 : not_written(path);
    int status = 0;
    if (put_number(path, file, "format", FORMAT) != 0 || put_number(path, file, "step", step) != 0 ||
        put_text(path, file, "config", config) != 0 || put_parameters(path, file, m) != 0 ||
        (optimizer && put_optimizer(path, file, m, optimizer) != 0))
        status = -1;
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

int px_checkpoint_save(const char *folder, px_model *m, px_optimizer *optimizer, int64_t step, const char *config)
{
    char *partial = px_format("%s/checkpoint.h5.partial", folder), *now = px_format("%s/checkpoint.h5", folder),
         *previous = px_format("%s/checkpoint.previous.h5", folder);
    px_h5_quiet();
    int status = px_plain_file(partial, PX_FAIL) != 0 ? -1 : 0;
    if (status == 0)
        status = write_file(partial, m, optimizer, step, config) != 0 || sync_path(partial, O_RDWR) != 0 ? -1 : 0;
    if (status == 0 && ((rename(now, previous) != 0 && errno != ENOENT) || rename(partial, now) != 0))
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

/* ---- reading ---- */

/* Reads a text of fixed length. A new string, or NULL. */
static char *get_text(hid_t file, const char *name)
{
    char why[PX_H5_WHY];
    hid_t set = H5Lexists(file, name, H5P_DEFAULT) > 0 ? H5Dopen2(file, name, H5P_DEFAULT) : -1;
    if (set < 0)
        return NULL;
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    size_t size = H5Tget_size(type);
    char *text = NULL;
    if (!px_h5_outside(set, why) && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
        H5Sget_simple_extent_npoints(space) == 1 && px_h5_plausible(set, 0, NULL, size)) {
        text = px_calloc(1, size + 1);
        if (H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0) {
            free(text);
            text = NULL;
        }
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(set);
    return text;
}

/* Like H5Lexists, which fails if a group on the way is missing. 1, 0, or -1: damaged. */
static int exists(hid_t file, const char *path)
{
    char *part = px_strdup(path);
    htri_t there = 1;
    for (char *slash = part; there > 0 && slash;) {
        slash = strchr(slash, '/');
        if (slash)
            *slash = '\0';
        there = H5Lexists(file, part, H5P_DEFAULT);
        if (slash)
            *slash++ = '/';
    }
    free(part);
    return there;
}

/* Reads position embeddings of another image size. A file may claim any shape; impossible ones are not read. */
static bool get_positions(hid_t set, px_shape stored, px_shape shape, float *plain)
{
    hsize_t dim[] = {1, (hsize_t)stored.dim[1], (hsize_t)stored.dim[2]};
    if (stored.rank != 3 || shape.rank != 3 || stored.dim[0] != 1 || stored.dim[2] != shape.dim[2] ||
        stored.dim[1] < 1 || !px_h5_plausible(set, 3, dim, sizeof plain[0]))
        return false;
    float *whole = plain_buffer(stored);
    bool done = H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, whole) >= 0 &&
                px_positions_resample(stored, whole, shape, plain) == 0;
    free(whole);
    return done;
}

/* Reads group/name into `plain` if it has exactly this shape; with `resample`, pos_embed may have another one. */
static int get_array(const char *path, hid_t file, const char *group, const char *name, px_shape shape, bool resample,
                     float *plain)
{
    char *where = px_format("%s/%s", group, name), expected[64], found[64], why[PX_H5_WHY];
    int there = exists(file, where);
    hid_t set = there > 0 ? H5Dopen2(file, where, H5P_DEFAULT) : -1;
    int status = 0;
    if (there == 0) {
        status = px_fail(PX_USAGE,
                         "%s: contains no %s: was the run made with other options of backbone, method or optimizer?",
                         path, where);
    } else if (set < 0) {
        status = px_fail(PX_DATA, "%s: %s is damaged: %s", path, where, px_h5_why((char[PX_H5_WHY]){0}));
    } else if (px_h5_outside(set, why)) {
        status = px_fail(PX_DATA, "%s: %s: %s", path, where, why);
        H5Dclose(set);
    } else {
        hid_t space = H5Dget_space(set);
        hsize_t dim[H5S_MAX_RANK] = {0};
        px_shape stored = {.rank = H5Sget_simple_extent_dims(space, dim, NULL)};
        stored.rank = stored.rank > PX_RANK_MAX ? PX_RANK_MAX : stored.rank;
        for (int i = 0; i < stored.rank; i++)
            stored.dim[i] = (int64_t)dim[i];
        bool same = px_shape_equal(stored, shape), positions = resample && strcmp(name, "pos_embed") == 0;
        const char *advice = px_advise_channels(stored, shape);
        if (!same && !(positions && get_positions(set, stored, shape, plain)))
            status = px_fail(PX_USAGE, "%s: %s is %s, but the model has %s%s", path, where,
                             px_shape_text(stored, found), px_shape_text(shape, expected),
                             *advice ? advice : ": was the run made with other options of backbone or method?");
        else if (same && H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, plain) < 0)
            status = px_fail(PX_DATA, "%s: %s is damaged: %s", path, where, px_h5_why((char[PX_H5_WHY]){0}));
        H5Sclose(space);
        H5Dclose(set);
    }
    free(where);
    return status;
}

static int get_parameters(const char *path, hid_t file, px_model *m, bool resample)
{
    int status = 0;
    for (int i = 0; i < px_graph_params(m->graph) && status == 0; i++) {
        const px_param *p = px_graph_param(m->graph, i);
        float *plain = plain_buffer(p->value->shape);
        status = get_array(path, file, "parameters", p->name, p->value->shape, resample, plain);
        if (status == 0)
            px_plan_set_param(m->plan, i, plain);
        free(plain);
    }
    return status;
}

static int get_optimizer(const char *path, hid_t file, px_model *m, px_optimizer *optimizer)
{
    const char *names[2];
    float *slot[2];
    int slots = px_optimizer_slots(optimizer, names, slot), status = 0;
    for (int k = 0; k < slots; k++) {
        char *group = px_format("optimizer/%s", names[k]);
        for (int i = 0; i < px_graph_params(m->graph) && status == 0; i++) {
            const px_param *p = px_graph_param(m->graph, i);
            if (p->value->kind != PX_PARAMETER)
                continue;
            float *plain = plain_buffer(p->value->shape);
            status = get_array(path, file, group, p->name, p->value->shape, false, plain);
            if (status == 0)
                px_plan_set_like(m->plan, i, slot[k], plain);
            free(plain);
        }
        free(group);
    }
    int64_t *steps = px_optimizer_steps(optimizer);
    if (status == 0 && px_h5_get_attribute_number(file, "optimizer_step", steps) != 0)
        status = px_fail(PX_DATA, "%s: has no attribute optimizer_step", path);
    if (status == 0 && (*steps < 0 || *steps > steps_max))
        status = px_fail(PX_DATA, "%s: its optimizer_step is %" PRId64 ", which no run reaches", path, *steps);
    return status;
}

static int read_any(const char *path, hid_t set, hid_t space, px_checkpoint_array *a)
{
    int rank = H5Sget_simple_extent_ndims(space);
    hsize_t dim[PX_RANK_MAX] = {0};
    if (rank < 0 || rank > PX_RANK_MAX || H5Sget_simple_extent_dims(space, dim, NULL) < 0)
        return px_fail(PX_DATA, "%s: parameters/%s has %d axes, but at most %d are supported", path, a->name, rank,
                       PX_RANK_MAX);
    if (!px_h5_plausible(set, rank, dim, sizeof a->data[0]))
        return px_fail(PX_DATA, "%s: parameters/%s claims to be larger than the file can contain", path, a->name);
    a->shape.rank = rank;
    for (int i = 0; i < rank; i++)
        a->shape.dim[i] = (int64_t)dim[i];
    a->data = plain_buffer(a->shape);
    if (H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, a->data) >= 0)
        return 0;
    return px_fail(PX_DATA, "%s: parameters/%s is damaged: %s", path, a->name, px_h5_why((char[PX_H5_WHY]){0}));
}

/* Reads one member of the group of parameters, whatever its shape. */
static int get_any(const char *path, hid_t group, const char *name, px_checkpoint_array *a)
{
    a->name = px_strdup(name);
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    if (set < 0)
        return px_fail(PX_DATA, "%s: parameters/%s is damaged: %s", path, name, px_h5_why((char[PX_H5_WHY]){0}));
    char why[PX_H5_WHY];
    hid_t space = H5Dget_space(set);
    int status = px_h5_outside(set, why) ? px_fail(PX_DATA, "%s: parameters/%s: %s", path, name, why)
                                         : read_any(path, set, space, a);
    H5Sclose(space);
    H5Dclose(set);
    return status;
}

static int get_arrays(const char *path, hid_t file, px_checkpoint *out)
{
    H5G_info_t info;
    hid_t group = H5Gopen2(file, "parameters", H5P_DEFAULT);
    if (group < 0 || H5Gget_info(group, &info) < 0)
        return px_fail(PX_DATA, "%s: contains no parameters", path);
    int status = 0;
    out->array = px_calloc((size_t)info.nlinks + 1, sizeof out->array[0]);
    for (hsize_t i = 0; i < info.nlinks && status == 0; i++) {
        char name[512];
        if (H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT) < 0)
            status = px_fail(PX_DATA, "%s: the list of parameters is damaged", path);
        else
            status = get_any(path, group, name, &out->array[out->count++]);
    }
    H5Gclose(group);
    return status;
}

/* HDF5 trusts files in its older formats, and reads beyond its memory if some of them are damaged. The newer formats,
 * in which we write, have checksums on all structure; only these are opened. */
static int check_signature(const char *path)
{
    enum { SIGNATURE = 8, CHECKSUMMED = 2 };
    unsigned char head[SIGNATURE + 1] = {0};
    if (px_plain_file(path, PX_DATA) != 0)
        return -1;
    FILE *in = fopen(path, "rb");
    if (!in)
        return px_fail(PX_DATA, "%s: %s", path, strerror(errno));
    size_t got = fread(head, 1, sizeof head, in);
    int why = ferror(in) ? errno : 0;
    fclose(in);
    if (why != 0)
        return px_fail(PX_DATA, "%s: %s", path, strerror(why));
    if (got < sizeof head || memcmp(head, "\x89HDF\r\n\x1a\n", SIGNATURE) != 0)
        return px_fail(PX_DATA, "%s: is not a complete HDF5 file", path);
    if (head[SIGNATURE] < CHECKSUMMED)
        return px_fail(PX_DATA, "%s: is not a checkpoint of format %d: it is in an older HDF5 format", path, FORMAT);
    return 0;
}

/* With `m` NULL, reads only counters and configuration, and with `arrays` all parameters as they are. */
static int load_file(const char *path, px_model *m, px_optimizer *optimizer, bool arrays, px_checkpoint *out)
{
    *out = (px_checkpoint){0};
    int64_t format = 0;
    if (check_signature(path) != 0)
        return -1;
    px_h5_disk disk = {.alone = true};
    hid_t file = px_h5_open(path, false, &disk);
    if (file < 0)
        return px_fail(PX_DATA, "%s: is not a complete HDF5 file: %s", path, px_h5_why((char[PX_H5_WHY]){0}));
    int status = 0;
    if (px_h5_get_attribute_number(file, "format", &format) != 0 || format != FORMAT ||
        px_h5_get_attribute_number(file, "step", &out->step) != 0 || !(out->config = get_text(file, "config")))
        status = px_fail(PX_DATA, "%s: is not a checkpoint of format %d", path, FORMAT);
    if (status == 0 && (out->step < 0 || out->step > steps_max))
        status = px_fail(PX_DATA, "%s: its step is %" PRId64 ", which no run reaches", path, out->step);
    if (status == 0 && m)
        status = get_parameters(path, file, m, !optimizer);
    if (status == 0 && optimizer)
        status = get_optimizer(path, file, m, optimizer);
    if (status == 0 && arrays)
        status = get_arrays(path, file, out);
    H5Fclose(file);
    if (status != 0)
        px_checkpoint_finish(out);
    return status;
}

/* Reads the run's last checkpoint, or the one before if it is damaged. */
static int load(const char *path, px_model *m, px_optimizer *optimizer, bool arrays, px_checkpoint *out, px_log *log)
{
    px_h5_quiet();
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return px_fail(PX_DATA, "%s: there is no such run", path);
    if (!is_folder(path))
        return load_file(path, m, optimizer, arrays, out);
    char *now = px_format("%s/checkpoint.h5", path), *previous = px_format("%s/checkpoint.previous.h5", path);
    int status;
    if (!px_checkpoint_exists(path)) {
        status =
            px_fail(PX_DATA, "%s: holds no checkpoint.h5; a run has one after checkpoint_minutes and at its end", path);
    } else {
        status = load_file(now, m, optimizer, arrays, out);
        if (status != 0 && px_error_status() == PX_DATA && access(previous, R_OK) == 0) {
            px_log_warning(log, "%s; using the one before it, %s", px_error(), previous);
            status = load_file(previous, m, optimizer, arrays, out);
        }
    }
    free(now);
    free(previous);
    return status;
}

int px_checkpoint_load(const char *path, px_model *m, px_optimizer *optimizer, px_checkpoint *out, px_log *log)
{
    return load(path, m, optimizer, false, out, log);
}

int px_checkpoint_peek(const char *path, px_checkpoint *out, px_log *log)
{
    return load(path, NULL, NULL, false, out, log);
}

int px_checkpoint_arrays(const char *path, px_checkpoint *out, px_log *log)
{
    return load(path, NULL, NULL, true, out, log);
}

void px_checkpoint_finish(px_checkpoint *c)
{
    for (int i = 0; i < c->count; i++) {
        free(c->array[i].name);
        free(c->array[i].data);
    }
    free(c->array);
    free(c->config);
    *c = (px_checkpoint){0};
}
