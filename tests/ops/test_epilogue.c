/* test_epilogue.c - what becomes part of the op before it, and what does not. What comes out is compared in test_ops.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "trial.h"

static int lines(px_graph *g)
{
    int n = 0;
    px_layer_line line;
    for (int i = 0; px_graph_line(g, &i, &line);)
        n++;
    return n;
}

/* In a graph without differentiation, a linear layer and its gelu are one kernel. */
static void gelu_joins_the_linear_layer(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(3, 4));
    px_value *w = px_parameter(g, "w", PX_SHAPE(2, 4), px_init_constant(0.25), PX_DECAYS);
    px_value *b = px_parameter(g, "b", PX_SHAPE(2), px_init_constant(-0.5), PX_EXEMPT);
    px_graph_output(g, "y", px_dropout(g, px_gelu(g, px_linear(g, x, w, b)), 0.5, 3));
    px_graph_fuse(g);
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_fast});
    px_plan_init_params(p, 1);
    const float data[12] = {1, 1, 1, 1, 6, 6, 6, 6, -20, 0, 0, 0};
    px_plan_bind(p, x, data);
    px_plan_run(p, NULL);
    const float *y = px_plan_read(p, px_graph_find_output(g, "y"));
    for (int i = 0; i < 6; i++) {
        double v = (const double[]){0.5, 5.5, -5.5}[i / 2];
        assert_true(fabs(y[i] - v * 0.5 * erfc(-v / sqrt(2))) < 1e-5);
    }
    assert_int_equal(lines(g), 1);
    px_plan_destroy(p);
    px_graph_destroy(g);
}

/* The kernels of a layer with residual and activation, of which `also` may get another reader. */
typedef struct layer {
    px_graph *g;
    px_value *made, *sum, *y;
} layer;

static layer layer_of(int kind)
{
    layer l = {.g = px_graph_create((px_mode){.real = PX_F32})};
    px_graph *g = l.g;
    px_value *x = px_input(g, "x", PX_F32, kind == 1 ? PX_SHAPE(2, 4, 3, 3) : PX_SHAPE(3, 4));
    px_value *w =
        px_parameter(g, "w", kind == 1 ? PX_SHAPE(4, 4, 1, 1) : PX_SHAPE(4, 4), px_init_constant(1), PX_DECAYS);
    px_value *c = px_parameter(g, "c", PX_SHAPE(4), px_init_constant(1), PX_EXEMPT);
    l.made = kind == 0   ? px_linear(g, x, w, c)
             : kind == 1 ? px_conv2d(g, x, w, c, 1, 0, 1)
             : kind == 2 ? px_layer_norm(g, x, c, c, 1e-5)
             : kind == 4 ? px_binary(g, PX_MUL, x, c)
                         : px_batch_norm(g, x, px_constant_fill(g, PX_SHAPE(2, 4), 1), c, c, 3, 1e-5, true);
    l.sum = px_add(g, x, l.made);
    l.y = px_unary(g, PX_FN_SILU, l.sum, 0, 0);
    return l;
}

/* How many ops remain, if `read` is read by one more node, or is an output. */
static int remaining(int kind, const char *read, bool output)
{
    layer l = layer_of(kind);
    px_value *also = strcmp(read, "made") == 0 ? l.made : strcmp(read, "sum") == 0 ? l.sum : NULL;
    px_graph_output(l.g, "y", l.y);
    if (also && output)
        px_graph_output(l.g, "also", also);
    else if (also)
        px_graph_output(l.g, "also", px_reduce(l.g, PX_SUM, also, (px_axes){1, {1}, false}));
    int before = lines(l.g);
    px_graph_fuse(l.g);
    int after = lines(l.g);
    assert_null(px_graph_error(l.g));
    px_graph_destroy(l.g);
    return before - after;
}

/* Sum and activation become part of the layer, unless somebody else reads what comes between. */
static void epilogues_are_fused(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        assert_int_equal(remaining(kind, "nothing", false), 2);
        for (int output = 0; output < 2; output++) {
            assert_int_equal(remaining(kind, "made", output), 0);
            assert_int_equal(remaining(kind, "sum", output), 1);
        }
    }
}

/* What is computed from the result itself, as the gradient of a quotient or of a maximum, stays apart. */
static void quotients_stay_apart(void **state)
{
    (void)state;
    static const px_pair apart[] = {PX_DIV, PX_MAX, PX_MIN};
    for (int i = 0; i < 3; i++) {
        px_graph *g = px_graph_create((px_mode){.real = PX_F32});
        px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(3, 4)), *z = px_input(g, "z", PX_F32, PX_SHAPE(3, 4));
        px_graph_output(g, "y", px_relu(g, px_add(g, z, px_binary(g, apart[i], x, z))));
        int before = lines(g);
        px_graph_fuse(g);
        assert_int_equal(lines(g), before);
        px_graph_destroy(g);
    }
}

