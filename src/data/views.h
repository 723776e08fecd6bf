/* views.h - what the loader makes from every image: named tensors, filled by one function.
 *
 *     px_views v = {0};
 *     px_views_add(&v, "views", PX_F32, 2, 3, (int[]){3, 32, 32});      // two copies of (3,32,32) per image
 *     px_views_add(&v, "label", PX_I32, 1, 0, NULL);
 *
 * In a batch of B images the tensor of "views" is (2B, 3, 32, 32): copy v of sample i is row v*B + i.
 */
#ifndef PX_DATA_VIEWS_H
#define PX_DATA_VIEWS_H

#include "data/augment.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

enum { PX_VIEWS_MAX = 8, PX_VIEW_RANK = 4 };

typedef struct px_view {
    const char *name; /* borrowed, usually a literal */
    px_dtype dtype;   /* PX_F32 or PX_I32 */
    int copies;       /* per image */
    int rank;         /* number of axes of one copy, without the batch axis */
    int dim[PX_VIEW_RANK];
} px_view;

typedef struct px_views {
    int count;
    px_view view[PX_VIEWS_MAX];
} px_views;

void px_views_add(px_views *, const char *name, px_dtype, int copies, int rank, const int dim[]);
px_shape px_view_shape(const px_view *);  /* of one copy */
size_t px_view_elements(const px_view *); /* of one copy */

size_t px_view_bytes(const px_view *, int batch); /* of its tensor, with `batch` images */

/* Reads a sample's partner. */
typedef const px_image *px_partner(void *context, px_rng *);

/* Where one sample's copies are written. */
typedef struct px_sample {
    const px_views *views;
    void *base[PX_VIEWS_MAX]; /* of the batch's tensors */
    int batch, place;         /* images in this rank's batch; this sample's place in it */
    px_scratch *scratch;      /* of this thread */
    px_scratch *spare;        /* another: px_sample_spare */
    px_rng batch_rng;         /* begins alike for all images of the global batch: copy it, then draw */
    px_partner *partner;      /* see px_sample_partner; NULL: there is none */
    void *partners;           /* its context */
} px_sample;

/* Another image of the same batch, to mix with: the one before in the global batch, whatever the number of ranks, the last one for
 * the first; with data.repeats, of another image. It is read when it is asked for. `rng` becomes the stream that it makes its own
 * views with, so that the same calls make the same views. NULL: it could not be read; then return, the loader reports it. Valid
 * until make_views returns. */
const px_image *px_sample_partner(const px_sample *, px_rng *rng);
/* Memory for a plane of the same size beside it, such as the partner's view; that of `scratch` stays free. Valid until the next
 * call. */
px_plane px_sample_spare(const px_sample *, px_plane like);

/* The memory of one copy of one view: px_view_elements() floats or int32s. */
float *px_sample_f32(const px_sample *, int view, int copy);
int32_t *px_sample_i32(const px_sample *, int view, int copy);
/* The same as a plane, for views of shape (C, S, S). */
px_plane px_sample_plane(const px_sample *, int view, int copy);

/* Makes all views of one image. `context` is private to the function (a method's configuration). Must be a pure
 * function of its arguments. */
typedef void px_make_views(const void *context, px_rng *, const px_image *, px_sample *out);

#endif
