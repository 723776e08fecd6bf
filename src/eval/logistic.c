/* logistic.c - see logistic.h. */
#include "eval/logistic.h"

#include "base/error.h"
#include "eval/confusion.h"
#include "eval/lbfgs.h"
#include "eval/protocol.h"
#include "eval/samples.h"
#include "eval/write.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

const px_option px_logistic_options[] = {
    PX_OPTION(px_logistic_cfg, C, "[1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 1e3, 1e4, 1e5]", 1e-12, 1e12,
              "strengths to choose from; a larger one fits closer (DINOv2's range; it takes 45 values of it)"),
    PX_OPTION(px_logistic_cfg, iterations, "1000", 1, 1000000, "most steps of L-BFGS per fit (DINOv2)"),
    PX_OPTION(px_logistic_cfg, tolerance, "1e-6", 0, 1,
              "a fit ends when no element of the mean loss's gradient, by the weights of features of variance about 1, "
              "is larger "
              "(scikit-learn, without that scaling: 1e-4)"),
    PX_OPTION(px_logistic_cfg, holdout, "0.1", 0.001, 0.9,
              "fraction of each class of the training set that is held out to choose C (DINOv2: a tenth of all)"),
    PX_OPTION(px_logistic_cfg, seed, "0", 0, 0, "determines which rows are held out"),
    {0}};

/* Rows are taken in chunks; within one, threads take pieces of its rows, then pieces of its columns. Every product has a fixed
 * shape and runs on one thread. */
enum { CHUNK = 2048, ROWS = 128, COLUMNS = 64 };

/* The rows that are fitted, and what they are like. */
typedef struct moments {
    const int64_t *row;
    int64_t count;
    double *mean, *variance; /* (width) */
} moments;

/* A fit: parameters are weight (classes, width), then intercept (classes), of features (x - mean) * scale. The objective is that
 * of the features as they are, whose weights are weight * scale: the minimum is the same, but L-BFGS takes far fewer steps, since
 * the Hessian's diagonal is about 1. */
typedef struct fit {
    const px_features *of;
    const moments *about;
    int to;             /* the only rank that fits, or PX_ALL_RANKS */
    const int64_t *row; /* of the pass */
    int64_t count;
    int classes, width;
    bool divided;
    double C;
    double *scale; /* (width) */
    double *x;     /* (CHUNK, width) the chunk's rows */
    double *logit; /* (CHUNK, classes); then softmax - onehot */
    double *loss;  /* (CHUNK) */
    float *taken;  /* (CHUNK, width) the chunk's, of rows that are not in place; else NULL */
} fit;

static int64_t parameters(int classes, int width)
{
    return (int64_t)classes * (width + 1);
}

/* Of the first `count` of the samples' rows. Collective if rows are divided. */
static moments measure(const px_samples *s, int64_t count)
{
    size_t width = (size_t)s->train->width;
    moments m = {.row = s->row,
                 .count = count,
                 .mean = px_calloc(width, sizeof(double)),
                 .variance = px_calloc(width, sizeof(double))};
    bool *chosen = px_calloc((size_t)s->train->count + 1, sizeof *chosen);
    for (int64_t i = 0; i < count; i++)
        chosen[s->row[i]] = true;
    px_features_moments(s->train, chosen, count, m.mean, m.variance);
    free(chosen);
    return m;
}

static void moments_finish(moments *m)
{
    free(m->mean);
    free(m->variance);
}

static fit make_fit(const px_features *of, const moments *about, int to)
{
    return (fit){.of = of,
                 .about = about,
                 .to = to,
                 .classes = of->classes,
                 .width = of->width,
                 .scale = px_calloc((size_t)of->width, sizeof(double)),
                 .x = px_aligned_calloc((size_t)CHUNK * (size_t)of->width * sizeof(double)),
                 .logit = px_aligned_calloc((size_t)CHUNK * (size_t)of->classes * sizeof(double)),
                 .loss = px_aligned_calloc(CHUNK * sizeof(double)),
                 .divided = px_features_divided(of),
                 .taken = px_features_in_place(of)
                              ? NULL
                              : px_aligned_calloc((size_t)CHUNK * (size_t)of->width * sizeof(float) + 64)};
}

