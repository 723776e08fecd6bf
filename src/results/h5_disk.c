/* h5_disk.c - the file driver under which a write never fails and no file leads to another. It is HDF5's own driver for
 * POSIX files ("sec2") reduced to what is needed here, with two differences: the first failure of a write is noted for the
 * caller and hidden from HDF5, and no second file is opened if the caller wants it so. What HDF5 writes after a failure
 * stays in memory, where it finds it again until it has closed the file. */
#include "results/h5_disk.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

enum { PAGE = 4096 };

/* A piece of a file as HDF5 believes it to be, after writing has failed. */
typedef struct page {
    haddr_t at; /* of its first byte, a multiple of PAGE */
    struct page *next;
    char bytes[PAGE];
} page;

typedef struct disk_file {
    H5FD_t base; /* HDF5's own part comes first */
    int fd;
    haddr_t allocated; /* the end of what HDF5 has allocated ("eoa") */
    haddr_t size;      /* the end of the file, as if all writes had succeeded ("eof") */
    struct stat about;
    px_h5_disk *disk;
    page *pages; /* what was to be written after the first failure; raw data is left out */
} disk_file;

/* What lies beyond the end of the file reads as zeros. */
static herr_t read_file(int fd, haddr_t at, size_t bytes, char *into)
{
    while (bytes > 0) {
        ssize_t got = pread(fd, into, bytes, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0) {
            memset(into, 0, bytes);
            return 0;
        }
        into += got;
        at += (haddr_t)got;
        bytes -= (size_t)got;
    }
    return 0;
}

/* The page that holds the byte `at`; NULL: there is none, and `make` is false. */
static page *page_of(disk_file *f, haddr_t at, bool make)
{
    page *p = f->pages;
    at -= at % PAGE;
    while (p && p->at != at)
        p = p->next;
    if (p || !make)
        return p;
    p = px_calloc(1, sizeof *p);
    p->at = at;
    p->next = f->pages;
    f->pages = p;
    read_file(f->fd, at, PAGE, p->bytes);
    return p;
}

/* Copies between `memory` and the pages that lie at the file's bytes; `write`: into them, which makes them. */
static void copy_pages(disk_file *f, haddr_t at, size_t bytes, char *memory, bool write)
{
    while (bytes > 0) {
        size_t offset = (size_t)(at % PAGE), part = PAGE - offset < bytes ? PAGE - offset : bytes;
        page *p = page_of(f, at, write);
        if (p && write)
            memcpy(p->bytes + offset, memory, part);
        else if (p)
            memcpy(memory, p->bytes + offset, part);
        at += part;
        memory += part;
        bytes -= part;
    }
}

/* Whether this is another file than the first one. */
static bool leads_out(const px_h5_disk *disk, const char *name)
{
    struct stat about;
    return disk->alone && disk->opened &&
           (stat(name, &about) != 0 || about.st_dev != disk->device || about.st_ino != disk->inode);
}

static H5FD_t *open_file(const char *name, unsigned flags, hid_t access, haddr_t most)
{
    (void)most;
    px_h5_disk *disk = *(px_h5_disk *const *)H5Pget_driver_info(access);
    if (leads_out(disk, name)) {
        snprintf(disk->refused, sizeof disk->refused, "%s", name);
        return NULL;
    }
    int how = O_CLOEXEC | (flags & H5F_ACC_RDWR ? O_RDWR : O_RDONLY | O_NONBLOCK) |
              (flags & H5F_ACC_TRUNC ? O_TRUNC : 0) | (flags & H5F_ACC_CREAT ? O_CREAT : 0) |
              (flags & H5F_ACC_EXCL ? O_EXCL : 0);
    struct stat about;
    errno = 0;
    int fd = open(name, how, 0666);
    if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) { /* a pipe is refused, not waited for */
        disk->error = fd < 0 || errno ? errno : EINVAL;
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    disk->error = 0; /* HDF5 first tries to open a file that it is to create */
    disk->opened = true;
    disk->device = about.st_dev;
    disk->inode = about.st_ino;
    disk_file *f = px_calloc(1, sizeof *f);
    f->fd = fd;
    f->size = (haddr_t)about.st_size;
    f->about = about;
    f->disk = disk;
    return &f->base;
}

static herr_t close_file(H5FD_t *file)
{
    disk_file *f = (disk_file *)file;
    if (close(f->fd) != 0 && f->disk->error == 0) /* file systems over a network may report a failed write only here */
        f->disk->error = errno;
    while (f->pages) {
        page *next = f->pages->next;
        free(f->pages);
        f->pages = next;
    }
    free(f);
    return 0;
}

/* HDF5 asks whether two open files are the same. */
static int compare(const H5FD_t *a, const H5FD_t *b)
{
    const struct stat *x = &((const disk_file *)a)->about, *y = &((const disk_file *)b)->about;
    if (x->st_dev != y->st_dev)
        return x->st_dev < y->st_dev ? -1 : 1;
    return x->st_ino == y->st_ino ? 0 : x->st_ino < y->st_ino ? -1 : 1;
}

