/* compare_private.h - what the files compare*.c share; no other file includes it. */
#ifndef PX_FIGURES_COMPARE_PRIVATE_H
#define PX_FIGURES_COMPARE_PRIVATE_H

#include "figures/compare.h"
#include "results/ledger.h"

#include <stdbool.h>

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

/* Reads one run; `name` is taken. All texts but `measured` are made one line without control characters. 0 or -1. */
int px_compare_read_run(cmp_run *, char *name, const char *path);
void px_compare_run_finish(cmp_run *);

/* The value of a setting, or "". Borrowed. */
const char *px_compare_setting(const cmp_run *, const char *key);

struct json_t;
struct json_t *px_compare_json_run(const cmp_run *); /* a new object */

/* Whether a setting changes what a run computes, other than by chance. */
bool px_compare_matters(const char *key);

#endif
