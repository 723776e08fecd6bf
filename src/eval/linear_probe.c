/* linear_probe.c - the linear probe itself: standardise, choose the rate on held-out rows, train again, test. */
#include "base/error.h"
#include "eval/heads.h"
#include "eval/linear.h"
#include "eval/samples.h"

#include <math.h>
#include <stdlib.h>

/* What the steps of the protocol share. */
typedef struct probe {
    const px_probe_cfg *cfg;
    const px_features *train, *test;
    const px_comm *comm;
    px_log *log;
    float *mean, *scale; /* (width) of the labelled training rows */
    px_samples of;
} probe;

static const char *keys(const probe *p)
{
    return p->cfg->keys ? p->cfg->keys : "linear";
}

/* A feature that varies no more than by rounding becomes zero, instead of being scaled up. */
static void measure(probe *p)
{
    const px_features *f = p->train;
    size_t width = (size_t)f->width;
    double *mean = px_calloc(width, sizeof *mean), *variance = px_calloc(width, sizeof *variance);
    px_features_moments(f, NULL, p->of.rows, mean, variance);
    for (size_t j = 0; j < width; j++) {
        double deviation = sqrt(variance[j]);
        p->mean[j] = (float)mean[j];
        p->scale[j] = deviation > 1e-6 * fabs(mean[j]) ? (float)(1 / deviation) : 0;
    }
    free(mean);
    free(variance);
}

/* Checks everything that can be wrong with the data, with the same result on every rank. */
static int prepare(probe *p)
{
    if (p->cfg->rates.count < 1)
        return px_fail(PX_USAGE, "%s.rates is empty; %s.rates=0.1 is one", keys(p), keys(p));
    p->mean = px_calloc((size_t)p->train->width, sizeof(float));
    p->scale = px_calloc((size_t)p->train->width, sizeof(float));
    if (px_samples_make(&p->of, p->train, p->test, p->cfg->holdout, p->cfg->seed, "a linear probe") != 0)
        return -1;
    p->train = p->of.train;
    p->test = p->of.test;
    measure(p);
    if (p->of.fitted == p->of.rows && p->cfg->rates.count > 1)
        return px_fail(PX_DATA,
                       "nothing can be held out to choose among %d rates: every class has one training sample; "
                       "%s.rates=0.1 is one rate",
                       p->cfg->rates.count, keys(p));
    return 0;
}

static px_selection selection(const probe *p, const px_features *of, const int64_t *row, int64_t count, int to)
{
    return (px_selection){.of = of, .mean = p->mean, .scale = p->scale, .row = row, .count = count, .to = to};
}

static px_heads_recipe recipe_of(const px_probe_cfg *cfg)
{
    return (px_heads_recipe){.epochs = cfg->epochs, .weight_decay = cfg->weight_decay, .seed = cfg->seed};
}

static void heads_for(px_heads *h, const probe *p, const double *base_rate, int count, int64_t rows)
{
    double rate[PX_LIST_MAX];
    for (int i = 0; i < count; i++)
        rate[i] = base_rate[i] * p->cfg->batch / 256;
    px_heads_init(h, rate, count, p->train->classes, p->train->width,
                  (int)(rows < p->cfg->batch ? rows : p->cfg->batch));
}

/* Which rates are this rank's, in groups that make one matrix product: their number, and their places in the grid. */
static int share_of_grid(int rates, int classes, const px_comm *comm, int index[PX_LIST_MAX])
{
    int group = px_heads_group(classes), mine = 0;
    for (int i = 0; i < rates; i++)
        if (i / group % comm->size == comm->rank)
            index[mine++] = i;
    return mine;
}

/* Trains this rank's share of the grid, and fills score (rates) for that share only. */
static void train_grid(const probe *p, const px_probe_result *r, px_head_score *score)
{
    int index[PX_LIST_MAX], mine = share_of_grid(r->rates, p->train->classes, p->comm, index);
    double rate[PX_LIST_MAX], loss[PX_LIST_MAX];
    for (int i = 0; i < mine; i++)
        rate[i] = r->rate[index[i]];
    if (mine == 0 && !px_features_divided(p->train))
        return; /* else it has rows that the others need */
    px_selection fit = selection(p, p->train, p->of.row, p->of.fitted, PX_ALL_RANKS);
    px_selection held = selection(p, p->train, p->of.row + p->of.fitted, p->of.rows - p->of.fitted, PX_ALL_RANKS);
    px_heads_recipe recipe = recipe_of(p->cfg);
    px_heads heads;
    heads_for(&heads, p, rate, mine, p->of.fitted);
    for (int e = 0; e < recipe.epochs; e++) {
        px_heads_train(&heads, &fit, &recipe, e, loss);
        px_log_progress(p->log, "linear probe: %d learning rates, epoch %d of %d", r->rates, e + 1, recipe.epochs);
    }
    px_head_score of_mine[PX_LIST_MAX];
    px_heads_test(&heads, &held, of_mine, NULL);
    for (int i = 0; i < mine; i++)
        score[index[i]] = of_mine[i];
    px_heads_finish(&heads);
}

