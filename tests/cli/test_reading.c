/* test_reading.c - the commands that only read: lists of methods and so on, sizes of backbones against timm's and
 * torchvision's, and a run's results as columns, as a summary, and as the method's pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eval/protocol.h"
#include "figures/plot.h"
#include "make_set.h"
#include "run.h"
#include "run_files.h"
#include "train/method.h"

#include <sys/stat.h>
#include <unistd.h>

static void says(run_result r, const char *text)
{
    if (r.status != 0 || !strstr(r.out, text))
        fail_msg("status %d, '%s' is not in: %s%s", r.status, text, r.out, r.err);
    run_finish(&r);
}

/* The loss, and where the method departs from its source. */
static void tells_about(const px_method *m)
{
    const char *text = m->departures ? m->departures : "none are known";
    char *departures = px_format("\nDepartures\n  %.*s\n", (int)strcspn(text, "\n"), text);
    run_result r = RUN("methods", m->name);
    assert_non_null(m->formula);
    assert_non_null(strstr(r.out, m->formula));
    says(r, departures);
    free(departures);
}

static void lists_name_all(void **state)
{
    (void)state;
    for (int i = 0; px_methods[i]; i++) {
        says(RUN("methods"), px_methods[i]->name);
        says(RUN("options"), px_methods[i]->summary);
        says(RUN("options", px_methods[i]->name), px_methods[i]->paper);
        tells_about(px_methods[i]);
    }
    for (int i = 0; px_backbone_families[i]; i++)
        says(RUN("backbones"), px_backbone_families[i]->variants[0].name);
    for (int i = 0; px_protocols[i]; i++) {
        says(RUN("probe", "--help"), px_protocols[i]->summary);
        says(RUN("options"), px_protocols[i]->title);
        says(RUN("man", "probe"), px_protocols[i]->options[0].help);
    }
    for (int i = 0; px_charts[i]; i++) {
        says(RUN("plot", "--list"), px_charts[i]->name);
        says(RUN("plot", "--list"), px_charts[i]->group);
        says(RUN("plot", "--help"), px_charts[i]->summary);
        says(RUN("man", "plot"), px_charts[i]->name);
    }
}

/* What is told of a method follows from the settings: SimSiam's heads are MLPs, DINO's teacher is as large as its student, whose
 * centre is kept. */
static void one_method(void **state)
{
    (void)state;
    says(RUN("methods", "simsiam", "simsiam.dim=96", "simsiam.predictor_hidden=24", "data.image_size=32"),
         "Views of each image, 32 px\n  views          2 x (3, 32, 32)\n");
    says(RUN("methods", "simsiam", "simsiam.dim=96", "simsiam.predictor_hidden=24"),
         "  projector      512 -> 96 -> 96 -> 96                       67968 parameters\n"
         "  predictor      96 -> 24 -> 96                               4752 parameters\n");
    says(RUN("methods", "dino", "dino.prototypes=640"), "Kept between steps\n  center         (1, 640)\n");
    says(RUN("methods", "byol"), "  teacher        follows them, without gradient           14334784 parameters\n");
    says(RUN("methods", "byol"), "CIFAR-10, ResNet-18, 1000 epochs: linear, online, 92.58 (solo-learn)\n");
    says(RUN("methods", "mae"), "  decoder_pred   96 -> 48                                     4656 parameters\n");
    run_result r = RUN("methods", "mae", "backbone=resnet18");
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "method mae works only with backbones of the family vit"));
    run_finish(&r);
}

static void write_line(const char *folder, const char *name, const char *text)
{
    write_content(folder, name, text, (long)strlen(text));
}

/* Recipes and results are those of the folder in which the program runs, if it has some. */
static void recipes_and_results(void **state)
{
    (void)state;
    char *folder = run_folder_create(), before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    says(RUN("methods", "byol"), "Ours\n  none in results/methods/README.md\n");
    assert_int_equal(mkdir("experiments", 0700) | mkdir("results", 0700) | mkdir("results/methods", 0700), 0);
    write_line("experiments", "a.cfg", "# Learns.\n# Slowly.\n#   pretext pretrain a.cfg\nmethod = \"byol\";\n");
    write_line("experiments", "b.cfg", "# Not this.\nmethod = \"simclr\";\n");
    write_line("results/methods", "README.md",
               "# All\n\n| method | k-NN | seconds |\n|---|---|---|\n| moco | 1 | 2 |\n"
               "| byol | 71.25 |  |\n");
    says(RUN("methods", "byol"),
         "Recipes\n  experiments/a.cfg\n     Learns.\n     Slowly.\n\nDepartures\n  none are known\n\nPublished");
    says(RUN("methods", "byol"), "Ours\n  method                   byol\n  k-NN                     71.25\n");
    assert_int_equal(chdir(before), 0);
    run_folder_remove(folder);
}

