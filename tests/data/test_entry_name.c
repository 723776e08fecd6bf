/* test_entry_name.c - names in archives become UTF-8: with zip's flag and without, in the locale "C". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/source.h"
#include "make_data.h"

/* Both headers of the only entry, "caXX/1.txt": its two letters become `bytes`, its flags `flags`. */
static void rename_entry(const char *path, const char bytes[2], uint8_t high_flags)
{
    blob b = read_file(path);
    for (size_t i = 0; i + 4 < b.size; i++) {
        if (memcmp(b.bytes + i, "caXX", 4) == 0)
            memcpy(b.bytes + i + 2, bytes, 2);
        if (memcmp(b.bytes + i, "PK\3\4", 4) == 0)
            b.bytes[i + 7] |= high_flags;
        if (memcmp(b.bytes + i, "PK\1\2", 4) == 0)
            b.bytes[i + 9] |= high_flags;
    }
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(b.bytes, 1, b.size, f), b.size);
    fclose(f);
    free(b.bytes);
}

static int take_name(void *context, const px_entry *entry)
{
    if (entry->bytes)
        snprintf(context, 64, "%s", entry->path);
    return 0;
}

static void names_are_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        uint8_t flags;
        int format;
        const char *name;
    } cases[] = {{"\xC3\xA9", 8, ARCHIVE_FORMAT_ZIP, "ca\xC3\xA9/1.txt"}, /* é, and flagged as UTF-8 */
                 {"\xC3\xA9", 0, ARCHIVE_FORMAT_ZIP, "ca\xC3\xA9/1.txt"}, /* as Info-ZIP on Unix writes it */
                 {"\x82x", 0, ARCHIVE_FORMAT_ZIP, "ca\xC3\xA9x/1.txt"},   /* é in the code page 437 */
                 {"\xE1\xE1", 0, ARCHIVE_FORMAT_ZIP, "ca\xC3\x9F\xC3\x9F/1.txt"}};
    char *folder = make_folder(), *path = px_format("%s/a.zip", folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[64] = "";
        struct archive *a = begin_archive(path, cases[i].format, ARCHIVE_FILTER_NONE);
        add_entry(a, "caXX/1.txt", "text", 4);
        end_archive(a);
        rename_entry(path, cases[i].bytes, cases[i].flags);
        if (px_source_walk(path, take_name, name) != 0)
            fail_msg("%s", px_error());
        assert_string_equal(name, cases[i].name);
    }
    free(path);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_utf8)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
