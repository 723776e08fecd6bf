/* test_layers.c - families count their layers for optim.layer_decay: each parameter of each backbone is in one, each layer but the
 * last has one, and they follow each other from the images on. Which rates come of it: tests/train/test_treat.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backbones/backbone.h"
#include "base/config.h"
#include "base/error.h"
#include "ops/ops.h"

#include <stdlib.h>

enum { MOST = 256 };

/* The backbone for the first of some sides that it takes. The caller destroys it. */
static px_graph *built(const px_backbone *b, const px_backbone_cfg *cfg)
{
    static const int sides[] = {32, 64, 224};
    int side = 0;
    for (size_t i = 0; side == 0 && i < sizeof sides / sizeof *sides; i++)
        side = !b->family->check || !b->family->check(b, cfg, sides[i], 3) ? sides[i] : 0;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    px_value *x = px_input(g, "images", PX_F32, PX_SHAPE(1, 3, side, side)), *none = NULL;
    if (b->family->build_masked)
        b->family->build_masked(g, b, cfg, x, none, PX_TOKEN);
    else
        b->family->build(g, b, cfg, x);
    if (px_graph_error(g))
        fail_msg("%s: %s", b->name, px_graph_error(g));
    return g;
}

/* option: as "nasnet.cells=1", or NULL */
static void check(const px_backbone *b, const char *option)
{
    px_config *config = px_config_create();
    px_backbone_cfg *cfg = px_calloc(1, b->family->cfg_size + 1);
    px_config_group(config, b->family->name, b->family->options, cfg);
    if (option)
        assert_int_equal(px_config_set(config, option), 0);
    assert_int_equal(px_config_finish(config), 0);
    px_graph *g = built(b, cfg);
    int per_layer[MOST] = {0}, layers = 0, before = 0, ignored;
    for (int i = 0; i < px_graph_params(g); i++) {
        const px_param *p = px_graph_param(g, i);
        if (p->value->kind != PX_PARAMETER)
            continue;
        int layer = px_backbone_layer(b, cfg, p->name, &layers);
        if (layer < 0 || layer >= layers || layers > MOST)
            fail_msg("%s: %s is in layer %d of %d", b->name, p->name, layer, layers);
        if (layer < before)
            fail_msg("%s: %s is in layer %d, but what comes before it in layer %d", b->name, p->name, layer, before);
        before = layer;
        per_layer[layer]++;
    }
    for (int i = 0; i < layers - 1; i++)
        if (per_layer[i] == 0)
            fail_msg("%s: layer %d of %d has no parameter", b->name, i, layers);
    assert_int_equal(px_backbone_layer(b, cfg, "mask_token", &ignored), 0);
    assert_int_equal(px_backbone_layer(b, cfg, "decoder.weight", &ignored), -1);
    px_graph_destroy(g);
    px_config_destroy(config);
    free(cfg);
}

static void every_parameter_has_a_layer(void **state)
{
    (void)state;
    for (int f = 0; px_backbone_families[f]; f++) {
        if (!px_backbone_families[f]->layer)
            fail_msg("%s does not count its layers", px_backbone_families[f]->name);
        for (const px_backbone *b = px_backbone_families[f]->variants; b->name; b++)
            check(b, NULL);
    }
}

static void fewer_cells_are_fewer_layers(void **state)
{
    (void)state;
    check(px_backbone_find("nasnet_large"), "nasnet.cells=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_parameter_has_a_layer),
                                       cmocka_unit_test(fewer_cells_are_fewer_layers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