/* Nothing that a terminal would obey, and no wait for a pipe. */
static void hostile_recipes_and_results(void **state)
{
    (void)state;
    char *folder = run_folder_create(), before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mkdir("experiments", 0700) | mkdir("results", 0700) | mkdir("results/methods", 0700), 0);
    write_line("experiments", "b\033[2J.cfg", "# Learns\033[31m.\n#   pretext\nmethod = \"byol\";\n");
    write_line("results/methods", "README.md", "| method | k\033[1mNN |\n|---|---|\n| byol | 7\033[0m1 |\n");
    run_result r = RUN("methods", "byol");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "  experiments/b?[2J.cfg\n     Learns?[31m.\n"));
    assert_non_null(strstr(r.out, "  k?[1mNN                  7?[0m1\n"));
    assert_null(strchr(r.out, '\033'));
    run_finish(&r);
    assert_int_equal(remove("results/methods/README.md") | mkfifo("results/methods/README.md", 0600), 0);
    says(RUN("methods", "byol"), "Ours\n  results/methods/README.md: is a pipe, not a file\n");
    assert_int_equal(chdir(before), 0);
    run_folder_remove(folder);
}

/* Without the classifier: torchvision's resnet18 has 11,689,512 parameters, of which its classifier has 513,000, and 1.814 G
 * multiply-adds; timm's vit_tiny_patch16_224 has 5,717,416, of which 193,000. conv1 has 3 x 64 x 7 x 7 weights, each used at
 * 112 x 112 places. */
static void sizes_of_backbones(void **state)
{
    (void)state;
    says(RUN("summary", "resnet18"),
         "resnet18: 512 features, 11.177 M parameters, 1.814 G multiply-adds for an image of 224 px");
    says(RUN("summary", "resnet18"),
         "\nconv1                        conv2d           (1, 64, 112, 112)                9408        118013952\n");
    says(RUN("summary", "vit_tiny_16"),
         "vit_tiny_16: 192 features, 5.524 M parameters, 1.253 G multiply-adds for an image of 224 px");
    says(RUN("backbones"), "\n  resnet18               512     11.177      1.814   224 px\n");
    says(RUN("backbones"), "\n  vit_tiny_16            192      5.524      1.253   224 px\n");
}

static int lines(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void a_run_is_read(void **state)
{
    (void)state;
    char *folder = run_folder_create(), *run = px_format("%s/run", folder), *out = px_format("out=%s", run);
    char *data = make_set(folder, "d.h5", &(set_spec){.count = 96, .side = 16, .channels = 3, .classes = 4});
    char *path = px_format("data.path=%s", data);
    run_result r = RUN("pretrain", "method=mae", "backbone=vit_tiny_4", path, out, "epochs=1", "batch=24",
                       "optim.warmup_epochs=0", "mae.decoder_width=32", "mae.decoder_depth=1", "mae.decoder_heads=4");
    if (r.status != 0)
        fail_msg("%s", r.err);
    run_finish(&r);

    /* 72 images in steps of 24: a line of names, then three rows. */
    r = RUN("column", run, "train/loss", "lr");
    array loss = read_array(run, "run.h5", "/train/loss");
    int step;
    double first;
    assert_int_equal(r.status, 0);
    assert_int_equal(lines(r.out), 4);
    assert_int_equal(loss.count, 3);
    assert_int_equal(sscanf(strchr(r.out, '\n'), "%d %lf", &step, &first), 2);
    assert_int_equal(step, 0);
    assert_float_equal(first, loss.data[0], 1e-5 * loss.data[0]);
    free(loss.data);
    run_finish(&r);

    says(RUN("show", run), "vit_tiny_4");
    says(RUN("show", run, "--json"), "\"backbone\": \"vit_tiny_4\"");
    says(RUN("show", run, "--csv"), "run,protocol,subject,k,number,share,holdout_share,measured\n");
    says(RUN("compare", run), "vit_tiny_4");
    says(RUN("compare", run, "--json"), "\"core_seconds\": ");

    /* Images beside one another, masked and rebuilt: bytes of three channels. */
    array picture = read_array(run, "run.h5", "/figures/reconstruction");
    double least = 255, most = 0;
    for (int64_t i = 0; i < picture.count; i++) {
        least = fmin(least, picture.data[i]);
        most = fmax(most, picture.data[i]);
    }
    assert_true(picture.count > 3 * 16 * 16 && picture.count % 3 == 0);
    assert_true(least >= 0 && most <= 255 && most > least);
    free(picture.data);
    run_folder_remove(folder);
    free(run);
    free(out);
    free(data);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_name_all),      cmocka_unit_test(one_method),
        cmocka_unit_test(recipes_and_results), cmocka_unit_test(hostile_recipes_and_results),
        cmocka_unit_test(sizes_of_backbones),  cmocka_unit_test(a_run_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