/* If the best rate is at an end of the grid, a better one may lie beyond. To be better it must win by one standard
 * error. */
static void warn_of_edge(const probe *p, const px_probe_result *r)
{
    int at = r->chosen, inner = at == 0 ? 1 : at - 1;
    double top1 = r->holdout_top1[at], error = sqrt(top1 * (1 - top1) / (double)(p->of.rows - p->of.fitted));
    if ((at == 0 || at == r->rates - 1) && top1 - r->holdout_top1[inner] > error)
        px_log_warning(p->log, "linear probe%s%s: the best learning rate, %g, is the %s of the grid: extend %s.rates",
                       p->train->layer ? " of " : "", p->train->layer ? p->train->layer : "", r->rate[at],
                       at == 0 ? "smallest" : "largest", keys(p));
}

/* The rate with the most right on the held-out rows; among equals, the one with the smaller loss there. */
static void choose_rate(const probe *p, px_probe_result *r)
{
    r->chosen = 0;
    r->holdout_top1[0] = NAN;
    if (r->rates == 1)
        return;
    px_head_score score[PX_LIST_MAX] = {0};
    double all[2 * PX_LIST_MAX] = {0}; /* accuracies, then losses; other ranks' entries are 0 until summed */
    train_grid(p, r, score);
    for (int i = 0; i < r->rates; i++) {
        all[i] = (double)score[i].right1 / (double)(p->of.rows - p->of.fitted);
        all[PX_LIST_MAX + i] = score[i].loss;
    }
    px_all_reduce_f64(p->comm, all, 2 * PX_LIST_MAX);
    const double *loss = all + PX_LIST_MAX;
    for (int i = 0; i < r->rates; i++) {
        int best = r->chosen;
        r->holdout_top1[i] = all[i];
        if (all[i] > all[best] || (all[i] == all[best] && loss[i] < loss[best]))
            r->chosen = i;
    }
    warn_of_edge(p, r);
}

/* The classifier with the standardisation in it: w ((x - mean) scale) + b. */
static void keep_classifier(const probe *p, const px_heads *head, px_probe_result *r)
{
    int64_t width = r->width;
    for (int c = 0; c < r->classes; c++)
        r->weight[c * (width + 1) + width] = -INFINITY;
    for (int c = 0; c < p->of.classes; c++) {
        const float *from = head->weight + (int64_t)c * head->stride;
        float *to = r->weight + p->of.class_of[c] * (width + 1);
        double bias = (double)from[width];
        for (int64_t j = 0; j < width; j++) {
            double w = (double)from[j] * (double)p->scale[j];
            to[j] = (float)w;
            bias -= w * (double)p->mean[j];
        }
        to[width] = (float)bias;
    }
}

/* Trains with the chosen rate on the whole training set; only on rank 0, so that all ranks get the same result. Of divided rows the
 * others give it theirs. */
static void train_final(const probe *p, px_probe_result *r)
{
    bool mine = p->comm->rank == 0;
    if (!mine && !px_features_divided(p->train))
        return;

    px_selection fit = selection(p, p->train, p->of.row, p->of.rows, 0);
    px_selection test = selection(p, p->test, p->of.test_row, p->of.test_rows, 0);
    px_heads_recipe recipe = recipe_of(p->cfg);
    px_heads head;
    px_head_score score = {0};
    int32_t *predicted = px_calloc((size_t)p->of.test_rows, sizeof(int32_t));
    heads_for(&head, p, &r->rate[r->chosen], mine ? 1 : 0, p->of.rows);
    for (int e = 0; e < recipe.epochs; e++) {
        px_heads_train(&head, &fit, &recipe, e, &r->train_loss[e]);
        px_heads_test(&head, &test, &score, predicted);
        r->test_top1[e] = (double)score.right1 / (double)p->of.test_rows;
        px_log_progress(p->log, "linear probe: rate %g, epoch %d of %d, loss %.4f, test %.2f%%", r->rate[r->chosen],
                        e + 1, recipe.epochs, r->train_loss[e], 100 * r->test_top1[e]);
    }
    px_log_progress_end(p->log);
    r->top5 = (double)score.right5 / (double)p->of.test_rows;
    for (int64_t i = 0; i < p->of.test_rows && mine; i++)
        r->confusion[(int64_t)p->of.class_of[p->test->label[p->of.test_row[i]]] * r->classes +
                     p->of.class_of[predicted[i]]]++;
    if (mine)
        keep_classifier(p, &head, r);
    px_heads_finish(&head);
    free(predicted);
}

