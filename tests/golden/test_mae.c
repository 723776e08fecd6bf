/* test_mae.c - masked autoencoders with given masks and a small decoder: all gradients of one step, and the losses of
 * ten steps, against PyTorch's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "formula.h"
#include "golden.h"

#include <stdlib.h>

/* As in mae_fixtures.py: int(16 * 0.3) = 4 of 16 patches are visible. */
enum { B = 4, SIZE = 32, T = 16, K = 4 };

static const char *const settings[] = {
    "method=mae",           "backbone=vit_tiny_8", "mae.mask_ratio=0.7",  "mae.norm_pix_loss=true",
    "mae.decoder_width=64", "mae.decoder_depth=2", "mae.decoder_heads=4", "optim.optimizer=adamw",
    "optim.beta1=0.9",      "optim.beta2=0.95",    "optim.eps=1e-8",      "optim.weight_decay=0.5"};

typedef struct subject {
    golden_run run;
    float *image;
    int32_t visible[B][K], restore[B][1 + T], hidden[B][T - K];
} subject;

/* The patches with the smallest noise are visible, in that order. */
static void draw_mask(subject *t, int i)
{
    int hidden = 0;
    t->restore[i][0] = 1;
    for (int p = 0; p < T; p++) {
        int rank = 0;
        for (int other = 0; other < T; other++)
            rank += formula_unit("mask", i * T + other) < formula_unit("mask", i * T + p);
        t->restore[i][1 + p] = rank < K ? 2 + rank : 0;
        if (rank < K)
            t->visible[i][rank] = p;
        else
            t->hidden[i][hidden++] = p;
    }
}

static void bind(subject *t, const char *view, const void *data)
{
    const px_value *input = px_graph_find_input(t->run.m.graph, view);
    assert_non_null(input);
    px_plan_bind(t->run.m.plan, input, data);
}

static void start(subject *t, const char *backend)
{
    enum { COUNT = sizeof settings / sizeof settings[0] };
    const char *given[COUNT + 2] = {backend};
    for (int i = 0; i < COUNT; i++)
        given[1 + i] = settings[i];
    golden_start(&t->run, (px_task){.batch = B, .image_size = SIZE}, given);
    t->image = px_aligned_calloc(B * 3 * SIZE * SIZE * sizeof t->image[0]);
    golden_images(t->image, B, B, 3, SIZE);
    for (int i = 0; i < B; i++)
        draw_mask(t, i);
    bind(t, "image", t->image);
    bind(t, "visible", t->visible);
    bind(t, "restore", t->restore);
    bind(t, "hidden", t->hidden);
}

static void stop(subject *t)
{
    golden_stop(&t->run);
    free(t->image);
}

static void gradients(void **state)
{
    (void)state;
    static const char *const backends[] = {"backend=auto", "backend=openblas"};
    for (int i = 0; i < 2; i++) {
        subject t;
        start(&t, backends[i]);
        golden_one_step(&t.run, "mae_gradients", 1e-6, 5e-5);
        stop(&t);
    }
}

static void adamw(void **state)
{
    (void)state;
    subject t;
    start(&t, "backend=auto");
    golden_ten_steps(&t.run, "mae_adamw", 5e-4, 5e-6);
    stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients), cmocka_unit_test(adamw)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
