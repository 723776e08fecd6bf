/* test_folder.h - a temporary folder for each test of a program: `folder`, made by setup and removed with all that is in it by
 * teardown. */
#ifndef PX_TESTS_FIGURES_TEST_FOLDER_H
#define PX_TESTS_FIGURES_TEST_FOLDER_H

#include "synthetic_run.h"

static char *folder;

static int setup(void **state)
{
    (void)state;
    folder = make_test_folder();
    return folder ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    int bad = remove_tree(folder);
    free(folder);
    return bad;
}

#endif
