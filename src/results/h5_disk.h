/* h5_disk.h - a file driver for HDF5 under which a write never fails, and a file that is read leads to no other.
 *
 *     px_h5_disk disk = {0};
 *     hid_t access = px_h5_disk_access(&disk);
 *     hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);    // fails if the file cannot be made
 *     H5Pclose(access);
 *     ...                                                                 // write as usual
 *     H5Fclose(file);
 *     if (px_h5_disk_check(&disk, path) != 0)                             // after the last write
 *         unlink(path);
 *
 * HDF5 keeps a file half open when closing it fails, because the disk is full for example, and crashes when the program
 * ends. Under this driver the first write that fails is remembered in px_h5_disk, with the system's reason, and from
 * then on nothing is written any more: the file on disk stays as the writes before left it. To HDF5 all writes succeed,
 * so it can close the file. The caller asks for the outcome at the points where it promises that data are on disk.
 *
 * A file of somebody else's may lead anywhere: an external link or a virtual data set makes HDF5 open another file, which
 * may be a pipe, or hold secrets. These inherit the access list of the file that they are in, so under
 *
 *     px_h5_disk disk = {.alone = true};
 *
 * they cannot be opened; `refused` says which file it was. External storage passes by the driver: px_h5_unreadable (h5.h).
 *
 * The driver takes no locks, so that file systems without them do not matter. It serves SWMR.
 */
#ifndef PX_RESULTS_H5_DISK_H
#define PX_RESULTS_H5_DISK_H

#include "base/error.h"

#include <hdf5.h>
#include <stdbool.h>
#include <sys/types.h>

/* What became of a file's writes. Belongs to the caller and outlives the file. */
typedef struct px_h5_disk {
    int error;         /* errno of the open, write or truncate that failed first; 0: all went well */
    bool alone;        /* only the first file is opened */
    bool opened;       /* the first one */
    char refused[256]; /* the other file that was asked for, or the start of its name; "": none was */
    dev_t device;      /* of the first file */
    ino_t inode;
} px_h5_disk;

/* A new file access list with this driver. The caller closes it by H5Pclose. */
hid_t px_h5_disk_access(px_h5_disk *disk);

/* Opens an existing HDF5 file to read it; `growing`: while another process may be adding to it (SWMR), if its format allows
 * that. Pipes and devices are refused, behind links, too. Closing the file closes all that was opened in it. Returns the id,
 * or -1 without a message (px_h5_why has the reason). */
hid_t px_h5_open(const char *path, bool growing, px_h5_disk *disk);

/* 0, or -1 with the message "PATH: cannot be written: No space left on device". */
int px_h5_disk_check(const px_h5_disk *disk, const char *path);

/* As px_replaceable (base/error.h), for an output in HDF5: what stands there must be HDF5, too, or empty. A mistyped out=
 * replaces no picture and no table of labels. */
int px_h5_replaceable(const char *path);

#endif
