/* small_run.h - a run that is quickly pretrained, for tests of what is done with its features.
 *
 *     static int setup(void **state) { return small_run_create(state, "epochs=1"); }       // run_folder_leave ends it
 *     succeeds(RUN("probe", "run", "protocol=knn"));
 *     double top1 = number("/eval/knn/pretrained/top1");
 */
#ifndef PX_TESTS_CLI_SMALL_RUN_H
#define PX_TESTS_CLI_SMALL_RUN_H

#include "make_set.h"
#include "run.h"
#include "run_files.h"

#include <unistd.h>

enum { SMALL_RUN_IMAGES = 320 };

/* In a new folder, which becomes the current one: d.h5, images of 4 classes; bare.h5, where every third of them has no label; and
 * the folder `run`. 0, or what setting up fails with. */
static inline int small_run_create(void **state, const char *epochs)
{
    char *folder = run_folder_create();
    *state = folder;
    if (!folder || chdir(folder) != 0)
        return -1;
    set_spec spec = {.count = SMALL_RUN_IMAGES, .side = 16, .channels = 3, .classes = 4};
    free(make_set(".", "d.h5", &spec));
    spec.bare = 3;
    free(make_set(".", "bare.h5", &spec));
    run_result r = RUN("pretrain", "method=simclr", "resnet.width=0.125", "data.path=d.h5", "batch=48", epochs,
                       "optim.warmup_epochs=0", "threads=1", "out=run");
    int status = r.status;
    if (status != 0)
        fprintf(stderr, "%s", r.err);
    run_finish(&r);
    return status;
}

static inline void succeeds(run_result r)
{
    if (r.status != 0)
        fail_msg("%s", r.err);
    run_finish(&r);
}

/* A number in run/run.h5. */
static inline double number(const char *path)
{
    array a = read_array("run", "run.h5", path);
    assert_int_equal(a.count, 1);
    double value = a.data[0];
    free(a.data);
    return value;
}

#endif
