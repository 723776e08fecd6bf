/* sum.h - the additions in sums over ranks. */
#ifndef PX_DIST_SUM_H
#define PX_DIST_SUM_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

/* sum[i] += term[i] */
typedef void px_adder(void *restrict sum, const void *restrict term, int64_t count);
px_adder px_add_f32, px_add_f64;

/* What a sum over ranks must know about its numbers. */
typedef struct px_summand {
    size_t bytes; /* of one number */
    MPI_Datatype type;
    px_adder *add;
} px_summand;
px_summand px_summand_f32(void), px_summand_f64(void);

#endif
