/* mpi_eval.c - on several ranks, each evaluation gives every rank what one rank alone computes: the same bits, except
 * for the spectrum, whose sums over ranks are rounded differently. */
#include "blobs.h"
#include "eval/clustering.h"
#include "eval/knn.h"
#include "eval/linear.h"
#include "eval/logistic.h"
#include "eval/retrieval.h"
#include "eval/spectrum.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

static void same(const void *a, const void *b, size_t count, size_t size)
{
    PX_CHECK(memcmp(a, b, count * size) == 0);
}

/* A training row 77 that this rank has, or that it has not, becomes NaN. */
static void spoil(const px_features *f)
{
    px_rows here = px_features_here(f);
    int64_t at = (77 - here.first) * f->width + 3;
    if (here.first > 77 || here.first + here.rows <= 77)
        return;
    if (f->x)
        ((float *)f->x)[at] = NAN;
    else
        ((px_bf16 *)f->x_bf16)[at] = px_bf16_of(NAN);
}

static void test_linear(const px_comm *comm, px_log *log, const blobs *train, const blobs *test, int unit)
{
    const px_comm self = px_comm_self();
    px_features from = blobs_share(train, comm, unit), on = blobs_share(test, comm, unit);
    px_probe_cfg cfg = {.epochs = 4, .batch = 128, .holdout = 0.2, .seed = 5};
    cfg.rates.count = 17; /* three groups of heads, the last one short */
    for (int i = 0; i < 17; i++)
        cfg.rates.value[i] = 1e-4 * pow(1.6, i);
    px_probe_result a, b;
    PX_CHECK(px_linear_probe(&cfg, &from, &on, comm, log, &a) == 0);
    PX_CHECK(px_linear_probe(&cfg, &train->f, &test->f, &self, log, &b) == 0);
    PX_CHECK(a.chosen == b.chosen && a.best_epoch == b.best_epoch);
    PX_CHECK(a.top1 > 0.3 && a.top1 == b.top1 && a.top5 == b.top5 && a.best_top1 == b.best_top1);
    same(a.holdout_top1, b.holdout_top1, 17, sizeof(double));
    same(a.train_loss, b.train_loss, 4, sizeof(double));
    same(a.test_top1, b.test_top1, 4, sizeof(double));
    same(a.per_class, b.per_class, 10, sizeof(double));
    same(a.confusion, b.confusion, 100, sizeof(int64_t));
    same(a.weight, b.weight, (size_t)(10 * (train->f.width + 1)), sizeof(float));
    px_probe_result_finish(&a);
    px_probe_result_finish(&b);

    spoil(&from); /* all ranks fail with the same message */
    PX_CHECK(px_linear_probe(&cfg, &from, &on, comm, log, &a) == -1);
    PX_CHECK(px_error_status() == PX_DIVERGED && strncmp(px_error(), "training features: row 77, feature 3 ", 37) == 0);
    blobs_free_share(&from);
    blobs_free_share(&on);
}

/* Hosts may have other numbers of cores: what is collective must not follow from the threads. */
static void other_threads_than_others(const px_comm *comm)
{
    omp_set_num_threads(1 + 2 * comm->rank);
}

/* Every seventh row has no label. */
static void forget_labels(blobs *b)
{
    for (int64_t i = 3; i < b->f.count; i += 7)
        b->label[i] = -1;
}

/* Rows divided in units that cut the blocks of products, and in one unit: then some ranks have none. More test rows than a round
 * takes with 900 neighbours. */
static void test_knn(const px_comm *comm, px_log *log, const blobs *train, const blobs *test, int unit)
{
    const px_comm self = px_comm_self();
    px_features from = blobs_share(train, comm, unit), on = blobs_share(test, comm, unit);
    px_knn_cfg cfg = {.k = {3, {10, 50, 900}}, .temperature = 0.07, .neighbours = 7}; /* 900: more than a rank has */
    px_knn_result a, b;
    int threads = omp_get_max_threads();
    other_threads_than_others(comm);
    PX_CHECK(px_knn(&cfg, &from, &on, comm, log, &a) == 0);
    omp_set_num_threads(threads);
    PX_CHECK(px_knn(&cfg, &train->f, &test->f, &self, log, &b) == 0);
    PX_CHECK(a.top1[0] > 0.3);
    same(a.top1, b.top1, 3, sizeof(double));
    same(a.top5, b.top5, 3, sizeof(double));
    same(a.equal, b.equal, 3, sizeof(double));
    same(a.distance, b.distance, 3, sizeof(double));
    PX_CHECK(a.shown.queries == 7 && a.shown.k == PX_NEIGHBOURS_KEPT && a.shown.similarity[0] > 0.5);
    same(a.shown.query, b.shown.query, 7, sizeof(int64_t));
    same(a.shown.found, b.shown.found, (size_t)(7 * a.shown.k), sizeof(int64_t));
    same(a.shown.similarity, b.shown.similarity, (size_t)(7 * a.shown.k), sizeof(double));
    px_neighbours_finish(&a.shown);
    px_neighbours_finish(&b.shown);
    spoil(&from); /* all ranks fail with the same message */
    PX_CHECK(px_knn(&cfg, &from, &on, comm, log, &a) == -1);
    PX_CHECK(px_error_status() == PX_DIVERGED && strncmp(px_error(), "training features: row 77, feature 3 ", 37) == 0);
    blobs_free_share(&from);
    blobs_free_share(&on);
}

