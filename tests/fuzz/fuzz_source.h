/* fuzz_source.h - packs a folder of files as `pretext pack` does: lists it, joins labels, unpacks archives.
 *
 *     fuzz_source s = fuzz_source_begin();
 *     fuzz_source_put(&s, "train-images-idx3-ubyte", bytes, size);
 *     fuzz_source_end(&s);                                    // packs it in memory, and removes it
 */
#ifndef PX_TESTS_FUZZ_SOURCE_H
#define PX_TESTS_FUZZ_SOURCE_H

#include "data/catalog.h"
#include "fuzz.h"

typedef struct fuzz_source {
    char folder[128], path[256];
} fuzz_source;

static inline fuzz_source fuzz_source_begin(void)
{
    fuzz_source s;
    snprintf(s.folder, sizeof s.folder, "%s/pretext-fuzz-XXXXXX", fuzz_folder());
    PX_CHECK(mkdtemp(s.folder));
    return s;
}

static inline const char *fuzz_source_path(fuzz_source *s, const char *name)
{
    snprintf(s->path, sizeof s->path, "%s/%s", s->folder, name);
    return s->path;
}

static inline void fuzz_source_put(fuzz_source *s, const char *name, const uint8_t *bytes, size_t size)
{
    int fd = open(fuzz_source_path(s, name), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    PX_CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

/* The second walk, as in pack_pixels.c. */
static inline int fuzz_unpack(void *context, const px_entry *entry)
{
    enum { PART = 7 };
    const px_catalog *c = context;
    for (size_t k = 0; k < c->block_count && !entry->folder && c->format->unpack; k++) {
        const px_block *b = &c->blocks[k];
        if (strcmp(b->path, entry->path) != 0)
            continue;
        size_t image = (size_t)b->height * (size_t)b->width * (size_t)b->channels * (b->bits == 16 ? 2 : 1);
        uint8_t *pixels = malloc(PART * image);
        for (int64_t first = 0; first < b->count; first += PART)
            c->format->unpack(b, entry->bytes, first, b->count - first < PART ? b->count - first : PART, pixels);
        for (int64_t i = 0; b->labels && i < b->count; i++)
            PX_CHECK(b->labels[i] >= -1 && b->labels[i] < c->classes);
        free(pixels);
    }
    return 0;
}

static inline void fuzz_source_end(fuzz_source *s, const char *const *names, int count)
{
    static const px_pack_options options = {.split = "", .class_names = ""};
    px_log log = px_log_make(stderr, true);
    px_catalog c = {0};
    const char *const source[] = {s->folder};
    if (px_catalog_make(&c, source, 1, &options, &log) != 0)
        fuzz_check_message();
    else
        PX_CHECK(px_source_walk(s->folder, fuzz_unpack, &c) == 0);
    px_catalog_free(&c);
    for (int i = 0; i < count; i++)
        unlink(fuzz_source_path(s, names[i]));
    PX_CHECK(rmdir(s->folder) == 0);
}

/* Packs two files. Input: two bytes with the size of the file of labels, that file, and the file of images; a size of 65535
 * leaves the labels out. */
static inline void fuzz_source_pair(const char *images, const char *labels, const uint8_t *bytes, size_t size)
{
    fuzz_input in = {bytes, size, 0};
    size_t wanted = fuzz_byte(&in);
    wanted |= (size_t)fuzz_byte(&in) << 8;
    size_t rest = size - in.at, first = wanted == 65535 ? 0 : wanted < rest ? wanted : rest;
    fuzz_source s = fuzz_source_begin();
    if (wanted != 65535)
        fuzz_source_put(&s, labels, bytes + in.at, first);
    fuzz_source_put(&s, images, bytes + in.at + first, rest - first);
    fuzz_source_end(&s, (const char *const[]){images, labels}, 2);
}

#endif
