/* robustness.c - how much accuracy is left when test images are spoilt, as a protocol.
 *
 *   clean training images -> linear probe (linear.h), its rate chosen as always
 *   test images -> noise, blur, JPEG, brightness in five strengths (data/corrupt.h) -> features -> the same classifier
 *
 * Nothing learns from spoilt images. What an image becomes depends on its row and on the seed alone. */
#include "base/error.h"
#include "data/corrupt.h"
#include "eval/linear.h"
#include "eval/protocol.h"
#include "eval/write.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

enum { SMALL_SIDE = 64, BLOCK = 512 };

struct px_protocol_cfg {
    px_probe_cfg linear;
    enum { SCALE_AUTO, SCALE_CIFAR, SCALE_IMAGENET } amounts;
};

static const px_option options[] = {
    PX_PROBE_OPTIONS(px_protocol_cfg, linear),
    PX_OPTION_CHOICE(
        px_protocol_cfg, amounts, "auto", "auto|cifar|imagenet",
        "how strong the five strengths are: as in CIFAR-10-C or in ImageNet-C; auto: up to 64 px the former"),
    {0}};

typedef struct outcome {
    double clean, mean; /* accuracies; the mean over all kinds and strengths */
    double top1[PX_CORRUPTIONS][PX_STRENGTHS];
} outcome;

static px_corruption_scale scale_of(const px_protocol_cfg *cfg, int side)
{
    bool small = cfg->amounts == SCALE_AUTO ? side <= SMALL_SIDE : cfg->amounts == SCALE_CIFAR;
    return small ? PX_CORRUPT_CIFAR : PX_CORRUPT_IMAGENET;
}

static void show_spoilt(const void *context, px_rng *rng, const px_image *image, px_crop crop, px_plane plane,
                        px_scratch *scratch)
{
    px_resize(&plane, image, crop, false, PX_BICUBIC, scratch);
    px_corrupt(context, &plane, rng);
}

/* How many of this rank's rows the classifier gets right; among equal scores the smaller class counts. */
static int64_t count_right(const px_extraction *e, const px_probe_result *r)
{
    px_features f = px_extraction_features(e, e->layers - 1, r->classes);
    int width = f.width, classes = r->classes;
    float *score = px_aligned_calloc((size_t)BLOCK * (size_t)classes * sizeof score[0]),
          *copy = f.x ? NULL : px_aligned_calloc((size_t)BLOCK * (size_t)width * sizeof copy[0]);
    int64_t right = 0;
    PX_CHECK(width == r->width);
    for (int64_t first = 0; first < e->rows; first += BLOCK) {
        int rows = (int)(e->rows - first < BLOCK ? e->rows - first : BLOCK);
        /* score (rows, classes) = x (rows, width) w^T (width, classes) */
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, classes, width, 1,
                    px_features_rows(&f, first, rows, copy), width, r->weight, width + 1, 0, score, classes);
        for (int i = 0; i < rows; i++) {
            float *row = score + (int64_t)i * classes;
            int best = 0;
            for (int c = 0; c < classes; c++) {
                row[c] += r->weight[(int64_t)c * (width + 1) + width];
                best = row[c] > row[best] ? c : best;
            }
            right += best == e->label[e->first + first + i];
        }
    }
    free(score);
    free(copy);
    return right;
}

/* Collective: the accuracy on test images that are spoilt so, of those that have a label. */
static int test_spoilt(px_trial *t, const px_probe_result *r, const px_corruption *how, uint64_t seed, double *top1)
{
    px_trial_source *source = &t->source;
    px_extract_spec from = *source->from;
    px_extraction e;
    from.show = show_spoilt;
    from.shown_by = how;
    from.seed = seed;
    int status = source->model ? px_extract(&e, &from, source->model, &source->test)
                               : px_extract_baseline(&e, &from, source->baseline, &source->test);
    if (status != 0)
        return -1;
    double right = (double)count_right(&e, r);
    px_all_reduce_f64(t->comm, &right, 1);
    *top1 = right / (double)px_extraction_labelled(&e);
    px_extraction_finish(&e);
    return 0;
}

static int test_all(px_trial *t, const px_protocol_cfg *cfg, const px_probe_result *r, outcome *o)
{
    px_corruption how = {.scale = scale_of(cfg, t->source.from->task->image_size)};
    uint64_t seed = (uint64_t)(cfg->linear.seed + t->seed);
    for (int k = 0; k < PX_CORRUPTIONS; k++)
        for (int s = 0; s < PX_STRENGTHS; s++) {
            how.kind = (px_corruption_kind)k;
            how.strength = s + 1;
            if (test_spoilt(t, r, &how, seed, &o->top1[k][s]) != 0)
                return -1;
            o->mean += o->top1[k][s] / (PX_CORRUPTIONS * PX_STRENGTHS);
        }
    return 0;
}

