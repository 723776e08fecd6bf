/* online_test.h - a measurement of the frozen backbone, made every so many epochs while training goes on, from outside of train/:
 * the k nearest neighbours of eval/online_knn.c, which the command hands to px_pretrain.
 *
 *     px_online_test t;
 *     if (px_online_test_begin(&t, &px_online_knn, &session, log) != 0) ...              // all ranks
 *     ... after the update of a step:
 *     if (px_online_test_is_due(&t, place, last) && px_online_test_run(&t, log, epochs_done) != 0) ...  // collective
 *     ... t.value, t.seconds: what the series of run.h5 repeat until the next ...
 *     px_online_test_end(&t);
 *
 * It reads parameters and changes none.
 */
#ifndef PX_TRAIN_ONLINE_TEST_H
#define PX_TRAIN_ONLINE_TEST_H

#include "base/log.h"
#include "train/session.h"

typedef struct px_online_test_kind {
    const char *series[2]; /* its value's, and the seconds' that it took */
    const char *says;      /* what the value is, in the log */
    /* *own NULL: it is not asked for. 0 or -1 */
    int (*create)(void **own, const px_session *, px_log *);
    int (*measure)(void *own, double *value); /* collective; a share of 1. 0 or -1 */
    void (*destroy)(void *own);
    /* Bytes per rank that it takes besides the session, known before any is allocated. */
    double (*bytes)(const px_settings *, const px_task *);
} px_online_test_kind;

typedef struct px_online_test {
    const px_online_test_kind *kind; /* NULL: there is none */
    void *own;
    int64_t every;         /* steps */
    double value, seconds; /* NaN before the first */
    double ended;          /* px_now of the last one, or of the beginning */
} px_online_test;

/* `kind` may be NULL. 0 or -1, with nothing to end. */
int px_online_test_begin(px_online_test *, const px_online_test_kind *kind, const px_session *, px_log *);
void px_online_test_end(px_online_test *); /* accepts a zeroed one */
bool px_online_test_is_due(const px_online_test *, int64_t place, bool last);
int px_online_test_run(px_online_test *, px_log *, double epochs_done);

/* The bytes of its kind; 0 if there is none or it is not asked for. */
double px_online_test_bytes(const px_online_test_kind *, const px_settings *, const px_task *);

#endif
