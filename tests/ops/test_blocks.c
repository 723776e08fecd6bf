/* Blocks of convolutional networks and of transformers, from the vocabulary of ops/ops.h alone: squeeze-and-excitation (Hu
 * et al. 2018), the inverted residual with a depthwise convolution (Howard et al. 2019), and attention in shifted windows
 * (Liu et al. 2021). Each against plain loops, its gradients against differences, and fast kernels against portable ones. */
#include "trial.h"

/* ---- loops that several blocks need; activations are (N, C, S) ---- */

typedef struct extent {
    int N, H, W;
} extent;

/* y (N, O, S) = weight (O, C) x */
static double *mix(const double *x, const double *weight, int N, int C, int S, int O)
{
    double *y = px_calloc((size_t)(N * O * S), sizeof y[0]);
    for (int n = 0; n < N; n++)
        for (int o = 0; o < O; o++)
            for (int c = 0; c < C; c++)
                for (int s = 0; s < S; s++)
                    y[(n * O + o) * S + s] += weight[o * C + c] * x[(n * C + c) * S + s];
    return y;
}

/* Convolution 3 x 3 with padding: of each channel with its own kernel (C, 3, 3), or of all C (O, C, 3, 3). */
static double *conv_3x3(const double *x, const double *weight, extent e, int C, int O, bool depthwise)
{
    double *y = px_calloc((size_t)(e.N * O * e.H * e.W), sizeof y[0]);
    for (int n = 0; n < e.N; n++)
        for (int o = 0; o < O; o++)
            for (int i = 0; i < e.H * e.W * 9; i++) {
                int row = i / 9 / e.W, column = i / 9 % e.W, kernel = i % 9;
                int r = row + kernel / 3 - 1, c = column + kernel % 3 - 1;
                if (r < 0 || r >= e.H || c < 0 || c >= e.W)
                    continue;
                for (int k = depthwise ? o : 0; k < (depthwise ? o + 1 : C); k++)
                    y[((n * O + o) * e.H + row) * e.W + column] +=
                        weight[(depthwise ? o : o * C + k) * 9 + kernel] * x[((n * C + k) * e.H + r) * e.W + c];
            }
    return y;
}

static double hard_sigmoid(double x)
{
    return fmin(fmax(x + 3, 0), 6) / 6;
}

/* In place. */
static void norm_and_swish(double *x, int N, int C, int S, bool swish)
{
    for (int c = 0; c < C; c++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < N * S; i++) {
            double v = x[(i / S * C + c) * S + i % S];
            sum += v;
            squares += v * v;
        }
        double mean = sum / (N * S), variance = squares / (N * S) - mean * mean;
        for (int i = 0; i < N * S; i++) {
            double *v = &x[(i / S * C + c) * S + i % S];
            *v = (*v - mean) / sqrt(variance + 1e-5) * 1.2 + 0.1;
            *v *= swish ? hard_sigmoid(*v) : 1;
        }
    }
}

/* ---- squeeze and excitation: each channel is multiplied by what a small network makes of all channels' means ---- */

static px_value *build_squeeze(px_graph *g, px_value *v[])
{
    px_value *x = px_conv2d(g, v[0], v[1], NULL, 1, 1, 1);            // (N, C, H, W)
    px_value *s = px_linear(g, px_global_avg_pool(g, x), v[2], NULL); // (N, C/r)
    s = px_linear(g, px_relu(g, s), v[3], NULL);                      // (N, C)
    s = px_unary(g, PX_FN_HARD_SIGMOID, s, 0, 0);
    return px_binary(g, PX_MUL, x, px_reshape(g, s, PX_SHAPE(x->shape.dim[0], x->shape.dim[1], 1, 1)));
}

static double *squeeze_loops(const test_case *c, double *const data[])
{
    px_shape s = c->operand[0].shape;
    int N = (int)s.dim[0], C = (int)c->operand[3].shape.dim[0], R = (int)c->operand[3].shape.dim[1];
    extent e = {N, (int)s.dim[2], (int)s.dim[3]};
    int S = e.H * e.W;
    double *y = conv_3x3(data[0], data[1], e, (int)s.dim[1], C, false);
    double *mean = px_calloc((size_t)(N * C), sizeof mean[0]);
    for (int i = 0; i < N * C * S; i++)
        mean[i / S] += y[i] / S;
    double *few = mix(mean, data[2], N, C, 1, R);
    for (int i = 0; i < N * R; i++)
        few[i] = fmax(few[i], 0);
    double *gate = mix(few, data[3], N, R, 1, C);
    for (int i = 0; i < N * C * S; i++)
        y[i] *= hard_sigmoid(gate[i / S]);
    free(mean);
    free(few);
    free(gate);
    return y;
}

