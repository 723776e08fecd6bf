/* test_cost.c - what a run has cost is added up over ranks, starts and evaluations, and shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "results/ledger.h"
#include "run.h"
#include "run_files.h"

#include <math.h>

static px_ledger_total costs_of(const char *run)
{
    px_results *r = open_h5(run, "run.h5");
    px_ledger_total t;
    assert_int_equal(px_ledger_read(r, &t), 0);
    px_results_close(r);
    return t;
}

static void succeeds(run_result r)
{
    if (r.status != 0)
        fail_msg("%s%s", r.out, r.err);
    run_finish(&r);
}

static void added_over_starts_and_evaluations(void **state)
{
    const char *folder = *state;
    char *data = make_set(folder, "d.h5", &(set_spec){.count = 128, .side = 16, .channels = 3, .classes = 4});
    char *set_data = px_format("data.path=%s", data), *run = px_format("%s/run", folder),
         *out = px_format("out=%s", run);
#define SETTINGS                                                                                                       \
    set_data, out, "resnet.width=0.125", "batch=16", "optim.lr=0.01", "optim.warmup_epochs=0", "threads=1",            \
        "data.workers=1"
    succeeds(RUN_RANKS(2, "pretrain", SETTINGS, "epochs=2"));
    px_ledger_total one = costs_of(run);
    const px_ledger *l = &one.sum;
    assert_int_equal(one.sessions, 1);
    assert_true(l->images == 12 * 16 && l->ranks == 2);
    assert_true(l->multiply_adds > 0 && l->peak_bytes > 1e7);
    for (int i = 0; i < PX_PARTS; i++)
        assert_true(l->wall[i] >= 0 && isfinite(l->core[i]) &&
                    (i == PX_PART_EVALUATION || l->wall[i] + l->core[i] > 0));
    /* Both ranks send half of the gradients twice, as float32; weights of 0.17 million parameters. */
    array conv = read_array(run, "checkpoint.h5", "/parameters/conv1.weight");
    assert_true(l->bytes_sent > 12 * 2 * 4 * (double)conv.count && l->bytes_sent < 1e9);
    free(conv.data);

    succeeds(RUN("pretrain", SETTINGS, "epochs=3", "--resume"));
    px_ledger_total two = costs_of(run);
    assert_int_equal(two.sessions, 2);
    assert_true(two.sum.images == 18 * 16 && two.sum.bytes_sent == l->bytes_sent);
    assert_true(fabs(two.sum.multiply_adds / l->multiply_adds - 1.5) < 1e-3);
    assert_true(px_ledger_wall(&two.sum) > px_ledger_wall(l));

    succeeds(RUN("probe", run, "protocol=knn"));
    px_ledger_total three = costs_of(run);
    assert_int_equal(three.sessions, 3);
    assert_true(three.sum.wall[PX_PART_EVALUATION] > 0 && three.sum.images == two.sum.images);

    run_result shown = RUN("show", run);
    assert_non_null(strstr(shown.out, "Cost of 3 sessions, 2 ranks at most"));
    assert_non_null(strstr(shown.out, "points per core-hour"));
    assert_non_null(strstr(shown.out, one.without_energy ? "does not report it" : "kJ"));
    run_finish(&shown);
    free(set_data);
    free(data);
    free(out);
    free(run);
}

static int set_up(void **state)
{
    run_allow_root();
    *state = run_folder_create();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(added_over_starts_and_evaluations)};
    return cmocka_run_group_tests_name("cost", tests, set_up, run_folder_leave);
}
