/* slow_abort.c - for LD_PRELOAD: MPI_Abort takes five seconds, as it may on a busy machine. */
#include <dlfcn.h>
#include <mpi.h>
#include <string.h>
#include <unistd.h>

int MPI_Abort(MPI_Comm comm, int status)
{
    int (*real)(MPI_Comm, int);
    void *found = dlsym(RTLD_NEXT, "MPI_Abort");
    memcpy(&real, &found, sizeof real);
    sleep(5);
    return real(comm, status);
}
