/* collective.c - sums and gathers across ranks. With one rank they copy, or do nothing in place. */
#include "backends/portable/portable.h"
#include "dist/comm.h"

#include <string.h>

static size_t bytes_of(const px_value *v)
{
    return (size_t)px_shape_count(v->shape) * px_dtype_size(v->dtype);
}

void KERNEL(all_reduce)(const px_step *s)
{
    const px_value *x = s->node->in[0];
    if (s->out[0] != s->in[0])
        memcpy(s->out[0], s->in[0], bytes_of(x));
    if (x->dtype == PX_F64)
        px_all_reduce_f64(px_plan_comm(s->plan), s->out[0], px_shape_count(x->shape));
    else
        px_all_reduce_f32(px_plan_comm(s->plan), s->out[0], px_shape_count(x->shape));
}

void KERNEL(all_gather)(const px_step *s)
{
    px_all_gather_bytes(px_plan_comm(s->plan), s->in[0], s->out[0], (int64_t)bytes_of(s->node->in[0]));
}

void KERNEL(reduce_scatter)(const px_step *s)
{
    const px_value *y = s->node->out[0];
    if (y->dtype == PX_F64)
        px_reduce_scatter_f64(px_plan_comm(s->plan), s->in[0], s->out[0], px_shape_count(y->shape));
    else
        px_reduce_scatter_f32(px_plan_comm(s->plan), s->in[0], s->out[0], px_shape_count(y->shape));
}