/* ---- inverted residual: more channels, a depthwise convolution, fewer channels ---- */

static px_value *norm(px_graph *g, px_value *x, int number)
{
    px_scope_push(g, "bn%d", number);
    int64_t C = x->shape.dim[1], count = px_shape_count(x->shape) / C;
    px_value *gamma = px_parameter(g, "weight", PX_SHAPE(C), px_init_constant(1.2), PX_EXEMPT),
             *beta = px_parameter(g, "bias", PX_SHAPE(C), px_init_constant(0.1), PX_EXEMPT);
    px_scope_pop(g);
    return px_batch_norm(g, x, px_all_reduce(g, px_batch_sums(g, x)), gamma, beta, count, 1e-5, false);
}

static px_value *build_inverted(px_graph *g, px_value *v[])
{
    int C = (int)v[1]->shape.dim[0];
    px_value *y = px_unary(g, PX_FN_HARD_SWISH, norm(g, px_conv2d(g, v[0], v[1], NULL, 1, 0, 1), 1), 0, 0);
    y = px_unary(g, PX_FN_HARD_SWISH, norm(g, px_conv2d(g, y, v[2], NULL, 1, 1, C), 2), 0, 0);
    return px_add(g, norm(g, px_conv2d(g, y, v[3], NULL, 1, 0, 1), 3), v[0]);
}

static double *inverted_loops(const test_case *c, double *const data[])
{
    px_shape s = c->operand[0].shape;
    int N = (int)s.dim[0], C = (int)s.dim[1], M = (int)c->operand[1].shape.dim[0];
    extent e = {N, (int)s.dim[2], (int)s.dim[3]};
    int S = e.H * e.W;
    double *wide = mix(data[0], data[1], N, C, S, M);
    norm_and_swish(wide, N, M, S, true);
    double *spread = conv_3x3(wide, data[2], e, M, M, true);
    norm_and_swish(spread, N, M, S, true);
    double *y = mix(spread, data[3], N, M, S, C);
    norm_and_swish(y, N, C, S, false);
    for (int i = 0; i < N * C * S; i++)
        y[i] += data[0][i];
    free(wide);
    free(spread);
    return y;
}

/* ---- shifted windows of a map (N, H, W, D): attention among the tokens of a window, which lie next to each other ---- */

enum { HEADS = 2 };

/* A window has half the map's height. */
static int64_t window_of(px_shape map)
{
    return map.dim[1] / 2;
}

/* (N, H, W, D) -> (windows, tokens, D), windows image by image */
static px_value *partition(px_graph *g, px_value *x, int64_t w)
{
    const int64_t *n = x->shape.dim;
    px_value *y = px_reshape(g, x, PX_SHAPE(n[0], n[1] / w, w, n[2] / w, w, n[3]));
    y = px_permute(g, y, (const int[]){0, 1, 3, 2, 4, 5});
    return px_reshape(g, y, PX_SHAPE(n[0] * (n[1] / w) * (n[2] / w), w * w, n[3]));
}

static px_value *merge(px_graph *g, px_value *x, px_shape map, int64_t w)
{
    const int64_t *n = map.dim;
    px_value *y = px_reshape(g, x, PX_SHAPE(n[0], n[1] / w, n[2] / w, w, w, n[3]));
    return px_reshape(g, px_permute(g, y, (const int[]){0, 1, 3, 2, 4, 5}), map);
}

/* table ((2 w - 1)^2, heads) -> (1, heads, tokens, tokens): a number for each distance */
static px_value *positions(px_graph *g, px_value *table, int64_t w)
{
    int64_t L = w * w, rows = (2 * w - 1) * (2 * w - 1), heads = table->shape.dim[1];
    int32_t *place = px_calloc((size_t)(L * L), sizeof place[0]);
    for (int64_t i = 0; i < L * L; i++) {
        int64_t q = i / L, k = i % L;
        place[i] = (int32_t)((q / w - k / w + w - 1) * (2 * w - 1) + q % w - k % w + w - 1);
    }
    px_value *places = px_constant_i32(g, PX_SHAPE(1, L * L), place);
    free(place);
    px_value *bias = px_gather_tokens(g, px_reshape(g, table, PX_SHAPE(1, rows, heads)), places); // (1, L L, heads)
    return px_reshape(g, px_permute(g, bias, (const int[]){0, 2, 1}), PX_SHAPE(1, heads, L, L));
}

/* The part of the rolled map that place i of n lies in: only tokens of one part were neighbours before the roll. */
static int part_of(int64_t i, int64_t n, int64_t w)
{
    return i < n - w ? 0 : i < n - w / 2 ? 1 : 2;
}

