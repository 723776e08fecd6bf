/* synthetic_run.h - a small run.h5 with every kind of result, in a temporary folder. */
#ifndef PX_TESTS_SYNTHETIC_RUN_H
#define PX_TESTS_SYNTHETIC_RUN_H

#include "base/error.h"
#include "results/results.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SYNTHETIC_STEPS = 300, SYNTHETIC_CLASSES = 3, SYNTHETIC_POINTS = 60 };

static inline int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info, (void)type, (void)ftw;
    return remove(path);
}

static inline int remove_tree(const char *folder)
{
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Creates "TMPDIR/pretext-report-XXXXXX"; a new string. */
static inline char *make_test_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *folder = px_format("%s/pretext-report-XXXXXX", base ? base : "/tmp");
    return mkdtemp(folder) ? folder : NULL;
}

static inline int put_evaluation(px_results *r, const char *subject, double top1, const double *per_class)
{
    static const char *const leaf[] = {"top1", "per_class", "test_top1", "confusion"};
    double epochs[12];
    int32_t confusion[SYNTHETIC_CLASSES * SYNTHETIC_CLASSES];
    for (int i = 0; i < 12; i++)
        epochs[i] = top1 * (1 - exp(-i));
    for (int i = 0; i < SYNTHETIC_CLASSES; i++)
        for (int j = 0; j < SYNTHETIC_CLASSES; j++)
            confusion[i * SYNTHETIC_CLASSES + j] = i == j ? (int)(100 * per_class[i]) : (int)(50 * (1 - per_class[i]));
    int bad = 0;
    for (int k = 0; k < 4; k++) {
        char *path = px_format("/eval/linear/%s/%s", subject, leaf[k]);
        int64_t classes[] = {SYNTHETIC_CLASSES, SYNTHETIC_CLASSES}, rounds[] = {12};
        if (k == 0)
            bad |= px_results_put(r, path, PX_F64, 0, NULL, &top1);
        else if (k == 1)
            bad |= px_results_put(r, path, PX_F64, 1, classes, per_class);
        else if (k == 2)
            bad |= px_results_put(r, path, PX_F64, 1, rounds, epochs);
        else
            bad |= px_results_put(r, path, PX_I32, 2, classes, confusion);
        free(path);
    }
    return bad;
}

/* Accuracy by layer of a backbone of that many stages. */
static inline int put_layers(px_results *r, const char *subject, double top1, int stages)
{
    static const char *const names[] = {"layer1", "layer2", "it's `touch pwned`", "layer4", "layer5"};
    double by_layer[5];
    for (int i = 0; i < stages; i++)
        by_layer[i] = top1 - 0.1 * (i - 2) * (i - 2);
    char *name = px_format("/eval/linear/%s/layers/names", subject),
         *values = px_format("/eval/linear/%s/layers/top1", subject);
    int bad = px_results_put_texts(r, name, names, stages) |
              px_results_put(r, values, PX_F64, 1, &(int64_t){stages}, by_layer);
    free(name);
    free(values);
    return bad;
}

/* Eigenvalues 1, ratio, ratio^2, ... of four directions, and one of rounding error. */
static inline int put_spectrum(px_results *r, const char *subject, double ratio)
{
    double value[5] = {1, ratio, ratio * ratio, ratio * ratio * ratio, 1e-15}, rank = 1 / (1 - ratio);
    char *values = px_format("/eval/spectrum/%s/eigenvalues", subject),
         *number = px_format("/eval/spectrum/%s/rankme", subject);
    int bad =
        px_results_put(r, values, PX_F64, 1, (int64_t[]){5}, value) | px_results_put(r, number, PX_F64, 0, NULL, &rank);
    free(values);
    free(number);
    return bad;
}

