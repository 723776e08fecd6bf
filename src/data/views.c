/* views.c - the layout of a batch: its tensors, and where a sample's copies are in them. */
#include "data/views.h"
#include "base/error.h"

void px_views_add(px_views *v, const char *name, px_dtype dtype, int copies, int rank, const int dim[])
{
    PX_CHECK(v->count < PX_VIEWS_MAX);
    PX_CHECK(dtype == PX_F32 || dtype == PX_I32);
    PX_CHECK(copies >= 1 && rank >= 0 && rank <= PX_VIEW_RANK);
    px_view *view = &v->view[v->count++];
    *view = (px_view){.name = name, .dtype = dtype, .copies = copies, .rank = rank};
    for (int i = 0; i < rank; i++) {
        PX_CHECK(dim[i] >= 1);
        view->dim[i] = dim[i];
    }
}

px_shape px_view_shape(const px_view *view)
{
    px_shape shape = {.rank = view->rank};
    for (int i = 0; i < view->rank; i++)
        shape.dim[i] = view->dim[i];
    return shape;
}

size_t px_view_elements(const px_view *view)
{
    size_t n = 1;
    for (int i = 0; i < view->rank; i++)
        n *= (size_t)view->dim[i];
    return n;
}

size_t px_view_bytes(const px_view *view, int batch)
{
    return (size_t)view->copies * (size_t)batch * px_view_elements(view) * px_dtype_size(view->dtype);
}

const px_image *px_sample_partner(const px_sample *s, px_rng *rng)
{
    PX_CHECK(s->partner);
    return s->partner(s->partners, rng);
}

px_plane px_sample_spare(const px_sample *s, px_plane like)
{
    PX_CHECK(s->spare);
    size_t floats = (size_t)like.channels * (size_t)like.size * (size_t)like.size;
    return (px_plane){px_scratch_reserve(s->spare, floats), like.channels, like.size};
}

/* The offset of row v * B + i of the tensor, in elements. */
static size_t offset(const px_sample *s, int view, int copy, px_dtype dtype)
{
    PX_CHECK(view >= 0 && view < s->views->count);
    const px_view *v = &s->views->view[view];
    PX_CHECK(v->dtype == dtype && copy >= 0 && copy < v->copies);
    return ((size_t)copy * (size_t)s->batch + (size_t)s->place) * px_view_elements(v);
}

float *px_sample_f32(const px_sample *s, int view, int copy)
{
    size_t at = offset(s, view, copy, PX_F32);
    return (float *)s->base[view] + at;
}

int32_t *px_sample_i32(const px_sample *s, int view, int copy)
{
    size_t at = offset(s, view, copy, PX_I32);
    return (int32_t *)s->base[view] + at;
}

px_plane px_sample_plane(const px_sample *s, int view, int copy)
{
    float *data = px_sample_f32(s, view, copy);
    const px_view *v = &s->views->view[view];
    PX_CHECK(v->rank == 3 && v->dim[1] == v->dim[2]);
    return (px_plane){data, v->dim[0], v->dim[1]};
}
