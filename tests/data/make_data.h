/* make_data.h - small inputs for the tests of data/: folders, PNG and JPEG files, archives. They are made with the
 * libraries that the program reads them with, so pixels are known exactly. */
#ifndef PX_TEST_MAKE_DATA_H
#define PX_TEST_MAKE_DATA_H

#include "base/error.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <ftw.h>
#include <spng.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <turbojpeg.h>
#include <unistd.h>

typedef struct blob {
    uint8_t *bytes;
    size_t size;
} blob;

/* A new folder; remove it with remove_folder. */
static inline char *make_folder(void)
{
    const char *where = getenv("TMPDIR");
    char *folder = px_format("%s/pretext-test-XXXXXX", where ? where : "/tmp");
    PX_CHECK(mkdtemp(folder) != NULL);
    return folder;
}

static inline int remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s, (void)type, (void)ftw;
    return remove(path);
}

static inline void remove_folder(char *folder)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

/* Writes folder/name, creating folders as needed. Returns the path, a new string. */
static inline char *write_file(const char *folder, const char *name, const void *bytes, size_t size)
{
    char *path = px_format("%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        PX_CHECK(mkdir(path, 0777) == 0 || errno == EEXIST);
    }
    FILE *f = fopen(path, "wb");
    PX_CHECK(f && fwrite(bytes, 1, size, f) == size);
    PX_CHECK(fclose(f) == 0);
    return path;
}

/* Any PNG: colour type, bits, bytes of pixels, palette entries (or NULL). */
static inline blob make_png_of(int height, int width, int color, int bits, const void *pixels, size_t size,
                               struct spng_plte *palette)
{
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_ihdr header = {(uint32_t)width, (uint32_t)height, (uint8_t)bits, (uint8_t)color, 0, 0, 0};
    int error = 0;
    blob b;
    spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    PX_CHECK(spng_set_ihdr(png, &header) == 0);
    if (palette)
        PX_CHECK(spng_set_plte(png, palette) == 0);
    PX_CHECK(spng_encode_image(png, pixels, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE) == 0);
    b.bytes = spng_get_png_buffer(png, &b.size, &error);
    PX_CHECK(b.bytes && error == 0);
    spng_ctx_free(png);
    return b;
}

static inline blob make_png(int height, int width, int channels, const uint8_t *pixels)
{
    return make_png_of(height, width, channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR, 8, pixels,
                       (size_t)(height * width * channels), NULL);
}

/* A PNG of one colour. */
static inline blob make_flat_png(int height, int width, int channels, uint8_t value)
{
    size_t size = (size_t)(height * width * channels);
    uint8_t *pixels = px_realloc(NULL, size);
    memset(pixels, value, size);
    blob b = make_png(height, width, channels, pixels);
    free(pixels);
    return b;
}

/* Changes both sides in the header of a PNG, and its checksum (CRC-32). */
static inline void claim_png_size(blob png, uint32_t side)
{
    enum { CHUNK = 12, LENGTH = 4 + 13 }; /* name and content */
    uint8_t *chunk = png.bytes + CHUNK;
    uint32_t crc = ~0u;
    for (int i = 0; i < 8; i++)
        chunk[4 + i] = (uint8_t)(side >> (24 - 8 * (i % 4)));
    for (int i = 0; i < LENGTH * 8; i++) {
        crc ^= i % 8 == 0 ? chunk[i / 8] : 0;
        crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    for (int i = 0; i < 4; i++)
        chunk[LENGTH + i] = (uint8_t)(~crc >> (24 - 8 * i));
}

/* `format` and `sampling` are turbojpeg's. */
static inline blob make_jpeg(int height, int width, int format, int sampling, const uint8_t *pixels)
{
    tjhandle jpeg = tjInitCompress();
    unsigned char *out = NULL;
    unsigned long size = 0;
    PX_CHECK(tjCompress2(jpeg, pixels, width, 0, height, format, &out, &size, sampling, 95, 0) == 0);
    blob b = {px_realloc(NULL, size), size};
    memcpy(b.bytes, out, size);
    tjFree(out);
    tjDestroy(jpeg);
    return b;
}

/* An archive to which entries are added one by one; a folder has NULL bytes. */
static inline struct archive *begin_archive(const char *path, int format, int filter)
{
    struct archive *a = archive_write_new();
    PX_CHECK(archive_write_set_format(a, format) == ARCHIVE_OK);
    PX_CHECK(archive_write_add_filter(a, filter) == ARCHIVE_OK);
    archive_write_set_options(a, "gzip:!timestamp"); /* the same bytes each time */
    PX_CHECK(archive_write_open_filename(a, path) == ARCHIVE_OK);
    return a;
}

static inline void add_entry(struct archive *a, const char *path, const void *bytes, size_t size)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, bytes ? AE_IFREG : AE_IFDIR);
    archive_entry_set_perm(entry, 0755);
    if (bytes)
        archive_entry_set_size(entry, (la_int64_t)size);
    PX_CHECK(archive_write_header(a, entry) == ARCHIVE_OK);
    if (size > 0)
        PX_CHECK(archive_write_data(a, bytes, size) == (la_ssize_t)size);
    archive_entry_free(entry);
}

/* A link to `to`: a symbolic one, or a hard one, to a path in the archive. */
static inline void add_link(struct archive *a, const char *path, const char *to, bool hard)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, hard ? AE_IFREG : AE_IFLNK);
    archive_entry_set_perm(entry, 0755);
    if (hard)
        archive_entry_set_hardlink(entry, to);
    else
        archive_entry_set_symlink(entry, to);
    PX_CHECK(archive_write_header(a, entry) == ARCHIVE_OK);
    archive_entry_free(entry);
}

static inline void end_archive(struct archive *a)
{
    PX_CHECK(archive_write_close(a) == ARCHIVE_OK);
    archive_write_free(a);
}

/* One compressed file; `filter` is ARCHIVE_FILTER_GZIP and so on. The path, a new string. */
static inline char *write_compressed(const char *folder, const char *name, int filter, const void *bytes, size_t size)
{
    char *path = px_format("%s/%s", folder, name);
    struct archive *a = begin_archive(path, ARCHIVE_FORMAT_RAW, filter);
    add_entry(a, "data", bytes, size);
    end_archive(a);
    return path;
}

/* The content of a file. */
static inline blob read_file(const char *path)
{
    struct stat about;
    FILE *f = fopen(path, "rb");
    PX_CHECK(f && fstat(fileno(f), &about) == 0);
    blob b = {px_realloc(NULL, (size_t)about.st_size + 1), (size_t)about.st_size};
    PX_CHECK(fread(b.bytes, 1, b.size, f) == b.size);
    fclose(f);
    return b;
}

/* Pixels that differ from image to image, row to row and channel to channel. */
static inline void fill_pattern(uint8_t *pixels, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        pixels[i] = (uint8_t)((i * 37 + seed * 101 + (i >> 5) * 11) & 255);
}

#endif