static void finish_fit(fit *f)
{
    free(f->scale);
    free(f->x);
    free(f->logit);
    free(f->loss);
    free(f->taken);
}

static int least(int64_t a, int b)
{
    return a < b ? (int)a : b;
}

/* ---- rows that are divided among ranks: all ranks pass over them at the same time, each for the C that it fits ---- */

/* Collective, before a pass: whether any rank needs one. */
static bool anyone(const fit *f, bool own)
{
    double wanted = own;
    if (f->divided)
        px_all_reduce_f64(f->of->comm, &wanted, 1);
    return wanted > 0;
}

static void take_chunk(const fit *f, int64_t begin, int rows)
{
    if (f->taken)
        px_features_fetch(f->of, f->row + begin, rows, f->to, f->taken);
}

/* Gives the others this rank's rows in a pass of theirs. */
static void serve_pass(const fit *f)
{
    for (int64_t begin = 0; begin < f->count && f->divided; begin += CHUNK)
        take_chunk(f, begin, least(f->count - begin, CHUNK));
}

/* logit (rows, classes) = x (rows, width) weight^T + intercept, for `rows` rows from row `at` of the chunk on */
static void forward(fit *f, const double *w, int64_t begin, int at, int rows)
{
    double *x = f->x + (int64_t)at * f->width, *logit = f->logit + (int64_t)at * f->classes;
    const double *intercept = w + (int64_t)f->classes * f->width;
    for (int i = 0; i < rows; i++) {
        const float *from =
            f->taken ? f->taken + (int64_t)(at + i) * f->width : f->of->x + f->row[begin + at + i] * f->width;
        for (int j = 0; j < f->width; j++)
            x[(int64_t)i * f->width + j] = (from[j] - f->about->mean[j]) * f->scale[j];
        for (int c = 0; c < f->classes; c++)
            logit[(int64_t)i * f->classes + c] = intercept[c];
    }
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, f->classes, f->width, 1, x, f->width, w, f->width, 1,
                logit, f->classes);
}

/* The row's cross-entropy; z becomes softmax - onehot. */
static double cross_entropy(double *z, int classes, int label)
{
    double top = z[0], sum = 0;
    for (int c = 1; c < classes; c++)
        top = z[c] > top ? z[c] : top;
    double right = z[label];
    for (int c = 0; c < classes; c++)
        sum += z[c] = exp(z[c] - top);
    for (int c = 0; c < classes; c++)
        z[c] /= sum;
    z[label] -= 1;
    return log(sum) + top - right;
}

/* Adds the chunk's part of the gradient: of some columns of the weights, or of the intercepts (first == width). */
static void add_gradient(const fit *f, int rows, int first, double *gradient)
{
    double by = 1 / (double)f->count;
    if (first < f->width) {
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, f->classes, least(f->width - first, COLUMNS), rows, by,
                    f->logit, f->classes, f->x + first, f->width, 1, gradient + first, f->width);
        return;
    }
    double *intercept = gradient + (int64_t)f->classes * f->width;
    for (int i = 0; i < rows; i++)
        for (int c = 0; c < f->classes; c++)
            intercept[c] += by * f->logit[(int64_t)i * f->classes + c];
}

/* The chunk's part of the gradient; its losses are in f->loss. */
static void pass_chunk(fit *f, const double *w, int64_t begin, int rows, double *gradient)
{
    int pieces = (f->width + COLUMNS - 1) / COLUMNS;
#pragma omp parallel
    {
#pragma omp for schedule(dynamic)
        for (int at = 0; at < rows; at += ROWS) {
            int some = least(rows - at, ROWS);
            forward(f, w, begin, at, some);
            for (int i = at; i < at + some; i++)
                f->loss[i] =
                    cross_entropy(f->logit + (int64_t)i * f->classes, f->classes, f->of->label[f->row[begin + i]]);
        }
#pragma omp for schedule(dynamic)
        for (int piece = 0; piece <= pieces; piece++)
            add_gradient(f, rows, piece < pieces ? piece * COLUMNS : f->width, gradient);
    }
}

