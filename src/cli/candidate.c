/* candidate.c - see candidate.h. */
#include "cli/candidate.h"
#include "base/error.h"
#include "data/dataset.h"
#include "results/ledger.h"
#include "results/results.h"

#include <math.h>
#include <stdlib.h>

int px_candidate_read_run(px_candidate *c, const char *run)
{
    char *path = px_format("%s/run.h5", run);
    px_results *r;
    px_ledger_total cost;
    double *values;
    int rank, status = px_results_open(&r, path, PX_RESULTS_READ);
    int64_t dim[4];
    free(path);
    if (status != 0)
        return -1;
    status = px_results_get(r, "/train/online_knn", &values, &rank, dim);
    if (status == 0) {
        c->score = dim[0] > 0 ? values[dim[0] - 1] : NAN;
        free(values);
        status = px_ledger_read(r, &cost);
        c->core_seconds = px_ledger_core_seconds(&cost.sum);
    }
    px_results_abandon(r);
    return status;
}

int px_candidate_measure(px_candidate *c, const px_settings *s)
{
    px_dataset *data;
    if (px_dataset_open(&data, s->data.path, s->data.links ? PX_LINKS_FOLLOWED : PX_LINKS_REFUSED) != 0)
        return -1;
    int channels = px_dataset_about(data)->channels, side = s->data.image_size;
    px_dataset_close(data);
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true});
    px_value *x = px_input(g, "images", PX_F32, PX_SHAPE(1, channels, side, side));
    px_encoding e = s->backbone->family->build(g, s->backbone, s->backbone_cfg, x);
    int status = px_graph_error(g) ? px_fail(PX_USAGE, "%s: %s", s->backbone->name, px_graph_error(g)) : 0;
    if (status == 0) {
        px_graph_output(g, "features", e.pooled);
        c->multiply_adds = px_graph_multiply_adds(g);
        c->parameters = 0;
        for (int i = 0; i < px_graph_params(g); i++) {
            const px_value *v = px_graph_param(g, i)->value;
            c->parameters += v->kind == PX_PARAMETER ? (double)px_shape_count(v->shape) : 0;
        }
    }
    px_graph_destroy(g);
    return status;
}
