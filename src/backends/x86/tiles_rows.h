/* tiles_rows.h - formats of the convolutions by AMX: (N, H, W, C) in bf16, and weights (O, KH, KW, C) in float. */
#ifndef PX_BACKENDS_X86_TILES_ROWS_H
#define PX_BACKENDS_X86_TILES_ROWS_H

#include "backends/x86/tiles.h"

static inline bool is_in_rows(px_storage st, const px_value *v)
{
    return st.dtype == PX_BF16 && !st.own && st.block == v->shape.dim[1];
}

/* With one channel or one tap this is the plain format. */
static inline px_storage weight_in_rows(const px_value *w)
{
    bool plain = w->shape.dim[1] == 1 || px_shape_tail(w->shape, 2) == 1;
    return px_storage_blocked(w, plain ? 1 : (int)w->shape.dim[1], PX_F32);
}

#endif
