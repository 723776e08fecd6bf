/* evolution.h - which cells a search tries: random search, and regularised evolution (Real et al. 2019, arXiv:1802.01548,
 * algorithm 1) beside it, by turns.
 *
 *     px_search_cfg cfg = {.population = 16, .sample = 4, .generation = 8, .blocks = 5, .seed = 1, ...};
 *     for (int first = 0, end; first < cfg.candidates; first = end) {
 *         end = px_evolution_end(&cfg, first);
 *         px_evolution_propose(&cfg, all, first, end);        // fills all[first : end] from the scores of those before
 *         ... train them, in any order and anywhere; all[i].score = ... ...
 *     }
 *
 * The first `population` candidates are random, and belong to both. Of those after them every second one is random, the others are
 * evolved: of `sample` members of the population, drawn with replacement, the best is the parent, and the child has one change in
 * one of its cells. The population is the last `population` members of evolution: the oldest one goes when a child comes, however
 * good it is. The children of a generation are drawn from the population before it, so that they can be trained at the same time;
 * with a generation of 2, one child, it is the paper's algorithm.
 *
 * A candidate is a function of the seed, its number and the scores of the generations before.
 */
#ifndef PX_CLI_EVOLUTION_H
#define PX_CLI_EVOLUTION_H

#include "backbones/cells.h"

#include <stdint.h>

typedef struct px_search_cfg {
    int candidates, population, sample, generation, blocks;
    int64_t seed;
    const char *skip; /* the caller's */
} px_search_cfg;

typedef struct px_candidate {
    px_cell normal, reduction;
    bool evolved;
    int parent;                                     /* its number; -1: a random one */
    double score;                                   /* a share of 1; NaN: its training failed. The caller's */
    double multiply_adds, parameters, core_seconds; /* the caller's, unused here */
} px_candidate;

/* The number behind the last one of the generation that begins with `first`. */
int px_evolution_end(const px_search_cfg *, int first);

void px_evolution_propose(const px_search_cfg *, px_candidate *all, int first, int end);

/* The number of the best of all[0 : count] that is evolved, or that is not; of equal ones the first. -1: none has a score. */
int px_evolution_best(const px_candidate *all, int count, bool evolved);

#endif
