/* evaluation.c - see evaluation.h. */
#include "eval/evaluation.h"
#include "base/error.h"
#include "data/fingerprint.h"
#include "eval/describe.h"
#include "eval/embed.h"
#include "eval/extract.h"
#include "eval/linear.h"
#include "eval/need.h"
#include "eval/spectrum.h"
#include "eval/splits.h"
#include "eval/store.h"
#include "results/measured.h"
#include "train/checkpoint.h"
#include "train/made.h"
#include "train/meter.h"
#include "train/provenance.h"
#include "train/weights.h"

#include <inttypes.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one subject ---- */

typedef struct bench {
    px_evaluation *e;
    const px_comm *comm;
    const char *command;
    px_log *log;
    px_dataset *data;
    px_eval_splits_cfg wanted;
    px_eval_splits splits;
    uint32_t data_crc;
    px_weights_origin weights; /* of the pretrained subject */
    px_task task;
    px_model model;
    px_extract_spec from;
    char *config;        /* the evaluation's resolved settings */
    px_results *results; /* rank 0 only */
    px_made made;        /* rank 0: what a failure before the first result removes again */
} bench;

/* Behind these come the baselines without a network: BASELINE + PX_PIXELS and so on. */
typedef enum subject { PRETRAINED, UNTRAINED, BASELINE } subject;

static const char *subject_name(const bench *b, subject s)
{
    if (s >= BASELINE)
        return px_baseline_names[s - BASELINE];
    if (s == PRETRAINED && *b->e->eval.net)
        return b->e->eval.net;
    return s == UNTRAINED ? "untrained" : b->weights.kind == PX_ORIGIN_INITIAL ? "initial" : "pretrained";
}

/* Whether pixels and HOG are measured, too: not by protocols that take images, not features. */
static bool has_baselines(const bench *b)
{
    const px_protocol *p = b->e->protocol;
    return b->e->eval.baselines == PX_BESIDE_BASELINES && !p->images && !p->own_views;
}

/* Whether its features are kept as bf16: baselines' are not, which are wide and quickly made. */
static bool rounds(const bench *b, subject s)
{
    return s < BASELINE && b->e->eval.features == PX_FEATURES_BF16;
}

/* What is measured of a subject, as text: by the protocol, or without one. A new string. */
static char *describe(const bench *b, subject s, bool protocol)
{
    px_eval_description d = {.data = b->data,
                             .data_crc = b->data_crc,
                             .wanted = &b->wanted,
                             .splits = &b->splits,
                             .run = &b->e->run,
                             .image_size = b->task.image_size,
                             .patches = &b->e->eval.patches,
                             .bf16 = s < BASELINE && b->e->run.train.precision == PX_PRECISION_BF16,
                             .features = b->e->protocol->images ? NULL
                                         : rounds(b, s)         ? "bf16"
                                                                : "fp32",
                             .weights = b->weights,
                             .protocol = protocol ? b->e->protocol : NULL,
                             .protocol_cfg = b->e->protocol_cfg,
                             .hog_cell = s == BASELINE + PX_HOG ? px_hog_cell(&b->task, b->e->eval.hog_cell) : 0};
    if (s == UNTRAINED)
        d.weights = (px_weights_origin){.kind = PX_ORIGIN_INITIAL, .seed = b->e->run.train.seed};
    else if (s >= BASELINE)
        d.weights = (px_weights_origin){.kind = PX_ORIGIN_NONE};
    return px_eval_describe(&d);
}

/* Rank 0: prepares a group for results of a subject. */
static int begin_group(const bench *b, const char *group, subject s, bool protocol)
{
    char *measured = describe(b, s, protocol);
    const px_dataset_info *info = px_dataset_about(b->data);
    int status = px_measured_begin(b->results, group, measured);
    char *names = px_format("%s/class_names", group);
    if (status == 0 && protocol && info->classes > 0)
        status = px_results_put_texts(b->results, names, info->class_names, info->classes);
    free(names);
    free(measured);
    return status;
}

