/* test_counts.c - every backbone has as many parameters as where its names come from, and as many multiply-adds within 0.5 %, each
 * with a classifier of 1000 classes. A variant without a row fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shapes.h"

#include "backbones/backbone.h"
#include "backbones/vit.h"
#include "base/config.h"
#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 1000 };
static const double ROUNDED = 0.0005; /* torchvision and timm tell three decimals */

/* torchvision 0.29.2 (num_params, _ops), unless said otherwise. */
static const struct row {
    const char *name;
    int64_t parameters;
    double gigas;      /* multiply-adds for one image */
    int size, classes; /* 0: 1000 */
    const char *settings;
} rows[] = {
    {"alexnet", 61100840, 0.714, 224, 0, NULL},
    {"convnext_tiny", 28589128, 4.456, 224, 0, NULL},
    {"convnext_small", 50223688, 8.684, 224, 0, NULL},
    {"convnext_base", 88591464, 15.355, 224, 0, NULL},
    {"googlenet", 6624904, 1.498, 224, 0, NULL},
    {"mobilenet_v2", 3504872, 0.301, 224, 0, NULL},
    {"mobilenet_v3_small", 2542856, 0.057, 224, 0, NULL},
    {"mobilenet_v3_large", 5483032, 0.217, 224, 0, NULL},
    {"resnet18", 11689512, 1.814, 224, 0, NULL},
    {"resnet34", 21797672, 3.664, 224, 0, NULL},
    {"resnet50", 25557032, 4.089, 224, 0, NULL},
    {"resnet101", 44549160, 7.801, 224, 0, NULL},
    {"resnet152", 60192808, 11.514, 224, 0, NULL},
    {"resnext50_32x4d", 25028904, 4.230, 224, 0, NULL},
    {"resnext101_32x8d", 88791336, 16.414, 224, 0, NULL},
    {"resnext101_64x4d", 83455272, 15.460, 224, 0, NULL},
    {"wide_resnet50_2", 68883240, 11.398, 224, 0, NULL},
    {"wide_resnet101_2", 126886696, 22.753, 224, 0, NULL},
    {"swin_tiny", 28288354, 4.491, 224, 0, NULL},
    {"swin_small", 49606258, 8.741, 224, 0, NULL},
    {"swin_base", 87768224, 15.431, 224, 0, NULL},
    {"swin_v2_tiny", 28351570, 5.940, 256, 0, NULL},
    {"swin_v2_small", 49737442, 11.546, 256, 0, NULL},
    {"swin_v2_base", 87930848, 20.325, 256, 0, NULL},
    {"vgg11", 132863336, 7.609, 224, 0, NULL},
    {"vgg11_bn", 132868840, 7.609, 224, 0, NULL},
    {"vgg13", 133047848, 11.308, 224, 0, NULL},
    {"vgg13_bn", 133053736, 11.308, 224, 0, NULL},
    {"vgg16", 138357544, 15.470, 224, 0, NULL},
    {"vgg16_bn", 138365992, 15.470, 224, 0, NULL},
    {"vgg19", 143667240, 19.632, 224, 0, NULL},
    {"vgg19_bn", 143678248, 19.632, 224, 0, NULL},
    /* osmr/imgclsmob; multiply-adds of TF-slim (0.564) and of osmr, with norms (0.585) */
    {"nasnet_mobile", 5289978, 0.564, 224, 0, NULL},
    {"nasnet_large", 88753150, 23.89, 331, 0, NULL}, /* timm */
    {"mobilenet_v1", 4231976, 0.569, 224, 0, NULL},  /* timm's mobilenetv1_100; paper: 4.2 M, 569 M multiply-adds */
    /* timm 1.0.31, which tells two decimals: multiply-adds are those without attention, and of its layers. Its attention has a
     * 16th of the channels as a multiple of 8; the paper's 18 layers, with an exact 16th, have 11,778,592 parameters. */
    {"seresnet18", 11779624, 1.814, 224, 0, NULL},
    {"seresnet34", 21960416, 3.664, 224, 0, NULL},
    {"seresnet50", 28088024, 4.092, 224, 0, NULL},
    {"seresnet101", 49326872, 7.806, 224, 0, NULL},
    {"seresnext50_32x4d", 27559896, 4.233, 224, 0, NULL},
    /* timm 1.0.31; multiply-adds of the layers' shapes (timm's, which count more, are 0.55, 0.79, 1.37 and 2.46) */
    {"convnext_atto", 3695520, 0.547, 224, 0, NULL},
    {"convnext_femto", 5217784, 0.780, 224, 0, NULL},
    {"convnext_pico", 9045672, 1.367, 224, 0, NULL},
    {"convnext_nano", 15593560, 2.445, 224, 0, NULL},
    /* osmr/imgclsmob, whose multiply-adds count norms and activations, too: those of convolutions and the linear layer by hand */
    {"resnet20", 272474, 0.040813184, 32, 10, NULL},
    {"resnet32", 466906, 0.069124736, 32, 10, NULL},
    {"resnet44", 661338, 0.097436288, 32, 10, NULL},
    {"resnet56", 855770, 0.125747840, 32, 10, NULL},
    {"resnet110", 1730714, 0.253149824, 32, 10, NULL},
    {"preresnet20", 272282, 0.040813184, 32, 10, NULL},
    {"preresnet56", 855578, 0.125747840, 32, 10, NULL},
    {"preresnet110", 1730522, 0.253149824, 32, 10, NULL},
    {"wrn_28_10", 36479194, 5.243328768, 32, 10, NULL},
    /* xternalz/WideResNet-pytorch; multiply-adds by hand */
    {"wrn_16_8", 10961370, 1.548145664, 32, 10, NULL},
    {"wrn_28_2", 1467610, 0.214353152, 32, 10, NULL},
    {"wrn_40_4", 8949210, 1.298582016, 32, 10, NULL},
    /* timm 1.0.31; multiply-adds of the first, which timm rounds to 1.26, from the layers' shapes */
    {"vit_tiny_16", 5717416, 1.254, 224, 0, NULL},
    {"vit_small_16", 22050664, 4.61, 224, 0, NULL},
    {"vit_base_16", 86567656, 17.564, 224, 0, NULL},
    {"vit_base_32", 88224232, 4.409, 224, 0, NULL},
    {"vit_large_16", 304326632, 61.555, 224, 0, NULL},
    {"vit_huge_14", 632045800, 167.295, 224, 0, NULL}, /* torchvision's vit_h_14 at 224 px */
    /* for small images: by hand, of convolutions, linear layers and attention */
    {"resnet18", 11173962, 0.555422720, 32, 10, "resnet.stem=3x3"},
    {"resnet18", 11173962, 0.703565568, 32, 10, "resnet.stem_padding=2"},
    {"vit_tiny_4", 5362762, 0.365107584, 32, 10, NULL},
    {"vit_small_4", 21342346, 1.420309248, 32, 10, NULL},
};

