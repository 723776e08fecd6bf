/* clustering.c - see clustering.h. */
#include "eval/clustering.h"

#include "base/error.h"
#include "eval/kmeans.h"
#include "eval/protocol.h"
#include "eval/write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const px_option px_clustering_options[] = {
    PX_OPTION(px_clustering_cfg, clusters, "0", 0, 4096,
              "number of clusters; 0: as many as classes (matching them takes time by the cube of their number)"),
    PX_OPTION(
        px_clustering_cfg, starts, "10", 1, 10000,
        "beginnings by k-means++, of which the one with the smallest sum of distances counts (scikit-learn's older "
        "default)"),
    PX_OPTION(px_clustering_cfg, steps, "300", 1, 1000000, "most steps per start (scikit-learn)"),
    PX_OPTION(px_clustering_cfg, seed, "0", 0, 0, "determines the beginnings"),
    {0}};

/* The labelled rows, each of length 1; a row of zeros stays. */
typedef struct points {
    float *x;       /* (count, width) */
    int32_t *label; /* (count) */
    int64_t count;
    int width, classes, present; /* classes; those that have rows */
} points;

static void points_finish(points *p)
{
    free(p->x);
    free(p->label);
}

static int points_make(points *p, const px_features *f)
{
    PX_CHECK(f->x);
    *p = (points){.width = f->width, .classes = f->classes};
    int64_t *per_class = px_calloc((size_t)f->classes + 1, sizeof *per_class);
    int64_t *row = px_features_labelled(f, f->classes, "test", &p->count, per_class);
    int status = row && px_features_finite(f, "test") == 0 ? 0 : -1;
    for (int c = 0; c < f->classes; c++)
        p->present += per_class[c] > 0;
    free(per_class);
    if (status == 0 && p->count == 0)
        status = px_fail(PX_DATA, "the test set has no labelled samples; test_split= names another");
    if (status == 0) {
        p->x = px_aligned_calloc((size_t)(p->count * f->width) * sizeof(float) + 64);
        p->label = px_calloc((size_t)p->count, sizeof(int32_t));
    }
    for (int64_t i = 0; i < p->count && status == 0; i++) {
        const float *from = f->x + row[i] * f->width;
        double square = 0;
        for (int j = 0; j < f->width; j++)
            square += (double)from[j] * from[j];
        for (int j = 0; j < f->width && square > 0; j++)
            p->x[i * f->width + j] = (float)(from[j] / sqrt(square));
        p->label[i] = f->label[row[i]];
    }
    free(row);
    return status;
}

/* This rank's best start, or -1; its clusters are in `best` (count). */
static int run_starts(const px_clustering_cfg *cfg, const points *p, const px_comm *comm, px_log *log,
                      px_clustering_result *r, int32_t *best)
{
    px_kmeans k = px_kmeans_make(p->x, p->count, p->width, r->clusters);
    int chosen = -1;
    for (int start = comm->rank; start < cfg->starts; start += comm->size) {
        px_kmeans_begin(&k, cfg->seed, start);
        px_kmeans_run(&k, cfg->steps);
        px_log_progress(log, "k-means: start %d of %d: %d steps", start + 1, cfg->starts, k.steps);
        if (chosen >= 0 && !(k.inertia < r->inertia))
            continue;
        chosen = start;
        r->inertia = k.inertia;
        r->steps = k.steps;
        memcpy(best, k.cluster, (size_t)p->count * sizeof best[0]);
    }
    px_log_progress_end(log);
    px_kmeans_finish(&k);
    return chosen;
}

/* Every rank gets the best start of all, the first among equals. */
static void choose_start(const px_comm *comm, int64_t count, int start, px_clustering_result *r, int32_t *cluster)
{
    typedef struct found {
        double inertia;
        int start, steps;
    } found;
    found mine = {r->inertia, start, r->steps}, *all = px_calloc((size_t)comm->size, sizeof *all);
    int owner = 0;
    px_all_gather_bytes(comm, &mine, all, sizeof mine);
    for (int i = 1; i < comm->size; i++)
        if (all[i].start >= 0 && (all[i].inertia < all[owner].inertia ||
                                  (all[i].inertia == all[owner].inertia && all[i].start < all[owner].start)))
            owner = i;
    r->inertia = all[owner].inertia;
    r->start = all[owner].start;
    r->steps = all[owner].steps;
    px_broadcast(comm, cluster, count * (int64_t)sizeof cluster[0], owner);
    free(all);
}