static int extract_split(bench *b, subject s, const px_split *split, px_extraction *out)
{
    if (s >= BASELINE)
        return px_extract_baseline(out, &b->from, (px_baseline)(s - BASELINE), split);
    px_store store = px_store_make(b->e->eval.store, &b->e->run, &b->model, b->data_crc);
    return px_store_extract(out, &store, &b->from, &b->model, split);
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

/* Rank 0: writes the map of n images with these features and labels. */
static int put_map(bench *b, const float *x, const int32_t *label, int64_t n, int width)
{
    bool held = b->e->eval.holdout > 0;
    float *xy = px_calloc((size_t)(2 * n), sizeof xy[0]);
    const px_dataset_info *info = px_dataset_about(b->data);
    int status = px_embed_2d(x, n, width, (uint64_t)b->e->run.train.seed, xy);
    if (status == 0)
        status = px_results_put(b->results, "/eval/embedding/xy", PX_F32, 2, (int64_t[]){n, 2}, xy);
    if (status == 0)
        status = px_results_put(b->results, "/eval/embedding/label", PX_I32, 1, &n, label);
    if (status == 0)
        status = px_results_put_texts(b->results, "/eval/embedding/class_names", info->class_names, info->classes);
    if (status == 0)
        status = px_results_attribute_text(b->results, "/eval/embedding", "of", held ? "holdout" : b->splits.test.name);
    char *measured = describe(b, PRETRAINED, false);
    if (status == 0)
        status = px_results_attribute_text(b->results, "/eval/embedding", "measured", measured);
    free(measured);
    free(xy);
    return status;
}

/* Collective: the map of some test images, evenly spaced; images are sorted by class, so each class gets its share. */
static int write_map(bench *b, const px_features *test)
{
    int64_t n = test->count < b->e->eval.embed ? test->count : b->e->eval.embed;
    if (n < 10)
        return 0;
    float *x = px_calloc((size_t)(n * test->width), sizeof x[0]);
    int64_t *row = px_calloc((size_t)n, sizeof row[0]);
    int32_t *label = px_calloc((size_t)n, sizeof label[0]);
    for (int64_t i = 0; i < n; i++) {
        row[i] = i * test->count / n;
        label[i] = test->label[row[i]];
    }
    px_features_fetch(test, row, n, 0, x); /* which writes the results */
    bool wanted = b->results && !(b->e->eval.holdout > 0 && has_map_of_split(b));
    int status = wanted ? put_map(b, x, label, n, test->width) : 0;
    free(x);
    free(row);
    free(label);
    return status;
}

static int write_spectrum(bench *b, subject who, const char *name, const px_features *test)
{
    px_spectrum s;
    int status = px_agree(b->comm, px_spectrum_measure(test, b->comm, &s));
    if (status == 0 && b->results) {
        char *group = px_format("/eval/spectrum/%s", name);
        status = begin_group(b, group, who, false);
        if (status == 0)
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

/* Both splits' features, or those of the test alone; nothing for a protocol that takes images. */
static int encode(bench *b, subject s, px_trial *t)
{
    if (b->e->protocol->images) {
        t->train = t->test = NULL;
        return 0;
    }
    if (!b->e->protocol->no_training && extract_split(b, s, &b->splits.train, t->train) != 0)
        return -1;
    if (extract_split(b, s, &b->splits.test, t->test) != 0) {
        px_extraction_finish(t->train);
        return -1;
    }
    if (b->e->protocol->whole)
        px_extraction_gather(t->test, t->test->layers - 1);
    return 0;
}

/* What is told of features besides the protocol's results. */
static int write_others(bench *b, subject s, const char *name, const px_extraction *test)
{
    px_features on = px_extraction_features(test, test->layers - 1, px_dataset_about(b->data)->classes);
    int status = s < BASELINE ? write_spectrum(b, s, name, &on) : 0;
    if (status == 0 && s == PRETRAINED && b->e->eval.embed && on.classes > 0)
        status = write_map(b, &on);
    return status;
}

static int evaluate_subject(bench *b, subject s)
{
    const char *name = subject_name(b, s);
    px_extraction train = {0}, test = {0};
    char *own = group_name(b, name);
    px_trial trial = {.subject = name,
                      .folder = b->e->folder,
                      .checkpoint_minutes = b->e->eval.checkpoint_minutes,
                      .group = px_format("/eval/%s/%s", b->e->protocol->name, own),
                      .train = &train,
                      .test = &test,
                      .source = {.run = &b->e->run,
                                 .model = s < BASELINE ? &b->model : NULL,
                                 .baseline = s < BASELINE ? PX_BASELINES : (px_baseline)(s - BASELINE),
                                 .from = &b->from,
                                 .data_crc = b->data_crc,
                                 .train = b->splits.train,
                                 .test = b->splits.test},
                      .classes = px_dataset_about(b->data)->classes,
                      .layers = b->e->eval.layers,
                      .baseline = s != PRETRAINED,
                      .results = b->results,
                      .config = b->config,
                      .comm = b->comm,
                      .log = b->log};
    int status = encode(b, s, &trial);
    if (status == 0)
        status = px_agree(b->comm, b->results ? begin_group(b, trial.group, s, true) : 0);
    if (status == 0)
        status = px_trial_run(&trial, b->e->protocol, b->e->protocol_cfg, &b->splits, b->e->eval.seeds);
    free(trial.group);
    if (status == 0 && trial.test)
        status = write_others(b, s, own, trial.test);
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
    if (status == 0 && info->classes > 0)
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
    const char *net = b->e->eval.net;
    b->model.net = b->e->weights ? "" : px_settings_net(&b->e->run, net);
    if (b->e->weights && *net)
        return px_fail(PX_USAGE,
                       "net = %s: a weights file has one network; 'pretext export RUN net=%s' writes that one", net,
                       net);
    if (b->e->weights) {
        b->weights = (px_weights_origin){.kind = PX_ORIGIN_FILE, .file = b->e->weights};
        return px_weights_load(&b->model, &b->e->run, &b->task, b->e->weights, b->log) == 0
                   ? px_file_fingerprint(b->e->weights, &b->weights.file_crc)
                   : -1;
    }
    if (px_checkpoint_load(b->e->folder, &b->model, NULL, &saved, b->log) != 0)
        return -1;
    const px_train_cfg *train = &b->e->run.train;
    bool initial = saved.step == 0 && !train->init[0];
    b->weights = (px_weights_origin){
        .kind = initial ? PX_ORIGIN_INITIAL : PX_ORIGIN_CHECKPOINT, .step = saved.step, .seed = train->seed};
    if (initial)
        px_log_warning(b->log, "%s: the checkpoint is of step 0: its weights are random", b->e->folder);
    px_checkpoint_finish(&saved);
    return 0;
}

static int open_data(bench *b)
{
    const px_data_cfg *d = &b->e->run.data;
    const px_eval_cfg *eval = &b->e->eval;
    b->wanted = (px_eval_splits_cfg){.train = eval->train_split,
                                     .test = eval->test_split,
                                     .holdout = eval->holdout,
                                     .seed = px_linear_seed(b->e->cfg[px_protocol_index("linear")]),
                                     .limit = d->limit,
                                     .labels = eval->labels,
                                     .labels_seed = eval->labels_seed,
                                     .seeds = eval->seeds,
                                     .unlabelled = b->e->protocol->unlabelled,
                                     .no_training = b->e->protocol->no_training};
    if (px_dataset_open(&b->data, d->path, d->links ? PX_LINKS_FOLLOWED : PX_LINKS_REFUSED) != 0)
        return -1;
    if (b->comm->rank == 0)
        px_dataset_tell(b->data);
    if (px_eval_splits_make(&b->splits, b->data, &b->wanted) != 0)
        return -1;
    b->data_crc = px_dataset_fingerprint(b->data);
    if (b->comm->rank > 0)
        return 0;
    px_eval_splits_warn(&b->wanted, &b->splits, b->e->pretrained_on, b->log);
    return *eval->store ? px_store_writable(eval->store) : 0;
}

static int check_need(const bench *b)
{
    const px_eval_cfg *eval = &b->e->eval;
    bool images = b->e->protocol->images; /* then there are no features */
    px_eval_need_case about = {.settings = &b->e->run,
                               .task = &b->task,
                               .comm = b->comm,
                               .patches = &eval->patches,
                               .batch = eval->batch,
                               .train = images || b->e->protocol->no_training ? 0 : b->splits.train.count,
                               .test = images ? 0 : b->splits.test.count,
                               .classes = px_dataset_about(b->data)->classes,
                               .protocol = b->e->protocol,
                               .protocol_cfg = b->e->protocol_cfg,
                               .layers = eval->layers,
                               .bf16 = eval->features == PX_FEATURES_BF16,
                               .baselines = has_baselines(b),
                               .hog_cell = eval->hog_cell};
    return px_eval_need_check(&about, &b->model);
}

static int build_encoder(bench *b)
{
    px_settings *run = &b->e->run;
    px_eval_cfg *eval = &b->e->eval;
    if (px_task_make(&b->task, run, b->data, NULL, eval->batch, b->comm->size) != 0 ||
        px_patches_settle(&eval->patches, run, &b->task, !b->e->weights) != 0)
        return -1;
    if (b->e->protocol->check_task && b->e->protocol->check_task(&b->task) != 0)
        return -1;
    px_encoder_spec spec = px_patches_encoder(&eval->patches, &b->task, eval->batch);
    spec.layers = eval->layers;
    if (has_baselines(b) && px_baseline_check(&b->task, eval->hog_cell) != 0)
        return -1;
    b->from = (px_extract_spec){.task = &b->task,
                                .data = b->data,
                                .patches = eval->patches,
                                .workers = run->data.workers ? run->data.workers : omp_get_max_threads(),
                                .timeout = run->data.timeout,
                                .comm = b->comm,
                                .log = b->log,
                                .hog_cell = eval->hog_cell,
                                .bf16 = eval->features == PX_FEATURES_BF16};
    b->config = px_config_text(b->e->config);
    if (px_model_plan_encoder(&b->model, run, &b->task, &spec) != 0 || check_need(b) != 0)
        return -1;
    px_plan_allocate(b->model.plan);
    return 0;
}

static int open_all(bench *b)
{
    if (px_agree(b->comm, px_precision_settle(&b->e->run, b->comm)) != 0)
        return -1;
    b->e->eval.precision = b->e->run.train.precision;
    if (px_agree(b->comm, open_data(b)) != 0 || px_agree(b->comm, build_encoder(b)) != 0)
        return -1;
    char *hosts = px_provenance_hosts(b->comm);
    int status = px_agree(b->comm, b->comm->rank == 0 ? open_results(b, hosts) : 0);
    free(hosts);
    return status;
}

/* Collective: what this evaluation has cost becomes a row of /ledger. */
static int account(bench *b, px_meter *meter)
{
    px_ledger cost;
    px_meter_lap(meter, PX_PART_EVALUATION, 0);
    px_meter_sum(meter, &cost);
    int status = 0;
    if (b->results) {
        int session = px_ledger_sessions(b->results) + 1;
        status = px_ledger_series(b->results);
        if (status == 0)
            status = px_ledger_row(b->results, session, 0, &cost);
    }
    return px_agree(b->comm, status);
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
    if (b->e->eval.baselines == PX_BESIDE_NOTHING)
        return 0;
    px_plan_init_params(b->model.plan, (uint64_t)train->seed);
    int status = evaluate_subject(b, UNTRAINED);
    for (int i = 0; i < PX_BASELINES && status == 0 && has_baselines(b); i++)
        status = evaluate_subject(b, (subject)(BASELINE + i));
    return status;
}

int px_evaluate(px_evaluation *e, const px_comm *comm, const char *command, px_log *log)
{
    bench b = {.e = e, .comm = comm, .command = command, .log = log};
    px_meter meter;
    px_meter_begin(&meter, comm, 0);
    int status = open_all(&b);
    if (status == 0)
        status = evaluate_all(&b);
    if (status == 0)
        status = account(&b, &meter);
    if (status != 0)
        px_made_undo(&b.made, b.results);
    else if (b.results && px_results_close(b.results) != 0)
        status = -1;
    px_made_keep(&b.made);
    px_model_finish(&b.model);
    px_dataset_close(b.data);
    px_eval_splits_finish(&b.splits);
    free(b.config);
    return status;
}
