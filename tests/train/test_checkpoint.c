/* test_checkpoint.c - a checkpoint contains plain values, whatever kernels the run used; it is complete or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "base/error.h"
#include "base/rng.h"
#include "nn/positions.h"
#include "train/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 16, BATCH = 4 };

/* HDF5 leaks memory on some damaged files, which our tests need not report. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

typedef struct trained {
    px_settings s;
    px_task task;
    px_comm self;
    px_model m;
    px_optimizer *optimizer;
} trained;

static void start(trained *t, const char *backend, const char *optimizer)
{
    char *set_backend = px_format("backend=%s", backend), *set_optimizer = px_format("optim.optimizer=%s", optimizer);
    const char *given[] = {set_backend, set_optimizer, "method=simclr", "backbone=resnet18", "resnet.width=0.125"};
    *t = (trained){.task = {.image_size = SIDE, .channels = 3, .batch = BATCH, .ranks = 1}, .self = px_comm_self()};
    int spans;
    assert_int_equal(px_settings_load(&t->s, NULL, given, 5), 0);
    assert_int_equal(px_model_pretrain(&t->m, &t->s, &t->task, &t->self), 0);
    const px_param_span *span = px_plan_spans(t->m.plan, &spans);
    assert_int_equal(px_optimizer_create(&t->optimizer, &t->s.optim, span, spans, px_plan_update(t->m.plan)), 0);
    px_plan_init_params(t->m.plan, 1);
    free(set_backend);
    free(set_optimizer);
}

static void stop(trained *t)
{
    px_optimizer_destroy(t->optimizer);
    px_model_finish(&t->m);
    px_settings_finish(&t->s);
}

/* Two steps on noise, so that moments and running statistics are not trivial. */
static void train(trained *t)
{
    int64_t count = 2 * BATCH * 3 * SIDE * SIDE;
    float *images = px_aligned_calloc((size_t)count * sizeof *images);
    px_plan_bind(t->m.plan, t->m.input[0], images);
    for (int step = 0; step < 2; step++) {
        px_rng rng = px_rng_make(5, PX_RNG_VIEWS, (uint64_t)step, 0);
        for (int64_t i = 0; i < count; i++)
            images[i] = px_rng_uniform(&rng);
        px_plan_run(t->m.plan, NULL);
        px_optimizer_step(t->optimizer, px_plan_weights(t->m.plan), px_plan_grads(t->m.plan), 1, 0.01);
    }
    free(images);
}

/* One slot of the state of parameter i, whose span is given, in the usual order of axes. */
static void read_slot(const trained *t, int i, const px_param_span *span, int slot, float *plain)
{
    float *part = px_aligned_calloc((size_t)span->count * sizeof *part);
    px_optimizer_read(t->optimizer, slot, span->offset, span->count, part);
    px_plan_get_like(t->m.plan, i, part, plain);
    free(part);
}

/* Compares the plain values of parameter i; with its spans, those of a slot. */
static void same_plain(const trained *a, const trained *b, int i, const px_param_span *const spans[2], int slot)
{
    const px_param *p = px_graph_param(a->m.graph, i);
    size_t size = (size_t)px_shape_count(p->value->shape) * sizeof(float);
    float *x = px_aligned_calloc(size), *y = px_aligned_calloc(size);
    if (spans) {
        read_slot(a, i, spans[0], slot, x);
        read_slot(b, i, spans[1], slot, y);
    } else {
        px_plan_get_param(a->m.plan, i, x);
        px_plan_get_param(b->m.plan, i, y);
    }
    if (memcmp(x, y, size) != 0)
        fail_msg("%s differs", p->name);
    free(x);
    free(y);
}

static void same_state(const trained *a, const trained *b)
{
    const char *names[2];
    int slots = px_optimizer_slots(a->optimizer, names), count;
    const px_param_span *spans[2] = {px_plan_spans(a->m.plan, &count), px_plan_spans(b->m.plan, &count)};
    assert_int_equal(px_optimizer_slots(b->optimizer, names), slots);
    assert_int_equal(*px_optimizer_steps(a->optimizer), *px_optimizer_steps(b->optimizer));
    assert_int_equal(px_graph_params(a->m.graph), px_graph_params(b->m.graph));
    for (int i = 0; i < px_graph_params(a->m.graph); i++) {
        bool has_state = px_graph_param(a->m.graph, i)->value->kind == PX_PARAMETER;
        same_plain(a, b, i, NULL, 0);
        for (int k = 0; k < slots && has_state; k++)
            same_plain(a, b, i, spans, k);
        for (int j = 0; j < 2; j++)
            spans[j] += has_state;
    }
}

