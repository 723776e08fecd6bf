/* mask_blocks.c - see mask_blocks.h. */
#include "train/mask_blocks.h"

#include <math.h>
#include <stdbool.h>

typedef struct block {
    int top, left, height, width;
} block;

/* How many of its patches are visible yet. */
static int visible_in(block b, int columns, const float *mask)
{
    int count = 0;
    for (int y = b.top; y < b.top + b.height; y++)
        for (int x = b.left; x < b.left + b.width; x++)
            count += mask[y * columns + x] == 0;
    return count;
}

static void hide(block b, int columns, float *mask)
{
    for (int y = b.top; y < b.top + b.height; y++)
        for (int x = b.left; x < b.left + b.width; x++)
            mask[y * columns + x] = 1;
}

/* One try. Its height and width are less than the image's. */
static bool draw(px_rng *rng, int rows, int columns, int least, int most, block *b)
{
    float area = px_rng_range(rng, (float)least, (float)most), bound = logf(0.3f);
    float aspect = expf(px_rng_range(rng, bound, -bound));
    b->height = (int)lroundf(sqrtf(area * aspect));
    b->width = (int)lroundf(sqrtf(area / aspect));
    if (b->height < 1 || b->width < 1 || b->height >= rows || b->width >= columns)
        return false;
    b->top = (int)px_rng_below(rng, (uint32_t)(rows - b->height + 1));
    b->left = (int)px_rng_below(rng, (uint32_t)(columns - b->width + 1));
    return true;
}

int px_mask_blocks(px_rng *rng, int rows, int columns, int least, int most, float *mask)
{
    enum { TRIES = 10 };
    int hidden = 0;
    for (int tries = 0; hidden < most && tries < TRIES; tries++) {
        block b;
        int left = most - hidden;
        if (!draw(rng, rows, columns, least < left ? least : left, left, &b))
            continue;
        int more = visible_in(b, columns, mask);
        if (more < 1 || more > left)
            continue;
        hide(b, columns, mask);
        hidden += more;
        tries = -1;
    }
    return hidden;
}
