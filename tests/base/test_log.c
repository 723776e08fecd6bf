/* test_log.c - what the log prints, and what it keeps in a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void read_all(FILE *f, char *text, size_t room)
{
    rewind(f);
    text[fread(text, 1, room - 1, f)] = '\0';
}

/* The lines of the file without their dates. */
static void kept(const char *path, char *text, size_t room)
{
    char line[256];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[0] = '\0';
    while (fgets(line, sizeof line, f)) {
        assert_true(strlen(line) > 21 && line[4] == '-' && line[13] == ':' && line[19] == ' ');
        assert_true(strlen(text) + strlen(line) < room);
        strcat(text, line + 21);
    }
    fclose(f);
}

static void all_lines_are_kept(void **state)
{
    (void)state;
    char path[] = "/tmp/test_log.XXXXXX", text[1024];
    close(mkstemp(path));
    for (int start = 0; start < 2; start++) { /* the second time after what stands there */
        FILE *screen = tmpfile();
        px_log log = px_log_make(screen, false);
        px_log_line(&log, "early %d", 1);
        px_log_note(&log, "nowhere");
        assert_int_equal(px_log_keep(&log, path, start ? "again" : "title"), 0);
        px_log_warning(&log, "watch %s", "out");
        for (int i = 0; i < 3; i++)
            px_log_progress(&log, "step %d", i); /* within a minute: the first */
        px_log_note(&log, "for the file");
        px_log_close(&log);
        px_log_line(&log, "late");
        read_all(screen, text, sizeof text);
        assert_string_equal(text, "early 1\nwarning: watch out\nstep 0\nlate\n");
        fclose(screen);
    }
    kept(path, text, sizeof text);
    assert_string_equal(text, "title\nearly 1\nwarning: watch out\nstep 0\nfor the file\n"
                              "again\nearly 1\nwarning: watch out\nstep 0\nfor the file\n");
    unlink(path);
}

static void other_ranks_keep_nothing(void **state)
{
    (void)state;
    px_log log = px_log_make(stderr, true);
    px_log_line(&log, "nothing");
    assert_int_equal(px_log_keep(&log, "/tmp/test_log.of.a.quiet.rank", "title"), 0);
    px_log_line(&log, "nothing");
    assert_int_not_equal(access("/tmp/test_log.of.a.quiet.rank", F_OK), 0);
    px_log_close(&log);
}

static void too_much_before_the_file(void **state)
{
    (void)state;
    char path[] = "/tmp/test_log.XXXXXX", *text = malloc(8192);
    close(mkstemp(path));
    FILE *screen = tmpfile();
    px_log log = px_log_make(screen, false);
    for (int i = 0; i < 100; i++)
        px_log_line(&log, "line %02d of those that come before there is a file", i);
    assert_int_equal(px_log_keep(&log, path, "title"), 0);
    px_log_close(&log);
    kept(path, text, 8192);
    assert_non_null(strstr(text, "title\nline 00"));
    assert_null(strstr(text, "line 99"));
    assert_int_equal(text[strlen(text) - 1], '\n');
    free(text);
    fclose(screen);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_lines_are_kept), cmocka_unit_test(other_ranks_keep_nothing),
                                       cmocka_unit_test(too_much_before_the_file)};
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
