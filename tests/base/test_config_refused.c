/* test_config_refused.c - configurations that are refused, with the message of each. */
#include "config_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct refusal {
    const char *text, *message;
} refusal;

static void files_are_refused(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"epochs = 2.5;", "a.cfg:1: epochs must be an integer, not 2.5"},
        {"epochs = \"ten\";", "a.cfg:1: epochs must be an integer, not \"ten\""},
        {"\n\nepochs = 0;", "a.cfg:3: epochs must be between 1 and 10000, not 0"},
        {"epochs = 5000000000;", "a.cfg:1: epochs must be between 1 and 10000, not 5000000000"},
        {"scale = true;", "a.cfg:1: scale must be a number, not true"},
        {"scale = 1.0e400;", "a.cfg:1: scale must be finite, not inf"},
        {"resume = 1;", "a.cfg:1: resume must be true or false, not 1"},
        {"note = 3;", "a.cfg:1: note must be quoted text, not 3"},
        {"note = [1];", "a.cfg:1: note must be quoted text, not a list"},
        {"method = \"rotatoin\";",
         "a.cfg:1: method = \"rotatoin\" is unknown; choose one of: rotation, mae, simclr, jigsaw"},
        {"steps = \"x\";", "a.cfg:1: steps must be a list of numbers, not \"x\""},
        {"curve = 1;", "a.cfg:1: curve must be quoted text, not 1"},
        {"steps = [\"x\"];", "a.cfg:1: steps must be a list of numbers, not a list of something other than numbers"},
        {"steps = [1, 2000];", "a.cfg:1: element 2 of steps must be between 0 and 1000, not 2000"},
        {"steps = [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"
         "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0];",
         "a.cfg:1: steps has 65 elements, but at most 64 are allowed"},
        {"steps = [1, 2.5];",
         "a.cfg:1: mismatched element type in array: write all elements with a decimal point, or none"},
        {"epoch = 3;", "a.cfg:1: unknown key 'epoch', nearest is 'epochs'"},
        {"optim = {\n lrr = 3; };", "a.cfg:2: unknown key 'optim.lrr', nearest is 'optim.lr'"},
        {"optim = { moment = 0.5; };", "a.cfg:1: unknown key 'optim.moment', nearest is 'optim.momentum'"},
        {"optim = { nesterov = true; };", "a.cfg:1: unknown key 'optim.nesterov'; valid: lr, momentum, warmup"},
        {"lr = 3;", "a.cfg:1: unknown key 'lr', nearest is 'optim.lr'"},
        {"optm = { lr = 3; };", "a.cfg:1: unknown group 'optm', nearest is 'optim'"},
        {"augmentation = { };", "a.cfg:1: unknown group 'augmentation'; valid: optim, eval.linear"},
        {"epochs = { lr = 3; };", "a.cfg:1: epochs must be an integer, not a group"},
        {"optim = 3;", "a.cfg:1: 'optim' is a group and has no value itself; set optim.KEY"},
        {"eval = 3;", "a.cfg:1: 'eval' is a group and has no value itself; set eval.KEY"},
        {"eval = { lr = 3; };", "a.cfg:1: unknown group 'eval', nearest is 'eval.linear'"},
        {"epochs = 1;\nepochs = 2;", "a.cfg:2: duplicate setting name"},
        {"epochs = ;", "a.cfg:1: syntax error"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *fresh;
        setup(&fresh);
        px_config *c = ((fixture *)fresh)->config;
        assert_int_equal(px_config_text_load(c, cases[i].text, "a.cfg") == 0 ? px_config_finish(c) : -1, -1);
        assert_string_equal(px_error(), cases[i].message);
        assert_int_equal(px_error_status(), PX_USAGE);
        teardown(&fresh);
    }
}

/* A checkpoint's configuration may be anybody's text: it includes no file, and takes no minutes. What is too long to be read
 * again is not written either. */
static void stored_texts_are_bounded(void **state)
{
    const fixture *f = *state;
    px_config *c = f->config;
    assert_int_equal(px_config_text_load(c, "epochs = 3;\n \t@include \"/etc/passwd\"\n", "a.h5"), -1);
    assert_string_equal(px_error(), "a.h5:2: @include \"/etc/passwd\": a stored configuration cannot include files");
    enum { LONG = 33000 };
    char *text = px_calloc(LONG + 1, 1), *assignment;
    memset(text, 'n', LONG);
    assert_int_equal(px_config_text_load(c, text, "a.h5"), -1);
    assert_string_equal(px_error(), "a.h5: its configuration is larger than 32 KiB");
    text[30000] = '\0';
    assignment = px_format("note=%s", text);
    assert_int_equal(px_config_set(c, assignment), 0);
    free(assignment);
    assert_int_equal(px_config_finish(c), 0);
    memset(text, '"', 30000); /* each becomes two characters */
    assignment = px_format("note=a%s", text);
    assert_int_equal(px_config_set(c, assignment), 0);
    free(assignment);
    assert_int_equal(px_config_finish(c), -1);
    assert_string_equal(px_error(), "all settings together are larger than 32 KiB: shorter texts are needed");
    assert_int_equal(px_error_status(), PX_USAGE);
    free(text);
}

/* libconfig 1.7 refuses it itself, 1.5 makes another number of it. */
static void integers_beyond_64_bits_are_refused(void **state)
{
    const fixture *f = *state;
    px_config *c = f->config;
    assert_int_equal(px_config_text_load(c, "seed = 99999999999999999999;", "a.cfg") == 0 ? px_config_finish(c) : -1,
                     -1);
    if (strcmp(px_error(), "a.cfg:1: syntax error") != 0)
        assert_string_equal(px_error(), "a.cfg:1: seed must be an integer, not 1e+20");
    assert_int_equal(px_error_status(), PX_USAGE);
}

