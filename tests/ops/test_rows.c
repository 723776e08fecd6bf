/* test_rows.c - every row of the fast backend against the portable kernels, for every step of the cases that it accepts: in
 * plans whose other ops have all their rows, since formats come from there, and this op only that one. `test_rows avx2`
 * does so on as much of the processor as isa=avx2 leaves. Also how a plan chooses among rows. */
#include "op_cases.h"

#include "backends/rows.h"

#include <stdio.h>

enum { ROWS = 64 };

/* Cases that bring formats which others do not: blocks between layers, whole blocks of channels. */
static px_value *build_between(px_graph *g, px_value *v[])
{
    return px_conv2d(g, px_relu(g, px_conv2d(g, v[0], v[1], NULL, 1, 1, 1)), v[2], NULL, 1, 0, 1);
}

static px_value *build_half(px_graph *g, px_value *v[])
{
    return px_conv2d(g, px_conv2d(g, v[0], v[1], NULL, 2, 1, 1), v[2], NULL, 1, 0, 1);
}

/* The layer brings the format alone: what it gives is exact in bf16. Of a convolution's results, rounding would bring some
 * windows' largest two into another order, and with it their whole gradient to another place. */
static px_value *build_pooled(px_graph *g, px_value *v[])
{
    return px_global_avg_pool(g, px_max_pool(g, through_layer(g, v[0], OPERANDS), 3, 2, 1));
}

/* A factor for each channel, whose gradient is a sum over samples, rows and columns; and sums over rows and columns. */
static px_value *build_squeezed(px_graph *g, px_value *v[])
{
    px_value *x = px_binary(g, PX_MUL, px_conv2d(g, v[0], v[1], NULL, 1, 1, 1), v[3]);
    px_value *y = px_conv2d(g, x, v[2], NULL, 1, 0, 1);
    return px_binary(g, PX_MUL, y, px_reduce(g, PX_SUM, y, (px_axes){2, {2, 3}, true}));
}

/* Blocks before and after the one in the middle. */
static px_value *build_middle(px_graph *g, px_value *v[])
{
    px_value *x = px_conv2d(g, px_conv2d(g, v[0], v[1], NULL, 1, 1, 1), v[2], NULL, 1, 1, 1);
    return px_conv2d(g, x, v[3], NULL, 1, 0, 1);
}

/* In groups whose channels no vector divides, oneDNN has only a product for each image and group. */
static px_value *build_odd_groups(px_graph *g, px_value *v[])
{
    return px_conv2d(g, v[0], v[1], NULL, 1, 1, 2);
}

static px_value *build_added(px_graph *g, px_value *v[])
{
    px_value *x = px_conv2d(g, v[0], v[1], NULL, 1, 1, 1);
    return px_conv2d(g, px_add(g, x, px_unary(g, PX_FN_SIGMOID, x, 0, 0)), v[2], NULL, 1, 0, 1);
}

static const test_case blocks[] = {
    {"conv between layers", build_between, {IN(3, 16, 7, 5), PARAM(32, 16, 3, 3), PARAM(16, 32, 1, 1)}},
    {"the same, large maps", build_between, {IN(1, 16, 23, 21), PARAM(32, 16, 3, 3), PARAM(16, 32, 1, 1)}},
    {"the same, odd channels", build_between, {IN(2, 5, 7, 6), PARAM(7, 5, 3, 3), PARAM(3, 7, 1, 1)}},
    {"the same, stride 2", build_half, {IN(2, 32, 9, 11), PARAM(32, 32, 3, 3), PARAM(32, 32, 1, 1)}},
    {"conv between convs", build_middle, {IN(3, 3, 7, 5), PARAM(16, 3, 3, 3), PARAM(32, 16, 3, 3), PARAM(8, 32, 1, 1)}},
    {"convs of small maps",
     build_middle,
     {IN(40, 3, 2, 2), PARAM(16, 3, 3, 3), PARAM(32, 16, 3, 3), PARAM(8, 32, 1, 1)}},
    {"conv of odd outputs", build_half, {IN(2, 32, 9, 11), PARAM(32, 32, 3, 3), PARAM(313, 32, 1, 1)}},
    {"conv of odd inputs and outputs", build_half, {IN(2, 32, 9, 11), PARAM(44, 32, 3, 3), PARAM(44, 44, 1, 1)}},
    {"groups of 17 channels", build_odd_groups, {IN(2, 34, 5, 4), PARAM(34, 17, 3, 3)}},
    {"pools of blocks", build_pooled, {IN(2, 16, 9, 7)}},
    {"sums for each channel",
     build_squeezed,
     {IN(2, 3, 9, 7), PARAM(32, 3, 3, 3), PARAM(16, 32, 1, 1), PARAM(32, 1, 1)}},
    {"linear layer of 256 outputs", build_linear, {IN(37, 24), PARAM(256, 24)}},
    {"linear layer of 512 inputs", build_linear, {IN(5, 512), PARAM(24, 512), PARAM(24)}},
    {"sums of blocks", build_added, {IN(2, 3, 9, 7), PARAM(16, 3, 3, 3), PARAM(32, 16, 1, 1)}},
};

