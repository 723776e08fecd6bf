/* update.h - the loops of optimizers over flat buffers. optim/ cuts the buffers into blocks and knows the rates; a backend has
 * the loops (px_backend.update). All backends make the same bits, on any processor: a sum is 16 partial sums, added in
 * order, and no multiplication is fused with an addition. */
#ifndef PX_TENSOR_UPDATE_H
#define PX_TENSOR_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

/* What one block of `n` weights w with the gradient g is updated by. */
typedef struct px_update_sgd {
    float factor;   /* multiplies the gradient */
    float decay;    /* times the weight, is added to it */
    float momentum; /* of `velocity` */
    float rate;
    bool nesterov;
} px_update_sgd;

typedef struct px_update_adam {
    float factor; /* multiplies the gradient */
    float decay;  /* times the weight, is added to it: adam's L2; 0 in adamw and lamb */
    float keep;   /* 1 - rate x weight decay, multiplies the weight: adamw's; 1 in adam */
    float one_minus_beta1, beta2, one_minus_beta2;
    float rate;            /* with the first moment's correction */
    float root_correction; /* the root of the second moment's */
    float eps;
} px_update_adam;

/* LAMB's direction is r + decay w, r being the first moment over the root of the second, both corrected. */
typedef struct px_update_lamb {
    float decay, rate; /* `rate` with the parameter's trust */
    float correction;  /* of the first moment */
    float root_correction, eps;
} px_update_lamb;

typedef struct px_update {
    double (*sum_squares)(const float *g, int64_t n);
    double (*sum_products)(const float *g, const float *w, int64_t n);
    /* torch.optim.SGD */
    void (*sgd)(float *w, float *velocity, const float *g, int64_t n, const px_update_sgd *);
    /* SimCLR's lars_optimizer.py, whose momentum includes the rate */
    void (*lars)(float *w, float *velocity, const float *g, int64_t n, const px_update_sgd *);
    /* torch.optim.Adam and AdamW; m, v: the moments */
    void (*adam)(float *w, float *m, float *v, const float *g, int64_t n, const px_update_adam *);
    /* Changes the moments alone, by factor, the betas and g */
    void (*moments)(float *m, float *v, const float *g, int64_t n, const px_update_adam *);
    /* The sum of squares of LAMB's direction; and w -= rate x direction */
    double (*lamb_squares)(const float *w, const float *m, const float *v, int64_t n, const px_update_lamb *);
    void (*lamb)(float *w, const float *m, const float *v, int64_t n, const px_update_lamb *);
} px_update;

#endif
