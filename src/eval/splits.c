/* splits.c - see splits.h. */
#include "eval/splits.h"

#include "base/error.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool has_labels(const px_dataset *data, const px_split *split)
{
    for (int64_t i = 0; i < split->count; i++)
        if (px_dataset_label(data, split->index[i]) >= 0)
            return true;
    return false;
}

/* Fails if no image of the split has a label, and names a split whose images have some. `but`: one that is no choice. */
static int check_labels(const px_dataset *data, const char *key, const px_split *split, const char *but)
{
    const px_dataset_info *info = px_dataset_about(data);
    if (has_labels(data, split))
        return 0;
    for (int i = 0; i < info->splits; i++) {
        const char *name = info->split_names[i];
        const px_split *other = strcmp(name, but) != 0 ? px_dataset_split(data, name) : NULL;
        if (other && has_labels(data, other))
            return px_fail(PX_DATA, "%s: no image of the split %s has a label: %s=%s would work", info->path,
                           split->name, key, name);
    }
    return px_fail(PX_DATA, "%s: no image of the split %s has a label%s", info->path, split->name,
                   strcmp(key, "test_split") == 0 ? ": holdout=0.1 holds a tenth of train_split out for the test" : "");
}

static int choose_test(px_eval_splits *s, const px_dataset *data, const px_eval_splits_cfg *want)
{
    const px_dataset_info *info = px_dataset_about(data);
    const char *name = want->test;
    for (int i = 0; !name[0] && i < info->splits; i++)
        if (strcmp(info->split_names[i], "test") == 0)
            name = "test";
    const px_split *test = px_dataset_split_for(data, "test_split", name[0] ? name : "val");
    if (!test && !name[0])
        return px_fail(PX_DATA, "%s; test_split= names another, holdout=0.1 holds a tenth of %s out", px_error(),
                       want->train);
    if (!test)
        return -1;
    s->test = *test;
    return want->unlabelled ? 0 : check_labels(data, "test_split", &s->test, want->train);
}

/* ---- few labels ---- */

/* The places in the split of the images of each class; begin (classes + 1). A new array. */
static int64_t *by_class(const px_dataset *data, const px_split *split, int classes, int64_t *begin)
{
    int64_t *place = px_calloc((size_t)split->count + 1, sizeof *place),
            *next = px_calloc((size_t)classes + 1, sizeof *next);
    for (int64_t i = 0; i < split->count; i++)
        if (px_dataset_label(data, split->index[i]) >= 0)
            begin[px_dataset_label(data, split->index[i]) + 1]++;
    for (int c = 0; c < classes; c++)
        begin[c + 1] += begin[c];
    for (int64_t i = 0; i < split->count; i++) {
        int c = px_dataset_label(data, split->index[i]);
        if (c >= 0)
            place[begin[c] + next[c]++] = i;
    }
    free(next);
    return place;
}

/* Marks `want` of one class's n images for subset k: the first ones of the random order of (seed, class). */
static void draw(int64_t *place, int64_t n, int64_t want, int64_t seed, int class, int k, uint64_t *subsets)
{
    px_rng rng = px_rng_make((uint64_t)seed, PX_RNG_HOLDOUT, (uint64_t) class, 3);
    int64_t *order = px_calloc((size_t)n + 1, sizeof *order);
    for (int64_t i = 0; i < n; i++)
        order[i] = place[i];
    for (int64_t i = 0; i < want; i++) {
        int64_t j = i + px_rng_below(&rng, (uint32_t)(n - i)), chosen = order[j];
        order[j] = order[i];
        subsets[chosen] |= (uint64_t)1 << k;
    }
    free(order);
}

/* How many images of a class with n are drawn; -1 with a message if there are fewer. */
static int64_t wanted_of(const px_eval_splits_cfg *want, const px_dataset_info *info, int class, int64_t n)
{
    if (want->labels < 1) {
        int64_t some = llrint(want->labels * (double)n);
        return n == 0 ? 0 : some < 1 ? 1 : some;
    }
    if (n > 0 && want->labels > (double)n)
        return px_fail(PX_USAGE, "labels = %.10g, but the class %s of the split %s has only %lld images", want->labels,
                       info->class_names[class], want->train, (long long)n);
    return n == 0 ? 0 : (int64_t)want->labels;
}