/* The mean cross-entropy plus |weight|^2 / (2 C count), which has its minimum where scikit-learn's objective has. */
static double objective(void *context, const double *w, double *gradient)
{
    fit *f = context;
    double decay = 1 / (f->C * (double)f->count), value = 0, squares = 0;
    int64_t weights = (int64_t)f->classes * f->width;
    for (int64_t i = 0; i < weights; i++) {
        double own = w[i] * f->scale[i % f->width];
        gradient[i] = decay * own * f->scale[i % f->width];
        squares += own * own;
    }
    for (int c = 0; c < f->classes; c++)
        gradient[weights + c] = 0;
    anyone(f, true);
    for (int64_t begin = 0; begin < f->count; begin += CHUNK) {
        int rows = least(f->count - begin, CHUNK);
        take_chunk(f, begin, rows);
        pass_chunk(f, w, begin, rows, gradient);
        for (int i = 0; i < rows; i++)
            value += f->loss[i];
    }
    return value / (double)f->count + decay * squares / 2;
}

/* Scales that make the Hessian's diagonal about 1: that of the loss is CURVATURE times the variance, that of the weights' share
 * 1 / (C count). A feature that does not vary keeps the weight 0. */
static void scale_features(fit *f)
{
    const double CURVATURE = 0.1; /* p (1 - p), of the order of one class in ten */
    for (int j = 0; j < f->width; j++) {
        double variance = f->about->variance[j];
        bool varies = sqrt(variance) > 1e-6 * fabs(f->about->mean[j]);
        f->scale[j] = varies ? 1 / sqrt(CURVATURE * variance + 1 / (f->C * (double)f->count)) : 0;
    }
}

/* Fits the rows that `about` is of; w (parameters) must be zero. Collective if rows are divided: `fits` is false on a rank that
 * only helps. */
static px_lbfgs_end run_fit(const px_logistic_cfg *cfg, fit *f, double C, bool fits, double *w)
{
    px_lbfgs_end end = {0};
    f->row = f->about->row;
    f->count = f->about->count;
    f->C = C;
    scale_features(f);
    if (fits)
        end = px_lbfgs(objective, f, w, parameters(f->classes, f->width), cfg->tolerance, cfg->iterations);
    while (f->divided && anyone(f, false))
        serve_pass(f);
    return end;
}

/* Tests rows of `of`; counts into `tally`, with classes as they are numbered in the fit. Collective if rows are divided: a rank
 * without a fit, w NULL, gives the others its rows. */
static void test_rows(fit *f, const double *w, const px_features *of, const int64_t *row, int64_t count,
                      px_confusion *tally)
{
    f->of = of;
    f->row = row;
    for (int64_t begin = 0; begin < count; begin += CHUNK) {
        int rows = least(count - begin, CHUNK);
        take_chunk(f, begin, rows);
        if (!w)
            continue;
#pragma omp parallel for schedule(dynamic)
        for (int at = 0; at < rows; at += ROWS)
            forward(f, w, begin, at, least(rows - at, ROWS));
        for (int i = 0; i < rows; i++)
            px_confusion_add(tally, of->label[row[begin + i]], f->logit + (int64_t)i * f->classes);
    }
}

/* If the best C is at an end of the grid by more than one standard error, a better one may lie beyond. */
static void warn_of_edge(const px_logistic_result *r, int64_t held, const char *layer, px_log *log)
{
    int at = r->chosen, inner = at == 0 ? 1 : at - 1;
    double top1 = r->holdout_top1[at], error = sqrt(top1 * (1 - top1) / (double)held);
    if ((at == 0 || at == r->values - 1) && top1 - r->holdout_top1[inner] > error)
        px_log_warning(log, "logistic regression%s%s: the best C, %g, is the %s of the grid: extend logistic.C",
                       layer ? " of " : "", layer ? layer : "", r->C[at], at == 0 ? "smallest" : "largest");
}

