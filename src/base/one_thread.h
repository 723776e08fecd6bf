/* one_thread.h - a piece of work by one thread: sums in BLAS and LAPACK, whose bits would depend on the number of threads.
 *
 *     int threads = px_one_thread_begin();
 *     cblas_dsyrk(...);
 *     px_one_thread_end(threads);
 *
 * It holds for the calling thread's own parallel regions, and for an OpenBLAS that was built with OpenMP.
 */
#ifndef PX_BASE_ONE_THREAD_H
#define PX_BASE_ONE_THREAD_H

#include <omp.h>

/* The number of threads until now, for px_one_thread_end. */
static inline int px_one_thread_begin(void)
{
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    return threads;
}

static inline void px_one_thread_end(int threads)
{
    omp_set_num_threads(threads);
}

#endif
