/* test_onnx.c - export writes a run's backbone as ONNX; under onnxruntime it gives the features of `pretext features`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_set.h"
#include "onnx/onnx.h"
#include "run.h"
#include "run_files.h"

#include <unistd.h>

typedef struct fixture {
    char *folder, *data, *set_data;
} fixture;

static void check(run_result r, int status, const char *says)
{
    if (r.status != status || !strstr(r.err, says))
        fail_msg("status %d, expected %d and '%s': %s", r.status, status, says, r.err);
    run_finish(&r);
}

static int set_up(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = run_folder_create();
    f->data = make_set(f->folder, "d.h5", &(set_spec){.count = 32, .side = 16, .channels = 3, .classes = 4});
    f->set_data = px_format("data.path=%s", f->data);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->data);
    free(f->set_data);
    free(f);
    return 0;
}

/* A run of one step. The caller frees its path. */
static char *train(const fixture *f, const char *name, const char *backbone, const char *option, const char *more,
                   const char *normalize)
{
    char *run = px_format("%s/%s", f->folder, name), *out = px_format("out=%s", run);
    check(RUN("pretrain", f->set_data, out, "epochs=1", "batch=24", "optim.warmup_epochs=0", backbone, option, more,
              normalize),
          0, "simclr on");
    free(out);
    return run;
}

/* Whether onnxruntime was there. */
static bool compare(const fixture *f, const char *run, const char *says)
{
    const char *script = getenv("ONNX_COMPARE"), *python = getenv("ONNX_PYTHON");
    char *file = px_format("%s/w.onnx", f->folder), *out = px_format("out=%s", file),
         *features = px_format("%s/f.h5", f->folder), *out_features = px_format("out=%s", features);
    check(RUN("export", run, out), 0, says);
    if (px_onnx_check(file) != 0)
        fail_msg("%s", px_error());
    assert_non_null(script);
    check(RUN("features", run, out_features), 0, "");
    char *command =
        px_format("'%s' '%s' '%s' '%s' '%s'", python && *python ? python : "python3", script, file, f->data, features);
    int status = system(command);
    bool there = !WIFEXITED(status) || WEXITSTATUS(status) != 77;
    if (there)
        assert_int_equal(status, 0);
    free(command);
    free(file);
    free(out);
    free(features);
    free(out_features);
    return there;
}

static void the_same_features(void **state)
{
    const fixture *f = *state;
    static const struct {
        const char *backbone, *option, *more, *normalize, *says;
    } cases[] = {
        {"backbone=resnet18", "resnet.width=0.125", "resnet.stem=auto", "data.normalize=dataset",
         "w.onnx: resnet18 after 1 steps of simclr, operator set 17; images (N, 3, 16, 16) with pixels from 0 to 1 -> "
         "features (N, 64)"},
        {"backbone=resnet18", "resnet.width=0.125", "resnet.stem=7x7", "data.normalize=imagenet", "features (N, 64)"},
        {"backbone=resnet50", "resnet.width=0.125", "resnet.stem=auto", "data.normalize=none", "features (N, 256)"},
        {"backbone=vit_tiny_4", "vit.pool=cls", "vit.positions=learned", "data.normalize=half", "features (N, 192)"},
        {"backbone=vit_tiny_8", "vit.pool=mean", "vit.positions=sincos", "data.normalize=none", "features (N, 192)"},
        {"backbone=vit_tiny_8", "vit.pool=mean_norm", "vit.layer_scale=0.1", "data.normalize=none",
         "features (N, 192)"},
        {"backbone=vit_tiny_8", "vit.registers=4", "vit.mlp=swiglu", "data.normalize=none", "features (N, 192)"},
        {"backbone=vit_tiny_8", "vit.distillation_token=true", "vit.qk_norm=true", "data.normalize=none",
         "features (N, 192)"},
        {"backbone=mobilenet_v3_small", "mobilenet_v3.width=0.5", "mobilenet_v3.stem=auto", "data.normalize=none",
         "features (N, 512)"},
        {"backbone=convnext_atto", "convnext.stem=auto", "convnext.layer_scale=0.1", "data.normalize=none",
         "features (N, 320)"},
        {"backbone=swin_tiny", "swin.patch=2", "swin.window=4", "data.normalize=none", "features (N, 768)"},
        {"backbone=swin_v2_tiny", "swin.patch=2", "swin.window=4", "data.normalize=none", "features (N, 768)"},
        {"backbone=nasnet_mobile", "nasnet.stem=3x3", "seed=1", "data.normalize=none", "features (N, 1056)"},
        {"backbone=googlenet", "googlenet.stem=auto", "googlenet.transform=true", "data.normalize=none",
         "features (N, 1024)"},
        {"backbone=alexnet", "alexnet.stem=auto", "alexnet.head=mean", "data.normalize=none", "features (N, "},
        {"backbone=vgg11_bn", "vgg.head=mean", "vgg.last_pool=auto", "data.normalize=none", "features (N, "},
        {"backbone=mobilenet_v1", "mobilenet_v1.width=0.25", "mobilenet_v1.stem=auto", "data.normalize=none",
         "features (N, "},
        {"backbone=mobilenet_v2", "mobilenet_v2.width=0.25", "mobilenet_v2.stem=auto", "data.normalize=none",
         "features (N, "},
        {"backbone=resnext50_32x4d", "resnet.width=0.25", "resnet.stem=auto", "data.normalize=none", "features (N, "},
        {"backbone=seresnet18", "resnet.width=0.125", "resnet.stem=auto", "data.normalize=none", "features (N, "},
    };
    bool there = true;
    if (px_onnx_missing())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "run%zu", i);
        char *run = train(f, name, cases[i].backbone, cases[i].option, cases[i].more, cases[i].normalize);
        there &= compare(f, run, cases[i].says);
        free(run);
    }
    if (!there)
        skip();
}

static void what_is_refused(void **state)
{
    const fixture *f = *state;
    char *run =
        train(f, "refused", "backbone=resnet18", "resnet.width=0.125", "resnet.stem=auto", "data.normalize=dataset");
    char *out = px_format("out=%s/no.onnx", f->folder), *file = px_format("%s/no.onnx", f->folder),
         *hidden = px_format("%s.hidden", f->data);
    check(RUN("export", run, "out=x.onx"), 2, "x.onx: the file's name must end with .safetensors or .onnx");
    check(RUN("export", run, "out=.onnx"), 2, "must end with");
    if (px_onnx_missing()) {
        check(RUN("export", run, out), 2, "this build of Pretext has no protobuf-c");
    } else {
        check(RUN("export", run, "--all", out), 2, "--all is for .safetensors; in ONNX the backbone is written");
        check(RUN("export", run, "net=teacher", out), 2,
              "the run has no teacher.conv1.weight, which resnet18 needs; only a method with a teacher has such a "
              "network");
        assert_int_equal(rename(f->data, hidden), 0);
        check(RUN("export", run, out), 0, "features (N, 64)"); /* the checkpoint has its numbers */
        assert_int_equal(unlink(file), 0);
        assert_int_equal(rename(hidden, f->data), 0);
    }
    assert_int_equal(access(file, F_OK), -1);
    free(run);
    free(out);
    free(file);
    free(hidden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_features),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests_name("onnx", tests, set_up, tear_down);
}
