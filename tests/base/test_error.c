/* test_error.c - messages, memory, fatal errors, and the log's lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/log.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void failures_set_message_and_status(void **state)
{
    (void)state;
    assert_int_equal(px_fail(PX_DATA, "%s: %d", "a.h5", 3), -1);
    assert_string_equal(px_error(), "a.h5: 3");
    assert_int_equal(px_error_status(), PX_DATA);
    assert_null(px_fail_null(PX_USAGE, "other"));
    assert_string_equal(px_error(), "other");
    assert_int_equal(px_error_status(), PX_USAGE);
    px_fail(PX_FAIL, "rank 1: %s", px_error()); /* the message may be part of the next one */
    assert_string_equal(px_error(), "rank 1: other");
}

/* What is wrong comes at the end, after a path, for example. */
static void of_long_messages_the_middle_is_left_out(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    px_fail(PX_FAIL, "begin %s: No such file", text);
    assert_in_range(strlen(px_error()), 500, 4000);
    assert_memory_equal(px_error(), "begin xx", 8);
    assert_string_equal(px_error() + strlen(px_error()) - 14, ": No such file");
}

/* Names come from other people's archives: they must neither break the line nor reach the terminal as control
 * characters. */
static void messages_are_one_line(void **state)
{
    (void)state;
    px_fail(PX_DATA, "%s: is empty", "two\nlines\t\033[2J\177 caf\xC3\xA9");
    assert_string_equal(px_error(), "two?lines??[2J? caf\xC3\xA9: is empty");
}

static void shapes_fit_their_text(void **state)
{
    (void)state;
    char text[64];
    const int64_t large = 1000000000000000000;
    assert_string_equal(px_shape_text(PX_SHAPE(2, 3, 32), text), "(2, 3, 32)");
    assert_string_equal(px_shape_text((px_shape){0}, text), "()");
    for (int64_t middle = 1; middle < large; middle *= 10) {
        const px_shape s = PX_SHAPE(0, large, large, middle, large);
        assert_in_range(strlen(px_shape_text(s, text)), 40, 63);
        assert_memory_equal(text, "(0, 1000000000000000000, ", 25);
    }
}

static void *fail_elsewhere(void *unused)
{
    (void)unused;
    px_fail(PX_DATA, "of the other thread");
    return NULL;
}

static void each_thread_has_its_own(void **state)
{
    (void)state;
    pthread_t thread;
    px_fail(PX_USAGE, "of this thread");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    assert_string_equal(px_error(), "of this thread");
}

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t size = 0; size < 200; size++) {
        unsigned char *p = px_aligned_calloc(size), *q = px_calloc(size, 1);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i] | q[i], 0);
        free(p);
        free(q);
    }
    char *text = px_format("%d-%s", 5, "x"), *copy = px_strdup(text);
    assert_string_equal(copy, "5-x");
    assert_ptr_not_equal(copy, text);
    free(text);
    free(copy);
}

static void shout(void)
{
    fputs("hook was called\n", stderr);
    fflush(stderr);
}

static void ask_for_too_much(void)
{
    free(px_calloc(SIZE_MAX / 16, 8));
}

static void fail_a_check(void)
{
    PX_CHECK(1 + 1 == 3);
}

static void give_up(void)
{
    px_tell("waiting for image %d", 7);
    px_die("image %d is not coming", 7);
}

/* Runs `what` in a child process; returns its standard error and how it ended. */
static int die_by(void (*what)(void), char *text, size_t size)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL); /* cmocka's handler would report a failed test */
        setenv("OMPI_COMM_WORLD_RANK", "3", 1);
        px_on_abort = shout;
        what();
        _exit(0);
    }
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    text[fread(text, 1, size - 1, in)] = 0;
    fclose(in);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void mistakes_end_the_job(void **state)
{
    (void)state;
    char text[4096];
    int status = die_by(fail_a_check, text, sizeof text);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "pretext: rank 3: "));
    assert_non_null(strstr(text, "test_error.c:"));
    assert_non_null(strstr(text, "check failed: 1 + 1 == 3"));
    assert_non_null(strstr(text, "hook was called"));
    status = die_by(give_up, text, sizeof text);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "pretext: rank 3: waiting for image 7\npretext: rank 3: image 7 is not coming\n"));
    assert_non_null(strstr(text, "hook was called"));
    status = die_by(ask_for_too_much, text, sizeof text);
    assert_int_not_equal(status, 0); /* under a sanitizer, its allocator ends the program first */
    assert_true(strstr(text, "out of memory: ") || strstr(text, "requested allocation size"));
}

