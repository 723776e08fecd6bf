/* test_cells.c - cells of the NASNet space: their text reads back, what is wrong is said, and what a search draws and changes
 * is valid, another cell each time, and the same for the same stream. Networks of drawn cells build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "differing.h"

#include "backbones/backbone.h"
#include "backbones/cells.h"
#include "base/config.h"
#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"

#include <stdlib.h>
#include <string.h>

static void text_reads_back(void **state)
{
    static const char *const texts[][2] = {
        {"sep3x3:0+id:1", "sep3x3:0+id:1"},
        {"  sep7x7:1+avg3x3:0   max3x3:2+id:0 ", "sep7x7:1+avg3x3:0 max3x3:2+id:0"},
        {"id:0+id:1 id:0+id:1 out:2,3", "id:0+id:1 id:0+id:1"}, /* as without out: */
        {"id:0+id:1 id:2+sep5x5:1 out:3,2,1", "id:0+id:1 id:2+sep5x5:1 out:1,2,3"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        px_cell cell;
        if (px_cell_read(&cell, texts[i][0]) != 0)
            fail_msg("%s: %s", texts[i][0], px_error());
        char *text = px_cell_text(&cell);
        assert_string_equal(text, texts[i][1]);
        free(text);
    }
}

static void output_is_what_no_block_reads(void **state)
{
    px_cell cell;
    (void)state;
    assert_int_equal(px_cell_read(&cell, "sep3x3:0+id:1 id:2+id:0 avg3x3:1+max3x3:0"), 0);
    assert_int_equal(px_cell_width(&cell), 2);
    assert_true(!cell.out[2] && cell.out[3] && cell.out[4]);
    assert_true(px_cell_reads(&cell, 2) && !px_cell_reads(&cell, 3));
}

static void wrong_cells_are_refused(void **state)
{
    static const char *const wrong[][2] = {
        {"", "has no block"},
        {"sep3x3:0", "'sep3x3:0' is not a block of two operations"},
        {"sep3x3:0+id:1+id:0", "is not a block of two operations"},
        {"sep3x3+id:1", "'sep3x3' is not an operation and what it reads"},
        {"sep9x9:0+id:1", "there is no operation 'sep9x9'"},
        {"id:0+id:2", "'id:2' reads what does not exist yet"},
        {"id:0+id:1 id:0+id:3", "'id:3' reads what does not exist yet"},
        {"id:0+id:-1", "'id:-1' reads what does not exist yet"},
        {"id:0+id:", "'id:' reads what does not exist yet"},
        {"id:0+id:4294967296", "reads what does not exist yet"},
        {"id:1+id:1", "no operation reads value 0"},
        {"id:0+id:1 id:0+id:1 out:3", "block 1, value 2, is neither read nor in the output"},
        {"id:0+id:1 out:", "'' is not one of the values 0 to 2"},
        {"id:0+id:1 out:3", "'3' is not one of the values 0 to 2"},
        {"id:0+id:1 out:2,2", "has 2 twice"},
        {"id:0+id:1 out:2 id:0+id:1", "stands behind out:"},
        {"id:0+id:0 id:0+id:0 id:0+id:0 id:0+id:0 id:0+id:0 id:0+id:0 id:0+id:0 id:0+id:0 id:0+id:0",
         "at most 8 blocks"},
    };
    px_cell cell;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (px_cell_read(&cell, wrong[i][0]) == 0)
            fail_msg("'%s' was taken", wrong[i][0]);
        assert_int_equal(px_error_status(), PX_USAGE);
        if (!strstr(px_error(), wrong[i][1]))
            fail_msg("'%s': %s", wrong[i][0], px_error());
    }
}

/* Reads back as the same cell, so it is valid. */
static void check_valid(const px_cell *cell)
{
    px_cell again;
    char *text = px_cell_text(cell);
    assert_null(strstr(text, "out:"));
    if (px_cell_read(&again, text) != 0)
        fail_msg("%s: %s", text, px_error());
    assert_memory_equal(cell, &again, sizeof again);
    free(text);
}

