/* test_config.c - configuration: what is accepted, and that the text reads back. test_config_refused.c: what is not. */
#include "config_fixture.h"

#include <float.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void load(fixture *f, const char *text)
{
    if (px_config_text_load(f->config, text, "a.cfg") != 0 || px_config_finish(f->config) != 0)
        fail_msg("%s", px_error());
}

static void defaults_are_assigned(void **state)
{
    fixture *f = *state;
    assert_int_equal(px_config_finish(f->config), 0);
    assert_int_equal(f->top.epochs, 100);
    assert_int_equal(f->top.seed, 1);
    assert_true(f->top.scale == 1e-4);
    assert_false(f->top.resume);
    assert_string_equal(f->top.method, "simclr");
    assert_string_equal(f->top.note, "");
    assert_int_equal(f->top.steps.count, 2);
    assert_true(f->top.steps.value[1] == 25);
    assert_true(f->optim.lr == 0.3 && f->linear.lr == 0.3);
}

static void a_file_is_read(void **state)
{
    fixture *f = *state;
    load(f, "epochs = 20; seed = 0x10; scale = 2; resume = true; method = \"mae\"; note = \"a \\\"b\\\"\";\n"
            "steps = [1.5, 2.0]; optim = { lr = 1.0e-3; };\n"
            "eval : { linear : { warmup = 0; } }\n");
    assert_int_equal(f->top.epochs, 20);
    assert_int_equal(f->top.seed, 16);
    assert_true(f->top.scale == 2);
    assert_true(f->top.resume);
    assert_string_equal(f->top.method, "mae");
    assert_string_equal(f->top.note, "a \"b\"");
    assert_true(f->top.steps.count == 2 && f->top.steps.value[0] == 1.5);
    assert_true(f->optim.lr == 1e-3);
    assert_int_equal(f->linear.warmup, 0);
    assert_int_equal(f->optim.warmup, 10);
}

static void long_integers_keep_all_digits(void **state)
{
    fixture *f = *state;
    load(f, "epochs = 7;\nseed = 5000000000; # no L\n");
    assert_true(f->top.seed == 5000000000);
    load(f, "note = \"seed = 1, myseed = 2\"; seed = 6000000000;");
    assert_true(f->top.seed == 6000000000);
    load(f, "seed = -9223372036854775808L;");
    assert_true(f->top.seed == INT64_MIN);
    load(f, "seed = 0xFFFFFFFF;");
    assert_true(f->top.seed == 0xFFFFFFFF);
}

static void words_become_enums(void **state)
{
    fixture *f = *state;
    assert_int_equal(px_config_finish(f->config), 0);
    assert_int_equal(f->top.curve, STEP);
    load(f, "curve = \"constant\";");
    assert_int_equal(f->top.curve, CONSTANT);
    assert_int_equal(px_config_set(f->config, "curve=cosine"), 0);
    assert_int_equal(px_config_finish(f->config), 0);
    assert_int_equal(f->top.curve, COSINE);
    char *text = px_config_text(f->config);
    assert_non_null(strstr(text, "curve = \"cosine\""));
    free(text);
    assert_true(px_config_set(f->config, "curve=cosin") != 0 || px_config_finish(f->config) != 0);
    assert_non_null(strstr(px_error(), "curve = \"cosin\" is unknown; choose one of: cosine, "));
    assert_int_equal(f->top.curve, COSINE);
}

static void overrides_win_and_need_no_quotes(void **state)
{
    fixture *f = *state;
    static const char *const given[] = {"epochs=30",
                                        "epochs=31",
                                        "seed=77L",
                                        "scale=3",
                                        "resume=true",
                                        "method=jigsaw",
                                        "note=two words, \"quoted\"",
                                        "steps=1,2.5,3",
                                        "optim.lr=1e-3",
                                        "eval.linear.momentum=0.5"};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        assert_int_equal(px_config_set(f->config, given[i]), 0);
    load(f, "epochs = 20; method = \"mae\"; optim = { lr = 5.0; warmup = 3; };"); /* later, but still overridden */
    assert_int_equal(f->top.epochs, 31);
    assert_int_equal(f->top.seed, 77);
    assert_true(f->top.scale == 3);
    assert_true(f->top.resume);
    assert_string_equal(f->top.method, "jigsaw");
    assert_string_equal(f->top.note, "two words, \"quoted\"");
    assert_true(f->top.steps.count == 3 && f->top.steps.value[1] == 2.5);
    assert_true(f->optim.lr == 1e-3);
    assert_int_equal(f->optim.warmup, 3);
    assert_true(f->linear.momentum == 0.5);
}

