/* test_resnet.c - stochastic depth and dropout in ResNets, plain networks; what of them is refused. What they compute is compared
 * with PyTorch in tests/golden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shapes.h"

#include "backbones/backbone.h"
#include "base/config.h"
#include "base/error.h"
#include "graph/plan_params.h"
#include "ops/attr.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct model {
    const px_backbone *backbone;
    px_backbone_cfg *cfg;
    px_config *config;
    px_graph *g;
} model;

static model make(const char *name, bool evaluation, const char *const options[])
{
    model m = {.backbone = px_backbone_find(name), .config = px_config_create()};
    const px_backbone_family *family = m.backbone->family;
    m.cfg = px_calloc(1, family->cfg_size);
    px_config_group(m.config, family->name, family->options, m.cfg);
    for (int i = 0; options[i]; i++)
        assert_int_equal(px_config_set(m.config, options[i]), 0);
    assert_int_equal(px_config_finish(m.config), 0);
    m.g = px_graph_create((px_mode){.real = PX_F32, .evaluation = evaluation, .ranks = 1});
    family->build(m.g, m.backbone, m.cfg, px_input(m.g, "images", PX_F32, PX_SHAPE(2, 3, 32, 32)));
    assert_null(px_graph_error(m.g));
    return m;
}

static void drop(model *m)
{
    px_graph_destroy(m->g);
    px_config_destroy(m->config);
    free(m->cfg);
}

/* The rates of all ops of this name, in order. */
static int rates(const px_graph *g, const char *op, double rate[64])
{
    int count = 0;
    for (int i = 0; i < px_graph_nodes(g); i++)
        if (strcmp(px_graph_node(g, i)->op->name, op) == 0)
            rate[count++] = ((const px_dropout_attr *)px_graph_node(g, i)->attr)->p;
    return count;
}

/* timm's shape: block i of n has i / (n - 1) of the rate, so that the first one stays. */
static void stochastic_depth_grows_with_depth(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int blocks;
    } cases[] = {{"resnet18", 8}, {"resnet50", 16}, {"seresnet18", 8}, {"resnet20", 9}, {"wrn_28_2", 12}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        double rate[64];
        const char *const options[] = {"resnet.drop_path=0.3", NULL};
        model m = make(cases[k].name, false, options), judged = make(cases[k].name, true, options);
        int count = rates(m.g, "drop_path", rate);
        assert_int_equal(count, cases[k].blocks - 1);
        for (int i = 0; i < count; i++)
            assert_true(fabs(rate[i] - 0.3 * (i + 1) / (cases[k].blocks - 1)) < 1e-12);
        assert_int_equal(rates(judged.g, "drop_path", rate), 0);
        drop(&m);
        drop(&judged);
    }
}

static void dropout_within_wide_blocks(void **state)
{
    (void)state;
    double rate[64];
    const char *const options[] = {"resnet.dropout=0.3", NULL};
    model wide = make("wrn_28_2", false, options), judged = make("wrn_28_2", true, options);
    assert_int_equal(rates(wide.g, "dropout", rate), 12);
    assert_true(rate[0] == 0.3 && rate[11] == 0.3);
    assert_int_equal(rates(judged.g, "dropout", rate), 0);
    const char *(*check)(const px_backbone *, const px_backbone_cfg *, int, int) = wide.backbone->family->check;
    assert_null(check(wide.backbone, wide.cfg, 32, 3));
    assert_string_equal(check(px_backbone_find("resnet18"), wide.cfg, 32, 3),
                        "resnet.dropout is for WRNs and PreResNets; resnet.drop_path is for all");
    drop(&wide);
    drop(&judged);
}

static int count_ops(const px_graph *g, const char *op)
{
    int count = 0;
    for (int i = 0; i < px_graph_nodes(g); i++)
        count += strcmp(px_graph_node(g, i)->op->name, op) == 0;
    return count;
}

static int count_projections(const px_graph *g)
{
    int count = 0;
    for (int i = 0; i < px_graph_params(g); i++)
        count += strstr(px_graph_param(g, i)->name, "downsample.0.weight") != NULL;
    return count;
}

/* A plain network is the same one without sums and projections, and its weights say so; those of CIFAR's do not, which have
 * shortcuts without parameters in some programs. */
static void plain_networks(void **state)
{
    (void)state;
    enum { CIFAR = 3 };
    static const char *const names[] = {"resnet18", "resnet50", "seresnet18", "resnet20", "preresnet20", "wrn_28_2"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const char *const none[] = {NULL}, *const options[] = {"resnet.shortcuts=false", NULL};
        model residual = make(names[k], false, none), plain = make(names[k], false, options);
        int sums = count_ops(residual.g, "add"), projections = count_projections(residual.g);
        assert_true(sums > 0 && projections > 0);
        assert_int_equal(count_ops(plain.g, "add"), 0);
        assert_int_equal(count_projections(plain.g), 0);
        assert_int_equal(count_ops(plain.g, "conv2d"), count_ops(residual.g, "conv2d") - projections);
        for (int i = 0; i < 2; i++) {
            char *said = NULL;
            size_t size;
            FILE *out = open_memstream(&said, &size);
            plain.backbone->family->stored(out, shape_in, i ? plain.g : residual.g);
            fclose(out);
            assert_int_equal(strstr(said, "shortcuts = false;") != NULL, i == 1 && k < CIFAR);
            free(said);
        }
        drop(&residual);
        drop(&plain);
    }
    const char *const both[] = {"resnet.shortcuts=false", "resnet.drop_path=0.1", NULL};
    model m = make("resnet18", true, both);
    assert_non_null(strstr(m.backbone->family->check(m.backbone, m.cfg, 32, 3), "resnet.shortcuts=true"));
    drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stochastic_depth_grows_with_depth),
                                       cmocka_unit_test(dropout_within_wide_blocks), cmocka_unit_test(plain_networks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
