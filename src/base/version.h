/* version.h - the program's version and those of the libraries that do its work. */
#ifndef PX_BASE_VERSION_H
#define PX_BASE_VERSION_H

#include <stdio.h>

/* Several lines "name version", the program first. Needs no MPI_Init. */
void px_version_print(FILE *);

#endif
