/* fuzz.h - what the fuzz targets share. A target is one function that gets unchecked bytes:
 *
 *     int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) { ... return 0; }
 *
 * It is linked twice: with replay.c, a test that runs it on the corpus, with any compiler; and, after configuring with
 * -Dfuzz=true, with libFuzzer, which mutates the corpus in search of new paths (run.sh).
 */
#ifndef PX_TESTS_FUZZ_H
#define PX_TESTS_FUZZ_H

#include "base/error.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Reads the input piece by piece; beyond its end everything is zero. */
typedef struct fuzz_input {
    const uint8_t *bytes;
    size_t size, at;
} fuzz_input;

static inline uint8_t fuzz_byte(fuzz_input *in)
{
    return in->at < in->size ? in->bytes[in->at++] : 0;
}

static char fuzz_path[128];

/* Where files are written: in memory by default. */
static inline const char *fuzz_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder ? folder : "/dev/shm";
}

static inline void fuzz_remove_file(void)
{
    unlink(fuzz_path);
}

/* The path of an empty file in memory, the same each time; it is removed in the end. (Not one of memfd_create: HDF5
 * asks for the real path of what it opens.) */
static inline const char *fuzz_empty_file(void)
{
    if (!fuzz_path[0]) {
        snprintf(fuzz_path, sizeof fuzz_path, "%s/pretext-fuzz-%ld", fuzz_folder(), (long)getpid());
        atexit(fuzz_remove_file);
    }
    int fd = open(fuzz_path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    PX_CHECK(fd >= 0);
    close(fd);
    return fuzz_path;
}

/* ... and with this content. */
static inline const char *fuzz_file(const uint8_t *bytes, size_t size)
{
    const char *path = fuzz_empty_file();
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    PX_CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
    return path;
}

/* libFuzzer sees only the branches of our code. What libraries do with an input shows in the error messages that they
 * give, so these count as branches: an input with a new message is kept, too. */
enum { FUZZ_REASONS = 1024 };
static uint8_t fuzz_reasons[FUZZ_REASONS] __attribute__((section("__libfuzzer_extra_counters"), used));

/* A failure must have a message of one line, and a status for bad input. */
static inline void fuzz_check_message(void)
{
    PX_CHECK(px_error_status() == PX_DATA || px_error_status() == PX_USAGE);
    uint32_t hash = 2166136261u; /* FNV-1a of the text without numbers */
    for (const char *c = px_error(); *c; c++) {
        PX_CHECK((unsigned char)*c >= 32 && *c != 127);
        if (*c < '0' || *c > '9')
            hash = (hash ^ (uint8_t)*c) * 16777619u;
    }
    PX_CHECK(*px_error());
    fuzz_reasons[hash % FUZZ_REASONS] = 1;
}

#endif