static void same_across_backends(void **state)
{
    (void)state;
    static const char *const backends[] = {"auto", "openblas"}, *const optimizers[] = {"adamw", "sgd", "lars"};
    px_log quiet = px_log_make(stderr, true);
    for (int k = 0; k < 6; k++) {
        char *folder = make_folder();
        trained a, b;
        px_checkpoint c;
        start(&a, backends[k % 2], optimizers[k / 2]);
        start(&b, backends[1 - k % 2], optimizers[k / 2]);
        train(&a);
        assert_int_equal(
            px_checkpoint_save(folder, &a.m, a.optimizer, (px_position){.step = 2}, "text = \"of the run\";\n"), 0);
        if (px_checkpoint_load(folder, &b.m, b.optimizer, &c, &quiet) != 0)
            fail_msg("%s", px_error());
        assert_int_equal(c.step, 2);
        assert_string_equal(c.config, "text = \"of the run\";\n");
        same_state(&a, &b);
        px_checkpoint_finish(&c);
        stop(&a);
        stop(&b);
        remove_folder(folder);
    }
}

/* The one before the last is kept; if writing fails, neither is changed. */
static void two_are_kept(void **state)
{
    (void)state;
    char *folder = make_folder(), *previous = px_format("%s/checkpoint.previous.h5", folder),
         *partial = px_format("%s/checkpoint.h5.partial", folder);
    px_log quiet = px_log_make(stderr, true);
    trained a;
    px_checkpoint c;
    start(&a, "openblas", "sgd");
    assert_false(px_checkpoint_exists(folder));
    assert_int_equal(px_checkpoint_peek(folder, &c, &quiet), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    for (int step = 1; step < 4; step++)
        assert_int_equal(px_checkpoint_save(folder, &a.m, a.optimizer, (px_position){.step = step}, ""), 0);
    assert_int_equal(px_checkpoint_peek(previous, &c, &quiet), 0);
    assert_int_equal(c.step, 2);
    px_checkpoint_finish(&c);
    assert_int_equal(mkdir(partial, 0777), 0);
    assert_int_equal(px_checkpoint_save(folder, &a.m, a.optimizer, (px_position){.step = 9}, ""), -1);
    assert_int_equal(px_error_status(), PX_FAIL);
    assert_int_equal(px_checkpoint_peek(folder, &c, &quiet), 0);
    assert_int_equal(c.step, 3);
    px_checkpoint_finish(&c);
    stop(&a);
    remove_folder(folder);
    free(previous);
    free(partial);
}

/* A counter that would overflow, or count backwards. */
static void steps_are_checked(void **state)
{
    (void)state;
    char *folder = make_folder();
    px_log quiet = px_log_make(stderr, true);
    trained a;
    px_checkpoint c;
    start(&a, "openblas", "sgd");
    static const int64_t step[] = {-5, INT64_MAX, (int64_t)1 << 41};
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 2; k++) /* the one before is bad, too */
            assert_int_equal(px_checkpoint_save(folder, &a.m, a.optimizer, (px_position){.step = step[i]}, ""), 0);
        assert_int_equal(px_checkpoint_peek(folder, &c, &quiet), -1);
        assert_int_equal(px_error_status(), PX_DATA);
        assert_non_null(strstr(px_error(), ", which no run reaches"));
    }
    stop(&a);
    remove_folder(folder);
}

