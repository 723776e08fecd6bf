/* heads.c - many linear softmax classifiers, trained side by side on the same features.
 *
 * A step takes a millisecond or less, so one parallel region lasts a whole epoch, with two barriers per step. The batch
 * is cut into pieces of a few rows for the forward pass, the weights are cut likewise for the backward pass and the
 * update, and threads take one piece after another. Each matrix product runs on one thread (as OpenBLAS does inside a
 * parallel region) and has a fixed shape: results do not depend on the number of threads.
 */
#include "eval/heads.h"

#include "base/error.h"
#include "base/rng.h"
#include "base/simd.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

static const float MOMENTUM = 0.9f;

enum { WIDE_ENOUGH = 64, PIECE = 32, WINDOW_BYTES = 1 << 24 };

int px_heads_group(int classes)
{
    return (WIDE_ENOUGH + classes - 1) / classes;
}

static int stride_of(int width)
{
    return (width + 1 + 15) / 16 * 16;
}

double px_heads_bytes(int count, int classes, int width, int batch)
{
    double outputs = (double)count * classes, stride = stride_of(width), rows = batch;
    double matrices = 3 * outputs * stride + rows * stride + rows * outputs; /* weight, velocity, gradient; x; logit */
    return (matrices + 2 * rows * count + rows) * (double)sizeof(float);
}

void px_heads_init(px_heads *h, const double *rate, int count, int classes, int width, int batch)
{
    int stride = stride_of(width), group = px_heads_group(classes);
    size_t outputs = (size_t)count * (size_t)classes, floats = outputs * (size_t)stride, rows = (size_t)batch;
    *h = (px_heads){.count = count,
                    .classes = classes,
                    .width = width,
                    .stride = stride,
                    .group = group,
                    .batch = batch,
                    .rate = px_calloc((size_t)count, sizeof(double)),
                    .weight = px_aligned_calloc(floats * sizeof(float)),
                    .velocity = px_aligned_calloc(floats * sizeof(float)),
                    .gradient = px_aligned_calloc(floats * sizeof(float)),
                    .x = px_aligned_calloc(rows * (size_t)stride * sizeof(float)),
                    .label = px_calloc(rows, sizeof(int32_t)),
                    .logit = px_aligned_calloc(rows * outputs * sizeof(float)),
                    .loss = px_calloc(rows * (size_t)count, sizeof(float)),
                    .place = px_calloc(rows * (size_t)count, sizeof(int32_t))};
    for (int i = 0; i < count; i++)
        h->rate[i] = rate[i];
    for (int i = 0; i < batch; i++)
        h->x[(int64_t)i * stride + width] = 1;
}

void px_heads_finish(px_heads *h)
{
    free(h->rate);
    free(h->weight);
    free(h->velocity);
    free(h->gradient);
    free(h->x);
    free(h->label);
    free(h->logit);
    free(h->loss);
    free(h->place);
    *h = (px_heads){0};
}

typedef struct range {
    int begin, end;
} range;

/* At most `size` of the range begin..end-1. */
static range piece(int begin, int size, int end)
{
    return (range){begin, end - begin < size ? end : begin + size};
}

/* ---- rows of other ranks ---- */

/* Batches that ranks exchange at a time. */
static int64_t window_steps(int width, int batch)
{
    int64_t steps = WINDOW_BYTES / ((int64_t)batch * width * (int64_t)sizeof(float));
    return steps > 1 ? steps : 1;
}

double px_heads_window_bytes(int width, int batch, int ranks)
{
    int64_t rows = window_steps(width, batch) * batch;
    return ranks > 1 ? (double)rows * (width * (double)sizeof(float) + sizeof(int64_t)) +
                           px_features_fetch_bytes(rows, width, ranks)
                     : 0;
}

/* How many steps can take their rows at once: of undivided ones all. */
static int64_t begin_window(px_heads *h, const px_selection *s)
{
    if (!px_features_divided(s->of))
        return s->count;
    int64_t steps = window_steps(h->width, h->batch);
    h->window = px_aligned_calloc((size_t)(steps * h->batch * h->width) * sizeof(float) + 64);
    return steps;
}

/* Collective if rows are divided: gets those from place `begin` to end - 1 of the order, or of the selection if it is NULL. */
static void fill_window(px_heads *h, const px_selection *s, const int64_t *order, int64_t begin, int64_t end)
{
    if (!h->window)
        return;
    int64_t *row = px_calloc((size_t)(end - begin) + 1, sizeof *row);
    for (int64_t i = begin; i < end; i++)
        row[i - begin] = s->row[order ? order[i] : i];
    px_features_fetch(s->of, row, end - begin, s->to, h->window);
    h->staged = begin;
    free(row);
}

static void end_window(px_heads *h)
{
    free(h->window);
    h->window = NULL;
}

/* ---- a step ---- */

/* Gathers rows of the selection, from `begin` on and in the order of `order` unless it is NULL, into rows of the
 * batch. */
