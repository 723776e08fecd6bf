/* test_hostile.c - the tables of hostile inputs (hostile.h): each ends with one clear line and the right status, within
 * a second and 512 MB, and leaves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hostile.h"
#include "run.h"

#include <stdlib.h>

static int set_up(void **state)
{
    if (!getenv("PRETEXT"))
        skip();
    *state = hostile_begin();
    return 0;
}

/* The last test. At least 300 hostile inputs; a sanitized build runs a part of them. */
static void tables_are_large(void **state)
{
    (void)state;
    print_message("%d hostile inputs\n", hostile_total() / HOSTILE_EVERY);
    assert_true(hostile_total() >= 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_configurations), cmocka_unit_test(hostile_arguments),
        cmocka_unit_test(hostile_binaries),       cmocka_unit_test(hostile_images),
        cmocka_unit_test(hostile_folders),        cmocka_unit_test(hostile_archives),
        cmocka_unit_test(hostile_archive_damage), cmocka_unit_test(hostile_weights),
        cmocka_unit_test(hostile_sets),           cmocka_unit_test(hostile_set_files),
        cmocka_unit_test(hostile_checkpoints),    cmocka_unit_test(hostile_checkpoint_files),
        cmocka_unit_test(hostile_results),        cmocka_unit_test(hostile_outputs),
        cmocka_unit_test(hostile_plugins),        cmocka_unit_test(hostile_pictures),
        cmocka_unit_test(hostile_bombs),          cmocka_unit_test(tables_are_large),
    };
    if (getenv("HOSTILE_TABLE"))
        cmocka_set_test_filter(getenv("HOSTILE_TABLE"));
    return cmocka_run_group_tests_name("hostile", tests, set_up, run_folder_leave);
}
