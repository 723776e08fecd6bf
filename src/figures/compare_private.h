/* compare_private.h - what the files compare*.c share; no other file includes it. */
#ifndef PX_FIGURES_COMPARE_PRIVATE_H
#define PX_FIGURES_COMPARE_PRIVATE_H

#include "figures/compare.h"
#include "results/ledger.h"

#include <stdbool.h>
#include <stdio.h>

/* A setting of a run's configuration: "optim.lr", "0.1". */
typedef struct cmp_setting {
    char *key, *value;
} cmp_setting;

/* What a run reached in a protocol, by its best known number. */
typedef struct cmp_eval {
    char *protocol, *subject; /* the subject without @N */
    char *measured;           /* or NULL: not known */
    int k;
    const char *number; /* "top1"; static */
    double share;       /* of 1 */
    double half;        /* half the 95 % interval over the evaluation's own repeats (seeds=); NaN: it had none */
    double holdout;     /* best of what its settings reached on held-out training images; NaN: nothing was chosen */
    int measure;        /* index of the column */
} cmp_eval;

typedef struct cmp_run {
    char *name;
    cmp_setting *setting;
    int settings;
    double epochs; /* that it has done; NaN: it was not trained here */
    int64_t steps; /* likewise; -1 */
    bool weights;  /* these are results of a file of weights: its configuration does not say how they were trained */
    px_ledger_total cost;
    cmp_eval *eval;
    int evals;
    int group;
} cmp_run;

/* A way in which accuracies were measured: a column. */
typedef struct cmp_measure {
    const cmp_eval *first;
    int same;   /* how many measures have its protocol and subject */
    int number; /* among these */
} cmp_measure;

struct px_comparison {
    cmp_run *run;
    int runs;
    int groups, *leader; /* the first run of each group */
    cmp_measure *measure;
    int measures;
};

typedef struct cmp_numbers {
    double *x; /* owned */
    int n;
} cmp_numbers;

/* A column's shares in a group, one per run that has one; `holdout`: those that its settings were chosen by. */
cmp_numbers px_compare_shares(const px_comparison *, int group, int measure, bool holdout);

/* Adds a number. */
void px_compare_take(cmp_numbers *, double);

/* The run's last measurement of a column, or NULL. Borrowed. */
const cmp_eval *px_compare_eval(const cmp_run *, int measure);

/* Whether a column is of what was trained: which row is best, and by how much rows differ, is a question of that. */
bool px_compare_is_trained(const px_comparison *, int measure);

/* How many runs a group has. */
int px_compare_members(const px_comparison *, int group);

/* The group that is best by images held out of the training split, which no test has seen; -1: fewer than two have such a
 * number. */
int px_compare_best_by_holdout(const px_comparison *, int measure);

/* Half the interval over an evaluation's own repeats, of a row of one run; NaN: there is none. */
double px_compare_half_of_probe(const px_comparison *, int group, int measure);

/* Whether a setting has a column of its own. */
bool px_compare_has_column(const char *key);

/* The length of a setting's part with its dot, if it is one that some rows do not have at all, as those of another method, and
 * the others have it alike; else 0. Such settings are told apart: they would bury those that two rows have differently. */
int px_compare_own_part(const px_comparison *, const char *key);

/* New strings. A run's name; of several, what they have in common and what differs: "optim.lr=0.1". A column's: "linear",
 * "linear untrained", "knn k=20 [b]". */
char *px_compare_row_name(const px_comparison *, int group, const char *const *keys, int count);
char *px_compare_measure_name(const cmp_measure *);

/* What stands below the table. `keys`: the settings that differ. */
typedef struct cmp_notes {
    FILE *out;
    const char *before; /* of each line: "- " in Markdown */
    bool apart;         /* settings stand elsewhere */
} cmp_notes;
void px_compare_print_notes(const px_comparison *, const cmp_notes *, const char *const *keys, int count);

/* Reads one run; `name` is taken. All texts but `measured` are made one line without control characters. 0 or -1. */
int px_compare_read_run(cmp_run *, char *name, const char *path);
void px_compare_run_finish(cmp_run *);

/* The value of a setting, or "": it has none, or results of weights, which do not know how those were trained. Borrowed. */
const char *px_compare_setting(const cmp_run *, const char *key);

struct json_t;
struct json_t *px_compare_json_run(const cmp_run *); /* a new object */

/* Whether a setting changes what a run computes, other than by chance. */
bool px_compare_matters(const char *key);

#endif