static void overrides_are_refused(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"epochs", "on the command line: 'epochs' is not of the form key=value"},
        {"=3", "on the command line: '=3' is not of the form key=value"},
        {"a b=3", "on the command line: 'a b=3' is not of the form key=value"},
        {"epochs=", "on the command line: epochs must be an integer, not \"\""},
        {"epochs=3x", "on the command line: epochs must be an integer, not \"3x\""},
        {"epochs=1e3", "on the command line: epochs must be an integer, not 1000"},
        {"optim.lr=nan", "on the command line: optim.lr must be finite, not nan"},
        {"optim.lr=-1", "on the command line: optim.lr must be between 0 and 100, not -1"},
        {"optim.lr=fast", "on the command line: optim.lr must be a number, not \"fast\""},
        {"resume=yes", "on the command line: resume must be true or false, not \"yes\""},
        {"steps=1,,2", "on the command line: steps must be a list of numbers, not \"1,,2\""},
        {"method=maee",
         "on the command line: method = \"maee\" is unknown; choose one of: mae, simclr, jigsaw, rotation"},
        {"optim.momentun=1", "on the command line: unknown key 'optim.momentun', nearest is 'optim.momentum'"},
        {"opt.lr=1", "on the command line: unknown group 'opt', nearest is 'optim'"},
        {"epochs.lr=1", "on the command line: 'epochs' is a single value, not a group"},
        {"epochs=1; seed=2", "on the command line: epochs must be an integer, not \"1; seed=2\""},
        {"note=\"a\"; seed=2", "on the command line: note=\"a\"; seed=2: the quotes do not match"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *fresh;
        setup(&fresh);
        px_config *c = ((fixture *)fresh)->config;
        assert_int_equal(px_config_set(c, cases[i].text) == 0 ? px_config_finish(c) : -1, -1);
        assert_string_equal(px_error(), cases[i].message);
        assert_int_equal(px_error_status(), PX_USAGE);
        teardown(&fresh);
    }
}

/* What is read as something else than it looks like, or takes a minute to be refused. */
static void hostile_files_are_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/px_config.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "seed = 1;\n\0epochs = 2;\n", 23), 23);
    px_config *c = px_config_create();
    assert_int_equal(px_config_file(c, path), -1);
    assert_non_null(strstr(px_error(), ": contains a zero byte, but a configuration is text"));
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_int_equal(ftruncate(fd, 0), 0);
    for (int i = 0; i < 100000; i++)
        dprintf(fd, "a%d=1;\n", i);
    assert_int_equal(px_config_file(c, path), -1);
    assert_non_null(strstr(px_error(), ": is larger than 32 KiB; is this a configuration?"));
    px_config_destroy(c);
    close(fd);
    unlink(path);
}

/* 10^18 + 1 is not a double. */
static void large_integers_are_compared_exactly(void **state)
{
    (void)state;
    typedef struct wide {
        int64_t seed;
    } wide;
    static const px_option options[] = {PX_OPTION(wide, seed, "1", 0, 1e18, "up to 10^18"), {0}};
    wide w;
    px_config *c = px_config_create();
    px_config_group(c, "", options, &w);
    assert_int_equal(px_config_set(c, "seed=1000000000000000000"), 0);
    assert_int_equal(px_config_finish(c), 0);
    assert_true(w.seed == 1000000000000000000);
    assert_int_equal(px_config_set(c, "seed=1000000000000000001"), 0);
    assert_int_equal(px_config_finish(c), -1);
    assert_string_equal(px_error(), "on the command line: seed must be between 0 and 1e+18, not 1000000000000000001");
    px_config_destroy(c);
}

static void one_sided_ranges_are_named(void **state)
{
    (void)state;
    typedef struct open {
        double a, b;
        int c;
    } open;
    static const px_option options[] = {PX_OPTION(open, a, "1", 0, INFINITY, "from 0"),
                                        PX_OPTION(open, b, "-1", -INFINITY, -0.5, "up to -0.5"),
                                        PX_OPTION(open, c, "0", 0, 0, "any"),
                                        {0}};
    static const refusal cases[] = {
        {"a=-1", "on the command line: a must be at least 0, not -1"},
        {"b=0", "on the command line: b must be at most -0.5, not 0"},
        {"c=3000000000", "on the command line: c must be between -2147483648 and 2147483647, not 3000000000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open target;
        px_config *c = px_config_create();
        px_config_group(c, "", options, &target);
        assert_int_equal(px_config_set(c, cases[i].text), 0);
        assert_int_equal(px_config_finish(c), -1);
        assert_string_equal(px_error(), cases[i].message);
        px_config_destroy(c);
    }
    px_config *c = px_config_create(); /* the top level is not registered */
    assert_int_equal(px_config_set(c, "x=1"), 0);
    assert_int_equal(px_config_finish(c), -1);
    assert_string_equal(px_error(), "on the command line: unknown key 'x'");
    px_config_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_refused),
        cmocka_unit_test_setup_teardown(stored_texts_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(integers_beyond_64_bits_are_refused, setup, teardown),
        cmocka_unit_test(overrides_are_refused),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(large_integers_are_compared_exactly),
        cmocka_unit_test(one_sided_ranges_are_named),
    };
    return cmocka_run_group_tests_name("refused configurations", tests, NULL, NULL);
}
