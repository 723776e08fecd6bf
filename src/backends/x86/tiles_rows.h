/* tiles_rows.h - formats of the convolutions by AMX: (N, H, W, C) in bf16, and weights (O, KH, KW, C) in float. */
#ifndef PX_BACKENDS_X86_TILES_ROWS_H
#define PX_BACKENDS_X86_TILES_ROWS_H

#include "backends/onednn/onednn.h"
#include "backends/x86/tiles.h"

static inline bool is_in_rows(px_storage st, const px_value *v)
{
    return st.dtype == PX_BF16 && !st.own && st.block == v->shape.dim[1];
}

static inline px_storage weight_in_rows(px_plan *p, const px_value *w)
{
    return px_dnnl_storage(p, w, (px_layout){w->shape, PX_F32, PX_ORDER_CHANNELS_LAST, NULL});
}

#endif
