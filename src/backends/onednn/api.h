/* api.h - the part of oneDNN that we use, as an interface that is the same for version 2 (from 2.6 on) and 3.
 *
 *     px_layout src = {x->shape, PX_F32, PX_ORDER_PLAIN}, ...;
 *     px_primitive_desc *d = px_dnnl_find_matmul(&(px_dnnl_matmul){src, weight, dst, .factor = 1});   // NULL: none
 *     px_layout chosen = px_dnnl_layout_of(d, PX_DNNL_DST);   // borrows from d
 *     px_primitive *k = px_primitive_create(d);               // takes ownership of d
 *     px_primitive_add(k, PX_DNNL_SRC); ...                   // its arguments, in any order
 *     px_primitive_execute(k, address);                       // their addresses, in that order
 *
 * Only the files behind this header include oneDNN's: api.c, and v2.c or v3.c, of which meson
 * compiles one. Any failure other than "no such kernel" is a programmer's mistake and ends the program. */
#ifndef PX_BACKENDS_ONEDNN_API_H
#define PX_BACKENDS_ONEDNN_API_H

#include "ops/sliding.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- layouts ---- */

typedef enum px_order {
    PX_ORDER_ANY, /* for the primitive to choose */
    PX_ORDER_PLAIN,
    PX_ORDER_TRANSPOSED,    /* plain, except that the last two axes are swapped in memory */
    PX_ORDER_CHANNELS_LAST, /* (N, H, W, C) of an activation, (O, KH, KW, C) of a weight */
    PX_ORDER_BLOCKS_OF_8,   /* (N, C/8, H, W, 8) */
    PX_ORDER_BLOCKS_OF_16,
    PX_ORDER_OWN /* as `own` says */
} px_order;

typedef struct px_layout {
    px_shape shape;
    px_dtype dtype;
    px_order order;
    const void *own; /* PX_ORDER_OWN: oneDNN's descriptor of the whole layout; borrowed */
} px_layout;

bool px_layout_equal(px_layout, px_layout);
size_t px_layout_bytes(px_layout);

/* oneDNN's descriptors: `own` of a layout */
px_layout px_layout_of_own(const void *own);
void *px_own_create(px_layout); /* the caller destroys it */
void px_own_destroy(void *own);
bool px_own_equal(const void *, const void *);

/* ---- descriptions of primitives: which kernel, in which layouts ---- */

typedef struct dnnl_primitive_desc px_primitive_desc;

/* The arguments of a primitive. A reorder has SRC and DST. */
typedef enum px_dnnl_arg {
    PX_DNNL_SRC,
    PX_DNNL_WEIGHTS,
    PX_DNNL_BIAS,
    PX_DNNL_DST,
    PX_DNNL_DIFF_SRC,
    PX_DNNL_DIFF_WEIGHTS,
    PX_DNNL_DIFF_DST,
    PX_DNNL_WORKSPACE,
    PX_DNNL_SCRATCHPAD,
    PX_DNNL_RESIDUAL,
    PX_DNNL_ARGS
} px_dnnl_arg;

typedef enum px_pass { PX_PASS_FORWARD, PX_PASS_BACK_DATA, PX_PASS_BACK_WEIGHTS } px_pass;

/* In backward passes, src, weights and dst are the layouts of their gradients. */
typedef struct px_dnnl_conv {
    px_layout src, weights, dst;
    const px_layout *bias; /* or NULL; forward only */
    px_sliding slide;
} px_dnnl_conv;

/* The functions that let NaN pass and take as long as our own pass over memory at most. oneDNN's relu, clip and tanh would turn
 * NaN into a number and so hide that a run has diverged. */
typedef enum px_dnnl_function { PX_DNNL_NONE, PX_DNNL_GELU, PX_DNNL_SWISH, PX_DNNL_HARD_SWISH } px_dnnl_function;

/* dst = function(factor * src weights + bias + residual) */
typedef struct px_dnnl_matmul {
    px_layout src, weights, dst;
    const px_layout *bias, *residual; /* or NULL */
    float factor;                     /* must be 1 if there is a bias or a residual */
    px_dnnl_function function;
} px_dnnl_matmul;

typedef struct px_dnnl_pool {
    px_layout src, dst;
    px_sliding slide;
} px_dnnl_pool;

/* oneDNN's best kernel, which the caller destroys; or NULL if it has none, or only a reference implementation, which
 * takes a hundred times as long as the portable kernel. */
px_primitive_desc *px_dnnl_find_conv(px_pass, const px_dnnl_conv *);
px_primitive_desc *px_dnnl_find_matmul(const px_dnnl_matmul *);
px_primitive_desc *px_dnnl_find_max_pool(px_pass, const px_dnnl_pool *); /* for training: with a workspace */
/* Never NULL: for a reorder any implementation is good enough. */
px_primitive_desc *px_dnnl_find_reorder(px_layout from, px_layout to);

void px_primitive_desc_destroy(px_primitive_desc *);
const char *px_dnnl_kernel(const px_primitive_desc *);               /* its name, a string literal in oneDNN */
px_layout px_dnnl_layout_of(const px_primitive_desc *, px_dnnl_arg); /* borrows from the description */
size_t px_dnnl_bytes_of(const px_primitive_desc *, px_dnnl_arg);     /* 0: there is no such argument */

/* ---- primitives: a kernel and the memories of its arguments ---- */

enum { PX_PRIMITIVE_ARGS = 6 };

typedef struct px_primitive px_primitive;
px_primitive *px_primitive_create(px_primitive_desc *); /* takes ownership of the description */
void px_primitive_destroy(px_primitive *);
void px_primitive_add(px_primitive *, px_dnnl_arg);
void px_primitive_execute(px_primitive *, void *const address[]); /* blocks until it is done */

#endif
