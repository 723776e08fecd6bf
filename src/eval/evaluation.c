/* evaluation.c - see evaluation.h. */
#include "eval/evaluation.h"
#include "base/error.h"
#include "eval/embed.h"
#include "eval/extract.h"
#include "eval/holdout.h"
#include "eval/linear.h"
#include "eval/need.h"
#include "eval/protocol_names.h"
#include "eval/spectrum.h"
#include "train/checkpoint.h"
#include "train/made.h"
#include "train/provenance.h"
#include "train/saved.h"
#include "train/weights.h"

#include <inttypes.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const px_option px_eval_options[] = {
    PX_OPTION_CHOICE(px_eval_cfg, protocol, "linear", PX_PROTOCOL_NAMES, "how the features are measured"),
    PX_OPTION_TEXT(px_eval_cfg, net, "",
                   "the network to probe, where a method has several: teacher; empty: the one that is trained"),
    PX_OPTION_TEXT(px_eval_cfg, train_split, "train", "split that the probe learns from"),
    PX_OPTION_TEXT(px_eval_cfg, test_split, "", "split that the probe is tested on; empty: test, else val"),
    PX_OPTION(
        px_eval_cfg, holdout, "0", 0, 0.9,
        "share of each class of train_split that is held out for the test, by linear.seed; 0: test_split is the test"),
    PX_OPTION_FLAG(px_eval_cfg, baselines, "false", "also probe the untrained backbone and the raw pixels"),
    PX_OPTION_FLAG(px_eval_cfg, layers, "false", "also probe every stage of the backbone, in one pass over the images"),
    PX_PATCHES_OPTIONS(px_eval_cfg, patches),
    PX_OPTION(px_eval_cfg, batch, "256", 1, 65536, "images or patches that a rank encodes at a time"),
    PX_OPTION(px_eval_cfg, embed, "1000", 0, 2000, "test images in the two-dimensional map of embeddings; 0: no map"),
    {0}};

/* ---- configuration ---- */

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

static int load_run(px_evaluation *e, const char *run, const char *const assignments[], int count, px_log *log)
{
    int status = px_saved_settings(&e->run, run, assignments, count, log);
    e->folder = px_strdup(run);
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

static int choose_protocol(px_evaluation *e)
{
    int i = px_protocol_index(e->eval.protocol);
    e->protocol = px_protocols[i];
    e->protocol_cfg = e->cfg[i];
    for (int k = 0; e->eval.layers && !e->protocol->layers && px_protocols[k]; k++)
        if (px_protocols[k]->layers)
            return px_fail(PX_USAGE, "layers=true needs protocol=%s, not %s", px_protocols[k]->name, e->eval.protocol);
    return 0;
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
    int status = 0;
    for (int i = 0; i < owns && status == 0; i++)
        status = px_config_set(e->config, own[i]);
    if (status == 0)
        status = px_config_finish(e->config);
    if (status == 0)
        status = choose_protocol(e);
    if (status == 0)
        status = weights ? load_weights(e, run, run_s, runs) : load_run(e, run, run_s, runs, log);
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
    *e = (px_evaluation){0};
}

/* ---- one subject ---- */

typedef struct bench {
    px_evaluation *e;
    const px_comm *comm;
    const char *command;
    px_log *log;
    px_dataset *data;
    px_split train; /* limited by data.limit */
    int64_t *train_index;
    const px_split *test;
    px_holdout holdout; /* with holdout=: train and test are its */
    px_task task;
    px_model model;
    px_extract_spec from;
    char *config;        /* the evaluation's resolved settings */
    px_results *results; /* rank 0 only */
    px_made made;        /* rank 0: what a failure before the first result removes again */
} bench;

typedef enum subject { PRETRAINED, UNTRAINED, PIXELS, SUBJECTS } subject;
static const char *const subject_name[SUBJECTS] = {"pretrained", "untrained", "pixels"};

static int extract_split(bench *b, subject s, const px_split *split, px_extraction *out)
{
    int status = s == PIXELS ? px_extract_pixels(out, &b->from, split) : px_extract(out, &b->from, &b->model, split);
    if (status == 0)
        px_extraction_gather(out, out->layers - 1, b->comm);
    return status;
}

/* Whether there is a map of another kind of test: one of held-out images does not replace one of a test split. */
static bool has_map_of_split(const bench *b)
{
    char *of = NULL;
    bool held =
        px_results_get_attribute_text(b->results, "/eval/embedding", "of", &of) == 0 && strcmp(of, "holdout") == 0;
    free(of);
    return !held && px_results_has(b->results, "/eval/embedding/xy");
}

/* Writes the map of some test images, evenly spaced; images are sorted by class, so each class gets its share. */
static int write_map(bench *b, const px_features *test)
{
    bool held = b->e->eval.holdout > 0;
    if (held && has_map_of_split(b))
        return 0;
    int64_t n = test->count < b->e->eval.embed ? test->count : b->e->eval.embed;
    if (n < 10)
        return 0;
    float *x = px_calloc((size_t)(n * test->width), sizeof x[0]), *xy = px_calloc((size_t)(2 * n), sizeof xy[0]);
    int32_t *label = px_calloc((size_t)n, sizeof label[0]);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = i * test->count / n;
        memcpy(x + i * test->width, test->x + row * test->width, (size_t)test->width * sizeof x[0]);
        label[i] = test->label[row];
    }
    const px_dataset_info *info = px_dataset_about(b->data);
    int status = px_embed_2d(x, n, test->width, (uint64_t)b->e->run.train.seed, xy);
    if (status == 0)
        status = px_results_put(b->results, "/eval/embedding/xy", PX_F32, 2, (int64_t[]){n, 2}, xy);
    if (status == 0)
        status = px_results_put(b->results, "/eval/embedding/label", PX_I32, 1, &n, label);
    if (status == 0)
        status = px_results_put_texts(b->results, "/eval/embedding/class_names", info->class_names, info->classes);
    if (status == 0)
        status = px_results_attribute_text(b->results, "/eval/embedding", "of", held ? "holdout" : b->test->name);
    free(x);
    free(xy);
    free(label);
    return status;
}

