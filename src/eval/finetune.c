/* finetune.c - fine-tuning as a protocol: the whole network is trained further with the labels, then tested.
 *
 *   the subject's weights -> supervised training on train_split, its linear layer from random values -> accuracy on the test
 *
 * The training is that of `pretext pretrain method=supervised reproducible=true` (train/session.h), in fp32 or as
 * `precision` says, and the result has the same bits on any number of ranks and threads. Nothing is chosen by the test: there is
 * one rate, and the network after the last step is tested. One that is interrupted goes on from its last checkpoint
 * (kept_tuning.h). */
#include "base/error.h"
#include "base/setting.h"
#include "dist/shards.h"
#include "eval/confusion.h"
#include "eval/kept_tuning.h"
#include "eval/protocol.h"
#include "eval/write.h"
#include "train/session.h"
#include "train/validate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct px_protocol_cfg {
    int epochs, batch, shards;
    double lr, weight_decay, layer_decay, warmup;
    const char *with;
    int64_t seed;
};

static const px_option options[] = {
    PX_OPTION(px_protocol_cfg, epochs, "50", 1, 100000,
              "passes over the training images (MAE, BEiT: 100; MAE for a large ViT: 50)"),
    PX_OPTION(px_protocol_cfg, batch, "256", 1, 1e7,
              "images per step over all ranks, a multiple of finetune.shards; as many as there are, if they are fewer"),
    PX_OPTION(px_protocol_cfg, lr, "5e-4", 0, 1000,
              "peak learning rate for a batch of 256, of AdamW (MAE: 5e-4 for ViT-B, 1e-3 for ViT-L)"),
    PX_OPTION(px_protocol_cfg, weight_decay, "0.05", 0, 1, "decoupled decay (BEiT, MAE: 0.05)"),
    PX_OPTION(
        px_protocol_cfg, layer_decay, "0.75", 0.01, 1,
        "rate of each of the backbone's layers, times that of the next one; 1: all alike (BEiT: 0.65 to 0.9; MAE: "
        "0.65 for ViT-B, 0.75 for ViT-L)"),
    PX_OPTION(px_protocol_cfg, warmup, "0.1", 0, 0.99, "share of the epochs in which the rate rises (MAE: 5 of 50)"),
    PX_OPTION(px_protocol_cfg, shards, "4", 1, PX_SHARDS_MAX,
              "parts of the batch, each computed by one thread; a power of two, at least ranks x threads to use all "
              "threads; results depend on it"),
    PX_OPTION_TEXT(px_protocol_cfg, with, "",
                   "further settings of the training, optim.* and those of method=supervised, in one text: "
                   "\"supervised.mix=either supervised.smoothing=0.1 optim.beta2=0.95\""),
    PX_OPTION(px_protocol_cfg, seed, "0", 0, 1e18,
              "determines the linear layer's initial values, the views, and the order of images"),
    {0}};

/* ---- the settings of the training ---- */

/* "GROUP = { name = value; ... };" */
static void write_group(FILE *out, const char *group, const px_option *options_of, const void *values)
{
    fprintf(out, "%s = {\n", group);
    for (const px_option *o = options_of; o && o->name; o++) {
        fprintf(out, "%s = ", o->name);
        px_option_write(out, o, values);
        fputs(";\n", out);
    }
    fputs("};\n", out);
}

/* What the run says of images, backbone and kernels. */
static char *text_of(const px_settings *run)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    write_group(out, "data", px_data_options, &run->data);
    if (run->backbone->family->options)
        write_group(out, run->backbone->family->name, run->backbone->family->options, run->backbone_cfg);
    fclose(out);
    return text;
}

/* Whether a word of finetune.with= may be there. */
static int check_word(const char *word)
{
    static const char *const own[][2] = {{"optim.lr=", "finetune.lr"},
                                         {"optim.weight_decay=", "finetune.weight_decay"},
                                         {"optim.layer_decay=", "finetune.layer_decay"},
                                         {"optim.warmup_epochs=", "finetune.warmup"}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strncmp(word, own[i][0], strlen(own[i][0])) == 0)
            return px_fail(PX_USAGE, "finetune.with: %s has a key of its own, %s", word, own[i][1]);
    if (strncmp(word, "optim.", 6) != 0 && strncmp(word, "supervised.", 11) != 0)
        return px_fail(PX_USAGE,
                       "finetune.with: %s is neither of the optimizer nor of method=supervised, as optim.clip=1 and "
                       "supervised.mix=cutmix are",
                       word);
    return 0;
}

