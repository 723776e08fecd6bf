/* test_weights.c - export writes a run's weights, and features, probe and init= read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/safetensors.h"
#include "make_set.h"
#include "run.h"
#include "run_files.h"

#include <unistd.h>

typedef struct fixture {
    char *folder, *data, *set_data, *run, *weights, *weights_out, *out; /* the settings data.path, out and out */
} fixture;

static void check(run_result r, int status, const char *says)
{
    if (r.status != status || !strstr(r.err, says))
        fail_msg("status %d, expected %d and '%s': %s", r.status, status, says, r.err);
    run_finish(&r);
}

/* A run of two steps, and its weights. */
static int set_up(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = run_folder_create();
    f->data = make_set(f->folder, "d.h5", &(set_spec){.count = 64, .side = 16, .channels = 3, .classes = 4});
    f->set_data = px_format("data.path=%s", f->data);
    f->run = px_format("%s/run", f->folder);
    f->weights_out = px_format("out=%s/w.safetensors", f->folder);
    f->weights = px_strdup(f->weights_out + 4);
    f->out = px_format("out=%s", f->run);
    *state = f;
    check(RUN("pretrain", f->set_data, f->out, "epochs=1", "batch=24", "resnet.width=0.125", "optim.warmup_epochs=0"),
          0, "simclr on resnet18");
    check(RUN("export", f->run, f->weights_out), 0, "w.safetensors: 120 tensors of resnet18, simclr after 2 steps");
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->data);
    free(f->set_data);
    free(f->run);
    free(f->weights);
    free(f->weights_out);
    free(f->out);
    free(f);
    return 0;
}

static void the_same_features(void **state)
{
    const fixture *f = *state;
    char *of_run = px_format("out=%s/a.h5", f->folder), *of_weights = px_format("out=%s/b.h5", f->folder);
    check(RUN("features", f->run, of_run), 0, "");
    check(RUN("features", f->weights, f->set_data, of_weights), 0, "100 tensors of the backbone");
    array a = read_array(f->folder, "a.h5", "/features"), b = read_array(f->folder, "b.h5", "/features");
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.data, b.data, (size_t)a.count * sizeof a.data[0]);
    free(a.data);
    free(b.data);
    free(of_run);
    free(of_weights);
}

/* The same tensor of two weights files: whether they are equal. */
static bool same_tensor(const char *a, const char *b, const char *name)
{
    px_tensor_file *f[2];
    const px_stored_tensor *t[2];
    float *x[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(px_tensor_file_open(&f[i], i == 0 ? a : b), 0);
        assert_non_null(t[i] = px_tensor_file_find(f[i], name));
        x[i] = px_calloc((size_t)px_shape_count(t[i]->shape), sizeof x[i][0]);
        px_stored_tensor_read(t[i], x[i]);
    }
    bool same = memcmp(x[0], x[1], (size_t)px_shape_count(t[0]->shape) * sizeof x[0][0]) == 0;
    for (int i = 0; i < 2; i++) {
        free(x[i]);
        px_tensor_file_close(f[i]);
    }
    return same;
}

/* With momentum 0 a teacher has its student's weights after each step, and, as it sees the same images, the same running
 * statistics. */
