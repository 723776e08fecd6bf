/* test_decay.c - a run's weight decay changes as optim.weight_decay_end says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"
#include "run_files.h"

/* The losses of all steps. */
static array train(const char *folder, const char *data, const char *name, const char *setting)
{
    char *out = px_format("out=%s/%s", folder, name), *set = px_format("data.path=%s", data),
         *run = px_format("%s/%s", folder, name);
    run_result r = RUN("pretrain", "method=simclr", out, set, setting, "resnet.width=0.125", "batch=16", "epochs=3",
                       "optim.optimizer=adamw", "optim.lr=0.01", "optim.weight_decay=0.1", "optim.warmup_epochs=0",
                       "data.workers=1", "precision=fp32");
    if (r.status != 0)
        fail_msg("%s: status %d, %s", name, r.status, r.err);
    run_finish(&r);
    array losses = read_array(run, "run.h5", "/train/loss");
    free(run);
    free(set);
    free(out);
    return losses;
}

static void decay_goes_where_it_is_told(void **state)
{
    (void)state;
    char *folder = run_folder_create();
    char *data = make_set(folder, "d.h5", &(set_spec){.count = 96, .side = 24, .channels = 3, .classes = 5});
    array stays = train(folder, data, "stays", "optim.weight_decay_end=-1"),
          same = train(folder, data, "same", "optim.weight_decay_end=0.1"),
          grows = train(folder, data, "grows", "optim.weight_decay_end=1");
    assert_true(stays.count == same.count && stays.count == grows.count && stays.count > 2);
    for (int64_t i = 0; i < stays.count; i++)
        assert_true(stays.data[i] == same.data[i]);
    assert_true(stays.data[0] == grows.data[0]); /* it begins at weight_decay */
    assert_true(stays.data[stays.count - 1] != grows.data[grows.count - 1]);
    free(stays.data);
    free(same.data);
    free(grows.data);
    free(data);
    run_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(decay_goes_where_it_is_told)};
    return cmocka_run_group_tests_name("decay", tests, NULL, NULL);
}
