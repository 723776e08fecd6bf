/* tokens.c - portable kernels of tokens (B, T, D). */
#include "backends/portable/portable.h"
#include "base/error.h"
#include "ops/attr.h"

#include <string.h>

/* ---- rows of a table, at places ---- */

/* x (B, K, D), table (T, D), places (B, K) -> y */
void KERNEL(add_rows_at)(const px_step *s)
{
    px_shape shape = s->node->in[0]->shape;
    const int32_t *place = s->in[2];
    int64_t n = shape.dim[2], rows = shape.dim[0] * shape.dim[1], T = px_shape_count(s->node->in[1]->shape) / n;
    const real *x = s->in[0];
    const wide *table = s->in[1];
    real *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        PX_CHECK(place[r] >= 0 && place[r] < T);
        const wide *row = table + place[r] * n;
        for (int64_t i = 0; i < n; i++)
            y[r * n + i] = down(up(x[r * n + i]) + row[i]);
    }
}

/* dy (B, K, D), places (B, K) -> (T, D). A task is a group of columns of one row, so sums are always in the order of the
 * samples. */
void KERNEL(sum_rows_at)(const px_step *s)
{
    enum { GROUP = 64 };
    px_shape shape = s->node->in[0]->shape;
    const int32_t *place = s->in[1];
    int64_t n = shape.dim[2], rows = shape.dim[0] * shape.dim[1], T = px_shape_count(s->node->out[0]->shape) / n;
    const real *dy = s->in[0];
    wide *sum = s->out[0];
    for (int64_t r = 0; r < rows; r++)
        PX_CHECK(place[r] >= 0 && place[r] < T);
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t t = 0; t < T; t++)
        for (int64_t from = 0; from < n; from += GROUP) {
            double total[GROUP] = {0};
            int64_t width = n - from < GROUP ? n - from : GROUP;
            for (int64_t r = 0; r < rows; r++)
                for (int64_t i = 0; place[r] == t && i < width; i++)
                    total[i] += up(dy[r * n + from + i]);
            for (int64_t i = 0; i < width; i++)
                sum[t * n + from + i] = (wide)total[i];
        }
}

/* ---- some of the tokens ---- */

static void copy(real *to, const real *from, int64_t count)
{
    memcpy(to, from, (size_t)count * sizeof to[0]);
}

/* x (B, T, D), places (B, K) -> (B, K, D) */
void KERNEL(gather_tokens)(const px_step *s)
{
    px_shape x = s->node->in[0]->shape;
    int64_t T = x.dim[1], D = x.dim[2], K = s->node->in[1]->shape.dim[1];
    const real *in = s->in[0];
    const int32_t *place = s->in[1];
    real *out = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < x.dim[0] * K; i++) {
        PX_CHECK(place[i] >= 0 && place[i] < T);
        copy(out + i * D, in + (i / K * T + place[i]) * D, D);
    }
}

/* to (D) = the sum of the rows of dy (K, D) whose place is t; rounded only once, since there may be many (MAE's mask
 * token) */
static void sum_rows_at(real *to, const real *dy, const int32_t *place, int64_t t, int64_t K, int64_t D)
{
    enum { GROUP = 64 };
    int64_t rows = 0, last = 0;
    for (int64_t k = 0; k < K; k++) {
        rows += place[k] == t;
        last = place[k] == t ? k : last;
    }
    if (rows == 1)
        copy(to, dy + last * D, D);
    for (int64_t from = 0; from < D && rows != 1; from += GROUP) {
        wide sum[GROUP] = {0};
        int64_t width = D - from < GROUP ? D - from : GROUP;
        for (int64_t k = 0; k < K && rows > 0; k++)
            for (int64_t i = 0; place[k] == t && i < width; i++)
                sum[i] += up(dy[k * D + from + i]);
        for (int64_t i = 0; i < width; i++)
            to[from + i] = down(sum[i]);
    }
}

/* dy (B, K, D), places, x -> dx (B, T, D) */
void KERNEL(scatter_tokens)(const px_step *s)
{
    px_shape x = s->node->out[0]->shape;
    int64_t T = x.dim[1], D = x.dim[2], K = s->node->in[1]->shape.dim[1];
    const real *dy = s->in[0];
    const int32_t *place = s->in[1];
    real *dx = s->out[0];
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t b = 0; b < x.dim[0]; b++)
        for (int64_t t = 0; t < T; t++)
            sum_rows_at(dx + (b * T + t) * D, dy + b * K * D, place + b * K, t, K, D);
}
