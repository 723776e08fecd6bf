/* evaluation.h - evaluates a run: reads its folder and writes /eval of its run.h5. What a number measures stands beside it
 * (results/measured.h), and a measurement of another kind does not replace it.
 *
 *     px_evaluation e;
 *     if (px_evaluation_load(&e, "runs/first", assignments, count, &log) != 0 ||
 *         px_evaluate(&e, &comm, "pretext probe runs/first", &log) != 0) ...          // collective
 *     px_evaluation_finish(&e);
 *
 * Subjects: `pretrained` (the run's checkpoint; with net=NAME it is called NAME, of step 0 `initial`), and with
 * baselines=true `untrained` (the same backbone with its initial values), `pixels` and `hog` (extract.h). Written are what
 * the protocol writes to /eval/PROTOCOL/SUBJECT (protocol.h; the group has the evaluation's settings as its attribute
 * `config`), /eval/PROTOCOL/class_names, /eval/embedding and /eval/spectrum/SUBJECT.
 */
#ifndef PX_EVAL_EVALUATION_H
#define PX_EVAL_EVALUATION_H

#include "base/log.h"
#include "dist/comm.h"
#include "eval/patches.h"
#include "eval/protocol.h"
#include "train/settings.h"

typedef struct px_eval_cfg {
    const char *protocol, *net, *train_split, *test_split, *store;
    enum { PX_BESIDE_NOTHING, PX_BESIDE_BASELINES, PX_BESIDE_UNTRAINED } baselines;
    bool layers;
    enum { PX_FEATURES_FP32, PX_FEATURES_BF16 } features;
    px_precision precision;
    px_patches patches;
    int batch, embed, seeds, hog_cell;
    double holdout, labels, checkpoint_minutes;
    int64_t labels_seed;
} px_eval_cfg;
extern const px_option px_eval_options[];

typedef struct px_evaluation {
    px_settings run; /* the run's settings, with data.* overridden */
    px_eval_cfg eval;
    const px_protocol *protocol; /* the chosen one, and its settings */
    px_protocol_cfg *protocol_cfg;
    px_protocol_cfg **cfg; /* of all protocols, as in px_protocols; NULL at the end */
    px_config *config;
    char *folder;        /* where run.h5 is, or will be */
    char *weights;       /* a weights file to evaluate instead of a run's checkpoint, or NULL */
    char *pretrained_on; /* the split that the run was trained on, if that is one of the data set probed; else NULL */
} px_evaluation;

/* Reads the run's configuration from its checkpoint, and the assignments: data.*, threads, backend and isa override the
 * run's settings (its data.limit and precision are not used), the others belong to the evaluation. `run` may be a weights
 * file: then backbone= and the backbone's options are needed, too, and out= is the folder that gets run.h5. 0 or -1. */
int px_evaluation_load(px_evaluation *, const char *run, const char *const assignments[], int count, px_log *);
void px_evaluation_finish(px_evaluation *);

/* Collective; rank 0 writes the results and prints a table to standard output. `command`, as it was typed, is kept in
 * /provenance of a weights file's results. 0 or -1. */
int px_evaluate(px_evaluation *, const px_comm *, const char *command, px_log *);

#endif
