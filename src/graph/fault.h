/* fault.h - what a plan's run that looks for it (px_plan_hooks.fault) finds, and how it is told. */
#ifndef PX_GRAPH_FAULT_H
#define PX_GRAPH_FAULT_H

#include <stdbool.h>
#include <stdint.h>

struct px_plan;

/* The first value of a run that is not finite (infinite or NaN). Strings are borrowed from the plan. */
typedef struct px_fault {
    enum { PX_FAULT_NONE, PX_FAULT_PARAMETER, PX_FAULT_INPUT, PX_FAULT_STEP } at;
    int step;                        /* PX_FAULT_STEP: its index (px_plan_step_info); else -1, before all steps */
    const char *op, *place, *kernel; /* PX_FAULT_STEP */
    bool backward;
    const char *name;     /* of the parameter, running statistic or input; PX_FAULT_STEP: of the parameter that the step
                             * reads, or NULL */
    int64_t bad, count;   /* `bad` of the value's `count` elements are not finite */
    const char *gradient; /* the first parameter whose gradient was not finite, or NULL */
} px_fault;

/* "output of conv2d in layer1.0 (forward, kernel jit:avx2), 3 of 512 values, parameter layer1.0.conv1.weight".
 * The caller frees it. */
char *px_fault_text(const px_fault *);

/* The name of the first parameter or state that is not finite, or NULL. Borrowed. */
const char *px_plan_not_finite(const struct px_plan *);

#endif
