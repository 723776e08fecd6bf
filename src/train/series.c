/* series.c - see series.h. */
#include "train/series.h"
#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    OWN = sizeof(px_step_numbers) / sizeof(double),
    COLLAPSE = 5,
    VIEWS = 2,
    ONLINE = 2,
    LOOK_STEPS = 50, /* most steps from one look at the embedding to the next */
    LOOKS_MIN = 20   /* fewest looks in a run, if it has as many steps */
};

static const char *const own_series[OWN] = {"epoch", "lr", "grad_norm", "images_per_second", "data_wait", "skipped"};

static const char *const collapse_series[PX_WATCHED][COLLAPSE] = {
    {"embedding_deviation", "embedding_rank", "collapsed", "embedding_uniformity", "embedding_alpha"},
    {"teacher_deviation", "teacher_rank", "teacher_collapsed", "teacher_uniformity", "teacher_alpha"}};

static const char *const views_series[VIEWS] = {"embedding_alignment", "embedding_lidar"};

static bool watches(const px_series *r, int w)
{
    return r->session->rows > 1 && r->session->row[w];
}

static bool sees_views(const px_series *r)
{
    return r->session->rows > 1 && r->session->second;
}

int px_series_list(px_series *r, const px_session *s, px_validation *validation, px_online_test *online)
{
    const px_scalars *graph = &s->scalars;
    int n = graph->count;
    int most = n + OWN + PX_WATCHED * COLLAPSE + VIEWS + PX_VALIDATED + ONLINE;
    *r = (px_series){.session = s, .validation = validation, .online = online};
    r->name = px_calloc((size_t)most, sizeof r->name[0]);
    r->row = px_calloc((size_t)most, sizeof r->row[0]);
    for (int i = 0; i < n; i++)
        r->name[i] = graph->name[i];
    memcpy(r->name + n, own_series, sizeof own_series);
    n += OWN;
    for (int w = 0; w < PX_WATCHED; w++)
        for (int i = 0; i < COLLAPSE && watches(r, w); i++)
            r->name[n++] = collapse_series[w][i];
    for (int i = 0; i < VIEWS && sees_views(r); i++)
        r->name[n++] = views_series[i];
    for (int i = 0; i < px_validation_series_count(validation); i++)
        r->name[n++] = px_validation_series[i];
    for (int i = 0; i < ONLINE && online->kind; i++)
        r->name[n++] = online->kind->series[i];
    r->count = n;
    for (int i = 0; i < r->count; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(r->name[i], r->name[k]) == 0 || strcmp(r->name[k], "step") == 0)
                return px_fail(PX_USAGE, "method %s records '%s', which is the name of a series of every run",
                               s->settings->method->name, r->name[k]);
    return 0;
}

void px_series_finish(px_series *r)
{
    free(r->name);
    free(r->row);
}

/* The last value of a series, NaN if it has none. */
static double last_value(px_results *results, const char *series)
{
    char *path = px_format("/train/%s", series);
    double *data = NULL, last = NAN;
    int rank;
    int64_t dim[4];
    if (px_results_get(results, path, &data, &rank, dim) == 0 && dim[0] > 0)
        last = data[dim[0] - 1];
    free(data);
    free(path);
    return last;
}

int px_series_take_up(px_series *r, px_results *results, int64_t step)
{
    if (px_results_truncate(results, "/train", step) != 0)
        return -1;
    for (int w = 0; w < PX_WATCHED; w++) {
        const char *const *name = collapse_series[w];
        r->embedding[w] = (px_collapse){.deviation = NAN, .rank = NAN, .uniformity = NAN, .alpha = NAN};
        if (step > 0 && watches(r, w))
            r->embedding[w] = (px_collapse){.deviation = last_value(results, name[0]),
                                            .rank = last_value(results, name[1]),
                                            .collapsed = last_value(results, name[2]) == 1,
                                            .uniformity = last_value(results, name[3]),
                                            .alpha = last_value(results, name[4])};
        r->told[w] = r->embedding[w].collapsed;
    }
    r->views = (px_two_looks){.alignment = NAN, .lidar = NAN};
    if (step > 0 && sees_views(r)) {
        r->views = (px_two_looks){.alignment = last_value(results, views_series[0]),
                                  .lidar = last_value(results, views_series[1])};
        r->views.narrow = r->views.lidar < PX_LIDAR_LIMIT;
    }
    r->told_narrow = r->views.narrow && !r->told[PX_WATCHED_STUDENT];
    if (step > 0 && r->validation)
        *px_validation_results(r->validation) = (px_validated){.accuracy = last_value(results, px_validation_series[0]),
                                                               .seconds = last_value(results, px_validation_series[1]),
                                                               .average = last_value(results, px_validation_series[2])};
    if (step > 0 && r->online->kind) {
        r->online->value = last_value(results, r->online->kind->series[0]);
        r->online->seconds = last_value(results, r->online->kind->series[1]);
    }
    return px_results_live(results);
}

