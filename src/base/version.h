/* version.h - the versions of the program and its libraries, and the processor's name. */
#ifndef PX_BASE_VERSION_H
#define PX_BASE_VERSION_H

#include <stdio.h>

/* Prints several lines "name version", the program's first. Works before MPI_Init. */
void px_version_print(FILE *);

/* oneDNN's version, or that it is not in this build, and the instructions that kernels may use (base/cpu.h): "2.6.0,
 * AVX-512 with bf16 and AMX". Returns `buffer`. */
char *px_version_onednn(char buffer[96]);

/* The processor's name, or "unknown processor" if the system does not tell. Returns `buffer`. */
char *px_version_processor(char buffer[96]);

#endif
