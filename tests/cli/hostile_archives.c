/* hostile_archives.c - hostile archives and compressed files (hostile.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "hostile.h"

enum { BOMB = 48 << 20, SIDE = 64, BLOCK = 512 };

static const struct ending {
    const char *name;
    int format, filter;
} endings[] = {{".tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE},
               {".tar.gz", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP},
               {".tar.bz2", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_BZIP2},
               {".tar.xz", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_XZ},
               {".tar.zst", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_ZSTD},
               {".tar.lz4", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_LZ4},
               {".tar.lzma", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_LZMA},
               {".zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE},
               {".7z", ARCHIVE_FORMAT_7ZIP, ARCHIVE_FILTER_NONE},
               {"-images-idx3-ubyte.gz", ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_GZIP},
               {"-images-idx3-ubyte.bz2", ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_BZIP2},
               {"-images-idx3-ubyte.xz", ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_XZ},
               {"-images-idx3-ubyte.zst", ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_ZSTD},
               {"-images-idx3-ubyte.lz4", ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_LZ4},
               {"-images-idx3-ubyte.lzma", ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_LZMA}};

/* What the end of a name says about its content; the longest end counts. */
static const struct ending *ending_of(const char *name)
{
    const struct ending *found = NULL;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(name), own = strlen(endings[i].name);
        if (length >= own && strcmp(name + length - own, endings[i].name) == 0 && (!found || own > strlen(found->name)))
            found = &endings[i];
    }
    assert_non_null(found);
    return found;
}

static struct archive *begin(const char *name)
{
    const struct ending *e = ending_of(name);
    return begin_archive(name, e->format, e->filter);
}

static blob picture(void)
{
    static uint8_t pixels[SIDE * SIDE * 3];
    for (unsigned i = 0, x = 1; i < sizeof pixels; i++, x = x * 1664525 + 1013904223)
        pixels[i] = (uint8_t)(x >> 24);
    return make_png(SIDE, SIDE, 3, pixels);
}

/* ---- single makers ----------------------------------------------------------------------------------------------- */

/* One picture, called `text`. */
static void entry(const hostile *h)
{
    blob png = picture();
    struct archive *a = begin(h->name);
    add_entry(a, h->text, png.bytes, png.size);
    end_archive(a);
    free(png.bytes);
}

/* ... which leads to this row's folder: accepted, and nothing is written there. */
static void absolute(const hostile *h)
{
    char *path = px_format("%s/escaped/a/1.png", getcwd((char[4096]){0}, 4096));
    hostile with_path = *h;
    with_path.text = path;
    entry(&with_path);
    free(path);
}

/* A name of `size` characters. */
static void long_name(const hostile *h)
{
    char *path = px_calloc((size_t)h->size + 1, 1);
    memset(path, 'n', (size_t)h->size);
    memcpy(path, "a/", 2);
    struct archive *a = begin_archive(h->name, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_NONE);
    add_entry(a, path, "no picture", 10);
    end_archive(a);
    free(path);
}

/* An entry that is not a file, of type `at`; a link leads to `text`, a hard link if `at` is 0. */
static void other_entry(const hostile *h)
{
    struct archive *a = begin(h->name);
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, "a/1.png");
    archive_entry_set_filetype(e, h->at ? (unsigned)h->at : AE_IFREG);
    archive_entry_set_perm(e, 0755);
    if (!h->at)
        archive_entry_set_hardlink(e, h->text);
    else if (h->text)
        archive_entry_set_symlink(e, h->text);
    PX_CHECK(archive_write_header(a, e) == ARCHIVE_OK);
    archive_entry_free(e);
    end_archive(a);
}

/* Archives in archives, `size` deep. */
static void nested(const hostile *h)
{
    blob inner = picture();
    for (int i = 0; i <= h->size; i++) {
        struct archive *a = begin(h->name);
        add_entry(a, i ? "inner.tar" : "a/1.png", inner.bytes, inner.size);
        end_archive(a);
        free(inner.bytes);
        inner = read_file(h->name);
    }
    free(inner.bytes);
}

/* Many zeros in an entry called `text`. */
static void bomb(const hostile *h)
{
    uint8_t *zeros = px_calloc(BOMB, 1);
    memcpy(zeros, "\0\0\x08\x03", 4); /* zeros alone would be an empty tar */
    struct archive *a = begin(h->name);
    add_entry(a, h->text, zeros, BOMB);
    end_archive(a);
    free(zeros);
}

