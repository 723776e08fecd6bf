/* test_moments.c - every family's parameters begin as torchvision's or timm's: with their means and standard deviations, and as
 * uniform or normal numbers. moments.h has theirs. A family without a row fails, and so do a parameter without one and a row
 * without a parameter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backbones/backbone.h"
#include "base/config.h"
#include "base/error.h"
#include "graph/plan_params.h"
#include "moments.h"
#include "ops/ops.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = sizeof moments / sizeof moments[0], LARGE = 256 };
static const double SIGMAS = 5; /* of their sample's error; 700 rows stay within 4 */

/* Names of rows that are not a backbone's. */
static const struct subject {
    const char *name, *backbone, *settings;
} others[] = {{"vit with DeiT's token", "vit_tiny_16", "vit = { distillation_token = true; };"},
              {"vit with DINOv2's parts", "vit_tiny_16",
               "vit = { registers = 4; class_position = false; layer_scale = 1e-5; qk_norm = true; };"}};

static struct subject subject_of(const char *name)
{
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(others[i].name, name) == 0)
            return others[i];
    return (struct subject){name, name, ""};
}

/* The network for images of this side, not planned. The caller destroys it. */
static px_graph *built(struct subject s, int side)
{
    const px_backbone *b = px_backbone_find(s.backbone);
    px_config *config = px_config_create();
    px_backbone_cfg *cfg = px_calloc(1, b->family->cfg_size);
    px_config_group(config, b->family->name, b->family->options, cfg);
    if (px_config_text_load(config, s.settings, "test") != 0 || px_config_finish(config) != 0)
        fail_msg("%s", px_error());
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    px_value *y = b->family->build(g, b, cfg, px_input(g, "images", PX_F32, PX_SHAPE(1, 3, side, side))).pooled;
    px_graph_output(g, "features", y);
    if (px_graph_error(g))
        fail_msg("%s: %s", b->name, px_graph_error(g));
    px_config_destroy(config);
    free(cfg);
    return g;
}

/* "blocks.11.norm1.weight" -> "blocks.#.norm1.weight" */
static void pattern_of(const char *name, char out[LARGE])
{
    int n = 0;
    for (const char *at = name; *at && n < LARGE - 1; at++) {
        size_t digits = at > name && strchr("._", at[-1]) ? strspn(at, "0123456789") : 0;
        bool number = digits > 0 && at[digits] == '.';
        out[n] = *at;
        if (number) {
            out[n] = '#';
            at += digits - 1;
        }
        n++;
    }
    out[n] = '\0';
}

static void shape_of(px_shape s, char out[LARGE])
{
    int n = 0;
    out[0] = '\0';
    for (int i = 0; i < s.rank; i++)
        n += snprintf(out + n, (size_t)(LARGE - n), "%s%" PRId64, i ? "x" : "", s.dim[i]);
}

static const struct moments *row_of(const char *backbone, const px_param *p)
{
    char pattern[LARGE], shape[LARGE];
    pattern_of(p->name, pattern);
    shape_of(p->value->shape, shape);
    for (int i = 0; i < ROWS; i++) {
        const struct moments *m = &moments[i];
        bool named = strcmp(m->pattern, pattern) == 0 || strcmp(m->pattern, p->name) == 0;
        if (named && strcmp(m->backbone, backbone) == 0 && strcmp(m->shape, shape) == 0)
            return m;
    }
    return NULL;
}

/* The moments of what such a parameter is drawn from. */
static double deviation_of(px_init init, double *mean)
{
    *mean = init.kind == PX_INIT_CONSTANT ? init.scale : 0;
    assert_true(init.kind == PX_INIT_CONSTANT || init.kind == PX_INIT_UNIFORM || init.kind == PX_INIT_NORMAL);
    return init.kind == PX_INIT_CONSTANT ? 0 : init.kind == PX_INIT_UNIFORM ? init.scale / sqrt(3) : init.scale;
}

/* Whether the largest of `count` numbers can be that: uniform ones end at the scale and come close to it; normal ones exceed 2.3
 * deviations, unless they are cut off before (by chance: 4e-10 of samples of 1000). */
static bool ends_so(px_init init, double largest, int64_t count)
{
    if (init.kind == PX_INIT_UNIFORM)
        return largest < init.scale * (1 + 1e-5) && (count < 100 || largest > 0.9 * init.scale);
    return init.kind == PX_INIT_CONSTANT || count < 1000 || largest > 2.3 * init.scale;
}

