/* test_hog.c - histograms of oriented gradients against scikit-image's, and MaskFeat's against PyTorch's formulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/hog.h"
#include "hog_fixtures.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 3 * 32 * 32 };

/* make_hog_fixtures.py fills its image by the same formula. */
static px_plane scene(float *data, int channels, int side)
{
    for (int c = 0; c < channels; c++)
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
                data[(c * side + y) * side + x] =
                    (float)((37 * y * y + 13 * x * y + 29 * x + 101 * c * (x + 2) + 64 * y) % 256) / 255;
    return (px_plane){data, channels, side};
}

static void same(const float *got, const float *expected, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - expected[i]) <= 2e-6))
            fail_msg("%zu: %.7f, expected %.7f", i, (double)got[i], (double)expected[i]);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void check_describe(int channels, int side, int cell, const float *expected, size_t count)
{
    float data[MOST], out[1000];
    px_scratch scratch = {0};
    px_plane p = scene(data, channels, side);
    px_hog h = {.cell = cell, .orientations = 9};
    assert_int_equal(px_hog_width(&h, side), count);
    px_hog_describe(&h, &p, out, &scratch);
    same(out, expected, count);
    px_scratch_finish(&scratch);
}

static void descriptors_are_those_of_scikit_image(void **state)
{
    (void)state;
    check_describe(3, 32, 8, hog_rgb_32_8, COUNT(hog_rgb_32_8));
    check_describe(1, 28, 7, hog_gray_28_7, COUNT(hog_gray_28_7));
    check_describe(2, 19, 6, hog_two_19_6, COUNT(hog_two_19_6)); /* a pixel is left over */
}

static void a_flat_image_has_no_edges(void **state)
{
    (void)state;
    float data[16 * 16] = {0}, out[36];
    px_scratch scratch = {0};
    px_plane p = {data, 1, 16};
    px_hog h = {.cell = 8, .orientations = 9};
    px_hog_describe(&h, &p, out, &scratch);
    for (int i = 0; i < 36; i++)
        assert_true(out[i] == 0);
    px_scratch_finish(&scratch);
}

static void histograms_of_maskfeat(void **state)
{
    (void)state;
    float data[MOST], out[4 * 4 * 3 * 9];
    px_plane p = scene(data, 3, 16);
    px_hog h = {.cell = 4, .orientations = 9};
    assert_int_equal(COUNT(out), COUNT(maskfeat_rgb_16_4));
    px_hog_by_channel(&h, &p, out);
    same(out, maskfeat_rgb_16_4, COUNT(out));
    for (int i = 0; i < 16 * 16; i++) /* a channel's numbers do not matter: histograms have length 1 */
        data[i] = data[i] / 3 - 7;
    px_hog_by_channel(&h, &p, out);
    same(out, maskfeat_rgb_16_4, COUNT(out));
}

static void cells_cut_the_image(void **state)
{
    (void)state;
    static const int sides[][2] = {{224, 8}, {96, 8}, {64, 8}, {32, 8}, {28, 7}, {30, 6},
                                   {31, 6},  {16, 8}, {15, 7}, {4, 2},  {2, 1}};
    for (size_t i = 0; i < COUNT(sides); i++)
        assert_int_equal(px_hog_cell_for(sides[i][0]), sides[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(descriptors_are_those_of_scikit_image),
                                       cmocka_unit_test(a_flat_image_has_no_edges),
                                       cmocka_unit_test(histograms_of_maskfeat), cmocka_unit_test(cells_cut_the_image)};
    return cmocka_run_group_tests_name("hog", tests, NULL, NULL);
}
