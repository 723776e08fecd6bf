/* cpu.h - which instructions this processor has.
 *
 *     if (px_cpu_has(PX_ISA_AMX)) ...
 *
 * ONEDNN_MAX_CPU_ISA limits the answer as it limits oneDNN ("AVX2", "AVX512_CORE", ...), so that the behaviour of a
 * smaller processor can be tested on a larger one. */
#ifndef PX_BASE_CPU_H
#define PX_BASE_CPU_H

#include <stdbool.h>

/* The choices of px_cpu_narrow: PX_ISA_AVX2 and above, or what there is. */
#define PX_ISA_CHOICES "auto|avx2|avx512|avx512_bf16|amx"

/* Each level includes the ones before it. */
typedef enum px_isa {
    PX_ISA_BASE,        /* what every processor of this architecture has */
    PX_ISA_AVX2,        /* with FMA */
    PX_ISA_AVX512,      /* F, BW, DQ and VL */
    PX_ISA_AVX512_BF16, /* products of bf16 numbers */
    PX_ISA_AMX,         /* matrix units for bf16, if Linux lets this process use them */
    PX_ISAS
} px_isa;

px_isa px_cpu_isa(void); /* the highest level */
bool px_cpu_has(px_isa);
const char *px_isa_name(px_isa); /* "AVX-512 with bf16" */

/* The same as px_cpu_isa, asked once: which copies of simd.h's loops run. px_cpu_narrow has it asked again. */
px_isa px_cpu_loops(void);

/* Narrows the answer to one of PX_ISA_CHOICES, for the rest of the process and for oneDNN, by ONEDNN_MAX_CPU_ISA: to be
 * called before oneDNN is used and before there are threads. -1 (PX_USAGE): the processor, or the environment, has less. */
int px_cpu_narrow(const char *isa);

#endif