/* Into the trial's group: clean, mean, chosen_rate: scalars; strength, and noise, blur, jpeg, brightness (5): accuracies. */
static int write(const px_trial *t, const px_probe_result *r, const outcome *o)
{
    int32_t strength[PX_STRENGTHS];
    for (int s = 0; s < PX_STRENGTHS; s++)
        strength[s] = s + 1;
    int status = px_put(t->results, t->group, "clean", PX_F64, 0, &o->clean);
    if (status == 0)
        status = px_put(t->results, t->group, "mean", PX_F64, 0, &o->mean);
    if (status == 0)
        status = px_put(t->results, t->group, "chosen_rate", PX_F64, 0, &r->rate[r->chosen]);
    if (status == 0)
        status = px_put(t->results, t->group, "strength", PX_I32, PX_STRENGTHS, strength);
    for (int k = 0; k < PX_CORRUPTIONS && status == 0; k++)
        status = px_put(t->results, t->group, px_corruption_names[k], PX_F64, PX_STRENGTHS, o->top1[k]);
    return status;
}

static int tell(px_trial *t, const px_probe_result *r, const outcome *o)
{
    double of[PX_CORRUPTIONS] = {0};
    for (int k = 0; k < PX_CORRUPTIONS; k++)
        for (int s = 0; s < PX_STRENGTHS; s++)
            of[k] += o->top1[k][s] / PX_STRENGTHS;
    int status = px_trial_seal(t, t->group, write(t, r, o));
    if (status == 0)
        px_trial_print(t, "%-12s %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f", t->subject, 100 * o->clean, 100 * o->mean,
                       100 * of[PX_CORRUPT_NOISE], 100 * of[PX_CORRUPT_BLUR], 100 * of[PX_CORRUPT_JPEG],
                       100 * of[PX_CORRUPT_BRIGHTNESS]);
    return status;
}

static int check_task(const px_task *task)
{
    if (task->channels != 1 && task->channels != 3)
        return px_fail(PX_USAGE, "protocol=robustness is for images of 1 or 3 channels, which JPEG has; these have %d",
                       task->channels);
    return 0;
}

static int run(const px_protocol_cfg *cfg, px_trial *t)
{
    px_probe_cfg own = cfg->linear;
    px_probe_result r;
    own.seed += t->seed;
    own.keys = "robustness";
    if (px_linear_probe_trial(&own, t, &r) != 0)
        return -1;
    outcome o = {.clean = r.top1};
    int status = test_all(t, cfg, &r, &o);
    if (status == 0)
        status = px_agree(t->comm, t->results ? tell(t, &r, &o) : 0);
    px_probe_result_finish(&r);
    return status;
}

/* One spoilt test set at a time, beside the others. */
static double bytes(const px_protocol_cfg *cfg, const px_trial_size *size)
{
    double probe = px_linear_probe_bytes(&cfg->linear, size->train, size->test, size->classes, size->width, size->comm);
    double each = size->bf16 ? sizeof(px_bf16) : sizeof(float), copy = size->bf16 ? (double)BLOCK * size->width : 0;
    double spoilt = (double)size->test_here * (size->width * each + sizeof(int32_t)) + copy * sizeof(float);
    return probe + spoilt + (double)BLOCK * size->classes * (double)sizeof(float);
}

static const char *one_rate(px_protocol_cfg *cfg)
{
    cfg->linear.rates = (px_list){.count = 1, .value = {0.1}};
    return "robustness.rates=0.1";
}

static const char *const numbers[] = {"mean", "clean", "noise", "blur", "jpeg", "brightness", NULL};

const px_protocol px_protocol_robustness = {
    .name = "robustness",
    .title = "Robustness",
    .label = "robustness, mean",
    .summary =
        "a linear probe tested on noise, blur, JPEG, brightness in five strengths (Hendrycks and Dietterich 2019)",
    .columns = "  clean %   mean %  noise %   blur %   JPEG % bright %",
    .numbers = numbers,
    .axis = "strength",
    .draws = true,
    .cfg_size = sizeof(px_protocol_cfg),
    .options = options,
    .check_task = check_task,
    .bytes = bytes,
    .cheaper = one_rate,
    .run = run,
};
