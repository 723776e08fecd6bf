/* test_onnx.c - a graph with every op that has a form in ONNX: its file is whole, damage to it is found, and (with
 * onnxruntime) it computes what our own kernels do, for other batches than the graph was written for. */
#include "everything.h"

#include "base/error.h"
#include "graph/op.h"
#include "graph/plan.h"
#include "graph/plan_params.h"
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
        "all_reduce reduce_scatter all_gather unpatchify sum_rows_at scatter_tokens dropout drop_path enqueue assign "
        "random_normal inverse_cholesky recall remember cluster ";
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
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_int_equal(unlink(f->file), 0);
    char *partial = px_partial_name(f->file);
    assert_int_equal(access(partial, F_OK), -1);
    free(partial);
    m.graph = f->open;
    assert_int_equal(px_onnx_write("/dev/full", &m), -1);
    assert_int_equal(px_onnx_write("/nowhere/x.onnx", &m), -1);
    assert_non_null(strstr(px_error(), "/nowhere/x.onnx: cannot be written"));
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
    assert_non_null(strstr(px_error(), "m.onnx: cannot be written"));
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
