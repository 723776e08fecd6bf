/* test_series.c - what the log says of the embedding while training goes on: each trouble once, and its end only if it was told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "train/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 24, WIDTH = 4 };

typedef enum views { HEALTHY, NARROW, COLLAPSED, NOT_FINITE } views;

/* Two views of each image: of narrow ones the second is another rotation of all but one feature, of collapsed ones all rows are the
 * same but for traces of one feature. */
static void fill(float *first, float *second, views kind)
{
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < WIDTH; j++) {
            double of_image = sin(1.3 * i + 2.1 * j + 0.7 * i * j), noise = cos(0.9 * i * (j + 1) - 1.7 * j);
            if (kind == COLLAPSED)
                of_image = j == 0 ? 1 + 1e-3 * of_image : 0;
            double share = kind == HEALTHY ? 0.01 : kind == NARROW && j > 0 ? 30 : 0;
            first[i * WIDTH + j] = (float)(of_image + share * noise);
            second[i * WIDTH + j] = (float)(of_image - share * noise);
        }
    if (kind == NOT_FINITE)
        first[0] = NAN;
}

/* What is said of one look at such views; a new string, whose last line has no end. */
static char *look(px_series *r, views kind)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    px_log log = px_log_make(out, false);
    fill(r->session->row[PX_WATCHED_STUDENT], r->session->second, kind);
    px_series_look(r, 6, &log);
    fclose(out);
    return text;
}

static void says(px_series *r, views kind, const char *wanted, const char *also)
{
    char *text = look(r, kind);
    if (wanted ? !strstr(text, wanted) || (also && !strstr(text, also)) : text[0] != '\0')
        fail_msg("'%s' should say: %s", text, wanted ? wanted : "nothing");
    free(text);
}

/* All kinds of looks one after the other, as `each` wants it. */
static void with_series(void (*each)(px_series *))
{
    px_value value = {.shape = PX_SHAPE(ROWS, WIDTH)};
    float first[ROWS * WIDTH], second[ROWS * WIDTH];
    px_model model = {.embedding = {[PX_WATCHED_STUDENT] = &value}, .second = &value};
    px_online_test online = {0};
    const px_session session = {.model = &model, .rows = ROWS, .row = {[PX_WATCHED_STUDENT] = first}, .second = second};
    px_series r;
    assert_int_equal(px_series_list(&r, &session, NULL, &online), 0);
    each(&r);
    px_series_finish(&r);
}

static const char narrows[] = "beyond what augmentation changes", wide[] = "embedding's LiDAR has recovered",
                  collapses[] = "the embedding collapses", recovers[] = "the embedding has recovered";

static void each_once(px_series *r)
{
    says(r, HEALTHY, NULL, NULL);
    says(r, NARROW, narrows, NULL);
    says(r, NARROW, NULL, NULL);
    says(r, HEALTHY, wide, NULL);
    says(r, HEALTHY, NULL, NULL);
    says(r, COLLAPSED, collapses, NULL);
    says(r, COLLAPSED, NULL, NULL);
    says(r, HEALTHY, recovers, NULL);
}

/* What is not known has not recovered. */
static void not_a_number(px_series *r)
{
    says(r, NARROW, narrows, NULL);
    says(r, NOT_FINITE, NULL, NULL);
    says(r, NARROW, NULL, NULL);
    says(r, HEALTHY, wide, NULL);
    says(r, COLLAPSED, collapses, NULL);
    says(r, NOT_FINITE, NULL, NULL);
    says(r, COLLAPSED, NULL, NULL);
    says(r, HEALTHY, recovers, NULL);
}

/* A collapsed embedding is narrow, too, of which nothing is said, so that it is said later, and its end is not told. */
static void behind_a_collapse(px_series *r)
{
    says(r, COLLAPSED, collapses, NULL);
    assert_true(r->views.narrow);
    says(r, NARROW, recovers, narrows);
    says(r, HEALTHY, wide, NULL);
    says(r, COLLAPSED, collapses, NULL);
    char *text = look(r, HEALTHY);
    assert_non_null(strstr(text, recovers));
    assert_null(strstr(text, wide));
    free(text);
}

static void troubles_are_told_once(void **state)
{
    (void)state;
    with_series(each_once);
}

static void the_unknown_has_not_recovered(void **state)
{
    (void)state;
    with_series(not_a_number);
}

static void what_a_collapse_hid_is_told(void **state)
{
    (void)state;
    with_series(behind_a_collapse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(troubles_are_told_once),
        cmocka_unit_test(the_unknown_has_not_recovered),
        cmocka_unit_test(what_a_collapse_hid_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
