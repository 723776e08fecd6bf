/* test_bad_methods.c - settings that a method cannot work with end with one line that names what would be right: a batch too
 * small for the statistics that it needs, a queue shorter than a step, too few prototypes, too low temperatures, crops larger than
 * images, a family of backbones that it cannot use. Where a test walks the table of methods, each method is refused or trains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "run.h"
#include "train/method.h"

enum { WORDS = 6 };

typedef struct fixture {
    char *folder, *data, *gray;
} fixture;

static int make_fixture(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = run_folder_create();
    char *set = make_set(f->folder, "d.h5", &(set_spec){.count = 24, .side = 32, .channels = 3, .classes = 3}),
         *gray = make_set(f->folder, "g.h5", &(set_spec){.count = 24, .side = 32, .channels = 1, .classes = 3});
    f->data = px_format("data.path=%s", set);
    f->gray = px_format("data.path=%s", gray);
    free(set);
    free(gray);
    *state = f;
    return 0;
}

static int remove_fixture(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->data);
    free(f->gray);
    free(f);
    return 0;
}

/* A run of its own: refused ones leave no folder, others are called by their first setting. */
static run_result pretrain(const fixture *f, const char *data, const char *const given[])
{
    char *out = px_format("out=%s/%s", f->folder, given[0]);
    const char *words[WORDS + 10] = {
        "pretrain", data, out, "threads=1", "data.workers=1", "epochs=0.2", "optim.warmup_epochs=0"};
    int n = 7;
    for (int i = 0; i < WORDS && given[i]; i++)
        words[n++] = given[i];
    run_child c = run_start(0, words);
    run_result r = run_wait(&c);
    free(out);
    return r;
}