static int steps_of[ROWS]; /* by row: how many steps it took */

static int number_of(const px_kernel_row *row)
{
    int i = 0;
    while (px_fast_rows[i] && px_fast_rows[i] != row)
        i++;
    assert_true(px_fast_rows[i] && i < ROWS);
    return i;
}

/* Marks the rows whose op is in the plan, and counts steps by row. */
static void look_at(const trial *t, bool asked[ROWS], int taken[ROWS])
{
    for (int i = 0; i < px_plan_steps(t->p); i++) {
        const px_kernel_row *taker = px_plan_step_info(t->p, i).row;
        if (!taker)
            continue;
        taken[number_of(taker)]++;
        for (int r = 0; px_fast_rows[r]; r++)
            asked[r] |= px_fast_rows[r]->op == taker->op && px_kernel_row_suits(px_fast_rows[r], px_cpu_isa());
    }
}

/* `how` with a backend in which the op of row `only` has just that one. */
static void compare_row(const test_case *c, variant how, trial *portable, int only)
{
    const px_kernel_row *rows[ROWS + 1];
    int count = 0, taken[ROWS] = {0};
    for (int r = 0; px_fast_rows[r]; r++)
        if (r == only || px_fast_rows[r]->op != px_fast_rows[only]->op)
            rows[count++] = px_fast_rows[r];
    rows[count] = NULL;
    px_backend backend = px_backend_fast;
    backend.rows = rows;
    how.backend = &backend;
    trial t = start(c, how);
    look_at(&t, (bool[ROWS]){0}, taken);
    if (taken[only] > 0)
        compare_trials(c->name, portable, &t, how);
    steps_of[only] += taken[only];
    stop(&t);
}

/* First the rows that a plan chooses by itself, then each of those that it passed over. */
static void compare_rows(const test_case *c, variant how)
{
    bool asked[ROWS] = {0};
    int taken[ROWS] = {0};
    trial portable = start_portable(c, how), t = start(c, how);
    look_at(&t, asked, taken);
    compare_trials(c->name, &portable, &t, how);
    stop(&t);
    for (int r = 0; px_fast_rows[r]; r++) {
        steps_of[r] += taken[r];
        if (asked[r] && taken[r] == 0)
            compare_row(c, how, &portable, r);
    }
    stop(&portable);
}

static void compare_all(const test_case *c, int count)
{
    for (int i = 0; i < count; i++) {
        compare_rows(&c[i], (variant){PX_F32, &px_backend_fast, .fuse = true});
        compare_rows(&c[i], (variant){PX_F32, &px_backend_fast, .fuse = false});
        if (bf16_runs())
            compare_rows(&c[i],
                         (variant){PX_F32, &px_backend_fast, .fuse = true, .layers = true, .precision = PX_BF16});
    }
}

static void rows_agree_with_portable(void **state)
{
    int rows = 0, reached = 0;
    (void)state;
    compare_all(cases, sizeof cases / sizeof cases[0]);
    compare_all(blocks, sizeof blocks / sizeof blocks[0]);
    for (int r = 0; px_fast_rows[r]; r++) {
        const px_kernel_row *row = px_fast_rows[r];
        rows++;
        reached += steps_of[r] > 0;
        if (px_kernel_row_suits(row, px_cpu_isa()) && steps_of[r] == 0)
            fail_msg("row %d, of %s: no step of any case with this processor", r, row->op->name);
    }
    print_message("%d of %d rows compared\n", reached, rows);
    for (int r = 0; px_fast_rows[r]; r++) { /* of each op some row is */
        bool any = false;
        for (int q = 0; px_fast_rows[q]; q++)
            any |= px_fast_rows[q]->op == px_fast_rows[r]->op && steps_of[q] > 0;
        if (!any)
            fail_msg("no case has a step that a row of %s accepts", px_fast_rows[r]->op->name);
    }
}