/* `at` links to a folder of `size` files, which are empty texts, or pictures if `kind` is set: at * size files. */
static void linked(const hostile *h)
{
    blob png = h->kind[0] ? picture() : (blob){(uint8_t *)px_strdup(""), 0};
    struct archive *a = begin(h->name);
    for (int i = 0; i < h->size + h->at; i++) {
        char name[32];
        snprintf(name, sizeof name, i >= h->size ? "link%d" : h->kind[0] ? "folder/%d.png" : "folder/%d.txt", i);
        if (i < h->size)
            add_entry(a, name, png.bytes, png.size);
        else
            add_link(a, name, "folder", false);
    }
    end_archive(a);
    free(png.bytes);
}

/* A chain of `size` links, each to the next, in folders of long names; the last leads to a picture. */
static void chain(const hostile *h)
{
    enum { LONG = 200 };
    char folder[LONG + 1] = {0}, name[2 * LONG], to[2 * LONG];
    memset(folder, 'n', LONG);
    blob png = picture();
    struct archive *a = begin_archive(h->name, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE);
    add_entry(a, "a/1.png", png.bytes, png.size);
    for (int i = 0; i < h->size; i++) {
        snprintf(name, sizeof name, "%s/%d.png", folder, i);
        snprintf(to, sizeof to, i + 1 < h->size ? "%d.png" : "../a/1.png", i + 1);
        add_link(a, name, to, false);
    }
    end_archive(a);
    free(png.bytes);
}

/* A picture, and a link called `from` to `text`. */
static void lost(const hostile *h)
{
    blob png = picture();
    struct archive *a = begin(h->name);
    add_entry(a, "a/1.png", png.bytes, png.size);
    add_link(a, h->from, h->text, false);
    end_archive(a);
    free(png.bytes);
}

/* `size` empty folders. */
static void many(const hostile *h)
{
    struct archive *a = begin(h->name);
    for (int i = 0; i < h->size; i++) {
        char name[32];
        snprintf(name, sizeof name, "folder%d", i);
        add_entry(a, name, NULL, 0);
    }
    end_archive(a);
}

/* From byte `at` of the tar on: the text `text`; byte `number` of the picture is changed. The header's checksum is made
 * right again unless `kind` is set. */
static void tar_field(const hostile *h)
{
    entry(&(hostile){.name = "made.tar", .text = "a/1.png"});
    blob b = read_file("made.tar");
    remove("made.tar");
    memcpy(b.bytes + h->at, h->text, strlen(h->text));
    if (h->number > 0)
        b.bytes[BLOCK + (size_t)h->number] ^= 1; /* of the picture */
    memset(b.bytes + 148, ' ', 8);
    unsigned sum = h->kind[0] ? 1 : 0;
    for (int i = 0; i < BLOCK; i++)
        sum += b.bytes[i];
    snprintf((char *)b.bytes + 148, 8, "%06o", sum & 0777777);
    hostile_put(h->name, b.bytes, b.size);
    free(b.bytes);
}

/* In both headers of a zip's entry, from byte `at` of the local one on: `number` bytes of `text`. */
static void zip_field(const hostile *h)
{
    entry(&(hostile){.name = "made.zip", .text = "a/1.png"});
    blob b = read_file("made.zip");
    remove("made.zip");
    uint8_t *central = memmem(b.bytes, b.size, "PK\1\2", 4);
    memcpy(b.bytes + h->at, h->text, (size_t)h->number);
    memcpy(central + 2 + h->at, h->text, (size_t)h->number);
    hostile_put(h->name, b.bytes, b.size);
    free(b.bytes);
}

/* The bytes `text`, `size` of them. */
static void bytes(const hostile *h)
{
    hostile_put(h->name, h->text, (size_t)h->size);
}

#define ENTRY(NAME, TEXT, SAYS)                                                                                        \
    {                                                                                                                  \
        .name = NAME, .make = entry, .status = 3, .says = SAYS, .text = TEXT                                           \
    }
#define OTHER(NAME, TYPE, TO)                                                                                          \
    {                                                                                                                  \
        .name = NAME, .make = other_entry, .status = 3, .says = NAME ": contains no images", .at = TYPE, .text = TO    \
    }
#define BOMBED(NAME, TEXT)                                                                                             \
    {                                                                                                                  \
        .name = NAME, .make = bomb, .status = 3, .says = "unpacks to more than 500 times its size", .text = TEXT       \
    }
#define DAMAGED "the archive is damaged or cut off"

