/* log.c - see log.h. */
#include "base/log.h"
#include "base/error.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PLAIN_PROGRESS_SECONDS = 10, KEPT_PROGRESS_SECONDS = 60 };

px_log px_log_make(FILE *stream, bool quiet)
{
    return (px_log){.stream = stream,
                    .quiet = quiet,
                    .terminal = isatty(fileno(stream)) == 1,
                    .last_plain = -INFINITY,
                    .last_kept = -INFINITY};
}

/* ---- the file ---- */

static void keep_text(px_log *log, const char *prefix, const char *text)
{
    char when[32];
    time_t now = time(NULL);
    struct tm local;
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &local));
    fprintf(log->file, "%s  %s%s\n", when, prefix, text);
    fflush(log->file);
}

/* What is logged may hold names from other people's files. A new string. */
static char *one_line(const char *format, va_list args)
{
    char *text = NULL;
    return vasprintf(&text, format, args) < 0 ? px_strdup("(out of memory)") : px_one_line(text);
}

/* Until there is a file, lines are collected; if there are too many, only the first ones. */
static void keep_line(px_log *log, const char *prefix, const char *text)
{
    size_t used = strlen(log->early), room = sizeof log->early - used;
    if (log->file)
        keep_text(log, prefix, text);
    else if (strlen(prefix) + strlen(text) + 2 <= room)
        snprintf(log->early + used, room, "%s%s\n", prefix, text);
}

int px_log_keep(px_log *log, const char *path, const char *title)
{
    if (log->quiet || log->file)
        return 0;
    if (px_plain_file(path, PX_USAGE) != 0)
        return -1;
    log->file = fopen(path, "ae");
    if (!log->file)
        return px_fail(PX_FAIL, "%s: cannot be opened: %s", path, strerror(errno));
    char *line = px_one_line(px_strdup(title));
    keep_text(log, "", line);
    free(line);
    char *rest = log->early;
    while ((line = strsep(&rest, "\n")) && *line)
        keep_text(log, "", line);
    log->early[0] = '\0';
    return 0;
}

void px_log_note(px_log *log, const char *format, ...)
{
    if (!log->file)
        return;
    va_list args;
    va_start(args, format);
    char *text = one_line(format, args);
    va_end(args);
    keep_line(log, "", text);
    free(text);
}

void px_log_close(px_log *log)
{
    if (log->file)
        fclose(log->file);
    log->file = NULL;
}

/* ---- the stream ---- */

/* Prints a line below an open progress line, whose next update then appears below this line. */
static void print_line(px_log *log, const char *prefix, const char *text)
{
    if (log->open_line)
        fputs("\r\033[K", log->stream);
    log->open_line = false;
    fprintf(log->stream, "%s%s\n", prefix, text);
    fflush(log->stream);
}

static void say(px_log *log, const char *prefix, const char *format, va_list args)
{
    if (log->quiet)
        return;
    char *text = one_line(format, args);
    print_line(log, prefix, text);
    keep_line(log, prefix, text);
    free(text);
}

void px_log_line(px_log *log, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(log, "", format, args);
    va_end(args);
}

void px_log_warning(px_log *log, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(log, "warning: ", format, args);
    va_end(args);
}

void px_log_progress(px_log *log, const char *format, ...)
{
    double now = px_now();
    bool keep = log->file && now - log->last_kept >= KEPT_PROGRESS_SECONDS,
         print = log->terminal || now - log->last_plain >= PLAIN_PROGRESS_SECONDS;
    if (log->quiet || (!keep && !print))
        return;
    va_list args;
    va_start(args, format);
    char *text = one_line(format, args);
    va_end(args);
    if (keep) {
        log->last_kept = now;
        keep_line(log, "", text);
    }
    if (print) {
        log->last_plain = now;
        if (log->terminal)
            fprintf(log->stream, "\r\033[K%s", text), fflush(log->stream);
        else
            print_line(log, "", text);
        log->open_line = log->terminal;
    }
    free(text);
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
    if (!(seconds >= 0 && seconds < 1e9)) { /* an estimate before the first step, or a wrong clock */
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