static bool has_row(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            return true;
    return false;
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
    if ((r->settings && px_config_set(config, r->settings) != 0) || px_config_finish(config) != 0)
        fail_msg("%s", px_error());
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true});
    px_encoding e = family->build(g, b, cfg, px_input(g, "images", PX_F32, PX_SHAPE(1, 3, r->size, r->size)));
    if (px_graph_error(g))
        fail_msg("%s: %s", b->name, px_graph_error(g));
    int64_t F = e.pooled->shape.dim[1], classes = r->classes ? r->classes : CLASSES,
            count = parameters(g) + F * classes + classes;
    double gigas = (px_graph_multiply_adds(g) + (double)(F * classes)) / 1e9;
    bool by_hand = r->classes > 0, near = fabs(gigas - r->gigas) <= 0.005 * r->gigas,
         bad = count != r->parameters || !(near || (!by_hand && fabs(gigas - r->gigas) <= ROUNDED));
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
    for (int f = 0; px_backbone_families[f]; f++)
        for (const px_backbone *b = px_backbone_families[f]->variants; b->name; b++)
            if (!has_row(b->name) && b->family != &px_vit_family)
                fail_msg("%s has no row of counts", b->name);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const px_backbone *b = px_backbone_find(rows[i].name);
        assert_non_null(b);
        bad += differs(b, &rows[i]);
    }
    assert_int_equal(bad, 0);
}