/* Leaves only the images of the subsets in s->train. */
static int take_few(px_eval_splits *s, const px_dataset *data, const px_eval_splits_cfg *want)
{
    const px_dataset_info *info = px_dataset_about(data);
    if (want->labels >= 1 && want->labels != floor(want->labels))
        return px_fail(PX_USAGE,
                       "labels = %.10g is neither a share, as 0.01 is, nor a number of images per class, as 10 is",
                       want->labels);
    size_t count = (size_t)s->train.count;
    int64_t *begin = px_calloc((size_t)info->classes + 1, sizeof *begin), kept = 0;
    int64_t *place = by_class(data, &s->train, info->classes, begin);
    uint64_t *subsets = px_calloc(count + 1, sizeof *subsets);
    int status = 0;
    for (int c = 0; c < info->classes && status == 0; c++) {
        int64_t n = begin[c + 1] - begin[c], some = wanted_of(want, info, c, n);
        for (int k = 0; k < want->seeds && some > 0; k++)
            draw(place + begin[c], n, some, want->labels_seed + k, c, k, subsets);
        status = some < 0 ? -1 : 0;
        s->subset_count += some;
    }
    s->few = px_calloc(count + 1, sizeof *s->few);
    for (int64_t i = 0; i < s->train.count; i++)
        if (subsets[i]) {
            s->few[kept] = s->train.index[i];
            subsets[kept++] = subsets[i];
        }
    s->train.index = s->few;
    s->train.count = kept;
    s->subsets = subsets;
    free(begin);
    free(place);
    return status;
}

int32_t *px_eval_splits_labels(const px_eval_splits *s, const int32_t *label, int k)
{
    int32_t *own = px_calloc((size_t)s->train.count + 1, sizeof *own);
    for (int64_t i = 0; i < s->train.count; i++)
        own[i] = !s->subsets || (s->subsets[i] >> k & 1) ? label[i] : -1;
    return own;
}

int64_t *px_eval_splits_labelled(const px_dataset *data, px_split *split)
{
    int64_t *index = px_calloc((size_t)split->count + 1, sizeof *index), count = 0;
    for (int64_t i = 0; i < split->count; i++)
        if (px_dataset_label(data, split->index[i]) >= 0)
            index[count++] = split->index[i];
    split->index = index;
    split->count = count;
    return index;
}

int64_t *px_eval_splits_rows(const px_eval_splits *s, int k, px_split *rows)
{
    int64_t *index = px_calloc((size_t)s->train.count + 1, sizeof *index), count = 0;
    for (int64_t i = 0; i < s->train.count; i++)
        if ((!s->subsets || (s->subsets[i] >> k & 1)) && px_dataset_label(s->data, s->train.index[i]) >= 0)
            index[count++] = s->train.index[i];
    *rows = (px_split){s->train.name, index, count};
    return index;
}

/* ---- the splits ---- */

int px_eval_splits_make(px_eval_splits *s, const px_dataset *data, const px_eval_splits_cfg *want)
{
    const px_dataset_info *info = px_dataset_about(data);
    *s = (px_eval_splits){.data = data};
    if (want->holdout > 0 && want->test[0])
        return px_fail(PX_USAGE, "test_split=%s and holdout=%g: the test is either a split or held out of train_split",
                       want->test, want->holdout);
    const px_split *train = px_dataset_split_for(data, "train_split", want->train);
    if (!train)
        return -1;
    if (info->classes < 2 && !(want->unlabelled && want->holdout == 0))
        return px_fail(PX_DATA,
                       "%s: has %s to probe for; data.path= takes another data set, 'pretext features' needs no labels",
                       info->path, info->classes == 0 ? "no classes" : "only one class");
    if (want->holdout > 0) {
        if (px_holdout_make(&s->holdout, data, train, want->holdout, want->seed) != 0)
            return -1;
        train = &s->holdout.kept;
        s->test = s->holdout.held;
    } else if (choose_test(s, data, want) != 0) {
        return -1;
    }
    s->train = *train;
    s->limited = px_split_limit(&s->train, want->limit);
    if (!want->no_training && check_labels(data, "train_split", &s->train, s->test.name) != 0)
        return -1;
    s->subset_count = 0;
    if (want->labels > 0 && !want->no_training)
        return take_few(s, data, want);
    s->subset_count = s->train.count;
    return 0;
}

void px_eval_splits_finish(px_eval_splits *s)
{
    free(s->limited);
    free(s->few);
    free(s->subsets);
    px_holdout_finish(&s->holdout);
    *s = (px_eval_splits){0};
}

void px_eval_splits_warn(const px_eval_splits_cfg *want, const px_eval_splits *s, const char *pretrained, px_log *log)
{
    if (want->holdout > 0)
        return;
    if (!want->no_training && strcmp(s->test.name, want->train) == 0)
        px_log_warning(log,
                       "test_split=%s is what the probe learns from: what it reaches there says nothing of new images",
                       s->test.name);
    else if (pretrained && strcmp(s->test.name, pretrained) == 0)
        px_log_warning(log,
                       "the backbone was pretrained on the split %s: what is measured there says less of new images",
                       s->test.name);
}
