/* log.c - plain lines, warnings, and one progress line that is rewritten in place on a terminal. */
#include "base/log.h"

#include <math.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

enum { PLAIN_PROGRESS_SECONDS = 10 };

px_log px_log_make(FILE *stream, bool quiet)
{
    return (px_log){.stream = stream, .quiet = quiet, .terminal = isatty(fileno(stream)) == 1, .last_plain = -INFINITY};
}

/* One line that starts on a fresh one; a progress line that stands there is rewritten below it by its next update. */
static void print_line(px_log *log, const char *prefix, const char *format, va_list args)
{
    if (log->open_line)
        fputs("\r\033[K", log->stream);
    log->open_line = false;
    fputs(prefix, log->stream);
    vfprintf(log->stream, format, args);
    fputc('\n', log->stream);
    fflush(log->stream);
}

void px_log_line(px_log *log, const char *format, ...)
{
    if (log->quiet)
        return;
    va_list args;
    va_start(args, format);
    print_line(log, "", format, args);
    va_end(args);
}

void px_log_warning(px_log *log, const char *format, ...)
{
    if (log->quiet)
        return;
    va_list args;
    va_start(args, format);
    print_line(log, "warning: ", format, args);
    va_end(args);
}

void px_log_progress(px_log *log, const char *format, ...)
{
    if (log->quiet)
        return;
    double now = px_now();
    if (!log->terminal && now - log->last_plain < PLAIN_PROGRESS_SECONDS)
        return;
    log->last_plain = now;
    va_list args;
    va_start(args, format);
    if (log->terminal) {
        fputs("\r\033[K", log->stream);
        vfprintf(log->stream, format, args);
        fflush(log->stream);
        log->open_line = true;
    } else {
        print_line(log, "", format, args);
    }
    va_end(args);
}

void px_log_progress_end(px_log *log)
{
    if (!log->open_line)
        return;
    fputc('\n', log->stream);
    fflush(log->stream);
    log->open_line = false;
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double px_now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

double px_thread_seconds(void)
{
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

char *px_duration(double seconds, char buffer[32])
{
    if (!(seconds >= 0 && seconds < 1e9)) { /* an estimate before the first step, a clock gone mad */
        snprintf(buffer, 32, "?");
        return buffer;
    }
    long s = lround(seconds);
    if (s >= 3600 * 24)
        snprintf(buffer, 32, "%ldd %02ldh", s / (3600 * 24), s / 3600 % 24);
    else if (s >= 3600)
        snprintf(buffer, 32, "%ldh %02ldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(buffer, 32, "%ldm %02lds", s / 60, s % 60);
    else
        snprintf(buffer, 32, "%lds", s);
    return buffer;
}