/* Two test images of SIDE pixels with three neighbours each, of the classes 0 and 2, in the group of an evaluation. */
enum { SYNTHETIC_SIDE = 4 };
static inline int put_neighbours(px_results *r, const char *evaluation, int channels)
{
    static const int32_t labels[2][4] = {{0, 0, 1, 0}, {2, 1, 1, 2}};
    uint8_t pixels[2 * 4 * SYNTHETIC_SIDE * SYNTHETIC_SIDE * 4];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(37 * i);
    char *images = px_format("%s/neighbours/pictures", evaluation), *of = px_format("%s/neighbours/labels", evaluation);
    int bad = px_results_put(r, images, PX_U8, 4, (int64_t[]){8, SYNTHETIC_SIDE, SYNTHETIC_SIDE, channels}, pixels) |
              px_results_put(r, of, PX_I32, 2, (int64_t[]){2, 4}, labels);
    free(images);
    free(of);
    return bad;
}

/* Writes FOLDER/run.h5; with `evaluated`, also everything that eval/ writes. The class names try to break out of a
 * script. */
static inline int write_synthetic_run(const char *folder, bool evaluated)
{
    static const char *const series[] = {"loss", "lr", "epoch", "grad_norm"};
    static const char *const classes[] = {"it's \"quoted\" `touch pwned`", "under_score {a^2}", "Knöchel\\nstiefel"};
    char *path = px_format("%s/run.h5", folder);
    px_results *r;
    int bad = px_results_open(&r, path, PX_RESULTS_APPEND);
    free(path);
    if (bad)
        return -1;
    bad |= px_results_put_text(r, "/config",
                               "method = \"simclr\";\nepochs = 3;\noptim = { lr = 0.3; steps = [1.5, 2.0]; };\n");
    bad |= px_results_attribute_text(r, "/provenance", "version", "0.1.0");
    bad |= px_results_series(r, "/train", series, 4);
    for (int i = 0; i < SYNTHETIC_STEPS; i++) {
        double x = (double)i / SYNTHETIC_STEPS, loss = i == 200 ? NAN : 5 * exp(-3 * x) + 0.1 * sin(40 * x);
        bad |= px_results_row(r, "/train", i, series, (double[]){loss, 0.3 * (1 - x), 3 * x, 1 + x}, 4);
    }
    if (evaluated) {
        float xy[SYNTHETIC_POINTS][2];
        int32_t label[SYNTHETIC_POINTS];
        for (int i = 0; i < SYNTHETIC_POINTS; i++) {
            label[i] = i % 4 - 1; /* one in four has none */
            xy[i][0] = (float)(label[i] + sin(i)), xy[i][1] = (float)cos(3 * i);
        }
        bad |= px_results_put(r, "/eval/knn/pretrained/k", PX_I32, 1, (int64_t[]){2}, (int32_t[]){10, 20});
        bad |= px_results_put(r, "/eval/knn/pretrained/top1", PX_F64, 1, (int64_t[]){2}, (double[]){0.7, 0.75});
        bad |= px_results_put_texts(r, "/eval/linear/class_names", classes, SYNTHETIC_CLASSES);
        bad |= put_evaluation(r, "pretrained", 0.9, (double[]){0.95, 0.85, 0.9});
        bad |= put_evaluation(r, "untrained", 0.6, (double[]){0.5, 0.6, 0.7});
        bad |= put_layers(r, "pretrained", 0.9, 4);
        bad |= put_layers(r, "untrained", 0.6, 4);
        bad |= put_spectrum(r, "pretrained", 0.5) | put_spectrum(r, "untrained", 0.1);
        bad |= px_results_put(r, "/eval/embedding/xy", PX_F32, 2, (int64_t[]){SYNTHETIC_POINTS, 2}, xy);
        bad |= px_results_put(r, "/eval/embedding/label", PX_I32, 1, (int64_t[]){SYNTHETIC_POINTS}, label);
        bad |= px_results_put_texts(r, "/eval/embedding/class_names", classes, SYNTHETIC_CLASSES);
    }
    return px_results_close(r) | bad;
}

#endif
