/* protocol.h - a way to measure how good features are: linear probe, nearest neighbours. One file each: to add a protocol,
 * write NAME.c with `const px_protocol px_protocol_NAME`, and NAME in meson.build. Then protocol=NAME chooses it, its options
 * are the keys NAME.*, help, completion and figures know it, and it writes /eval/NAME/SUBJECT.
 *
 *     struct px_protocol_cfg { px_list k; };
 *     static const px_option options[] = {PX_OPTION(px_protocol_cfg, k, "[10, 20]", 1, 1000, "..."), {0}};
 *     static int run(const px_protocol_cfg *cfg, px_trial *t)
 *     {
 *         ... px_extraction_features(t->train, t->train->layers - 1, t->classes) ...      // all ranks together
 *         if (t->results)                                                                 // rank 0
 *             status = px_trial_seal(t, t->group, px_put(t->results, t->group, "top1", PX_F64, 0, &top1));
 *         return px_agree(t->comm, status);
 *     }
 */
#ifndef PX_EVAL_PROTOCOL_H
#define PX_EVAL_PROTOCOL_H

#include "base/log.h"
#include "base/option.h"
#include "dist/comm.h"
#include "eval/extract.h"
#include "eval/splits.h"
#include "results/results.h"

/* A protocol's configuration, completed privately in its file: the option group named after it. */
typedef struct px_protocol_cfg px_protocol_cfg;

/* What the features came from, for protocols that need more than those. */
typedef struct px_trial_source {
    const px_settings *run;
    px_model *model; /* the encoder, with the subject's parameters; NULL: a baseline without a network, */
    px_baseline baseline;
    const px_extract_spec *from;
    uint32_t data_crc;    /* px_dataset_fingerprint of from->data */
    px_split train, test; /* of a protocol that takes images, `train` has those of the repeat alone */
} px_trial_source;

/* What a protocol works on: the features of one subject (a network, or a baseline), of the same kind for both splits. */
typedef struct px_trial {
    const char *subject; /* "pretrained" */
    const char *folder;  /* where run.h5 is */
    char *group;         /* where its results go: "/eval/NAME/pretrained" */
    /* each rank has its own rows, and of `test` all rows of the last layer for a protocol that is `whole`; NULL for one that takes
     * images */
    px_extraction *train, *test;
    px_trial_source source;
    int classes;
    int64_t seed;              /* is added to the protocol's own: 0, 1, ... with seeds= */
    bool layers;               /* all layers are asked for */
    double checkpoint_minutes; /* between checkpoints of a protocol that trains for long */
    bool baseline;             /* the subject is only there to be compared with */
    px_results *results;       /* rank 0; NULL on the others */
    const char *config;        /* the evaluation's settings as text */
    const px_comm *comm;
    px_log *log;
} px_trial;

/* Rank 0: prints one line of the table and writes it to the log's file. */
void px_trial_print(px_trial *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Rank 0, after results were written into `group` with this status: adds the settings that gave them. 0 or -1. */
int px_trial_seal(px_trial *, const char *group, int status);

/* All repeats (seeds=): each with the labels, or the images, of its subset; with several, each in a group of its own, and in the
 * trial's what they have in common. Collective. 0 or -1. */
struct px_protocol;
int px_trial_run(px_trial *, const struct px_protocol *, const px_protocol_cfg *, const px_eval_splits *, int seeds);

/* What the memory of a protocol depends on. */
typedef struct px_trial_size {
    int64_t train, test; /* rows */
    int classes, width;
    const px_comm *comm;
    int64_t widths;                /* of all layers, which `width` is one of */
    int64_t train_here, test_here; /* the most rows that a rank has, where they are divided */
    bool bf16;                     /* rows are bf16 */
} px_trial_size;

typedef struct px_protocol {
    const char *name, *title; /* "knn", "nearest neighbours": for lists of options */
    const char *label;        /* "k-NN": in figures */
    const char *summary;      /* one line for help; names the source */
    const char *columns;      /* of the table that it prints, after the subject's 12 characters */
    size_t cfg_size;
    const px_option *options;
    /* Its option that says how many images are kept as pictures: that changes no number, so it is no part of what is measured. Or
     * NULL. */
    const char *pictures;
    bool layers; /* it can also measure the layers before the last one */
    bool draws;  /* what it finds depends on a seed, also if all labels are there */
    /* it takes images and the network, not features: nothing is encoded for it, and baselines without a network are left out */
    bool images;
    bool own_views;   /* it encodes views of its own of whole images: no patches, and no baselines without a network */
    bool unlabelled;  /* it needs no labels: what it finds is no accuracy */
    bool no_training; /* it learns nothing: training images are not encoded, `train` of the trial is empty */
    bool whole;       /* it needs all rows of the test split's last layer on every rank, not divided among them */

    /* What is best known of its results, the first one in figures: shares of 1, scalars or arrays over `axis`. NULL-terminated;
     * NULL: top1 and top5. */
    const char *const *numbers;
    const char *axis; /* or NULL */

    /* Bytes of memory that it takes on a rank, beside the features. */
    double (*bytes)(const px_protocol_cfg *, const px_trial_size *);

    /* What can be known to be wrong before anything is read. 0 or -1 (PX_USAGE). Optional. */
    int (*check)(const px_protocol_cfg *, const px_settings *run);

    /* What can be known to be wrong once the images are, before any is encoded. 0 or -1 (PX_USAGE). Optional. */
    int (*check_task)(const px_task *);

    /* Changes the settings to such as take less memory; what the user would write for that. Optional. */
    const char *(*cheaper)(px_protocol_cfg *);

    /* Collective. 0 or -1. */
    int (*run)(const px_protocol_cfg *, px_trial *);
} px_protocol;

extern const px_protocol *const px_protocols[]; /* NULL-terminated */

/* The numbers of a protocol; of NULL, one of another version, top1 and top5. Static. */
const char *const *px_protocol_numbers(const px_protocol *);

/* Its index in px_protocols; their number, if there is none of this name. */
int px_protocol_index(const char *name);

#endif