static const hostile archives[] = {
    ENTRY("up.tar", "a/../../escaped.png", "up.tar: entry a/../../escaped.png leads out of the archive"),
    ENTRY("up-first.tar", "../escaped.png", "up-first.tar: entry ../escaped.png leads out of the archive"),
    ENTRY("up-only.tar", "a/..", "up-only.tar: entry a/.. leads out of the archive"),
    ENTRY("up.zip", "../../escaped.png", "up.zip: entry ../../escaped.png leads out of the archive"),
    ENTRY("up.7z", "../../escaped.png", "up.7z: entry ../../escaped.png leads out of the archive"),
    ENTRY("up.tar.bz2", "../../escaped.png", "up.tar.bz2: entry ../../escaped.png leads out of the archive"),
    ENTRY("hidden.tar", ".ssh/escaped.png", "hidden.tar: contains no images"),
    {.name = "dots.tar", .make = entry, .says = "1 image", .text = "a/.//./1.png"},
    {.name = "absolute.tar", .make = absolute, .says = "1 image"},
    ENTRY("backslash.zip", "a\\..\\..\\escaped.png", "leads out of the archive"),
    {.name = "lines.tar",
     .make = tar_field,
     .status = 3,
     .says = "lines.tar: a/two?lines?[2J.png: cannot be decoded: ",
     .text = "a/two\nlines\033[2J.png",
     .number = 100},
    {.name = "longer.tar",
     .make = long_name,
     .size = 5000,
     .status = 3,
     .says = "longer.tar: contains nothing to pack"},
    {.name = "longest.tar", .make = long_name, .size = 900000, .status = 3, .says = "longest.tar"},
    OTHER("symlink.tar", AE_IFLNK, "/etc/passwd"),
    OTHER("hardlink.tar", 0, "/etc/passwd"),
    OTHER("device.tar", AE_IFCHR, NULL),
    OTHER("block.tar", AE_IFBLK, NULL),
    OTHER("pipe.tar", AE_IFIFO, NULL),
    OTHER("symlink.zip", AE_IFLNK, "/etc/passwd"),
#define LOST "1 links that lead out of their archive, to nothing or in a circle are left out; the first one is lost"
    {.name = "links.tar",
     .make = linked,
     .size = 2000,
     .at = 2000,
     .status = 3,
     .says = "links.tar: its 2000 links lead to more than 16 times as many files as it holds"},
    {.name = "links.tar.gz",
     .make = linked,
     .size = 3000,
     .at = 3000,
     .status = 3,
     .says = "links.tar.gz: its 3000 links lead to more than 16 times as many files as it holds"},
    {.name = "links.zip",
     .make = linked,
     .size = 2000,
     .at = 2000,
     .status = 3,
     .says = "links.zip: its 2000 links lead to more than 16 times"},
    {.name = "linked-pictures.tar", .make = linked, .size = 20, .at = 100, .kind = "pictures", .says = "2020 images"},
    {.name = "chain.tar", .make = chain, .size = 5000, .says = "1 image"},
    {.name = "lost.tar", .make = lost, .words = {"pack", "%"}, .from = "lost", .text = "/etc", .says = LOST},
    {.name = "lost-up.zip", .make = lost, .from = "lost", .text = "../../etc", .says = LOST},
    {.name = "lost-self.7z", .make = lost, .from = "lost", .text = "lost", .says = LOST},
    {.name = "lost-name.tar",
     .make = lost,
     .from = "lost\033[2J",
     .text = "nowhere",
     .says = "the first one is lost-name.tar: lost?[2J"},
    {.name = "nested.tar",
     .make = nested,
     .size = 5,
     .status = 3,
     .says = "archives nested more than 4 deep are not read"},
    {.name = "nested.tar.gz",
     .make = nested,
     .size = 5,
     .status = 3,
     .says = "archives nested more than 4 deep are not read"},
    {.name = "nested.zip",
     .make = nested,
     .size = 5,
     .status = 3,
     .says = "archives nested more than 4 deep are not read"},
    BOMBED("bomb-images-idx3-ubyte.gz", "data"),
    BOMBED("bomb-images-idx3-ubyte.bz2", "data"),
    BOMBED("bomb-images-idx3-ubyte.xz", "data"),
    BOMBED("bomb-images-idx3-ubyte.zst", "data"),
    BOMBED("bomb.tar.gz", "data_batch_1.bin"),
    BOMBED("bomb.tar.bz2", "data_batch_1.bin"),
    BOMBED("bomb.tar.zst", "data_batch_1.bin"),
    BOMBED("bomb.zip", "data_batch_1.bin"),
    BOMBED("bomb.7z", "data_batch_1.bin"),
    BOMBED("skipped.tar.gz", ".hidden/data_batch_1.bin"),
    {.name = "many.tar.gz", .make = many, .size = 20000, .status = 3, .says = "many.tar.gz: contains no images"},
    {.name = "size.tar", .make = tar_field, .status = 3, .says = DAMAGED, .at = 124, .text = "77777777777"},
    {.name = "negative.tar",
     .make = tar_field,
     .status = 3,
     .says = DAMAGED,
     .at = 124,
     .text = "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"},
    {.name = "size64.tar",
     .make = tar_field,
     .status = 3,
     .says = DAMAGED,
     .at = 124,
     .text = "\x80\x01\x01\x01\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"},
    {.name = "checksum.tar", .make = tar_field, .status = 3, .says = DAMAGED, .at = 0, .text = "a", .kind = "wrong"},
    {.name = "type.tar", .make = tar_field, .status = 3, .says = "type.tar: ", .at = 156, .text = "L"},
    {.name = "pax.tar", .make = tar_field, .status = 3, .says = "pax.tar: ", .at = 156, .text = "x"},
    {.name = "sparse.tar", .make = tar_field, .says = "1 image", .at = 156, .text = "S"},
    {.name = "method.zip", .make = zip_field, .status = 3, .says = DAMAGED, .at = 8, .text = "\x61", .number = 1},
    {.name = "encrypted.zip",
     .make = zip_field,
     .status = 3,
     .says = "encrypted.zip",
     .at = 6,
     .text = "\x01",
     .number = 1},
    {.name = "crc.zip", .make = zip_field, .status = 3, .says = DAMAGED, .at = 14, .text = "\x01\x02", .number = 2},
    {.name = "size.zip",
     .make = zip_field,
     .status = 3,
     .says = DAMAGED,
     .at = 18,
     .text = "\xFF\xFF\xFF\x7F\xFF\xFF\xFF\x7F",
     .number = 8},
    {.name = "small.zip",
     .make = zip_field,
     .status = 3,
     .says = "small.zip",
     .at = 18,
     .text = "\1\0\0\0\1\0\0\0",
     .number = 8},
    {.name = "name.zip", .make = zip_field, .status = 3, .says = "name.zip", .at = 26, .text = "\xFF\xFF", .number = 2},
    {.name = "zeros.tar",
     .make = bytes,
     .status = 3,
     .says = "zeros.tar: ",
     .text = (const char[2 * BLOCK]){0},
     .size = 2 * BLOCK},
    {.name = "text.tar", .make = bytes, .status = 3, .says = "text.tar: ", .text = "not an archive", .size = 14},
    {.name = "magic.zip", .make = bytes, .status = 3, .says = "magic.zip: ", .text = "PK\3\4", .size = 4},
    {.name = "magic.gz", .make = bytes, .status = 3, .says = DAMAGED, .text = "\x1F\x8B\x08", .size = 3},
    {.name = "magic.bz2", .make = bytes, .status = 3, .says = DAMAGED, .text = "BZh", .size = 3},
    {.name = "magic.xz",
     .make = bytes,
     .status = 3,
     .says = DAMAGED,
     .text = "\xFD"
             "7zXZ\0",
     .size = 6},
    {.name = "magic.zst", .make = bytes, .status = 3, .says = DAMAGED, .text = "\x28\xB5\x2F\xFD", .size = 4},
    {.name = "magic.lz4", .make = bytes, .status = 3, .says = DAMAGED, .text = "\x04\x22\x4D\x18", .size = 4},
    {.name = "magic.7z", .make = bytes, .status = 3, .says = DAMAGED, .text = "7z\xBC\xAF\x27\x1C", .size = 6},
    {.name = "empty.zip", .make = bytes, .status = 3, .says = "empty.zip: is empty", .text = "", .size = 0},
};

