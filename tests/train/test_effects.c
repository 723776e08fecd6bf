/* test_effects.c - a method with every effect that a step can have: batch norms with running statistics, a teacher, a queue, a
 * state that is assigned, a memory of all images and its clusters, prototypes on the sphere, scheduled numbers. What
 * micro-batches, recomputing, shards, steps that are left out and resuming do with each (docs/design.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../cli/make_set.h"
#include "../data/make_data.h"
#include "nn/layers.h"
#include "ops/ops.h"
#include "train/checkpoint.h"
#include "train/session.h"

#include <math.h>

enum { SIDE = 16, D = 8, QUEUE = 20, PROTOTYPES = 5, IMAGES = 64, CLUSTERS = 3, BATCH = 8 };
enum { BAD_ROW = 13 }; /* in step 1, the second half of it */

static bool bad; /* one image becomes NaN */

/* ---- the method ---- */

static px_encoding backbone_build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    (void)b, (void)c;
    for (int i = 1; i < 4; i++) {
        px_scope_push(g, "layer%d", i);
        x = px_relu(g,
                    px_batch_norm_layer(g, "bn", px_conv_layer(g, "conv", x, 8 * i, 3, i < 3 ? 2 : 1, 1, false), true));
        px_scope_pop(g);
        px_graph_cut(g); /* recompute=true repeats what is between */
    }
    return (px_encoding){.pooled = px_global_avg_pool(g, x), .stages = 1, .stage[0] = {"map", x}};
}

static const px_backbone_family family = {.name = "tiny", .build = backbone_build};
static const px_backbone tiny = {.name = "tiny", .family = &family};

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    (void)c;
    px_views_add(out, "image", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    px_views_add(out, "index", PX_F32, 1, 0, NULL);
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    (void)c;
    px_recipe r = px_recipe_none();
    r.mean = task->mean;
    r.std = task->std;
    r.flip = 0.5f;
    px_recipe_apply(&r, rng, image, px_sample_plane(out, 0, 0), out->scratch);
    *px_sample_f32(out, 1, 0) = (float)image->index;
    if (bad && image->index == BAD_ROW)
        px_sample_plane(out, 0, 0).data[7] = NAN;
}

static px_value *mean_of(px_graph *g, px_value *x, int axes)
{
    return px_reduce(g, PX_MEAN, x, (px_axes){axes, {0, 1}, false});
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    (void)c;
    px_graph *g = b->g;
    px_value *x = px_view_input(b, "image"), *momentum = px_schedule(b, "momentum", 0.5, 1, PX_LINEAR, PX_SHARE),
             *sharpness = px_schedule(b, "sharpness", 1, 10, PX_LINEAR, PX_POSITIVE);
    px_value *z = px_l2_normalize(g, px_linear_layer(g, "head", px_encode(b, x).pooled, D, true)); /* [B,D] */
    px_net *teacher = px_net_follow(px_backbone_net(b), "teacher", momentum);
    px_value *keys = px_l2_normalize(g, px_slice(g, px_encode_by(b, teacher, x).pooled, 1, 0, D));
    px_value *queue = px_state(g, "queue", PX_SHAPE(QUEUE, D), px_init_unit_rows()),
             *place = px_state(g, "place", PX_SHAPE(1), px_init_constant(0)),
             *centre = px_state(g, "centre", PX_SHAPE(D), px_init_constant(0));
    px_value *memory = px_state(g, "memory", PX_SHAPE(IMAGES, D), px_init_constant(0)),
             *seen = px_state(g, "seen", PX_SHAPE(1), px_init_constant(0)),
             *clusters = px_state(g, "clusters", PX_SHAPE(CLUSTERS, D), px_init_unit_rows());
    px_value *index = px_view_input(b, "index"), *recalled = px_recall(g, memory, index);
    px_value *w = px_parameter(g, "prototypes", PX_SHAPE(PROTOTYPES, D), px_init_unit_rows(), PX_UNIT_ROWS);
    px_value *scores[] = {px_linear(g, z, w, NULL), px_matmul(g, z, queue, false, true, 1),
                          px_matmul(g, z, clusters, false, true, 1)};
    px_value *logits = px_binary(g, PX_MUL, px_concat(g, 1, scores, 3), sharpness);
    px_value *apart = px_binary(g, PX_SUB, px_add(g, z, recalled), px_binary(g, PX_SUB, keys, centre));
    px_after_begin(g);
    px_value *all = px_all_gather(g, keys, NULL);
    px_enqueue(g, queue, place, all);
    px_assign(g, centre, mean_of(g, all, 1));
    px_remember(g, memory, seen, px_all_gather(g, index, NULL), px_all_gather(g, z, NULL), 2 * BATCH);
    px_cluster(g, clusters, memory, seen, (px_spherical){.every = 2 * BATCH, .rounds = 2, .stream = 1});
    px_after_end(g);
    return px_add(g, mean_of(g, px_reduce(g, PX_LOG_SUM_EXP, logits, (px_axes){1, {1}, false}), 1),
                  mean_of(g, px_unary(g, PX_FN_SQUARE, apart, 0, 0), 2));
}

