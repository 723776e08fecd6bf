/* mix.c - see mix.h. */
#include "data/mix.h"

#include <math.h>

/* Marsaglia & Tsang 2000 for a shape of at least 1; smaller ones by the power of a uniform number. */
static double gamma_number(px_rng *rng, double shape)
{
    double boost = 1;
    if (shape < 1) {
        boost = pow(1 - (double)px_rng_uniform(rng), 1 / shape); /* in (0, 1] */
        shape += 1;
    }
    const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = (double)px_rng_normal(rng), v = 1 + c * x, u = 1 - (double)px_rng_uniform(rng);
        v = v * v * v;
        if (v > 0 && log(u) < 0.5 * x * x + d - d * v + d * log(v))
            return boost * d * v;
    }
}

static double beta_number(px_rng *rng, double alpha)
{
    double a = gamma_number(rng, alpha), b = gamma_number(rng, alpha);
    return a + b > 0 ? a / (a + b) : 1; /* both may be too small for a double where alpha is below 0.05 */
}

static int within(double x, int size)
{
    return x < 0 ? 0 : x > size ? size : (int)x;
}

px_mixing px_mix_draw(const px_mix *mix, px_rng rng, int size)
{
    bool mixes = px_rng_uniform(&rng) < (float)mix->probability;
    bool cuts = mix->by == PX_MIX_CUT;
    float either = px_rng_uniform(&rng);
    if (mix->by == PX_MIX_EITHER)
        cuts = either < (float)mix->cutmix_share;
    if (mix->by == PX_MIX_NONE || !mixes)
        return (px_mixing){.share = 1};
    int x = (int)px_rng_below(&rng, (uint32_t)size), y = (int)px_rng_below(&rng, (uint32_t)size);
    double share = beta_number(&rng, cuts ? mix->cutmix_alpha : mix->mixup_alpha);
    px_mixing m = {.mixes = true, .share = (float)share, .cuts = cuts};
    if (cuts) {
        int half = (int)(0.5 * sqrt(1 - share) * size);
        m.top = within(y - half, size);
        m.bottom = within(y + half, size);
        m.left = within(x - half, size);
        m.right = within(x + half, size);
        double area = (double)(m.bottom - m.top) * (m.right - m.left);
        m.share = (float)(1 - area / ((double)size * size));
    }
    return m;
}

void px_mix_apply(const px_mixing *m, px_plane *plane, const px_plane *other)
{
    const int size = plane->size;
    for (int c = 0; c < plane->channels; c++)
        for (int y = m->cuts ? m->top : 0; y < (m->cuts ? m->bottom : size); y++) {
            int64_t line = ((int64_t)c * size + y) * size;
            float *to = plane->data + line;
            const float *from = other->data + line;
            if (m->cuts)
                for (int x = m->left; x < m->right; x++)
                    to[x] = from[x];
            else
                for (int x = 0; x < size; x++)
                    to[x] = m->share * to[x] + (1 - m->share) * from[x];
        }
}

void px_soft_label(float target[], int classes, int label, int other, float share, float smoothing)
{
    for (int k = 0; k < classes; k++)
        target[k] = smoothing / (float)classes;
    target[label] += (1 - smoothing) * share;
    target[other] += (1 - smoothing) * (1 - share);
}