void hostile_archives(void **state)
{
    (void)state;
    hostile_run(archives, sizeof archives / sizeof *archives, (const char *const[]){"pack", "%", NULL});
}

/* ---- every format, damaged in the same ways ---------------------------------------------------------------------- */

enum { IMAGES = 40, IDX = 16 + IMAGES * 28 * 28 };

/* A good archive or compressed file, as its name says. */
static blob good(const char *name)
{
    const struct ending *e = ending_of(name);
    struct archive *a = begin(name);
    if (e->format == ARCHIVE_FORMAT_RAW) {
        uint8_t idx[IDX] = {0, 0, 8, 3, 0, 0, 0, IMAGES, 0, 0, 0, 28, 0, 0, 0, 28};
        for (unsigned i = 16, x = 1; i < IDX; i++, x = x * 1664525 + 1013904223)
            idx[i] = (uint8_t)(x >> 24);
        add_entry(a, "data", idx, IDX);
    } else {
        blob png = picture();
        add_entry(a, "a/1.png", png.bytes, png.size);
        add_entry(a, "b/2.png", png.bytes, png.size);
        free(png.bytes);
    }
    end_archive(a);
    return read_file(name);
}

/* Damages a good one as `kind` says. */
static void damaged(const hostile *h)
{
    enum { BEHIND = 600 };
    blob b = good(h->name);
    b.bytes = px_realloc(b.bytes, 2 * b.size + BEHIND);
    size_t size = b.size;
    if (strcmp(h->kind, "cut") == 0)
        size = size * 6 / 10;
    else if (strcmp(h->kind, "shorter") == 0)
        size -= 3;
    else if (strcmp(h->kind, "between") == 0) /* all entries are there, but not the list of them */
        size = (size_t)((uint8_t *)memmem(b.bytes, size, "PK\1\2", 4) - b.bytes);
    else if (strcmp(h->kind, "head") == 0)
        size = 20;
    else if (strcmp(h->kind, "bit") == 0)
        b.bytes[size / 2] ^= 4;
    else if (strcmp(h->kind, "early-bit") == 0)
        b.bytes[40] ^= 4;
    else if (strcmp(h->kind, "checksum") == 0)
        b.bytes[size - 3] ^= 4;
    else if (strcmp(h->kind, "garbage") == 0)
        memset(b.bytes + size, 'g', BEHIND), size += BEHIND;
    else if (strcmp(h->kind, "twice") == 0)
        memcpy(b.bytes + size, b.bytes, size), size *= 2;
    hostile_put(h->name, b.bytes, size);
    free(b.bytes);
}