/* Any rows, on all ranks, in any order. */
static void test_fetch(const px_comm *comm, const blobs *b)
{
    enum { ROWS = 5 };
    const int64_t row[ROWS] = {1099, 0, 512, 0, 700};
    px_features f = blobs_share(b, comm, 100);
    int64_t width = f.width;
    float *x = px_calloc((size_t)(1100 * width), sizeof *x);
    px_features_fetch(&f, row, ROWS, PX_ALL_RANKS, x);
    for (int i = 0; i < ROWS; i++)
        same(x + i * width, b->x + row[i] * width, (size_t)width, sizeof *x);
    for (int to = 0; to < comm->size; to++) {
        memset(x, 0, (size_t)(ROWS * width) * sizeof *x);
        px_features_fetch(&f, row, ROWS, to, x);
        for (int i = 0; i < ROWS; i++)
            PX_CHECK((memcmp(x + i * width, b->x + row[i] * width, (size_t)width * sizeof *x) == 0) ==
                     (comm->rank == to));
    }
    same(px_features_fetch_from(&f, 93, 1007, x), b->x + 93 * width, (size_t)(1007 * width), sizeof *x);
    free(x);
    blobs_free_share(&f);
}

/* 5 values on 2 to 4 ranks: in the last round some ranks only give their rows. */
static void test_logistic(const px_comm *comm, px_log *log, const blobs *train, const blobs *test, int unit)
{
    const px_comm self = px_comm_self();
    px_features from = blobs_share(train, comm, unit), on = blobs_share(test, comm, unit);
    px_logistic_cfg cfg = {.C = {5, {1e-4, 1e-3, 0.01, 0.1, 1}}, .holdout = 0.2, .tolerance = 1e-5, .iterations = 200};
    px_logistic_result a, b;
    PX_CHECK(px_logistic(&cfg, &from, &on, comm, log, &a) == 0);
    PX_CHECK(px_logistic(&cfg, &train->f, &test->f, &self, log, &b) == 0);
    PX_CHECK(a.top1 > 0.3 && a.top1 == b.top1 && a.chosen == b.chosen && a.steps == b.steps && a.loss == b.loss);
    same(a.holdout_top1, b.holdout_top1, 5, sizeof(double));
    same(a.confusion, b.confusion, 100, sizeof(int64_t));
    px_logistic_result_finish(&a);
    px_logistic_result_finish(&b);
    blobs_free_share(&from);
    blobs_free_share(&on);
}

/* The same on all ranks; and what k-NN finds, or with the test images as gallery what it finds behind the query itself. */
static void check_shown(const px_retrieval_cfg *ask, const px_neighbours *a, const px_neighbours *b, const blobs *train,
                        const blobs *test)
{
    const px_comm self = px_comm_self();
    px_log quiet = px_log_make(stderr, true);
    bool of_test = ask->gallery == PX_GALLERY_TEST;
    size_t cells = (size_t)(a->queries * a->k);
    PX_CHECK(a->queries == 7 && a->k == PX_NEIGHBOURS_KEPT && a->of_test == of_test);
    same(a->query, b->query, 7, sizeof(int64_t));
    same(a->found, b->found, cells, sizeof(int64_t));
    same(a->similarity, b->similarity, cells, sizeof(double));
    px_knn_cfg cfg = {.k = {1, {20}}, .temperature = 1, .neighbours = 7};
    px_knn_result r;
    PX_CHECK(px_knn(&cfg, of_test ? &test->f : &train->f, &test->f, &self, &quiet, &r) == 0);
    for (int q = 0; q < 7; q++)
        for (int j = of_test; j < a->k; j++) {
            int at = q * a->k + j - of_test;
            PX_CHECK(a->found[at] == r.shown.found[q * a->k + j]);
            PX_CHECK(fabs(a->similarity[at] - r.shown.similarity[q * a->k + j]) < 1e-6);
        }
    px_neighbours_finish(&r.shown);
}

static void test_retrieval(const px_comm *comm, px_log *log, const blobs *train, const blobs *test, int unit)
{
    const px_comm self = px_comm_self();
    px_features from = blobs_share(train, comm, unit), on = blobs_share(test, comm, unit);
    for (int gallery = 0; gallery < 2; gallery++) {
        px_retrieval_cfg ask = {
            .gallery = gallery ? PX_GALLERY_TEST : PX_GALLERY_TRAIN, .k = {2, {1, 5}}, .neighbours = 7};
        px_retrieval_result a, b;
        int threads = omp_get_max_threads();
        other_threads_than_others(comm);
        PX_CHECK(px_retrieval(&ask, &from, &on, comm, log, &a) == 0);
        omp_set_num_threads(threads);
        PX_CHECK(px_retrieval(&ask, &train->f, &test->f, &self, log, &b) == 0);
        PX_CHECK(a.map > 0.15 && a.map == b.map && a.recall[0] == b.recall[0] && a.recall[1] == b.recall[1]);
        check_shown(&ask, &a.shown, &b.shown, train, test);
        px_neighbours_finish(&a.shown);
        px_neighbours_finish(&b.shown);
    }
    blobs_free_share(&from);
    blobs_free_share(&on);
}

