/* version.h - the program's version, those of the libraries that do its work, and the processor. */
#ifndef PX_BASE_VERSION_H
#define PX_BASE_VERSION_H

#include <stdio.h>

/* Several lines "name version", the program first. Needs no MPI_Init. */
void px_version_print(FILE *);

/* oneDNN's version, or that it is not in this build, and the instructions that kernels may use (base/cpu.h): "2.6.0,
 * AVX-512 with bf16 and AMX". Returns `buffer`. */
char *px_version_onednn(char buffer[96]);

/* What the processor calls itself, "unknown processor" where the system does not tell. Returns `buffer`. */
char *px_version_processor(char buffer[96]);

#endif