/* (windows of an image, 1, tokens, tokens) */
static px_value *window_mask(px_graph *g, px_shape map, int64_t w)
{
    int64_t L = w * w, across = map.dim[2] / w, windows = map.dim[1] / w * across;
    double *mask = px_calloc((size_t)(windows * L * L), sizeof mask[0]);
    for (int64_t i = 0; i < windows * L * L; i++) {
        int part[2];
        for (int side = 0; side < 2; side++) {
            int64_t token = side ? i % L : i / L % L, window = i / L / L;
            int64_t row = window / across * w + token / w, column = window % across * w + token % w;
            part[side] = part_of(row, map.dim[1], w) * 3 + part_of(column, map.dim[2], w);
        }
        mask[i] = part[0] == part[1] ? 0 : -INFINITY;
    }
    px_value *m = px_constant_real(g, PX_SHAPE(windows, 1, L, L), mask);
    free(mask);
    return m;
}

/* v: map, weight of queries, keys and values (3 D, D), table of positions, weight of the projection (D, D) */
static px_value *build_windows(px_graph *g, px_value *v[])
{
    px_shape map = v[0]->shape;
    int64_t w = window_of(map), shift = w / 2;
    px_value *x = px_roll(g, px_roll(g, v[0], 1, -shift), 2, -shift);
    px_value *qkv = px_linear(g, partition(g, x, w), v[1], NULL);
    px_value *bias = px_binary(g, PX_ADD, positions(g, v[2], w), window_mask(g, map, w));
    px_value *y = px_attention_with(g, (px_attention_operands){.qkv = qkv, .bias = bias, .heads = HEADS});
    y = merge(g, px_linear(g, y, v[3], NULL), map, w);
    return px_add(g, px_roll(g, px_roll(g, y, 1, shift), 2, shift), v[0]);
}

/* Whether tokens a and b of a map share a shifted window: windows begin at shift, 2 w - shift, ... rows and columns from the
 * map's corner, and those that its border cuts stay cut. */
static bool share_window(int a, int b, int W, int w)
{
    int shift = w / 2, row[2] = {a / W, b / W}, column[2] = {a % W, b % W};
    for (int i = 0; i < 2; i++) {
        row[i] = (row[i] + w - shift) / w;
        column[i] = (column[i] + w - shift) / w;
    }
    return row[0] == row[1] && column[0] == column[1];
}

/* One head of one token: to (d) */
static void attend(double *to, const double *qkv, const double *table, int token, int h, extent e, int D, int w)
{
    int d = D / HEADS, side = 2 * w - 1;
    const double *q = qkv + token * 3 * D + h * d;
    double sum = 0;
    memset(to, 0, (size_t)d * sizeof to[0]);
    for (int other = 0; other < e.H * e.W; other++) {
        const double *k = qkv + other * 3 * D + D + h * d, *v = k + D;
        if (!share_window(token, other, e.W, w))
            continue;
        int row = token / e.W - other / e.W + w - 1, column = token % e.W - other % e.W + w - 1;
        double score = 0;
        for (int i = 0; i < d; i++)
            score += q[i] * k[i];
        double p = exp(score / sqrt(d) + table[(row * side + column) * HEADS + h]);
        sum += p;
        for (int i = 0; i < d; i++)
            to[i] += p * v[i];
    }
    for (int i = 0; i < d; i++)
        to[i] /= sum;
}

static double *window_loops(const test_case *c, double *const data[])
{
    px_shape s = c->operand[0].shape;
    extent e = {(int)s.dim[0], (int)s.dim[1], (int)s.dim[2]};
    int D = (int)s.dim[3], S = e.H * e.W, w = (int)window_of(s);
    double *qkv = mix(data[0], data[1], e.N * S, D, 1, 3 * D), *y = px_calloc((size_t)(e.N * S * D), sizeof y[0]);
    for (int n = 0; n < e.N; n++)
        for (int token = 0; token < S; token++)
            for (int h = 0; h < HEADS; h++)
                attend(y + (n * S + token) * D + h * D / HEADS, qkv + n * S * 3 * D, data[2], token, h, e, D, w);
    double *out = mix(y, data[3], e.N * S, D, 1, D);
    for (int i = 0; i < e.N * S * D; i++)
        out[i] += data[0][i];
    free(qkv);
    free(y);
    return out;
}

/* ---- tests ---- */

typedef struct block {
    test_case c;
    double *(*loops)(const test_case *, double *const data[]); /* the caller frees it */
} block;

