/* kmeans.c - see kmeans.h. */
#include "eval/kmeans.h"

#include "base/error.h"
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 32 };

px_kmeans px_kmeans_make(const float *x, int64_t rows, int width, int clusters)
{
    PX_CHECK(clusters >= 1 && clusters <= rows);
    return (px_kmeans){.x = x,
                       .rows = rows,
                       .width = width,
                       .clusters = clusters,
                       .centre = px_calloc((size_t)clusters * (size_t)width, sizeof(float)),
                       .cluster = px_calloc((size_t)rows, sizeof(int32_t)),
                       .distance = px_calloc((size_t)rows, sizeof(double))};
}

void px_kmeans_finish(px_kmeans *k)
{
    free(k->centre);
    free(k->cluster);
    free(k->distance);
    *k = (px_kmeans){0};
}

double px_kmeans_bytes(int64_t rows, int width, int clusters)
{
    return (double)rows * (double)(sizeof(int32_t) + sizeof(double)) +
           (double)clusters * width *
               (double)(sizeof(float) + sizeof(double)); /* centres, and sums for the next ones */
}

static float squared(const float *a, const float *b, int width)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int j = 0; j < width; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
}

static const float *row_of(const px_kmeans *k, int64_t i)
{
    return k->x + i * k->width;
}

static void set_centre(px_kmeans *k, int c, int64_t row)
{
    memcpy(k->centre + (int64_t)c * k->width, row_of(k, row), (size_t)k->width * sizeof(float));
}

/* The row at which the distances' sum passes the share `u` of it. */
static int64_t draw_by_distance(const px_kmeans *k, double u)
{
    double all = 0, sum = 0;
    int64_t last = 0;
    for (int64_t i = 0; i < k->rows; i++)
        all += k->distance[i];
    for (int64_t i = 0; i < k->rows; i++) {
        sum += k->distance[i];
        if (k->distance[i] > 0)
            last = i;
        if (sum > u * all)
            return i;
    }
    return last;
}

void px_kmeans_begin(px_kmeans *k, int64_t seed, int start)
{
    px_rng rng = px_rng_make((uint64_t)seed, PX_RNG_PROBE, (uint64_t)start, 1);
    set_centre(k, 0, px_rng_below(&rng, (uint32_t)k->rows));
    for (int64_t i = 0; i < k->rows; i++)
        k->distance[i] = INFINITY;
    for (int c = 1; c < k->clusters; c++) {
        const float *last = k->centre + (int64_t)(c - 1) * k->width;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < k->rows; i++)
            k->distance[i] = fmin(k->distance[i], squared(row_of(k, i), last, k->width));
        set_centre(k, c, draw_by_distance(k, px_rng_uniform(&rng)));
    }
}

/* Gives each row its nearest centre. Whether any changed. */
static bool assign(px_kmeans *k)
{
    int64_t changed = 0;
#pragma omp parallel for schedule(static) reduction(+ : changed)
    for (int64_t i = 0; i < k->rows; i++) {
        int best = 0;
        float least = INFINITY;
        for (int c = 0; c < k->clusters; c++) {
            float d = squared(row_of(k, i), k->centre + (int64_t)c * k->width, k->width);
            if (d < least) {
                least = d;
                best = c;
            }
        }
        changed += k->cluster[i] != best;
        k->cluster[i] = best;
        k->distance[i] = least;
    }
    return changed > 0;
}

/* Moves far rows into clusters that have none. */
static void fill_empty(px_kmeans *k, int64_t *count)
{
    for (int c = 0; c < k->clusters; c++) {
        int64_t far = -1;
        for (int64_t i = 0; count[c] == 0 && i < k->rows; i++)
            if (count[k->cluster[i]] > 1 && (far < 0 || k->distance[i] > k->distance[far]))
                far = i;
        if (far < 0)
            continue;
        count[k->cluster[far]]--;
        count[c]++;
        k->cluster[far] = c;
        k->distance[far] = 0;
    }
}

/* Each centre becomes the mean of its rows. */
static void move_centres(px_kmeans *k)
{
    int64_t *count = px_calloc((size_t)k->clusters, sizeof *count);
    double *sum = px_calloc((size_t)k->clusters * (size_t)k->width, sizeof *sum);
    for (int64_t i = 0; i < k->rows; i++)
        count[k->cluster[i]]++;
    fill_empty(k, count);
#pragma omp parallel for schedule(static)
    for (int first = 0; first < k->width; first += COLUMNS) {
        int end = first + COLUMNS < k->width ? first + COLUMNS : k->width;
        for (int64_t i = 0; i < k->rows; i++)
            for (int j = first; j < end; j++)
                sum[(int64_t)k->cluster[i] * k->width + j] += row_of(k, i)[j];
    }
    for (int c = 0; c < k->clusters; c++)
        for (int j = 0; j < k->width && count[c] > 0; j++)
            k->centre[(int64_t)c * k->width + j] = (float)(sum[(int64_t)c * k->width + j] / (double)count[c]);
    free(count);
    free(sum);
}

void px_kmeans_run(px_kmeans *k, int most)
{
    for (int64_t i = 0; i < k->rows; i++)
        k->cluster[i] = -1;
    for (k->steps = 0; assign(k) && k->steps < most; k->steps++)
        move_centres(k);
    k->inertia = 0;
    for (int64_t i = 0; i < k->rows; i++)
        k->inertia += k->distance[i];
}
