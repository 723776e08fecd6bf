/* test_disk.c - a disk that is full, a folder that is gone or cannot be written to: the run says so in one line and
 * ends, on two ranks within ten seconds, too. The last checkpoint is intact, and once there is room again the resumed
 * run ends exactly like an undisturbed one. Full and read-only file systems are small ones in memory, mounted where
 * only this test sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "make_set.h"
#include "run.h"
#include "same_run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { STEPS = 600, LIMIT = 10 };

typedef struct fixture {
    char *folder, *data;
    char *small; /* the small file system; NULL: not allowed, for the reason `why` */
    const char *why;
    char *whole; /* an undisturbed run on one rank */
} fixture;

static run_child start(const fixture *f, const char *out, int ranks, const char *minutes, bool resume)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", f->data);
    run_child c = run_start(ranks, (const char *const[]){"pretrain", set_out, set_data, "resnet.width=0.125", "batch=8",
                                                         "threads=1", "epochs=50", "optim.optimizer=adamw",
                                                         "optim.lr=1e-4", "data.workers=1", "optim.warmup_epochs=1",
                                                         minutes, resume ? "--resume" : NULL, NULL});
    free(set_out);
    free(set_data);
    return c;
}

static void finish(run_child *c, int status)
{
    run_result r = run_wait(c);
    if (r.status != status || strstr(r.err, "damaged"))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
}

/* The program ends within LIMIT seconds after `since`, with one line that says `what` and `why`. */
static void ends(run_child *c, double since, int status, const char *what, const char *why)
{
    run_result r = run_wait(c);
    double seconds = px_now() - since;
    const char *line = strstr(r.err, "pretext pretrain: ");
    print_message("after %.1f s: %.*s\n", seconds, line ? (int)strcspn(line, "\n") : 0, line ? line : "");
    if (r.status != status || !line || !strstr(line, what) || !strstr(line, why) ||
        strstr(line + 1, "pretext pretrain: "))
        fail_msg("status %d: %s", r.status, r.err);
    assert_true(seconds < LIMIT);
    run_finish(&r);
}

static void wait_for_file(const char *folder, const char *name)
{
    char *path = px_format("%s/%s", folder, name);
    for (int i = 0; i < 6000 && access(path, F_OK) != 0; i++)
        run_pause_ms(5);
    free(path);
}

static void need_mounts(const fixture *f)
{
    if (f->small)
        return;
    print_message("skipped: no file system can be mounted: %s\n", f->why);
    skip();
}

/* Fills the file system. */
static void fill(const char *folder)
{
    static const char zeros[4096];
    char *path = px_format("%s/ballast", folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0666);
    assert_true(fd >= 0);
    while (write(fd, zeros, sizeof zeros) > 0)
        continue;
    assert_int_equal(errno, ENOSPC);
    close(fd);
    free(path);
}

/* Makes room for so many bytes. */
static void shrink(const char *folder, off_t bytes)
{
    struct stat about;
    char *path = px_format("%s/ballast", folder);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(truncate(path, about.st_size - bytes), 0);
    free(path);
}

static void clear(const char *folder)
{
    char *path = px_format("%s/ballast", folder);
    assert_int_equal(unlink(path), 0);
    free(path);
}

/* ---- the tests ---- */

static void disk_is_full(void **state)
{
    const fixture *f = *state;
    need_mounts(f);
    for (int ranks = 0; ranks < 3; ranks += 2) {
        char *out = px_format("%s/full-%d", f->small, ranks);
        run_child c = start(f, out, ranks, "checkpoint_minutes=0.005", false);
        wait_for_file(out, "checkpoint.previous.h5");
        fill(f->small);
        ends(&c, px_now(), 1, ranks ? "pretext pretrain: rank 0: " : "pretext pretrain: ", "No space left on device");
        c = start(f, out, ranks, "checkpoint_minutes=10", true);
        ends(&c, px_now(), 1, out, "No space left on device");
        clear(f->small);
        c = start(f, out, ranks, ranks ? "time_limit=0.0001" : "time_limit=0", true);
        finish(&c, ranks ? 75 : 0);
        if (!ranks)
            same_run(f->whole, out, STEPS);
        run_folder_remove(out);
    }
}