enum { WORDS_MAX = 64, OWN_WORDS = 18 };

/* The assignments: first those of the options, then the words of `with`, which are cut in place. Their number, or -1. */
static int assignments_of(const px_protocol_cfg *c, const px_settings *run, int64_t seed, char *with, char *word[])
{
    int n = 0;
    const px_train_cfg *t = &run->train;
    word[n++] = px_strdup("method=supervised");
    word[n++] = px_format("backbone=%s", run->backbone->name);
    word[n++] = px_format("backend=%s", t->backend);
    word[n++] = px_format("precision=%s", px_precision_name(t));
    word[n++] = px_format("seed=%" PRId64, c->seed + seed);
    word[n++] = px_format("epochs=%d", c->epochs);
    word[n++] = px_format("validate_epochs=%d", c->epochs); /* the test at the end: its memory is foretold by this */
    word[n++] = px_format("batch=%d", c->batch);
    word[n++] = px_strdup("reproducible=true");
    word[n++] = px_format("shards=%d", c->shards);
    word[n++] = px_strdup("divide_optimizer=no"); /* rank 0 alone keeps it (kept_tuning.h) */
    word[n++] = px_strdup("data.limit=0");
    word[n++] = px_strdup("data.repeats=1");
    word[n++] = px_strdup("optim.optimizer=adamw");
    word[n++] = px_format("optim.lr=%.17g", c->lr);
    word[n++] = px_format("optim.weight_decay=%.17g", c->weight_decay);
    word[n++] = px_format("optim.layer_decay=%.17g", c->layer_decay);
    word[n++] = px_format("optim.warmup_epochs=%.17g", c->warmup * c->epochs);
    PX_CHECK(n == OWN_WORDS);
    char *rest = NULL;
    for (char *w = strtok_r(with, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
        if (check_word(w) != 0)
            return -1;
        if (n == OWN_WORDS + WORDS_MAX)
            return px_fail(PX_USAGE, "finetune.with: has more than %d settings", WORDS_MAX);
        word[n++] = w;
    }
    return n;
}

/* The settings of one training; px_settings_finish frees them. 0 or -1. */
static int settings_of(px_settings *s, const px_protocol_cfg *c, const px_settings *run, int64_t seed)
{
    char *with = px_strdup(c->with), *text = text_of(run), *word[OWN_WORDS + WORDS_MAX] = {NULL};
    int count = assignments_of(c, run, seed, with, word);
    int status = count < 0 ? -1 : px_settings_load_text(s, text, "finetune", (const char *const *)word, count);
    if (status == 0) {
        s->own = run->own;
        s->own_channels = run->own_channels;
    }
    for (int i = 0; i < OWN_WORDS; i++)
        free(word[i]);
    free(text);
    free(with);
    return status;
}

static int check(const px_protocol_cfg *c, const px_settings *run)
{
    px_settings s;
    if (c->shards & (c->shards - 1))
        return px_fail(PX_USAGE, "finetune.shards = %d is not a power of two, as finetune.shards=8 is", c->shards);
    if (c->batch % c->shards)
        return px_fail(PX_USAGE, "finetune.batch = %d cannot be divided by finetune.shards = %d", c->batch, c->shards);
    if (settings_of(&s, c, run, 0) != 0)
        return -1;
    int status = px_schedule_check(&s.optim, s.train.epochs);
    px_settings_finish(&s);
    return status;
}

/* ---- one training ---- */

typedef struct tuning {
    const px_protocol_cfg *cfg;
    px_trial *t;
    px_settings settings;
    px_session session;
    px_split test; /* the test images that have a label */
    double *loss;  /* (epochs) mean over the steps of each */
    px_kept_tuning kept;
} tuning;

/* Gives the session the subject's backbone; what follows (an average) begins there, too. */
static int take_backbone(px_session *s, const px_model *from)
{
    char *missing = NULL;
    int *places = px_model_places(from, s->model, "", &missing);
    if (places)
        px_model_give(from, s->model, places);
    else
        px_fail(PX_FAIL, "fine-tuning: the training has no %s of that shape", missing);
    for (int i = 0; places && i < px_graph_followers(s->model->graph); i++)
        px_plan_follow(s->plan[0], i, 0);
    int status = places ? 0 : -1;
    free(missing);
    free(places);
    return status;
}

static int one_step(tuning *f, int64_t step)
{
    px_session *s = &f->session;
    const px_train_cfg *c = &f->settings.train;
    const px_optim_cfg *o = &f->settings.optim;
    double votes[PX_VOTES] = {0};
    if (px_session_gradients(s, step, votes) != 0)
        return -1;
    px_optimizer_decay(s->optimizer, px_schedule_decay(o, step, s->per_epoch, c->epochs));
    double loss = s->scalars.mean[0], lr = px_schedule_lr(o, step, s->per_epoch, c->epochs, c->batch);
    double norm = isfinite(loss) ? px_session_update(s, lr) : NAN;
    if (!isfinite(norm))
        return px_fail(PX_DIVERGED,
                       "fine-tuning: the %s is not finite in step %" PRId64 " of %" PRId64
                       "; a smaller finetune.lr or a longer finetune.warmup may help",
                       isfinite(loss) ? "gradient" : "loss", step + 1, s->steps);
    f->loss[step / s->per_epoch] += loss / (double)s->per_epoch;
    px_log_progress(f->t->log, "fine-tuning: epoch %.1f of %g, step %" PRId64 " of %" PRId64 ", loss %.4f",
                    (double)(step + 1) / (double)s->per_epoch, c->epochs, step + 1, s->steps, loss);
    return 0;
}

/* All steps. An image that cannot be read fails on one rank alone, as in pretraining: main.c ends the job. */
static int train(tuning *f)
{
    px_session *s = &f->session;
    int epochs = f->cfg->epochs, status = 0;
    int64_t step;
    if (px_agree(f->t->comm, take_backbone(s, f->t->source.model)) != 0 ||
        px_kept_tuning_take(&f->kept, s, &step, f->loss, epochs) != 0 || px_session_load(s, step) != 0)
        return -1;
    while (step < s->steps && status == 0) {
        status = one_step(f, step);
        if (status == 0)
            px_kept_tuning_save(&f->kept, s, ++step, f->loss, epochs);
    }
    px_log_progress_end(f->t->log);
    return status;
}

/* ---- the test ---- */

static void count_image(void *confusion, int label, const float *logits, int classes)
{
    px_confusion *c = confusion;
    double *score = px_calloc((size_t)classes, sizeof score[0]);
    for (int k = 0; k < classes; k++)
        score[k] = (double)logits[k];
    px_confusion_add(c, label, score);
    free(score);
}

/* Counts are sums of whole numbers, so they are the same on any number of ranks. */
static void sum_counts(const px_comm *comm, px_confusion *c)
{
    size_t cells = (size_t)c->classes * (size_t)c->classes;
    double *all = px_calloc(cells + 2, sizeof all[0]);
    for (size_t i = 0; i < cells; i++)
        all[i] = (double)c->count[i];
    all[cells] = (double)c->right1;
    all[cells + 1] = (double)c->right5;
    px_all_reduce_f64(comm, all, (int64_t)cells + 2);
    for (size_t i = 0; i < cells; i++)
        c->count[i] = (int64_t)all[i];
    c->right1 = (int64_t)all[cells];
    c->right5 = (int64_t)all[cells + 1];
    free(all);
}

static int test(tuning *f, px_confusion *c)
{
    px_validation *v;
    if (px_agree(f->t->comm, px_validation_create_on(&v, &f->session, &f->test)) != 0)
        return -1;
    int status = px_validation_predict(v, count_image, c);
    if (status == 0)
        sum_counts(f->t->comm, c);
    px_validation_destroy(v);
    return status;
}

/* Rank 0. `count`: the tested images. */
static int write(const tuning *f, const px_confusion *c, int64_t count, double top1)
{
    const px_trial *t = f->t;
    const px_session *s = &f->session;
    double top5 = (double)c->right5 / (double)count, steps = (double)s->steps;
    int classes = c->classes, *class_of = px_calloc((size_t)classes, sizeof class_of[0]);
    int64_t *confusion = px_calloc((size_t)classes * (size_t)classes, sizeof confusion[0]);
    double *per_class = px_calloc((size_t)classes, sizeof per_class[0]);
    for (int i = 0; i < classes; i++)
        class_of[i] = i;
    px_confusion_spread(c, class_of, classes, confusion, per_class);
    int status = px_put(t->results, t->group, "top1", PX_F64, 0, &top1);
    if (status == 0)
        status = px_put(t->results, t->group, "top5", PX_F64, 0, &top5);
    if (status == 0)
        status = px_put(t->results, t->group, "steps", PX_F64, 0, &steps);
    if (status == 0)
        status = px_put(t->results, t->group, "train_loss", PX_F64, f->cfg->epochs, f->loss);
    if (status == 0)
        status = px_put(t->results, t->group, "per_class", PX_F64, classes, per_class);
    if (status == 0)
        status = px_confusion_write(t->results, t->group, confusion, classes);
    free(class_of);
    free(confusion);
    free(per_class);
    return status;
}

static int tell(tuning *f, const px_confusion *c)
{
    px_trial *t = f->t;
    int64_t count = f->test.count;
    double top1 = (double)c->right1 / (double)count;
    int status = px_trial_seal(t, t->group, write(f, c, count, top1));
    if (status == 0)
        px_trial_print(t, "%-12s %8.2f %8.2f %10.4f", t->subject, 100 * top1, 100 * (double)c->right5 / (double)count,
                       f->loss[f->cfg->epochs - 1]);
    return status;
}

/* ---- as a protocol ---- */

static int check_ranks(const px_protocol_cfg *c, int ranks)
{
    if (c->shards % ranks)
        return px_fail(PX_USAGE, "%d ranks cannot share finetune.shards = %d; a power of two of ranks up to %d can",
                       ranks, c->shards, c->shards);
    return 0;
}

/* Few labels may be fewer images than a batch. */
static int fit_batch(tuning *f, int64_t images)
{
    int shards = f->cfg->shards;
    if (images < shards)
        return px_fail(PX_USAGE, "finetune.shards = %d, but only %" PRId64 " images are learned from", shards, images);
    if (images < f->settings.train.batch)
        f->settings.train.batch = (int)images / shards * shards;
    return 0;
}

static int run(const px_protocol_cfg *cfg, px_trial *t)
{
    tuning f = {.cfg = cfg, .t = t, .test = t->source.test, .loss = px_calloc((size_t)cfg->epochs, sizeof(double))};
    int64_t *labelled = px_eval_splits_labelled(t->source.from->data, &f.test);
    px_confusion c = px_confusion_make(t->classes);
    px_kept_tuning_begin(&f.kept, t);
    int status = settings_of(&f.settings, cfg, t->source.run, t->seed);
    bool made = status == 0;
    if (made)
        status = check_ranks(cfg, t->comm->size);
    if (status == 0)
        status = fit_batch(&f, t->source.train.count);
    status = px_agree(t->comm, status);
    if (status == 0)
        status = px_session_create(&f.session, &f.settings, t->comm,
                                   &(px_session_spec){.images = &t->source.train, .prefix = "finetune."});
    if (status == 0)
        status = train(&f);
    if (status == 0)
        status = test(&f, &c);
    if (status == 0)
        status = px_agree(t->comm, t->results ? tell(&f, &c) : 0);
    if (status == 0 && t->results && px_results_flush(t->results) == 0)
        px_kept_tuning_drop(&f.kept);
    px_kept_tuning_finish(&f.kept);
    if (f.session.comm)
        px_session_finish(&f.session);
    if (made)
        px_settings_finish(&f.settings);
    px_confusion_finish(&c);
    free(labelled);
    free(f.loss);
    return status;
}

/* The training's own forecast comes before it takes its memory (px_session_create). */
static double bytes(const px_protocol_cfg *cfg, const px_trial_size *size)
{
    (void)cfg;
    return 2.0 * size->classes * size->classes * (double)sizeof(int64_t);
}

const px_protocol px_protocol_finetune = {
    .name = "finetune",
    .title = "Fine-tuning",
    .label = "fine-tuning",
    .summary = "the whole network is trained further with the labels, rates falling by layer (BEiT, MAE)",
    .columns = "  top-1 %  top-5 %       loss",
    .draws = true,
    .images = true,
    .cfg_size = sizeof(px_protocol_cfg),
    .options = options,
    .check = check,
    .bytes = bytes,
    .run = run,
};