/* The argument is kept only where a gradient flows, and only for slopes that need it. */
static int outputs_of(px_function f, bool residual, bool differentiate)
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(3, 4));
    px_value *w = px_parameter(g, "w", PX_SHAPE(4, 4), px_init_constant(1), PX_DECAYS);
    px_value *y = px_linear(g, x, w, NULL);
    px_node *n = y->producer;
    y = px_unary(g, f, residual ? px_add(g, y, x) : y, 0, 0);
    px_graph_fuse(g);
    if (differentiate)
        px_graph_differentiate(g, px_reduce(g, PX_SUM, n->out[0], (px_axes){2, {0, 1}, false}));
    assert_null(px_graph_error(g));
    int outputs = n->outputs;
    px_graph_destroy(g);
    return outputs;
}

static void arguments_are_kept_for_gradients(void **state)
{
    (void)state;
    for (int residual = 0; residual < 2; residual++) {
        assert_int_equal(outputs_of(PX_FN_GELU, residual, true), 2);
        assert_int_equal(outputs_of(PX_FN_GELU, residual, false), 1);
        assert_int_equal(outputs_of(PX_FN_RELU, residual, true), 1);
    }
}

/* The gradient around a norm is added by the norm's own kernel. */
static px_value *build_around(px_graph *g, px_value *v[])
{
    px_value *x = px_scale(g, v[0], 0.5);
    return px_add(g, x, px_layer_norm(g, x, v[1], v[2], 1e-3));
}

static void gradient_around_a_norm_is_fused(void **state)
{
    (void)state;
    test_case c = {"norm", build_around, {IN(3, 5, 16), PARAM(16), PARAM(16)}};
    for (int fuse = 0; fuse < 2; fuse++) {
        trial t = start(&c, (variant){PX_F32, &px_backend_fast, .fuse = fuse});
        int sums = 0;
        for (int i = 0; i < px_graph_nodes(t.g); i++) {
            const px_node *n = px_graph_node(t.g, i);
            sums += !n->dead && strcmp(n->op->name, "add") == 0;
        }
        assert_int_equal(sums, fuse ? 0 : 2);
        stop(&t);
    }
}

/* What a method has in its hands, its loss and its embedding, is still what the graph computes. */
static void values_outlive_fusing(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(1, 4));
    px_value *w = px_parameter(g, "w", PX_SHAPE(4, 4), px_init_constant(0.5), PX_DECAYS);
    px_value *u = px_parameter(g, "u", PX_SHAPE(1, 4), px_init_constant(1), PX_DECAYS);
    px_value *embedding = px_relu(g, px_linear(g, x, w, NULL)),
             *loss = px_scale(g, px_linear(g, embedding, u, NULL), 3);
    px_graph_output(g, "embedding", embedding);
    px_graph_output(g, "loss", loss);
    int before = lines(g);
    px_graph_fuse(g);
    assert_int_equal(before - lines(g), 2);
    px_graph_differentiate(g, loss);
    assert_null(px_graph_error(g));
    assert_non_null(w->grad);
    assert_non_null(u->grad);
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_fast});
    px_plan_init_params(p, 1);
    px_plan_bind(p, x, (const float[]){1, 2, 3, 4});
    px_plan_run(p, NULL);
    assert_true(fabs(px_plan_scalar(p, loss) - 60) < 1e-4);
    float grad[16];
    for (int i = 0; i < 4; i++)
        assert_true(fabsf(((const float *)px_plan_read(p, embedding))[i] - 5) < 1e-5f);
    px_plan_get_grad(p, 1, grad);
    assert_true(fabsf(grad[0] - 15) < 1e-4f);
    px_plan_get_grad(p, 0, grad);
    assert_true(fabsf(grad[3] - 12) < 1e-4f);
    px_plan_destroy(p);
    px_graph_destroy(g);
}

/* After the step, a product reads a queue and then the queue is changed: the product does not move past that. */
static void a_reader_stays_before_the_writer(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_value *x = px_input(g, "x", PX_F32, PX_SHAPE(4, 4));
    px_value *queue = px_state(g, "queue", PX_SHAPE(4, 4), px_init_constant(1));
    px_after_begin(g);
    px_value *product = px_linear(g, x, queue, NULL);
    px_assign(g, queue, x);
    px_graph_output(g, "y", px_relu(g, product));
    px_after_end(g);
    int before = lines(g);
    px_graph_fuse(g);
    assert_int_equal(before - lines(g), 0);
    assert_null(px_graph_error(g));
    px_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gelu_joins_the_linear_layer),
        cmocka_unit_test(epilogues_are_fused),
        cmocka_unit_test(quotients_stay_apart),
        cmocka_unit_test(arguments_are_kept_for_gradients),
        cmocka_unit_test(gradient_around_a_norm_is_fused),
        cmocka_unit_test(values_outlive_fusing),
        cmocka_unit_test(a_reader_stays_before_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
