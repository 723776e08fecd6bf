/* simd.h - one source, the widest vectors of the processor that runs it.
 *
 *     PX_MULTIVERSION
 *     static void add(float *restrict y, const float *restrict x, int64_t n)
 *     {
 *     #pragma omp simd
 *         for (int64_t i = 0; i < n; i++)
 *             y[i] += x[i];
 *     }
 *
 * The compiler makes a copy of the function for each level of x86-64 (baseline, AVX2 with FMA, AVX-512) and the loader
 * picks one at start, so a binary for any x86-64 runs fast on all of them. Elsewhere the macro is empty.
 *
 * - Put it on the leaf function with the loop, not on a function with `#pragma omp parallel` inside: the compiler moves
 *   the parallel body into a separate function before it makes the copies, so the body stays at the baseline.
 * - Such a function is never inlined (the call goes through a pointer): give it a block of work, thousands of elements.
 * - Functions that it calls are not copied unless they are inlined: make helpers `static inline`.
 * - With FMA the compiler contracts a*b+c: results may differ in the last bit between processors, never between runs.
 */
#ifndef PX_BASE_SIMD_H
#define PX_BASE_SIMD_H

#include <stdint.h> /* defines __GLIBC__: glibc's loader resolves the copies (ifunc), musl's does not */

/* The loader resolves copies before a sanitizer's runtime is ready: this crashes with the thread sanitizer, and with
 * some versions of the address sanitizer. clang 14 gives the copies of static functions external names that can
 * collide. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&              \
    !defined(__SANITIZE_THREAD__)
#if __GNUC__ >= 12
#define PX_MULTIVERSION __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define PX_MULTIVERSION __attribute__((target_clones("default", "avx2", "avx512f")))
#endif
#else
#define PX_MULTIVERSION
#endif

#endif
