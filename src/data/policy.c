/* policy.c - see policy.h. */
#include "data/policy.h"

#include <math.h>
#include <string.h>

static int64_t pixels_of(const px_plane *p)
{
    return (int64_t)p->size * p->size;
}

static int byte_of(float x)
{
    return (int)rintf(x * 255);
}

/* ---- changes of places ---- */

/* Pixel (x, y) of the result is the one nearest to where the matrix (2, 3) takes it; coordinates are those of pixels' centres, from
 * the middle of the image. */
static void warp(px_plane *p, const double m[6], px_scratch *scratch)
{
    const int S = p->size;
    const int64_t n = pixels_of(p);
    const double middle = 0.5 * S - 0.5;
    float *old = px_scratch_reserve(scratch, (size_t)(n * p->channels));
    memcpy(old, p->data, (size_t)(n * p->channels) * sizeof old[0]);
    for (int y = 0; y < S; y++)
        for (int x = 0; x < S; x++) {
            double dx = x - middle, dy = y - middle;
            double fx = rint(m[0] * dx + m[1] * dy + m[2] + middle), fy = rint(m[3] * dx + m[4] * dy + m[5] + middle);
            bool inside = fx >= 0 && fx < S && fy >= 0 && fy < S;
            int64_t from = inside ? (int64_t)fy * S + (int64_t)fx : 0;
            for (int c = 0; c < p->channels; c++)
                p->data[c * n + (int64_t)y * S + x] = inside ? old[c * n + from] : 0;
        }
}

static void move(px_plane *p, px_change change, double amount, px_scratch *scratch)
{
    double m[6] = {1, 0, 0, 0, 1, 0}, angle = amount * M_PI / 180, half = 0.5 * p->size;
    switch (change) {
    case PX_CHANGE_SHEAR_X: /* the upper left corner stays */
        m[1] = amount;
        m[2] = amount * half;
        break;
    case PX_CHANGE_SHEAR_Y:
        m[3] = amount;
        m[5] = amount * half;
        break;
    case PX_CHANGE_TRANSLATE_X:
        m[2] = -trunc(amount);
        break;
    case PX_CHANGE_TRANSLATE_Y:
        m[5] = -trunc(amount);
        break;
    default: /* PX_CHANGE_ROTATE */
        m[0] = m[4] = cos(angle);
        m[1] = -sin(angle);
        m[3] = sin(angle);
    }
    warp(p, m, scratch);
}

/* ---- changes of values ---- */

/* Away from, or towards, the mean of each pixel's neighbours and five times itself (PIL's SMOOTH); the border stays. */
static void sharpen(px_plane *p, float factor, px_scratch *scratch)
{
    const int S = p->size;
    const int64_t n = pixels_of(p);
    float *old = px_scratch_reserve(scratch, (size_t)n);
    for (int c = 0; c < p->channels; c++) {
        float *to = p->data + c * n;
        memcpy(old, to, (size_t)n * sizeof old[0]);
        for (int y = 1; y < S - 1; y++)
            for (int x = 1; x < S - 1; x++) {
                const float *at = old + (int64_t)y * S + x;
                float sum = 4 * at[0];
                for (int i = -1; i <= 1; i++)
                    sum += at[i * S - 1] + at[i * S] + at[i * S + 1];
                float value = factor * at[0] + (1 - factor) * sum / 13;
                to[(int64_t)y * S + x] = fminf(fmaxf(value, 0), 1);
            }
    }
}