/* The C with the most right on the held-out rows; among equals the smaller one. */
static void choose_C(const px_logistic_cfg *cfg, const px_samples *s, const px_comm *comm, px_log *log,
                     px_logistic_result *r)
{
    double right[PX_LIST_MAX] = {0};
    int64_t held = s->rows - s->fitted;
    bool divided = px_features_divided(s->train);
    moments about = r->values > 1 ? measure(s, s->fitted) : (moments){0};
    for (int first = 0; first < r->values && r->values > 1; first += comm->size) {
        int i = first + comm->rank;
        bool fits = i < r->values;
        if (!fits && !divided)
            continue;
        fit f = make_fit(s->train, &about, PX_ALL_RANKS);
        double *w = px_calloc((size_t)parameters(f.classes, f.width), sizeof *w);
        px_lbfgs_end end = run_fit(cfg, &f, fits ? r->C[i] : 1, fits, w);
        px_confusion tally = px_confusion_make(f.classes);
        test_rows(&f, fits ? w : NULL, s->train, s->row + s->fitted, held, &tally);
        if (fits) {
            right[i] = (double)tally.right1;
            px_log_progress(log, "logistic regression: C %g (%d of %d): %d steps, held out %.2f%%", r->C[i], i + 1,
                            r->values, end.steps, 100 * right[i] / (double)held);
        }
        px_confusion_finish(&tally);
        finish_fit(&f);
        free(w);
    }
    moments_finish(&about);
    px_all_reduce_f64(comm, right, PX_LIST_MAX);
    for (int i = 0; i < r->values; i++) {
        r->holdout_top1[i] = r->values > 1 ? right[i] / (double)held : NAN;
        if (right[i] > right[r->chosen] || (right[i] == right[r->chosen] && r->C[i] < r->C[r->chosen]))
            r->chosen = i;
    }
    if (r->values > 1)
        warn_of_edge(r, held, s->train->layer, log);
}

/* Only on rank 0, so that all ranks get the same result; of divided rows the others give it theirs. */
static void fit_last(const px_logistic_cfg *cfg, const px_samples *s, const px_comm *comm, px_logistic_result *r)
{
    bool fits = comm->rank == 0;
    if (!fits && !px_features_divided(s->train))
        return;
    moments about = measure(s, s->rows);
    fit f = make_fit(s->train, &about, 0);
    double *w = px_calloc((size_t)parameters(f.classes, f.width), sizeof *w);
    px_lbfgs_end end = run_fit(cfg, &f, r->C[r->chosen], fits, w);
    r->steps = end.steps;
    r->loss = end.value;
    r->slope = end.slope;
    px_confusion tally = px_confusion_make(f.classes);
    test_rows(&f, fits ? w : NULL, s->test, s->test_row, s->test_rows, &tally);
    r->top1 = (double)tally.right1 / (double)s->test_rows;
    r->top5 = (double)tally.right5 / (double)s->test_rows;
    px_confusion_spread(&tally, s->class_of, r->classes, r->confusion, r->per_class);
    px_confusion_finish(&tally);
    finish_fit(&f);
    moments_finish(&about);
    free(w);
}

static int prepare(const px_logistic_cfg *cfg, px_samples *s, const px_features *train, const px_features *test)
{
    if (cfg->C.count < 1)
        return px_fail(PX_USAGE, "logistic.C is empty; logistic.C=1 is one");
    if (px_samples_make(s, train, test, cfg->holdout, cfg->seed, "logistic regression") != 0)
        return -1;
    if (s->fitted == s->rows && cfg->C.count > 1)
        return px_fail(PX_DATA,
                       "nothing can be held out to choose among %d values of C: every class has one training sample; "
                       "logistic.C=1 is one value",
                       cfg->C.count);
    return 0;
}

/* What rank 0 found becomes every rank's; pointers stay their own. */
static void share(const px_comm *comm, px_logistic_result *r)
{
    int64_t classes = r->classes;
    double numbers[] = {r->top1, r->top5, r->loss, r->slope, r->steps};
    px_broadcast(comm, numbers, sizeof numbers, 0);
    r->top1 = numbers[0];
    r->top5 = numbers[1];
    r->loss = numbers[2];
    r->slope = numbers[3];
    r->steps = (int)numbers[4];
    px_broadcast(comm, r->confusion, classes * classes * (int64_t)sizeof(int64_t), 0);
    px_broadcast(comm, r->per_class, classes * (int64_t)sizeof(double), 0);
}

