/* crash.c - see crash.h. The handler only calls functions that are safe in one: write, sigaction, raise, _exit. */
#include "base/crash.h"
#include "base/error.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOST "cannot be read any more: it has become shorter, or its file system has failed"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

enum { FILES = 16 /* of a block */, TEXT = 512, LINE = 2048, STACK = 128 << 10 };

static const struct crash {
    int number;
    const char *name;
} crashes[] = {{SIGSEGV, "SIGSEGV (wrong memory address)"},
               {SIGBUS, "SIGBUS (memory that cannot be read)"},
               {SIGFPE, "SIGFPE (wrong arithmetic)"},
               {SIGILL, "SIGILL (an instruction that this processor lacks)"},
               {SIGABRT, "SIGABRT"}};

typedef struct mapped_file {
    _Atomic uintptr_t base; /* 0: this slot is free */
    size_t bytes;
    char *path;
} mapped_file;

/* More blocks are added as needed, and never freed: a handler may be looking through them. */
typedef struct file_block {
    mapped_file file[FILES];
    struct file_block *_Atomic next;
} file_block;

/* Globals, since a signal handler can reach nothing else. */
static file_block files;
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static char command_name[64], rank_name[32], saved_text[TEXT];
static const char *volatile doing_what;
static volatile int64_t doing_step = -1;
static volatile sig_atomic_t told;
static atomic_flag ending = ATOMIC_FLAG_INIT;
static char handler_stack[STACK];

static _Thread_local const char *thread_doing;
static _Thread_local sigjmp_buf *armed;
static _Thread_local const char *volatile lost_path;

/* ---- a line without printf ---- */

typedef struct line {
    char text[LINE];
    size_t used;
} line;

static void add(line *l, const char *text)
{
    for (; *text && l->used < LINE - 1; text++) {
        int control = (unsigned char)*text < ' ' || *text == 127;
        l->text[l->used++] = (char)(control ? '?' : *text);
    }
}

static void add_number(line *l, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0 && at > 0);
    add(l, digits + at);
}

static void begin(line *l)
{
    l->used = 0;
    add(l, "pretext");
    if (command_name[0]) {
        add(l, " ");
        add(l, command_name);
    }
    add(l, ": ");
    if (rank_name[0]) {
        add(l, "rank ");
        add(l, rank_name);
        add(l, ": ");
    }
}

static void print(line *l)
{
    l->text[l->used++] = '\n';
    ssize_t written = write(STDERR_FILENO, l->text, l->used);
    (void)written; /* there is nobody else to tell */
}

static void print_crash(const char *name)
{
    line l;
    const char *what = thread_doing ? thread_doing : doing_what;
    begin(&l);
    add(&l, "ended by ");
    add(&l, name);
    if (what) {
        add(&l, " during ");
        add(&l, what);
        if (doing_step >= 0) {
            add(&l, " of step ");
            add_number(&l, doing_step);
        }
    }
    if (saved_text[0]) {
        add(&l, "; ");
        add(&l, saved_text);
    }
    print(&l);
}

/* ---- the handler ---- */

static const mapped_file *file_at(const void *address)
{
    uintptr_t at = (uintptr_t)address;
    for (const file_block *b = &files; b; b = b->next)
        for (const mapped_file *f = b->file; f < b->file + FILES; f++) {
            uintptr_t base = f->base;
            if (base && at >= base && at - base < f->bytes)
                return f;
        }
    return NULL;
}

static void lose_file(const mapped_file *f)
{
    if (armed) {
        lost_path = f->path;
        siglongjmp(*armed, 1);
    }
    if (atomic_flag_test_and_set(&ending))
        for (;;)
            pause();
    line l;
    begin(&l);
    add(&l, f->path);
    add(&l, ": " LOST);
    print(&l);
    _exit(PX_DATA);
}

static void handle(int number, siginfo_t *info, void *context)
{
    (void)context;
    const mapped_file *file = number == SIGBUS && info->si_code > 0 ? file_at(info->si_addr) : NULL;
    if (file)
        lose_file(file);
    if (atomic_flag_test_and_set(&ending)) /* another thread prints the line and ends the process */
        for (;;)
            pause();
    if (!told)
        for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
            if (crashes[i].number == number)
                print_crash(crashes[i].name);
    signal(number, SIG_DFL);
    if (info->si_code <= 0 || number == SIGABRT) /* a fault happens again on return, and the core shows where */
        raise(number);
}

void px_crash_watch(const char *command)
{
    snprintf(command_name, sizeof command_name, "%s", command);
    snprintf(rank_name, sizeof rank_name, "%s", px_rank_of_launcher());
    /* On a stack of its own the handler also works when the main thread's stack has overflowed. */
    sigaltstack(&(stack_t){.ss_sp = handler_stack, .ss_size = sizeof handler_stack}, NULL);
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
#ifdef SANITIZED
        if (crashes[i].number != SIGBUS)
            continue;
#endif
        sigaction(crashes[i].number, &action, NULL);
    }
}

/* ---- what the program tells ---- */

void px_crash_doing(const char *what, int64_t step)
{
    doing_what = what;
    doing_step = step;
}

void px_crash_thread_doing(const char *what)
{
    thread_doing = what;
}

void px_crash_saved(const char *text)
{
    snprintf(saved_text, sizeof saved_text, "%s", text);
}

void px_crash_told(void)
{
    told = 1;
}

/* The first slot with this base, or NULL; 0: a free one, of a new block if there is none. */
static mapped_file *slot_of(uintptr_t base)
{
    for (file_block *b = &files;; b = b->next) {
        for (mapped_file *f = b->file; f < b->file + FILES; f++)
            if (f->base == base)
                return f;
        if (!b->next && base)
            return NULL;
        if (!b->next)
            b->next = px_calloc(1, sizeof *b);
    }
}

void px_crash_file_add(const void *map, size_t bytes, const char *path)
{
    if (!map)
        return; /* of an empty file */
    pthread_mutex_lock(&files_lock);
    mapped_file *f = slot_of(0);
    f->bytes = bytes;
    f->path = px_strdup(path);
    f->base = (uintptr_t)map;
    pthread_mutex_unlock(&files_lock);
}

void px_crash_file_remove(const void *map)
{
    if (!map)
        return;
    pthread_mutex_lock(&files_lock);
    mapped_file *f = slot_of((uintptr_t)map);
    if (f) {
        f->base = 0;
        free(f->path);
        f->path = NULL;
    }
    pthread_mutex_unlock(&files_lock);
}

int px_crash_file_lost(const char *path)
{
    return px_fail(PX_DATA, "%s: " LOST, path);
}

int px_crash_guard(void (*work)(void *), void *context)
{
    sigjmp_buf here;
    if (sigsetjmp(here, 0) != 0) { /* the handler blocks no signal, so none need be restored */
        armed = NULL;
        return px_crash_file_lost(lost_path);
    }
    armed = &here;
    work(context);
    armed = NULL;
    return 0;
}