static void a_teacher(void **state)
{
    const fixture *f = *state;
    char *run = px_format("%s/byol", f->folder), *out = px_format("out=%s", run),
         *student = px_format("%s/student.safetensors", f->folder), *out_student = px_format("out=%s", student),
         *teacher = px_format("%s/teacher.safetensors", f->folder), *out_teacher = px_format("out=%s", teacher),
         *of_run = px_format("out=%s/c.h5", f->folder), *of_weights = px_format("out=%s/d2.h5", f->folder),
         *elsewhere = px_format("out=%s/elsewhere", f->folder);
    check(RUN("pretrain", f->set_data, out, "method=byol", "byol.hidden=16", "byol.dim=8", "byol.momentum=0",
              "byol.momentum_end=0", "epochs=1", "batch=24", "resnet.width=0.125", "optim.warmup_epochs=0"),
          0, "byol on resnet18");
    check(RUN("export", run, out_student), 0, "120 tensors");
    check(RUN("export", run, out_teacher, "net=teacher"), 0, "120 tensors");
    assert_true(same_tensor(student, teacher, "layer4.1.conv2.weight"));
    assert_true(same_tensor(student, teacher, "layer4.1.bn2.running_mean"));

    check(RUN("features", run, "net=teacher", of_run), 0, "");
    check(RUN("features", teacher, f->set_data, of_weights), 0, "100 tensors of the backbone");
    array a = read_array(f->folder, "c.h5", "/features"), b = read_array(f->folder, "d2.h5", "/features");
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.data, b.data, (size_t)a.count * sizeof a.data[0]);
    free(a.data);
    free(b.data);
    check(RUN("probe", run, "net=teacher", "protocol=knn", "embed=0", "test_split=train"), 0, "");
    array top1 = read_array(run, "run.h5", "/eval/knn/teacher/top1"),
          nearest = read_array(run, "run.h5", "/eval/knn/teacher/neighbours/similarity");
    assert_true(top1.count > 0);
    assert_int_equal(nearest.count, 10 * 8);
    for (int i = 0; i < nearest.count; i += 8) /* an image that is learned from is nearest to itself */
        assert_true(fabs(nearest.data[i] - 1) < 1e-6);
    free(top1.data);
    free(nearest.data);

    static const char none[] = "net = teacher, but the run has no such network; only a method with a teacher has one";
    check(RUN("export", f->run, out_teacher, "net=teacher"), 2, none);
    check(RUN("features", f->run, "net=teacher", of_run), 2, none);
    check(RUN("probe", f->run, "net=teacher"), 2, none);
    check(RUN("probe", teacher, "net=teacher", f->set_data, elsewhere), 2, "a weights file has one network");
    assert_int_not_equal(access(elsewhere + 4, F_OK), 0);
    free(run);
    free(out);
    free(student);
    free(out_student);
    free(teacher);
    free(out_teacher);
    free(of_run);
    free(of_weights);
    free(elsewhere);
}

/* The old -o, --data and --split mean out=, data.path= and data.split=; the first rank says so in one line. */
static void old_spellings(void **state)
{
    const fixture *f = *state;
    char *file = px_format("%s/old.h5", f->folder), *out = px_format("out=%s/new.h5", f->folder),
         *note =
             px_format("note: --data %s is now written data.path=%s, -o %s is now written out=%s, --split test is now "
                       "written data.split=test\n",
                       f->data, f->data, file, file);
    run_result r = RUN_RANKS(2, "features", f->run, "--data", f->data, "-o", file, "--split", "test");
    const char *once = strstr(r.err, note);
    if (r.status != 0 || !once || strstr(once + 1, "note: "))
        fail_msg("status %d, not once '%s': %s", r.status, note, r.err);
    run_finish(&r);
    check(RUN("features", f->run, out, f->set_data, "data.split=test"), 0, "");
    array old = read_array(f->folder, "old.h5", "/rows"), rows = read_array(f->folder, "new.h5", "/rows");
    assert_true(rows.count > 0 && rows.count < 64);
    assert_int_equal(old.count, rows.count);
    assert_memory_equal(old.data, rows.data, (size_t)rows.count * sizeof rows.data[0]);
    free(old.data);
    free(rows.data);
    free(file);
    free(out);
    free(note);
}

static void a_beginning(void **state)
{
    const fixture *f = *state;
    char *out = px_format("out=%s/next", f->folder), *init = px_format("init=%s", f->weights);
    check(RUN("pretrain", f->set_data, out, "epochs=0.5", "batch=24", "resnet.width=0.125", "optim.warmup_epochs=0",
              init),
          0, "w.safetensors: 100 tensors of the backbone");
    unlink(f->weights);
    check(RUN("pretrain", f->set_data, out, "epochs=1", "batch=24", "resnet.width=0.125", "optim.warmup_epochs=0", init,
              "--resume"),
          0, "resumed at step 1 of 2"); /* init= is no longer needed */
    check(RUN("export", f->run, "--all", f->weights_out), 0, "131 tensors");
    char *other = px_format("out=%s/other", f->folder);
    check(RUN("pretrain", f->set_data, other, "epochs=0.5", "batch=24", "resnet.width=0.25", "optim.warmup_epochs=0",
              init),
          3,
          "tensor conv1.weight is (8, 3, 3, 3), but resnet18 with these options has (16, 3, 3, 3); resnet.width=0.125 "
          "would fit");
    free(out);
    free(init);
    free(other);
}

