/* hostile.h - a table of hostile inputs: each row makes one input, runs one command on it, and says how that must end.
 *
 *     static const hostile rows[] = {
 *         {.name = "cut.idx", .make = make_idx, .size = 17, .status = 3, .says = "is truncated"},
 *     };
 *     hostile_run(rows, sizeof rows / sizeof *rows, (const char *const[]){"pack", "%", NULL});
 *
 * Each row works in an empty folder of its own. It must end with its status and one line on standard error (an accepted
 * input: without one), print nothing that a terminal would obey, leave no file and no folder and change none, and take
 * less than HOSTILE_SECONDS of processor time (and not wait for much longer) and HOSTILE_KIB. All rows of a table are run
 * before a failure ends the test. The environment variable HOSTILE_EVERY=N runs every N-th row, 1 all; HOSTILE_ONLY=PART
 * those with PART in their names; HOSTILE_TABLE=hostile_bombs only that table.
 */
#ifndef PX_TESTS_CLI_HOSTILE_H
#define PX_TESTS_CLI_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SANITIZE_ADDRESS__
/* A start of the program takes seven times as long, so that only every fifth row is run; the sanitizer's own memory counts,
 * too. */
enum { HOSTILE_SECONDS = 20, HOSTILE_KIB = 4 << 20, HOSTILE_EVERY = 5 };
#else
enum { HOSTILE_SECONDS = 1, HOSTILE_KIB = 512 << 10, HOSTILE_EVERY = 1 };
#endif

enum { HOSTILE_WORDS = 8, HOSTILE_NAME = 80, HOSTILE_KIND = 32 };

typedef struct hostile {
    char name[HOSTILE_NAME];              /* of the input */
    void (*make)(const struct hostile *); /* makes it in the current folder; NULL: there is nothing to make */
    int status;
    const char *says;                 /* a part of the one line; status 0: of any output, or NULL */
    const char *words[HOSTILE_WORDS]; /* the command, if it is not the table's */
    bool ranks;                       /* on two ranks, too */

    /* For `make`, whose comment tells what it takes. */
    const char *text, *from;
    int64_t at, size;
    double number;
    char kind[HOSTILE_KIND], object[HOSTILE_NAME];
} hostile;

/* In the words of a command:
 *     %   the row's name                        @   the folder of good files: d.h5, e.h5 (encoded), g.h5 (gray),
 *     &   a name of 300 characters                  plain.h5 (no classes), ok/ (a run with evaluations),
 *     ~   a path of 5,000 characters                w.safetensors
 * Where a command needs more arguments than a row names, as pretrain does, it gets defaults that may be overridden. */
void hostile_run(const hostile rows[], int count, const char *const command[]);

/* A table of rows that are made from shorter descriptions. Starts empty; hostile_run_made runs and frees it. */
typedef struct hostile_rows {
    hostile *row;
    int count;
} hostile_rows;

hostile *hostile_add(hostile_rows *); /* valid until the next one */
void hostile_run_made(hostile_rows *, const char *const command[]);

/* Goes through words that are separated by spaces: copies the next one; false: there is none. */
bool hostile_next(const char **list, char word[HOSTILE_KIND]);

/* A file in the current folder; folders are made as needed. */
void hostile_put(const char *name, const void *bytes, size_t size);

/* Makes the good files and changes to their folder's neighbour. The folder above both, to be removed in the end. */
char *hostile_begin(void);
int hostile_total(void); /* rows of all tables so far */

/* The tables: one test each. */
void hostile_configurations(void **state);
void hostile_arguments(void **state);
void hostile_binaries(void **state);
void hostile_images(void **state);
void hostile_pictures(void **state);
void hostile_folders(void **state);
void hostile_archives(void **state);
void hostile_archive_damage(void **state);
void hostile_bombs(void **state);
void hostile_weights(void **state);
void hostile_sets(void **state);
void hostile_set_files(void **state);
void hostile_checkpoints(void **state);
void hostile_checkpoint_files(void **state);
void hostile_results(void **state);
void hostile_outputs(void **state);
void hostile_plugins(void **state);

#endif
