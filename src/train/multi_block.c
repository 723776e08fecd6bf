/* multi_block.c - see multi_block.h. */
#include "train/multi_block.h"

#include <math.h>
#include <stdbool.h>

typedef struct block {
    int top, left, height, width;
} block;

/* A length as a whole number of patches, less than the grid's side. */
static int whole(double length, int side)
{
    int n = (int)lround(length);
    return n < 1 ? 1 : n > side - 1 ? side - 1 : n;
}

/* The smallest and the largest target, in patches. */
static int smallest(const px_multi_block *c, int side)
{
    int n = (int)(side * side * c->target_min);
    return n > 1 ? n : 1;
}

static int largest(const px_multi_block *c, int side)
{
    int n = (int)(side * side * c->target_max), least = smallest(c, side);
    return n > least ? n : least;
}

/* A height has many aspects; the smallest one of them makes the widest block. */
int px_multi_block_most(const px_multi_block *c, int side)
{
    int most = 1;
    for (int area = smallest(c, side); area <= largest(c, side); area++)
        for (int height = 1; height < side; height++) {
            double first = height > 1 ? pow(height - 0.5, 2) / area : 0;
            double last = height < side - 1 ? pow(height + 0.5, 2) / area : INFINITY;
            int patches = height * whole(sqrt(area / fmax(first, c->aspect_min)), side);
            if (first <= c->aspect_max && last >= c->aspect_min && patches > most)
                most = patches;
        }
    return most;
}

/* The side of the context's smallest square. */
static int shortest(const px_multi_block *c, int side)
{
    return whole(side * sqrt(c->context_min), side);
}

const char *px_multi_block_check(const px_multi_block *c, int side, int K)
{
    if (side < 3)
        return "it needs at least 3 x 3 patches; larger images (data.image_size) or a backbone of smaller patches have "
               "more";
    if (c->target_min > c->target_max)
        return "target_min is larger than target_max";
    if (c->aspect_min > c->aspect_max)
        return "aspect_min is larger than aspect_max";
    return K > shortest(c, side) * shortest(c, side)
               ? "context is more than there are patches in the smallest square; context=0 would fit"
               : NULL;
}

/* ---- drawing ---- */

static void put(px_rng *rng, int side, block *b)
{
    b->top = (int)px_rng_below(rng, (uint32_t)(side - b->height + 1));
    b->left = (int)px_rng_below(rng, (uint32_t)(side - b->width + 1));
}

/* Patch i of the block, row by row. */
static int place_in(block b, int i, int side)
{
    return (b.top + i / b.width) * side + b.left + i % b.width;
}

static bool holds(block b, int place, int side)
{
    int y = place / side - b.top, x = place % side - b.left;
    return y >= 0 && y < b.height && x >= 0 && x < b.width;
}

static bool is_target(const block *target, int count, int place, int side)
{
    for (int t = 0; t < count; t++)
        if (holds(target[t], place, side))
            return true;
    return false;
}

static void draw_targets(const px_multi_block *c, px_rng *rng, int side, block *target, int32_t *places, float *share)
{
    int M = px_multi_block_most(c, side), least = smallest(c, side);
    int area = least + (int)px_rng_below(rng, (uint32_t)(largest(c, side) - least + 1));
    double aspect = px_rng_range(rng, (float)c->aspect_min, (float)c->aspect_max);
    block b = {.height = whole(sqrt(area * aspect), side), .width = whole(sqrt(area / aspect), side)};
    if (b.height * b.width > M) /* rounding, between two heights */
        b.width = M / b.height > 1 ? M / b.height : 1;
    for (int t = 0; t < c->targets; t++) {
        int count = b.height * b.width;
        put(rng, side, &b);
        target[t] = b;
        for (int m = 0; m < M; m++) {
            places[t * M + m] = place_in(b, m < count ? m : 0, side);
            share[t * M + m] = m < count ? 1 / (float)count : 0;
        }
    }
}

void px_multi_block_draw(const px_multi_block *c, px_rng *rng, int side, int K, int32_t *visible, int32_t *targets,
                         float *share)
{
    enum { TRIES = 20 };
    block target[PX_TARGETS_MAX];
    draw_targets(c, rng, side, target, targets, share);
    int least = shortest(c, side), left = 0, found = 0;
    int length = whole(side * sqrt((double)px_rng_range(rng, (float)c->context_min, 1)), side);
    int apart = c->targets;                   /* targets that the context must not touch */
    length = length > least ? length : least; /* rounding */
    block b = {.height = length, .width = length};
    for (int tries = 1; left < K; tries++) {
        put(rng, side, &b);
        left = 0;
        for (int i = 0; i < length * length; i++)
            left += !is_target(target, apart, place_in(b, i, side), side);
        if (left < K && tries % TRIES == 0 && apart > 0)
            apart--;
    }
    for (int i = 0; found < K; i++) { /* each choice of K is equally likely */
        int place = place_in(b, i, side);
        if (is_target(target, apart, place, side))
            continue;
        if (px_rng_below(rng, (uint32_t)left--) < (uint32_t)(K - found))
            visible[found++] = place;
    }
}