static herr_t query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_POSIX_COMPAT_HANDLE | H5FD_FEAT_SUPPORTS_SWMR_IO |
             H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static haddr_t get_allocated(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const disk_file *)file)->allocated;
}

static herr_t set_allocated(H5FD_t *file, H5FD_mem_t type, haddr_t end)
{
    (void)type;
    ((disk_file *)file)->allocated = end;
    return 0;
}

static haddr_t get_size(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const disk_file *)file)->size;
}

static herr_t get_handle(H5FD_t *file, hid_t access, void **handle)
{
    (void)access;
    *handle = &((disk_file *)file)->fd;
    return 0;
}

static herr_t read_bytes(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t bytes, void *into)
{
    (void)type, (void)transfer;
    disk_file *f = (disk_file *)file;
    if (read_file(f->fd, at, bytes, into) < 0)
        return -1;
    copy_pages(f, at, bytes, into, false);
    return 0;
}

static herr_t write_bytes(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t bytes, const void *from)
{
    (void)transfer;
    disk_file *f = (disk_file *)file;
    f->size = f->size > at + bytes ? f->size : at + bytes;
    for (size_t done = 0; done < bytes && f->disk->error == 0;) {
        ssize_t put = pwrite(f->fd, (const char *)from + done, bytes - done, (off_t)(at + done));
        if (put >= 0)
            done += (size_t)put;
        else if (errno != EINTR)
            f->disk->error = errno;
    }
    if (f->disk->error && type != H5FD_MEM_DRAW)
        copy_pages(f, at, bytes, (char *)from, true);
    return 0;
}

static herr_t truncate_file(H5FD_t *file, hid_t transfer, hbool_t closing)
{
    (void)transfer, (void)closing;
    disk_file *f = (disk_file *)file;
    if (f->size != f->allocated && f->disk->error == 0 && ftruncate(f->fd, (off_t)f->allocated) != 0)
        f->disk->error = errno;
    f->size = f->allocated;
    return 0;
}

/* Nothing is locked. But only for a driver with these two functions does HDF5 mark a file as open for writing, and
 * readers of a live run look for that mark. */
static herr_t lock_file(H5FD_t *file, hbool_t for_writing)
{
    (void)file, (void)for_writing;
    return 0;
}

static herr_t unlock_file(H5FD_t *file)
{
    (void)file;
    return 0;
}

/* An access list's own part is a pointer to the px_h5_disk. HDF5 asks for it when a link leads from this file to another. */
static void *copy_access(const void *from)
{
    px_h5_disk **to = px_calloc(1, sizeof *to);
    *to = *(px_h5_disk *const *)from;
    return to;
}

static void *get_access(H5FD_t *file)
{
    return copy_access(&((disk_file *)file)->disk);
}

static herr_t free_access(void *access)
{
    free(access);
    return 0;
}

static const H5FD_class_t driver = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)700, /* any number above those that HDF5 and its registered plug-ins use */
#endif
    .name = "pretext",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .fapl_size = sizeof(px_h5_disk *),
    .fapl_get = get_access,
    .fapl_copy = copy_access,
    .fapl_free = free_access,
    .open = open_file,
    .close = close_file,
    .cmp = compare,
    .query = query,
    .get_eoa = get_allocated,
    .set_eoa = set_allocated,
    .get_eof = get_size,
    .get_handle = get_handle,
    .read = read_bytes,
    .write = write_bytes,
    .truncate = truncate_file,
    .lock = lock_file,
    .unlock = unlock_file,
    .fl_map = H5FD_FLMAP_DICHOTOMY};

hid_t px_h5_disk_access(px_h5_disk *disk)
{
    static hid_t id; /* HDF5's number for the driver, the same until H5close */
    if (id <= 0 || H5Iis_valid(id) <= 0)
        id = H5FDregister(&driver);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    PX_CHECK(id > 0 && access >= 0 && H5Pset_driver(access, id, &disk) >= 0);
    return access;
}

hid_t px_h5_open(const char *path, bool growing, px_h5_disk *disk)
{
    hid_t access = px_h5_disk_access(disk), file = H5I_INVALID_HID;
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    if (growing)
        file = H5Fopen(path, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, access);
    if (file < 0)
        file = H5Fopen(path, H5F_ACC_RDONLY, access);
    hid_t why = H5Eget_current_stack(); /* the next call would erase it */
    H5Pclose(access);
    H5Eset_current_stack(why);
    return file;
}

int px_h5_disk_check(const px_h5_disk *disk, const char *path)
{
    return disk->error == 0 ? 0 : px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(disk->error));
}

int px_h5_replaceable(const char *path)
{
    static const char signature[] = "\x89HDF\r\n\x1a\n";
    char start[sizeof signature - 1];
    if (px_replaceable(path) != 0)
        return -1;
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(start, 1, sizeof start, file) : 0; /* if it cannot be read, writing it tells why */
    if (file)
        fclose(file);
    if (size == 0 || (size == sizeof start && memcmp(start, signature, size) == 0))
        return 0;
    return px_fail(PX_USAGE, "%s: is not an HDF5 file, so it is not replaced; give out= another name, or remove it",
                   path);
}