/* Every vision transformer by its formula, which gives torchvision's and timm's counts where there are any (above): D wide, T
 * tokens, patches of P pixels. */
static void transformers_have_what_their_formula_says(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t width, depth;
    } sizes[] = {{"tiny", 192, 12}, {"small", 384, 12}, {"base", 768, 12}, {"large", 1024, 24}, {"huge", 1280, 32}};
    enum { SIDE = 224 };
    int bad = 0;
    for (const px_backbone *b = px_vit_family.variants; b->name; b++) {
        char name[16];
        int P, k = 0;
        assert_int_equal(sscanf(b->name, "vit_%15[a-z]_%d", name, &P), 2);
        while (strcmp(sizes[k].name, name) != 0)
            assert_true(++k < (int)(sizeof sizes / sizeof sizes[0]));
        int64_t D = sizes[k].width, L = sizes[k].depth, T = 1 + (int64_t)(SIDE / P) * (SIDE / P),
                pixels = 3 * (int64_t)P * P;
        int64_t embedding = (pixels + 1) * D + D + T * D, block = 12 * D * D + 13 * D, ends = 2 * D + (D + 1) * CLASSES;
        int64_t products = (T - 1) * pixels * D + L * (12 * T * D * D + 2 * T * T * D) + D * CLASSES;
        bad += differs(b, &(struct row){.name = b->name,
                                        .parameters = embedding + L * block + ends,
                                        .gigas = (double)products / 1e9,
                                        .size = SIDE,
                                        .classes = CLASSES});
    }
    assert_int_equal(bad, 0);
}

/* ---- widths ---- */

/* The backbone's parameters under these settings. The caller destroys the graph. */
static px_graph *built(const px_backbone *b, const char *settings)
{
    px_config *config = px_config_create();
    px_backbone_cfg *cfg = px_calloc(1, b->family->cfg_size + 1);
    px_config_group(config, b->family->name, b->family->options, cfg);
    char *text = px_format("%s = { %s };", b->family->name, settings);
    if (px_config_text_load(config, text, "test") != 0 || px_config_finish(config) != 0)
        fail_msg("%s", px_error());
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    b->family->build(g, b, cfg, px_input(g, "images", PX_F32, PX_SHAPE(1, 3, 96, 96)));
    px_config_destroy(config);
    free(text);
    free(cfg);
    return g;
}

/* What `stored` says of this network builds the same one. */
static void check_stored(const px_backbone *b, const char *settings)
{
    char *said = NULL;
    size_t size;
    px_graph *g = built(b, settings);
    FILE *out = open_memstream(&said, &size);
    b->family->stored(out, shape_in, g);
    fclose(out);
    px_graph *again = built(b, said);
    for (int i = 0; i < px_graph_params(g); i++) {
        const px_param *p = px_graph_param(g, i);
        if (!px_shape_equal(shape_in(again, p->name), p->value->shape))
            fail_msg("%s, %s: %s has another shape with %s", b->name, settings, p->name, said);
    }
    assert_ptr_equal(b->family->of_shapes(shape_in, g), b);
    px_graph_destroy(again);
    px_graph_destroy(g);
    free(said);
}

static void a_width_follows_from_the_shapes(void **state)
{
    (void)state;
    static const char *const names[] = {"mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"};
    static const double widths[] = {0.25, 0.35, 0.5, 0.75, 1, 1.25, 1.3, 1.4};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            char *given = px_format("width = %g;", widths[w]);
            check_stored(px_backbone_find(names[n]), given);
            free(given);
        }
    check_stored(px_backbone_find("swin_tiny"), "patch = 4; window = 3; embed_dim = 32;");
    check_stored(px_backbone_find("swin_tiny"), "patch = 4; window = 3;");
    check_stored(px_backbone_find("swin_tiny"), "patch = 4; window = 3; embed_dim = 128;"); /* swin_base's */
    check_stored(px_backbone_find("swin_base"), "patch = 4; window = 3;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts),
                                       cmocka_unit_test(transformers_have_what_their_formula_says),
                                       cmocka_unit_test(a_width_follows_from_the_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