/* ---- how a plan chooses ---- */

static int asked, refused;

static bool never(const px_plan *p, const px_step *s)
{
    (void)p, (void)s;
    asked++;
    return false;
}

static bool fails(px_plan *p, px_step *s)
{
    (void)p, (void)s;
    refused++;
    return false;
}

static bool is_not_asked(const px_plan *p, const px_step *s)
{
    (void)p, (void)s;
    fail_msg("a row was asked of what the processor lacks, or after one that accepted");
    return false;
}

/* Of a plan with these rows: the one that computes a sigmoid. */
static const px_kernel_row *row_of_sigmoid(const px_kernel_row *const *rows)
{
    static const test_case sigmoid = {
        "sigmoid of a sum", build_added, {IN(2, 3, 9, 7), PARAM(16, 3, 3, 3), PARAM(4, 16, 1, 1)}};
    px_backend backend = px_backend_fast;
    backend.rows = rows;
    trial t = start(&sigmoid, (variant){PX_F32, &backend, .fuse = false});
    const px_kernel_row *found = NULL;
    int count = 0;
    px_plan_run(t.p, NULL);
    for (int i = 0; i < px_plan_steps(t.p); i++) {
        px_step_info s = px_plan_step_info(t.p, i);
        if (strcmp(s.op, "sigmoid") == 0) {
            found = s.row;
            count++;
        }
    }
    assert_int_equal(count, 1);
    stop(&t);
    compare_case(&sigmoid, (variant){PX_F32, &backend, .fuse = false});
    return found;
}

static void a_row_that_refuses_leaves_it_to_the_next(void **state)
{
    (void)state;
    const px_kernel_row *real = NULL;
    for (int r = 0; px_fast_rows[r] && !real; r++)
        real = px_fast_rows[r]->op == &px_op_unary ? px_fast_rows[r] : NULL;
    assert_non_null(real);
    const px_kernel_row lacking = {.op = &px_op_unary, .needs = PX_ISAS, .accepts = is_not_asked, .prepare = fails};
    const px_kernel_row refuses = {.op = &px_op_unary, .accepts = never, .prepare = fails};
    const px_kernel_row broken = {.op = &px_op_unary, .prepare = fails};
    const px_kernel_row after = {.op = &px_op_unary, .accepts = is_not_asked, .prepare = fails};
    asked = refused = 0;
    assert_ptr_equal(row_of_sigmoid((const px_kernel_row *[]){&lacking, &refuses, &broken, real, &after, NULL}), real);
    assert_int_equal(asked, 2); /* two plans */
    assert_int_equal(refused, 2);
    assert_null(row_of_sigmoid((const px_kernel_row *[]){&lacking, &refuses, &broken, NULL}));
    assert_int_equal(refused, 4);
    assert_null(row_of_sigmoid((const px_kernel_row *[]){NULL}));
    assert_null(row_of_sigmoid(NULL));
}

/* The kernel of the gradient of a weight (outputs, inputs). */
static const char *kernel_of_weight(int outputs, int inputs)
{
    const test_case layer = {"linear", build_linear, {IN(9, inputs), PARAM(outputs, inputs)}};
    trial t = start(&layer, (variant){PX_F32, &px_backend_fast, .fuse = true});
    const char *found = NULL;
    for (int i = 0; i < px_plan_steps(t.p); i++) {
        px_step_info s = px_plan_step_info(t.p, i);
        if (s.backward && strcmp(s.op, "matmul") == 0 && px_shape_equal(s.shape, PX_SHAPE(outputs, inputs)))
            found = s.kernel;
    }
    stop(&t);
    assert_non_null(found);
    return found;
}

static void the_shape_decides_who_makes_the_gradient_of_a_weight(void **state)
{
    (void)state;
    bool narrow = !px_cpu_has(PX_ISA_AVX512);
    assert_int_equal(strcmp(kernel_of_weight(256, 24), "openblas") == 0, narrow);
    assert_int_equal(strcmp(kernel_of_weight(24, 512), "openblas") == 0, narrow);
    assert_string_not_equal(kernel_of_weight(192, 24), "openblas");
}

int main(int argc, char **argv)
{
    if (argc > 1 && px_cpu_narrow(argv[1]) != 0) {
        printf("skipped: %s\n", px_error());
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_agree_with_portable),
                                       cmocka_unit_test(a_row_that_refuses_leaves_it_to_the_next),
                                       cmocka_unit_test(the_shape_decides_who_makes_the_gradient_of_a_weight)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
