/* test_onnx.c - a graph with every op that has a form in ONNX: its file is whole, damage to it is found, and (with
 * onnxruntime) it computes what our own kernels do, for other batches than the graph was written for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "graph/op.h"
#include "graph/plan.h"
#include "graph/plan_params.h"
#include "nn/layers.h"
#include "nn/transformer.h"
#include "onnx/onnx.h"
#include "onnx/rows.h"
#include "ops/ops.h"
#include "ops/table.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCH = 3, CHANNELS = 6, SIDE = 8, TOKENS = 4, WIDTH = 16 };

/* ---- a graph of everything ---- */

static void out(px_graph *g, const char *name, px_value *v)
{
    px_graph_output(g, name, v);
}

static void functions(px_graph *g, px_value *x)
{
    static const struct {
        const char *name;
        px_function f;
        double a, b;
    } list[] = {{"identity", PX_FN_IDENTITY, 0, 0},
                {"affine", PX_FN_AFFINE, 2, -0.5},
                {"relu", PX_FN_RELU, 0, 0},
                {"relu6", PX_FN_RELU6, 0, 0},
                {"leaky", PX_FN_LEAKY_RELU, 0.1, 0},
                {"sigmoid", PX_FN_SIGMOID, 0, 0},
                {"hardsig", PX_FN_HARD_SIGMOID, 0, 0},
                {"gelu", PX_FN_GELU, 0, 0},
                {"silu", PX_FN_SILU, 0, 0},
                {"hardswish", PX_FN_HARD_SWISH, 0, 0},
                {"tanh", PX_FN_TANH, 0, 0},
                {"exp", PX_FN_EXP, 0, 0},
                {"square", PX_FN_SQUARE, 0, 0},
                {"abs", PX_FN_ABS, 0, 0},
                {"sin", PX_FN_SIN, 0, 0},
                {"cos", PX_FN_COS, 0, 0},
                {"clamp", PX_FN_CLAMP, -0.5, 0.75}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        out(g, list[i].name, px_unary(g, list[i].f, x, list[i].a, list[i].b));
    assert_int_equal(sizeof list / sizeof list[0] + 2, PX_FN_COUNT); /* these and two more: */
    px_value *positive = px_unary(g, PX_FN_AFFINE, px_unary(g, PX_FN_SQUARE, x, 0, 0), 1, 0.5);
    out(g, "log", px_unary(g, PX_FN_LOG, positive, 0, 0));
    out(g, "sqrt", px_unary(g, PX_FN_SQRT, positive, 0, 0));
}

static void pairs(px_graph *g, px_value *x)
{
    static const struct {
        const char *name;
        px_pair p;
    } list[] = {{"add", PX_ADD}, {"sub", PX_SUB}, {"mul", PX_MUL},    {"div", PX_DIV},
                {"max", PX_MAX}, {"min", PX_MIN}, {"equal", PX_EQUAL}};
    px_value *other = px_unary(g, PX_FN_AFFINE, px_roll(g, x, 3, 1), 0.5, 3);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        out(g, list[i].name,
            px_binary(g, list[i].p, x, list[i].p == PX_EQUAL ? px_unary(g, PX_FN_RELU, x, 0, 0) : other));
    out(g, "channelwise",
        px_binary(g, PX_MUL, x, px_parameter(g, "scale", PX_SHAPE(1, CHANNELS, 1, 1), px_init_normal(1), 0)));
    out(g, "sum", px_add(g, x, other));
}

static void moves(px_graph *g, px_value *x)
{
    int64_t N = x->shape.dim[0];
    out(g, "permute", px_permute(g, x, (const int[]){0, 3, 1, 2}));
    out(g, "reshape", px_reshape(g, px_scale(g, x, 2), PX_SHAPE(N * CHANNELS, SIDE * SIDE)));
    out(g, "slice", px_slice(g, x, 2, 1, 5));
    out(g, "select", px_select(g, x, -1, 3));
    out(g, "pad", px_pad(g, x, 2, 2, 1));
    out(g, "roll", px_roll(g, x, -2, -3));
    out(g, "concat", px_concat(g, 1, (px_value *[]){x, px_relu(g, x), x}, 3));
    px_value *token = px_parameter(g, "token", PX_SHAPE(1, 1, SIDE), px_init_normal(1), 0);
    out(g, "expand", px_expand(g, token, PX_SHAPE(2 * N, 3, SIDE)));
    out(g, "stop", px_stop_gradient(g, px_scale(g, x, 3)));
    for (int keep = 0; keep < 2; keep++) {
        px_axes axes = {2, {1, -1}, keep};
        out(g, keep ? "sum1" : "sum0", px_reduce(g, PX_SUM, x, axes));
        out(g, keep ? "mean1" : "mean0", px_reduce(g, PX_MEAN, x, axes));
        out(g, keep ? "amax1" : "amax0", px_reduce(g, PX_AMAX, x, axes));
        out(g, keep ? "lse1" : "lse0", px_reduce(g, PX_LOG_SUM_EXP, x, axes));
    }
    out(g, "softmax", px_softmax(g, x, 1));
}

static px_value *filters(px_graph *g, const char *name, int64_t o, int64_t i, int64_t h, int64_t w)
{
    return px_parameter(g, name, PX_SHAPE(o, i, h, w), px_init_normal(0.3), 0);
}

static void maps(px_graph *g, px_value *x)
{
    px_value *bias = px_parameter(g, "bias", PX_SHAPE(8), px_init_normal(1), 0);
    px_convolution uneven = {.stride = {2, 1}, .pad = {{1, 0}, {2, 1}}, .dilation = {1, 2}, .groups = 2};
    out(g, "conv", px_convolve(g, x, filters(g, "w1", 8, CHANNELS / 2, 3, 2), bias, uneven));
    px_value *y = px_conv2d(g, x, filters(g, "w2", CHANNELS, CHANNELS, 3, 3), NULL, 1, 1, 1);
    out(g, "conv_add_relu", px_relu(g, px_add(g, y, x))); /* fused, where the graph is */
    out(g, "depthwise", px_conv2d(g, x, filters(g, "w3", CHANNELS, 1, 3, 3), NULL, 2, 1, CHANNELS));
    out(g, "batch_norm", px_relu(g, px_batch_norm_layer(g, "bn", x, true)));
    out(g, "batch_norm_rows", px_batch_norm_layer(g, "bn_rows", px_global_avg_pool(g, x), false));
    out(g, "global_avg", px_global_avg_pool(g, x));
    px_pooling wide = {.kernel = {3, 2}, .stride = {2, 2}, .pad = {1, 0}}, ceil = wide;
    ceil.ceil_mode = true;
    out(g, "max_pool", px_max_pool2d(g, x, wide));
    out(g, "max_pool_ceil", px_max_pool2d(g, px_slice(g, x, 2, 0, 7), ceil));
    out(g, "avg_pool", px_avg_pool2d(g, x, wide));
    ceil.exclude_pad = true;
    out(g, "avg_pool_map", px_avg_pool2d(g, x, ceil));
    out(g, "adaptive", px_adaptive_avg_pool(g, x, 3, 5));
    out(g, "nearest", px_resize_map(g, x, 12, 5, (px_resizing){.by = PX_RESIZE_NEAREST}));
    out(g, "linear", px_resize_map(g, x, 5, 13, (px_resizing){.by = PX_RESIZE_LINEAR, .align_corners = true}));
    out(g, "cubic", px_resize_map(g, x, 5, 11, (px_resizing){.by = PX_RESIZE_CUBIC, .antialias = true}));
    out(g, "lrn", px_local_response_norm(g, x, 3, 1e-2, 0.75, 2));
    out(g, "patches", px_patchify(g, x, 4, false));
    out(g, "patches_last", px_patchify(g, x, 2, true));
}

static px_value *made(px_graph *g, const char *name, px_shape s)
{
    return px_parameter(g, name, s, px_init_normal(1), 0);
}

static void tokens(px_graph *g, px_value *x)
{
    int64_t N = x->shape.dim[0], D = WIDTH, T = TOKENS;
    px_value *t = px_reshape(g, px_slice(g, x, 1, 0, 1), PX_SHAPE(N, T, D)); /* 8 x 8 pixels */
    px_value *rows = px_reshape(g, t, PX_SHAPE(N * T, D));
    px_value *qkv = px_reshape(g, px_dense_layer(g, "qkv", rows, 3 * D, PX_DENSE_TIMM), PX_SHAPE(N, T, 3 * D));
    out(g, "gemm", px_gelu(g, px_dense_layer(g, "dense", rows, 24, PX_DENSE_XAVIER)));
    out(g, "linear3", px_linear(g, t, made(g, "w4", PX_SHAPE(7, D)), made(g, "b4", PX_SHAPE(7))));
    out(g, "gram", px_matmul(g, t, t, false, true, 0.25));
    out(g, "covariance", px_matmul(g, t, t, true, false, 1));
    out(g, "left", px_matmul(g, made(g, "w5", PX_SHAPE(D, 5)), rows, true, true, 2));
    out(g, "layer_norm", px_relu(g, px_layer_norm_layer(g, "norm", t)));
    out(g, "unit", px_l2_normalize(g, rows));
    out(g, "attention", px_attention(g, qkv, 4));
    px_value *relative = made(g, "relative", PX_SHAPE(2, T, T));
    out(g, "attention_bias",
        px_attention_with(g, (px_attention_operands){.qkv = qkv, .bias = relative, .heads = 2, .scale = 0.3}));
    px_value *keys = px_slice(g, t, 1, 1, 3);
    out(g, "attention_apart", px_attention_with(g, (px_attention_operands){.q = t, .k = keys, .v = keys, .heads = 4}));
    /* two windows for each image; the second one's first query sees nothing */
    double mask[2 * TOKENS / 2 * TOKENS / 2] = {0, -INFINITY, 0, 0, -INFINITY, -INFINITY, 0, 0};
    px_value *windows = px_reshape(g, qkv, PX_SHAPE(2 * N, T / 2, 3 * D));
    px_value *masked = px_constant_real(g, PX_SHAPE(2, 1, T / 2, T / 2), mask);
    out(g, "attention_masked",
        px_attention_with(g, (px_attention_operands){.qkv = windows, .bias = masked, .heads = 2}));
    px_value *few = px_slice(g, px_slice(g, x, 2, 0, 1), 3, 0, T);                    /* (N, 6, 1, 4) */
    px_value *places = px_argmax(g, px_reshape(g, few, PX_SHAPE(N, CHANNELS, T)), 2); /* (N, 6) */
    out(g, "gather", px_gather_tokens(g, t, places));
    out(g, "some_patches", px_patchify_at(g, x, places, 4, false));
    out(g, "rows_at", px_add_rows_at(g, px_gather_tokens(g, t, places), made(g, "table", PX_SHAPE(1, T, D)), places));
}

static px_graph *build(int64_t batch, bool fused)
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    px_value *x = px_input(g, "images", PX_F32, PX_SHAPE(batch, CHANNELS, SIDE, SIDE));
    functions(g, x);
    pairs(g, x);
    moves(g, x);
    maps(g, x);
    tokens(g, x);
    if (fused)
        px_graph_fuse(g);
    if (px_graph_error(g))
        fail_msg("%s", px_graph_error(g));
    return g;
}

