/* simd.h - one source, the widest vectors that the processor has and `isa=` leaves.
 *
 *     static PX_MULTIVERSION(add, (float *restrict y, const float *restrict x, int64_t n), (y, x, n))
 *     {
 *     #pragma omp simd
 *         for (int64_t i = 0; i < n; i++)
 *             y[i] += x[i];
 *     }
 *
 * defines a function without result: its name, its parameters, their names. The compiler makes a copy of it for each level of
 * x86-64 (baseline, AVX2 with FMA, AVX-512), and each call takes the one for px_cpu_loops(): so a binary for any x86-64 runs
 * fast on all of them, and each path can be tested and timed on a larger processor. Elsewhere there is one.
 *
 * - Put it on the leaf function with the loop, not on a function with `#pragma omp parallel` inside: the compiler moves
 *   the parallel body into a separate function before it makes the copies, so the body stays at the baseline.
 * - Such a function is never inlined: give it a block of work, thousands of elements.
 * - Functions that it calls are not copied unless they are inlined: make helpers `static inline`.
 * - With FMA the compiler contracts a*b+c: results may differ in the last bit between processors, never between runs. */
#ifndef PX_BASE_SIMD_H
#define PX_BASE_SIMD_H

#include "base/cpu.h"

#if defined(__x86_64__) && !defined(__clang__)
#define PX_LOOP_INLINE static inline __attribute__((always_inline)) void
#define PX_MULTIVERSION(name, parameters, arguments)                                                                   \
    void name parameters;                                                                                              \
    PX_LOOP_INLINE name##_loop parameters;                                                                             \
    __attribute__((noinline, target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))) static void name##_512 parameters \
    {                                                                                                                  \
        name##_loop arguments;                                                                                         \
    }                                                                                                                  \
    __attribute__((noinline, target("avx2,fma"))) static void name##_256 parameters                                    \
    {                                                                                                                  \
        name##_loop arguments;                                                                                         \
    }                                                                                                                  \
    void name parameters                                                                                               \
    {                                                                                                                  \
        px_isa isa = px_cpu_loops();                                                                                   \
        if (isa >= PX_ISA_AVX512)                                                                                      \
            name##_512 arguments;                                                                                      \
        else if (isa >= PX_ISA_AVX2)                                                                                   \
            name##_256 arguments;                                                                                      \
        else                                                                                                           \
            name##_loop arguments;                                                                                     \
    }                                                                                                                  \
    PX_LOOP_INLINE name##_loop parameters
#else
#define PX_MULTIVERSION(name, parameters, arguments) void name parameters
#endif

#endif
