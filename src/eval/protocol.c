/* protocol.c - see protocol.h. */
#include "eval/protocol.h"
#include "base/error.h"
#include "eval/embed.h"
#include "eval/extract.h"
#include "eval/holdout.h"
#include "eval/knn.h"
#include "eval/layers.h"
#include "eval/need.h"
#include "eval/spectrum.h"
#include "eval/write.h"
#include "train/checkpoint.h"
#include "train/made.h"
#include "train/provenance.h"
#include "train/saved.h"
#include "train/weights.h"

#include <inttypes.h>
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const px_option px_eval_options[] = {
    PX_OPTION_CHOICE(px_eval_cfg, protocol, "linear", "linear|knn",
                     "linear probe, or weighted nearest neighbours (Wu 2018)"),
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
    if (!weights)
        return false;
    for (int i = 0; px_backbone_families[i]; i++) {
        const char *name = px_backbone_families[i]->name;
        if (begins(assignment, name) && assignment[strlen(name)] == '.')
            return true;
    }
    return begins(assignment, "backbone=") || begins(assignment, "out=") || begins(assignment, "seed=");
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
    px_config_group(e->config, "linear", px_probe_options, &e->linear);
    px_config_group(e->config, "knn", px_knn_options, &e->knn);
    int status = 0;
    for (int i = 0; i < owns && status == 0; i++)
        status = px_config_set(e->config, own[i]);
    if (status == 0)
        status = px_config_finish(e->config);
    if (status == 0 && e->eval.layers && strcmp(e->eval.protocol, "linear") != 0)
        status = px_fail(PX_USAGE, "layers=true needs protocol=linear, not %s", e->eval.protocol);
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

/* Writes the map of some test images, evenly spaced; images are sorted by class, so each class gets its share. */
static int write_map(bench *b, const px_features *test)
{
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
    free(x);
    free(xy);
    free(label);
    return status;
}

/* Rank 0: prints one line of the table and writes it to the log's file. */
static void print_row(bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void print_row(bench *b, const char *format, ...)
{
    char row[256];
    va_list args;
    va_start(args, format);
    vsnprintf(row, sizeof row, format, args);
    va_end(args);
    puts(row);
    px_log_note(b->log, "%s", row);
}

static void print_scores(bench *b, const char *indent, const char *name, double top1, double top5, double holdout,
                         double rate)
{
    print_row(b, "%s%-*s %8.2f %8.2f %10.2f   %g", indent, 12 - (int)strlen(indent), name, 100 * top1, 100 * top5,
              100 * holdout, rate);
}

/* Rank 0: writes scores into `group` of run.h5, with the settings that gave them. */
static int put_config(bench *b, const char *group, int status)
{
    return status == 0 ? px_results_attribute_text(b->results, group, "config", b->config) : -1;
}

static int write_layers(bench *b, const char *name, const px_layers *l)
{
    char *group = px_format("/eval/linear/%s/layers", name);
    int status = put_config(b, group, px_layers_write(b->results, group, l));
    for (int i = 0; i < l->count && status == 0; i++) {
        const px_layer_score *s = &l->layer[i];
        print_scores(b, "  ", s->name, s->top1, s->top5, s->holdout_top1, s->rate);
    }
    free(group);
    return status;
}

/* The features, and with layers=true all stages before them. */
static int probe_linear(bench *b, const char *name, px_extraction *train, px_extraction *test)
{
    int last = train->layers - 1, classes = px_dataset_about(b->data)->classes;
    px_features from = px_extraction_features(train, last, classes), on = px_extraction_features(test, last, classes);
    px_probe_result r;
    px_layers l;
    int status = px_agree(b->comm, px_linear_probe(&b->e->linear, &from, &on, b->comm, b->log, &r));
    if (status == 0 && b->results) {
        char *group = px_format("/eval/linear/%s", name);
        status = put_config(b, group, px_linear_probe_write(b->results, group, &r));
        print_scores(b, "", name, r.top1, r.top5, r.holdout_top1[r.chosen], r.rate[r.chosen]);
        free(group);
    }
    status = px_agree(b->comm, status);
    if (status == 0 && b->e->eval.layers && last > 0) {
        status = px_layers_probe(&l, &b->e->linear, train, test, classes, &r, b->comm, b->log);
        if (status == 0 && b->results)
            status = write_layers(b, name, &l);
        status = px_agree(b->comm, status);
    }
    px_probe_result_finish(&r);
    return status;
}

static int probe_knn(bench *b, const char *name, const px_extraction *train, const px_extraction *test)
{
    int last = train->layers - 1, classes = px_dataset_about(b->data)->classes;
    px_features from = px_extraction_features(train, last, classes), on = px_extraction_features(test, last, classes);
    px_knn_result r;
    int status = px_agree(b->comm, px_knn(&b->e->knn, &from, &on, b->comm, b->log, &r));
    if (status == 0 && b->results) {
        char *group = px_format("/eval/knn/%s", name);
        status = put_config(b, group, px_knn_write(b->results, group, &r));
        for (int i = 0; i < r.count && status == 0; i++)
            print_row(b, "%-12s %8.2f %8.2f   k = %d", name, 100 * r.top1[i], 100 * r.top5[i], r.k[i]);
        free(group);
    }
    return px_agree(b->comm, status);
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
    bool knn = strcmp(b->e->eval.protocol, "knn") == 0;
    int status = knn ? probe_knn(b, name, &train, &test) : probe_linear(b, name, &train, &test);
    px_features on = px_extraction_features(&test, test.layers - 1, px_dataset_about(b->data)->classes);
    if (status == 0 && s != PIXELS)
        status = write_spectrum(b, name, &on);
    if (status == 0 && b->results && s == PRETRAINED && b->e->eval.embed)
        status = write_map(b, &on);
    if (status == 0 && b->results)
        status = px_results_flush(b->results); /* keep it even if the next subject fails */
    if (status == 0)
        px_made_keep(&b->made);
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
    const px_dataset_info *info = px_dataset_about(b->data);
    for (int i = 0; !test[0] && i < info->splits; i++)
        if (strcmp(info->split_names[i], "test") == 0)
            test = "test";
    const px_split *train = px_dataset_split_for(b->data, "train_split", eval->train_split);
    if (!train)
        return -1;
    if (eval->holdout > 0) {
        if (px_holdout_make(&b->holdout, b->data, train, eval->holdout, b->e->linear.seed) != 0)
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
    bool knn = strcmp(eval->protocol, "knn") == 0;
    px_eval_need_case about = {.settings = &b->e->run,
                               .task = &b->task,
                               .comm = b->comm,
                               .patches = &eval->patches,
                               .batch = eval->batch,
                               .train = b->train.count,
                               .test = b->test->count,
                               .classes = px_dataset_about(b->data)->classes,
                               .linear = knn ? NULL : &b->e->linear,
                               .knn = knn ? &b->e->knn : NULL,
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
    if (b->comm->rank == 0) {
        bool knn = strcmp(b->e->eval.protocol, "knn") == 0;
        print_row(b, knn ? "%-12s %8s %8s" : "%-12s %8s %8s %10s   rate", train->backbone, "top-1 %", "top-5 %",
                  "held-out %");
    }
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
