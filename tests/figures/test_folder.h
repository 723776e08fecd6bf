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

/* A file's content as a text. A new string. */
static inline char *read_all(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    char *text = px_calloc((size_t)size + 1, 1);
    rewind(f);
    assert_int_equal(fread(text, 1, (size_t)size, f), size);
    fclose(f);
    return text;
}

#endif
