/* lab.c - see lab.h. */
#include "data/lab.h"

#include <math.h>

static float linear(float v)
{
    return v <= 0.04045f ? v / 12.92f : powf((v + 0.055f) / 1.055f, 2.4f);
}

/* CIE 1976's cube root, which is a line near 0. */
static float root(float v)
{
    return v > 0.008856f ? cbrtf(v) : 7.787f * v + 16.0f / 116;
}

px_lab px_lab_of(float red, float green, float blue)
{
    red = linear(red);
    green = linear(green);
    blue = linear(blue);
    float x = root((0.412453f * red + 0.357580f * green + 0.180423f * blue) / 0.95047f);
    float y = root(0.212671f * red + 0.715160f * green + 0.072169f * blue);
    float z = root((0.019334f * red + 0.119193f * green + 0.950227f * blue) / 1.08883f);
    return (px_lab){116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

px_lab px_lab_of_square(px_plane p, int row, int column, int side)
{
    float mean[3] = {0};
    for (int i = 0; i < 3 * side * side; i++) {
        int c = i / (side * side), y = row * side + i / side % side, x = column * side + i % side;
        mean[c] += p.data[(c * p.size + y) * p.size + x] / (float)(side * side);
    }
    return px_lab_of(mean[0], mean[1], mean[2]);
}

void px_lightness(px_plane *p)
{
    int n = p->size * p->size;
    for (int i = 0; i < n; i++)
        p->data[i] = p->data[n + i] = p->data[2 * n + i] =
            px_lab_of(p->data[i], p->data[n + i], p->data[2 * n + i]).l / 100;
}

/* The bins are 10 wide: for a = -90, -80, ..., 100 those of b from the first to the second number, in tens
 * (official pts_in_hull.npy). */
static const int rows[20][2] = {{5, 9},   {2, 9},   {0, 9},   {-2, 9},  {-3, 10}, {-4, 10}, {-5, 10},
                                {-5, 10}, {-6, 10}, {-7, 10}, {-8, 9},  {-8, 9},  {-9, 9},  {-10, 9},
                                {-10, 8}, {-11, 8}, {-11, 8}, {-11, 7}, {-11, 7}, {-9, 0}};

void px_colour_encode(px_lab colour, int32_t bin[PX_COLOUR_NEAREST], float share[PX_COLOUR_NEAREST])
{
    float square[PX_COLOUR_NEAREST], sum = 0;
    for (int k = 0; k < PX_COLOUR_NEAREST; k++)
        square[k] = INFINITY;
    for (int row = 0, number = 0; row < 20; row++)
        for (int b = rows[row][0]; b <= rows[row][1]; b++, number++) {
            float da = colour.a - (float)(10 * row - 90), db = colour.b - (float)(10 * b), d = da * da + db * db;
            int k = PX_COLOUR_NEAREST;
            for (; k > 0 && d < square[k - 1]; k--)
                if (k < PX_COLOUR_NEAREST) {
                    square[k] = square[k - 1];
                    bin[k] = bin[k - 1];
                }
            if (k < PX_COLOUR_NEAREST) {
                square[k] = d;
                bin[k] = number;
            }
        }
    for (int k = 0; k < PX_COLOUR_NEAREST; k++)
        sum += share[k] = expf((square[0] - square[k]) / (2 * 5 * 5));
    for (int k = 0; k < PX_COLOUR_NEAREST; k++)
        share[k] /= sum;
}

bool px_colours_encode(px_plane p, int side, int32_t (*bin)[PX_COLOUR_NEAREST], float (*share)[PX_COLOUR_NEAREST])
{
    const float gray = 5;
    int columns = p.size / side;
    bool coloured = false;
    for (int i = 0; i < columns * columns; i++) {
        px_lab colour = px_lab_of_square(p, i / columns, i % columns, side);
        coloured = coloured || fabsf(colour.a) > gray || fabsf(colour.b) > gray;
        px_colour_encode(colour, bin[i], share[i]);
    }
    return coloured;
}