static void autocontrast(float *x, int64_t n)
{
    float low = x[0], high = x[0];
    for (int64_t i = 1; i < n; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    for (int64_t i = 0; i < n && high > low; i++)
        x[i] = fminf((x[i] - low) / (high - low), 1);
}

/* Each of 256 values becomes the share of darker pixels. */
static void equalize(float *x, int64_t n)
{
    int64_t count[256] = {0}, step = n, darker = 0;
    float table[256];
    for (int64_t i = 0; i < n; i++)
        count[byte_of(x[i])]++;
    for (int v = 255; v >= 0; v--)
        if (count[v] > 0) {
            step = (n - count[v]) / 255;
            break;
        }
    if (step == 0)
        return;
    for (int v = 0; v < 256; darker += count[v++]) {
        int64_t place = (darker + step / 2) / step;
        table[v] = v == 0 ? 0 : fminf((float)place, 255) / 255;
    }
    for (int64_t i = 0; i < n; i++)
        x[i] = table[byte_of(x[i])];
}

static void per_value(px_plane *p, px_change change, float amount)
{
    const int64_t n = pixels_of(p) * p->channels;
    const int mask = change == PX_CHANGE_POSTERIZE ? -(1 << (8 - (int)amount)) : 0;
    for (int64_t i = 0; i < n; i++) {
        int byte = byte_of(p->data[i]);
        if (change == PX_CHANGE_POSTERIZE)
            p->data[i] = (float)(byte & mask) / 255;
        else if ((float)byte >= amount)
            p->data[i] = 1 - p->data[i];
    }
}

void px_change_apply(px_plane *p, px_change change, float amount, px_scratch *scratch)
{
    const int64_t n = pixels_of(p);
    switch (change) {
    case PX_CHANGE_NOTHING:
    case PX_CHANGES:
        return;
    case PX_CHANGE_SHEAR_X:
    case PX_CHANGE_SHEAR_Y:
    case PX_CHANGE_TRANSLATE_X:
    case PX_CHANGE_TRANSLATE_Y:
    case PX_CHANGE_ROTATE:
        move(p, change, (double)amount, scratch);
        return;
    case PX_CHANGE_BRIGHTNESS:
        px_brightness(p, 1 + amount);
        return;
    case PX_CHANGE_COLOR:
        px_saturation(p, 1 + amount);
        return;
    case PX_CHANGE_CONTRAST:
        px_contrast(p, 1 + amount);
        return;
    case PX_CHANGE_SHARPNESS:
        sharpen(p, 1 + amount, scratch);
        return;
    case PX_CHANGE_POSTERIZE:
    case PX_CHANGE_SOLARIZE:
        per_value(p, change, amount);
        return;
    case PX_CHANGE_AUTOCONTRAST:
    case PX_CHANGE_EQUALIZE:
        for (int c = 0; c < p->channels; c++)
            (change == PX_CHANGE_EQUALIZE ? equalize : autocontrast)(p->data + c * n, n);
    }
}

/* ---- policies ---- */

float px_policy_amount(const px_policy *policy, px_change change, int magnitude, int size)
{
    const bool wide = policy->by == PX_TRIVIALAUGMENT;
    const double share = (double)magnitude / (PX_MAGNITUDES - 1);
    switch (change) {
    case PX_CHANGE_SHEAR_X:
    case PX_CHANGE_SHEAR_Y:
        return (float)(share * (wide ? 0.99 : 0.3));
    case PX_CHANGE_TRANSLATE_X:
    case PX_CHANGE_TRANSLATE_Y:
        return (float)(share * (wide ? 32 : 150.0 / 331 * size));
    case PX_CHANGE_ROTATE:
        return (float)(share * (wide ? 135 : 30));
    case PX_CHANGE_POSTERIZE:
        return (float)(8 - rint(share * (wide ? 6 : 4)));
    case PX_CHANGE_SOLARIZE:
        return (float)(255 * (1 - share));
    case PX_CHANGE_BRIGHTNESS:
    case PX_CHANGE_COLOR:
    case PX_CHANGE_CONTRAST:
    case PX_CHANGE_SHARPNESS:
        return (float)(share * (wide ? 0.99 : 0.9));
    default:
        return 0;
    }
}

void px_policy_apply(const px_policy *policy, px_plane *p, px_rng *rng, px_scratch *scratch)
{
    const int64_t n = pixels_of(p) * p->channels;
    if (policy->by == PX_POLICY_NONE)
        return;
    for (int64_t i = 0; i < n; i++)
        p->data[i] = (float)byte_of(p->data[i]) / 255;
    int changes = policy->by == PX_RANDAUGMENT ? policy->changes : 1;
    for (int i = 0; i < changes; i++) {
        px_change change = (px_change)px_rng_below(rng, PX_CHANGES);
        int any = (int)px_rng_below(rng, PX_MAGNITUDES);
        bool negative = px_rng_below(rng, 2) == 1;
        bool has_sign = change >= PX_CHANGE_SHEAR_X && change <= PX_CHANGE_SHARPNESS;
        float amount =
            px_policy_amount(policy, change, policy->by == PX_RANDAUGMENT ? policy->magnitude : any, p->size);
        px_change_apply(p, change, negative && has_sign ? -amount : amount, scratch);
    }
}

/* ---- erasing ---- */

void px_erase(px_plane *p, px_rng *rng)
{
    enum { TRIES = 10 };
    const int S = p->size;
    const float log_least = logf(0.3f), log_most = logf(3.3f);
    for (int i = 0; i < TRIES; i++) {
        double area = (double)pixels_of(p) * (double)px_rng_range(rng, 0.02f, 0.33f);
        double ratio = exp((double)px_rng_range(rng, log_least, log_most)); /* height / width */
        int height = (int)rint(sqrt(area * ratio)), width = (int)rint(sqrt(area / ratio));
        if (height >= S || width >= S)
            continue;
        int top = (int)px_rng_below(rng, (uint32_t)(S - height) + 1),
            left = (int)px_rng_below(rng, (uint32_t)(S - width) + 1);
        for (int c = 0; c < p->channels; c++)
            for (int y = top; y < top + height; y++)
                memset(p->data + (c * pixels_of(p) + (int64_t)y * S + left), 0, (size_t)width * sizeof p->data[0]);
        return;
    }
}