static const px_method effects = {.name = "effects", .views = views, .make_views = make_views, .build = build};

/* ---- a run of it ---- */

typedef struct run {
    px_settings s;
    const px_method *method; /* those that the settings were read for */
    const px_backbone *backbone;
    px_comm self;
    px_session session;
} run;

typedef struct fixture {
    char *folder, *data;
} fixture;

/* Begins at `step`. `how`: NULL-terminated, at most four. */
static void start(run *r, const fixture *f, int64_t step, const char *const how[])
{
    char *path = px_format("data.path=%s", f->data);
    const char *given[16] = {
        path,       "method=moco",         "backbone=resnet18",  "data.image_size=16", "data.shuffle=false", "batch=8",
        "epochs=2", "optim.optimizer=sgd", "optim.momentum=0.9", "data.workers=2",     "backend=auto"};
    int n = 11;
    for (int i = 0; how[i]; i++)
        given[n++] = how[i];
    *r = (run){.self = px_comm_self()};
    if (px_settings_load(&r->s, NULL, given, n) != 0)
        fail_msg("%s", px_error());
    r->method = r->s.method;
    r->backbone = r->s.backbone;
    r->s.method = &effects;
    r->s.backbone = &tiny;
    if (px_session_create(&r->session, &r->s, &r->self, NULL) != 0 || px_session_load(&r->session, step) != 0)
        fail_msg("%s", px_error());
    free(path);
}

static void stop(run *r)
{
    px_session_finish(&r->session);
    r->s.method = r->method;
    r->s.backbone = r->backbone;
    px_settings_finish(&r->s);
}

/* A step as the trainer makes it. False: it was left out. */
static bool take(run *r, int64_t step, double lr, bool poison)
{
    px_session *s = &r->session;
    double votes[PX_VOTES] = {0};
    char *where;
    assert_int_equal(px_session_gradients(s, step, votes), 0);
    if (poison) /* a gradient that is not finite, of a finite loss */
        px_plan_grads(s->plan[0])[3] = NAN;
    if (isfinite(s->scalars.mean[0]) && isfinite(px_session_update(s, lr)))
        return true;
    assert_int_equal(px_session_diagnose(s, step, &where), 0);
    free(where);
    return false;
}

static int number_of(const run *r, const char *name)
{
    const px_graph *g = r->session.model->graph;
    for (int i = 0; i < px_graph_params(g); i++)
        if (strcmp(px_graph_param(g, i)->name, name) == 0)
            return i;
    fail_msg("there is no %s", name);
    return -1;
}

/* The caller frees it. */
static float *value_of(const run *r, const char *name)
{
    int i = number_of(r, name);
    float *x = px_checkpoint_plain(px_graph_param(r->session.model->graph, i)->value->shape);
    px_plan_get_param(r->session.plan[0], i, x);
    return x;
}

static void get_momentum(const run *r, int param, const px_param_span *span, float *plain)
{
    float *part = px_aligned_calloc((size_t)span->count * sizeof *part);
    px_optimizer_read(r->session.optimizer, 0, span->offset, span->count, part);
    px_plan_get_like(r->session.plan[0], param, part, plain);
    free(part);
}

/* All parameters, states and followers, and the optimizer's momentum, equal those of `b`, bit for bit. */
static void same(const run *a, const run *b, const char *what)
{
    const px_graph *g = a->session.model->graph;
    const char *names[2];
    int spans;
    const px_param_span *span = px_plan_spans(a->session.plan[0], &spans);
    assert_int_equal(px_optimizer_slots(a->session.optimizer, names), 1);
    for (int i = 0; i < px_graph_params(g); i++) {
        const px_param *p = px_graph_param(g, i);
        size_t size = (size_t)px_shape_count(p->value->shape) * sizeof(float);
        float *x = px_checkpoint_plain(p->value->shape), *y = px_checkpoint_plain(p->value->shape);
        for (int k = 0; k < (p->value->kind == PX_PARAMETER ? 2 : 1); k++) {
            if (k == 0) {
                px_plan_get_param(a->session.plan[0], i, x);
                px_plan_get_param(b->session.plan[0], i, y);
            } else {
                get_momentum(a, i, span, x);
                get_momentum(b, i, span++, y);
            }
            if (memcmp(x, y, size) != 0)
                fail_msg("%s: %s%s differs", what, k ? "the momentum of " : "", p->name);
        }
        free(x);
        free(y);
    }
}