static void lists_are_written_in_many_ways(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *text;
        int count;
    } cases[] = {{"steps=[4, 5]", 2}, {"steps=(4,5)", 2}, {"steps=4", 1},
                 {"steps=[4]", 1},    {"steps=[]", 0},    {"steps=", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(px_config_set(f->config, cases[i].text), 0);
        assert_int_equal(px_config_finish(f->config), 0);
        assert_int_equal(f->top.steps.count, cases[i].count);
        if (cases[i].count)
            assert_true(f->top.steps.value[0] == 4);
    }
    px_config *fresh = px_config_create();
    px_config_group(fresh, "", top_options, &f->top);
    assert_int_equal(px_config_text_load(fresh, "steps = (4, 5.5);", "a.cfg"), 0);
    assert_int_equal(px_config_finish(fresh), 0);
    assert_true(f->top.steps.count == 2 && f->top.steps.value[1] == 5.5);
    px_config_destroy(fresh);
}

static void quoted_overrides_are_unescaped(void **state)
{
    fixture *f = *state;
    assert_int_equal(px_config_set(f->config, "note=\"a\\tb\""), 0);
    assert_int_equal(px_config_finish(f->config), 0);
    assert_string_equal(f->top.note, "a\tb");
    assert_int_equal(px_config_set(f->config, "note=\"a"), -1);
    assert_string_equal(px_error(), "on the command line: note=\"a: the quotes do not match");
}

static void peek_sees_keys_before_finish(void **state)
{
    fixture *f = *state;
    assert_string_equal(px_config_peek(f->config, "method", "simclr"), "simclr");
    assert_int_equal(px_config_text_load(f->config, "method = \"mae\"; optim = { lr = 2; }; epochs=5;", "a.cfg"), 0);
    assert_string_equal(px_config_peek(f->config, "method", "simclr"), "mae");
    assert_string_equal(px_config_peek(f->config, "optim.lr", ""), "2");
    assert_string_equal(px_config_peek(f->config, "optim", "none"), "none");
    assert_int_equal(px_config_set(f->config, "method=rotation"), 0);
    assert_string_equal(px_config_peek(f->config, "method", ""), "rotation");
    typedef struct late {
        int width;
    } late;
    static const px_option late_options[] = {PX_OPTION(late, width, "8", 1, 64, "of the head"), {0}};
    late l;
    px_config_group(f->config, "rotation", late_options, &l); /* the value of one key decides that this group exists */
    assert_int_equal(px_config_set(f->config, "rotation.width=9"), 0);
    assert_int_equal(px_config_finish(f->config), 0);
    assert_int_equal(l.width, 9);
}

static void assert_round_trip(fixture *f)
{
    char *text = px_config_text(f->config);
    void *again;
    setup(&again);
    fixture *g = again;
    load(g, text);
    assert_int_equal(g->top.epochs, f->top.epochs);
    assert_true(g->top.seed == f->top.seed);
    assert_memory_equal(&g->top.scale, &f->top.scale, sizeof(double));
    assert_int_equal(g->top.resume, f->top.resume);
    assert_string_equal(g->top.method, f->top.method);
    assert_string_equal(g->top.note, f->top.note);
    assert_int_equal(g->top.steps.count, f->top.steps.count);
    assert_memory_equal(g->top.steps.value, f->top.steps.value, (size_t)f->top.steps.count * sizeof(double));
    assert_memory_equal(&g->optim, &f->optim, sizeof g->optim);
    assert_memory_equal(&g->linear, &f->linear, sizeof g->linear);
    char *text_again = px_config_text(g->config);
    assert_string_equal(text, text_again);
    free(text_again);
    free(text);
    teardown(&again);
}

static void text_reads_back(void **state)
{
    fixture *f = *state;
    assert_int_equal(px_config_finish(f->config), 0);
    assert_round_trip(f);
    static const double reals[] = {0.1,      1e-4,    1.0 / 3, 1e22,   123456789, -0.0,  DBL_MIN,
                                   4.9e-324, DBL_MAX, -1e-300, 0x1p53, 5e-324,    1e100, 3};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        f->top.scale = reals[i];
        assert_round_trip(f);
    }
    static const int64_t seeds[] = {0, INT_MAX, INT_MIN, (int64_t)INT_MAX + 1, INT64_MAX, INT64_MIN, -5000000000};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        f->top.seed = seeds[i];
        assert_round_trip(f);
    }
    char all[256];
    for (int i = 1; i < 256; i++) /* every byte that a C string can contain */
        all[i - 1] = (char)i;
    all[255] = 0;
    const char *const notes[] = {all,
                                 "\"",
                                 "\\",
                                 "\\n",
                                 "a\nb",
                                 "# no comment",
                                 "// neither",
                                 "\x01"
                                 "1",
                                 "grün"};
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        f->top.note = notes[i];
        assert_round_trip(f);
    }
    f->top.steps = (px_list){.count = 3, .value = {1, 0.5, 1e-3}};
    f->top.resume = true;
    assert_round_trip(f);
    f->top.steps.count = 0;
    assert_round_trip(f);
}