static void a_probe(void **state)
{
    const fixture *f = *state;
    char *folder = px_format("%s/probe", f->folder), *out = px_format("out=%s", folder);
    check(RUN("probe", f->weights, f->set_data, "linear.epochs=2"), 2,
          "out is not set: the folder for the results of ");
    check(RUN("probe", f->weights, f->set_data, f->out), 2, "already contains a run");
    check(RUN("probe", f->weights, f->set_data, out, "linear.epochs=2", "embed=0"), 0, "100 tensors of the backbone");
    px_results *r = open_h5(folder, "run.h5");
    char *command;
    double ranks;
    assert_int_equal(px_results_get_attribute_text(r, "/provenance", "command", &command), 0);
    assert_non_null(strstr(command, "pretext probe "));
    assert_non_null(strstr(command, out));
    assert_int_equal(px_results_get_attribute_real(r, "/provenance", "ranks", &ranks), 0);
    assert_true(ranks == 1);
    free(command);
    px_results_close(r);
    array top1 = read_array(folder, "run.h5", "/eval/linear/pretrained/top1");
    assert_true(top1.count == 1 && top1.data[0] >= 0 && top1.data[0] <= 1);
    free(top1.data);
    free(folder);
    free(out);
}

static void weights_of_others(void **state)
{
    const fixture *f = *state;
    char *o = px_format("out=%s/other.h5", f->folder);
    check(RUN("export", f->run, f->weights_out), 0, "");
    check(RUN("features", f->weights, "backbone=vit_tiny_8", f->set_data, o), 3,
          "w.safetensors: its weights are for resnet18, not for vit_tiny_8; backbone= can be left out\n");
    free(o);
}

/* The filters' three channels are summed. */
static void gray_images_give_what_their_rgb_copies_give(void **state)
{
    const fixture *f = *state;
    set_spec spec = {.count = 8, .side = 16, .channels = 1, .classes = 2};
    char *gray = make_set(f->folder, "gray.h5", &spec);
    spec.channels = 3;
    spec.gray = true;
    char *copy = make_set(f->folder, "copy.h5", &spec);
    char *of_gray = px_format("data.path=%s", gray), *of_copy = px_format("data.path=%s", copy);
    char *a_out = px_format("out=%s/gray_features.h5", f->folder),
         *b_out = px_format("out=%s/copy_features.h5", f->folder);
    check(RUN("export", f->run, f->weights_out), 0, "");
    check(RUN("features", f->weights, of_gray, a_out), 0,
          "note: the images are gray and the weights for RGB: the three channels of the first filters were summed\n");
    check(RUN("features", f->weights, of_copy, b_out), 0, "");
    array a = read_array(f->folder, "gray_features.h5", "/features"),
          b = read_array(f->folder, "copy_features.h5", "/features");
    assert_int_equal(a.count, b.count);
    double most = 0;
    for (int64_t i = 0; i < a.count; i++)
        most = fmax(most, fabs(b.data[i]));
    for (int64_t i = 0; i < a.count; i++)
        assert_true(fabs(a.data[i] - b.data[i]) <= 2e-6 * most);
    char *const made[] = {gray, copy, of_gray, of_copy, a_out, b_out, (char *)a.data, (char *)b.data};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        free(made[i]);
}

/* Without CONFIG, --resume takes the run's width, batch and optimizer; settings besides out= override them. */
static void resumed_without_a_configuration(void **state)
{
    const fixture *f = *state;
    check(RUN("pretrain", "--resume", f->out, "epochs=2"), 0, "resumed at step 2 of 4");
    check(RUN("pretrain", "--resume", f->out, "method=quarter_turns"), 2, "one from outside needs --plugin FILE.so");
}

/* export is for one process; three of them write the same file, and none fails. */
static void by_several_processes(void **state)
{
    const fixture *f = *state;
    check(RUN_RANKS(3, "export", f->run, f->weights_out), 0, "120 tensors");
}

static void a_name_that_tells_nothing(void **state)
{
    const fixture *f = *state;
    check(RUN("export", f->run, "out=weights.bin"), 2, "the file's name must end with .safetensors");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_features),
        cmocka_unit_test(a_teacher),
        cmocka_unit_test(old_spellings),
        cmocka_unit_test(a_beginning),
        cmocka_unit_test(a_probe),
        cmocka_unit_test(weights_of_others),
        cmocka_unit_test(gray_images_give_what_their_rgb_copies_give),
        cmocka_unit_test(resumed_without_a_configuration),
        cmocka_unit_test(by_several_processes),
        cmocka_unit_test(a_name_that_tells_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
