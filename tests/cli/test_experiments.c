/* test_experiments.c - the program accepts every configuration in experiments/ and its folders: it fails only because the
 * data set does not exist. Each method has its recipes for CIFAR-10 and Imagenette, which say how to run them. probe.sh,
 * with a stand-in for the program, keeps the results of each file of weights apart, and writes an array of jobs that evaluates
 * what is left on each data set. The studies of the course give settings that the program takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "run.h"
#include "train/settings.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *experiments(void)
{
    const char *folder = getenv("PRETEXT_EXPERIMENTS");
    return folder ? folder : "experiments";
}

static void every_configuration_is_taken(void **state)
{
    (void)state;
    const char *folder = experiments();
    char *pattern = px_format("%s/*.cfg", folder), *deeper = px_format("%s/*/*.cfg", folder),
         *deepest = px_format("%s/*/*/*.cfg", folder), *out = run_folder_create();
    char *data = px_format("data.path=%s/missing.h5", out), *run = px_format("out=%s/run", out);
    glob_t found;
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(glob(deeper, GLOB_APPEND, NULL, &found), 0);
    assert_int_equal(glob(deepest, GLOB_APPEND, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        run_result r = RUN("pretrain", found.gl_pathv[i], data, run);
        if (r.status != 3 || !strstr(r.err, "missing.h5"))
            fail_msg("%s: status %d, %s", found.gl_pathv[i], r.status, r.err);
        run_finish(&r);
    }
    globfree(&found);
    free(run);
    free(data);
    run_folder_remove(out);
    free(pattern);
    free(deeper);
    free(deepest);
}

static char *text_of(const char *path)
{
    static char text[8192];
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = 0;
    assert_int_equal(fclose(in), 0);
    return text;
}

/* experiments/`set`/NAME.cfg says what NAME's method is, in its name (METHOD or METHOD_...), its head and where it writes. */
static const px_method *recipe_of(const char *path, const char *set)
{
    px_settings s;
    char *stem = px_strdup(strrchr(path, '/') + 1);
    *strstr(stem, ".cfg") = 0;
    char *out = px_format("runs/%s/%s", set, stem), *run = px_format("pretrain experiments/%s/%s.cfg", set, stem),
         *probe = px_format("pretext probe %s", out);
    if (px_settings_load(&s, path, NULL, 0) != 0)
        fail_msg("%s", px_error());
    const px_method *method = s.method;
    size_t length = strlen(method->name);
    const char *text = text_of(path);
    bool named = strncmp(stem, method->name, length) == 0 && (stem[length] == 0 || stem[length] == '_');
    if (!named || strcmp(s.train.out, out) != 0 || strncmp(text, "# ", 2) != 0 || !strstr(text, run))
        fail_msg("%s: another method, another folder, or a head without 'pretext %s'", path, run);
    if (!strstr(text, probe))
        fail_msg("%s: its head has no '%s'", path, probe);
    px_settings_finish(&s);
    free(probe);
    free(run);
    free(out);
    free(stem);
    return method;
}

static void each_method_has_its_recipes(void **state)
{
    (void)state;
    static const char *const sets[] = {"cifar10", "imagenette"};
    const char *folder = experiments();
    for (int set = 0; set < 2; set++) {
        char *pattern = px_format("%s/%s/*.cfg", folder, sets[set]);
        const px_method *has[256];
        size_t recipes = 0;
        glob_t found;
        assert_int_equal(glob(pattern, 0, NULL, &found), 0);
        assert_in_range(found.gl_pathc, 1, 256);
        for (size_t i = 0; i < found.gl_pathc; i++)
            if (!strstr(found.gl_pathv[i], "_short.cfg")) /* a recipe of ours, not of a source */
                has[recipes++] = recipe_of(found.gl_pathv[i], sets[set]);
        for (int i = 0; px_methods[i]; i++) {
            size_t at = 0;
            while (at < recipes && has[at] != px_methods[i])
                at++;
            if (at == recipes)
                fail_msg("experiments/%s has no recipe for %s", sets[set], px_methods[i]->name);
        }
        globfree(&found);
        free(pattern);
    }
}

