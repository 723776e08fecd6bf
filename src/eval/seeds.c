/* seeds.c - see seeds.h. */
#include "eval/seeds.h"

#include "base/error.h"
#include "base/student.h"

#include <stdlib.h>

/* GROUP/seeds/K/NAME as numbers; NULL with a message. */
static double *read_seed(px_results *r, const char *group, int seed, const char *name, int *rank, int64_t dim[4])
{
    double *data = NULL;
    char *path = px_format("%s/seeds/%d/%s", group, seed, name);
    px_results_get(r, path, &data, rank, dim);
    free(path);
    return data;
}

static int put(px_results *r, const char *group, const char *name, const char *ending, int rank, const int64_t dim[4],
               const double *data)
{
    char *path = px_format("%s/%s%s", group, name, ending);
    int status = px_results_put(r, path, PX_F64, rank, dim, data);
    free(path);
    return status;
}

static int conclude(px_results *r, const char *group, const char *name, int seeds)
{
    double *value[PX_SEEDS_MAX];
    int rank = 0, have = 0, status = 0;
    int64_t dim[4] = {1, 1, 1, 1}, count = 0;
    for (; have < seeds; have++) {
        value[have] = read_seed(r, group, have, name, &rank, dim);
        if (!value[have])
            break;
        PX_CHECK(rank <= 1 && (have == 0 || dim[0] == count));
        count = dim[0];
    }
    if (have == seeds) {
        double *mean = px_calloc((size_t)count, sizeof *mean), *half = px_calloc((size_t)count, sizeof *half);
        for (int64_t i = 0; i < count; i++) {
            double x[PX_SEEDS_MAX];
            for (int k = 0; k < seeds; k++)
                x[k] = value[k][i];
            mean[i] = px_mean_95(x, seeds, &half[i]);
        }
        status = put(r, group, name, "", rank, dim, mean) != 0 ? -1 : put(r, group, name, "_interval", rank, dim, half);
        free(mean);
        free(half);
    }
    for (int k = 0; k < have; k++)
        free(value[k]);
    return have == seeds ? status : -1;
}

int px_seeds_conclude(px_results *r, const char *group, const px_protocol *p, int seeds)
{
    PX_CHECK(seeds > 1 && seeds <= PX_SEEDS_MAX);
    int status = 0, rank;
    int64_t dim[4];
    for (const char *const *name = px_protocol_numbers(p); *name && status == 0; name++)
        status = conclude(r, group, *name, seeds);
    double *axis = status == 0 && p->axis ? read_seed(r, group, 0, p->axis, &rank, dim) : NULL;
    if (axis)
        status = put(r, group, p->axis, "", rank, dim, axis);
    free(axis);
    return status;
}