/* ---- its weights and values ---- */

typedef struct fixture {
    char *folder, *file;
    px_graph *open, *small; /* for any batch, and for one that is computed */
    px_plan *plan;
    float **weights;
    float *images;
} fixture;

static void write_floats(const fixture *f, const char *name, const float *x, px_shape s)
{
    char *path = px_format("%s/%s.f32", f->folder, name);
    FILE *to = fopen(path, "wb");
    assert_non_null(to);
    assert_int_equal(fwrite(x, sizeof x[0], (size_t)px_shape_count(s), to), px_shape_count(s));
    fclose(to);
    free(path);
}

static int set_up_with(void **state, bool fused)
{
    fixture *f = px_calloc(1, sizeof *f);
    *state = f;
    if (px_onnx_missing())
        return 0;
    f->folder = px_strdup("/tmp/pretext_onnx_XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->file = px_format("%s/m.onnx", f->folder);
    f->open = build(PX_ONNX_BATCH, fused);
    f->small = build(BATCH, fused);
    f->plan = px_plan_create(f->small, &(px_plan_spec){.backend = px_backend_find("openblas")});
    assert_non_null(f->plan);
    px_plan_init_params(f->plan, 5);
    int count = px_graph_params(f->small);
    f->weights = px_calloc((size_t)count + 1, sizeof f->weights[0]);
    for (int i = 0; i < count; i++) {
        px_shape s = px_graph_param(f->small, i)->value->shape;
        f->weights[i] = px_aligned_calloc((size_t)px_shape_count(s) * sizeof(float) + 64);
        px_plan_get_param(f->plan, i, f->weights[i]);
        if (strstr(px_graph_param(f->small, i)->name, "running_"))
            for (int64_t k = 0; k < px_shape_count(s); k++)
                f->weights[i][k] = 0.5f + 0.1f * (float)k;
        px_plan_set_param(f->plan, i, f->weights[i]);
    }
    f->images = px_aligned_calloc(sizeof(float) * BATCH * CHANNELS * SIDE * SIDE);
    for (int i = 0; i < BATCH * CHANNELS * SIDE * SIDE; i++)
        f->images[i] = (float)sin(0.7 * i) * (1 + (float)(i % 7)) - 0.2f;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, false);
}

