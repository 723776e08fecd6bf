/* features_file.c - rank 0 writes the file. The rows of the other ranks come to it block by block, so that it never
 * holds all of them, and HDF5 need not be parallel. A disk that is full ends in a message, which parallel HDF5 does not
 * survive. */
#include "eval/features_file.h"
#include "base/error.h"
#include "data/fingerprint.h"
#include "results/h5.h"
#include "results/h5_disk.h"

#include <errno.h>
#include <hdf5.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_BYTES = 8 << 20, TAG = 1 };

/* A rank's rows of the split. */
typedef struct share {
    int64_t first, rows;
} share;

typedef struct writer {
    const px_comm *comm;
    const px_extraction *e;
    const share *of; /* (ranks) */
    hid_t file;      /* on rank 0; -1 on the others */
} writer;

/* Rank 0 writes `rows` rows from row `first` on. */
static bool put_block(hid_t set, hid_t memory, hsize_t width, int64_t first, int64_t rows, const void *from)
{
    hsize_t start[2] = {(hsize_t)first, 0}, count[2] = {(hsize_t)rows, width};
    hid_t space = H5Dget_space(set), block = H5Screate_simple(H5Sget_simple_extent_ndims(space), count, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    bool done = H5Dwrite(set, memory, block, space, H5P_DEFAULT, from) >= 0;
    H5Sclose(block);
    H5Sclose(space);
    return done;
}

/* All rows of all ranks, each of `row_bytes` bytes: rank 0 writes its own and asks the others for theirs, block by
 * block, and goes on asking when it cannot write any more, since they all send. */
static bool put_all(const writer *w, hid_t set, hid_t memory, hsize_t width, size_t row_bytes, const char *own)
{
    int64_t most = BLOCK_BYTES / (int64_t)row_bytes + 1;
    char *buffer = w->comm->size > 1 && w->comm->rank == 0 ? px_calloc((size_t)most, row_bytes) : NULL;
    bool done = true;
    for (int rank = 0; rank < w->comm->size; rank++) {
        for (int64_t at = 0; at < w->of[rank].rows; at += most) {
            int64_t rows = w->of[rank].rows - at < most ? w->of[rank].rows - at : most;
            int bytes = (int)(rows * (int64_t)row_bytes);
            const char *from = own + (size_t)at * row_bytes;
            if (rank == w->comm->rank && rank > 0)
                MPI_Send(from, bytes, MPI_BYTE, 0, TAG, w->comm->mpi);
            if (w->comm->rank > 0)
                continue;
            if (rank > 0)
                MPI_Recv(buffer, bytes, MPI_BYTE, rank, TAG, w->comm->mpi, MPI_STATUS_IGNORE);
            done = done && put_block(set, memory, width, w->of[rank].first + at, rows, rank > 0 ? buffer : from);
        }
    }
    free(buffer);
    return done;
}

/* An array of one axis (`width` 0) or two. False if rank 0 could not write it. */
static bool put_array(const writer *w, const char *name, hid_t stored, hid_t memory, int width, const void *own)
{
    hsize_t dim[2] = {(hsize_t)w->e->count, (hsize_t)width};
    hid_t set = -1;
    if (w->comm->rank == 0) {
        hid_t space = H5Screate_simple(width > 0 ? 2 : 1, dim, NULL);
        set = H5Dcreate2(w->file, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        H5Sclose(space);
    }
    size_t row_bytes = H5Tget_size(memory) * (size_t)(width > 0 ? width : 1);
    bool done = put_all(w, set, memory, dim[1], row_bytes, own);
    if (w->comm->rank == 0)
        H5Dclose(set);
    return done;
}

/* Each image's split, and the splits' names. False if rank 0 could not write them. */
static bool put_splits(const writer *w, const px_split *split, const px_dataset *data)
{
    const px_dataset_info *info = px_dataset_about(data);
    uint8_t *of = px_calloc((size_t)w->e->rows + 1, 1);
    for (int64_t i = 0; i < w->e->rows; i++)
        of[i] = (uint8_t)px_dataset_split_of(data, split->index[w->e->first + i]);
    bool done = put_array(w, "split", H5T_STD_U8LE, H5T_NATIVE_UINT8, 0, of);
    free(of);
    return done && (w->comm->rank > 0 ||
                    px_h5_put_attribute_texts(w->file, "split_names", info->splits, info->split_names) == 0);
}

static int write_all(const writer *w, const px_split *split, const px_features_source *from)
{
    const px_extraction *e = w->e;
    const px_layer_rows *last = &e->layer[e->layers - 1];
    int64_t skipped = last->whole ? e->first * last->width : 0;
    hid_t memory = last->x ? H5Tcopy(H5T_NATIVE_FLOAT) : px_h5_bf16_type();
    const void *own = last->x ? (const void *)(last->x + skipped) : last->x_bf16 + skipped;
    bool done = put_array(w, "features", H5T_IEEE_F32LE, memory, last->width, own);
    H5Tclose(memory);
    done &= put_array(w, "labels", H5T_STD_I32LE, H5T_NATIVE_INT32, 0, e->label + e->first);
    done &= put_array(w, "rows", H5T_STD_I64LE, H5T_NATIVE_INT64, 0, split->index + e->first);
    done &= put_splits(w, split, from->dataset);
    if (w->comm->rank > 0)
        return 0;
    int bad = px_h5_put_attribute_text(w->file, "run", from->run) |
              px_h5_put_attribute_text(w->file, "data", from->data) |
              px_h5_put_attribute_text(w->file, "split", from->split) |
              px_h5_put_attribute_text(w->file, "backbone", from->backbone) |
              px_h5_put_attribute_text(w->file, "config", from->config) |
              px_h5_put_attribute_number(w->file, "step", from->step) |
              px_h5_put_attribute_number(w->file, "data_crc", px_dataset_fingerprint(from->dataset));
    if (from->identity)
        bad |= px_h5_put_attribute_text(w->file, "identity", from->identity);
    return done && bad == 0 ? 0 : -1;
}

static int not_written(const px_h5_disk *disk, const char *path)
{
    return px_h5_disk_check(disk, path) != 0
               ? -1
               : px_fail(PX_FAIL, "%s: cannot be written: %s", path, px_h5_why((char[PX_H5_WHY]){0}));
}

int px_features_write(const char *path, const px_extraction *e, const px_split *split, const px_features_source *from,
                      const px_comm *comm)
{
    char *partial = px_format("%s.partial", path);
    px_h5_disk disk = {0};
    share mine = {e->first, e->rows}, *of = px_calloc((size_t)comm->size, sizeof *of);
    writer w = {comm, e, of, -1};
    px_all_gather_bytes(comm, &mine, of, sizeof mine);
    px_h5_quiet();
    if (comm->rank == 0) {
        hid_t access_list = px_h5_disk_access(&disk);
        w.file = H5Fcreate(partial, H5F_ACC_TRUNC, H5P_DEFAULT, access_list);
        H5Pclose(access_list);
    }
    int status = px_agree(comm, comm->rank == 0 && w.file < 0 ? not_written(&disk, path) : 0);
    if (status == 0)
        status = write_all(&w, split, from);
    if (w.file >= 0 && (H5Fclose(w.file) < 0 || disk.error || status != 0))
        status = not_written(&disk, path);
    if (w.file >= 0 && status == 0 && rename(partial, path) != 0)
        status = px_fail(PX_FAIL, "%s: cannot be renamed: %s", partial, strerror(errno));
    if (w.file >= 0 && status != 0)
        unlink(partial);
    free(of);
    free(partial);
    return px_agree(comm, status);
}

int px_features_writable(const char *path)
{
    char *copy = px_strdup(path);
    const char *folder = dirname(copy);
    struct stat about;
    int status = 0;
    if (stat(folder, &about) != 0)
        status = px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(errno));
    else if (!S_ISDIR(about.st_mode))
        status = px_fail(PX_FAIL, "%s: cannot be written: %s is not a folder", path, folder);
    else if (access(folder, W_OK) != 0 || (stat(path, &about) != 0 && errno != ENOENT))
        status = px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(errno));
    char *partial = px_format("%s.partial", path);
    if (status == 0 && (px_h5_replaceable(path) != 0 || px_plain_file(partial, PX_FAIL) != 0))
        status = -1;
    free(partial);
    free(copy);
    return status;
}
