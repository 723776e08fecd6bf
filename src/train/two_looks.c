/* two_looks.c - see two_looks.h. */
#include "train/two_looks.h"

#include "base/one_thread.h"
#include "tensor/looks.h"

#include <math.h>

static const double DELTA = 1e-4; /* of LiDAR's paper */

int px_two_looks_measure(px_two_looks *t, const float *first, const float *second, int count, int width)
{
    const float *const view[] = {first, second};
    const px_looks looks = {.view = view, .views = 2, .images = count, .width = width, .pitch = width};
    int threads = px_one_thread_begin(), status = 0;
    *t = (px_two_looks){.alignment = NAN, .lidar = NAN};
    double aligned = px_looks_alignment(&looks);
    if (isfinite(aligned)) {
        t->alignment = aligned;
        status = px_looks_lidar(&looks, DELTA, &t->lidar);
    }
    px_one_thread_end(threads);
    t->narrow = t->lidar < PX_LIDAR_LIMIT;
    return status;
}