static void read_back(FILE *stream, char *text, size_t size)
{
    rewind(stream);
    text[fread(text, 1, size - 1, stream)] = 0;
}

static void plain_logs_are_sparse(void **state)
{
    (void)state;
    FILE *stream = tmpfile();
    px_log log = px_log_make(stream, false), quiet = px_log_make(stream, true);
    px_log_line(&log, "line %d", 1);
    px_log_progress(&log, "first");
    px_log_progress(&log, "too soon");
    px_log_warning(&log, "careful");
    px_log_progress_end(&log);
    px_log_line(&quiet, "never");
    px_log_warning(&quiet, "never");
    px_log_progress(&quiet, "never");
    char text[200];
    read_back(stream, text, sizeof text);
    assert_string_equal(text, "line 1\nfirst\nwarning: careful\n");
    fclose(stream);
}

static void terminals_get_one_line(void **state)
{
    (void)state;
    FILE *stream = tmpfile();
    px_log log = px_log_make(stream, false);
    log.terminal = true;
    px_log_progress(&log, "a");
    px_log_progress(&log, "b");
    px_log_line(&log, "c");
    px_log_progress(&log, "d");
    px_log_progress_end(&log);
    px_log_progress_end(&log);
    char text[200];
    read_back(stream, text, sizeof text);
    assert_string_equal(text, "\r\033[Ka\r\033[Kb\r\033[Kc\n\r\033[Kd\n");
    fclose(stream);
}

static void durations_are_for_people(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0s"},        {12.4, "12s"},     {59.6, "1m 00s"}, {200, "3m 20s"},
                 {3720, "1h 02m"}, {90000, "1d 01h"}, {-1, "?"},        {0.0 / 0.0, "?"}};
    char buffer[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(px_duration(cases[i].seconds, buffer), cases[i].text);
    double start = px_now();
    assert_true(px_now() >= start);
}

static void element_types_have_sizes(void **state)
{
    (void)state;
    static const size_t sizes[PX_DTYPES] = {[PX_F32] = 4, [PX_F64] = 8, [PX_BF16] = 2, [PX_I32] = 4, [PX_U8] = 1};
    for (int t = 0; t < PX_DTYPES; t++) {
        assert_int_equal(px_dtype_size((px_dtype)t), sizes[t]);
        assert_true(strlen(px_dtype_name((px_dtype)t)) >= 2);
    }
    assert_string_equal(px_dtype_name(PX_BF16), "bf16");
}

static void only_characters_are_printed(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"caf\xC3\xA9 \xE7\x8A\xAC \xF0\x9F\x90\x95", "caf\xC3\xA9 \xE7\x8A\xAC \xF0\x9F\x90\x95"},
        {"\033[31mred\177", "?[31mred?"},
        {"8 bits: \x9B"
         "31m",
         "8 bits: ?31m"},
        {"in UTF-8: \xC2\x9B"
         "31m",
         "in UTF-8: ??31m"},
        {"Latin-1: \xE9t\xE9", "Latin-1: ?t?"},
        {"cut \xE7\x8A", "cut ??"},
        {"too long \xC0\xAF \xE0\x80\xAF", "too long ?? ???"},
        {"surrogate \xED\xA0\x80", "surrogate ???"},
        {"beyond \xF4\x90\x80\x80 \xFF", "beyond ???? ?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", cases[i][0]);
        assert_string_equal(px_one_line(text), cases[i][1]);
    }
    char lines[] = "a\tb\nc\r\n";
    assert_string_equal(px_printable(lines, "\n\t"), "a\tb\nc?\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_set_message_and_status), cmocka_unit_test(of_long_messages_the_middle_is_left_out),
        cmocka_unit_test(messages_are_one_line),           cmocka_unit_test(only_characters_are_printed),
        cmocka_unit_test(shapes_fit_their_text),           cmocka_unit_test(each_thread_has_its_own),
        cmocka_unit_test(memory_is_zeroed_and_aligned),    cmocka_unit_test(mistakes_end_the_job),
        cmocka_unit_test(plain_logs_are_sparse),           cmocka_unit_test(terminals_get_one_line),
        cmocka_unit_test(durations_are_for_people),        cmocka_unit_test(element_types_have_sizes),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
