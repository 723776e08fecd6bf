/* cpu.c - asks the processor for its instructions, and Linux for permission to use AMX. */
#include "base/cpu.h"
#include "base/error.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#ifdef __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Tiles are 8 KiB of state, which a process must request before it uses them; Linux supports this from 5.16 on. */
static bool kernel_permits_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}

static px_isa of_the_machine(void)
{
    enum { BF16 = 1 << 5, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 }; /* CPUID 7: subleaf 1 in EAX; subleaf 0 in EDX */
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return PX_ISA_BASE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return PX_ISA_AVX2;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & BF16))
        return PX_ISA_AVX512;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & AMX_TILE) || !(d & AMX_BF16) || !kernel_permits_tiles())
        return PX_ISA_AVX512_BF16;
    return PX_ISA_AMX;
}
#else
static px_isa of_the_machine(void)
{
    return PX_ISA_BASE;
}
#endif

/* The values that oneDNN 2.6 to 3.7 knows, and our levels for them; like oneDNN, we ignore others. */
static px_isa most_wanted(void)
{
    static const struct {
        const char *value;
        px_isa isa;
    } known[] = {
        {"SSE41", PX_ISA_BASE},
        {"AVX", PX_ISA_BASE},
        {"AVX2", PX_ISA_AVX2},
        {"AVX2_VNNI", PX_ISA_AVX2},
        {"AVX2_VNNI_2", PX_ISA_AVX2},
        {"AVX512_CORE", PX_ISA_AVX512},
        {"AVX512_CORE_VNNI", PX_ISA_AVX512},
        {"AVX512_CORE_BF16", PX_ISA_AVX512_BF16},
        {"AVX512_CORE_FP16", PX_ISA_AVX512_BF16},
        {"AVX10_1_512", PX_ISA_AVX512_BF16},
    };
    const char *value = getenv("ONEDNN_MAX_CPU_ISA");
    if (!value)
        value = getenv("DNNL_MAX_CPU_ISA"); /* the former name, which oneDNN still accepts */
    for (size_t i = 0; value && i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(value, known[i].value) == 0)
            return known[i].isa;
    return PX_ISAS - 1;
}

px_isa px_cpu_isa(void)
{
    px_isa there = of_the_machine(), wanted = most_wanted();
    return wanted < there ? wanted : there;
}

bool px_cpu_has(px_isa isa)
{
    return px_cpu_isa() >= isa;
}

/* 1 + the level that was found; 0: it has not been asked for. A global, since loops that know no context ask for it; it changes
 * before there are threads. */
static atomic_int level_of_loops;

px_isa px_cpu_loops(void)
{
    int level = atomic_load_explicit(&level_of_loops, memory_order_relaxed);
    if (level == 0) {
        level = 1 + (int)px_cpu_isa();
        atomic_store_explicit(&level_of_loops, level, memory_order_relaxed);
    }
    return (px_isa)(level - 1);
}

const char *px_isa_name(px_isa isa)
{
    static const char *const name[PX_ISAS] = {
#ifdef __x86_64__
        [PX_ISA_BASE] = "less than AVX2",
#else
        [PX_ISA_BASE] = "no x86 instructions",
#endif
        [PX_ISA_AVX2] = "AVX2",
        [PX_ISA_AVX512] = "AVX-512",
        [PX_ISA_AVX512_BF16] = "AVX-512 with bf16",
        [PX_ISA_AMX] = "AVX-512 with bf16 and AMX",
    };
    return name[isa];
}

int px_cpu_narrow(const char *isa)
{
    static const struct {
        const char *name, *value; /* ours, and oneDNN's */
    } choices[PX_ISAS] = {
        [PX_ISA_AVX2] = {"avx2", "AVX2"},
        [PX_ISA_AVX512] = {"avx512", "AVX512_CORE"},
        [PX_ISA_AVX512_BF16] = {"avx512_bf16", "AVX512_CORE_BF16"},
        [PX_ISA_AMX] = {"amx", "AVX512_CORE_AMX"},
    };
    px_isa there = px_cpu_isa();
    atomic_store(&level_of_loops, 0);
    char fit[64] = "auto";
    size_t length = strlen(fit);
    for (px_isa i = PX_ISA_AVX2; i <= there; i++) {
        if (strcmp(isa, choices[i].name) == 0)
            return setenv("ONEDNN_MAX_CPU_ISA", choices[i].value, 1);
        length +=
            (size_t)snprintf(fit + length, sizeof fit - length, "%s%s", i == there ? " or " : ", ", choices[i].name);
    }
    if (strcmp(isa, "auto") == 0)
        return 0;
    return px_fail(PX_USAGE, "isa = %s: this processor has %s%s; choose %s", isa, px_isa_name(there),
                   there < of_the_machine() ? " as far as ONEDNN_MAX_CPU_ISA allows" : "", fit);
}
