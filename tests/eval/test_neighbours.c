/* test_neighbours.c - the pictures that k-NN keeps of some test images and of the training images nearest to each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../cli/make_set.h"
#include "../data/make_data.h"
#include "eval/knn.h"

/* An extraction of one layer around made-up rows. */
static px_extraction made_up(float *x, int32_t *label, int64_t count, int width)
{
    return (px_extraction){
        .count = count, .rows = count, .label = label, .layers = 1, .layer = {{.width = width, .whole = true, .x = x}}};
}

enum { IMAGES = 16, SIDE = 8, CLASSES = 4, QUERIES = 2, KEPT = 8 };

/* A picture in a file of results against an image of the data set. */
static void check_picture(const double *kept, const px_dataset *data, int64_t row)
{
    px_image image = {0};
    assert_int_equal(px_dataset_read(data, row, &image), 0);
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        assert_true(fabs(kept[i] - image.pixels[i]) <= 1);
    px_image_finish(&image);
}

/* The features are a number per image, so that each test image is next to the training images of its class. */
static void keeps_pictures(void **state)
{
    (void)state;
    char *folder = make_folder(), *file = px_format("%s/run.h5", folder),
         *path =
             make_set(folder, "d.h5", &(set_spec){.count = IMAGES, .side = SIDE, .channels = 3, .classes = CLASSES});
    px_dataset *data;
    assert_int_equal(px_dataset_open(&data, path, PX_LINKS_REFUSED), 0);
    const px_split *train = px_dataset_split(data, "train"), *test = px_dataset_split(data, "test");
    float x[2][IMAGES][2];
    int32_t label[2][IMAGES];
    for (int s = 0; s < 2; s++)
        for (int64_t i = 0; i < (s ? test : train)->count; i++) {
            label[s][i] = px_dataset_label(data, (s ? test : train)->index[i]);
            x[s][i][0] = cosf((float)label[s][i]);
            x[s][i][1] = sinf((float)label[s][i]);
        }
    px_extraction of_train = made_up(x[0][0], label[0], train->count, 2),
                  of_test = made_up(x[1][0], label[1], test->count, 2);
    px_comm self = px_comm_self();
    px_log quiet = px_log_make(stderr, true);
    px_task task = {.image_size = SIDE, .channels = 3, .mean = (float[]){9, 9, 9}, .std = (float[]){1, 1, 1}};
    px_extract_spec from = {.task = &task, .data = data, .workers = 1, .comm = &self, .log = &quiet};
    px_trial t = {.group = "/eval/knn/x",
                  .train = &of_train,
                  .test = &of_test,
                  .source = {.from = &from, .train = *train, .test = *test},
                  .comm = &self,
                  .log = &quiet};
    assert_int_equal(px_results_open(&t.results, file, PX_RESULTS_APPEND), 0);
    px_features rows_of[] = {px_extraction_features(&of_train, 0, CLASSES),
                             px_extraction_features(&of_test, 0, CLASSES)};
    px_knn_cfg cfg = {.k = {1, {1}}, .temperature = 1, .neighbours = px_neighbours_wanted(&t, QUERIES)};
    px_knn_result r;
    assert_int_equal(px_knn(&cfg, &rows_of[0], &rows_of[1], &self, &quiet, &r), 0);
    assert_int_equal(px_neighbours_keep(&t, &r.shown), 0);
    px_neighbours_finish(&r.shown);
    double *pixels, *labels, *rows, *similarity;
    int rank;
    int64_t dim[4];
    assert_int_equal(px_results_get(t.results, "/eval/knn/x/neighbours/pictures", &pixels, &rank, dim), 0);
    assert_memory_equal(dim, ((int64_t[]){QUERIES * (1 + KEPT), SIDE, SIDE, 3}), sizeof dim);
    assert_int_equal(px_results_get(t.results, "/eval/knn/x/neighbours/labels", &labels, &rank, dim), 0);
    assert_memory_equal(dim, ((int64_t[]){QUERIES, 1 + KEPT, 1, 1}), sizeof dim);
    assert_int_equal(px_results_get(t.results, "/eval/knn/x/neighbours/rows", &rows, &rank, dim), 0);
    assert_int_equal(px_results_get(t.results, "/eval/knn/x/neighbours/similarity", &similarity, &rank, dim), 0);
    assert_memory_equal(dim, ((int64_t[]){QUERIES, KEPT, 1, 1}), sizeof dim);
    for (int i = 0; i < QUERIES * (1 + KEPT); i++) {
        assert_true(labels[i] == px_dataset_label(data, (int64_t)rows[i]));
        check_picture(pixels + (size_t)i * SIDE * SIDE * 3, data, (int64_t)rows[i]);
    }
    for (int q = 0; q < QUERIES; q++) {
        const double *own = rows + (ptrdiff_t)q * (1 + KEPT);
        assert_true(own[0] >= 12); /* the last quarter is the test */
        for (int j = 1; j <= 3; j++)
            assert_true(labels[q * (1 + KEPT) + j] == labels[q * (1 + KEPT)] && own[j] < 12);
        assert_true(own[1] < own[2] && fabs(similarity[q * KEPT] - 1) < 1e-6);
    }
    free(similarity);
    free(rows);
    free(labels);
    free(pixels);

    /* Nothing is wanted of a baseline, of a second repeat, and of images that are no pictures. */
    for (int i = 0; i < 4; i++) {
        px_trial other = t;
        other.baseline = i == 0;
        other.seed = i == 1;
        task.channels = i == 2 ? 4 : 3;
        assert_int_equal(px_neighbours_wanted(&other, QUERIES), i < 3 ? 0 : QUERIES);
    }

    /* What was kept before goes with the numbers that are measured again. */
    assert_int_equal(px_neighbours_keep(&t, &(px_neighbours){0}), 0);
    assert_false(px_results_has(t.results, "/eval/knn/x/neighbours"));
    assert_int_equal(px_results_close(t.results), 0);
    px_dataset_close(data);
    remove_folder(folder);
    free(path);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