static void gather(px_heads *h, const px_selection *s, const int64_t *order, int64_t begin, range rows)
{
    for (int i = rows.begin; i < rows.end; i++) {
        int64_t row = s->row[order ? order[begin + i] : begin + i];
        float *to = h->x + (int64_t)i * h->stride;
        const float *from =
            h->window ? h->window + (begin + i - h->staged) * h->width : px_features_rows(s->of, row, 1, to);
#pragma omp simd
        for (int j = 0; j < h->width; j++)
            to[j] = (from[j] - s->mean[j]) * s->scale[j];
        h->label[i] = s->of->label[row];
    }
}

/* logit (rows, group * classes) = x (rows, width + 1) weight^T, one group after the other */
static void forward(px_heads *h, range rows)
{
    int outputs = h->count * h->classes;
    for (int first = 0; first < h->count; first += h->group) {
        range heads = piece(first, h->group, h->count);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows.end - rows.begin,
                    (heads.end - heads.begin) * h->classes, h->width + 1, 1, h->x + (int64_t)rows.begin * h->stride,
                    h->stride, h->weight + (int64_t)first * h->classes * h->stride, h->stride, 0,
                    h->logit + (int64_t)rows.begin * outputs + first * h->classes, outputs);
    }
}

/* Softmax cross-entropy of one head and row, in place: z becomes (softmax - onehot) * scale. Returns the loss. */
static inline float cross_entropy(float *z, int classes, int32_t label, float scale)
{
    float top = z[0], sum = 0;
    for (int c = 1; c < classes; c++)
        top = z[c] > top ? z[c] : top;
    float loss = top - z[label];
    for (int c = 0; c < classes; c++) {
        z[c] = expf(z[c] - top);
        sum += z[c];
    }
    float by = scale / sum;
    for (int c = 0; c < classes; c++)
        z[c] *= by;
    z[label] -= scale;
    return loss + logf(sum);
}

static void cross_entropies(px_heads *h, range rows, float scale)
{
    for (int i = rows.begin; i < rows.end; i++)
        for (int k = 0; k < h->count; k++) {
            int64_t at = (int64_t)i * h->count + k;
            h->loss[at] = cross_entropy(h->logit + at * h->classes, h->classes, h->label[i], scale);
        }
}

/* Nesterov momentum in PyTorch's form: v = mu v + g; w -= lr (g + mu v) */
static PX_MULTIVERSION(descend,
                       (float *restrict w, float *restrict v, const float *restrict g, int count, float rate,
                        float decay),
                       (w, v, g, count, rate, decay))
{
#pragma omp simd
    for (int j = 0; j < count; j++) {
        float slope = g[j] + decay * w[j];
        v[j] = MOMENTUM * v[j] + slope;
        w[j] -= rate * (slope + MOMENTUM * v[j]);
    }
}

/* The number of pieces of one group's weights; groups follow each other. */
static int pieces_of_group(const px_heads *h)
{
    return (h->group * h->classes + PIECE - 1) / PIECE;
}

/* Gradient and update of one piece of the weights; h->logit contains (softmax - onehot) / rows. */
static void update(px_heads *h, int number, int rows, double shrink, double weight_decay)
{
    int first = number / pieces_of_group(h) * h->group * h->classes, outputs = h->count * h->classes;
    range group = piece(first, h->group * h->classes, outputs);
    range mine = piece(first + number % pieces_of_group(h) * PIECE, PIECE, group.end);
    int64_t offset = (int64_t)mine.begin * h->stride;
    if (mine.begin >= mine.end)
        return;
    /* gradient (mine, width + 1) = logit^T (mine, rows) x (rows, width + 1) */
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, mine.end - mine.begin, h->width + 1, rows, 1,
                h->logit + mine.begin, outputs, h->x, h->stride, 0, h->gradient + offset, h->stride);
    for (int r = mine.begin; r < mine.end; r++, offset += h->stride) {
        float rate = (float)(h->rate[r / h->classes] * shrink);
        float *w = h->weight + offset, *v = h->velocity + offset, *g = h->gradient + offset;
        descend(w, v, g, h->width, rate, (float)weight_decay);
        descend(w + h->width, v + h->width, g + h->width, 1, rate, 0);
    }
}

/* Adds rows in order, so that the sum has the same bits every time. */
static void add_losses(const px_heads *h, int rows, double *loss)
{
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < h->count; k++)
            loss[k] += h->loss[(int64_t)i * h->count + k];
}