static int lines(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* ---- a row per kind ---- */

static const struct {
    const char *given[WORDS], *says;
} rows[] = {
    /* the batch */
    {{"method=byol", "batch=1"}, "BYOL needs at least batch=2: one image has no variance for the batch norms"},
    {{"method=simsiam", "batch=1"}, "SimSiam needs at least batch=2"},
    {{"method=tico", "batch=1"}, "TiCo needs at least batch=2"},
    {{"method=swav", "batch=1"}, "SwAV needs at least batch=2"},
    {{"method=vicreg", "batch=1"}, "VICReg needs at least batch=2 for its variances"},
    {{"method=barlow_twins", "batch=1"}, "Barlow Twins needs at least batch=2 for its correlations"},
    {{"method=nnclr", "batch=1"}, "NNCLR needs at least batch=2"},
    {{"method=mocov3", "batch=1"}, "MoCo v3 needs at least batch=2"},
    {{"method=deepcluster", "batch=1"}, "DeepCluster needs at least batch=2"},
    {{"method=msn", "batch=1"}, "MSN needs at least batch=2: it spreads the images of a step over the prototypes"},
    /* the queue */
    {{"method=moco", "batch=8", "moco.queue=7"}, "moco.queue is too short for the keys of one step"},
    {{"method=moco", "batch=8", "moco.queue=8", "moco.symmetric=true"}, "moco.queue is too short"},
    {{"method=nnclr", "batch=8", "nnclr.queue=7"}, "nnclr.queue is too short for the projections of one step"},
    /* prototypes */
    {{"method=swav", "swav.prototypes=1"}, "swav.prototypes must be between 2 and"},
    {{"method=dino", "dino.prototypes=1"}, "dino.prototypes must be between 2 and"},
    {{"method=deepcluster", "batch=8", "deepcluster.prototypes=1"}, "deepcluster.prototypes must be at least 2"},
    {{"method=deepcluster", "batch=8", "data.limit=16", "deepcluster.prototypes=17"},
     "deepcluster.prototypes is more than the images of an epoch"},
    /* temperatures */
    {{"method=msn", "batch=8", "msn.temperature=0.005"}, "msn.temperature times msn.sharpen must be at least 0.023"},
    {{"method=msn", "batch=8", "msn.temperature=0.02", "msn.sharpen=1"}, "msn.temperature times msn.sharpen must"},
    {{"method=swav", "batch=8", "swav.epsilon=0.01"}, "swav.epsilon must be between 0.0125 and 100"},
    /* crops and patches */
    {{"method=swav", "batch=8", "swav.small_crops=2", "swav.small_size=40"}, "small_size is larger than the image"},
    {{"method=dino", "batch=8", "dino.small_crops=2", "dino.small_size=4"}, "small_size is less than 8 pixels"},
    {{"method=jigsaw", "batch=8", "data.image_size=16"}, "images of less than 24 px leave no patches"},
    {{"method=colorization", "batch=8", "data.image_size=30"}, "data.image_size must be a multiple of 4"},
    {{"method=simmim", "batch=8", "backbone=vit_tiny_8", "simmim.mask_size=12"},
     "simmim.mask_size must be whole patches"},
    {{"method=ijepa", "batch=8", "backbone=vit_tiny_16"}, "it needs at least 3 x 3 patches"},
    {{"method=ijepa", "batch=8", "ijepa.context=50"}, "context is more than there are patches in the smallest square"},
    {{"method=data2vec2", "batch=8", "backbone=vit_tiny_16"}, "mask_ratio leaves no patch visible"},
    {{"method=data2vec2", "batch=8", "data2vec2.decoder_groups=5"}, "decoder_groups must divide the backbone's width"},
    {{"method=maskfeat", "batch=8", "backbone=vit_tiny_8", "maskfeat.cell=3"}, "maskfeat.cell must divide the side"},
    {{"method=maskfeat", "batch=8", "backbone=vit_tiny_16", "data.image_size=16"},
     "maskfeat.mask_ratio hides no patch"},
    /* the family */
    {{"method=mae", "backbone=resnet18"}, "method mae works only with backbones of the family vit, not with resnet18"},
};

static void refuses(run_result r, const char *says)
{
    if (r.status != 2 || !strstr(r.err, says) || lines(r.err) != 1)
        fail_msg("status %d, not one line with '%s': %s", r.status, says, r.err);
    run_finish(&r);
}

static void a_row_per_kind(void **state)
{
    const fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refuses(pretrain(f, f->data, rows[i].given), rows[i].says);
}

static void gray_images_have_no_colours(void **state)
{
    const fixture *f = *state;
    refuses(pretrain(f, f->gray, (const char *[]){"method=colorization", "batch=8", NULL}),
            "it needs images of 3 channels");
}

/* ---- every method ---- */

/* Refused in one line with a larger batch that would do, or one step that ends well. */
static void a_batch_of_one(void **state)
{
    const fixture *f = *state;
    for (int i = 0; px_methods[i]; i++) {
        char *method = px_format("method=%s", px_methods[i]->name);
        run_result r =
            pretrain(f, f->data,
                     (const char *[]){method, "batch=1", px_methods[i]->family ? "data.limit=1" : "resnet.width=0.125",
                                      "data.limit=1", "epochs=1", NULL});
        bool refused = r.status == 2 && strstr(r.err, "batch") && lines(r.err) == 1,
             trained = r.status == 0 && strstr(r.err, "done: 1 steps in");
        if (!refused && !trained)
            fail_msg("%s with batch=1: status %d, %s", px_methods[i]->name, r.status, r.err);
        run_finish(&r);
        free(method);
    }
}

static void another_family(void **state)
{
    const fixture *f = *state;
    int count = 0;
    for (int i = 0; px_methods[i]; i++) {
        if (!px_methods[i]->family)
            continue;
        char *method = px_format("method=%s", px_methods[i]->name),
             *says = px_format("method %s works only with backbones of the family %s", px_methods[i]->name,
                               px_methods[i]->family);
        refuses(pretrain(f, f->data, (const char *[]){method, "backbone=alexnet", NULL}), says);
        free(says);
        free(method);
        count++;
    }
    assert_true(count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_row_per_kind), cmocka_unit_test(gray_images_have_no_colours),
                                       cmocka_unit_test(a_batch_of_one), cmocka_unit_test(another_family)};
    return cmocka_run_group_tests_name("bad methods", tests, make_fixture, remove_fixture);
}
