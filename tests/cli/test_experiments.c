/* test_experiments.c - the program accepts every configuration in experiments/ and its folders: it fails only because the
 * data set does not exist. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "run.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

static void every_configuration_is_taken(void **state)
{
    (void)state;
    const char *folder = getenv("PRETEXT_EXPERIMENTS");
    if (!folder)
        skip();
    char *pattern = px_format("%s/*.cfg", folder), *deeper = px_format("%s/*/*.cfg", folder),
         *out = run_folder_create();
    char *data = px_format("data.path=%s/missing.h5", out), *run = px_format("out=%s/run", out);
    glob_t found;
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(glob(deeper, GLOB_APPEND, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        run_result r = RUN("pretrain", found.gl_pathv[i], data, run);
        if (r.status != 3 || !strstr(r.err, "missing.h5"))
            fail_msg("%s: status %d, %s", found.gl_pathv[i], r.status, r.err);
        run_finish(&r);
    }
    globfree(&found);
    free(run);
    free(data);
    run_folder_remove(out);
    free(pattern);
    free(deeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_configuration_is_taken)};
    return cmocka_run_group_tests_name("experiments", tests, NULL, NULL);
}