static void near(const run *a, const run *b, const char *name, double limit)
{
    float *x = value_of(a, name), *y = value_of(b, name);
    int64_t n = px_shape_count(px_graph_param(a->session.model->graph, number_of(a, name))->value->shape);
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(x[i] - y[i]) <= limit))
            fail_msg("%s, element %d: %g is not %g", name, (int)i, x[i], y[i]);
    free(x);
    free(y);
}

static void place_is(const run *r, double place)
{
    float *at = value_of(r, "place");
    assert_float_equal(at[0], place, 0);
    free(at);
}

static void prototypes_are_on_the_sphere(const run *r)
{
    float *w = value_of(r, "prototypes");
    for (int i = 0; i < PROTOTYPES; i++) {
        double length = 0;
        for (int k = 0; k < D; k++)
            length += (double)w[i * D + k] * w[i * D + k];
        assert_float_equal(length, 1, 1e-6);
    }
    free(w);
}

static const char *const regimes[][3] = {{NULL}, {"accumulate=2", NULL}, {"reproducible=true", "shards=2", NULL}};
enum { REGIMES = sizeof regimes / sizeof regimes[0] };

/* ---- tests ---- */

/* A run whose second step is left out equals one that never took it: neither weights nor momentum, running statistics, teacher,
 * queue, assigned states, memory, its clusters (which this step makes) nor prototypes have moved. Scheduled numbers go by the
 * step, so they go on. */
static void a_step_left_out_moves_nothing(void **state)
{
    for (int i = 0; i < REGIMES; i++)
        for (int poison = 0; poison < 2; poison++) {
            run a, b;
            start(&a, *state, 0, regimes[i]);
            assert_true(take(&a, 0, 0.1, false));
            bad = !poison; /* the loader, which works ahead, begins again at this step */
            px_loader_destroy(a.session.loader);
            assert_int_equal(px_session_load(&a.session, 1), 0);
            assert_false(take(&a, 1, 0.1, poison));
            bad = false;
            start(&b, *state, 0, regimes[i]);
            assert_true(take(&b, 0, 0.1, false));
            same(&a, &b, "left out");
            px_loader_destroy(b.session.loader);
            assert_int_equal(px_session_load(&b.session, 2), 0);
            assert_true(take(&a, 2, 0.1, false));
            assert_true(take(&b, 2, 0.1, false));
            same(&a, &b, "after it");
            assert_float_equal(a.session.scheduled[0], 0.5 + 0.5 * 2 / 12, 1e-6);
            assert_float_equal(a.session.scheduled[1], 1 + 9.0 * 2 / 12, 1e-6);
            stop(&a);
            stop(&b);
        }
}

/* Two micro-batches change states as two steps with these batches would; weights, teacher and prototypes move once. */
static void micro_batches_are_steps_for_states_alone(void **state)
{
    static const char *const names[] = {"queue",
                                        "place",
                                        "centre",
                                        "memory",
                                        "seen",
                                        "layer1.bn.running_mean",
                                        "layer3.bn.running_var",
                                        "teacher.layer2.bn.running_mean"};
    run a, b;
    start(&a, *state, 0, (const char *[]){"accumulate=2", NULL});
    start(&b, *state, 0, (const char *[]){"batch=4", NULL});
    assert_true(take(&a, 0, 0, false)); /* rate 0, so that both halves see the same weights */
    assert_true(take(&b, 0, 0, false));
    assert_true(take(&b, 1, 0, false));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        near(&a, &b, names[i], 1e-6);
    place_is(&a, BATCH);
    float *before = value_of(&a, "layer2.conv.weight"), *leader, *teacher;
    assert_true(take(&a, 1, 0.5, false));
    leader = value_of(&a, "layer2.conv.weight");
    teacher = value_of(&a, "teacher.layer2.conv.weight");
    float m = a.session.scheduled[0], moved = 0;
    for (int i = 0; i < 16 * 8 * 9; i++) {
        assert_float_equal(teacher[i], m * before[i] + (1 - m) * leader[i], 1e-6);
        moved = fmaxf(moved, fabsf(leader[i] - before[i]));
    }
    assert_true(moved > 1e-4);
    prototypes_are_on_the_sphere(&a);
    place_is(&a, 2 * BATCH);
    assert_true(take(&a, 2, 0.5, false));
    place_is(&a, 3 * BATCH - QUEUE); /* the oldest rows have gone */
    free(before);
    free(leader);
    free(teacher);
    stop(&a);
    stop(&b);
}

