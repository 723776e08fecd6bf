/* need.h - the memory that encoding a data set, and probing its features, will need, known before any is allocated.
 *
 *     px_model_plan_encoder(&model, ...);
 *     px_eval_need_case about = {.settings = &run, .task = &task, .comm = &comm, .patches = &patches, .batch = 256,
 *                                .train = train.count, .test = test.count, .classes = 10, .protocol = protocol,
 *                                .protocol_cfg = cfg};
 *     if (px_eval_need_check(&about, &model) != 0) ...       // the message says why, and what would fit
 *     px_plan_allocate(model.plan);
 */
#ifndef PX_EVAL_NEED_H
#define PX_EVAL_NEED_H

#include "base/need.h"
#include "eval/patches.h"
#include "eval/protocol.h"
#include "train/model.h"

/* Bytes per rank: the encoder's plan (values made in a pass, parameters), the loader's batches, the features of both
 * splits, and what probes them. */
enum { PX_EVAL_NEED_ENCODER, PX_EVAL_NEED_VIEWS, PX_EVAL_NEED_FEATURES, PX_EVAL_NEED_PROBE, PX_EVAL_NEED_PARTS };

/* What it depends on. Without a protocol features are only written: there is no test split, and each rank has its
 * own rows alone. */
typedef struct px_eval_need_case {
    const px_settings *settings;
    const px_task *task;
    const px_comm *comm;
    const px_patches *patches; /* settled */
    int batch;                 /* images or patches that a rank encodes at a time */
    int64_t train, test;       /* images */
    int classes;
    const px_protocol *protocol; /* or NULL */
    const px_protocol_cfg *protocol_cfg;
    bool layers;              /* features of all stages */
    bool baselines;           /* the pixels and HOG, too */
    bool bf16;                /* features are kept as bf16 */
    int hog_cell;             /* as the option says */
    const px_baseline *alone; /* this one is all that is encoded: there is no network. Or NULL */
} px_eval_need_case;

/* The need at the moment when it is largest. `model` is the case's encoder, planned; NULL for a baseline alone. */
px_need px_eval_need_of(const px_eval_need_case *, const px_model *);

/* 0, or -1 as px_need_check: to say what would fit, it plans smaller encoders. */
int px_eval_need_check(const px_eval_need_case *, const px_model *);

#endif
