/* test_cpu.c - what the processor can do: as the system lists it, and as narrowed by the environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/simd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(const char *name, const char *value)
{
    unsetenv("ONEDNN_MAX_CPU_ISA");
    unsetenv("DNNL_MAX_CPU_ISA");
    if (value)
        setenv(name, value, 1);
}

/* Does Linux list this among the flags of the first processor? */
static bool listed(const char *flag)
{
    static char line[1 << 14];
    char word[32];
    bool found = false;
    snprintf(word, sizeof word, " %s ", flag);
    FILE *f = fopen("/proc/cpuinfo", "r");
    assert_non_null(f);
    while (!found && fgets(line, sizeof line - 1, f))
        if (strncmp(line, "flags", 5) == 0) {
            line[strcspn(line, "\n")] = ' ';
            found = strstr(line, word) != NULL;
            break;
        }
    fclose(f);
    return found;
}

static void levels_are_those_that_linux_lists(void **state)
{
    (void)state;
    set(NULL, NULL);
#ifdef __x86_64__
    bool avx2 = listed("avx2") && listed("fma");
    bool avx512 = avx2 && listed("avx512f") && listed("avx512bw") && listed("avx512dq") && listed("avx512vl");
    bool bf16 = avx512 && listed("avx512_bf16"), amx = bf16 && listed("amx_tile") && listed("amx_bf16");
    assert_int_equal(px_cpu_has(PX_ISA_AVX2), avx2);
    assert_int_equal(px_cpu_has(PX_ISA_AVX512), avx512);
    assert_int_equal(px_cpu_has(PX_ISA_AVX512_BF16), bf16);
    assert_true(amx || !px_cpu_has(PX_ISA_AMX)); /* the kernel may keep it from us */
#else
    (void)listed;
    assert_int_equal(px_cpu_isa(), PX_ISA_BASE);
#endif
}

static void the_environment_narrows(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        px_isa most;
    } rows[] = {
        {"SSE41", PX_ISA_BASE},
        {"AVX", PX_ISA_BASE},
        {"AVX2", PX_ISA_AVX2},
        {"avx2", PX_ISA_AVX2},
        {"AVX512_CORE", PX_ISA_AVX512},
        {"AVX512_CORE_VNNI", PX_ISA_AVX512},
        {"AVX512_CORE_BF16", PX_ISA_AVX512_BF16},
        {"AVX512_CORE_AMX", PX_ISA_AMX},
        {"DEFAULT", PX_ISA_AMX},
        {"of no such name", PX_ISA_AMX},
    };
    set(NULL, NULL);
    px_isa there = px_cpu_isa();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        px_isa expected = rows[i].most < there ? rows[i].most : there;
        set("ONEDNN_MAX_CPU_ISA", rows[i].value);
        assert_int_equal(px_cpu_isa(), expected);
        for (px_isa isa = 0; isa < PX_ISAS; isa++)
            assert_int_equal(px_cpu_has(isa), isa <= expected);
        set("DNNL_MAX_CPU_ISA", rows[i].value);
        assert_int_equal(px_cpu_isa(), expected);
    }
    setenv("ONEDNN_MAX_CPU_ISA", "SSE41", 1); /* goes before its former name */
    setenv("DNNL_MAX_CPU_ISA", "AVX512_CORE_AMX", 1);
    assert_int_equal(px_cpu_isa(), PX_ISA_BASE);
    set(NULL, NULL);
}

/* isa=: no more than there is, and oneDNN's name for it in the environment. */
static void a_choice_narrows(void **state)
{
    static const char *const choices[] = {"avx2", "avx512", "avx512_bf16", "amx"};
    (void)state;
    set(NULL, NULL);
    px_isa there = px_cpu_isa();
    for (px_isa i = PX_ISA_AVX2; i < PX_ISAS; i++) {
        set(NULL, NULL);
        assert_int_equal(px_cpu_narrow("auto"), 0);
        assert_int_equal(px_cpu_isa(), there);
        assert_int_equal(px_cpu_narrow(choices[i - PX_ISA_AVX2]), i <= there ? 0 : -1);
        assert_int_equal(px_cpu_isa(), i <= there ? i : there);
    }
    set("ONEDNN_MAX_CPU_ISA", "SSE41");
    assert_int_equal(px_cpu_narrow("avx2"), -1);
    assert_non_null(strstr(px_error(), "isa = avx2: this processor has "));
    assert_non_null(strstr(px_error(), "; choose auto"));
    assert_int_equal(px_cpu_isa(), PX_ISA_BASE);
    set(NULL, NULL);
}

#if defined(__x86_64__) && !defined(__clang__)
#pragma GCC optimize("O2") /* as the program's loops are: tests are compiled with -O1, at which nothing is fused */
/* Where this code lies, and a product and a sum, rounded once if there are fused ones. */
static PX_MULTIVERSION(look, (const void **here, float *y, float a, float b, float c), (here, y, a, b, c))
{
    __asm__ volatile("lea 0(%%rip), %0" : "=r"(*here));
    *y = a * b + c;
}

static const void *code_of_loops(const char *isa, bool fused)
{
    const volatile float a = 1 + 1 / 4096.0f, c = -(1 + 1 / 2048.0f); /* unknown to the compiler, which does not fuse */
    const void *here;
    float y;
    assert_int_equal(px_cpu_narrow(isa), 0);
    look(&here, &y, a, a, c);
    assert_true(y == (fused ? a * (double)a + (double)c : 0));
    return here;
}

/* Each choice of isa= and of the environment has its own copy of the loops. */
static void loops_are_narrowed(void **state)
{
    (void)state;
    set("ONEDNN_MAX_CPU_ISA", "SSE41");
    const void *base = code_of_loops("auto", false);
    assert_int_equal(px_cpu_loops(), PX_ISA_BASE);
    set(NULL, NULL);
    px_isa there = px_cpu_isa();
    if (there < PX_ISA_AVX2)
        skip();
    const void *best = code_of_loops("auto", true), *narrow = code_of_loops("avx2", true);
    assert_int_equal(px_cpu_loops(), PX_ISA_AVX2);
    assert_ptr_not_equal(base, narrow);
    assert_int_equal(best != narrow, there >= PX_ISA_AVX512);
    set(NULL, NULL);
    assert_int_equal(px_cpu_narrow("auto"), 0);
    assert_int_equal(px_cpu_loops(), there);
}
#else
static void loops_are_narrowed(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(levels_are_those_that_linux_lists),
                                       cmocka_unit_test(the_environment_narrows), cmocka_unit_test(a_choice_narrows),
                                       cmocka_unit_test(loops_are_narrowed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
