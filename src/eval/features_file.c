#include "eval/features_file.h"
#include "base/error.h"
#include "data/h5.h"

#include <errno.h>
#include <hdf5.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writes this rank's rows, of `width` elements each (0: an array of one axis). */
static int put_rows(hid_t file, const char *name, hid_t stored, hid_t memory, const px_extraction *e, int width,
                    const void *own, hid_t transfer)
{
    hsize_t dim[2] = {(hsize_t)e->count, (hsize_t)width}, start[2] = {(hsize_t)e->first, 0},
            count[2] = {(hsize_t)e->rows, (hsize_t)width};
    int rank = width > 0 ? 2 : 1;
    hid_t space = H5Screate_simple(rank, dim, NULL), part = H5Screate_simple(rank, count, NULL);
    hid_t set = H5Dcreate2(file, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (e->rows) {
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    } else {
        H5Sselect_none(space);
        H5Sselect_none(part);
    }
    herr_t bad = set < 0 ? -1 : H5Dwrite(set, memory, part, space, transfer, own);
    H5Dclose(set);
    H5Sclose(part);
    H5Sclose(space);
    return bad < 0 ? -1 : 0;
}

static int write_all(hid_t file, const px_extraction *e, const px_split *split, const px_features_source *from)
{
    const px_layer_rows *last = &e->layer[e->layers - 1];
    const float *own = last->x + (last->whole ? e->first * last->width : 0);
    hid_t transfer = H5Pcreate(H5P_DATASET_XFER);
    H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE);
    int bad = put_rows(file, "features", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, e, last->width, own, transfer) |
              put_rows(file, "labels", H5T_STD_I32LE, H5T_NATIVE_INT32, e, 0, e->label + e->first, transfer) |
              put_rows(file, "rows", H5T_STD_I64LE, H5T_NATIVE_INT64, e, 0, split->index + e->first, transfer) |
              px_h5_put_attribute_text(file, "run", from->run) | px_h5_put_attribute_text(file, "data", from->data) |
              px_h5_put_attribute_text(file, "split", from->split) |
              px_h5_put_attribute_text(file, "backbone", from->backbone) |
              px_h5_put_attribute_text(file, "config", from->config) |
              px_h5_put_attribute_number(file, "step", from->step);
    H5Pclose(transfer);
    return bad;
}

int px_features_write(const char *path, const px_extraction *e, const px_split *split, const px_features_source *from,
                      const px_comm *comm)
{
    char *partial = px_format("%s.partial", path);
    px_h5_quiet();
    hid_t access_list = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_mpio(access_list, comm->mpi, MPI_INFO_NULL);
    hid_t file = H5Fcreate(partial, H5F_ACC_TRUNC, H5P_DEFAULT, access_list);
    H5Pclose(access_list);
    int status = file < 0 ? -1 : write_all(file, e, split, from);
    if (file >= 0 && H5Fclose(file) < 0)
        status = -1;
    if (status != 0)
        px_fail(PX_FAIL, "%s: cannot be written: %s", path, px_h5_why((char[PX_H5_WHY]){0}));
    if (px_agree(comm, status) == 0 && comm->rank == 0 && rename(partial, path) != 0)
        status = px_fail(PX_FAIL, "%s: cannot be renamed: %s", partial, strerror(errno));
    if (px_agree(comm, status) != 0 && comm->rank == 0)
        unlink(partial);
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
    else if (access(folder, W_OK) != 0)
        status = px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(errno));
    else if (stat(path, &about) == 0 && !S_ISREG(about.st_mode))
        status = px_fail(PX_FAIL, "%s: is no file, so it cannot be replaced by one", path);
    free(copy);
    return status;
}
