/* test_usage.c - help, version, and wrong use, which prints one line and exits with 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void help_goes_to_standard_output(void **state)
{
    (void)state;
    static const char *const ways[] = {"--help", "-h", "help"};
    for (int i = 0; i < 3; i++) {
        run_result r = RUN(ways[i]);
        assert_int_equal(r.status, 0);
        assert_string_equal(r.err, "");
        assert_int_equal(strncmp(r.out, "usage: pretext COMMAND", 22), 0);
        assert_non_null(strstr(r.out, "\nExit status\n0 done"));
        run_finish(&r);
    }
}

static void version_names_the_libraries(void **state)
{
    (void)state;
    static const char *const names[] = {"oneDNN", "OpenBLAS", "HDF5", "MPI", "libconfig", "libarchive", "libspng"};
    run_result r = RUN("--version");
    assert_int_equal(r.status, 0);
    assert_int_equal(strncmp(r.out, "pretext ", 8), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_non_null(strstr(r.out, names[i]));
    run_finish(&r);
}

static void no_command_is_wrong_use(void **state)
{
    (void)state;
    run_result r = run_program(0, (const char *const[]){NULL});
    assert_int_equal(r.status, 2);
    assert_string_equal(r.out, "");
    assert_int_equal(strncmp(r.err, "usage: pretext COMMAND", 22), 0);
    run_finish(&r);
}

static void unknown_commands_are_refused(void **state)
{
    (void)state;
    run_result r = RUN("zzzzzzzzzz");
    assert_int_equal(r.status, 2);
    assert_string_equal(r.out, "");
    assert_string_equal(r.err, "pretext: unknown command 'zzzzzzzzzz'; pretext --help lists all\n");
    run_finish(&r);
    run_result help = RUN("help", "zzzzzzzzzz");
    assert_int_equal(help.status, 2);
    assert_non_null(strstr(help.err, "unknown command 'zzzzzzzzzz'"));
    run_finish(&help);
}

/* OpenBLAS may choose badly for a new processor; a user's setting is kept. */
static void slow_kernels_are_not_kept(void **state)
{
    (void)state;
    run_result r = RUN("--version");
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        assert_null(strstr(r.out, "Prescott"));
#endif
    run_finish(&r);
    setenv("OPENBLAS_CORETYPE", "Prescott", 1);
    r = RUN("--version");
    unsetenv("OPENBLAS_CORETYPE");
#if defined(__x86_64__)
    assert_true(strstr(r.out, "Prescott") || !strstr(r.out, "DYNAMIC_ARCH"));
#endif
    assert_int_equal(r.status, 0);
    run_finish(&r);
}

/* The commands in the help's list: lines of two spaces, a name, and what it does. */
static void each_command(void (*what)(const char *name, const char *summary))
{
    run_result r = RUN("--help");
    char *end = strstr(r.out, "\npretext COMMAND --help"), *rest = r.out, *line;
    assert_non_null(end);
    *end = 0;
    while ((line = strsep(&rest, "\n"))) {
        if (strncmp(line, "  ", 2) != 0)
            continue;
        char *name = line + 2, *summary = name + strcspn(name, " ");
        assert_int_equal(*summary, ' ');
        *summary++ = 0;
        what(name, summary + strspn(summary, " "));
    }
    run_finish(&r);
}

static void check_help(const char *name, const char *summary)
{
    run_result r = RUN(name, "--help");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    assert_int_equal(strncmp(r.out, "usage: pretext ", 15), 0);
    assert_int_equal(strncmp(r.out + 15, name, strlen(name)), 0);
    assert_non_null(strstr(r.out, summary));
    assert_true(strstr(r.out, "Example") || strstr(r.out, "example"));
    run_result other = RUN("help", name);
    assert_string_equal(other.out, r.out);
    run_finish(&other);
    run_finish(&r);
}

static void keys_of_bench(void **state)
{
    (void)state;
    run_result r = RUN("bench", "--help");
    assert_non_null(strstr(r.out, " bench.seconds"));
    assert_null(strstr(r.out, "\n  seconds "));
    run_finish(&r);
}

static void check_misspelt(const char *name, const char *summary)
{
    (void)summary;
    char word[64], message[200];
    snprintf(word, sizeof word, "%sx", name);
    snprintf(message, sizeof message, "pretext: unknown command '%s', nearest is '%s'\n", word, name);
    run_result r = RUN(word);
    assert_int_equal(r.status, 2);
    assert_string_equal(r.err, message);
    run_finish(&r);
}

static void check_unknown_flag(const char *name, const char *summary)
{
    (void)summary;
    char message[200];
    snprintf(message, sizeof message, "pretext %s: unknown flag '--zzzzzzzzzz'", name);
    run_result r = RUN(name, "--zzzzzzzzzz");
    assert_int_equal(r.status, 2);
    assert_string_equal(r.out, "");
    assert_int_equal(strncmp(r.err, message, strlen(message)), 0);
    assert_ptr_equal(strchr(r.err, '\n'), r.err + strlen(r.err) - 1); /* one line */
    run_finish(&r);
}

static void each_command_explains_itself(void **state)
{
    (void)state;
    each_command(check_help);
}

static void misspelt_commands_are_recognised(void **state)
{
    (void)state;
    each_command(check_misspelt);
}

static void each_command_refuses_unknown_flags(void **state)
{
    (void)state;
    each_command(check_unknown_flag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_goes_to_standard_output),
        cmocka_unit_test(version_names_the_libraries),
        cmocka_unit_test(no_command_is_wrong_use),
        cmocka_unit_test(unknown_commands_are_refused),
        cmocka_unit_test(slow_kernels_are_not_kept),
        cmocka_unit_test(each_command_explains_itself),
        cmocka_unit_test(misspelt_commands_are_recognised),
        cmocka_unit_test(each_command_refuses_unknown_flags),
        cmocka_unit_test(keys_of_bench),
    };
    return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