bool px_series_looks(int64_t step, int64_t steps)
{
    int64_t every = steps / LOOKS_MIN;
    every = every > LOOK_STEPS ? LOOK_STEPS : every < 1 ? 1 : every;
    return step % every == 0;
}

static void look_at(px_series *r, int w, int64_t step, px_log *log)
{
    static const char *const whose[PX_WATCHED] = {"the", "the teacher's"};
    const px_session *s = r->session;
    int width = (int)s->model->embedding[w]->shape.dim[1], most = s->rows < width ? s->rows : width;
    px_collapse *c = &r->embedding[w];
    if (px_collapse_measure(c, s->row[w], s->rows, width) != 0)
        px_log_warning(log, "step %" PRId64 ": %s embedding's rank is unknown: %s", step + 1, whose[w], px_error());
    bool known = isfinite(c->deviation) && isfinite(c->rank);
    if (c->collapsed && !r->told[w])
        px_log_warning(log,
                       "step %" PRId64 ": %s embedding collapses: its deviation is %.3g of an even spread's (limit "
                       "%g), its effective rank %.3g of %d (limit %g)",
                       step + 1, whose[w], c->deviation, PX_COLLAPSE_DEVIATION, c->rank, most, PX_COLLAPSE_RANK);
    else if (r->told[w] && !c->collapsed && known)
        px_log_line(log, "step %" PRId64 ": %s embedding has recovered: deviation %.3g, effective rank %.3g of %d",
                    step + 1, whose[w], c->deviation, c->rank, most);
    r->told[w] = c->collapsed || (r->told[w] && !known);
}

/* Of an embedding that collapses the other look tells; if it is still narrow after that, this one does. */
static void look_at_views(px_series *r, int64_t step, px_log *log)
{
    const px_session *s = r->session;
    int width = (int)s->model->second->shape.dim[1], most = s->rows - 1 < width ? s->rows - 1 : width;
    if (px_two_looks_measure(&r->views, s->row[PX_WATCHED_STUDENT], s->second, s->rows, width) != 0)
        px_log_warning(log, "step %" PRId64 ": the embedding's LiDAR is unknown: %s", step + 1, px_error());
    bool known = isfinite(r->views.lidar), tells = r->views.narrow && !r->embedding[PX_WATCHED_STUDENT].collapsed;
    if (tells && !r->told_narrow)
        px_log_warning(log,
                       "step %" PRId64 ": beyond what augmentation changes, the embedding tells images apart along one "
                       "direction: its LiDAR is %.3g of %d (limit %g)",
                       step + 1, r->views.lidar, most, PX_LIDAR_LIMIT);
    else if (r->told_narrow && !r->views.narrow && known)
        px_log_line(log, "step %" PRId64 ": the embedding's LiDAR has recovered: %.3g of %d", step + 1, r->views.lidar,
                    most);
    r->told_narrow = tells || (r->told_narrow && (r->views.narrow || !known));
}

void px_series_look(px_series *r, int64_t step, px_log *log)
{
    for (int w = 0; w < PX_WATCHED; w++)
        if (watches(r, w))
            look_at(r, w, step, log);
    if (sees_views(r))
        look_at_views(r, step, log);
}

int px_series_record(px_series *r, px_results *results, int64_t step, const px_step_numbers *n)
{
    const px_scalars *graph = &r->session->scalars;
    const double own[OWN] = {n->epoch, n->lr, n->grad_norm, n->images_per_second, n->data_wait, n->skipped};
    memcpy(r->row, graph->mean, (size_t)graph->count * sizeof r->row[0]);
    memcpy(r->row + graph->count, own, sizeof own);
    double *look = r->row + graph->count + OWN;
    for (int w = 0; w < PX_WATCHED; w++)
        if (watches(r, w)) {
            *look++ = r->embedding[w].deviation;
            *look++ = r->embedding[w].rank;
            *look++ = r->embedding[w].collapsed;
            *look++ = r->embedding[w].uniformity;
            *look++ = r->embedding[w].alpha;
        }
    if (sees_views(r)) {
        *look++ = r->views.alignment;
        *look++ = r->views.lidar;
    }
    if (r->validation)
        memcpy(look, px_validation_results(r->validation),
               (size_t)px_validation_series_count(r->validation) * sizeof look[0]);
    look += px_validation_series_count(r->validation);
    if (r->online->kind) {
        *look++ = r->online->value;
        *look++ = r->online->seconds;
    }
    return px_results_row(results, "/train", step, r->name, r->row, r->count);
}
