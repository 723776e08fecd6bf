/* checkpoint.c - reading checkpoints; see checkpoint.h. */
#include "train/checkpoint.h"
#include "base/error.h"
#include "data/file_kind.h"
#include "nn/positions.h"
#include "results/h5.h"
#include "results/h5_disk.h"
#include "train/advice.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t steps_max = (int64_t)1 << 40; /* no run is longer, and nothing overflows that counts images */
static const int64_t epochs_max = 1000000;         /* the most that `epochs` takes */

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

float *px_checkpoint_plain(px_shape shape)
{
    return px_aligned_calloc((size_t)px_shape_count(shape) * sizeof(float) + 64);
}

/* ---- reading ---- */

/* A run never writes such numbers, but they would pass unseen where a ReLU hides them. */
static int check_finite(const char *path, const char *in, const char *name, px_shape shape, const float *data)
{
    int64_t count = px_shape_count(shape);
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(data[i]))
            return px_fail(PX_DATA, "%s: %s/%s is not finite: number %" PRId64 " of %" PRId64 " is %g", path, in, name,
                           i, count, (double)data[i]);
    return 0;
}

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
    if (!px_h5_unreadable(set, why) && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
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
    float *whole = px_checkpoint_plain(stored);
    bool done = H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, whole) >= 0 &&
                px_positions_resample(stored, whole, shape, plain) == 0;
    free(whole);
    return done;
}

