/* test_nets.c - networks that share and follow parameters; states that are changed after the step; and graphs that are refused
 * because one or the other is not clear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "graph/plan_params.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 3, D = 4, K = 5 };

static const float images[B * D] = {1, -2, 0.5f, 3, -1, 0.25f, 2, -0.5f, 1.5f, 1, -3, 0.75f};

static px_value *sum(px_graph *g, px_value *x)
{
    return px_reduce(g, PX_SUM, x, (px_axes){2, {0, 1}, false});
}

static px_value *apply(px_net *net, const char *layer, px_value *x, int out)
{
    px_graph *g = px_net_enter(net);
    px_value *y = px_linear_layer(g, layer, x, out, true);
    px_net_leave(net);
    return y;
}

static int find(const px_graph *g, const char *name)
{
    for (int i = 0; i < px_graph_params(g); i++)
        if (strcmp(px_graph_param(g, i)->name, name) == 0)
            return i;
    fail_msg("there is no %s", name);
    return -1;
}

static px_plan *planned(px_graph *g, const px_backend *backend)
{
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = backend});
    if (!p)
        fail_msg("%s", px_error());
    px_plan_init_params(p, 1);
    return p;
}

static const px_backend *const backends[] = {&px_backend_fast, &px_backend_openblas};

/* Twice the same layer: one parameter, whose gradient is that of both. */
static void applied_twice_is_one_network(void **state)
{
    (void)state;
    for (int b = 0; b < 2; b++) {
        px_graph *g = px_graph_create((px_mode){.real = PX_F32});
        px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(B, D));
        px_net *net = px_net_create(g, "head");
        px_value *first = apply(net, "fc", x, K), *second = apply(net, "fc", px_scale(g, x, 2), K);
        px_value *loss = px_add(g, sum(g, first), sum(g, second));
        px_graph_output(g, "loss", loss);
        px_graph_fuse(g);
        px_graph_differentiate(g, loss);
        assert_int_equal(px_graph_params(g), 2);
        px_plan *p = planned(g, backends[b]);
        px_plan_bind(p, x, images);
        px_plan_run(p, NULL);
        float weight[K * D], bias[K];
        px_plan_get_grad(p, find(g, "head.fc.weight"), weight);
        px_plan_get_grad(p, find(g, "head.fc.bias"), bias);
        for (int k = 0; k < K; k++) {
            assert_float_equal(bias[k], 2 * B, 1e-5);
            for (int d = 0; d < D; d++)
                assert_float_equal(weight[k * D + d], 3 * (images[d] + images[D + d] + images[2 * D + d]), 1e-5);
        }
        px_plan_destroy(p);
        px_graph_destroy(g);
    }
}

/* A follower begins as its leader, gets no gradient, and moves by its momentum; a convolution's weights keep the format of
 * their kernels. */
