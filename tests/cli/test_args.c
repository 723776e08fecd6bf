/* test_args.c - the reader of a subcommand's arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "cli/args.h"

#include <stdlib.h>
#include <string.h>

typedef struct flags {
    const char *output, *data;
    bool resume, dry_run;
    px_words plugin;
} flags;

static const px_flag table[] = {PX_FLAG(flags, output, 'o', "FILE", "the result"),
                                PX_FLAG(flags, data, 0, "FILE", "the data"),
                                PX_FLAG(flags, resume, 'r', NULL, "go on"),
                                PX_FLAG(flags, dry_run, 0, NULL, "only say what would be done"),
                                PX_FLAG(flags, plugin, 0, "FILE.so", "may be repeated"),
                                {0}};
static const px_command command = {.name = "try",
                                   .arguments = "CONFIG [MORE] [key=value...]",
                                   .flags = table,
                                   .min_words = 1,
                                   .max_words = 2,
                                   .assignments = true};

typedef struct fixture {
    px_args args;
    flags flags;
} fixture;

/* `line` is split at spaces; the words stay in `copy`. */
static int read_line(fixture *f, const px_command *c, char *copy)
{
    char *argv[64] = {(char *)c->name}, *rest = copy;
    int argc = 1;
    while (rest && *rest)
        argv[argc++] = strsep(&rest, " ");
    *f = (fixture){0};
    return px_args_read(&f->args, c, argc, argv, &f->flags);
}

static void everything_is_read_in_any_order(void **state)
{
    (void)state;
    fixture f;
    char line[] = "optim.lr=0.1 a.cfg --plugin x.so -o out.h5 b.cfg --dry-run --data=d.h5 --plugin y.so epochs=3";
    assert_int_equal(read_line(&f, &command, line), 0);
    assert_int_equal(f.args.words.count, 2);
    assert_string_equal(f.args.words.word[0], "a.cfg");
    assert_string_equal(f.args.words.word[1], "b.cfg");
    assert_int_equal(f.args.assignments.count, 2);
    assert_string_equal(f.args.assignments.word[0], "optim.lr=0.1");
    assert_string_equal(f.args.assignments.word[1], "epochs=3");
    assert_string_equal(f.flags.output, "out.h5");
    assert_string_equal(f.flags.data, "d.h5");
    assert_true(f.flags.dry_run);
    assert_false(f.flags.resume);
    assert_int_equal(f.flags.plugin.count, 2);
    assert_string_equal(f.flags.plugin.word[1], "y.so");
    px_args_finish(&f.args);
}

static void flags_have_short_forms(void **state)
{
    (void)state;
    fixture f;
    char line[] = "-rofile a --dr";
    assert_int_equal(read_line(&f, &command, line), 0);
    assert_true(f.flags.resume && f.flags.dry_run);
    assert_string_equal(f.flags.output, "file");
    assert_null(f.flags.data);
    px_args_finish(&f.args);
}

static void words_may_look_like_flags_or_assignments(void **state)
{
    (void)state;
    fixture f;
    char line[] = "./a=b -- --resume";
    assert_int_equal(read_line(&f, &command, line), 0);
    assert_int_equal(f.args.words.count, 2);
    assert_string_equal(f.args.words.word[0], "./a=b");
    assert_string_equal(f.args.words.word[1], "--resume");
    assert_false(f.flags.resume);
    px_args_finish(&f.args);
}

static void wrong_use_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"a --resum-e", "unknown flag '--resum-e', nearest is '--resume'"},
        {"a --colour", "unknown flag '--colour'; --help lists those that exist"},
        {"a --dtaa=x", "unknown flag '--dtaa=x', nearest is '--data'"},
        {"a -x", "unknown flag '-x'; --help lists those that exist"},
        {"a -rx", "unknown flag '-x'; --help lists those that exist"},
        {"a --data", "--data needs a value"},
        {"a -o", "-o needs a value"},
        {"a --resume=yes", "--resume takes no value"},
        {"--resume", "something is missing; usage: pretext try CONFIG [MORE] [key=value...]"},
        {"a b --plugin x c", "unexpected 'c'; usage: pretext try CONFIG [MORE] [key=value...]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        char *line = px_strdup(cases[i].line);
        assert_int_equal(read_line(&f, &command, line), -1);
        assert_string_equal(px_error(), cases[i].message);
        assert_int_equal(px_error_status(), PX_USAGE);
        free(line);
    }
}

static void commands_say_what_they_need(void **state)
{
    (void)state;
    static const px_flag needed[] = {PX_FLAG_REQUIRED(flags, output, 'o', "FILE", "the result"),
                                     PX_FLAG_REQUIRED(flags, data, 0, "FILE", "the data"),
                                     {0}};
    const px_command strict = {.name = "pack", .arguments = "SOURCE... -o FILE", .flags = needed, .max_words = PX_ANY};
    fixture f;
    char none[] = "a b c d --data x", no_data[] = "-o x", assigned[] = "-o x --data y k=v",
         good[] = "a b --data y -o x";
    assert_int_equal(read_line(&f, &strict, none), -1);
    assert_string_equal(px_error(), "-o FILE is missing; usage: pretext pack SOURCE... -o FILE");
    assert_int_equal(read_line(&f, &strict, no_data), -1);
    assert_string_equal(px_error(), "--data FILE is missing; usage: pretext pack SOURCE... -o FILE");
    assert_int_equal(read_line(&f, &strict, assigned), -1);
    assert_string_equal(px_error(), "unexpected 'k=v'; usage: pretext pack SOURCE... -o FILE");
    assert_int_equal(read_line(&f, &strict, good), 0);
    assert_int_equal(f.args.words.count, 2);
    px_args_finish(&f.args);

    const px_command bare = {.name = "methods", .arguments = ""};
    char flag[] = "--any", nothing[] = "";
    assert_int_equal(read_line(&f, &bare, flag), -1);
    assert_int_equal(read_line(&f, &bare, nothing), 0);
    px_args_finish(&f.args);
}

static void help_is_aligned(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    px_args_flags_help(out, table);
    fclose(out);
    assert_string_equal(text, "  -o, --output FILE     the result\n"
                              "      --data FILE       the data\n"
                              "  -r, --resume          go on\n"
                              "      --dry-run         only say what would be done\n"
                              "      --plugin FILE.so  may be repeated\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read_in_any_order),
        cmocka_unit_test(flags_have_short_forms),
        cmocka_unit_test(words_may_look_like_flags_or_assignments),
        cmocka_unit_test(wrong_use_is_refused),
        cmocka_unit_test(commands_say_what_they_need),
        cmocka_unit_test(help_is_aligned),
    };
    return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
