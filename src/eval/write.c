/* write.c - see write.h. */
#include "eval/write.h"

#include "base/error.h"

#include <stdlib.h>

/* Writes one HDF5 data set `group`/`name`; with a count of 0, a scalar. */
static int put(px_results *r, const char *group, const char *name, px_dtype type, int64_t count, const void *data)
{
    char *path = px_format("%s/%s", group, name);
    int rc = px_results_put(r, path, type, count > 0 ? 1 : 0, &count, data);
    free(path);
    return rc;
}

static int put_confusion(px_results *r, const char *group, const px_probe_result *p)
{
    int64_t dim[] = {p->classes, p->classes}, count = dim[0] * dim[1];
    int32_t *narrow = px_calloc((size_t)count, sizeof(int32_t)); /* px_dtype's widest integer */
    for (int64_t i = 0; i < count; i++)
        narrow[i] = (int32_t)p->confusion[i];
    char *path = px_format("%s/confusion", group);
    int rc = px_results_put(r, path, PX_I32, 2, dim, narrow);
    free(path);
    free(narrow);
    return rc;
}

int px_linear_probe_write(px_results *r, const char *group, const px_probe_result *p)
{
    int32_t best_epoch = p->best_epoch;
    if (put(r, group, "top1", PX_F64, 0, &p->top1) != 0 || put(r, group, "top5", PX_F64, 0, &p->top5) != 0 ||
        put(r, group, "best_top1", PX_F64, 0, &p->best_top1) != 0 ||
        put(r, group, "best_epoch", PX_I32, 0, &best_epoch) != 0 ||
        put(r, group, "chosen_rate", PX_F64, 0, &p->rate[p->chosen]) != 0 ||
        put(r, group, "rates", PX_F64, p->rates, p->rate) != 0 ||
        put(r, group, "holdout_top1", PX_F64, p->rates, p->holdout_top1) != 0 ||
        put(r, group, "train_loss", PX_F64, p->epochs, p->train_loss) != 0 ||
        put(r, group, "test_top1", PX_F64, p->epochs, p->test_top1) != 0 ||
        put(r, group, "per_class", PX_F64, p->classes, p->per_class) != 0)
        return -1;
    return put_confusion(r, group, p);
}

int px_layers_write(px_results *r, const char *group, const px_layers *l)
{
    const char *name[PX_STAGES_MAX + 1];
    int32_t width[PX_STAGES_MAX + 1];
    double top1[PX_STAGES_MAX + 1], top5[PX_STAGES_MAX + 1], holdout[PX_STAGES_MAX + 1], rate[PX_STAGES_MAX + 1];
    for (int i = 0; i < l->count; i++) {
        const px_layer_score *s = &l->layer[i];
        name[i] = s->name;
        width[i] = s->width;
        top1[i] = s->top1;
        top5[i] = s->top5;
        holdout[i] = s->holdout_top1;
        rate[i] = s->rate;
    }
    char *names = px_format("%s/names", group);
    int rc = px_results_put_texts(r, names, name, l->count);
    free(names);
    if (rc != 0 || put(r, group, "width", PX_I32, l->count, width) != 0 ||
        put(r, group, "top1", PX_F64, l->count, top1) != 0 || put(r, group, "top5", PX_F64, l->count, top5) != 0 ||
        put(r, group, "holdout_top1", PX_F64, l->count, holdout) != 0)
        return -1;
    return put(r, group, "chosen_rate", PX_F64, l->count, rate);
}

int px_knn_write(px_results *r, const char *group, const px_knn_result *k)
{
    int32_t neighbours[PX_LIST_MAX];
    for (int i = 0; i < k->count; i++)
        neighbours[i] = k->k[i];
    if (put(r, group, "k", PX_I32, k->count, neighbours) != 0 || put(r, group, "top1", PX_F64, k->count, k->top1) != 0)
        return -1;
    return put(r, group, "top5", PX_F64, k->count, k->top5);
}

int px_spectrum_write(px_results *r, const char *group, const px_spectrum *s)
{
    if (put(r, group, "deviation", PX_F64, 0, &s->deviation) != 0 ||
        put(r, group, "healthy_deviation", PX_F64, 0, &s->healthy) != 0 ||
        put(r, group, "rankme", PX_F64, 0, &s->rankme) != 0 || put(r, group, "alpha", PX_F64, 0, &s->alpha) != 0)
        return -1;
    return put(r, group, "eigenvalues", PX_F64, s->width, s->eigenvalue);
}
