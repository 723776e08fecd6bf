/* cpu.h - what this processor can do.
 *
 *     if (px_cpu_has(PX_ISA_AMX)) ...
 *
 * ONEDNN_MAX_CPU_ISA narrows the answer as it narrows oneDNN ("AVX2", "AVX512_CORE", ...): what a machine does with less
 * can be tested on one that has more. The loops that simd.h compiles several times are not narrowed by it. */
#ifndef PX_BASE_CPU_H
#define PX_BASE_CPU_H

#include <stdbool.h>

/* Each level has all that the levels before it have. */
typedef enum px_isa {
    PX_ISA_BASE,        /* what every processor of this kind has */
    PX_ISA_AVX2,        /* with FMA */
    PX_ISA_AVX512,      /* F, BW, DQ and VL */
    PX_ISA_AVX512_BF16, /* products of bf16 numbers */
    PX_ISA_AMX,         /* matrix units for bf16, which the kernel lets this process use */
    PX_ISAS
} px_isa;

px_isa px_cpu_isa(void); /* the highest level */
bool px_cpu_has(px_isa);
const char *px_isa_name(px_isa); /* "AVX-512 with bf16" */

#endif