/* Whether numbers with these moments can be drawn so. */
static bool agrees(px_init init, double mean, double deviation, double largest, int64_t count)
{
    double expected_mean, expected = deviation_of(init, &expected_mean);
    if (expected == 0)
        return deviation == 0 && fabs(mean - expected_mean) <= 1e-5 * fabs(expected_mean);
    return fabs(mean - expected_mean) < SIGMAS * expected / sqrt((double)count) &&
           fabs(deviation / expected - 1) < SIGMAS / sqrt(2 * (double)count) + 1e-5 && ends_so(init, largest, count);
}

/* How many parameters begin otherwise; `used`: which rows were met. */
static int differences(const char *backbone, bool used[ROWS])
{
    px_graph *g = built(subject_of(backbone), 224);
    int bad = 0;
    for (int i = 0; i < px_graph_params(g); i++) {
        const px_param *p = px_graph_param(g, i);
        if (p->value->kind != PX_PARAMETER)
            continue;
        const struct moments *row = row_of(backbone, p);
        double mean, deviation = deviation_of(p->init, &mean);
        if (row)
            used[row - moments] = true;
        if (row && agrees(p->init, row->mean, row->deviation, row->largest, row->count))
            continue;
        bad++;
        if (row)
            print_error("%s: %s begins with mean %g and deviation %g; theirs with %g and %g, at most %g\n", backbone,
                        p->name, mean, deviation, row->mean, row->deviation, row->largest);
        else
            print_error("%s: %s has no row\n", backbone, p->name);
    }
    px_graph_destroy(g);
    return bad;
}

static void initial_values_are_theirs(void **state)
{
    (void)state;
    bool used[ROWS] = {false};
    int bad = 0;
    for (int i = 0; i < ROWS; i++)
        if (i == 0 || strcmp(moments[i].backbone, moments[i - 1].backbone) != 0)
            bad += differences(moments[i].backbone, used);
    for (int i = 0; i < ROWS; i++)
        if (!used[i]) {
            print_error("%s: there is no %s %s\n", moments[i].backbone, moments[i].pattern, moments[i].shape);
            bad++;
        }
    assert_int_equal(bad, 0);
}

static void every_family_has_rows(void **state)
{
    (void)state;
    for (int f = 0; px_backbone_families[f]; f++) {
        bool found = false;
        for (int i = 0; i < ROWS && !found; i++)
            found = px_backbone_find(subject_of(moments[i].backbone).backbone)->family == px_backbone_families[f];
        if (!found)
            fail_msg("%s has no row of moments", px_backbone_families[f]->name);
    }
}

/* Holds what parameter i was given to what was asked for. */
static void check_drawn(px_plan *plan, const px_param *p, int i)
{
    int64_t count = px_shape_count(p->value->shape);
    float *x = px_aligned_calloc((size_t)count * sizeof x[0]);
    double sum = 0, squares = 0, largest = 0;
    px_plan_get_param(plan, i, x);
    for (int64_t j = 0; j < count; j++) {
        sum += x[j];
        largest = fmax(largest, fabs((double)x[j]));
    }
    double mean = sum / (double)count;
    for (int64_t j = 0; j < count; j++)
        squares += (x[j] - mean) * (x[j] - mean);
    double deviation = sqrt(squares / (double)count);
    if (!agrees(p->init, mean, deviation < 1e-9 ? 0 : deviation, largest, count))
        fail_msg("%s has mean %g and deviation %g, at most %g", p->name, mean, deviation, largest);
    free(x);
}

/* What is drawn has the moments that were asked for. */
static void drawn_as_asked(void **state)
{
    (void)state;
    static const char *const names[] = {"mobilenet_v3_small", "vit_tiny_16"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        px_graph *g = built(subject_of(names[k]), 32);
        px_plan *plan = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_openblas});
        if (!plan)
            fail_msg("%s", px_error());
        px_plan_init_params(plan, 1);
        for (int i = 0; i < px_graph_params(g); i++)
            check_drawn(plan, px_graph_param(g, i), i);
        px_plan_destroy(plan);
        px_graph_destroy(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(initial_values_are_theirs),
                                       cmocka_unit_test(every_family_has_rows), cmocka_unit_test(drawn_as_asked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