static int set_up_fused(void **state)
{
    return set_up_with(state, true);
}

static int tear_down(void **state)
{
    fixture *f = *state;
    if (f->folder) {
        char *command = px_format("rm -rf %s", f->folder);
        assert_int_equal(system(command), 0);
        free(command);
        for (int i = 0; i < px_graph_params(f->small); i++)
            free(f->weights[i]);
    }
    px_plan_destroy(f->plan);
    px_graph_destroy(f->open);
    px_graph_destroy(f->small);
    free(f->weights);
    free(f->images);
    free(f->folder);
    free(f->file);
    free(f);
    return 0;
}

static void write_model(const fixture *f)
{
    if (!f->folder)
        skip();
    const px_onnx_note notes[] = {{"key", "its text"}};
    if (px_onnx_write(f->file, &(px_onnx_model){f->open, (const float *const *)f->weights, notes, 1}) != 0)
        fail_msg("%s", px_error());
}

/* ---- tests ---- */

static void values_agree(void **state)
{
    fixture *f = *state;
    write_model(f);
    px_plan_bind(f->plan, px_graph_find_input(f->small, "images"), f->images);
    px_plan_run(f->plan, NULL);
    write_floats(f, "images", f->images, PX_SHAPE(BATCH, CHANNELS, SIDE, SIDE));
    for (int i = 0; i < px_graph_outputs(f->small); i++) {
        const char *name;
        const px_value *v = px_graph_output_at(f->small, i, &name);
        write_floats(f, name, px_plan_read(f->plan, v), v->shape);
    }
    const char *script = getenv("ONNX_COMPARE"), *python = getenv("ONNX_PYTHON");
    if (!script)
        skip();
    char *command = px_format("'%s' '%s' '%s'", python && *python ? python : "python3", script, f->folder);
    int status = system(command);
    free(command);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

/* The file, with `count` bytes at `at` replaced, or cut there if count is 0. */
static void damage(const fixture *f, const char *to, long at, const void *bytes, size_t count)
{
    FILE *in = fopen(f->file, "rb"), *damaged = fopen(to, "wb");
    assert_true(in && damaged);
    long size = fseek(in, 0, SEEK_END) == 0 ? ftell(in) : -1;
    rewind(in);
    char *all = px_calloc((size_t)size, 1);
    assert_int_equal(fread(all, 1, (size_t)size, in), size);
    at = at < 0 ? size + at : at;
    if (count > 0)
        memcpy(all + at, bytes, count);
    else
        size = at;
    assert_int_equal(fwrite(all, 1, (size_t)size, damaged), size);
    fclose(in);
    fclose(damaged);
    free(all);
}

static long find(const fixture *f, const char *text, size_t length)
{
    FILE *in = fopen(f->file, "rb");
    assert_non_null(in);
    long size = fseek(in, 0, SEEK_END) == 0 ? ftell(in) : -1;
    rewind(in);
    char *all = px_calloc((size_t)size, 1);
    assert_int_equal(fread(all, 1, (size_t)size, in), size);
    const char *found = memmem(all, (size_t)size, text, length);
    long at = found ? found - all : -1;
    free(all);
    fclose(in);
    return at;
}

static void refused(const char *path, const char *says)
{
    assert_int_equal(px_onnx_check(path), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    if (!strstr(px_error(), says))
        fail_msg("expected '%s': %s", says, px_error());
}

static void damage_is_found(void **state)
{
    fixture *f = *state;
    write_model(f);
    assert_int_equal(px_onnx_check(f->file), 0);
    char *bad = px_format("%s/bad.onnx", f->folder);
    refused(bad, "No such file");
    for (long at = 1; at < 2000; at += 37) { /* cut: not whole, or without what follows */
        damage(f, bad, at, NULL, 0);
        assert_int_equal(px_onnx_check(bad), -1);
    }
    damage(f, bad, -1, NULL, 0);
    refused(bad, "is not a whole file of ONNX");
    damage(f, bad, 0, "\x08\x07", 2);
    refused(bad, "is of IR version 7, not 8");
    static const char opset[] = {0x42, 0x04, 0x0a, 0x00, 0x10, PX_ONNX_OPSET};
    long at = find(f, opset, sizeof opset);
    assert_true(at > 0);
    damage(f, bad, at + 5, "\x10", 1);
    refused(bad, "is not of operator set 17 alone");
    at = find(f, "\x0a\x06images", 8); /* as the first node's input */
    assert_true(at > 0);
    damage(f, bad, at + 2, "imagex", 6);
    refused(bad, "reads imagex, which nothing before it makes");
    at = find(f, "\x42\x05scale", 7); /* the name of an initial value: made twice, if it is another's */
    assert_true(at > 0);
    damage(f, bad, at + 2, "token", 5);
    refused(bad, "the name token is made twice");
    at = find(f, "\x10\x01\x42\x05scale", 9); /* its type, after its extents 1, 6, 1, 1 */
    assert_true(at > 0);
    damage(f, bad, at - 5, "\x07", 1);
    refused(bad, "scale has 24 bytes, but its shape says 28");
    damage(f, bad, at + 1, "\x0b", 1);
    refused(bad, "scale has a type other than");
    free(bad);
}

/* An op has a row, or is named here. */
static void every_op_is_known(void **state)
{
    (void)state;
    static const char *const without =
        " mean_squared_error standardize batch_sums update_running mask_diagonal cross_entropy accuracy "
        "all_reduce reduce_scatter all_gather unpatchify sum_rows_at scatter_tokens dropout drop_path enqueue assign ";
    if (px_onnx_missing())
        skip();
    for (int i = 0; px_ops[i]; i++) {
        char *name = px_format(" %s ", px_ops[i]->name);
        bool back = strstr(name, "_back") != NULL;
        if (!px_onnx_row_of(px_ops[i]) != (back || strstr(without, name) != NULL))
            fail_msg("%s: a row in src/onnx/rows.c, or a word here", px_ops[i]->name);
        free(name);
    }
}

static void refuses_what_has_no_form(void **state)
{
    (void)state;
    if (px_onnx_missing())
        skip();
    static const char path[] = "/tmp/pretext_onnx_never.onnx";
    for (int kind = 0; kind < 3; kind++) {
        px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
        px_value *x = px_input(g, "images", PX_F32, PX_SHAPE(PX_ONNX_BATCH, 4));
        px_scope_push(g, "head");
        px_value *y = kind == 0   ? px_standardize(g, x, 1e-6)
                      : kind == 1 ? px_slice(g, x, 0, 1, 2)
                                  : px_binary(g, PX_ADD, x, px_parameter(g, "gone", PX_SHAPE(4), px_init_normal(1), 0));
        px_scope_pop(g);
        px_graph_output(g, "features", y);
        const float *none[] = {NULL};
        static const char *const says[] = {"standardize in head has no form in it", "a slice of the batch",
                                           "head.gone has no value"};
        assert_int_equal(px_onnx_write(path, &(px_onnx_model){.graph = g, .weights = none}), -1);
        assert_int_equal(px_error_status(), PX_USAGE);
        if (!strstr(px_error(), says[kind]))
            fail_msg("expected '%s': %s", says[kind], px_error());
        assert_int_equal(access(path, F_OK), -1);
        px_graph_destroy(g);
    }
}

static void is_not_written_over_a_pipe(void **state)
{
    fixture *f = *state;
    if (!f->folder)
        skip();
    assert_int_equal(mkfifo(f->file, 0600), 0);
    px_onnx_model m = {.graph = f->open, .weights = (const float *const *)f->weights};
    assert_int_equal(px_onnx_write(f->file, &m), -1);
    assert_int_equal(px_error_status(), PX_FAIL);
    assert_int_equal(unlink(f->file), 0);
    char *partial = px_format("%s.partial", f->file);
    assert_int_equal(access(partial, F_OK), -1);
    free(partial);
    m.graph = f->open;
    assert_int_equal(px_onnx_write("/dev/full", &m), -1);
    assert_int_equal(px_onnx_write("/nowhere/x.onnx", &m), -1);
    assert_non_null(strstr(px_error(), "/nowhere/x.onnx.partial: cannot be written"));
}

/* A file that cannot grow leaves nothing. */
static void a_full_disk_leaves_nothing(void **state)
{
    fixture *f = *state;
    struct rlimit before, few;
    if (!f->folder)
        skip();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    few = before;
    few.rlim_cur = 4096;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    int status =
        px_onnx_write(f->file, &(px_onnx_model){.graph = f->open, .weights = (const float *const *)f->weights});
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, -1);
    assert_non_null(strstr(px_error(), "m.onnx.partial: cannot be written"));
    assert_int_equal(rmdir(f->folder), 0); /* it is empty */
    assert_int_equal(mkdir(f->folder, 0700), 0);
}

/* Refused by its size, before any weight is read: there is none. */
static void more_than_protobuf_holds(void **state)
{
    (void)state;
    if (px_onnx_missing())
        skip();
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    px_value *x = px_input(g, "images", PX_F32, PX_SHAPE(PX_ONNX_BATCH, 20000));
    px_graph_output(g, "features",
                    px_linear(g, x, px_parameter(g, "w", PX_SHAPE(30000, 20000), px_init_constant(0), 0), NULL));
    const float nothing = 0, *list[] = {&nothing};
    assert_int_equal(px_onnx_write("/tmp/pretext_onnx_never.onnx", &(px_onnx_model){.graph = g, .weights = list}), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_non_null(strstr(px_error(), "the weights take 2.4 GB, but one file of ONNX holds at most 2 GB"));
    px_graph_destroy(g);
}

static void a_build_without_it_says_so(void **state)
{
    (void)state;
    if (!px_onnx_missing())
        skip();
    assert_int_equal(px_onnx_write("x.onnx", NULL), -1);
    assert_non_null(strstr(px_error(), "x.onnx: this build of Pretext has no protobuf-c"));
    assert_int_equal(px_onnx_check("x.onnx"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_agree, set_up, tear_down),
        {"values_agree fused", values_agree, set_up_fused, tear_down, NULL},
        cmocka_unit_test_setup_teardown(damage_is_found, set_up, tear_down),
        cmocka_unit_test(every_op_is_known),
        cmocka_unit_test(refuses_what_has_no_form),
        cmocka_unit_test_setup_teardown(is_not_written_over_a_pipe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_nothing, set_up, tear_down),
        cmocka_unit_test(more_than_protobuf_holds),
        cmocka_unit_test(a_build_without_it_says_so),
    };
    return cmocka_run_group_tests_name("onnx", tests, NULL, NULL);
}
