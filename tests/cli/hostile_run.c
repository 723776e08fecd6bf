/* hostile_run.c - see hostile.h: runs the rows of a table, several at once, and checks how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "base/log.h"
#include "hostile.h"
#include "make_set.h"
#include "run.h"

#include <signal.h>

enum { AT_ONCE = 4, ARGUMENTS = 40, PATIENCE = 20 };

#define SMALL "batch=16", "epochs=1", "optim.warmup_epochs=0", "threads=1", "resnet.width=0.125"

/* What a command gets besides a row's own words. */
static const char *const defaults[][10] = {
    {"pretrain", "out=x", "data.path=@/d.h5", SMALL},
    {"probe", "data.path=@/d.h5", "threads=1", "protocol=knn", "embed=0"},
    {"features", "out=x.h5", "data.path=@/d.h5", "threads=1"},
    {"pack", "out=x.h5"},
    {"export", "out=x.safetensors"},
    {"plot", "out=x"},
    {"views", "out=x.png", "data.path=@/d.h5", SMALL},
    {"bench", "data.path=@/d.h5", SMALL},
};

typedef struct running {
    const hostile *row; /* NULL: free */
    run_child child;
    char *folder, *before;
    double start;
    bool again; /* it took too long, and now runs alone */
} running;

/* What the runs of one table share. */
typedef struct table {
    const char *const *command;
    int failures;
    const hostile **slow;
    int slows;
} table;

static char *top; /* of all folders; tests of cmocka share nothing but globals */
static int total;

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* A new string of `length` characters: `part` repeated. */
static char *repeated(const char *part, size_t length)
{
    char *text = px_calloc(length + 1, 1);
    for (size_t i = 0; i < length; i++)
        text[i] = part[i % strlen(part)];
    return text;
}

/* A word with its %, @, & and ~ replaced; a new string. */
static char *expanded(const char *word, const char *name)
{
    char *text = px_strdup("");
    for (const char *at = word; *at;) {
        size_t plain = strcspn(at, "%@&~");
        char *what = at[plain] == '%'   ? px_strdup(name)
                     : at[plain] == '@' ? px_strdup("../../good")
                     : at[plain] == '&' ? repeated("n", 300)
                     : at[plain] == '~' ? repeated("below/", 4999)
                                        : px_strdup("");
        char *longer = px_format("%s%.*s%s", text, (int)plain, at, what);
        free(what);
        free(text);
        text = longer;
        at += plain + (at[plain] != '\0');
    }
    return text;
}

static int append(char **words, int n, const char *const *more, int most, const char *name)
{
    for (int i = 0; i < most && more[i]; i++)
        words[n++] = expanded(more[i], name);
    return n;
}

static run_child start(const hostile *row, const char *const *command, int ranks)
{
    char *words[ARGUMENTS] = {NULL};
    const char *const *own = row->words[0] ? row->words : command;
    int n = append(words, 0, own, 1, row->name);
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (strcmp(defaults[i][0], own[0]) == 0)
            n = append(words, n, defaults[i] + 1, 9, row->name);
    n = append(words, n, own + 1, HOSTILE_WORDS - 1, row->name);
    run_child child = run_start(ranks, (const char *const *)words);
    while (n > 0)
        free(words[--n]);
    return child;
}

/* ---- what must not change ---------------------------------------------------------------------------------------- */

static FILE *listing;

/* A run's log also tells of a start that was refused. */
static int list_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
    if (strcmp(path + where->base, "log.txt") == 0)
        return 0;
    bool folder = type == FTW_D || type == FTW_DP;
    fprintf(listing, "%s %o %lld %lld.%09ld\n", path, (unsigned)about->st_mode, folder ? 0 : (long long)about->st_size,
            folder ? 0 : (long long)about->st_mtim.tv_sec, folder ? 0 : about->st_mtim.tv_nsec);
    return 0;
}

/* Names, kinds, sizes and times of everything below a folder. A new string. */
static char *list_all(const char *folder)
{
    char *text;
    size_t size;
    listing = open_memstream(&text, &size);
    assert_non_null(listing);
    assert_int_equal(nftw(folder, list_one, 16, FTW_PHYS), 0);
    fclose(listing);
    return text;
}