static void a_search_draws_valid_cells(void **state)
{
    enum { CELLS = 200, BLOCKS = 5 };
    int ops[8] = {0}, same = 0;
    px_cell before = {0};
    (void)state;
    for (uint64_t i = 0; i < CELLS; i++) {
        px_rng rng = px_rng_make(1, PX_RNG_SEARCH, i, 0), again = rng;
        px_cell cell, twin;
        px_cell_draw(&cell, BLOCKS, &rng);
        px_cell_draw(&twin, BLOCKS, &again);
        assert_memory_equal(&cell, &twin, sizeof cell);
        assert_int_equal(cell.blocks, BLOCKS);
        check_valid(&cell);
        same += memcmp(&cell, &before, sizeof cell) == 0;
        before = cell;
        for (int k = 0; k < BLOCKS; k++)
            ops[cell.part[k][0].op]++;
    }
    assert_int_equal(same, 0);
    for (int i = 0; px_cell_ops[i].name; i++) /* each of six about 167 times, standard deviation 12 */
        assert_in_range(ops[i], 110, 225);
}

static void a_mutation_changes_one_thing(void **state)
{
    enum { CHANGES = 400 };
    int of_ops = 0;
    px_cell cell;
    (void)state;
    assert_int_equal(px_cell_read(&cell, "sep5x5:0+sep3x3:1 avg3x3:2+id:1 max3x3:1+id:3"), 0);
    for (uint64_t i = 0; i < CHANGES; i++) { /* one after the other */
        px_cell before = cell, twin = cell;
        px_rng rng = px_rng_make(2, PX_RNG_SEARCH, i, 0), again = rng;
        px_cell_mutate(&cell, &rng);
        px_cell_mutate(&twin, &again);
        assert_memory_equal(&cell, &twin, sizeof cell);
        check_valid(&cell);
        assert_int_equal(differing(&before, &cell), 1);
        for (int k = 0; k < 6; k++)
            of_ops += before.part[k / 2][k % 2].op != cell.part[k / 2][k % 2].op;
    }
    assert_in_range(of_ops, CHANGES / 2 - 60, CHANGES / 2 + 80); /* some changes of what is read are drawn again */
}

/* Features of a network of these cells, with a gradient for each of its parameters. */
static void check_builds(const char *normal, const char *reduction)
{
    const px_backbone *b = px_backbone_find("nasnet_mobile");
    px_backbone_cfg *cfg = px_calloc(1, b->family->cfg_size);
    px_config *config = px_config_create();
    char *set[] = {px_format("nasnet.normal=%s", normal), px_format("nasnet.reduction=%s", reduction),
                   px_strdup("nasnet.channels=4"), px_strdup("nasnet.cells=2")};
    px_config_group(config, "nasnet", b->family->options, cfg);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(px_config_set(config, set[i]), 0);
        free(set[i]);
    }
    assert_int_equal(px_config_finish(config), 0);
    for (int side = 32; side <= 65; side += 33) { /* with either stem */
        assert_null(b->family->check(b, cfg, side, 3));
        px_graph *g = px_graph_create((px_mode){.real = PX_F32, .ranks = 1});
        px_value *x = px_input(g, "images", PX_F32, PX_SHAPE(2, 3, side, side));
        px_encoding e = b->family->build(g, b, cfg, x);
        if (px_graph_error(g))
            fail_msg("%s | %s, %d px: %s", normal, reduction, side, px_graph_error(g));
        px_cell cell;
        assert_int_equal(px_cell_read(&cell, normal), 0);
        assert_int_equal(e.pooled->shape.dim[1], 4 * 4 * px_cell_width(&cell));
        px_graph_destroy(g);
    }
    px_config_destroy(config);
    free(cfg);
}

static void networks_of_drawn_cells_build(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 12; i++) {
        px_rng rng = px_rng_make(3, PX_RNG_SEARCH, i, 0);
        px_cell normal, reduction;
        px_cell_draw(&normal, 1 + (int)i % PX_CELL_BLOCKS, &rng);
        px_cell_draw(&reduction, 1 + (int)i % PX_CELL_BLOCKS, &rng);
        char *text[2] = {px_cell_text(&normal), px_cell_text(&reduction)};
        check_builds(text[0], text[1]);
        free(text[0]);
        free(text[1]);
    }
    check_builds("id:0+id:0", "max3x3:0+max3x3:0"); /* nothing reads the cell before the last */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_reads_back),
        cmocka_unit_test(output_is_what_no_block_reads),
        cmocka_unit_test(wrong_cells_are_refused),
        cmocka_unit_test(a_search_draws_valid_cells),
        cmocka_unit_test(a_mutation_changes_one_thing),
        cmocka_unit_test(networks_of_drawn_cells_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
