/* test_jigsaw.c - the permutations of a picture's tiles, read from the tiles themselves: each has its number, they are all
 * different, and any two differ in as many places as they should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"

#include <math.h>

enum { CELL = 10, S = 3 * CELL, TILES = 9, MANY = 1512 };

static uint8_t bytes[S * S];
static const px_image picture = {.pixels = bytes, .height = S, .width = S, .channels = 1};

/* A cell has the number of its place as brightness. */
static void paint(void)
{
    for (int i = 0; i < S * S; i++)
        bytes[i] = (uint8_t)(20 * (i / S / CELL * 3 + i % S / CELL));
}

static scene look(const char *permutations)
{
    scene c;
    paint();
    scene_start(&c, (px_task){.image_size = S, .channels = 1},
                (const char *[]){"method=jigsaw", "jigsaw.patch=8", "jigsaw.standardise=false", permutations, NULL});
    return c;
}

/* Which cell is shown at each place. */
static void read_tiles(const scene *c, int8_t cell[TILES])
{
    const float *tiles = scene_view(c, "tiles");
    int each = scene_elements(c, "tiles");
    for (int place = 0; place < TILES; place++)
        cell[place] = (int8_t)lrintf(tiles[place * each + each / 2] * 255 / 20);
}

/* Draws until all `count` numbers have come; the smallest distance between two. */
static int smallest_distance(const char *permutations, int count)
{
    static int8_t seen[MANY][TILES];
    static bool known[MANY];
    scene c = look(permutations);
    int found = 0, smallest = TILES;
    memset(known, 0, sizeof known);
    for (uint64_t sample = 0; found < count; sample++) {
        assert_true(sample < 40 * (uint64_t)count);
        scene_make(&c, &picture, 1, sample);
        int32_t number = *(const int32_t *)scene_view(&c, "permutation");
        assert_in_range(number, 0, count - 1);
        int8_t cell[TILES];
        read_tiles(&c, cell);
        if (known[number])
            assert_memory_equal(seen[number], cell, sizeof cell);
        found += !known[number];
        known[number] = true;
        memcpy(seen[number], cell, sizeof cell);
    }
    for (int i = 0; i < count; i++) {
        int places = 0;
        for (int k = 0; k < TILES; k++)
            places |= 1 << seen[i][k];
        assert_int_equal(places, (1 << TILES) - 1);
        for (int j = 0; j < i; j++) {
            int apart = 0;
            for (int k = 0; k < TILES; k++)
                apart += seen[i][k] != seen[j][k];
            smallest = apart < smallest ? apart : smallest;
        }
    }
    scene_stop(&c);
    return smallest;
}

static void permutations_are_far_apart(void **state)
{
    (void)state;
    assert_int_equal(smallest_distance("jigsaw.permutations=504", 504), 7);
    assert_int_equal(smallest_distance("jigsaw.permutations=1512", 1512), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(permutations_are_far_apart)};
    return cmocka_run_group_tests_name("jigsaw", tests, NULL, NULL);
}