static int write_spectrum(bench *b, const char *name, const px_features *test)
{
    px_spectrum s;
    int status = px_agree(b->comm, px_spectrum_measure(test, b->comm, &s));
    if (status == 0 && b->results) {
        char *group = px_format("/eval/spectrum/%s", name);
        status = px_spectrum_write(b->results, group, &s);
        free(group);
    }
    px_spectrum_finish(&s);
    return px_agree(b->comm, status);
}

/* The name of a subject's groups. What was measured on held-out images stands beside what was on a test split. */
static char *group_name(const bench *b, const char *of)
{
    return px_format("%s%s", of, b->e->eval.holdout > 0 ? "_holdout" : "");
}

static int evaluate_subject(bench *b, subject s)
{
    const char *name = s == PRETRAINED && *b->e->eval.net ? b->e->eval.net : subject_name[s];
    px_extraction train, test;
    if (extract_split(b, s, &b->train, &train) != 0)
        return -1;
    if (extract_split(b, s, b->test, &test) != 0) {
        px_extraction_finish(&train);
        return -1;
    }
    char *own = group_name(b, name);
    px_trial trial = {.subject = name,
                      .group = px_format("/eval/%s/%s", b->e->protocol->name, own),
                      .train = &train,
                      .test = &test,
                      .classes = px_dataset_about(b->data)->classes,
                      .layers = b->e->eval.layers,
                      .results = b->results,
                      .config = b->config,
                      .comm = b->comm,
                      .log = b->log};
    int status = b->e->protocol->run(b->e->protocol_cfg, &trial);
    free(trial.group);
    px_features on = px_extraction_features(&test, test.layers - 1, px_dataset_about(b->data)->classes);
    if (status == 0 && s != PIXELS)
        status = write_spectrum(b, own, &on);
    if (status == 0 && b->results && s == PRETRAINED && b->e->eval.embed)
        status = write_map(b, &on);
    if (status == 0 && b->results)
        status = px_results_flush(b->results); /* keep it even if the next subject fails */
    if (status == 0)
        px_made_keep(&b->made);
    free(own);
    px_extraction_finish(&train);
    px_extraction_finish(&test);
    return px_agree(b->comm, status);
}

/* ---- all subjects ---- */

/* Rank 0: opens run.h5, which does not exist yet for a weights file. */
static int open_results(bench *b, const char *hosts)
{
    const px_dataset_info *info = px_dataset_about(b->data);
    char *path = px_format("%s/run.h5", b->e->folder), *names = px_format("/eval/%s/class_names", b->e->eval.protocol);
    char *config = b->e->weights ? px_config_text(b->e->run.config) : NULL;
    int status = px_made_begin(&b->made, b->e->folder);
    if (status == 0)
        status = px_results_open(&b->results, path, PX_RESULTS_APPEND);
    if (status == 0)
        px_made_files(&b->made);
    if (status == 0 && config)
        status = px_results_put_text(b->results, "/config", config);
    if (status == 0 && config)
        status = px_provenance_write(b->results, b->comm, hosts, b->command, omp_get_max_threads());
    if (status == 0)
        status = px_results_put_texts(b->results, names, info->class_names, info->classes);
    free(path);
    path = px_format("%s/log.txt", b->e->folder);
    if (status == 0)
        status = px_log_keep(b->log, path, b->command);
    free(path);
    free(names);
    free(config);
    return status;
}

/* The parameters to evaluate. */
static int load_parameters(bench *b)
{
    px_checkpoint saved;
    b->model.net = b->e->eval.net;
    if (b->e->weights && *b->model.net)
        return px_fail(PX_USAGE,
                       "net = %s: a weights file has one network; 'pretext export RUN net=%s' writes that one",
                       b->model.net, b->model.net);
    if (b->e->weights)
        return px_weights_load(&b->model, &b->e->run, &b->task, b->e->weights, b->log);
    int status = px_checkpoint_load(b->e->folder, &b->model, NULL, &saved, b->log);
    if (status == 0)
        px_checkpoint_finish(&saved);
    return status;
}