int px_logistic(const px_logistic_cfg *cfg, const px_features *train, const px_features *test, const px_comm *comm,
                px_log *log, px_logistic_result *r)
{
    size_t classes = (size_t)train->classes;
    px_samples s = {0};
    *r = (px_logistic_result){.values = cfg->C.count, .classes = train->classes};
    int status = px_agree(comm, prepare(cfg, &s, train, test));
    if (status == 0) {
        PX_CHECK(s.train);
        r->per_class = px_calloc(classes, sizeof(double));
        r->confusion = px_calloc(classes * classes, sizeof(int64_t));
        for (int i = 0; i < r->values; i++)
            r->C[i] = cfg->C.value[i];
        choose_C(cfg, &s, comm, log, r);
        fit_last(cfg, &s, comm, r);
        share(comm, r);
        px_log_progress_end(log);
        if (r->steps == cfg->iterations)
            px_log_warning(log, "logistic regression: not at its minimum after %d steps: extend logistic.iterations",
                           r->steps);
    }
    px_samples_finish(&s);
    return status;
}

void px_logistic_result_finish(px_logistic_result *r)
{
    free(r->per_class);
    free(r->confusion);
    *r = (px_logistic_result){0};
}

/* ---- as a protocol ---- */

int px_logistic_write(px_results *r, const char *group, const px_logistic_result *l)
{
    int32_t steps = l->steps;
    if (px_put(r, group, "top1", PX_F64, 0, &l->top1) != 0 || px_put(r, group, "top5", PX_F64, 0, &l->top5) != 0 ||
        px_put(r, group, "chosen_C", PX_F64, 0, &l->C[l->chosen]) != 0 ||
        px_put(r, group, "steps", PX_I32, 0, &steps) != 0 || px_put(r, group, "loss", PX_F64, 0, &l->loss) != 0 ||
        px_put(r, group, "C", PX_F64, l->values, l->C) != 0 ||
        px_put(r, group, "holdout_top1", PX_F64, l->values, l->holdout_top1) != 0 ||
        px_put(r, group, "per_class", PX_F64, l->classes, l->per_class) != 0)
        return -1;
    return px_confusion_write(r, group, l->confusion, l->classes);
}

struct px_protocol_cfg {
    px_logistic_cfg logistic;
};

static double bytes(const px_protocol_cfg *cfg, const px_trial_size *size)
{
    (void)cfg;
    int width = size->width, classes = size->classes, ranks = size->comm->size;
    double chunk = (double)CHUNK * (width + classes + 1) * (double)sizeof(double);
    if (ranks > 1 || size->bf16)
        chunk += (double)CHUNK * width * sizeof(float) + px_features_fetch_bytes(CHUNK, width, ranks);
    int64_t n = parameters(classes, width);
    return px_samples_bytes(size->train, size->test) + (double)size->train * sizeof(bool) + chunk +
           (double)n * (double)sizeof(double) + px_lbfgs_bytes(n) + 3.0 * classes * classes * (double)sizeof(int64_t);
}

static int run(const px_protocol_cfg *cfg, px_trial *t)
{
    int last = t->train->layers - 1;
    px_features train = px_extraction_features(t->train, last, t->classes),
                test = px_extraction_features(t->test, last, t->classes);
    px_logistic_cfg own = cfg->logistic;
    px_logistic_result r;
    own.seed += t->seed;
    int status = px_agree(t->comm, px_logistic(&own, &train, &test, t->comm, t->log, &r));
    if (status == 0 && t->results) {
        status = px_trial_seal(t, t->group, px_logistic_write(t->results, t->group, &r));
        px_trial_print(t, "%-12s %8.2f %8.2f %10.2f   %g", t->subject, 100 * r.top1, 100 * r.top5,
                       100 * r.holdout_top1[r.chosen], r.C[r.chosen]);
    }
    px_logistic_result_finish(&r);
    return px_agree(t->comm, status);
}

const px_protocol px_protocol_logistic = {
    .name = "logistic",
    .title = "Logistic regression",
    .label = "logistic regression",
    .summary = "multinomial logistic regression by L-BFGS in double; a grid of C (DINOv2)",
    .columns = "  top-1 %  top-5 % held-out %   C",
    .draws = true,
    .cfg_size = sizeof(px_protocol_cfg),
    .options = px_logistic_options,
    .bytes = bytes,
    .run = run,
};