static const struct damage_case {
    const char *endings, *kinds;
    int status;
    const char *says;
} damages[] = {
    {"tar tar.gz tar.bz2 tar.xz tar.zst tar.lz4 tar.lzma zip 7z", "none", 0, "2 images"},
    {"tar.gz tar.bz2 tar.xz tar.zst tar.lz4 tar.lzma 7z", "cut head", 3, DAMAGED},
    {"tar zip", "cut head bit", 3, "pack: in."},
    {"tar.gz tar.bz2 tar.xz tar.zst tar.lz4 tar.lzma 7z", "bit", 3,
     "pack: in."}, /* or the picture's checksum is wrong */
    {"tar.gz tar.bz2 tar.xz tar.zst tar.lz4 7z", "shorter", 3, DAMAGED},
    {"tar.gz tar.bz2 tar.xz tar.lz4 7z", "checksum", 3, DAMAGED}, /* libarchive writes zstd without one */
    {"tar.gz tar.bz2 tar.xz tar.zst tar.lz4 tar.lzma", "garbage", 3, DAMAGED},
    {"tar.gz tar.bz2 tar.xz tar.zst tar.lz4 tar.lzma", "early-bit", 3, "pack: in."},
    {"tar.gz tar.bz2 tar.xz tar.zst tar.lz4", "twice", 0, "2 images"},
    {"tar.lzma lzma", "twice", 3, "lzma: other bytes follow the compressed ones"},
    {"zip", "between shorter checksum", 3, "pack: in."},
    {"zip", "garbage", 0, "2 images"}, /* zips have comments and other things at their ends */
    {"gz bz2 xz zst lz4 lzma", "none", 0, "40 images"},
    {"gz bz2 xz zst lz4 lzma", "cut head", 3, DAMAGED},
    {"gz bz2 xz lz4", "bit shorter checksum early-bit", 3, DAMAGED},
    {"gz bz2 xz zst lz4 lzma", "garbage", 3, DAMAGED},
    {"gz bz2 xz zst lz4", "twice", 3, "its header announces"},
};

void hostile_archive_damage(void **state)
{
    (void)state;
    hostile_rows rows = {0};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const struct damage_case *c = &damages[i];
        char ending[HOSTILE_KIND], kind[HOSTILE_KIND];
        for (const char *left = c->endings; hostile_next(&left, ending);)
            for (const char *rest = c->kinds; hostile_next(&rest, kind);) {
                hostile *h = hostile_add(&rows);
                bool single = !strchr(ending, '.') && strcmp(ending, "tar") != 0 && strcmp(ending, "zip") != 0 &&
                              strcmp(ending, "7z") != 0;
                *h = (hostile){.make = damaged, .status = c->status, .says = c->says};
                snprintf(h->name, sizeof h->name, single ? "in-%s-images-idx3-ubyte.%s" : "in.%s.%s", kind, ending);
                strcpy(h->kind, kind);
            }
    }
    hostile_run_made(&rows, (const char *const[]){"pack", "%", NULL});
}