static void recomputing_repeats_no_effect(void **state)
{
    run a, b;
    start(&a, *state, 0, (const char *[]){"recompute=true", NULL});
    start(&b, *state, 0, (const char *[]){"recompute=false", NULL});
    assert_true(px_plan_steps(a.session.plan[0]) > px_plan_steps(b.session.plan[0]));
    for (int step = 0; step < 3; step++) {
        assert_true(take(&a, step, 0.1, false));
        assert_true(take(&b, step, 0.1, false));
    }
    same(&a, &b, "recompute");
    stop(&a);
    stop(&b);
}

/* Shards are one batch: each effect happens once, with the rows of all. */
static void shards_are_one_batch(void **state)
{
    static const char *const names[] = {"queue",      "centre",
                                        "prototypes", "layer1.bn.running_mean",
                                        "head.bias",  "teacher.layer3.bn.running_var",
                                        "place",      "teacher.layer2.conv.weight",
                                        "memory",     "seen"};
    run a, b;
    start(&a, *state, 0, (const char *[]){"reproducible=true", "shards=2", NULL});
    start(&b, *state, 0, (const char *[]){NULL});
    assert_int_equal(a.session.parts, 2);
    assert_true(take(&a, 0, 0.1, false));
    assert_true(take(&b, 0, 0.1, false));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        near(&a, &b, names[i], 1e-4);
    place_is(&a, BATCH);
    prototypes_are_on_the_sphere(&a);
    stop(&a);
    stop(&b);
}

static void resumed_runs_go_on_bit_for_bit(void **state)
{
    const fixture *f = *state;
    for (int i = 0; i < REGIMES; i++) {
        run a, b;
        px_checkpoint c;
        px_log log = px_log_make(stderr, true);
        start(&a, f, 0, regimes[i]);
        for (int step = 0; step < 2; step++)
            assert_true(take(&a, step, 0.1, false));
        if (px_checkpoint_save(f->folder, a.session.model, a.session.optimizer, (px_position){.step = 2}, "") != 0)
            fail_msg("%s", px_error());
        start(&b, f, 2, regimes[i]);
        if (px_checkpoint_load(f->folder, b.session.model, b.session.optimizer, &c, &log) != 0)
            fail_msg("%s", px_error());
        assert_int_equal(c.step, 2);
        px_checkpoint_finish(&c);
        for (int step = 2; step < 4; step++) {
            assert_true(take(&a, step, 0.1, false));
            assert_true(take(&b, step, 0.1, false));
        }
        same(&a, &b, "resumed");
        stop(&a);
        stop(&b);
    }
}

static int set_up(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = make_folder();
    f->data = make_set(f->folder, "d.h5", &(set_spec){.count = IMAGES, .side = SIDE, .channels = 3, .classes = 4});
    *state = f;
    return 0;
}

/* In a step whose rate is 0, as a warm-up's first one, a parameter with a steady rate moves, and no other. It moves as far as all
 * do in a step of the highest rate: optim.lr, scaled. */
static void a_steady_rate_is_the_highest(void **state)
{
    run a, b;
    start(&a, *state, 0, (const char *const[]){"optim.rules=layer2:steady=1", "optim.lr=0.3", NULL});
    start(&b, *state, 0, (const char *const[]){"optim.lr=0.3", NULL});
    float *before[] = {value_of(&a, "layer2.conv.weight"), value_of(&a, "layer1.conv.weight")};
    assert_true(take(&a, 0, 0, false));
    assert_true(take(&b, 0, 0.3 * 8 / 256, false));
    float *after[] = {value_of(&a, "layer2.conv.weight"), value_of(&a, "layer1.conv.weight")},
          *whole = value_of(&b, "layer2.conv.weight");
    assert_memory_equal(after[0], whole, 100 * sizeof(float));
    assert_memory_not_equal(after[0], before[0], 100 * sizeof(float));
    assert_memory_equal(after[1], before[1], 100 * sizeof(float));
    for (int i = 0; i < 2; i++) {
        free(before[i]);
        free(after[i]);
    }
    free(whole);
    stop(&a);
    stop(&b);
}

static int tear_down(void **state)
{
    fixture *f = *state;
    remove_folder(f->folder);
    free(f->data);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_left_out_moves_nothing),  cmocka_unit_test(micro_batches_are_steps_for_states_alone),
        cmocka_unit_test(recomputing_repeats_no_effect),  cmocka_unit_test(shards_are_one_batch),
        cmocka_unit_test(resumed_runs_go_on_bit_for_bit), cmocka_unit_test(a_steady_rate_is_the_highest)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
