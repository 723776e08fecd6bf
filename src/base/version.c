/* version.c - asks each library at run time which version it is. */
#include "base/version.h"

#include <archive.h>
#include <cblas.h>
#include <dnnl.h>
#include <hdf5.h>
#include <libconfig.h>
#include <mpi.h>
#include <spng.h>
#include <string.h>
#include <unistd.h>

/* The instructions that oneDNN will use, in words. */
static const char *isa_name(dnnl_cpu_isa_t isa)
{
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } names[] = {
        {dnnl_cpu_isa_sse41, "SSE4.1"},
        {dnnl_cpu_isa_avx, "AVX"},
        {dnnl_cpu_isa_avx2, "AVX2"},
        {dnnl_cpu_isa_avx2_vnni, "AVX2 with VNNI"},
        {dnnl_cpu_isa_avx512_core, "AVX-512"},
        {dnnl_cpu_isa_avx512_core_vnni, "AVX-512 with VNNI"},
        {dnnl_cpu_isa_avx512_core_bf16, "AVX-512 with bf16"},
        {dnnl_cpu_isa_avx512_core_amx, "AVX-512 with bf16 and AMX"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].isa == isa)
            return names[i].name;
    return "another instruction set";
}

char *px_version_onednn(char buffer[96])
{
    const dnnl_version_t *dnnl = dnnl_version();
    snprintf(buffer, 96, "%d.%d.%d, %s", dnnl->major, dnnl->minor, dnnl->patch, isa_name(dnnl_get_effective_cpu_isa()));
    return buffer;
}

/* Linux writes one "model name : ..." for each core on x86; nothing of the kind on Arm. */
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
    fprintf(out, "pretext    %s\n", PX_VERSION);
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
