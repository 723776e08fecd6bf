/* test_compressed.c - gzip's checksum and length are verified, for a single file and for a tar in it; several members and a
 * tape's padding are no damage, other bytes after the end are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "data/source.h"
#include "make_data.h"

enum { TRAILER = 8, SIZE = 3000 }; /* a member ends with its checksum and its length, four bytes each */

typedef struct seen {
    int entries;
    size_t bytes;
} seen;

static int visit(void *context, const px_entry *entry)
{
    seen *s = context;
    s->entries++;
    s->bytes += entry->size;
    return 0;
}

static void expect(const char *path, const char *why, size_t bytes)
{
    seen s = {0};
    int status = px_source_walk(path, visit, &s);
    if (!why && (status != 0 || s.entries != 1 || s.bytes != bytes))
        fail_msg("%d, %d entries, %zu bytes; %s", status, s.entries, s.bytes, status ? px_error() : "");
    if (why && (status == 0 || px_error_status() != PX_DATA || !strstr(px_error(), why)))
        fail_msg("'%s' is expected, not '%s'", why, status ? px_error() : "success");
}

/* A single file, or a tar of one. */
static blob compressed(const char *folder, bool tar)
{
    uint8_t noise[SIZE];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * i * 31 + i / 7 * 13);
    char *path;
    if (tar) {
        path = px_format("%s/made.tar.gz", folder);
        struct archive *a = begin_archive(path, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP);
        add_entry(a, "noise", noise, sizeof noise);
        end_archive(a);
    } else {
        path = write_compressed(folder, "made.gz", ARCHIVE_FILTER_GZIP, noise, sizeof noise);
    }
    blob b = read_file(path);
    free(path);
    return b;
}

static void is_verified(void **state)
{
    static const struct {
        size_t at; /* from the end */
        const char *why;
    } flips[] = {{TRAILER, "gzip: incorrect data check"},
                 {TRAILER / 2, "gzip: incorrect length check"},
                 {1, "gzip: incorrect length check"}};
    for (int tar = 0; tar < 2; tar++) {
        blob b = compressed(*state, tar);
        const char *name = tar ? "x.tar.gz" : "x.gz";
        char *path = write_file(*state, name, b.bytes, b.size);
        expect(path, NULL, SIZE);
        for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
            b.bytes[b.size - flips[i].at] ^= 0x10;
            free(write_file(*state, name, b.bytes, b.size));
            expect(path, flips[i].why, 0);
            b.bytes[b.size - flips[i].at] ^= 0x10;
        }
        for (size_t cut = 1; cut < b.size; cut += b.size / 9) {
            free(write_file(*state, name, b.bytes, b.size - cut));
            expect(path, "the archive is damaged or cut off: ", 0);
        }
        free(path);
        free(b.bytes);
    }
}

static void what_may_follow(void **state)
{
    blob b = compressed(*state, false);
    uint8_t *twice = px_calloc(3, b.size);
    memcpy(twice, b.bytes, b.size);
    memcpy(twice + b.size, b.bytes, b.size);
    char *path = write_file(*state, "x.gz", twice, 2 * b.size);
    expect(path, NULL, (size_t)2 * SIZE);
    free(write_file(*state, "x.gz", twice, 2 * b.size + 512));
    expect(path, NULL, (size_t)2 * SIZE);
    twice[2 * b.size + 100] = 'x';
    free(write_file(*state, "x.gz", twice, 2 * b.size + 512));
    expect(path, "x.gz: the archive is damaged or cut off: gzip: other bytes follow the compressed ones", 0);
    twice[2 * b.size - 1] ^= 1;
    free(write_file(*state, "x.gz", twice, 2 * b.size));
    expect(path, "gzip: incorrect length check", 0);
    free(twice);
    free(path);
    free(b.bytes);
}

static int setup(void **state)
{
    *state = make_folder();
    return 0;
}

static int teardown(void **state)
{
    remove_folder(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_verified, setup, teardown),
        cmocka_unit_test_setup_teardown(what_may_follow, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
