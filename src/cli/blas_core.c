/* blas_core.c - compares OpenBLAS's choice of kernels with what the processor can do. */
#include "cli/blas_core.h"

#include <cblas.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#if defined(__x86_64__)

/* Kernels from before AVX2, which OpenBLAS falls back to. */
static bool is_old(const char *core)
{
    static const char *const old[] = {"Prescott", "Core2",     "Penryn",      "Dunnington",
                                      "Nehalem",  "Barcelona", "Sandybridge", "Opteron_SSE3"};
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        if (strcasecmp(core, old[i]) == 0)
            return true;
    return false;
}

static const char *better_core(void)
{
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
    return NULL;
}

void px_blas_core_correct(char **argv)
{
    const char *core = better_core();
    char path[PATH_MAX];
    if (getenv("OPENBLAS_CORETYPE")) /* set by the user, or by our first start */
        return;
    if (!core || !is_old(openblas_get_corename()) || !strstr(openblas_get_config(), "DYNAMIC_ARCH"))
        return;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0 || setenv("OPENBLAS_CORETYPE", core, 1) != 0)
        return;
    path[length] = 0;
    execv(path, argv); /* if it fails, go on with slow kernels */
}

#else

void px_blas_core_correct(char **argv)
{
    (void)argv;
}

#endif