/* The first line of `now` that differs, or NULL. Lines of `output`, which a command may make, do not count. */
static const char *changed(const char *before, const char *now, const char *output)
{
    const char *line = now;
    while (*line) {
        size_t length = strcspn(line, "\n");
        if (strncmp(line, before, length + 1) == 0) {
            before += length + 1;
        } else if (!output || strncmp(line, output, strlen(output)) != 0) {
            return line;
        }
        line += length + 1;
    }
    return *before ? before : NULL;
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static void complain(table *t, const hostile *row, const char *format, ...)
{
    va_list more;
    char text[4000];
    va_start(more, format);
    vsnprintf(text, sizeof text, format, more);
    va_end(more);
    print_error("%s (%s): %s\n", row->name, row->words[0] ? row->words[0] : t->command[0], px_printable(text, "\n"));
    t->failures++;
}

/* How many of the lines are the program's final message. mpirun's own lines do not begin like this. */
static int count_messages(const char *text, const char **message)
{
    int count = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n") + (strchr(line, '\n') != NULL))
        if (strncmp(line, "pretext", 7) == 0) {
            *message = line;
            count++;
        }
    return count;
}

static bool harmless(const char *text)
{
    char *shown = px_printable(px_strdup(text), "\n\t");
    bool same = strcmp(shown, text) == 0;
    free(shown);
    return same;
}

static void check_end(table *t, const hostile *row, const run_result *r, bool alone)
{
    const char *command = row->words[0] ? row->words[0] : t->command[0], *message = "";
    char *prefix = px_format("pretext %s: ", command);
    int messages = count_messages(r->err, &message);
    bool right;
    if (row->status == 0)
        right = messages == 0 && (!row->says || strstr(r->err, row->says) || strstr(r->out, row->says));
    else
        right = messages == 1 && strncmp(message, prefix, strlen(prefix)) == 0 && strstr(message, row->says) &&
                (!alone || (*r->out == '\0' && strchr(r->err, '\n') == r->err + strlen(r->err) - 1));
    if (r->status != row->status || !right)
        complain(t, row, "status %d, expected %d and '%s':\n%s%s", r->status, row->status, row->says ? row->says : "",
                 r->err, r->out);
    if (!harmless(r->err) || !harmless(r->out))
        complain(t, row, "prints control characters:\n%s%s", r->err, r->out);
    free(prefix);
}

static void check_folder(table *t, const hostile *row, const running *run)
{
    char *now = list_all(run->folder), *output = px_format("%s/x", run->folder);
    const char *line = changed(run->before, now, row->status == 0 ? output : NULL);
    if (line)
        complain(t, row, "left or changed %.*s", (int)strcspn(line, "\n"), line);
    free(now);
    free(output);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static void begin(running *run, const hostile *row, const char *const *command, int ranks)
{
    *run = (running){.row = row, .folder = px_format("%s/rows/%d", top, total++)};
    assert_int_equal(mkdir(run->folder, 0777), 0);
    assert_int_equal(chdir(run->folder), 0);
    if (row->make)
        row->make(row);
    run->before = list_all(run->folder);
    run->start = px_now();
    run->child = start(row, command, ranks);
    assert_int_equal(chdir(top), 0);
}

/* Whether it worked for too long, or waited: on a busy machine it may wait for a processor, so that is seen only alone. */
static bool too_slow(const running *run, const run_result *r, double seconds)
{
    double load = 0, cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    bool busy = getloadavg(&load, 1) == 1 && load > cores;
    double allowed = HOSTILE_SECONDS * (run->again ? 3 * (busy ? load / cores : 1) : 1);
    return r->processor > HOSTILE_SECONDS || seconds > allowed;
}

static void end(table *t, running *run, run_result *r, bool alone)
{
    const hostile *row = run->row;
    double seconds = px_now() - run->start;
    check_end(t, row, r, alone);
    check_folder(t, row, run);
    bool slow = alone && too_slow(run, r, seconds);
    if (slow && !run->again) { /* perhaps the machine was busy */
        t->slow = px_grow(t->slow, t->slows, sizeof t->slow[0]);
        t->slow[t->slows++] = row;
    } else if (slow)
        complain(t, row, "took %.2f s, %.2f s of processor time", seconds, r->processor);
    if (alone && r->memory_kib > HOSTILE_KIB)
        complain(t, row, "took %ld MB of memory", r->memory_kib >> 10);
    run_folder_remove(run->folder);
    free(run->before);
    run_finish(r);
    run->row = NULL;
}

/* Whether the row's program has ended, or there was none. */
static bool is_free(table *t, running *run)
{
    run_result r;
    if (!run->row)
        return true;
    if (run_has_ended(&run->child, &r)) {
        end(t, run, &r, true);
        return true;
    }
    if (px_now() - run->start > PATIENCE * HOSTILE_SECONDS)
        kill(run->child.process, SIGKILL);
    return false;
}

static running *wait_for_one(table *t, running run[AT_ONCE])
{
    for (;; run_pause_ms(1))
        for (int i = 0; i < AT_ONCE; i++)
            if (is_free(t, &run[i]))
                return &run[i];
}

static void wait_for_all(table *t, running run[AT_ONCE])
{
    for (int i = 0; i < AT_ONCE; i++)
        while (!is_free(t, &run[i]))
            run_pause_ms(1);
}

static void run_alone(table *t, const hostile *row, int ranks)
{
    running run[AT_ONCE] = {0};
    begin(&run[0], row, t->command, ranks);
    run[0].again = true;
    if (ranks == 0) {
        wait_for_all(t, run);
    } else {
        run_result r = run_wait(&run[0].child);
        end(t, &run[0], &r, false);
    }
}

void hostile_run(const hostile rows[], int count, const char *const command[])
{
    running run[AT_ONCE] = {0};
    table t = {.command = command};
    int before = total;
    char *good = px_format("%s/good", top), *good_before = list_all(good);
    const char *only = getenv("HOSTILE_ONLY"), *some = getenv("HOSTILE_EVERY");
    int every = some && atoi(some) > 0 ? atoi(some) : HOSTILE_EVERY;
    for (int i = 0; i < count; i++)
        if (only ? strstr(rows[i].name, only) != NULL : (before + i) % every == 0)
            begin(wait_for_one(&t, run), &rows[i], command, 0);
    wait_for_all(&t, run);
    total = before + count;
    for (int i = 0; i < t.slows; i++)
        run_alone(&t, t.slow[i], 0);
    free(t.slow);
    for (int i = 0; i < count; i++)
        if (rows[i].ranks && !only && (before + i) % every == 0)
            run_alone(&t, &rows[i], 2);
    char *good_after = list_all(good), *others = list_all(top);
    const char *line = changed(good_before, good_after, NULL);
    if (line)
        fail_msg("left or changed %.*s", (int)strcspn(line, "\n"), line);
    if (strstr(others, "escaped"))
        fail_msg("something was written outside: %s", strstr(others, "escaped"));
    free(good);
    free(good_before);
    free(good_after);
    free(others);
    if (t.failures > 0)
        fail_msg("%d mistakes in %d rows", t.failures, count);
}

hostile *hostile_add(hostile_rows *rows)
{
    rows->row = px_grow(rows->row, rows->count, sizeof *rows->row);
    rows->row[rows->count] = (hostile){0};
    return &rows->row[rows->count++];
}

void hostile_run_made(hostile_rows *rows, const char *const command[])
{
    hostile_run(rows->row, rows->count, command); /* a failure leaves here, and what it leaves is freed with the test */
    free(rows->row);
    *rows = (hostile_rows){0};
}

bool hostile_next(const char **list, char word[HOSTILE_KIND])
{
    *list += strspn(*list, " ");
    size_t length = strcspn(*list, " ");
    assert_true(length < HOSTILE_KIND);
    memcpy(word, *list, length);
    word[length] = '\0';
    *list += length;
    return length > 0;
}

void hostile_put(const char *name, const void *bytes, size_t size)
{
    free(write_file(".", name, bytes, size));
}

int hostile_total(void)
{
    return total;
}

/* ---- good files -------------------------------------------------------------------------------------------------- */

static void succeed(run_result r)
{
    if (r.status != 0)
        fail_msg("%s", r.err);
    run_finish(&r);
}

char *hostile_begin(void)
{
    top = run_folder_create();
    assert_int_equal(chdir(top), 0);
    assert_int_equal(mkdir("good", 0777), 0);
    assert_int_equal(mkdir("rows", 0777), 0);
    set_spec s = {.count = 96, .side = 16, .channels = 3, .classes = 5};
    free(make_set("good", "d.h5", &s));
    s.encoded = true;
    free(make_set("good", "e.h5", &s));
    free(make_set("good", "g.h5", &(set_spec){.count = 40, .side = 16, .channels = 1, .classes = 5}));
    free(make_set("good", "plain.h5", &(set_spec){.count = 40, .side = 16, .channels = 3}));
    blob png = make_flat_png(16, 16, 3, 7);
    hostile_put("good/images.png", png.bytes, png.size);
    free(png.bytes);
    succeed(RUN("pretrain", "out=good/ok", "data.path=good/d.h5", SMALL));
    succeed(RUN("probe", "good/ok", "data.path=good/d.h5", "threads=1", "linear.epochs=1"));
    succeed(RUN("export", "good/ok", "out=good/w.safetensors"));
    return top;
}
