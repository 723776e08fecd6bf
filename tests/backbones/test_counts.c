/* test_counts.c - every backbone has as many parameters as where its names come from, and as many multiply-adds within 0.5 %, each
 * with a classifier of 1000 classes. A variant without a row fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backbones/backbone.h"
#include "base/config.h"
#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 1000 };
static const double ROUNDED = 0.0005; /* they tell three decimals */

/* torchvision 0.29.2 (num_params, _ops), unless said otherwise. `gigas` 0: nobody tells. */
static const struct row {
    const char *name;
    int64_t parameters;
    double gigas; /* multiply-adds for one image */
    int size;
} rows[] = {
    {"alexnet", 61100840, 0.714, 224},
    {"mobilenet_v2", 3504872, 0.301, 224},
    {"mobilenet_v3_small", 2542856, 0.057, 224},
    {"mobilenet_v3_large", 5483032, 0.217, 224},
    {"resnet18", 11689512, 1.814, 224},
    {"resnet34", 21797672, 3.664, 224},
    {"resnet50", 25557032, 4.089, 224},
    {"resnet101", 44549160, 7.801, 224},
    {"vgg11", 132863336, 7.609, 224},
    {"vgg11_bn", 132868840, 7.609, 224},
    {"vgg13", 133047848, 11.308, 224},
    {"vgg13_bn", 133053736, 11.308, 224},
    {"vgg16", 138357544, 15.470, 224},
    {"vgg16_bn", 138365992, 15.470, 224},
    {"vgg19", 143667240, 19.632, 224},
    {"vgg19_bn", 143678248, 19.632, 224},
    {"mobilenet_v1", 4231976, 0.569, 224}, /* timm's mobilenetv1_100; paper: 4.2 M, 569 M multiply-adds */
    /* timm 1.0.31; multiply-adds of the first, which timm rounds to 1.26, from the layers' shapes */
    {"vit_tiny_16", 5717416, 1.254, 224},
    {"vit_small_16", 22050664, 4.61, 224},
    {"vit_base_16", 86567656, 17.564, 224},
    {"vit_base_32", 88224232, 4.409, 224},
    {"vit_large_16", 304326632, 61.555, 224},
};

/* Patches of other sizes change two tables of a vision transformer, which test_vit.c counts. */
static bool counts_elsewhere(const px_backbone *b)
{
    return strcmp(b->family->name, "vit") == 0;
}

static const struct row *row_of(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static int64_t parameters(const px_graph *g)
{
    int64_t count = 0;
    for (int i = 0; i < px_graph_params(g); i++)
        if (px_graph_param(g, i)->value->kind == PX_PARAMETER)
            count += px_shape_count(px_graph_param(g, i)->value->shape);
    return count;
}

static bool differs(const px_backbone *b, const struct row *r)
{
    const px_backbone_family *family = b->family;
    px_config *config = px_config_create();
    px_backbone_cfg *cfg = px_calloc(1, family->cfg_size);
    px_config_group(config, family->name, family->options, cfg);
    assert_int_equal(px_config_finish(config), 0);
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true});
    px_encoding e = family->build(g, b, cfg, px_input(g, "images", PX_F32, PX_SHAPE(1, 3, r->size, r->size)));
    if (px_graph_error(g))
        fail_msg("%s: %s", b->name, px_graph_error(g));
    int64_t F = e.pooled->shape.dim[1], count = parameters(g) + F * CLASSES + CLASSES;
    double gigas = (px_graph_multiply_adds(g) + (double)F * CLASSES) / 1e9;
    bool bad = count != r->parameters || (r->gigas > 0 && fabs(gigas - r->gigas) > fmax(0.005 * r->gigas, ROUNDED));
    if (bad)
        print_error("%s: %" PRId64 " parameters, expected %" PRId64 "; %.4f G multiply-adds, expected %.4f\n", b->name,
                    count, r->parameters, gigas, r->gigas);
    px_graph_destroy(g);
    px_config_destroy(config);
    free(cfg);
    return bad;
}

static void counts(void **state)
{
    (void)state;
    int bad = 0;
    size_t found = 0;
    for (int f = 0; px_backbone_families[f]; f++)
        for (const px_backbone *b = px_backbone_families[f]->variants; b->name; b++) {
            const struct row *r = row_of(b->name);
            if (!r && !counts_elsewhere(b))
                fail_msg("%s has no row of counts", b->name);
            found += r != NULL;
            bad += r && differs(b, r);
        }
    assert_int_equal(found, sizeof rows / sizeof rows[0]);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
