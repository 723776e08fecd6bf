/* evaluation_load.c - the options of an evaluation, and what it reads before it begins. */
#include "base/error.h"
#include "eval/evaluation.h"
#include "eval/protocol_names.h"
#include "train/checkpoint.h"
#include "train/saved.h"
#include "train/weights.h"

#include <stdlib.h>
#include <string.h>

const px_option px_eval_options[] = {
    PX_OPTION_CHOICE(px_eval_cfg, protocol, "linear", PX_PROTOCOL_NAMES, "how the features are measured"),
    PX_OPTION_TEXT(px_eval_cfg, net, "",
                   "the network to probe, where a method has several: teacher, trained; empty: the average of weights "
                   "if the run keeps one "
                   "(supervised.ema), else the one that is trained"),
    PX_OPTION_TEXT(px_eval_cfg, train_split, "train", "split that the probe learns from"),
    PX_OPTION_TEXT(px_eval_cfg, test_split, "", "split that the probe is tested on; empty: test, else val"),
    PX_OPTION(
        px_eval_cfg, holdout, "0", 0, 0.9,
        "share of each class of train_split that is held out for the test, by linear.seed; 0: test_split is the test"),
    PX_OPTION(px_eval_cfg, labels, "0", 0, 1e6,
              "few labels: the share of each class of train_split that is learned from (0.01), or from 1 on the number "
              "of images per class; 0: all"),
    PX_OPTION(px_eval_cfg, labels_seed, "0", 0, 0,
              "determines which images labels= takes; the same for all that is probed"),
    PX_OPTION(px_eval_cfg, seeds, "1", 1, 64,
              "repeats of what is drawn (labels=, the protocol's seed); mean and 95 % interval are reported"),
    PX_OPTION_CHOICE(px_eval_cfg, baselines, "false", "false|true|untrained",
                     "also probe the untrained backbone, the raw pixels and HOG; untrained: without these two, which "
                     "are the same for all that is trained on these images"),
    PX_HOG_OPTION(px_eval_cfg, hog_cell),
    PX_OPTION_FLAG(px_eval_cfg, layers, "false", "also probe every stage of the backbone, in one pass over the images"),
    PX_PATCHES_OPTIONS(px_eval_cfg, patches),
    PX_OPTION_CHOICE(px_eval_cfg, features, "fp32", "fp32|bf16",
                     "how features are kept in memory: bf16 takes half of it and rounds them to 8 bits"),
    PX_ENCODER_PRECISION_OPTION(px_eval_cfg, precision),
    PX_OPTION_TEXT(px_eval_cfg, store, "",
                   "folder in which features are kept, and found again for the same network, images and settings"),
    PX_OPTION(px_eval_cfg, batch, "256", 1, 65536, "images or patches that a rank encodes at a time"),
    PX_OPTION(
        px_eval_cfg, checkpoint_minutes, "10", 0, 1e6,
        "protocol=finetune: minutes between the checkpoints from which it goes on if it was interrupted; 0: each step"),
    PX_OPTION(px_eval_cfg, embed, "1000", 0, 2000, "test images in the two-dimensional map of embeddings; 0: no map"),
    {0}};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* For a weights file more settings must be given than for a run. */
static bool concerns_run(const char *assignment, bool weights)
{
    if (begins(assignment, "data.") || begins(assignment, "threads=") || begins(assignment, "rank_timeout=") ||
        begins(assignment, "backend=") || begins(assignment, "isa="))
        return true;
    for (int i = 0; px_backbone_families[i]; i++) {
        const char *name = px_backbone_families[i]->name;
        if (begins(assignment, name) && assignment[strlen(name)] == '.')
            return true;
    }
    return begins(assignment, "backbone=") ||
           (weights && (begins(assignment, "weights.") || begins(assignment, "out=") || begins(assignment, "seed=")));
}

