/* lbfgs.c - see lbfgs.h. */
#include "eval/lbfgs.h"

#include "base/error.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 10, TRIES = 50 /* of a line search */ };
static const double DECREASE = 1e-4, CURVATURE = 0.9; /* the Wolfe conditions' usual constants */

/* The last steps s and changes y of the gradient. */
typedef struct history {
    int64_t n;
    int count, next; /* pairs that there are; the place of the next one */
    double *s, *y;   /* (PAIRS, n) */
    double rho[PAIRS];
} history;

/* Where the search is. */
typedef struct point {
    double value;
    double *x, *gradient; /* (n) */
} point;

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add(double *y, double by, const double *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] += by * x[i];
}

static double largest(const double *x, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    return most;
}

/* direction = -H gradient, by the two loops of algorithm 7.4. */
static void choose_direction(const history *h, const double *gradient, double *direction)
{
    double alpha[PAIRS];
    for (int64_t i = 0; i < h->n; i++)
        direction[i] = -gradient[i];
    for (int k = 0; k < h->count; k++) { /* newest first */
        int at = (h->next - 1 - k + 2 * PAIRS) % PAIRS;
        alpha[at] = h->rho[at] * dot(h->s + at * h->n, direction, h->n);
        add(direction, -alpha[at], h->y + at * h->n, h->n);
    }
    if (h->count > 0) {
        int last = (h->next - 1 + PAIRS) % PAIRS;
        const double *y = h->y + last * h->n;
        double scale = 1 / (h->rho[last] * dot(y, y, h->n));
        for (int64_t i = 0; i < h->n; i++)
            direction[i] *= scale;
    }
    for (int k = h->count - 1; k >= 0; k--) {
        int at = (h->next - 1 - k + 2 * PAIRS) % PAIRS;
        double beta = h->rho[at] * dot(h->y + at * h->n, direction, h->n);
        add(direction, alpha[at] - beta, h->s + at * h->n, h->n);
    }
}

static void remember(history *h, const point *from, const point *to)
{
    double *s = h->s + h->next * h->n, *y = h->y + h->next * h->n;
    for (int64_t i = 0; i < h->n; i++) {
        s[i] = to->x[i] - from->x[i];
        y[i] = to->gradient[i] - from->gradient[i];
    }
    double curvature = dot(s, y, h->n);
    if (!(curvature > 0))
        return;
    h->rho[h->next] = 1 / curvature;
    h->next = (h->next + 1) % PAIRS;
    h->count += h->count < PAIRS;
}

/* Goes from `from` along the direction to `to`. False if no step makes the value smaller. */
static bool search(px_lbfgs_function *f, void *context, const point *from, const double *direction, double step,
                   point *to, int64_t n)
{
    double low = 0, high = INFINITY, slope = dot(from->gradient, direction, n);
    for (int tries = 0; tries < TRIES; tries++) {
        memcpy(to->x, from->x, (size_t)n * sizeof to->x[0]);
        add(to->x, step, direction, n);
        to->value = f(context, to->x, to->gradient);
        if (!(to->value <= from->value + DECREASE * step * slope))
            high = step;
        else if (dot(to->gradient, direction, n) < CURVATURE * slope)
            low = step;
        else
            return true;
        step = isfinite(high) ? (low + high) / 2 : 2 * low;
    }
    return to->value < from->value;
}

static point make_point(int64_t n)
{
    return (point){0, px_calloc((size_t)n, sizeof(double)), px_calloc((size_t)n, sizeof(double))};
}

px_lbfgs_end px_lbfgs(px_lbfgs_function *f, void *context, double *x, int64_t n, double tolerance, int most)
{
    history h = {.n = n,
                 .s = px_calloc((size_t)(PAIRS * n), sizeof(double)),
                 .y = px_calloc((size_t)(PAIRS * n), sizeof(double))};
    point here = make_point(n), there = make_point(n);
    double *direction = px_calloc((size_t)n, sizeof *direction);
    memcpy(here.x, x, (size_t)n * sizeof *x);
    here.value = f(context, here.x, here.gradient);
    int steps = 0;
    for (; steps < most && largest(here.gradient, n) > tolerance; steps++) {
        choose_direction(&h, here.gradient, direction);
        double first = h.count > 0 ? 1 : 1 / sqrt(dot(here.gradient, here.gradient, n));
        if (!search(f, context, &here, direction, first, &there, n))
            break;
        remember(&h, &here, &there);
        double fell = here.value - there.value;
        point swap = here;
        here = there;
        there = swap;
        if (fell <= 64 * DBL_EPSILON * fmax(fabs(here.value), 1)) /* as scipy's L-BFGS-B ends for scikit-learn */
            break;
    }
    memcpy(x, here.x, (size_t)n * sizeof *x);
    px_lbfgs_end end = {here.value, largest(here.gradient, n), steps};
    free(here.x);
    free(here.gradient);
    free(there.x);
    free(there.gradient);
    free(direction);
    free(h.s);
    free(h.y);
    return end;
}

double px_lbfgs_bytes(int64_t n)
{
    return (2 * PAIRS + 5) * (double)n * (double)sizeof(double);
}
