/* blas_memory.c - OpenBLAS takes its buffers before main begins, 128 MB for each thread, and asks for ever where the address
 * space (ulimit -v) has no room for them. So they are asked for once before that, and a line says what is missing.
 *
 * What stands in .preinit_array is called before the constructors of all libraries. C's own has not run yet, either: the
 * environment is not known to getenv, and nothing may be allocated. */
#include "base/error.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_THREADS = 64, BUFFER_MB = 128, OTHERS_MB = 2, MB = 1 << 20 };

/* A positive number in the environment, or 0. */
static int number_of(char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (int i = 0; environment[i]; i++)
        if (strncmp(environment[i], name, length) == 0 && environment[i][length] == '=') {
            long number = strtol(environment[i] + length + 1, NULL, 10);
            return number > 0 && number < MOST_THREADS ? (int)number : 0;
        }
    return 0;
}

/* As OpenBLAS counts them when it begins: built for OpenMP, it looks at OPENBLAS_NUM_THREADS only later. */
static int threads_of(char *const *environment)
{
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int wanted = number_of(environment, "OMP_NUM_THREADS");
    int threads = wanted > 0 && wanted < cores ? wanted : cores;
    return threads < MOST_THREADS ? threads : MOST_THREADS;
}

static void check_room(int argc, char **argv, char **environment)
{
    (void)argc, (void)argv;
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    int threads = threads_of(environment);
    size_t bytes = ((size_t)threads * BUFFER_MB + OTHERS_MB) * MB;
    void *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room != MAP_FAILED) {
        munmap(room, bytes);
        return;
    }
    char text[200];
    int length = snprintf(text, sizeof text,
                          "pretext: ulimit -v allows %llu MB, in which OpenBLAS has no room for its %d x %d MB, one "
                          "buffer per thread%s\n",
                          (unsigned long long)limit.rlim_cur / MB, threads, BUFFER_MB,
                          threads > 1 ? "; OMP_NUM_THREADS=1 takes one" : "");
    (void)!write(STDERR_FILENO, text, (size_t)length); /* without standard error nobody can be told */
    _exit(PX_FAIL);
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) = check_room;
