/* test_pack.c - pretext pack as a user calls it: the table on standard output, one line and the right status for
 * each failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40};
static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 1, 0};

static char *put(const char *folder, const char *name, const void *bytes, size_t size)
{
    char *path = px_format("%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
    return path;
}

static void packs_and_says_what(void **state)
{
    (void)state;
    char *folder = run_folder_create(), *out = px_format("out=%s/d.h5", folder);
    char *one = put(folder, "train-images-idx3-ubyte", images, sizeof images);
    char *two = put(folder, "train-labels-idx1-ubyte", labels, sizeof labels);
    run_result r = RUN("pack", one, two, out, "class_names=cat,dog");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "d.h5: 2 images, 1 x 2, gray, 2 classes"));
    assert_non_null(strstr(r.out, "\ndog "));
    assert_null(strstr(r.err, "packed")); /* what takes no time needs no word on progress */
    assert_int_equal(access(strchr(out, '/'), R_OK), 0);
    run_finish(&r);
    run_folder_remove(folder);
    free(out);
    free(one);
    free(two);
}

static void failures(void **state)
{
    (void)state;
    char *folder = run_folder_create(), *out = px_format("out=%s/d.h5", folder),
         *nowhere = px_format("out=%s/x/d.h5", folder);
    char *good = put(folder, "train-images-idx3-ubyte", images, sizeof images);
    char *cut = put(folder, "test-images-idx3-ubyte", images, sizeof images - 3);
    char *label = put(folder, "train-labels-idx1-ubyte", labels, sizeof labels);
    const struct {
        const char *source, *out, *option;
        int status;
        const char *says;
    } cases[] = {{"missing.tar", out, "channels=0", 3, "missing.tar: cannot be opened: No such file or directory"},
                 {cut, out, "channels=0", 3, "test-images-idx3-ubyte: is truncated"},
                 {label, out, "channels=0", 3, "contains no images"},
                 {good, out, "channels=7", 2, "channels"},
                 {good, out, "store=tight", 2, "store"},
                 {good, out, "class_name=a", 2, "class_names"},
                 {good, nowhere, "channels=0", 1, "cannot be written: No such file or directory"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = RUN("pack", cases[i].source, cases[i].out, cases[i].option);
        const char *line = strstr(r.err, "pretext pack: ");
        assert_int_equal(r.status, cases[i].status);
        assert_string_equal(r.out, "");
        assert_non_null(line);
        assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1); /* one line, the last */
        if (!strstr(line, cases[i].says))
            fail_msg("'%s' does not say '%s'", line, cases[i].says);
        assert_int_equal(access(strchr(out, '/'), F_OK), -1);
        run_finish(&r);
    }
    run_folder_remove(folder);
    free(out);
    free(nowhere);
    free(good);
    free(cut);
    free(label);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(packs_and_says_what), cmocka_unit_test(failures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