static void followers_follow(void **state)
{
    (void)state;
    for (int b = 0; b < 2; b++) {
        px_graph *g = px_graph_create((px_mode){.real = PX_F32});
        px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(2, 3, 6, 6)),
                 *m = px_input(g, "momentum", PX_F32, (px_shape){0});
        px_net *net = px_net_create(g, "");
        px_value *y[2];
        for (int k = 0; k < 2; k++) {
            px_net *of = k == 0 ? net : px_net_follow(net, "teacher", m);
            px_net_enter(of);
            y[k] = px_batch_norm_layer(g, "bn", px_conv_layer(g, "conv", x, 32, 3, 1, 1, false), true);
            px_net_leave(of);
            px_graph_output(g, k == 0 ? "student" : "teacher", y[k]);
        }
        px_value *loss = px_mean_squared_error(g, px_scale(g, y[0], 2), px_stop_gradient(g, y[1]));
        px_graph_output(g, "loss", loss);
        px_graph_fuse(g);
        px_graph_differentiate(g, loss);
        px_plan *p = planned(g, backends[b]);
        float image[216], before[864], own[864], after[864], var[32], grad[864];
        for (int i = 0; i < 216; i++)
            image[i] = sinf((float)i);
        px_plan_bind(p, x, image);
        px_plan_run(p, NULL);
        size_t bytes = (size_t)px_shape_count(y[0]->shape) * sizeof(float);
        assert_memory_equal(px_plan_read(p, y[0]), px_plan_read(p, y[1]), bytes);
        int leader = find(g, "conv.weight"), follower = find(g, "teacher.conv.weight");
        assert_int_equal(px_graph_param(g, follower)->leader, leader);
        assert_null(px_graph_param(g, follower)->value->grad);
        px_plan_get_grad(p, leader, grad);
        assert_true(grad[5] != 0);
        px_plan_get_param(p, find(g, "teacher.bn.running_var"), var); /* its own running statistics move */
        assert_true(var[0] != 1);

        px_plan_get_param(p, follower, before);
        for (int i = 0; i < 864; i++)
            own[i] = cosf((float)i);
        px_plan_set_param(p, leader, own);
        assert_int_equal(px_graph_followers(g), 1);
        px_plan_follow(p, 0, 0.75);
        px_plan_get_param(p, follower, after);
        for (int i = 0; i < 864; i++)
            assert_float_equal(after[i], 0.75f * before[i] + 0.25f * own[i], 1e-6);
        px_plan_get_param(p, find(g, "teacher.bn.running_var"), before);
        assert_memory_equal(before, var, sizeof var);
        px_plan_destroy(p);
        px_graph_destroy(g);
    }
}

/* A NaN in a follower's parameter is named as that, whoever reads it. */
/* As DINO's, whose teacher has no drop path; also in a network that the follower contains. */
static void followers_have_no_dropout(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .ranks = 1});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(B, D)), *m = px_input(g, "m", PX_F32, (px_shape){0});
    px_net *net = px_net_create(g, "net"), *head = px_net_create(g, "head");
    apply(net, "fc", x, K);
    px_net_enter(net);
    assert_ptr_not_equal(px_dropout(g, x, 0.5, B), x);
    px_net_leave(net);
    px_net_enter(px_net_follow(net, "teacher", m));
    assert_ptr_equal(px_dropout(g, x, 0.5, B), x);
    assert_ptr_equal(px_drop_path(g, x, 0.5, B), x);
    px_net_enter(head);
    assert_ptr_equal(px_dropout(g, x, 0.5, B), x);
    px_net_leave(head);
    assert_ptr_equal(px_dropout(g, x, 0.5, B), x);
    px_graph_destroy(g);
}

static void a_follower_that_is_not_finite_is_named(void **state)
{
    (void)state;
    for (int b = 0; b < 2; b++) {
        px_graph *g = px_graph_create((px_mode){.real = PX_F32});
        px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(B, D)), *m = px_input(g, "momentum", PX_F32, (px_shape){0});
        px_net *net = px_net_create(g, "head");
        px_value *y = apply(net, "fc", x, K), *t = apply(px_net_follow(net, "teacher", m), "fc", x, K);
        px_value *loss = px_mean_squared_error(g, y, px_stop_gradient(g, t));
        px_graph_output(g, "loss", loss);
        px_graph_differentiate(g, loss);
        px_plan *p = planned(g, backends[b]);
        px_plan_bind(p, x, images);
        assert_null(px_plan_not_finite(p));
        float bad[K] = {0, 0, NAN, 0, 0};
        px_plan_set_param(p, find(g, "teacher.head.fc.bias"), bad);
        assert_string_equal(px_plan_not_finite(p), "teacher.head.fc.bias");
        px_fault fault = {.at = PX_FAULT_NONE};
        px_plan_run(p, &(px_plan_hooks){.fault = &fault});
        assert_int_equal(fault.at, PX_FAULT_PARAMETER);
        char *text = px_fault_text(&fault);
        assert_non_null(strstr(text, "parameter teacher.head.fc.bias, 1 of 5 values"));
        free(text);

        float weight[K * D], huge[B * D];
        bad[2] = 0;
        px_plan_set_param(p, find(g, "teacher.head.fc.bias"), bad);
        for (int i = 0; i < K * D; i++)
            weight[i] = 3e38f;
        px_plan_set_param(p, find(g, "teacher.head.fc.weight"), weight); /* its product with x is infinite */
        for (int i = 0; i < B * D; i++)
            huge[i] = 10;
        px_plan_bind(p, x, huge);
        assert_null(px_plan_not_finite(p));
        fault = (px_fault){.at = PX_FAULT_NONE};
        px_plan_run(p, &(px_plan_hooks){.fault = &fault});
        assert_int_equal(fault.at, PX_FAULT_STEP);
        assert_string_equal(fault.name, "teacher.head.fc.weight");
        px_plan_destroy(p);
        px_graph_destroy(g);
    }
}

