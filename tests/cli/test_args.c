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
    const char *device;
    bool resume, dry_run;
    px_words plugin;
} flags;

static const px_flag table[] = {PX_FLAG(flags, device, 'd', "FILE", "a flag with a value"),
                                PX_FLAG_BEFORE("output", 'o', "out"),
                                PX_FLAG_BEFORE("data", 0, "data.path"),
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
    char line[] = "optim.lr=0.1 a.cfg --plugin x.so -d out.h5 b.cfg --dry-run --plugin=y.so epochs=3";
    assert_int_equal(read_line(&f, &command, line), 0);
    assert_int_equal(f.args.words.count, 2);
    assert_string_equal(f.args.words.word[0], "a.cfg");
    assert_string_equal(f.args.words.word[1], "b.cfg");
    assert_int_equal(f.args.assignments.count, 2);
    assert_string_equal(f.args.assignments.word[0], "optim.lr=0.1");
    assert_string_equal(f.args.assignments.word[1], "epochs=3");
    assert_string_equal(f.flags.device, "out.h5");
    assert_null(f.args.note);
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
    char line[] = "-rdfile a --dr";
    assert_int_equal(read_line(&f, &command, line), 0);
    assert_true(f.flags.resume && f.flags.dry_run);
    assert_string_equal(f.flags.device, "file");
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
        {"a --colour", "unknown flag '--colour': settings are written key=value; --help lists the flags"},
        {"a --dveice=x", "unknown flag '--dveice=x', nearest is '--device'"},
        {"a -x", "unknown flag '-x': settings are written key=value; --help lists the flags"},
        {"a -rx", "unknown flag '-x': settings are written key=value; --help lists the flags"},
        {"a --data", "--data needs a value"},
        {"a --device", "--device needs a value"},
        {"a -d", "-d needs a value"},
        {"a -o", "-o needs a value"},
        {"a --resume=yes", "--resume takes no value"},
        {"--resume", "an argument is missing; usage: pretext try CONFIG [MORE] [key=value...]"},
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
    const px_command strict = {.name = "pack",
                               .arguments = "SOURCE... out=D.h5",
                               .flags = table,
                               .max_words = PX_ANY,
                               .out = {"D.h5", "the data set", true, "pretext pack photos/ out=photos.h5"}};
    fixture f;
    char none[] = "a b c d --resume", empty[] = "a out=", assigned[] = "out=x k=v", good[] = "out=w a b out=x";
    static const char missing[] = "out=D.h5 is missing; for example: pretext pack photos/ out=photos.h5";
    assert_int_equal(read_line(&f, &strict, none), -1);
    assert_string_equal(px_error(), missing);
    assert_int_equal(read_line(&f, &strict, empty), -1);
    assert_string_equal(px_error(), missing);
    assert_int_equal(read_line(&f, &strict, assigned), -1);
    assert_string_equal(px_error(), "unexpected 'k=v'; usage: pretext pack SOURCE... out=D.h5");
    assert_int_equal(read_line(&f, &strict, good), 0);
    assert_int_equal(f.args.words.count, 2);
    assert_int_equal(f.args.assignments.count, 0);
    assert_string_equal(f.args.out, "x");
    px_args_finish(&f.args);

    const px_command bare = {.name = "methods", .arguments = ""};
    char flag[] = "--any", nothing[] = "";
    assert_int_equal(read_line(&f, &bare, flag), -1);
    assert_int_equal(read_line(&f, &bare, nothing), 0);
    px_args_finish(&f.args);
}

/* What px_args_note says. A new string. */
static char *note_of(const px_args *args, bool quiet)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    px_log log = {.stream = out, .quiet = quiet};
    px_args_note(args, &log);
    fclose(out);
    return text;
}

/* Old spellings become assignments in their place, and one line says what to write now. */
static void old_spellings_are_settings(void **state)
{
    (void)state;
    px_command writer = command;
    writer.out = (px_out){"F.h5", "the file", true, "pretext try a out=f.h5"};
    fixture f;
    char line[] = "a data.path=x --data=y -o f.h5 epochs=2", long_form[] = "a --output f.h5 out=g.h5";
    assert_int_equal(read_line(&f, &writer, line), 0);
    assert_string_equal(f.args.out, "f.h5");
    assert_int_equal(f.args.assignments.count, 3);
    assert_string_equal(f.args.assignments.word[0], "data.path=x");
    assert_string_equal(f.args.assignments.word[1], "data.path=y");
    assert_string_equal(f.args.assignments.word[2], "epochs=2");
    char *text = note_of(&f.args, false);
    assert_string_equal(text, "note: --data y is now written data.path=y, -o f.h5 is now written out=f.h5\n");
    free(text);
    text = note_of(&f.args, true); /* other ranks than the first */
    assert_string_equal(text, "");
    free(text);
    px_args_finish(&f.args);
    assert_int_equal(read_line(&f, &writer, long_form), 0);
    assert_string_equal(f.args.out, "g.h5");
    text = note_of(&f.args, false);
    assert_string_equal(text, "note: --output f.h5 is now written out=f.h5\n");
    free(text);
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
    assert_string_equal(text, "  -d, --device FILE     a flag with a value\n"
                              "  -r, --resume          go on\n"
                              "      --dry-run         only say what would be done\n"
                              "      --plugin FILE.so  may be repeated\n");
    free(text);
    assert_int_equal(px_args_flags_count(table), 4);
    assert_int_equal(px_args_flags_count(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read_in_any_order),
        cmocka_unit_test(flags_have_short_forms),
        cmocka_unit_test(words_may_look_like_flags_or_assignments),
        cmocka_unit_test(wrong_use_is_refused),
        cmocka_unit_test(commands_say_what_they_need),
        cmocka_unit_test(old_spellings_are_settings),
        cmocka_unit_test(help_is_aligned),
    };
    return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
