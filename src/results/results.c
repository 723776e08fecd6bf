/* results.c - opening, locking and closing run.h5 without ever losing its contents.
 *
 * The process may be killed at any moment without losing saved data:
 * - Outside SWMR, HDF5 does not order its metadata writes, so a file that is being changed may be unreadable. Such
 *   changes are therefore made in a copy beside it (PATH.new), which replaces the file by rename() when it is complete
 *   and synced. The copy is made object by object, which also repairs what a killed writer left: flags that say "open
 *   for writing", an end-of-file mark from before the crash.
 * - In SWMR, HDF5 writes in an order that leaves a readable file after each write. Paged allocation with pages of 4 KiB
 *   keeps small metadata blocks from crossing a page of the kernel, where a kill could cut a write in two.
 */
#include "results/results.h"

#include "base/error.h"
#include "results/h5.h"
#include "results/results_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 };

/* ---- errors ---- */

int px_results_broken(const char *path, px_status status, const char *doing, const char *object)
{
    return px_fail(status, "%s: cannot %s%s%s: %s", path, doing, *object ? " " : "", object,
                   px_h5_why((char[PX_H5_WHY]){0}));
}

/* The file that is written: what the disk says comes before what HDF5 makes of it. */
static int broken(const px_results *r, const char *doing)
{
    return px_h5_disk_check(&r->disk, r->path) != 0 ? -1 : px_results_broken(r->path, PX_FAIL, doing, "");
}

static int system_failed(const char *path, const char *doing)
{
    bool theirs = errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM || errno == EROFS;
    return px_fail(theirs ? PX_USAGE : PX_FAIL, "%s: cannot %s: %s", path, doing, strerror(errno));
}

/* ---- the lock ---- */

