/* test_expensive.c - no product, convolution or attention of any method on any family, nor any of their gradients, is left
 * to the portable kernels. `test_expensive avx2` looks at what isa=avx2 leaves of the processor. */
#include "pairs.h"

#include "base/cpu.h"
#include "graph/kernel.h"

#include <stdio.h>

/* What counts its multiply-adds, and needs no fast kernel. */
static const char *const exceptions[] = {
    "inverse_cholesky", /* of small matrices, in double: each row needs those before it */
};

static int expensive; /* steps that were looked at */

static bool is_excepted(const char *op)
{
    for (size_t i = 0; i < sizeof exceptions / sizeof exceptions[0]; i++)
        if (strcmp(op, exceptions[i]) == 0)
            return true;
    return false;
}

static void is_fast(const px_model *m, const px_settings *s)
{
    for (int i = 0; i < px_plan_steps(m->plan); i++) {
        px_step_info step = px_plan_step_info(m->plan, i);
        if (step.multiply_adds == 0 || is_excepted(step.op))
            continue;
        expensive++;
        char shape[64];
        if (!step.row || strcmp(step.kernel, "portable") == 0)
            fail_msg("%s on %s: %s of %s, %s, has the kernel %s", s->method->name, s->backbone->name, step.op,
                     step.place, px_shape_text(step.shape, shape), step.kernel);
    }
}

static void walk(const char *const keys[], int count)
{
    const px_method *m;
    expensive = 0;
    for (int i = 0; (m = method_at(i)); i++) {
        int before = expensive;
        for (int f = 0; px_backbone_families[f]; f++)
            build_pair(m, &px_backbone_families[f]->variants[0], keys, count, is_fast);
        if (expensive < before + 10)
            fail_msg("%s: only %d expensive steps", m->name, expensive - before);
    }
    print_message("%s: %d steps, none of them portable\n", keys[0], expensive);
}

/* Groups, widths and kernels of variants differ: one method with every variant of every family. */
static void of_every_variant(void **state)
{
    (void)state;
    int pairs = 0;
    const px_method *m = px_method_find("supervised");
    assert_non_null(m);
    for (int f = 0; px_backbone_families[f]; f++)
        for (const px_backbone *b = px_backbone_families[f]->variants; b->name; b++)
            pairs += build_pair(m, b, (const char *[]){"precision=fp32"}, 1, is_fast);
    print_message("%d variants\n", pairs);
    assert_true(pairs > 60);
}

static void every_expensive_step_is_fast(void **state)
{
    (void)state;
    walk((const char *[]){"precision=fp32"}, 1);
}

static void also_in_bf16(void **state)
{
    (void)state;
    if (!px_bf16_native())
        skip();
    walk((const char *[]){"precision=bf16"}, 1);
}

/* Shards have a part of the batch, and kernels for one thread. */
static void also_in_shards(void **state)
{
    (void)state;
    walk((const char *[]){"reproducible=true", "shards=2"}, 2);
}

int main(int argc, char **argv)
{
    if (argc > 1 && px_cpu_narrow(argv[1]) != 0) {
        printf("skipped: %s\n", px_error());
        return 77;
    }
    if (!px_backend_fast.bf16 || !px_cpu_has(PX_ISA_AVX2)) {
        printf("skipped: without oneDNN or AVX2 convolutions are portable\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_expensive_step_is_fast),
        cmocka_unit_test(of_every_variant),
        cmocka_unit_test(also_in_bf16),
        cmocka_unit_test(also_in_shards),
    };
    return cmocka_run_group_tests_name("expensive steps", tests, NULL, NULL);
}