/* pos_embed, or a follower's. */
static bool is_positions(const char *name)
{
    const char *last = strrchr(name, '.');
    return strcmp(last ? last + 1 : name, "pos_embed") == 0;
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
    } else if (px_h5_unreadable(set, why)) {
        status = px_fail(PX_DATA, "%s: %s: %s", path, where, why);
        H5Dclose(set);
    } else {
        hid_t space = H5Dget_space(set);
        hsize_t dim[H5S_MAX_RANK] = {0};
        px_shape stored = {.rank = H5Sget_simple_extent_dims(space, dim, NULL)};
        stored.rank = stored.rank > PX_RANK_MAX ? PX_RANK_MAX : stored.rank;
        for (int i = 0; i < stored.rank; i++)
            stored.dim[i] = (int64_t)dim[i];
        bool same = px_shape_equal(stored, shape), positions = resample && is_positions(name);
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

/* Of a follower, whose parameters have its name before their own. */
static int check_net(const char *path, hid_t file, const px_model *m)
{
    char *first = px_graph_params(m->graph) ? px_format("parameters/%s.%s", m->net, px_graph_param(m->graph, 0)->name)
                                            : px_strdup("parameters");
    bool there = exists(file, first) > 0;
    free(first);
    return there ? 0
                 : px_fail(PX_USAGE,
                           "%s: net = %s, but the run has no such network; only a method with a teacher has one", path,
                           m->net);
}

static int get_parameters(const char *path, hid_t file, px_model *m, bool resample)
{
    bool follower = m->net && *m->net;
    int status = follower ? check_net(path, file, m) : 0;
    for (int i = 0; i < px_graph_params(m->graph) && status == 0; i++) {
        const px_param *p = px_graph_param(m->graph, i);
        float *plain = px_checkpoint_plain(p->value->shape);
        char *name = follower ? px_format("%s.%s", m->net, p->name) : px_strdup(p->name);
        status = get_array(path, file, "parameters", name, p->value->shape, resample, plain);
        if (status == 0)
            status = check_finite(path, "parameters", name, p->value->shape, plain);
        if (status == 0)
            px_plan_set_param(m->plan, i, plain);
        free(name);
        free(plain);
    }
    return status;
}

static int get_optimizer(const char *path, hid_t file, px_model *m, px_optimizer *optimizer)
{
    const char *names[2];
    int slots = px_optimizer_slots(optimizer, names), spans, status = 0;
    const px_param_span *span = px_plan_spans(m->plan, &spans);
    for (int k = 0; k < slots; k++) {
        char *group = px_format("optimizer/%s", names[k]);
        for (int i = 0, n = 0; i < px_graph_params(m->graph) && status == 0; i++) {
            const px_param *p = px_graph_param(m->graph, i);
            if (p->value->kind != PX_PARAMETER)
                continue;
            float *plain = px_checkpoint_plain(p->value->shape),
                  *part = px_aligned_calloc((size_t)span[n].count * sizeof *part);
            status = get_array(path, file, group, p->name, p->value->shape, false, plain);
            if (status == 0) {
                px_plan_set_like(m->plan, i, part, plain);
                px_optimizer_write(optimizer, k, span[n].offset, span[n].count, part);
            }
            n++;
            free(plain);
            free(part);
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

static int read_any(const char *path, const char *in, hid_t set, hid_t space, px_checkpoint_array *a)
{
    int rank = H5Sget_simple_extent_ndims(space);
    hsize_t dim[PX_RANK_MAX] = {0};
    if (rank < 0 || rank > PX_RANK_MAX || H5Sget_simple_extent_dims(space, dim, NULL) < 0)
        return px_fail(PX_DATA, "%s: %s/%s has %d axes, but at most %d are supported", path, in, a->name, rank,
                       PX_RANK_MAX);
    if (!px_h5_plausible(set, rank, dim, sizeof a->data[0]))
        return px_fail(PX_DATA, "%s: %s/%s claims to be larger than the file can contain", path, in, a->name);
    a->shape.rank = rank;
    for (int i = 0; i < rank; i++)
        a->shape.dim[i] = (int64_t)dim[i];
    a->data = px_checkpoint_plain(a->shape);
    if (H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, a->data) >= 0)
        return check_finite(path, in, a->name, a->shape, a->data);
    return px_fail(PX_DATA, "%s: %s/%s is damaged: %s", path, in, a->name, px_h5_why((char[PX_H5_WHY]){0}));
}

/* Reads one member of a group, whatever its shape. */
static int get_any(const char *path, const char *in, hid_t group, const char *name, px_checkpoint_array *a)
{
    a->name = px_strdup(name);
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    if (set < 0)
        return px_fail(PX_DATA, "%s: %s/%s is damaged: %s", path, in, name, px_h5_why((char[PX_H5_WHY]){0}));
    char why[PX_H5_WHY];
    hid_t space = H5Dget_space(set);
    int status = px_h5_unreadable(set, why) ? px_fail(PX_DATA, "%s: %s/%s: %s", path, in, name, why)
                                            : read_any(path, in, set, space, a);
    H5Sclose(space);
    H5Dclose(set);
    return status;
}

/* What pixels were normalized by, if the run has kept it. */
static int get_moments(const char *path, hid_t file, px_checkpoint *out)
{
    static const char *const names[] = {"mean", "std"};
    float *const to[] = {out->moments.mean, out->moments.std};
    if (exists(file, "moments/mean") <= 0)
        return 0;
    hid_t group = H5Gopen2(file, "moments", H5P_DEFAULT);
    int status = group < 0 ? px_fail(PX_DATA, "%s: moments is damaged", path) : 0;
    for (int i = 0; i < 2 && status == 0; i++) {
        px_checkpoint_array a = {0};
        status = get_any(path, "moments", group, names[i], &a);
        bool fits = status == 0 && a.shape.rank == 1 && a.shape.dim[0] > 0 && a.shape.dim[0] <= PX_MOMENTS_MAX &&
                    (i == 0 || a.shape.dim[0] == out->channels);
        if (fits) {
            out->channels = (int)a.shape.dim[0];
            memcpy(to[i], a.data, (size_t)out->channels * sizeof a.data[0]);
        } else if (status == 0) {
            status = px_fail(PX_DATA, "%s: moments/%s has not one number for each of 1 to %d channels", path, names[i],
                             PX_MOMENTS_MAX);
        }
        free(a.name);
        free(a.data);
    }
    if (group >= 0)
        H5Gclose(group);
    return status;
}

/* What goes through all parameters carries along. */
typedef struct all_arrays {
    const char *path;
    px_checkpoint *out;
    int status;
} all_arrays;

static herr_t get_next(hid_t group, const char *name, const H5L_info_t *link, void *data)
{
    (void)link;
    all_arrays *all = data;
    all->status = get_any(all->path, "parameters", group, name, &all->out->array[all->out->count++]);
    return all->status == 0 ? 0 : 1;
}

/* In one walk: HDF5 sorts all names of a large group again for each one that is asked for by its number. */
static int get_arrays(const char *path, hid_t file, px_checkpoint *out)
{
    H5G_info_t info;
    hid_t group = H5Gopen2(file, "parameters", H5P_DEFAULT);
    if (group < 0 || H5Gget_info(group, &info) < 0)
        return px_fail(PX_DATA, "%s: contains no parameters", path);
    all_arrays all = {.path = path, .out = out};
    out->array = px_calloc((size_t)info.nlinks + 1, sizeof out->array[0]);
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, get_next, &all) < 0)
        all.status = px_fail(PX_DATA, "%s: the list of parameters is damaged", path);
    H5Gclose(group);
    return all.status;
}

/* HDF5 trusts files in its older formats, and reads beyond its memory if some of them are damaged. The newer formats,
 * in which we write, have checksums on all structure; only these are opened. */
static int check_signature(const char *path)
{
    enum { SIGNATURE = 8, CHECKSUMMED = 2 };
    unsigned char head[PX_FILE_KIND_HEAD] = {0};
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
    bool begins = got > SIGNATURE && memcmp(head, "\x89HDF\r\n\x1a\n", SIGNATURE) == 0;
    const char *kind = begins ? NULL : px_file_kind(head, got);
    if (kind)
        return px_fail(PX_DATA, "%s: is %s, not a run: give the run's folder, or its checkpoint.h5", path, kind);
    if (!begins)
        return px_fail(PX_DATA, "%s: is not a complete HDF5 file, as a run's checkpoint.h5 is", path);
    if (head[SIGNATURE] < CHECKSUMMED)
        return px_fail(PX_DATA, "%s: is not a checkpoint of format %d: it is in an older HDF5 format", path,
                       PX_CHECKPOINT_FORMAT);
    return 0;
}

/* Where the run is in its epochs, if it has kept that. */
static int get_position(const char *path, hid_t file, px_checkpoint *out)
{
    if (out->step < 0 || out->step > steps_max)
        return px_fail(PX_DATA, "%s: its step is %" PRId64 ", which no run reaches", path, out->step);
    if (H5Aexists(file, "steps_per_epoch") <= 0)
        return 0;
    if (px_h5_get_attribute_number(file, "steps_per_epoch", &out->per_epoch) != 0 ||
        px_h5_get_attribute_number(file, "place", &out->place) != 0)
        return px_fail(PX_DATA, "%s: its place and steps_per_epoch are not two whole numbers", path);
    if (out->per_epoch < 1 || out->per_epoch > steps_max || out->place < 0 || out->place / out->per_epoch > epochs_max)
        return px_fail(PX_DATA,
                       "%s: its place is %" PRId64 ", with %" PRId64 " steps in an epoch, which no run reaches", path,
                       out->place, out->per_epoch);
    return 0;
}

/* With `m` NULL, reads only counters, moments and configuration, and with `arrays` all parameters as they are. */
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
    if (px_h5_get_attribute_number(file, "format", &format) != 0 || format != PX_CHECKPOINT_FORMAT ||
        px_h5_get_attribute_number(file, "step", &out->step) != 0 || !(out->config = get_text(file, "config")))
        status = px_fail(PX_DATA, "%s: is not a checkpoint of format %d", path, PX_CHECKPOINT_FORMAT);
    out->folder = get_text(file, "folder");
    if (status == 0)
        status = get_position(path, file, out);
    if (status == 0)
        status = get_moments(path, file, out);
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
    free(c->folder);
    *c = (px_checkpoint){0};
}
