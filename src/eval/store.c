/* store.c - see store.h. */
#include "eval/store.h"

#include "base/error.h"
#include "base/folder.h"
#include "base/setting.h"
#include "eval/features_file.h"
#include "results/h5.h"
#include "results/h5_disk.h"
#include "results/results.h"

#include <errno.h>
#include <hdf5.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* ---- what the features depend on ---- */

static uint32_t crc_of(const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(crc32(0, NULL, 0), bytes, size);
}

/* Of all parameters and running statistics, with their names. */
static uint32_t weights_crc(px_model *m)
{
    uLong crc = crc32(0, NULL, 0);
    for (int i = 0; i < px_graph_params(m->graph); i++) {
        const px_param *p = px_graph_param(m->graph, i);
        size_t size = (size_t)px_shape_count(p->value->shape) * sizeof(float);
        float *plain = px_aligned_calloc(size + 64);
        px_plan_get_param(m->plan, i, plain);
        crc = crc32_z(crc, (const Bytef *)p->name, strlen(p->name) + 1);
        crc = crc32_z(crc, (const Bytef *)plain, size);
        free(plain);
    }
    return (uint32_t)crc;
}

px_store px_store_make(const char *folder, const px_settings *s, px_model *m, uint32_t data_crc)
{
    return (px_store){folder, s, data_crc, *folder ? weights_crc(m) : 0};
}

/* A new string. */
static char *identity_of(const px_store *s, const px_extract_spec *from, const px_split *split)
{
    const px_task *t = from->task;
    const px_backbone *b = s->settings->backbone;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    fprintf(out, "version = 1\ndata_crc = %08" PRIx32 "\nimages = %" PRId64 "\nimages_crc = %08" PRIx32 "\n",
            s->data_crc, split->count, crc_of(split->index, (size_t)split->count * sizeof split->index[0]));
    fprintf(out, "image_size = %d\n", t->image_size);
    for (int c = 0; t->mean && c < t->channels; c++)
        fprintf(out, "channel = (x - %.9g) / %.9g\n", t->mean[c], t->std[c]);
    fprintf(out, "patches = %d, %d px, %.17g\n", from->patches.count, from->patches.size, from->patches.cover);
    fprintf(out, "backbone = %s\n", b->name);
    for (const px_option *o = b->family->options; o && o->name; o++) {
        fprintf(out, "%s = ", o->name);
        px_option_write(out, o, s->settings->backbone_cfg);
        fputc('\n', out);
    }
    fprintf(out, "weights_crc = %08" PRIx32 "\n", s->weights_crc);
    if (s->settings->train.precision == PX_PRECISION_BF16)
        fputs("precision = bf16\n", out);
    if (from->bf16)
        fputs("rows = bf16\n", out);
    fclose(out);
    return text;
}

/* ---- reading ---- */

/* Whether a file holds features of this identity and shape. One that cannot be read is written again. */
static bool is_kept(const char *path, const char *identity, int64_t count, int width)
{
    px_results *file;
    char *kept = NULL;
    if (access(path, R_OK) != 0 || px_results_open(&file, path, PX_RESULTS_READ) != 0)
        return false;
    char *shape = px_results_describe(file, "/features"),
         *wanted = px_format("float32 (%" PRId64 ", %d)", count, width);
    bool same = px_results_get_attribute_text(file, "/", "identity", &kept) == 0 && strcmp(kept, identity) == 0 &&
                strcmp(shape, wanted) == 0;
    px_results_close(file);
    free(kept);
    free(shape);
    free(wanted);
    return same;
}

/* This rank's rows; 0, or -1 with a message. */
static int read_rows(const char *path, int64_t first, int64_t rows, const px_layer_rows *l)
{
    px_h5_disk disk = {.alone = true};
    hid_t file = px_h5_open(path, false, &disk), set = file >= 0 ? H5Dopen2(file, "features", H5P_DEFAULT) : -1;
    char why[PX_H5_WHY] = "";
    bool done = set >= 0 && !px_h5_unreadable(set, why);
    if (done && rows > 0) {
        hsize_t start[] = {(hsize_t)first, 0}, count[] = {(hsize_t)rows, (hsize_t)l->width};
        hid_t space = H5Dget_space(set), block = H5Screate_simple(2, count, NULL),
              memory = l->x ? H5Tcopy(H5T_NATIVE_FLOAT) : px_h5_bf16_type();
        done = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
               H5Dread(set, memory, block, space, H5P_DEFAULT, l->x ? (void *)l->x : l->x_bf16) >= 0;
        H5Tclose(memory);
        H5Sclose(block);
        H5Sclose(space);
    }
    int status = done ? 0 : px_fail(PX_DATA, "%s: cannot be read: %s", path, *why ? why : px_h5_why(why));
    if (set >= 0)
        H5Dclose(set);
    if (file >= 0)
        H5Fclose(file);
    return status;
}

static int read_all(px_extraction *e, const char *path, const px_extract_spec *from, const px_model *m,
                    const px_split *split)
{
    px_extract_begin(e, from, m, split);
    int status = px_agree(from->comm, read_rows(path, e->first, e->rows, &e->layer[0]));
    if (status != 0)
        px_extraction_finish(e);
    else
        px_log_line(from->log, "features of %s: taken from %s", split->name, path);
    return status;
}

/* ---- keeping ---- */

int px_store_writable(const char *folder)
{
    int existed;
    if (px_folder_make(folder, 64, &existed) != 0)
        return -1;
    return access(folder, W_OK) == 0 ? 0
                                     : px_fail(PX_USAGE, "store = %s: cannot be written: %s", folder, strerror(errno));
}

/* Features that could not be kept are there all the same: a warning. Other processes may keep the same ones at the same time, so
 * each writes under a name of its own; the last one stays. Collective. */
static void keep(const px_extraction *e, const char *path, const px_split *split, const px_features_source *source,
                 const px_extract_spec *from)
{
    char *own = px_format("%s.XXXXXX", path);
    int file = from->comm->rank == 0 ? mkstemp(own) : -1, made = file >= 0;
    px_broadcast(from->comm, &made, sizeof made, 0);
    if (made && px_features_write(own, e, split, source, from->comm) != 0)
        px_log_warning(from->log, "the features are not kept: %s", px_error());
    else if (from->comm->rank == 0 && (!made || rename(own, path) != 0))
        px_log_warning(from->log, "the features are not kept: %s: %s", path, strerror(errno));
    if (file >= 0) {
        close(file);
        unlink(own); /* if it was not renamed */
    }
    free(own);
}

int px_store_extract(px_extraction *e, const px_store *s, const px_extract_spec *from, px_model *m,
                     const px_split *split)
{
    if (!*s->folder || m->layers > 1)
        return px_extract(e, from, m, split);
    char *identity = identity_of(s, from, split);
    char *path = px_format("%s/%08" PRIx32 ".h5", s->folder, crc_of(identity, strlen(identity)));
    int width = (int)m->features->shape.dim[1], kept = 0, status;
    if (from->comm->rank == 0)
        kept = is_kept(path, identity, split->count, width);
    px_broadcast(from->comm, &kept, sizeof kept, 0);
    if (kept) {
        status = read_all(e, path, from, m, split);
    } else {
        status = px_extract(e, from, m, split);
        const px_features_source source = {.dataset = from->data,
                                           .run = s->settings->train.out,
                                           .data = px_dataset_about(from->data)->path,
                                           .split = split->name,
                                           .backbone = s->settings->backbone->name,
                                           .config = "",
                                           .identity = identity};
        if (status == 0)
            keep(e, path, split, &source, from);
    }
    free(path);
    free(identity);
    return status;
}
