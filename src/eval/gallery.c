/* gallery.c - see gallery.h. */
#include "eval/gallery.h"

#include "base/error.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static px_gallery_block place_of(const px_gallery *g, int64_t block)
{
    int64_t begin = (g->first + block) * PX_GALLERY_KEYS, end = begin + PX_GALLERY_KEYS;
    int64_t last = g->here.first + g->here.rows, from = begin > g->here.first ? begin : g->here.first;
    end = end < g->of->count ? end : g->of->count;
    return (px_gallery_block){.begin = begin,
                              .keys = (int)(end - begin),
                              .from = (int)(from - begin),
                              .to = (int)((end < last ? end : last) - begin)};
}

static bool is_whole(const px_gallery_block *b)
{
    return b->from == 0 && b->to == b->keys;
}

static float *edge_of(const px_gallery *g, int64_t block)
{
    return g->edge[block > 0];
}

px_gallery px_gallery_make(const px_features *f)
{
    px_gallery g = {.of = f, .here = px_features_here(f)};
    int64_t width = f->width, end = g.here.first + g.here.rows;
    g.first = g.here.first / PX_GALLERY_KEYS;
    g.blocks = g.here.rows > 0 ? (end + PX_GALLERY_KEYS - 1) / PX_GALLERY_KEYS - g.first : 0;
    int64_t to_last = g.blocks > 1 ? g.blocks - 1 : 1;
    for (int64_t b = 0; b < g.blocks; b += to_last) {
        px_gallery_block k = place_of(&g, b);
        if (is_whole(&k))
            continue;
        float *x = px_aligned_calloc((size_t)(PX_GALLERY_KEYS * width) * sizeof *x + 64);
        px_features_copy(f, k.begin + k.from - g.here.first, k.to - k.from, x + k.from * width);
        g.edge[b > 0] = x;
    }
    return g;
}

void px_gallery_finish(px_gallery *g)
{
    free(g->edge[0]);
    free(g->edge[1]);
    *g = (px_gallery){0};
}

float *px_gallery_copy(const px_gallery *g)
{
    return g->of->x ? NULL : px_aligned_calloc((size_t)PX_GALLERY_KEYS * (size_t)g->of->width * sizeof(float) + 64);
}

px_gallery_block px_gallery_at(const px_gallery *g, int64_t block, float *copy)
{
    px_gallery_block k = place_of(g, block);
    k.x = is_whole(&k) ? px_features_rows(g->of, k.begin - g->here.first, k.keys, copy) : edge_of(g, block);
    return k;
}

void px_gallery_dot(const px_gallery_block *k, const float *query, int queries, int width, float *dot)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, queries, k->keys, width, 1, query, width, k->x, width, 0, dot,
                k->keys);
}

void px_gallery_inverse_lengths(const float *x, int64_t rows, int width, float *scale)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < rows; i++) {
        double square = 0;
        for (int j = 0; j < width; j++)
            square += (double)x[i * width + j] * x[i * width + j];
        scale[i] = square > 0 ? (float)(1 / sqrt(square)) : 0;
    }
}

void px_gallery_scales(const px_features *f, float *scale)
{
    int64_t rows = px_features_here(f).rows;
    float *copy = f->x ? NULL : px_aligned_calloc((size_t)PX_GALLERY_KEYS * (size_t)f->width * sizeof(float) + 64);
    for (int64_t at = 0, n; at < rows; at += n) {
        n = f->x || rows - at < PX_GALLERY_KEYS ? rows - at : PX_GALLERY_KEYS;
        px_gallery_inverse_lengths(px_features_rows(f, at, n, copy), n, f->width, scale + at);
    }
    free(copy);
}

double px_gallery_bytes(int width, int ranks, int threads, bool bf16)
{
    double blocks = (ranks > 1 ? 2 : 0) + (bf16 ? threads : 0);
    return blocks * PX_GALLERY_KEYS * width * (double)sizeof(float);
}
