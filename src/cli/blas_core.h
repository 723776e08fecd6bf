/* blas_core.h - makes OpenBLAS use the right kernels for this processor. */
#ifndef PX_CLI_BLAS_CORE_H
#define PX_CLI_BLAS_CORE_H

/* OpenBLAS chooses its kernels while it is loaded, from a list of processor models. On a model that is newer than the
 * list it falls back to SSE3, which is five times slower than AVX-512. If that happened, this starts the program again
 * (same arguments, same process) with OPENBLAS_CORETYPE set. Call it first in main, before MPI_Init. It returns if
 * there is nothing to correct, or if the user has set OPENBLAS_CORETYPE. */
void px_blas_core_correct(char **argv);

#endif
