/* test_memory.c - what the system says of memory, from files as kernels write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024.0 * 1024.0)

static char *root;

static int setup(void **state)
{
    (void)state;
    char name[] = "/tmp/test_memory.XXXXXX";
    root = mkdtemp(name) ? px_strdup(name) : NULL;
    return root ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char *command = px_format("rm -r '%s'", root);
    int status = system(command);
    free(command);
    free(root);
    return status;
}

static void put(const char *path, const char *text)
{
    char *folder = px_format("mkdir -p \"$(dirname '%s%s')\"", root, path), *whole = px_format("%s%s", root, path);
    assert_int_equal(system(folder), 0);
    FILE *f = fopen(whole, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    free(folder);
    free(whole);
}

static void expect(double mib, const char *limit)
{
    px_memory m = px_memory_of_host(root);
    if (fabs(m.bytes / MIB - mib) > 1e-6 || !strstr(m.limit, limit))
        fail_msg("%g MiB, %s; not %g, %s", m.bytes / MIB, m.limit, mib, limit);
}

static void nothing_is_known(void **state)
{
    (void)state;
    px_memory m = px_memory_of_host(root);
    assert_true(isinf(m.bytes));
}

static void the_kernel(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemTotal:       25165824 kB\nMemFree:         1048576 kB\nMemAvailable:   20971520 kB\n"
                         "SwapFree:       99999999 kB\n");
    expect(20480, "available by /proc/meminfo");
}

static void version_2(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/job/step\n");
    put("/sys/fs/cgroup/job/step/memory.max", "max\n");
    put("/sys/fs/cgroup/job/step/memory.current", "123\n");
    expect(20480, "/proc/meminfo");
    put("/sys/fs/cgroup/job/memory.max", "4294967296\n"); /* the job's limit is above the step's */
    put("/sys/fs/cgroup/job/memory.current", "3221225472\n");
    expect(1024, "control group");
    put("/sys/fs/cgroup/job/memory.stat", "anon 5\ninactive_file 104857600\nactive_file 209715200\n");
    expect(1324, "/sys/fs/cgroup/job");
}

static void version_1(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "5:cpu:/\n4:memory:/outside/of/the/container\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "52428800\n");
    expect(20480, "/proc/meminfo");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "157286400\n");
    put("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 1048576\n");
    expect(101, "/sys/fs/cgroup/memory");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "999999999\n"); /* more than the limit: nothing is left */
    expect(0, "/sys/fs/cgroup/memory");
}

/* Bytes. A sanitizer alone takes many TiB. */
static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu", &pages), 1);
    fclose(f);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void the_process(void **state)
{
    (void)state;
    enum { IGNORED = 2 };
    px_memory free_one = px_memory_of_process();
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < (rlim_t)1 << 34)
        skip(); /* the tests themselves run under a limit */
    if (limit.rlim_cur == RLIM_INFINITY)
        assert_true(isinf(free_one.bytes));
    rlim_t most = address_space() + ((rlim_t)1 << 34);
    pid_t child = fork();
    if (child == 0) {
        limit.rlim_cur = most;
        setrlimit(RLIMIT_AS, &limit);
        getrlimit(RLIMIT_AS, &limit);
        if (limit.rlim_cur != most)
            _exit(IGNORED);
        px_memory m = px_memory_of_process();
        bool good = m.bytes > 1e9 && m.bytes <= 17179869184.0 && strstr(m.limit, "ulimit -v");
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(px_memory_resident() > MIB);
    if (WIFEXITED(status) && WEXITSTATUS(status) == IGNORED) {
        print_message("qemu ignores limits of the address space\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void as_text(void **state)
{
    (void)state;
    const struct {
        double bytes;
        const char *text;
    } cases[] = {{0, "0 bytes"},
                 {999, "999 bytes"},
                 {1536, "1.5 KiB"},
                 {20 * MIB, "20 MiB"},
                 {1000 * MIB, "1.0 GiB"},
                 {22.4 * 1024 * MIB, "22 GiB"},
                 {997845459008.0, "929 GiB"},
                 {3e12, "2.7 TiB"}};
    char buffer[32];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(px_bytes_text(cases[i].bytes, buffer), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_known), cmocka_unit_test(the_kernel),
                                       cmocka_unit_test(version_2),        cmocka_unit_test(version_1),
                                       cmocka_unit_test(the_process),      cmocka_unit_test(as_text)};
    return cmocka_run_group_tests_name("memory", tests, setup, teardown);
}