static void test_clustering(const px_comm *comm, px_log *log, const blobs *test)
{
    const px_comm self = px_comm_self();
    px_clustering_cfg find = {.starts = 7, .steps = 100, .seed = 3};
    px_clustering_result c, d;
    PX_CHECK(px_clustering(&find, &test->f, comm, log, &c) == 0);
    PX_CHECK(px_clustering(&find, &test->f, &self, log, &d) == 0);
    PX_CHECK(c.inertia == d.inertia && c.start == d.start && c.like.nmi == d.like.nmi && c.like.nmi > 0.05);
}

static void test_spectrum(const px_comm *comm, const blobs *train)
{
    const px_comm self = px_comm_self();
    px_features part = blobs_share(train, comm, 256);
    px_spectrum a, b;
    PX_CHECK(px_spectrum_measure(&part, comm, &a) == 0);
    blobs_free_share(&part);
    PX_CHECK(px_spectrum_measure(&train->f, &self, &b) == 0);
    PX_CHECK(fabs(a.rankme / b.rankme - 1) < 1e-9 && fabs(a.deviation / b.deviation - 1) < 1e-9);
    PX_CHECK(fabs(a.alpha / b.alpha - 1) < 1e-6 && a.eigenvalue[0] > 0 && a.healthy == b.healthy);
    px_spectrum_finish(&a);
    px_spectrum_finish(&b);
}

/* Rows that are bf16 give what the same numbers as floats give, on one rank and divided. */
static void test_half(const px_comm *comm, px_log *log)
{
    const px_comm self = px_comm_self();
    blobs train = blobs_make(1500, 37, 10, 0.4f, 11), test = blobs_make(700, 37, 10, 0.4f, 12);
    forget_labels(&train);
    forget_labels(&test);
    blobs_round(&train);
    blobs_round(&test);
    const px_comm *on[] = {&self, comm};
    for (int i = 0; i < 2; i++) {
        test_knn(on[i], log, &train, &test, 100);
        test_retrieval(on[i], log, &train, &test, 100);
        test_linear(on[i], log, &train, &test, 100);
        test_logistic(on[i], log, &train, &test, 100);
        test_spectrum(on[i], &train);
    }
    test_fetch(comm, &train);
    blobs_free(&train);
    blobs_free(&test);
}

int main(int argc, char **argv)
{
    px_comm comm;
    PX_CHECK(px_comm_init(&comm, &argc, &argv) == 0);
    px_log log = px_log_make(stderr, true);
    blobs train = blobs_make(1100, 48, 10, 0.4f, 1), test = blobs_make(600, 48, 10, 0.4f, 2);
    blobs many = blobs_make(100000, 48, 10, 0.4f, 3); /* several blocks of the spectrum */
    test_linear(&comm, &log, &train, &test, 100);
    test_linear(&comm, &log, &train, &test, 2000);
    test_fetch(&comm, &train);
    test_knn(&comm, &log, &train, &test, 100);
    test_knn(&comm, &log, &train, &test, 2000);
    test_retrieval(&comm, &log, &train, &test, 100);
    test_retrieval(&comm, &log, &train, &test, 2000);
    blobs odd = blobs_make(1100, 37, 10, 0.4f, 4), asked = blobs_make(2500, 37, 10, 0.4f, 5);
    forget_labels(&odd);
    forget_labels(&asked);
    test_knn(&comm, &log, &odd, &asked, 100);
    test_retrieval(&comm, &log, &odd, &asked, 100);
    blobs rows = blobs_make(5000, 37, 10, 0.4f, 6); /* several chunks of the logistic regression */
    forget_labels(&rows);
    test_logistic(&comm, &log, &rows, &asked, 100);
    blobs wide = blobs_make(1300, 4096, 10, 0.4f, 7), wide_test = blobs_make(100, 4096, 10, 0.4f, 8);
    forget_labels(&wide); /* steps of 128 x 4096 floats: two windows of the linear probe, the second one short */
    test_linear(&comm, &log, &wide, &wide_test, 100);
    blobs_free(&odd);
    blobs_free(&asked);
    blobs_free(&rows);
    blobs_free(&wide);
    blobs_free(&wide_test);
    test_logistic(&comm, &log, &train, &test, 100);
    test_logistic(&comm, &log, &train, &test, 2000);
    test_clustering(&comm, &log, &test);
    test_spectrum(&comm, &many);
    test_half(&comm, &log);
    blobs_free(&train);
    blobs_free(&test);
    blobs_free(&many);
    px_comm_finish(&comm);
    return 0;
}