static const block blocks[] = {
    {{"squeeze and excitation", build_squeeze, {IN(2, 3, 6, 5), PARAM(16, 3, 3, 3), PARAM(4, 16), PARAM(16, 4)}},
     squeeze_loops},
    {{"the same, 24 channels", build_squeeze, {IN(3, 3, 4, 4), PARAM(24, 3, 3, 3), PARAM(6, 24), PARAM(24, 6)}},
     squeeze_loops},
    {{"the same, 5 channels", build_squeeze, {IN(2, 2, 3, 3), PARAM(5, 2, 3, 3), PARAM(2, 5), PARAM(5, 2)}},
     squeeze_loops},
    {{"inverted residual",
      build_inverted,
      {IN(2, 8, 6, 5), PARAM(16, 8, 1, 1), PARAM(16, 1, 3, 3), PARAM(8, 16, 1, 1)}},
     inverted_loops},
    {{"the same, 5 channels",
      build_inverted,
      {IN(2, 5, 4, 3), PARAM(7, 5, 1, 1), PARAM(7, 1, 3, 3), PARAM(5, 7, 1, 1)}},
     inverted_loops},
    {{"shifted windows of 2", build_windows, {IN(2, 4, 6, 16), PARAM(48, 16), PARAM(9, 2), PARAM(16, 16)}},
     window_loops},
    {{"shifted windows of 4", build_windows, {IN(2, 8, 8, 16), PARAM(48, 16), PARAM(49, 2), PARAM(16, 16)}},
     window_loops},
    {{"the same, heads of 3", build_windows, {IN(1, 4, 4, 6), PARAM(18, 6), PARAM(9, 2), PARAM(6, 6)}}, window_loops},
};
enum { BLOCKS = sizeof blocks / sizeof blocks[0] };

static void blocks_follow_their_definitions(void **state)
{
    (void)state;
    const variant how[] = {{PX_F32, &px_backend_openblas, .fuse = true}, {PX_F32, &px_backend_fast, .fuse = true}};
    for (int i = 0; i < BLOCKS; i++)
        for (int k = 0; k < 2; k++) {
            trial t = start(&blocks[i].c, how[k]);
            px_plan_run(t.p, NULL);
            double *expected = blocks[i].loops(&blocks[i].c, t.data), *y = output(&t);
            compare(blocks[i].c.name, "output", expected, y, px_shape_count(px_graph_find_output(t.g, "y")->shape),
                    how[k]);
            free(expected);
            free(y);
            stop(&t);
        }
}

static void gradients_agree_with_differences(void **state)
{
    (void)state;
    for (int i = 0; i < BLOCKS; i++) {
        trial t = start(&blocks[i].c, (variant){PX_F64, &px_backend_openblas, .fuse = true});
        check_differences(&t, blocks[i].c.name);
        stop(&t);
    }
}

static void fast_agrees_with_portable(void **state)
{
    (void)state;
    for (int i = 0; i < BLOCKS; i++)
        compare_case(&blocks[i].c, (variant){PX_F32, &px_backend_fast, .fuse = true, .limit = 1e-4});
}

static void bf16_agrees_with_portable(void **state)
{
    (void)state;
    if (!bf16_runs())
        skip();
    for (int i = 0; i < BLOCKS; i++)
        compare_case(&blocks[i].c, (variant){PX_F32, &px_backend_fast, .fuse = true, .layers = true,
                                             .precision = PX_BF16, .limit = 8e-2});
}

static px_value *build_squeeze_then_conv(px_graph *g, px_value *v[])
{
    px_value *y = build_squeeze(g, v);
    int64_t C = y->shape.dim[1];
    px_value *weight = px_parameter(g, "last", PX_SHAPE(C, C, 1, 1), px_init_uniform(0.5), PX_DECAYS);
    return px_conv2d(g, y, weight, NULL, 1, 0, 1);
}

/* Nothing leaves the convolutions' format: neither the product nor its gradients. */
static void channels_stay_in_blocks(void **state)
{
    (void)state;
    if (strcmp(px_backend_fast.name, "onednn") != 0)
        skip();
    test_case c = blocks[0].c;
    c.build = build_squeeze_then_conv;
    const variant how = {PX_F32, &px_backend_fast, .fuse = true};
    compare_case(&c, how);
    trial t = start(&c, how);
    int products = 0, sums = 0;
    for (int i = 0; i < px_plan_steps(t.p); i++) {
        px_step_info step = px_plan_step_info(t.p, i);
        bool product = strcmp(step.op, "mul") == 0, sum = strcmp(step.op, "sum") == 0;
        products += product && strcmp(step.kernel, "pretext:channels") == 0;
        sums += sum && strcmp(step.kernel, "pretext") == 0;
    }
    assert_int_equal(products, 2); /* forward, and the gradient of the activation */
    assert_int_equal(sums, 1);     /* the gradient of the channels' numbers */
    stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_follow_their_definitions), cmocka_unit_test(gradients_agree_with_differences),
        cmocka_unit_test(fast_agrees_with_portable),       cmocka_unit_test(bf16_agrees_with_portable),
        cmocka_unit_test(channels_stay_in_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
