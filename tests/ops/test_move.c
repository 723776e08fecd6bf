/* test_move.c - permuted axes by the fast kernels, in float and bf16, against the portable ones: every order of four axes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "backends/portable/portable.h"
#include "backends/x86/kernels.h"
#include "base/error.h"

/* Both kernels copy the same numbers to the same places. In float they are all different; in bf16 they repeat after 16,384. */
static void compare(px_kernel *fast, px_kernel *portable, size_t size, px_shape x, const int from[])
{
    int64_t n = px_shape_count(x);
    unsigned char *data = px_calloc((size_t)n, size), *a = px_calloc((size_t)n, size), *b = px_calloc((size_t)n, size);
    px_permute_attr at = {{from[0], from[1], from[2], from[3]}};
    px_value in = {.shape = x}, out = {.shape = x};
    for (int i = 0; i < x.rank; i++)
        out.shape.dim[i] = x.dim[from[i]];
    px_node node = {.in = {&in}, .out = {&out}, .attr = &at};
    for (int64_t i = 0; i < n; i++) {
        uint32_t wide = (uint32_t)i; /* as float or bf16: no NaN, so that copies by number stay the same */
        uint16_t narrow = (uint16_t)(i % 0x4000);
        memcpy(data + (size_t)i * size, size == sizeof wide ? (void *)&wide : &narrow, size);
    }
    fast(&(px_step){.node = &node, .in = {data}, .out = {a}});
    portable(&(px_step){.node = &node, .in = {data}, .out = {b}});
    if (memcmp(a, b, (size_t)n * size) != 0)
        fail_msg("(%d, %d, %d, %d) by axes %d %d %d %d, %zu bytes", (int)x.dim[0], (int)x.dim[1], (int)x.dim[2],
                 (int)x.dim[3], from[0], from[1], from[2], from[3], size);
    free(data);
    free(a);
    free(b);
}

static void every_order(px_shape x)
{
    for (int code = 0; code < 256; code++) {
        int from[4] = {code >> 6, code >> 4 & 3, code >> 2 & 3, code & 3}, seen = 0;
        for (int i = 0; i < 4; i++)
            seen |= 1 << from[i];
        if (seen != 15)
            continue;
        compare(px_fast_f32_permute, px_f32_permute, sizeof(float), x, from);
        compare(px_fast_bf16_permute, px_bf16_permute, sizeof(px_bf16), x, from);
    }
}

static void orders_of_axes(void **state)
{
    (void)state;
    every_order(PX_SHAPE(2, 19, 7, 5));
    every_order(PX_SHAPE(8, 16, 40, 8));
    every_order(PX_SHAPE(1, 9, 1, 41));
    every_order(PX_SHAPE(3, 1, 33, 65));
    every_order(PX_SHAPE(1, 1, 1, 1));
    every_order(PX_SHAPE(3, 0, 4, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(orders_of_axes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