int px_clustering(const px_clustering_cfg *cfg, const px_features *test, const px_comm *comm, px_log *log,
                  px_clustering_result *r)
{
    points p;
    *r = (px_clustering_result){0};
    int status = points_make(&p, test);
    r->clusters = cfg->clusters ? cfg->clusters : p.present;
    if (status == 0 && r->clusters > p.count)
        status = px_fail(PX_USAGE, "clustering.clusters = %d, but there are only %lld labelled test samples",
                         r->clusters, (long long)p.count);
    status = px_agree(comm, status);
    if (status == 0) {
        int32_t *cluster = px_calloc((size_t)p.count, sizeof *cluster);
        int64_t *table = px_calloc((size_t)p.classes * (size_t)r->clusters, sizeof *table);
        int start = run_starts(cfg, &p, comm, log, r, cluster);
        choose_start(comm, p.count, start, r, cluster);
        for (int64_t i = 0; i < p.count; i++)
            table[(int64_t)p.label[i] * r->clusters + cluster[i]]++;
        r->like = px_partition_compare(table, p.classes, r->clusters);
        free(table);
        free(cluster);
    }
    points_finish(&p);
    return status;
}

double px_clustering_bytes(const px_clustering_cfg *cfg, int64_t test, int classes, int width)
{
    int clusters = cfg->clusters ? cfg->clusters : classes;
    return (double)test * (width * (double)sizeof(float) + sizeof(int64_t) + 2 * sizeof(int32_t)) +
           px_kmeans_bytes(test, width, clusters) + (double)classes * clusters * (double)sizeof(int64_t);
}

int px_clustering_write(px_results *r, const char *group, const px_clustering_result *c)
{
    int32_t clusters = c->clusters, steps = c->steps;
    if (px_put(r, group, "accuracy", PX_F64, 0, &c->like.accuracy) != 0 ||
        px_put(r, group, "nmi", PX_F64, 0, &c->like.nmi) != 0 ||
        px_put(r, group, "ari", PX_F64, 0, &c->like.ari) != 0 ||
        px_put(r, group, "inertia", PX_F64, 0, &c->inertia) != 0 ||
        px_put(r, group, "clusters", PX_I32, 0, &clusters) != 0)
        return -1;
    return px_put(r, group, "steps", PX_I32, 0, &steps);
}

/* ---- as a protocol ---- */

struct px_protocol_cfg {
    px_clustering_cfg clustering;
};

static double bytes(const px_protocol_cfg *cfg, const px_trial_size *size)
{
    return px_clustering_bytes(&cfg->clustering, size->test, size->classes, size->width);
}

static int run(const px_protocol_cfg *cfg, px_trial *t)
{
    px_features test = px_extraction_features(t->test, t->test->layers - 1, t->classes);
    px_clustering_cfg own = cfg->clustering;
    px_clustering_result r;
    own.seed += t->seed;
    int status = px_agree(t->comm, px_clustering(&own, &test, t->comm, t->log, &r));
    if (status == 0 && t->results) {
        status = px_trial_seal(t, t->group, px_clustering_write(t->results, t->group, &r));
        px_trial_print(t, "%-12s %10.2f %8.4f %8.4f   %d clusters", t->subject, 100 * r.like.accuracy, r.like.nmi,
                       r.like.ari, r.clusters);
    }
    return px_agree(t->comm, status);
}

static const char *const numbers[] = {"accuracy", "nmi", "ari", NULL};

const px_protocol px_protocol_clustering = {
    .name = "clustering",
    .title = "Clustering",
    .label = "clustering, accuracy",
    .summary = "k-means on the test features beside the classes: accuracy by matching, NMI, ARI (SCAN)",
    .columns = "  matched %      NMI      ARI",
    .numbers = numbers,
    .draws = true,
    .no_training = true,
    .whole = true,
    .cfg_size = sizeof(px_protocol_cfg),
    .options = px_clustering_options,
    .bytes = bytes,
    .run = run,
};
