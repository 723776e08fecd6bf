/* online_knn.c - see online_knn.h. The images are framed as for probes and encoded by an evaluation network, whose parameters are
 * copied from those of the run; what is probed later (px_settings_net) is what is asked. */
#include "eval/online_knn.h"

#include "base/error.h"
#include "eval/extract.h"
#include "eval/knn.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128, NEIGHBOURS = 20 };

static const px_knn_cfg twenty = {.k = {1, {NEIGHBOURS}}, .temperature = 0.07};

typedef struct online {
    const px_session *session;
    px_model model; /* the encoder */
    px_extract_spec from;
    int *places; /* of its parameters in the session's model: those of the network that is probed */
    px_split train, test;
    int64_t *some_train, *some_test;
} online;

static int check_split(const px_session *s, const char *key, const px_split *split)
{
    if (split->count == 0)
        return px_fail(PX_USAGE, "online_knn_epochs: %s = %s has no images", key, split->name);
    for (int64_t i = 0; i < split->count; i++)
        if (px_dataset_label(s->data, split->index[i]) < 0)
            return px_fail(PX_USAGE, "online_knn_epochs: some images of %s = %s have no label", key, split->name);
    return 0;
}

/* The images: of the split that is trained on, and of validate_split. */
static int choose_images(online *o)
{
    const px_session *s = o->session;
    const px_train_cfg *c = &s->settings->train;
    const px_split *test = px_dataset_split_for(s->data, "validate_split", c->validate_split);
    if (!test)
        return -1;
    if (strcmp(c->validate_split, s->settings->data.split) == 0)
        return px_fail(PX_USAGE,
                       "online_knn_epochs: validate_split = %s is the split that is trained on; choose another",
                       c->validate_split);
    o->train = s->split;
    o->test = *test;
    o->some_train = px_split_limit(&o->train, c->online_images);
    o->some_test = px_split_limit(&o->test, c->online_images);
    return check_split(s, "data.split", &o->train) != 0 || check_split(s, "validate_split", &o->test) != 0 ? -1 : 0;
}

static void destroy(void *own)
{
    online *o = own;
    px_model_finish(&o->model);
    free(o->places);
    free(o->some_train);
    free(o->some_test);
    free(o);
}

static int prepare(online *o, px_log *log)
{
    const px_session *s = o->session;
    const px_data_cfg *d = &s->settings->data;
    px_encoder_spec spec = {.batch = BATCH, .views = 1, .size = s->task.image_size};
    if (px_dataset_about(s->data)->classes < 2)
        return px_fail(PX_USAGE, "online_knn_epochs: the data set has no classes to vote for; 0 turns it off");
    if (choose_images(o) != 0 || px_model_encoder(&o->model, s->settings, &s->task, &spec) != 0)
        return -1;
    o->from = (px_extract_spec){.task = &s->task,
                                .data = s->data,
                                .workers = d->workers ? d->workers : omp_get_max_threads(),
                                .timeout = d->timeout,
                                .comm = s->comm,
                                .log = log};
    char *missing = NULL;
    o->places = px_model_places(&o->model, s->model, px_settings_net(s->settings, ""), &missing);
    if (!o->places)
        px_fail(PX_USAGE, "online_knn_epochs: method %s trains no %s of that shape, which its probes would take",
                s->settings->method->name, missing);
    free(missing);
    return o->places ? 0 : -1;
}

static int create(void **own, const px_session *s, px_log *log)
{
    if (s->settings->train.online_knn_epochs == 0)
        return 0;
    online *o = px_calloc(1, sizeof *o);
    o->session = s;
    if (prepare(o, log) != 0) {
        destroy(o);
        return -1;
    }
    *own = o;
    return 0;
}

static int measure(void *own, double *value)
{
    online *o = own;
    px_knn_cfg cfg = twenty;
    cfg.k.value[0] = fmin(NEIGHBOURS, (double)o->train.count);
    int classes = px_dataset_about(o->session->data)->classes;
    px_extraction train, test;
    px_knn_result r;
    px_model_take(&o->model, o->session->model, o->places);
    if (px_extract(&train, &o->from, &o->model, &o->train) != 0)
        return -1;
    int status = px_extract(&test, &o->from, &o->model, &o->test);
    if (status == 0) {
        px_features from = px_extraction_features(&train, 0, classes), on = px_extraction_features(&test, 0, classes);
        status = px_agree(o->from.comm, px_knn(&cfg, &from, &on, o->from.comm, o->from.log, &r));
        *value = r.top1[0];
        px_extraction_finish(&test);
    }
    px_extraction_finish(&train);
    return status;
}

/* The encoder, its loader, the features and the search. */
static double bytes(const px_settings *s, const px_task *task)
{
    px_model m;
    px_encoder_spec spec = {.batch = BATCH, .views = 1, .size = task->image_size};
    if (px_model_plan_encoder(&m, s, task, &spec) != 0)
        return 0;
    int64_t most = s->train.online_images, all = task->images, split = all > 0 && all < most ? all : most;
    px_knn_size size = {.train = split,
                        .train_here = px_share_most(split, BATCH, task->ranks),
                        .test = split,
                        .width = (int)m.features->shape.dim[1],
                        .classes = task->classes,
                        .threads = omp_get_max_threads(),
                        .ranks = task->ranks};
    double rows = 2 * (double)size.train_here;
    if (all > 0) /* both splits together have no more than the data set; each may have a batch more than its share */
        rows = fmin(rows, fmin((double)all, (double)all / task->ranks + 3 * BATCH));
    px_plan_bytes plan = px_plan_memory(m.plan);
    double sum = (double)plan.arena + (double)plan.weights + (double)plan.states + px_loader_bytes(&m.views, BATCH, 0) +
                 rows * size.width * (double)sizeof(float) + px_knn_bytes(&twenty, &size);
    px_model_finish(&m);
    return sum;
}

const px_online_test_kind px_online_knn = {.series = {"online_knn", "online_knn_seconds"},
                                           .says = "online k-NN (k = 20)",
                                           .create = create,
                                           .measure = measure,
                                           .destroy = destroy,
                                           .bytes = bytes};