/* An assignment that was to be given by another key before, in the words of today; else NULL. A new string. */
static char *in_new_words(const char *assignment)
{
    static const struct {
        const char *before, *now;
    } keys[] = {{"neighbours=", "knn.neighbours="}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (begins(assignment, keys[i].before))
            return px_format("%s%s", keys[i].now, assignment + strlen(keys[i].before));
    return NULL;
}

/* Assigns what concerns the evaluation; the log tells of old words. */
static int set_all(px_evaluation *e, const char *const assignments[], int count, px_log *log)
{
    int status = 0;
    for (int i = 0; i < count && status == 0; i++) {
        char *now = in_new_words(assignments[i]);
        if (now)
            px_log_line(log, "note: %s is now written %s", assignments[i], now);
        status = px_config_set(e->config, now ? now : assignments[i]);
        free(now);
    }
    return status;
}

static int load_run(px_evaluation *e, const char *run, const char *const assignments[], int count, px_log *log)
{
    bool other = false;
    for (int i = 0; i < count; i++)
        other |= begins(assignments[i], "data.path=");
    int status = px_saved_settings(&e->run, run, assignments, count, log);
    e->folder = px_strdup(run);
    if (status == 0 && !other)
        e->pretrained_on = px_strdup(e->run.data.split);
    return status;
}

static int load_weights(px_evaluation *e, const char *path, const char *const assignments[], int count)
{
    if (px_weights_settings(&e->run, path, assignments, count) != 0)
        return -1;
    const char *out = e->run.train.out;
    e->folder = px_strdup(out);
    e->weights = px_strdup(path);
    if (!out[0])
        return px_fail(PX_USAGE, "out is not set: the folder for the results of %s, as in out=results/probe", path);
    if (px_checkpoint_exists(out))
        return px_fail(PX_USAGE, "%s already contains a run: give another out= for the results of %s", out, path);
    return 0;
}

static int check_together(const px_evaluation *e)
{
    if (*e->eval.store && e->eval.layers)
        return px_fail(PX_USAGE, "store = %s does not go together with layers=true: only the last features are kept",
                       e->eval.store);
    if (e->eval.seeds > 1 && e->eval.layers)
        return px_fail(PX_USAGE, "seeds = %d does not go together with layers=true", e->eval.seeds);
    if (e->eval.seeds > 1 && !e->protocol->draws && e->protocol->no_training)
        return px_fail(PX_USAGE, "seeds = %d, but protocol=%s draws nothing and learns nothing: repeats are all alike",
                       e->eval.seeds, e->protocol->name);
    if (e->eval.seeds > 1 && !e->protocol->draws && !(e->eval.labels > 0))
        return px_fail(PX_USAGE,
                       "seeds = %d, but protocol=%s draws nothing; labels=0.1 would draw a tenth of each class",
                       e->eval.seeds, e->protocol->name);
    if (e->protocol->images && *e->eval.store)
        return px_fail(PX_USAGE, "store = %s does not go together with protocol=%s, which encodes no features",
                       e->eval.store, e->protocol->name);
    if (e->protocol->images && e->eval.features != PX_FEATURES_FP32)
        return px_fail(PX_USAGE, "features = bf16 does not go together with protocol=%s, which encodes no features",
                       e->protocol->name);
    if (e->protocol->images && e->eval.patches.count)
        return px_fail(PX_USAGE, "patches = %d does not go together with protocol=%s, which takes whole images",
                       e->eval.patches.count, e->protocol->name);
    if (e->protocol->own_views && e->eval.patches.count)
        return px_fail(PX_USAGE,
                       "patches = %d does not go together with protocol=%s, which encodes views of whole images",
                       e->eval.patches.count, e->protocol->name);
    return 0;
}

static int choose_protocol(px_evaluation *e)
{
    int i = px_protocol_index(e->eval.protocol);
    e->protocol = px_protocols[i];
    e->protocol_cfg = e->cfg[i];
    for (int k = 0; e->eval.layers && !e->protocol->layers && px_protocols[k]; k++)
        if (px_protocols[k]->layers)
            return px_fail(PX_USAGE, "layers=true needs protocol=%s, not %s", px_protocols[k]->name, e->eval.protocol);
    return check_together(e);
}

int px_evaluation_load(px_evaluation *e, const char *run, const char *const assignments[], int count, px_log *log)
{
    *e = (px_evaluation){0};
    bool weights = px_weights_named(run);
    const char **own = px_calloc((size_t)count + 1, sizeof own[0]),
               **run_s = px_calloc((size_t)count + 2, sizeof own[0]);
    int owns = 0, runs = 0;
    run_s[runs++] = "data.limit=0"; /* a limit for pretraining does not limit the probe */
    for (int i = 0; i < count; i++) {
        if (concerns_run(assignments[i], weights))
            run_s[runs++] = assignments[i];
        else
            own[owns++] = assignments[i];
    }
    e->config = px_config_create();
    px_config_group(e->config, "", px_eval_options, &e->eval);
    int protocols = px_protocol_index(""); /* their number */
    e->cfg = px_calloc((size_t)protocols + 1, sizeof e->cfg[0]);
    for (int i = 0; i < protocols; i++) {
        e->cfg[i] = px_calloc(1, px_protocols[i]->cfg_size);
        px_config_group(e->config, px_protocols[i]->name, px_protocols[i]->options, e->cfg[i]);
    }
    int status = set_all(e, own, owns, log);
    if (status == 0)
        status = px_config_finish(e->config);
    if (status == 0)
        status = choose_protocol(e);
    if (status == 0)
        status = weights ? load_weights(e, run, run_s, runs) : load_run(e, run, run_s, runs, log);
    if (status == 0)
        e->run.train.precision = e->eval.precision;
    if (status == 0 && e->protocol->check)
        status = e->protocol->check(e->protocol_cfg, &e->run);
    free(own);
    free(run_s);
    if (status != 0)
        px_evaluation_finish(e);
    return status;
}

void px_evaluation_finish(px_evaluation *e)
{
    if (e->run.config)
        px_settings_finish(&e->run);
    px_config_destroy(e->config);
    for (int i = 0; e->cfg && e->cfg[i]; i++)
        free(e->cfg[i]);
    free(e->cfg);
    free(e->folder);
    free(e->weights);
    free(e->pretrained_on);
    *e = (px_evaluation){0};
}
