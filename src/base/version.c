/* version.c - asks each library for its version, at run time. */
#include "base/version.h"
#include "base/built_with.h"
#include "base/cpu.h"
#include "px_interface.h"

#include <archive.h>
#include <cblas.h>
#include <hdf5.h>
#include <libconfig.h>
#include <mpi.h>
#include <spng.h>
#include <string.h>
#include <unistd.h>

#ifdef PX_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#endif

char *px_version_onednn(char buffer[96])
{
#ifdef PX_ONEDNN
    const dnnl_version_t *v = dnnl_version();
    snprintf(buffer, 96, "%d.%d.%d, %s", v->major, v->minor, v->patch, px_isa_name(px_cpu_isa()));
#else
    snprintf(buffer, 96, "not in this build, %s", px_isa_name(px_cpu_isa()));
#endif
    return buffer;
}

/* On x86, Linux writes one "model name : ..." per core; on Arm it does not. */
char *px_version_processor(char buffer[96])
{
    char line[256];
    snprintf(buffer, 96, "unknown processor");
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            snprintf(buffer, 96, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (f)
        fclose(f);
    return buffer;
}

void px_version_print(FILE *out)
{
    unsigned h5[3] = {0};
    char mpi[MPI_MAX_LIBRARY_VERSION_STRING], words[96];
    int length;
    H5get_libversion(&h5[0], &h5[1], &h5[2]);
    MPI_Get_library_version(mpi, &length);
    mpi[strcspn(mpi, ",\n")] = 0; /* the package's name and a web address follow */
    fprintf(out, "pretext    %s, interface for plug-ins %s\n", PX_VERSION, PX_INTERFACE);
    fprintf(out, "processor  %s, %ld cores\n", px_version_processor(words), sysconf(_SC_NPROCESSORS_ONLN));
    fprintf(out, "oneDNN     %s\n", px_version_onednn(words));
    fprintf(out, "OpenBLAS   %s\n", openblas_get_config());
    fprintf(out, "HDF5       %u.%u.%u\n", h5[0], h5[1], h5[2]);
    fprintf(out, "MPI        %s\n", mpi);
    fprintf(out, "libconfig  %d.%d.%d\n", LIBCONFIG_VER_MAJOR, LIBCONFIG_VER_MINOR, LIBCONFIG_VER_REVISION);
    fprintf(out, "libarchive %s\n", archive_version_string());
    fprintf(out, "libspng    %s\n", spng_version_string());
    fprintf(out, "compiler   %s, OpenMP %d\n", __VERSION__, _OPENMP);
}
