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
 * The compiler makes a copy of the function for each level of x86-64 (baseline, AVX2+FMA, AVX-512) and the loader picks one
 * at start, so a binary built for any x86 runs fast on all. Everywhere else the macro is empty and the function is plain C.
 *
 * - Put it on the leaf that holds the loop, not on a function with `#pragma omp parallel` inside: the parallel body is moved out into a
 *   function of its own before the copies are made, and stays at the baseline.
 * - Such a function is never inlined (a call through a pointer): give it a block of work, thousands of elements.
 * - What it calls is not copied, unless it is inlined into it: helpers are `static inline`.
 * - With FMA the compiler contracts a*b+c, so results differ in the last bit between processors, never between runs on one.
 */
#ifndef PX_BASE_SIMD_H
#define PX_BASE_SIMD_H

#include <stdint.h> /* defines __GLIBC__, whose loader knows how to resolve the copies (ifunc) */

/* The loader resolves copies before the thread sanitizer is set up, which crashes; for the address sanitizer that depends on versions. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PX_SIMD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define PX_SIMD_SANITIZED 1
#endif
#endif

#if !defined(__x86_64__) || !defined(__GLIBC__) || defined(PX_SIMD_SANITIZED)
#define PX_MULTIVERSION
#elif defined(__clang__) && __clang_major__ >= 14
#define PX_MULTIVERSION __attribute__((target_clones("default", "avx2", "avx512f")))
#elif !defined(__clang__) && __GNUC__ >= 12
#define PX_MULTIVERSION __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#elif !defined(__clang__)
#define PX_MULTIVERSION __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define PX_MULTIVERSION
#endif

#endif