static void folder_is_gone(void **state)
{
    const fixture *f = *state;
    char *out = px_format("%s/gone", f->folder), *moved = px_format("%s/moved", f->folder);
    run_child c = start(f, out, 0, "checkpoint_minutes=0.005", false);
    wait_for_file(out, "checkpoint.h5");
    assert_int_equal(rename(out, moved), 0);
    ends(&c, px_now(), 1, "gone/checkpoint.h5.partial: cannot be written", "No such file or directory");
    c = start(f, moved, 0, "checkpoint_minutes=10", true);
    finish(&c, 0);
    same_run(f->whole, moved, STEPS);
    free(out);
    free(moved);
}

static void results_cannot_be_written(void **state)
{
    const fixture *f = *state;
    need_mounts(f);
    char *out = px_format("%s/read-only", f->small);
    run_child c = start(f, out, 0, "time_limit=0.005", false);
    run_result r = run_wait(&c);
    assert_int_equal(r.status, 75);
    run_finish(&r);
    content before = read_content(out, "checkpoint.h5");
    assert_int_equal(mount(NULL, f->small, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    for (int ranks = 0; ranks < 3; ranks += 2) {
        c = start(f, out, ranks, "time_limit=0", true);
        ends(&c, px_now(), 2, "small/read-only: ", "the folder cannot be written to");
    }
    assert_int_equal(mount(NULL, f->small, NULL, MS_REMOUNT, NULL), 0);
    content after = read_content(out, "checkpoint.h5");
    assert_int_equal(after.size, before.size);
    assert_memory_equal(after.bytes, before.bytes, (size_t)after.size);
    free(before.bytes);
    free(after.bytes);
    c = start(f, out, 0, "time_limit=0", true);
    finish(&c, 0);
    same_run(f->whole, out, STEPS);
    run_folder_remove(out);
}

/* Files of this run may not grow beyond `kib` KiB (ulimit -f): the command ends with one line that names `file`, and
 * leaves no `file`.partial. */
static void limited(const fixture *f, int kib, const char *command, const char *file)
{
    char *script = px_format("ulimit -f %d; exec \"$PRETEXT\" %s", kib * 2, command); /* in blocks of 512 bytes */
    run_child c = run_start_command((const char *const[]){"sh", "-c", script, NULL});
    run_result r = run_wait(&c);
    const char *line = strstr(r.err, "pretext ");
    if (r.status != 1 || !line || !strstr(line, file) || !strstr(line, strerror(EFBIG)) || strstr(line, "\n\n") ||
        strchr(line, '\n') != line + strlen(line) - 1)
        fail_msg("%s, at most %d KiB: status %d: %s", command, kib, r.status, r.err);
    DIR *folder = opendir(f->folder);
    for (struct dirent *e = readdir(folder); e; e = readdir(folder))
        assert_null(strstr(e->d_name, "partial"));
    closedir(folder);
    run_finish(&r);
    free(script);
}

static void files_are_limited(void **state)
{
    const fixture *f = *state;
    if (!getenv("PRETEXT"))
        skip();
    char *run = px_format("pretrain data.path=%s out=%s/limited resnet.width=0.125 batch=8 threads=1 epochs=1 "
                          "optim.warmup_epochs=0 data.workers=1",
                          f->data, f->folder),
         *features = px_format("features %s out=%s/f.h5", f->whole, f->folder),
         *export = px_format("export %s out=%s/w.safetensors", f->whole, f->folder),
         *left = px_format("%s/limited/checkpoint.h5.partial", f->folder);
    for (int kib = 64; kib < 700; kib += 90) {
        limited(f, kib, run, "/limited/"); /* run.h5 or the checkpoint */
        assert_int_not_equal(access(left, F_OK), 0);
        left[strlen(left) - strlen("checkpoint.h5.partial")] = '\0';
        run_folder_remove(px_strdup(left));
        left[strlen(left)] = 'c';
    }
    limited(f, 2, features, "f.h5");
    limited(f, 20, features, "f.h5");
    limited(f, 64, export, "w.safetensors");
    free(run);
    free(features);
    free(export);
    free(left);
}

/* mpirun's own files may not be as large as they must be: it would wait forever. */
static void launcher_is_limited(void **state)
{
    const fixture *f = *state;
    if (!getenv("PRETEXT"))
        skip();
    char *out = px_format("%s/launched", f->folder);
    for (int kib = 64; kib <= 2048; kib *= 2) {
        char *script = px_format("ulimit -f %d; exec mpirun --oversubscribe --bind-to none -n 2 \"$PRETEXT\" pretrain "
                                 "data.path=%s out=%s resnet.width=0.125 batch=8 threads=1",
                                 kib * 2, f->data, out); /* in blocks of 512 bytes */
        run_allow_root();
        run_child c = run_start_command((const char *const[]){"sh", "-c", script, NULL});
        ends(&c, px_now(), 1, "File too large, but MPI keeps its memory there", "a larger limit on files (ulimit -f)");
        assert_int_equal(access(out, F_OK), -1);
        free(script);
    }
    free(out);
}

/* mpirun's own files do not fit there, where `room` bytes are left. */
static void with_little_room(const fixture *f, off_t room)
{
    char *out = px_format("%s/temporary", f->folder), *before = getenv("TMPDIR");
    before = before ? px_strdup(before) : NULL;
    fill(f->small);
    shrink(f->small, room);
    setenv("TMPDIR", f->small, 1);
    run_child c = start(f, out, 2, "checkpoint_minutes=10", false);
    if (before)
        setenv("TMPDIR", before, 1);
    else
        unsetenv("TMPDIR");
    ends(&c, px_now(), 1, "No space left on device, but MPI keeps its memory there", "set TMPDIR to another folder");
    clear(f->small);
    assert_int_equal(access(out, F_OK), -1);
    free(before);
    free(out);
}

static void temporary_is_full(void **state)
{
    const fixture *f = *state;
    need_mounts(f);
    with_little_room(f, 0);
}

/* Here Open MPI 4 waits forever if its processes go on. */
static void temporary_is_nearly_full(void **state)
{
    const fixture *f = *state;
    need_mounts(f);
    with_little_room(f, 512 << 10);
    with_little_room(f, 5 << 20);
}

/* ---- the file system ---- */

/* Room for a run with its two checkpoints and the next one. */
static const char *mount_small(const char *where)
{
    if (geteuid() != 0)
        return "not root";
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mkdir(where, 0777) != 0 || mount("none", where, "tmpfs", 0, "size=16m") != 0)
        return strerror(errno);
    return NULL;
}

static int set_up(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = run_folder_create();
    f->small = px_format("%s/small", f->folder);
    f->why = mount_small(f->small);
    if (f->why) {
        free(f->small);
        f->small = NULL;
    }
    f->data = make_set(f->folder, "d.h5", &(set_spec){.count = 128, .side = 16, .channels = 3, .classes = 5});
    f->whole = px_format("%s/whole", f->folder);
    run_child c = start(f, f->whole, 0, "checkpoint_minutes=10", false);
    finish(&c, 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    if (f->small)
        umount2(f->small, MNT_DETACH);
    run_folder_remove(f->folder);
    free(f->small);
    free(f->data);
    free(f->whole);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(disk_is_full),
                                       cmocka_unit_test(folder_is_gone),
                                       cmocka_unit_test(temporary_is_full),
                                       cmocka_unit_test(temporary_is_nearly_full),
                                       cmocka_unit_test(results_cannot_be_written),
                                       cmocka_unit_test(files_are_limited),
                                       cmocka_unit_test(launcher_is_limited)};
    return cmocka_run_group_tests_name("disk", tests, set_up, tear_down);
}
