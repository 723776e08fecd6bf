/* samples.c - see samples.h. */
#include "eval/samples.h"

#include "base/error.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

/* Moves every class's held-out rows to the end. They are drawn by (seed, class): at least one and never all of a
 * class. */
static void hold_out(px_samples *p, double holdout, int64_t seed, const int64_t *per_class)
{
    int classes = p->train->classes;
    int64_t *sorted = px_calloc((size_t)p->rows, sizeof(int64_t)),
            *begin = px_calloc((size_t)classes + 1, sizeof(int64_t));
    for (int c = 0; c < classes; c++)
        begin[c + 1] = begin[c] + per_class[c];
    int64_t *next = px_calloc((size_t)classes, sizeof(int64_t));
    for (int64_t i = 0; i < p->rows; i++) {
        int c = p->train->label[p->row[i]];
        sorted[begin[c] + next[c]++] = p->row[i];
    }
    int64_t *held = px_calloc((size_t)p->rows, sizeof(int64_t)), fit = 0, holds = 0;
    for (int c = 0; c < classes; c++) {
        int64_t *of = sorted + begin[c], n = per_class[c], hold = llrint(holdout * (double)n);
        hold = hold < 1 ? 1 : hold;
        hold = hold > n - 1 ? n - 1 : hold;
        px_rng rng = px_rng_make((uint64_t)seed, PX_RNG_HOLDOUT, (uint64_t)c, 0);
        for (int64_t i = 0; i < hold; i++) {
            int64_t j = i + px_rng_below(&rng, (uint32_t)(n - i)), keep = of[j];
            of[j] = of[i];
            held[holds++] = keep;
        }
        for (int64_t i = hold; i < n; i++)
            p->row[fit++] = of[i];
    }
    for (int64_t i = 0; i < holds; i++)
        p->row[fit + i] = held[i];
    p->fitted = fit;
    free(sorted);
    free(begin);
    free(next);
    free(held);
}

/* A copy of labels under the new numbers. */
static int32_t *renumbered(const px_features *f, const int *number)
{
    int32_t *label = px_calloc((size_t)f->count + 1, sizeof(int32_t));
    for (int64_t i = 0; i < f->count; i++)
        label[i] = f->label[i] < 0 ? -1 : number[f->label[i]];
    return label;
}

/* Data sets may have classes without images: labels that begin at 1, a class that only another split has. They are not
 * learned, so that they take no part in the softmax. One that is tested on must be learned. */
static int number_classes(px_samples *p, const char *what, int64_t *per_class, const int64_t *tested)
{
    int classes = p->train->classes, *number = px_calloc((size_t)classes, sizeof(int));
    p->class_of = px_calloc((size_t)classes, sizeof(int));
    int status = 0;
    for (int c = 0; c < classes && status == 0; c++) {
        number[c] = p->classes;
        if (per_class[c] == 0 && tested[c] > 0)
            status = px_fail(PX_DATA,
                             "class %d has no training samples, but %lld test samples: %s needs some of each "
                             "class that is tested, protocol=knn does not",
                             c, (long long)tested[c], what);
        if (per_class[c] == 0)
            continue;
        per_class[p->classes] = per_class[c];
        p->class_of[p->classes++] = c;
    }
    if (status == 0 && p->classes < 2)
        status =
            px_fail(PX_DATA, "%s needs at least two classes, but the training set has images of %d", what, p->classes);
    if (status == 0 && p->classes < classes) {
        p->dense_train = *p->train;
        p->dense_test = *p->test;
        p->dense_train.label = p->label[0] = renumbered(p->train, number);
        p->dense_test.label = p->label[1] = renumbered(p->test, number);
        p->dense_train.classes = p->dense_test.classes = p->classes;
        p->train = &p->dense_train;
        p->test = &p->dense_test;
    }
    free(number);
    return status;
}

int px_samples_make(px_samples *p, const px_features *train, const px_features *test, double holdout, int64_t seed,
                    const char *what)
{
    PX_CHECK(test->width == train->width);
    *p = (px_samples){.train = train, .test = test};
    if (train->classes < 2)
        return px_fail(PX_DATA, "%s needs at least two classes, but the training set has %d", what, train->classes);
    int64_t *per_class = px_calloc((size_t)train->classes, sizeof(int64_t));
    int64_t *tested = px_calloc((size_t)train->classes, sizeof(int64_t));
    p->row = px_features_labelled(train, train->classes, "training", &p->rows, per_class);
    p->test_row = p->row ? px_features_labelled(test, train->classes, "test", &p->test_rows, tested) : NULL;
    int rc = p->row && p->test_row ? 0 : -1;
    if (rc == 0)
        rc = number_classes(p, what, per_class, tested);
    if (rc == 0 && p->test_rows == 0)
        rc = px_fail(PX_DATA, "the test set has no labelled samples; test_split= names another");
    if (rc == 0 && (px_features_finite(train, "training") != 0 || px_features_finite(test, "test") != 0))
        rc = -1;
    if (rc == 0)
        hold_out(p, holdout, seed, per_class);
    free(per_class);
    free(tested);
    return rc;
}

void px_samples_finish(px_samples *p)
{
    free(p->row);
    free(p->test_row);
    free(p->class_of);
    free(p->label[0]);
    free(p->label[1]);
    *p = (px_samples){0};
}

double px_samples_bytes(int64_t train, int64_t test)
{
    return (double)(3 * train + test) * (double)sizeof(int64_t) + (double)(train + test) * (double)sizeof(int32_t);
}
