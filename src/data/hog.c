/* hog.c - see hog.h. */
#include "data/hog.h"
#include "base/error.h"

#include <math.h>
#include <string.h>

/* A gradient: from left to right, from top to bottom. */
typedef struct slope {
    float x, y;
} slope;

/* The pixel votes for its direction, in [0, pi) from the axis `along` towards `across`. */
static void vote(const px_hog *h, float across, float along, float weight, float *histogram /* (orientations) */)
{
    double parts = atan2((double)across, (double)along) / M_PI * h->orientations;
    int bin = (int)floor(parts) % h->orientations;
    histogram[bin < 0 ? bin + h->orientations : bin] += weight;
}

int px_hog_cell_for(int size)
{
    enum { MOST = 8, LEAST = 6 };
    int best = MOST;
    if (size < 2 * MOST)
        return size / 2 > 0 ? size / 2 : 1;
    for (int cell = MOST - 1; cell >= LEAST; cell--)
        if (size % cell < size % best)
            best = cell;
    return best;
}

/* ---- the descriptor of an image ---- */

enum { BLOCK = 2 }; /* cells per side */

static slope central(const float *x /* (S, S) */, int S, int row, int column)
{
    const float *at = x + row * S + column;
    return (slope){column > 0 && column < S - 1 ? at[1] - at[-1] : 0, row > 0 && row < S - 1 ? at[S] - at[-S] : 0};
}

/* The gradient of the channel in which it is largest; of equal ones the first. Pixels are whole numbers / 255, so that many are
 * equal but for rounding. */
static slope strongest(const px_plane *p, int row, int column)
{
    slope best = central(p->data, p->size, row, column);
    for (int c = 1; c < p->channels; c++) {
        slope s = central(p->data + (size_t)c * (size_t)(p->size * p->size), p->size, row, column);
        if (s.x * s.x + s.y * s.y > (best.x * best.x + best.y * best.y) * (1 + 1e-5f))
            best = s;
    }
    return best;
}

/* To length 1. The constant is scikit-image's. */
static void normalise(float *x, int count)
{
    double square = 1e-5 * 1e-5;
    for (int i = 0; i < count; i++)
        square += (double)x[i] * x[i];
    for (int i = 0; i < count; i++)
        x[i] = (float)(x[i] / sqrt(square));
}

static void describe_block(float *x, int count)
{
    normalise(x, count);
    for (int i = 0; i < count; i++)
        x[i] = fminf(x[i], 0.2f);
    normalise(x, count);
}

int px_hog_width(const px_hog *h, int size)
{
    int blocks = size / h->cell - BLOCK + 1;
    return blocks * blocks * BLOCK * BLOCK * h->orientations;
}

void px_hog_describe(const px_hog *h, const px_plane *p, float *out, px_scratch *scratch)
{
    int cells = p->size / h->cell, bins = h->orientations, blocks = cells - BLOCK + 1;
    PX_CHECK(blocks > 0);
    size_t count = (size_t)(cells * cells * bins);
    float *histogram = px_scratch_reserve(scratch, count); /* (cells, cells, bins) */
    memset(histogram, 0, count * sizeof histogram[0]);
    for (int row = 0; row < cells * h->cell; row++)
        for (int column = 0; column < cells * h->cell; column++) {
            slope s = strongest(p, row, column);
            vote(h, s.y, s.x, hypotf(s.x, s.y) / (float)(h->cell * h->cell),
                 histogram + (row / h->cell * cells + column / h->cell) * bins);
        }
    for (int b = 0; b < blocks * blocks; b++, out += BLOCK * BLOCK * bins) {
        for (int i = 0; i < BLOCK; i++)
            memcpy(out + i * BLOCK * bins, histogram + ((b / blocks + i) * cells + b % blocks) * bins,
                   (size_t)(BLOCK * bins) * sizeof out[0]);
        describe_block(out, BLOCK * BLOCK * bins);
    }
}

/* ---- the target of MaskFeat ---- */

static int reflected(int i, int size)
{
    return size == 1 ? 0 : i < 0 ? -i : i >= size ? 2 * size - 2 - i : i;
}

static slope sobel(const float *x /* (S, S) */, int S, int row, int column)
{
    slope s = {0};
    const float weight[3] = {1, 2, 1};
    int before = reflected(column - 1, S), after = reflected(column + 1, S);
    int above = reflected(row - 1, S), below = reflected(row + 1, S);
    for (int i = -1; i <= 1; i++) {
        const float *at = x + reflected(row + i, S) * S;
        int to = reflected(column + i, S);
        s.x += weight[i + 1] * (at[after] - at[before]);
        s.y += weight[i + 1] * (x[below * S + to] - x[above * S + to]);
    }
    return s;
}

void px_hog_by_channel(const px_hog *h, const px_plane *p, float *out)
{
    int S = p->size, cells = S / h->cell, bins = h->orientations, window = 2 * h->cell;
    size_t histograms = (size_t)(cells * cells * p->channels);
    memset(out, 0, histograms * (size_t)bins * sizeof out[0]);
    for (int row = 0; row < cells * h->cell; row++)
        for (int column = 0; column < cells * h->cell; column++) {
            double y = (row % window - (window - 1) / 2.0) / h->cell,
                   x = (column % window - (window - 1) / 2.0) / h->cell;
            float near = (float)exp(-(x * x + y * y) / 2),
                  *cell = out + (row / h->cell * cells + column / h->cell) * p->channels * bins;
            for (int c = 0; c < p->channels; c++) {
                slope s = sobel(p->data + (size_t)c * (size_t)(S * S), S, row, column);
                vote(h, s.x, s.y, near * hypotf(s.x, s.y), cell + c * bins);
            }
        }
    for (size_t i = 0; i < histograms; i++, out += bins) { /* torch.nn.functional.normalize: not by less than 1e-12 */
        double square = 0;
        for (int k = 0; k < bins; k++)
            square += (double)out[k] * out[k];
        for (int k = 0; k < bins; k++)
            out[k] = (float)(out[k] / fmax(sqrt(square), 1e-12));
    }
}
