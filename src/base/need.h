/* need.h - the memory that a command will need, by part, checked before any of it is allocated; and what would fit if the
 * host has less.
 *
 *     static const char *const names[] = {"features", "views of images"};
 *     px_need n = {.of = "probing", .name = names, .parts = 2, .part = {4e9, 2e6}};     // bytes per rank
 *     if (px_need_check(&n, comm->local_size, &advice) != 0) ...       // the message says why, and what would fit
 */
#ifndef PX_BASE_NEED_H
#define PX_BASE_NEED_H

#include <stdio.h>

enum { PX_NEED_PARTS_MAX = 8 };

/* Bytes per rank. */
typedef struct px_need {
    const char *of;          /* what needs it: "training" */
    const char *const *name; /* (parts) for messages; borrowed */
    int parts;
    double part[PX_NEED_PARTS_MAX];
} px_need;

double px_need_sum(const px_need *);

/* "1.2 GiB = activations 1.0 GiB, ...", with the largest part first and without those that are 0; the caller frees it. */
char *px_need_text(const px_need *);

/* Settings that would fit, to choose from: "batch=8; or recompute=true". */
typedef struct px_proposals {
    FILE *out;
    int count;
} px_proposals;
void px_propose(px_proposals *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a refusal says beyond the sizes. */
typedef struct px_need_advice {
    const void *about; /* handed to both functions */
    /* Writes why the largest part is so large: " for 64 images of 224 px". */
    void (*why)(const void *about, int part, FILE *out);
    /* Proposes what fits into `room` bytes per rank. If it proposes nothing, the message ends with `otherwise`. */
    void (*fits)(const void *about, double room, px_proposals *);
    const char *otherwise;
} px_need_advice;

/* 0, or -1 (PX_USAGE) if this host has too little memory for the `ranks` processes on it, or a limit of this process
 * forbids it. To say what would fit can take some seconds. */
int px_need_check(const px_need *, int ranks, const px_need_advice *);

#endif