/* A gradient that reads a queue reads it as it was before the step's rows joined it. */
static void gradients_read_the_queue_as_it_was(void **state)
{
    (void)state;
    for (int b = 0; b < 2; b++) {
        px_graph *g = px_graph_create((px_mode){.real = PX_F32});
        px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(B, D));
        px_value *w = px_parameter(g, "w", PX_SHAPE(B, D), px_init_constant(1), PX_DECAYS);
        px_value *queue = px_state(g, "queue", PX_SHAPE(K, D), px_init_constant(1)),
                 *place = px_state(g, "queue_ptr", PX_SHAPE(1), px_init_constant(0));
        px_after_begin(g);
        px_enqueue(g, queue, place, x); /* built before its readers */
        px_after_end(g);
        px_value *loss = sum(g, px_matmul(g, w, queue, false, true, 1));
        px_graph_output(g, "loss", loss);
        px_graph_differentiate(g, loss);
        px_plan *p = planned(g, backends[b]);
        px_plan_bind(p, x, images);
        float content[K * D], expected[K * D], grad[B * D], at;
        for (int i = 0; i < K * D; i++)
            expected[i] = 1;
        for (int step = 0; step < 3; step++) {
            px_plan_run(p, NULL);
            px_plan_get_grad(p, 0, grad);
            for (int d = 0; d < D; d++) {
                float column = 0;
                for (int k = 0; k < K; k++)
                    column += expected[k * D + d];
                assert_float_equal(grad[d], column, 1e-5);
            }
            for (int i = 0; i < B; i++)
                memcpy(expected + (step * B + i) % K * D, images + i * D, D * sizeof(float));
            px_plan_get_param(p, find(g, "queue"), content);
            px_plan_get_param(p, find(g, "queue_ptr"), &at);
            assert_memory_equal(content, expected, sizeof content);
            assert_float_equal(at, (float)((step + 1) * B % K), 0);
        }
        px_plan_destroy(p);
        px_graph_destroy(g);
    }
}

/* A centre that follows what each step assigns to it. */
static void states_can_be_assigned(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(B, D));
    px_value *centre = px_state(g, "centre", PX_SHAPE(1, D), px_init_constant(0));
    px_value *mean = px_reduce(g, PX_MEAN, px_binary(g, PX_SUB, x, centre), (px_axes){1, {0}, true});
    px_graph_output(g, "mean", mean);
    px_after_begin(g);
    px_assign(g, centre, px_add(g, centre, px_scale(g, mean, 0.5)));
    px_after_end(g);
    px_plan *p = planned(g, &px_backend_fast);
    px_plan_bind(p, x, images);
    float now[D], first = (images[0] + images[D] + images[2 * D]) / 3;
    for (int step = 0; step < 3; step++)
        px_plan_run(p, NULL);
    px_plan_get_param(p, find(g, "centre"), now);
    assert_float_equal(now[0], first * 0.875, 1e-6);
    px_plan_destroy(p);
    px_graph_destroy(g);
}

/* ---- what is refused ---- */

static void refuse(const char *message, void (*build)(px_graph *, px_value *x, px_value *momentum))
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(B, D)), *m = px_input(g, "momentum", PX_F32, (px_shape){0});
    build(g, x, m);
    assert_null(px_plan_create(g, &(px_plan_spec){.backend = &px_backend_fast}));
    if (strcmp(px_error(), message) != 0)
        fail_msg("%s, but expected %s", px_error(), message);
    px_graph_destroy(g);
}

