/* test_ledger.c - costs of several sessions are added; each session counts by its last row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "results/ledger.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/pretext-ledger-XXXXXX", path[64];

static px_ledger cost(double scale, double joules)
{
    px_ledger l = {.images = 10 * scale,
                   .multiply_adds = 1e9 * scale,
                   .bytes_sent = 7 * scale,
                   .peak_bytes = 100 + scale,
                   .joules = joules,
                   .ranks = scale};
    for (int i = 0; i < PX_PARTS; i++) {
        l.wall[i] = i * scale;
        l.core[i] = 2 * i * scale;
    }
    return l;
}

static void sessions_are_added(void **state)
{
    (void)state;
    px_results *r;
    px_ledger_total t;
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_ledger_read(r, &t), 0);
    assert_int_equal(t.sessions, 0);
    assert_int_equal(px_ledger_sessions(r), 0);
    assert_int_equal(px_ledger_series(r), 0);
    const px_ledger rows[] = {cost(1, 5), cost(2, 9), cost(4, NAN)};
    assert_int_equal(px_ledger_row(r, 1, 10, &rows[0]), 0);
    assert_int_equal(px_ledger_row(r, 1, 20, &rows[1]), 0);
    assert_int_equal(px_results_close(r), 0);

    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_ledger_sessions(r), 1);
    assert_int_equal(px_ledger_series(r), 0);
    assert_int_equal(px_results_live(r), 0);
    assert_int_equal(px_ledger_row(r, 2, 15, &rows[2]), 0); /* a run that goes on from before its last row */
    assert_int_equal(px_results_close(r), 0);

    /* A third one is killed while it writes its second row: the first counts. */
    px_ledger torn = cost(5, 0);
    torn.wall[PX_PARTS - 1] = NAN;
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_ledger_series(r), 0);
    assert_int_equal(px_results_live(r), 0);
    assert_int_equal(px_ledger_row(r, 3, 30, &(px_ledger){.peak_bytes = 1, .joules = 0, .ranks = 1}), 0);
    assert_int_equal(px_ledger_row(r, 3, 40, &torn), 0);
    assert_int_equal(px_results_close(r), 0);

    assert_int_equal(px_results_open(&r, path, PX_RESULTS_READ), 0);
    assert_int_equal(px_ledger_read(r, &t), 0);
    px_results_close(r);
    assert_int_equal(t.sessions, 3);
    assert_int_equal(t.without_energy, 1);
    assert_true(t.sum.images == 60 && t.sum.multiply_adds == 6e9 && t.sum.bytes_sent == 42);
    assert_true(t.sum.peak_bytes == 104 && t.sum.joules == 9 && t.sum.ranks == 4);
    double parts = PX_PARTS * (PX_PARTS - 1) / 2.0;
    assert_true(px_ledger_wall(&t.sum) == 6 * parts && px_ledger_core_seconds(&t.sum) == 12 * parts);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/run.h5", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sessions_are_added)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