static int open_data(bench *b)
{
    const px_data_cfg *d = &b->e->run.data;
    const px_eval_cfg *eval = &b->e->eval;
    const char *test = eval->test_split;
    if (eval->holdout > 0 && test[0])
        return px_fail(PX_USAGE, "test_split=%s and holdout=%g: the test is either a split or held out of train_split",
                       test, eval->holdout);
    if (px_dataset_open(&b->data, d->path, d->links ? PX_LINKS_FOLLOWED : PX_LINKS_REFUSED) != 0)
        return -1;
    if (b->comm->rank == 0)
        px_dataset_tell(b->data);
    const px_dataset_info *info = px_dataset_about(b->data);
    for (int i = 0; !test[0] && i < info->splits; i++)
        if (strcmp(info->split_names[i], "test") == 0)
            test = "test";
    const px_split *train = px_dataset_split_for(b->data, "train_split", eval->train_split);
    if (!train)
        return -1;
    if (eval->holdout > 0) {
        if (px_holdout_make(&b->holdout, b->data, train, eval->holdout,
                            px_linear_seed(b->e->cfg[px_protocol_index("linear")])) != 0)
            return -1;
        train = &b->holdout.kept;
        b->test = &b->holdout.held;
    } else {
        b->test = px_dataset_split_for(b->data, "test_split", test[0] ? test : "val");
        if (!b->test && !test[0])
            return px_fail(PX_DATA, "%s; test_split= names another, holdout=0.1 holds a tenth of %s out", px_error(),
                           eval->train_split);
        if (!b->test)
            return -1;
    }
    b->train = *train;
    b->train_index = px_split_limit(&b->train, d->limit);
    if (info->classes < 2)
        return px_fail(PX_DATA,
                       "%s: has %s to probe for; data.path= takes another data set, 'pretext features' needs no labels",
                       d->path, info->classes == 0 ? "no classes" : "only one class");
    return 0;
}

static int check_need(const bench *b)
{
    const px_eval_cfg *eval = &b->e->eval;
    px_eval_need_case about = {.settings = &b->e->run,
                               .task = &b->task,
                               .comm = b->comm,
                               .patches = &eval->patches,
                               .batch = eval->batch,
                               .train = b->train.count,
                               .test = b->test->count,
                               .classes = px_dataset_about(b->data)->classes,
                               .protocol = b->e->protocol,
                               .protocol_cfg = b->e->protocol_cfg,
                               .layers = eval->layers,
                               .baselines = eval->baselines};
    return px_eval_need_check(&about, &b->model);
}

static int build_encoder(bench *b)
{
    px_settings *run = &b->e->run;
    px_eval_cfg *eval = &b->e->eval;
    if (px_task_make(&b->task, run, b->data, NULL, eval->batch, b->comm->size) != 0 ||
        px_patches_settle(&eval->patches, run, &b->task, !b->e->weights) != 0)
        return -1;
    px_encoder_spec spec = px_patches_encoder(&eval->patches, &b->task, eval->batch);
    spec.layers = eval->layers;
    b->from = (px_extract_spec){.task = &b->task,
                                .data = b->data,
                                .patches = eval->patches,
                                .workers = run->data.workers ? run->data.workers : omp_get_max_threads(),
                                .timeout = run->data.timeout,
                                .comm = b->comm,
                                .log = b->log};
    b->config = px_config_text(b->e->config);
    if (px_model_plan_encoder(&b->model, run, &b->task, &spec) != 0 || check_need(b) != 0)
        return -1;
    px_plan_allocate(b->model.plan);
    return 0;
}

static int open_all(bench *b)
{
    if (px_agree(b->comm, open_data(b)) != 0 || px_agree(b->comm, build_encoder(b)) != 0)
        return -1;
    char *hosts = px_provenance_hosts(b->comm);
    int status = px_agree(b->comm, b->comm->rank == 0 ? open_results(b, hosts) : 0);
    free(hosts);
    return status;
}

static int evaluate_all(bench *b)
{
    const px_train_cfg *train = &b->e->run.train;
    if (px_agree(b->comm, load_parameters(b)) != 0)
        return -1;
    if (b->comm->rank == 0)
        px_trial_print(&(px_trial){.log = b->log}, "%-12s%s", train->backbone, b->e->protocol->columns);
    if (evaluate_subject(b, PRETRAINED) != 0)
        return -1;
    if (!b->e->eval.baselines)
        return 0;
    px_plan_init_params(b->model.plan, (uint64_t)train->seed);
    return evaluate_subject(b, UNTRAINED) == 0 ? evaluate_subject(b, PIXELS) : -1;
}

int px_evaluate(px_evaluation *e, const px_comm *comm, const char *command, px_log *log)
{
    bench b = {.e = e, .comm = comm, .command = command, .log = log};
    int status = open_all(&b);
    if (status == 0)
        status = evaluate_all(&b);
    if (status != 0)
        px_made_undo(&b.made, b.results);
    else if (b.results && px_results_close(b.results) != 0)
        status = -1;
    px_made_keep(&b.made);
    px_model_finish(&b.model);
    px_dataset_close(b.data);
    free(b.train_index);
    px_holdout_finish(&b.holdout);
    free(b.config);
    return status;
}
