/* test_crash.c - mapped files that become shorter, of any number. What a crash prints: tests/cli/test_crash.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crash.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 70 };

static void read_byte(void *at)
{
    (void)*(volatile const char *)at;
}

/* The files are removed at once; their descriptors remain. */
static void any_number_of_files_is_watched(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int fd[FILES];
    void *map[FILES];
    px_crash_watch("test");
    for (int i = 0; i < FILES; i++) {
        char path[] = "/tmp/pretext-crash-XXXXXX", name[16];
        fd[i] = mkstemp(path);
        assert_true(fd[i] >= 0 && unlink(path) == 0 && ftruncate(fd[i], (off_t)page) == 0);
        map[i] = mmap(NULL, page, PROT_READ, MAP_SHARED, fd[i], 0);
        assert_true(map[i] != MAP_FAILED);
        snprintf(name, sizeof name, "file %d", i);
        px_crash_file_add(map[i], page, name);
    }
    px_crash_file_remove(&page); /* is not one of them */
    for (int i = FILES - 1; i >= 0; i -= 23) {
        char name[16];
        snprintf(name, sizeof name, "file %d:", i);
        assert_int_equal(px_crash_guard(read_byte, map[i]), 0);
        assert_int_equal(ftruncate(fd[i], 0), 0);
        assert_int_equal(px_crash_guard(read_byte, map[i]), -1);
        assert_int_equal(px_error_status(), PX_DATA);
        assert_memory_equal(px_error(), name, strlen(name));
    }
    for (int i = 0; i < FILES; i++) {
        px_crash_file_remove(map[i]);
        munmap(map[i], page);
        close(fd[i]);
    }
}

/* A lost file may have any name: what a terminal would obey, in one byte or two, is not printed. */
static void names_are_printable(void **state)
{
    (void)state;
    char path[] = "/tmp/pretext-crash-XXXXXX", line[256] = "";
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int fd = mkstemp(path), out[2], status;
    assert_true(fd >= 0 && unlink(path) == 0 && ftruncate(fd, (off_t)page) == 0 && pipe(out) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], STDERR_FILENO);
        px_crash_watch("test");
        void *map = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
        px_crash_file_add(map, page,
                          "a\x1b"
                          "b\xc2\x9b"
                          "c\x9b"
                          "d\xc3\xa9");
        _exit(ftruncate(fd, 0) == 0 ? *(volatile const char *)map : 1);
    }
    close(out[1]);
    assert_true(read(out[0], line, sizeof line - 1) > 0);
    close(out[0]);
    close(fd);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == PX_DATA);
    assert_non_null(strstr(line, "pretext test: "));
    assert_non_null(strstr(line, "a?b??c?d\xc3\xa9: cannot be read any more"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_number_of_files_is_watched),
                                       cmocka_unit_test(names_are_printable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