/* Derives the rest of the result from what rank 0 found. */
static int conclude(const probe *p, px_probe_result *r)
{
    size_t epochs = (size_t)r->epochs, classes = (size_t)r->classes;
    px_broadcast(p->comm, r->train_loss, (int64_t)(epochs * sizeof(double)), 0);
    px_broadcast(p->comm, r->test_top1, (int64_t)(epochs * sizeof(double)), 0);
    px_broadcast(p->comm, r->confusion, (int64_t)(classes * classes * sizeof(int64_t)), 0);
    px_broadcast(p->comm, &r->top5, sizeof r->top5, 0);
    px_broadcast(p->comm, r->weight, (int64_t)classes * (r->width + 1) * (int64_t)sizeof r->weight[0], 0);
    for (int e = 0; e < r->epochs; e++) {
        if (!isfinite(r->train_loss[e]))
            return px_fail(PX_DIVERGED,
                           "the linear probe's loss is %g in epoch %d: learning rate %g with weight decay %g is "
                           "too large; smaller %s.rates would work",
                           r->train_loss[e], e + 1, r->rate[r->chosen], p->cfg->weight_decay, keys(p));
        if (e == 0 || r->test_top1[e] > r->best_top1) {
            r->best_top1 = r->test_top1[e];
            r->best_epoch = e + 1;
        }
    }
    r->top1 = r->test_top1[r->epochs - 1];
    for (size_t c = 0; c < classes; c++) {
        int64_t total = 0;
        for (size_t k = 0; k < classes; k++)
            total += r->confusion[c * classes + k];
        r->per_class[c] = total > 0 ? (double)r->confusion[c * classes + c] / (double)total : NAN;
    }
    return 0;
}

double px_linear_probe_bytes(const px_probe_cfg *cfg, int64_t train, int64_t test, int classes, int width,
                             const px_comm *comm)
{
    int index[PX_LIST_MAX], rates = share_of_grid(cfg->rates.count, classes, comm, index), least = comm->rank == 0;
    int batch = train < cfg->batch ? (int)train : cfg->batch;
    double orders = (double)(4 * train + 2 * test) * sizeof(int64_t); /* rows, sorted and shuffled */
    double kept = (double)classes * (width + 1) * (double)sizeof(float);
    return orders + kept + px_heads_bytes(rates > least ? rates : least, classes, width, batch) +
           px_heads_window_bytes(width, batch, comm->size);
}

int px_linear_probe(const px_probe_cfg *cfg, const px_features *train, const px_features *test, const px_comm *comm,
                    px_log *log, px_probe_result *r)
{
    probe p = {.cfg = cfg, .train = train, .test = test, .comm = comm, .log = log};
    *r = (px_probe_result){
        .rates = cfg->rates.count, .epochs = cfg->epochs, .classes = train->classes, .width = train->width};
    int rc = px_agree(comm, prepare(&p));
    if (rc == 0) {
        size_t rates = (size_t)r->rates, epochs = (size_t)r->epochs, classes = (size_t)r->classes;
        r->rate = px_calloc(rates, sizeof(double));
        r->holdout_top1 = px_calloc(rates, sizeof(double));
        r->train_loss = px_calloc(epochs, sizeof(double));
        r->test_top1 = px_calloc(epochs, sizeof(double));
        r->per_class = px_calloc(classes, sizeof(double));
        r->confusion = px_calloc(classes * classes, sizeof(int64_t));
        r->weight = px_calloc(classes * ((size_t)r->width + 1), sizeof(float));
        for (int i = 0; i < r->rates; i++)
            r->rate[i] = cfg->rates.value[i];
        choose_rate(&p, r);
        train_final(&p, r);
        rc = conclude(&p, r);
    }
    free(p.mean);
    free(p.scale);
    px_samples_finish(&p.of);
    if (rc != 0)
        px_probe_result_finish(r);
    return rc;
}

void px_probe_result_finish(px_probe_result *r)
{
    free(r->rate);
    free(r->holdout_top1);
    free(r->train_loss);
    free(r->test_top1);
    free(r->per_class);
    free(r->confusion);
    free(r->weight);
    *r = (px_probe_result){0};
}