/* ... and one of ours for minutes, which experiments/short.sh runs. */
static void each_method_has_a_short_recipe(void **state)
{
    (void)state;
    const char *folder = experiments();
    for (int i = 0; px_methods[i]; i++) {
        px_settings s;
        char *path = px_format("%s/cifar10/%s_short.cfg", folder, px_methods[i]->name);
        if (px_settings_load(&s, path, NULL, 0) != 0)
            fail_msg("%s", px_error());
        assert_ptr_equal(s.method, px_methods[i]);
        px_settings_finish(&s);
        free(path);
    }
}

static void put(const char *folder, const char *name, const char *text)
{
    char *path = px_format("%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, 0755), 0);
    free(path);
}

static void says(const char *const words[], const char *out)
{
    run_child c = run_start_command(words);
    run_result r = run_wait(&c);
    if (r.status != 0 || !strstr(r.out, out))
        fail_msg("status %d, no '%s' in:\n%s%s", r.status, out, r.out, r.err);
    run_finish(&r);
}

static void probe_sh_says(const char *script, const char *const weights[3], const char *out, const char *err)
{
    run_child c = run_start_command((const char *const[]){"bash", script, weights[0], weights[1], weights[2], NULL});
    run_result r = run_wait(&c);
    if (r.status != 0 || strcmp(r.out, out) != 0 || !strstr(r.err, err))
        fail_msg("status %d, not '%s' or no '%s' in:\n%s%s", r.status, out, err, r.out, r.err);
    run_finish(&r);
}

/* Files of the same name, but for the folder or the ending. */
static void weights_of_the_same_name(void **state)
{
    (void)state;
    const char *own = experiments();
    static const char *const names[] = {"a/model.pth", "b/model.pth", "b/model.safetensors"};
    char *folder = run_folder_create(), *script = px_format("%s/probe.sh", own),
         *program = px_format("%s/program", folder), *results = px_format("%s/out", folder), *weights[3], *before,
         *had = getenv("PRETEXT");
    before = had ? px_strdup(had) : NULL;
    /* keeps what it evaluates in out=FOLDER; a comparison prints that of each */
    put(folder, "program",
        "#!/bin/bash\n"
        "if [ $1 = probe ]; then\n"
        "  out=${*: -1} out=${out#out=}\n"
        "  mkdir -p \"$out\"; basename \"$2\" >>\"$out/evaluated\"; exit\n"
        "fi\n"
        "shift; for run; do cat \"$run/evaluated\"; done\n");
    for (int i = 0; i < 3; i++) {
        char *inner = px_format("%s/%c", folder, names[i][0]);
        mkdir(inner, 0700);
        put(folder, names[i], "weights");
        weights[i] = px_format("%s/%s", folder, names[i]);
        free(inner);
    }
    setenv("PRETEXT", program, 1);
    setenv("OUT", results, 1);
    const char *const all = "model.pth\nmodel.pth\nmodel.safetensors\n";
    probe_sh_says(script, (const char *const *)weights, all, "b/model.pth: is evaluated\n");
    probe_sh_says(script, (const char *const *)weights, all, "b/model.safetensors: is already evaluated\n");
    if (before)
        setenv("PRETEXT", before, 1);
    unsetenv("OUT");
    for (int i = 0; i < 3; i++)
        free(weights[i]);
    free(before);
    free(program);
    free(results);
    free(script);
    run_folder_remove(folder);
}

/* An array has a task for each run of which something is left to do, and a task evaluates it on each data set. */
static void an_array_of_evaluations(void **state)
{
    (void)state;
    char *folder = run_folder_create(), *script = px_format("%s/probe.sh", experiments()),
         *program = px_format("%s/program", folder), *results = px_format("%s/out", folder),
         *array = px_format("%s/out/probe.sbatch", folder),
         *run[2] = {px_format("%s/a", folder), px_format("%s/b c", folder)}, *had = getenv("PRETEXT"),
         *before = had ? px_strdup(had) : NULL,
         *wanted = px_format("probe %s/b c protocol=knn data.path=x.h5\nprobe %s/b c protocol=knn data.path=y.h5\n",
                             folder, folder);
    put(folder, "program", "#!/bin/bash\n[ $1 = compare ] || echo \"$@\"\n");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mkdir(run[i], 0700), 0);
        put(run[i], "checkpoint.h5", "");
    }
    setenv("PRETEXT", program, 1);
    setenv("OUT", results, 1);
    setenv("LAUNCH", "env", 1);
    setenv("SLURM_ARRAY_TASK_ID", "1", 1);
    const char *const words[] = {"bash",         script,           run[0],    run[1], "data.path=x.h5",
                                 "protocol=knn", "data.path=y.h5", "--slurm", NULL};
    says(words, "2 of 2 are to be evaluated: sbatch ");
    says((const char *const[]){"bash", array, NULL}, wanted); /* its second task */
    says(words, "1 of 2 are to be evaluated: sbatch ");
    setenv("SLURM_ARRAY_TASK_ID", "0", 1);
    says((const char *const[]){"bash", array, NULL}, "/a protocol=knn data.path=y.h5\n");
    says(words, "all 2 are evaluated\n");
    if (before)
        setenv("PRETEXT", before, 1);
    unsetenv("OUT");
    unsetenv("LAUNCH");
    unsetenv("SLURM_ARRAY_TASK_ID");
    free(wanted);
    free(before);
    free(run[0]);
    free(run[1]);
    free(array);
    free(results);
    free(program);
    free(script);
    run_folder_remove(folder);
}