/* A separate lock file, because run.h5 itself is replaced by rename and NFS cannot lock a folder. */
static int lock_take(px_results *r)
{
    for (;;) {
        r->lock = open(r->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (r->lock < 0)
            return system_failed(r->path, "write beside it");
        if (flock(r->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            char who[160] = "";
            ssize_t got = read(r->lock, who, sizeof who - 1);
            return px_fail(PX_USAGE, "%s: the results folder is in use by %s", r->path,
                           got > 0 ? who : "another process");
        }
        /* Other errors: a file system without locks (some clusters), where nothing protects the user. */
        struct stat mine, there;
        if (fstat(r->lock, &mine) == 0 && stat(r->lock_path, &there) == 0 && mine.st_ino == there.st_ino)
            break;
        close(r->lock); /* its owner removed it between our open and our lock */
    }
    char host[64] = "?", who[160];
    gethostname(host, sizeof host - 1);
    int length = snprintf(who, sizeof who, "process %ld on %s", (long)getpid(), host);
    /* For the message above and px_results_is_written. On a full disk it stays empty, which both understand. */
    if (ftruncate(r->lock, 0) != 0 || (write(r->lock, who, (size_t)length) != length && ftruncate(r->lock, 0) != 0))
        errno = 0;
    return 0;
}

static void lock_drop(px_results *r, bool taken)
{
    if (r->lock < 0)
        return;
    if (taken)
        unlink(r->lock_path); /* before the close, so that a waiting process sees that the file is gone */
    close(r->lock);
    r->lock = -1;
}

/* The lock is only read: to try it would refuse a writer that comes at this moment. */
bool px_results_is_written(const char *path)
{
    enum { SILENT = 600 /* seconds; runs write a row at least every 50 steps */ };
    char *lock = px_format("%s.lock", path), host[64] = "?", who[160] = "", there[160] = "";
    struct stat info;
    long process = 0;
    int file = open(lock, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = file < 0 ? 0 : read(file, who, sizeof who - 1);
    if (file >= 0)
        close(file);
    free(lock);
    gethostname(host, sizeof host - 1);
    if (file < 0 || got < 0 || (got > 0 && (sscanf(who, "process %ld on %159s", &process, there) != 2 || process < 1)))
        return false;
    if (got > 0 && strcmp(host, there) == 0)
        return kill((pid_t)process, 0) == 0 || errno == EPERM;
    return stat(path, &info) == 0 && time(NULL) - info.st_mtime < SILENT;
}

/* ---- opening ---- */

static void set_access(hid_t fapl)
{
    H5Pset_libver_bounds(fapl, H5F_LIBVER_V110, H5F_LIBVER_V110); /* what SWMR needs */
    H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG);
    H5Pset_file_locking(fapl, false, true); /* we have our own lock; readers of a live run must not be refused */
}

static int open_existing(hid_t *file, const char *path, px_h5_disk *disk)
{
    if (access(path, R_OK) != 0)
        return px_fail(PX_DATA, "%s: cannot be read: %s", path, strerror(errno));
    if (H5Fis_hdf5(path) <= 0)
        return px_fail(PX_DATA, "%s: is not an HDF5 file", path);
    *disk = (px_h5_disk){.alone = true};
    *file = px_h5_open(path, true, disk); /* a run may be writing it, or may have been killed while it did */
    return *file < 0 ? px_results_broken(path, PX_DATA, "open", "") : 0;
}

typedef struct copy_job {
    px_results *results;
    hid_t to, lcpl;
    bool refused; /* the message is set */
} copy_job;

static herr_t copy_object(hid_t from, const char *name, const H5L_info_t *info, void *data)
{
    (void)info;
    const copy_job *job = data;
    return H5Ocopy(from, name, job->to, name, H5P_DEFAULT, job->lcpl);
}

static herr_t copy_attribute(hid_t from, const char *name, const H5A_info_t *info, void *data)
{
    (void)info;
    copy_job *job = data;
    hid_t old = H5Aopen(from, name, H5P_DEFAULT);
    if (old < 0)
        return -1;
    if (px_results_attribute_fits(job->results, old, name) != 0) {
        job->refused = true;
        H5Aclose(old);
        return -1;
    }
    hid_t type = H5Aget_type(old), space = H5Aget_space(old);
    hid_t memory = H5Tget_native_type(type, H5T_DIR_DEFAULT);
    void *values = px_calloc((size_t)H5Sget_simple_extent_npoints(space) + 1, H5Tget_size(memory));
    hid_t fresh = H5Acreate2(job->to, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t bad = H5Aread(old, memory, values);
    if (bad >= 0) {
        bad = H5Awrite(fresh, memory, values);
        H5Dvlen_reclaim(memory, space, H5P_DEFAULT, values);
    }
    free(values);
    H5Aclose(fresh);
    H5Tclose(memory);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(old);
    return bad;
}

/* Copies everything of `from` into the empty file of `r`. */
static int copy_all(px_results *r, hid_t from)
{
    copy_job job = {.results = r, .to = r->file, .lcpl = H5Pcreate(H5P_LINK_CREATE)};
    hid_t root = H5Gopen2(from, "/", H5P_DEFAULT);
    herr_t bad = H5Literate(root, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, copy_object, &job);
    if (bad >= 0)
        bad = H5Aiterate2(root, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, copy_attribute, &job);
    int status = bad >= 0 ? 0 : job.refused ? -1 : broken(r, "copy"); /* the next call erases HDF5's reason */
    H5Gclose(root);
    H5Pclose(job.lcpl);
    return status;
}

/* Opens PATH.new with a copy of everything in PATH. */
static int stage_begin(px_results *r)
{
    hid_t old = -1;
    px_h5_disk old_disk;
    if (access(r->path, F_OK) == 0 && open_existing(&old, r->path, &old_disk) != 0)
        return -1;
    hid_t fapl = px_h5_disk_access(&r->disk), fcpl = H5Pcreate(H5P_FILE_CREATE);
    set_access(fapl);
    H5Pset_file_space_strategy(fcpl, H5F_FSPACE_STRATEGY_PAGE, false, 1);
    H5Pset_file_space_page_size(fcpl, PAGE_BYTES);
    r->file = H5Fcreate(r->stage, H5F_ACC_TRUNC, fcpl, fapl);
    int bad = r->file < 0 ? broken(r, "create") : 0;
    H5Pclose(fcpl);
    H5Pclose(fapl);
    if (bad == 0 && old >= 0)
        bad = copy_all(r, old);
    if (old >= 0)
        H5Fclose(old);
    return bad;
}

/* Data must reach the disk before the name does: otherwise a power cut could leave an empty file with a good name. */
static int stage_publish(px_results *r)
{
    if (px_h5_disk_check(&r->disk, r->path) != 0)
        return -1;
    int fd = open(r->stage, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        system_failed(r->stage, "sync");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    close(fd);
    if (rename(r->stage, r->path) != 0)
        return system_failed(r->path, "replace");
    const char *slash = strrchr(r->path, '/');
    char *folder = slash ? px_format("%.*s", (int)(slash - r->path) + 1, r->path) : px_strdup(".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd >= 0) {
        fsync(fd); /* not every file system can sync a folder; the rename has happened anyway */
        close(fd);
    }
    return 0;
}

static void release(px_results *r, bool locked)
{
    px_results_groups_close(r);
    if (r->file >= 0)
        H5Fclose(r->file);
    if (r->stage && locked)
        unlink(r->stage);
    lock_drop(r, locked);
    for (int i = 0; i < r->left_count; i++)
        free(r->left_out[i]);
    free(r->left_out);
    free(r->stage);
    free(r->lock_path);
    free(r->path);
    free(r);
}

int px_results_open(px_results **out, const char *path, px_results_mode mode)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* reasons go into our message instead */
    px_results *r = px_calloc(1, sizeof *r);
    *r = (px_results){.path = px_strdup(path), .file = H5I_INVALID_HID, .lock = -1};
    bool locked = false;
    int bad = px_plain_file(path, mode == PX_RESULTS_READ ? PX_DATA : PX_USAGE);
    if (bad != 0) {
        *out = NULL;
        release(r, false);
        return -1;
    }
    if (mode == PX_RESULTS_READ) {
        bad = open_existing(&r->file, path, &r->disk);
    } else {
        r->stage = px_format("%s.new", path);
        r->lock_path = px_format("%s.lock", path);
        bad = px_plain_file(r->stage, PX_USAGE) != 0 || px_plain_file(r->lock_path, PX_USAGE) != 0 ? -1 : lock_take(r);
        locked = bad == 0;
        if (locked)
            bad = stage_begin(r);
    }
    *out = bad ? NULL : r;
    if (bad)
        release(r, locked);
    return bad;
}

int px_results_close(px_results *r)
{
    if (!r)
        return 0;
    px_results_groups_close(r);
    int bad = 0;
    if (H5Fclose(r->file) < 0 || r->disk.error)
        bad = broken(r, "write");
    r->file = H5I_INVALID_HID;
    if (bad == 0 && r->stage && !r->live)
        bad = stage_publish(r);
    release(r, r->lock >= 0);
    return bad;
}

void px_results_abandon(px_results *r)
{
    if (r)
        release(r, r->lock >= 0); /* the copy beside the file is removed with the lock */
}

int px_results_flush(px_results *r)
{
    PX_CHECK(r->stage);
    if (r->live)
        return H5Fflush(r->file, H5F_SCOPE_LOCAL) < 0 || r->disk.error ? broken(r, "write") : 0;
    px_results_groups_close(r);
    herr_t closed = H5Fclose(r->file);
    r->file = H5I_INVALID_HID;
    if (closed < 0)
        return broken(r, "write");
    return stage_publish(r) != 0 ? -1 : stage_begin(r);
}

int px_results_live(px_results *r)
{
    PX_CHECK(r->stage && !r->live);
    px_results_groups_close(r);
    if (H5Fflush(r->file, H5F_SCOPE_LOCAL) < 0 || H5Fstart_swmr_write(r->file) < 0 ||
        H5Fflush(r->file, H5F_SCOPE_LOCAL) < 0)
        return broken(r, "write");
    r->live = true;
    return stage_publish(r); /* the open file keeps its descriptor under the new name */
}
