/* test_save.c - a file is replaced as a whole, or stays; one of another kind is not replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/save.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/pretext-save-XXXXXX", path[64];

static void holds(const char *expected)
{
    char got[32] = "";
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(got, 1, sizeof got - 1, f);
    fclose(f);
    assert_int_equal(size, strlen(expected));
    assert_string_equal(got, expected);
}

static int files(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void whole_or_as_it_was(void **state)
{
    (void)state;
    assert_int_equal(px_save(path, "one", 3), 0);
    holds("one");
    assert_int_equal(px_save(path, "second", 6), 0);
    holds("second");
    assert_int_equal(files(), 1);

    char *partial = px_partial_name(path);
    assert_int_equal(mkdir(partial, 0700), 0); /* where the new file would be written */
    assert_int_equal(px_save(path, "third", 5), -1);
    holds("second");
    assert_int_equal(rmdir(partial), 0);
    free(partial);

    assert_int_equal(px_save("/tmp/pretext-save-no-such-folder/x", "", 0), -1);
    assert_non_null(strstr(px_error(), "/x: cannot be written: No such file or directory"));
}

static void another_kind_stays(void **state)
{
    (void)state;
    unlink(path);
    assert_int_equal(px_save_replaceable(path, "<!DOCTYPE", 9, "a page"), 0); /* nothing is there */
    assert_int_equal(px_save(path, "", 0), 0);
    assert_int_equal(px_save_replaceable(path, "<!DOCTYPE", 9, "a page"), 0); /* empty */
    assert_int_equal(px_save(path, "<!DOCTYPE html>", 15), 0);
    assert_int_equal(px_save_replaceable(path, "<!DOCTYPE", 9, "a page"), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(px_save(path, i ? "<!DOC" : "my own notes", i ? 5 : 12), 0);
        assert_int_equal(px_save_replaceable(path, "<!DOCTYPE", 9, "a page"), -1);
        assert_int_equal(px_error_status(), PX_USAGE);
        assert_non_null(strstr(px_error(), "is not a page, so it is not replaced"));
    }
    assert_int_equal(px_save_replaceable(folder, "<!DOCTYPE", 9, "a page"), -1);
    assert_int_equal(px_save_replaceable("/tmp/pretext-save-no-such-folder/x", "", 0, "a page"), -1);
    assert_int_equal(px_error_status(), PX_FAIL);
    assert_non_null(strstr(px_error(), "/x: cannot be written: its folder is not there"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_or_as_it_was),
        cmocka_unit_test(another_kind_stays),
    };
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/file", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed | rmdir(folder);
}
