/* test_energy.c - RAPL's counters, in a folder made to look like Linux's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/energy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/pretext-energy-XXXXXX";

static void put(const char *zone, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/sys/class/powercap/%s/%s", root, zone, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s\n", text);
    fclose(f);
}

static void make_zone(const char *zone, const char *name, const char *microjoules)
{
    char path[256];
    snprintf(path, sizeof path, "%s/sys/class/powercap/%s", root, zone);
    assert_int_equal(mkdir(path, 0755), 0);
    put(zone, "name", name);
    put(zone, "energy_uj", microjoules);
    put(zone, "max_energy_range_uj", "262143328850");
}

static void machine_that_does_not_tell(void **state)
{
    (void)state;
    px_energy e;
    px_energy_begin(&e, root);
    assert_true(e.zones == 0 && isnan(px_energy_joules(&e)));
}

/* Packages and memory count; cores are in their package, psys is the whole machine. A counter begins again. */
static void packages_and_memory(void **state)
{
    (void)state;
    px_energy e;
    make_zone("intel-rapl:0", "package-0", "1000000");
    make_zone("intel-rapl:0:0", "core", "500000");
    make_zone("intel-rapl:0:1", "dram", "300000");
    make_zone("intel-rapl:1", "psys", "9000000");
    make_zone("intel-rapl:2", "package-1", "262143000000");
    px_energy_begin(&e, root);
    assert_int_equal(e.zones, 3);
    assert_true(px_energy_joules(&e) == 0);
    put("intel-rapl:0", "energy_uj", "3500000");
    put("intel-rapl:0:0", "energy_uj", "2500000");
    put("intel-rapl:0:1", "energy_uj", "800000");
    put("intel-rapl:1", "energy_uj", "99000000");
    put("intel-rapl:2", "energy_uj", "671150"); /* 1 J after 262143.0 J: the range is 262143.32885 J */
    assert_true(fabs(px_energy_joules(&e) - (2.5 + 0.5 + 1)) < 1e-6);
    char path[256];
    snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:0/energy_uj", root);
    unlink(path);
    assert_true(isnan(px_energy_joules(&e))); /* rather than too few */
}

static int set_up(void **state)
{
    (void)state;
    char path[256];
    if (!mkdtemp(root))
        return -1;
    for (const char *const *sub = (const char *const[]){"sys", "sys/class", "sys/class/powercap", NULL}; *sub; sub++) {
        snprintf(path, sizeof path, "%s/%s", root, *sub);
        if (mkdir(path, 0755) != 0)
            return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(machine_that_does_not_tell),
                                       cmocka_unit_test(packages_and_memory)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