/* Each study of the course starts its runs with settings that the program takes. A stand-in lists the runs of a grid, and lets
 * single ones and probes fail for want of data; what is wrong otherwise goes to the file "wrong". Nothing can be drawn then. */
static void the_course_has_settings_that_are_taken(void **state)
{
    (void)state;
    const char *own = experiments(), *had = getenv("PRETEXT");
    char *folder = run_folder_create(), *program = px_format("%s/program", folder),
         *pattern = px_format("%s/course/*/run.sh", own), *before = had ? px_strdup(had) : NULL,
         *text = px_format("#!/bin/bash\n"
                           "case $1 in\n"
                           "grid) \"%s\" \"$@\" --dry-run >>%s/listed 2>%s/err || cat %s/err >>%s/wrong ;;\n"
                           "pretrain) echo one >>%s/listed; \"%s\" \"$@\" 2>%s/err || grep -q missing.h5 %s/err || cat "
                           "%s/err >>%s/wrong ;;\n"
                           "*) exit 1 ;;\n"
                           "esac\n",
                           had ? had : "pretext", folder, folder, folder, folder, folder, had ? had : "pretext", folder,
                           folder, folder, folder),
         *listed = px_format("%s/listed", folder), *wrong = px_format("%s/wrong", folder),
         *data = px_format("%s/missing.h5", folder);
    glob_t found;
    put(folder, "program", text);
    setenv("PRETEXT", program, 1);
    setenv("DATA", data, 1);
    setenv("RUNS", folder, 1);
    setenv("FIGURES", folder, 1);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 16);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        unlink(listed);
        run_child c = run_start_command((const char *const[]){"bash", found.gl_pathv[i], NULL});
        run_result r = run_wait(&c);
        run_finish(&r);
        if (access(wrong, F_OK) == 0)
            fail_msg("%s: %s", found.gl_pathv[i], text_of(wrong));
        if (access(listed, F_OK) != 0)
            fail_msg("%s starts no run", found.gl_pathv[i]);
    }
    globfree(&found);
    if (before)
        setenv("PRETEXT", before, 1);
    unsetenv("DATA");
    unsetenv("RUNS");
    unsetenv("FIGURES");
    free(before);
    free(data);
    free(wrong);
    free(listed);
    free(text);
    free(pattern);
    free(program);
    run_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_configuration_is_taken),   cmocka_unit_test(each_method_has_its_recipes),
        cmocka_unit_test(each_method_has_a_short_recipe), cmocka_unit_test(weights_of_the_same_name),
        cmocka_unit_test(an_array_of_evaluations),        cmocka_unit_test(the_course_has_settings_that_are_taken)};
    return cmocka_run_group_tests_name("experiments", tests, NULL, NULL);
}