static void text_has_one_key_per_line(void **state)
{
    fixture *f = *state;
    assert_int_equal(px_config_set(f->config, "seed=5000000000"), 0);
    assert_int_equal(px_config_finish(f->config), 0);
    char *text = px_config_text(f->config);
    assert_string_equal(text, "epochs = 100;\nseed = 5000000000L;\nscale = 0.0001;\nresume = false;\n"
                              "method = \"simclr\";\nnote = \"\";\nsteps = [15.0, 25.0];\ncurve = \"step\";\n"
                              "optim = {\n    lr = 0.3;\n    momentum = 0.9;\n    warmup = 10;\n};\n"
                              "eval = {\n    linear = {\n        lr = 0.3;\n        momentum = 0.9;\n"
                              "        warmup = 10;\n    };\n};\n");
    free(text);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path = px_format("%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    free(path);
}

static void check_included_files(fixture *f, const char *folder)
{
    char *path = px_format("%s/a.cfg", folder), *other = px_format("%s/other.cfg", folder), *message;
    write_file(folder, "a.cfg", "@include \"base.cfg\"\nepochs = 3;\n");
    write_file(folder, "base.cfg", "\nseed = 6000000000;\noptim = { lr = 2.0; };\n");
    assert_int_equal(px_config_file(f->config, path), 0);
    assert_int_equal(px_config_finish(f->config), 0);
    assert_int_equal(f->top.epochs, 3);
    assert_true(f->top.seed == 6000000000);
    assert_true(f->optim.lr == 2);

    write_file(folder, "other.cfg", "epochs = 4;\n"); /* a second file overrides the first */
    assert_int_equal(px_config_file(f->config, other), 0);
    assert_int_equal(px_config_finish(f->config), 0);
    assert_int_equal(f->top.epochs, 4);
    assert_true(f->optim.lr == 2);

    write_file(folder, "base.cfg", "\noptim = { lr = 200; };\n"); /* messages name the included file */
    assert_int_equal(px_config_file(f->config, path), 0);
    assert_int_equal(px_config_finish(f->config), -1);
    message = px_format("%s/base.cfg:2: optim.lr must be between 0 and 100, not 200", folder);
    assert_string_equal(px_error(), message);
    free(message);
    write_file(folder, "base.cfg", "\noptim = { lr = };\n");
    assert_int_equal(px_config_file(f->config, path), -1);
    message = px_format("%s/base.cfg:2: syntax error", folder);
    assert_string_equal(px_error(), message);
    free(message);

    assert_int_equal(px_config_file(f->config, folder), -1);
    message = px_format("%s: Is a directory", folder);
    assert_string_equal(px_error(), message);
    free(message);
    char *base = px_format("%s/base.cfg", folder);
    unlink(base);
    assert_int_equal(px_config_file(f->config, path), -1);
    message = px_format("%s:1: cannot open include file", path);
    assert_string_equal(px_error(), message);
    free(message);
    free(base);
    unlink(path);
    assert_int_equal(px_config_file(f->config, path), -1);
    message = px_format("%s: No such file or directory", path);
    assert_string_equal(px_error(), message);
    assert_int_equal(px_error_status(), PX_USAGE);
    free(message);
    unlink(other);
    free(path);
    free(other);
}

static void files_include_others(void **state)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = px_format("%s/pretext-config-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    check_included_files(*state, folder);
    assert_int_equal(rmdir(folder), 0);
    free(folder);
}

static void help_is_aligned(void **state)
{
    (void)state;
    char *text = px_options_help("optim", optim_options);
    assert_string_equal(text, "  optim.lr        0.3  real 0..100  peak rate\n"
                              "  optim.momentum  0.9  real 0..1    of SGD\n"
                              "  optim.warmup    10   int 0..1000  epochs\n");
    free(text);
    text = px_options_help("", top_options);
    assert_non_null(strstr(text, "  method  simclr    simclr|rotation|jigsaw|mae  the method\n"));
    assert_non_null(strstr(text, "  note    \"\"        text                        any text\n"));
    free(text);
}

static void nearest_words(void **state)
{
    (void)state;
    static const char *const words[] = {"pretrain", "probe", "plot", "pack", NULL};
    assert_string_equal(px_nearest("pretrian", words), "pretrain");
    assert_string_equal(px_nearest("PROBE", words), "probe");
    assert_string_equal(px_nearest("prob", words), "probe");
    assert_string_equal(px_nearest("pre", words), "pretrain");
    assert_null(px_nearest("summary", words));
    assert_null(px_nearest("", words));
    char long_word[300] = {0};
    memset(long_word, 'p', 299);
    assert_null(px_nearest(long_word, words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_are_assigned, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(long_integers_keep_all_digits, setup, teardown),
        cmocka_unit_test_setup_teardown(words_become_enums, setup, teardown),
        cmocka_unit_test_setup_teardown(overrides_win_and_need_no_quotes, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_are_written_in_many_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(quoted_overrides_are_unescaped, setup, teardown),
        cmocka_unit_test_setup_teardown(peek_sees_keys_before_finish, setup, teardown),
        cmocka_unit_test_setup_teardown(text_reads_back, setup, teardown),
        cmocka_unit_test_setup_teardown(text_has_one_key_per_line, setup, teardown),
        cmocka_unit_test_setup_teardown(files_include_others, setup, teardown),
        cmocka_unit_test(help_is_aligned),
        cmocka_unit_test(nearest_words),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
