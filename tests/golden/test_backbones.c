/* test_backbones.c - one backbone of each family against torchvision's or timm's: features in evaluation and in training, all
 * gradients and running statistics of a step. In double, where no ReLU's input can round to the other side of zero; and
 * features with the fast kernels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "golden.h"
#include "ops/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 3, OPTIONS = 7, COLUMNS = 256 }; /* about so many of the features are in a fixture */

static const struct subject {
    const char *fixture; /* without "backbone_" */
    const char *given[OPTIONS + 1];
    int size;
} subjects[] = {
    {"alexnet", {"backbone=alexnet", "alexnet.stem=11x11", "alexnet.head=fc", "alexnet.dropout=0"}, 64},
    {"convnext", {"backbone=convnext_atto", "convnext.stem=4x4"}, 64},
    {"googlenet", {"backbone=googlenet", "googlenet.stem=7x7"}, 64},
    {"mobilenet_v1", {"backbone=mobilenet_v1"}, 96},
    {"mobilenet_v2", {"backbone=mobilenet_v2"}, 96},
    {"mobilenet_v3", {"backbone=mobilenet_v3_small"}, 96},
    {"nasnet", {"backbone=nasnet_mobile", "nasnet.stem=cells"}, 64},
    {"seresnext50", {"backbone=seresnext50_32x4d", "resnet.stem=7x7"}, 64},
    {"swin", {"backbone=swin_tiny", "swin.patch=4", "swin.window=4"}, 64},
    {"swin_v2", {"backbone=swin_v2_tiny", "swin.patch=4", "swin.window=3"}, 96},
    {"swin_v2_pretrained",
     {"backbone=swin_v2_tiny", "swin.patch=4", "swin.window=3", "swin.pretrained_windows=[2, 4, 5, 1]"},
     96},
    {"vgg11_bn", {"backbone=vgg11_bn"}, 64},
    {"wrn_28_2", {"backbone=wrn_28_2"}, 32},
    {"vit_biases", {"backbone=vit_tiny_16", "vit.qkv_bias=qv"}, 32},
    {"vit_distilled", {"backbone=vit_tiny_16", "vit.distillation_token=true"}, 32},
    {"vit_registers",
     {"backbone=vit_tiny_14", "vit.registers=4", "vit.class_position=false", "vit.layer_scale=1e-5", "vit.mlp=swiglu",
      "vit.qk_norm=true"},
     56},
};

/* The features are used as the logits of as many classes. */
static px_model make(const px_settings *s, const struct subject *t, px_mode mode, const px_backend *backend)
{
    px_model m = {.graph = px_graph_create(mode)};
    m.input[0] = px_input(m.graph, "images", PX_F32, PX_SHAPE(IMAGES, 3, t->size, t->size));
    m.features = s->backbone->family->build(m.graph, s->backbone, s->backbone_cfg, m.input[0]).pooled;
    px_graph_output(m.graph, "features", m.features);
    if (!mode.evaluation) {
        px_value *classes = px_constant_i32(m.graph, PX_SHAPE(IMAGES), (int32_t[]){3, 17, 50});
        m.loss = px_cross_entropy(m.graph, m.features, classes);
        px_graph_output(m.graph, "loss", m.loss);
    }
    px_graph_fuse(m.graph);
    if (!mode.evaluation)
        px_graph_differentiate(m.graph, m.loss);
    m.plan = px_plan_create(m.graph, &(px_plan_spec){.backend = backend});
    if (!m.plan)
        fail_msg("%s", px_error());
    golden_fill(&m);
    return m;
}

/* As in the fixture: whole, or some columns. Returns how many numbers. */
static int64_t some(const px_model *m, float *out)
{
    const void *made = px_plan_read(m->plan, m->features);
    bool twice = px_graph_real(m->graph) == PX_F64;
    int64_t F = m->features->shape.dim[1], step = F / COLUMNS ? F / COLUMNS : 1, count = 0;
    for (int64_t i = 0; i < IMAGES; i++)
        for (int64_t k = i * F; k < (i + 1) * F; k += step)
            out[count++] = twice ? (float)((const double *)made)[k] : ((const float *)made)[k];
    return count;
}

