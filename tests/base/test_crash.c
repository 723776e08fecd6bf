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
        char name[32];
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_number_of_files_is_watched)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