/* With one flipped byte anywhere the file is refused as damaged, unless the byte is never read. */
static void damage_is_noticed(void **state)
{
    (void)state;
    enum { PLACES = 200 };
    char *folder = make_folder(), *path = px_format("%s/checkpoint.h5", folder);
    px_log quiet = px_log_make(stderr, true);
    trained a, b;
    start(&a, "openblas", "adamw");
    start(&b, "openblas", "adamw");
    train(&a);
    assert_int_equal(px_checkpoint_save(folder, &a.m, a.optimizer, (px_position){.step = 2}, "text = 1;\n"), 0);
    blob whole = read_file(path);
    int refused = 0;
    for (size_t i = 0; i < PLACES; i++) {
        px_checkpoint c;
        size_t at = i < PLACES / 3 ? i * 211 : (i - PLACES / 3) * (whole.size / (PLACES - PLACES / 3)) + i;
        whole.bytes[at] ^= 0x40;
        free(write_file(folder, "checkpoint.h5", whole.bytes, whole.size));
        whole.bytes[at] ^= 0x40;
        if (px_checkpoint_load(folder, &b.m, b.optimizer, &c, &quiet) != 0) {
            if (px_error_status() != PX_DATA)
                fail_msg("byte %zu: %s", at, px_error());
            refused++;
            continue;
        }
        assert_int_equal(c.step, 2);
        assert_string_equal(c.config, "text = 1;\n");
        same_state(&a, &b);
        px_checkpoint_finish(&c);
    }
    print_message("%d of %d flipped bytes refused, the others are not read\n", refused, PLACES);
    assert_true(refused > PLACES * 9 / 10);
    free(whole.bytes);
    stop(&a);
    stop(&b);
    remove_folder(folder);
    free(path);
}

static px_model vit(px_settings *s, int size)
{
    px_model m;
    px_task task = {.image_size = size, .channels = 3, .batch = 1, .ranks = 1};
    assert_int_equal(px_settings_load(s, NULL, (const char *[]){"backbone=vit_tiny_16"}, 1), 0);
    if (px_model_encoder(&m, s, &task, &(px_encoder_spec){.batch = 1, .views = 1, .size = size}) != 0)
        fail_msg("%s", px_error());
    px_plan_init_params(m.plan, (uint64_t)size);
    return m;
}

static float *positions(px_model *m, px_shape *shape)
{
    for (int i = 0; i < px_graph_params(m->graph); i++)
        if (strcmp(px_graph_param(m->graph, i)->name, "pos_embed") == 0) {
            *shape = px_graph_param(m->graph, i)->value->shape;
            float *plain = px_aligned_calloc((size_t)px_shape_count(*shape) * sizeof plain[0]);
            px_plan_get_param(m->plan, i, plain);
            return plain;
        }
    fail_msg("there is no pos_embed");
    return NULL;
}

/* A method may train on less than whole images (relative_location's patches): for an evaluation, positions are
 * resampled; to resume, the size must be the same. */
static void positions_of_another_size(void **state)
{
    (void)state;
    char *folder = make_folder();
    px_log quiet = px_log_make(stderr, true);
    px_settings s[2];
    px_model small = vit(&s[0], 32), large = vit(&s[1], 64);
    px_checkpoint c;
    px_optimizer *optimizer;
    assert_int_equal(px_checkpoint_save(folder, &small, NULL, (px_position){.step = 1}, ""), 0);
    if (px_checkpoint_load(folder, &large, NULL, &c, &quiet) != 0)
        fail_msg("%s", px_error());
    px_checkpoint_finish(&c);
    px_shape from, to;
    float *given = positions(&small, &from), *got = positions(&large, &to);
    size_t bytes = (size_t)px_shape_count(to) * sizeof got[0];
    float *expected = px_aligned_calloc(bytes);
    assert_int_equal(px_positions_resample(from, given, to, expected), 0);
    assert_memory_equal(got, expected, bytes);
    assert_int_equal(px_optimizer_create(&optimizer, &s[1].optim, NULL, 0, px_plan_update(large.plan)), 0);
    assert_int_equal(px_checkpoint_load(folder, &large, optimizer, &c, &quiet), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_non_null(strstr(px_error(), "parameters/pos_embed is (1, 5, 192), but the model has (1, 17, 192)"));
    px_optimizer_destroy(optimizer);
    free(given);
    free(got);
    free(expected);
    px_model_finish(&small);
    px_model_finish(&large);
    px_settings_finish(&s[0]);
    px_settings_finish(&s[1]);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_across_backends), cmocka_unit_test(two_are_kept),
                                       cmocka_unit_test(steps_are_checked), cmocka_unit_test(damage_is_noticed),
                                       cmocka_unit_test(positions_of_another_size)};
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