/* Runs the model on the images; the difference of its features from the fixture's tensor of this name. */
static double features_error(px_model *m, const px_tensor_file *f, const char *name)
{
    int64_t count = px_shape_count(m->input[0]->shape);
    float *x = px_aligned_calloc((size_t)count * sizeof x[0]),
          *found = px_calloc((size_t)px_shape_count(m->features->shape), sizeof found[0]);
    double *precise = px_aligned_calloc((size_t)count * sizeof precise[0]);
    golden_images(x, IMAGES, IMAGES, 3, (int)m->input[0]->shape.dim[2]);
    for (int64_t i = 0; i < count; i++)
        precise[i] = x[i];
    px_plan_bind(m->plan, m->input[0], px_graph_real(m->graph) == PX_F64 ? (void *)precise : x);
    px_plan_run(m->plan, NULL);
    int64_t kept = some(m, found);
    float *expected = golden_read(f, name, kept);
    double error = golden_error(found, expected, kept);
    free(x);
    free(found);
    free(precise);
    free(expected);
    return error;
}

/* The largest difference of a gradient or running statistic, and whose. */
static double step_error(px_model *m, const px_tensor_file *f, char where[64])
{
    double worst = 0;
    int count = px_graph_params(m->graph);
    for (int i = 0; i < count; i++) {
        double error = golden_param_error(m, i, f);
        if (!(error <= worst)) {
            worst = error;
            snprintf(where, 64, "%s", px_graph_param(m->graph, i)->name);
        }
    }
    assert_int_equal(px_tensor_file_count(f), 2 + count);
    return worst;
}

static void compare(const px_settings *s, const struct subject *t, const px_tensor_file *f)
{
    static const px_mode precise = {.real = PX_F64}, judged = {.real = PX_F64, .evaluation = true},
                         fast = {.real = PX_F32}, fast_judged = {.real = PX_F32, .evaluation = true};
    char where[64] = "";
    px_model m = make(s, t, precise, &px_backend_openblas);
    double training = features_error(&m, f, "training"), step = step_error(&m, f, where);
    px_model_finish(&m);
    m = make(s, t, judged, &px_backend_openblas);
    double features = features_error(&m, f, "features");
    px_model_finish(&m);
    m = make(s, t, fast, &px_backend_fast);
    double fast_training = features_error(&m, f, "training");
    px_model_finish(&m);
    m = make(s, t, fast_judged, &px_backend_fast);
    double fast_features = features_error(&m, f, "features");
    px_model_finish(&m);
    print_message("%s: features %.1g, in training %.1g, step %.1g (%s); fast kernels %.1g, %.1g\n", t->fixture,
                  features, training, step, where, fast_features, fast_training);
    assert_true(features < 1e-10 && training < 1e-10 && step < 1e-6);
    assert_true(fast_features < 3e-5 && fast_training < 1e-4);
}

static char **wanted; /* names of fixtures, from the command line; none: all */

static bool is_wanted(const char *fixture)
{
    bool found = !*wanted;
    for (char **name = wanted; *name && !found; name++)
        found = strcmp(*name, fixture) == 0;
    return found;
}

static void backbones_are_theirs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        const struct subject *t = &subjects[i];
        if (!is_wanted(t->fixture))
            continue;
        px_settings s = golden_settings(t->given);
        char *name = px_format("backbone_%s", t->fixture);
        px_tensor_file *f = golden_open(name);
        compare(&s, t, f);
        px_tensor_file_close(f);
        px_settings_finish(&s);
        free(name);
    }
}

static void each_family_has_one(void **state)
{
    (void)state;
    for (int f = 0; px_backbone_families[f]; f++) {
        bool found = false;
        for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
            found = found || px_backbone_find(strchr(subjects[i].given[0], '=') + 1)->family == px_backbone_families[f];
        if (!found)
            fail_msg("no fixture of the family %s: backbone_fixtures.py makes them", px_backbone_families[f]->name);
    }
}

int main(int argc, char **argv)
{
    wanted = argv + (argc > 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_family_has_one), cmocka_unit_test(backbones_are_theirs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