/* A new array: 0..count-1 in the random order of (seed, epoch) (Fisher-Yates). */
static int64_t *shuffled(int64_t count, int64_t seed, int epoch)
{
    PX_CHECK(count <= UINT32_MAX);
    int64_t *order = px_calloc((size_t)count, sizeof(int64_t));
    px_rng rng = px_rng_make((uint64_t)seed, PX_RNG_PROBE, (uint64_t)epoch, 0);
    for (int64_t i = 0; i < count; i++) {
        int64_t j = px_rng_below(&rng, (uint32_t)(i + 1));
        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

/* Batches are of nearly equal size: a last one of a few rows would have the weight of a full one. */
typedef struct schedule {
    const px_selection *of;
    const px_heads_recipe *recipe;
    const int64_t *order;
    int64_t steps;
    int epoch;
} schedule;

static int64_t begin_of(const schedule *s, int64_t step)
{
    return s->of->count * step / s->steps;
}

static void train_steps(px_heads *h, const schedule *s, int64_t first, int64_t end, double *loss)
{
    int pieces = (h->count + h->group - 1) / h->group * pieces_of_group(h);
#pragma omp parallel
    for (int64_t step = first; step < end; step++) {
        int64_t begin = begin_of(s, step);
        int rows = (int)(begin_of(s, step + 1) - begin);
        double progress = ((double)s->epoch + (double)step / (double)s->steps) / s->recipe->epochs;
        double shrink = 0.5 * (1 + cos(M_PI * progress));
#pragma omp for schedule(dynamic)
        for (int i = 0; i < rows; i += PIECE) {
            range mine = piece(i, PIECE, rows);
            gather(h, s->of, s->order, begin, mine);
            forward(h, mine);
            cross_entropies(h, mine, 1.0f / (float)rows);
        }
#pragma omp for schedule(dynamic)
        for (int i = 0; i <= pieces; i++)
            if (i < pieces)
                update(h, i, rows, shrink, s->recipe->weight_decay);
            else
                add_losses(h, rows, loss);
    }
}

void px_heads_train(px_heads *h, const px_selection *of, const px_heads_recipe *recipe, int epoch, double *loss)
{
    int64_t *order = shuffled(of->count, recipe->seed, epoch);
    const schedule s = {of, recipe, order, (of->count + h->batch - 1) / h->batch, epoch};
    for (int k = 0; k < h->count; k++)
        loss[k] = 0;
    int64_t some = begin_window(h, of);
    for (int64_t step = 0; step < s.steps; step += some) {
        int64_t end = s.steps - step < some ? s.steps : step + some;
        fill_window(h, of, order, begin_of(&s, step), begin_of(&s, end));
        if (h->count > 0)
            train_steps(h, &s, step, end, loss);
    }
    end_window(h);
    for (int k = 0; k < h->count; k++)
        loss[k] /= (double)of->count;
    free(order);
}

/* How many classes rank before `label`: a larger logit, or an equal one and a smaller number. NaN ranks first. */
static int place_of(const float *z, int classes, int32_t label)
{
    int before = 0;
    for (int c = 0; c < label; c++)
        before += !(z[c] < z[label]);
    for (int c = label + 1; c < classes; c++)
        before += !(z[c] <= z[label]);
    return before;
}

static int32_t first_of(const float *z, int classes)
{
    int32_t best = 0;
    for (int c = 1; c < classes; c++)
        if (z[c] > z[best])
            best = c;
    return best;
}

/* Tests one batch: fills h->place and h->loss of these rows and, unless it is NULL, the first head's predictions. */
static void test_rows(px_heads *h, const px_selection *s, int64_t begin, range rows, int32_t *predicted)
{
    gather(h, s, NULL, begin, rows);
    forward(h, rows);
    for (int i = rows.begin; i < rows.end; i++) {
        const float *z = h->logit + (int64_t)i * h->count * h->classes;
        if (predicted)
            predicted[begin + i] = first_of(z, h->classes);
        for (int k = 0; k < h->count; k++, z += h->classes)
            h->place[(int64_t)i * h->count + k] = place_of(z, h->classes, h->label[i]);
    }
    cross_entropies(h, rows, 1);
}

/* Rows first to end - 1 of the selection, batch by batch. */
static void test_batches(px_heads *h, const px_selection *s, int64_t first, int64_t end, px_head_score *score,
                         int32_t *predicted)
{
#pragma omp parallel
    for (int64_t begin = first; begin < end; begin += h->batch) {
        int rows = (int)(end - begin < h->batch ? end - begin : h->batch);
#pragma omp for schedule(dynamic)
        for (int i = 0; i < rows; i += PIECE)
            test_rows(h, s, begin, piece(i, PIECE, rows), predicted);
#pragma omp single
        for (int64_t i = 0; i < (int64_t)rows * h->count; i++) {
            px_head_score *of = &score[i % h->count];
            of->right1 += h->place[i] < 1;
            of->right5 += h->place[i] < 5;
            of->loss += h->loss[i] / (double)s->count;
        }
    }
}

void px_heads_test(px_heads *h, const px_selection *s, px_head_score *score, int32_t *predicted)
{
    for (int k = 0; k < h->count; k++)
        score[k] = (px_head_score){0};
    int64_t steps = begin_window(h, s), some = h->window ? steps * h->batch : s->count;
    for (int64_t first = 0; first < s->count; first += some) {
        int64_t end = s->count - first < some ? s->count : first + some;
        fill_window(h, s, NULL, first, end);
        if (h->count > 0)
            test_batches(h, s, first, end, score, predicted);
    }
    end_window(h);
}