static void another_size(px_graph *g, px_value *x, px_value *m)
{
    (void)m;
    px_net *net = px_net_create(g, "head");
    apply(net, "fc", x, K);
    apply(net, "fc", px_slice(g, x, 1, 0, 2), K);
}

static void built_otherwise(px_graph *g, px_value *x, px_value *m)
{
    (void)m;
    px_net *net = px_net_create(g, "head");
    apply(net, "fc", x, K);
    apply(net, "other", x, K);
}

static void no_leader_yet(px_graph *g, px_value *x, px_value *m)
{
    apply(px_net_follow(px_net_create(g, "head"), "teacher", m), "fc", x, K);
}

static void another_shape(px_graph *g, px_value *x, px_value *m)
{
    px_net *net = px_net_create(g, "head");
    apply(net, "fc", x, K);
    apply(px_net_follow(net, "teacher", m), "fc", x, K + 1);
}

static void nothing_to_follow(px_graph *g, px_value *x, px_value *m)
{
    px_net *net = px_net_create(g, "head");
    apply(net, "fc", x, K);
    apply(px_net_follow(net, "teacher", m), "more", x, K);
}

static void no_momentum(px_graph *g, px_value *x, px_value *m)
{
    (void)m;
    px_net *net = px_net_create(g, "head");
    apply(net, "fc", x, K);
    px_net_follow(net, "teacher", x);
}

static void queue_within_step(px_graph *g, px_value *x, px_value *m)
{
    (void)m;
    px_value *queue = px_state(g, "queue", PX_SHAPE(K, D), px_init_constant(1)),
             *place = px_state(g, "queue_ptr", PX_SHAPE(1), px_init_constant(0));
    px_enqueue(g, queue, place, x);
    px_graph_output(g, "y", px_matmul(g, x, queue, false, true, 1));
}

static void two_writers(px_graph *g, px_value *x, px_value *m)
{
    (void)m;
    px_value *state = px_state(g, "centre", PX_SHAPE(B, D), px_init_constant(1));
    px_after_begin(g);
    px_assign(g, state, x);
    px_assign(g, state, px_scale(g, x, 2));
    px_after_end(g);
}

static void too_many_rows(px_graph *g, px_value *x, px_value *m)
{
    (void)m;
    px_value *queue = px_state(g, "queue", PX_SHAPE(2, D), px_init_constant(1)),
             *place = px_state(g, "queue_ptr", PX_SHAPE(1), px_init_constant(0));
    px_enqueue(g, queue, place, x);
}

static void unclear_graphs_are_refused(void **state)
{
    (void)state;
    refuse("head.fc: head.fc.weight would be (5, 2) for this input, but is (5, 4): the network cannot be applied to "
           "inputs of "
           "both sizes",
           another_size);
    refuse("head.other: this network has no head.other.weight: it was built differently before", built_otherwise);
    refuse("teacher must follow a network that was applied before and is trained", no_leader_yet);
    refuse("teacher.head.fc: teacher.head.fc.weight is (6, 4), but the one that it follows is (5, 4)", another_shape);
    refuse("teacher.head.more: teacher.head.more.weight follows nothing: apply the network's leader first, and in the "
           "same "
           "way",
           nothing_to_follow);
    refuse("teacher: its momentum must be an input, a single number", no_momentum);
    refuse("state queue is changed within the step, and also read: change it after the step (px_after_begin)",
           queue_within_step);
    refuse("state centre is changed by two ops, whose order is not clear", two_writers);
    refuse("enqueue: rows (3, 4) do not fit into a queue (2, 4)", too_many_rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(applied_twice_is_one_network),       cmocka_unit_test(followers_follow),
        cmocka_unit_test(followers_have_no_dropout),          cmocka_unit_test(a_follower_that_is_not_finite_is_named),
        cmocka_unit_test(gradients_read_the_queue_as_it_was), cmocka_unit_test(states_can_be_assigned),
        cmocka_unit_test(unclear_graphs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
