/* error.c - this thread's message, and the end of the program after a failed check or without memory. */
#include "base/error.h"
#include "base/crash.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static _Thread_local struct {
    px_status status;
    char text[1024]; /* of longer messages the middle is left out */
} last = {.text = "no error"};

void (*px_on_abort)(void) = NULL;

/* Bytes of the printable character of UTF-8 that begins here, 0 if there is none. Control characters are those below
 * U+0020 and U+007F to U+009F, which terminals obey as well. */
static int printable(const unsigned char *c)
{
    if (c[0] < 0x80)
        return c[0] >= ' ' && c[0] != 0x7F;
    int more = c[0] >= 0xC2 && c[0] < 0xE0 ? 1 : c[0] >= 0xE0 && c[0] < 0xF0 ? 2 : c[0] >= 0xF0 && c[0] < 0xF5 ? 3 : 0;
    for (int i = 1; i <= more; i++)
        if ((c[i] & 0xC0) != 0x80) /* the zero at the end, too */
            return 0;
    bool too_long = (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xF0 && c[1] < 0x90);
    bool no_character = (c[0] == 0xED && c[1] >= 0xA0) || (c[0] == 0xF4 && c[1] >= 0x90);
    bool control = c[0] == 0xC2 && c[1] < 0xA0;
    return more == 0 || too_long || no_character || control ? 0 : more + 1;
}

char *px_printable(char *text, const char *keep)
{
    for (char *c = text; *c;) {
        int length = printable((const unsigned char *)c);
        if (length == 0 && !strchr(keep, *c))
            *c = '?';
        c += length > 0 ? length : 1;
    }
    return text;
}

char *px_one_line(char *text)
{
    return px_printable(text, "");
}

/* A path may be longer than any message, and what is wrong with it comes after it. */
static void set_message(px_status status, const char *format, va_list args)
{
    enum { HALF = sizeof last.text / 2 - 4 };
    char *text = NULL; /* a copy, since px_fail(status, "%s", px_error()) reads the text that it replaces */
    int length = vasprintf(&text, format, args);
    if (length < 0)
        snprintf(last.text, sizeof last.text, "out of memory");
    else if ((size_t)length < sizeof last.text)
        memcpy(last.text, text, (size_t)length + 1);
    else
        snprintf(last.text, sizeof last.text, "%.*s ... %s", HALF, text, text + length - HALF);
    px_one_line(last.text);
    last.status = status;
    free(text);
}

int px_fail(px_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_message(status, format, args);
    va_end(args);
    return -1;
}

void *px_fail_null(px_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_message(status, format, args);
    va_end(args);
    return NULL;
}

const char *px_error(void)
{
    return last.text;
}

px_status px_error_status(void)
{
    return last.status;
}

int px_plain_file(const char *path, px_status status)
{
    struct stat about;
    if (stat(path, &about) != 0 || S_ISREG(about.st_mode))
        return 0;
    const char *what = S_ISDIR(about.st_mode)    ? "a folder"
                       : S_ISFIFO(about.st_mode) ? "a pipe"
                       : S_ISSOCK(about.st_mode) ? "a socket"
                                                 : "a device";
    return px_fail(status, "%s: is %s, not a file", path, what);
}

int px_replaceable(const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0 || S_ISREG(about.st_mode))
        return 0;
    return px_fail(PX_USAGE, "%s: is not a file, so it is not replaced", path);
}

char *px_partial_name(const char *out)
{
    return px_format("%s.partial.%ld", out, (long)getpid());
}

const char *px_rank_of_launcher(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *rank = getenv(names[i]);
        if (rank)
            return rank;
    }
    return "";
}

static void tell(const char *what)
{
    const char *rank = px_rank_of_launcher();
    if (*rank)
        fprintf(stderr, "pretext: rank %s: %s\n", rank, what);
    else
        fprintf(stderr, "pretext: %s\n", what);
    fflush(stderr);
}

/* This process is dying and has said why. Its end takes the other ranks with it; when the watch's thread sees that, it
 * prints no second message. */
static atomic_bool dying;

static _Noreturn void die(const char *what)
{
    if (!atomic_exchange(&dying, true))
        tell(what);
    px_crash_told();
    if (px_on_abort)
        px_on_abort();
    abort();
}

void px_tell(const char *format, ...)
{
    char text[sizeof last.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!atomic_load(&dying))
        tell(px_one_line(text));
}

void px_die(const char *format, ...)
{
    char text[sizeof last.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    die(px_one_line(text));
}

void px_check_failed(const char *file, int line, const char *what)
{
    char text[512];
    snprintf(text, sizeof text, "%s:%d: check failed: %s", file, line, what);
    die(text);
}

static _Noreturn void out_of_memory(size_t count, size_t size)
{
    char text[128];
    snprintf(text, sizeof text, "out of memory: %.0f bytes were asked for", (double)count * (double)size);
    die(text);
}

/* The standard allows malloc(0) to return NULL; ours never does. */
void *px_calloc(size_t count, size_t size)
{
    void *p = count && size ? calloc(count, size) : calloc(1, 1);
    if (!p)
        out_of_memory(count, size);
    return p;
}

void *px_realloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p)
        out_of_memory(1, size);
    return p;
}

char *px_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(px_calloc(size, 1), text, size);
}

char *px_format(const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        out_of_memory(1, strlen(format));
    va_end(args);
    return text;
}

void *px_grow(void *array, int count, size_t element_size)
{
    if (count == 0 || (count >= 8 && (count & (count - 1)) == 0))
        array = px_realloc(array, (count ? 2 * (size_t)count : 8) * element_size);
    return array;
}

/* Large arrays get large pages if the system has them: with small ones a step of ResNet-50 takes 5 % longer. */
void *px_aligned_calloc(size_t size)
{
    enum { LINE = 64, LARGE_PAGE = 2 << 20 };
    size_t alignment = size >= LARGE_PAGE ? LARGE_PAGE : LINE;
    if (size > SIZE_MAX - LARGE_PAGE)
        out_of_memory(1, size);
    size_t rounded = size ? (size + LINE - 1) / LINE * LINE : LINE;
    void *p;
    if (posix_memalign(&p, alignment, rounded) != 0)
        out_of_memory(1, rounded);
#ifdef MADV_HUGEPAGE
    if (alignment == LARGE_PAGE)
        (void)madvise(p, rounded / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* if refused, pages are small */
#endif
    return memset(p, 0, rounded);
}
