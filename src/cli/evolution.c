/* evolution.c - see evolution.h. */
#include "cli/evolution.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

int px_evolution_end(const px_search_cfg *c, int first)
{
    int end = first < c->population ? c->population : first + c->generation;
    return end < c->candidates ? end : c->candidates;
}

static bool is_evolved(const px_search_cfg *c, int number)
{
    return number >= c->population && (number - c->population) % 2 == 1;
}

static bool is_better(const px_candidate *a, const px_candidate *b)
{
    return isfinite(a->score) && !(a->score <= b->score);
}

/* The members of the population before the candidate `first`, the youngest first. Returns how many there are. */
static int population(const px_search_cfg *c, int first, int *member)
{
    int count = 0;
    for (int i = first; i-- > 0 && count < c->population;)
        if (i < c->population || is_evolved(c, i))
            member[count++] = i;
    return count;
}

static void evolve(const px_search_cfg *c, px_candidate *all, int number, const int *member, int members, px_rng *rng)
{
    int best = -1;
    for (int i = 0; i < c->sample; i++) {
        int drawn = member[px_rng_below(rng, (uint32_t)members)];
        if (best < 0 || is_better(&all[drawn], &all[best]) || (drawn < best && all[drawn].score == all[best].score))
            best = drawn;
    }
    px_candidate *child = &all[number];
    *child = (px_candidate){
        .normal = all[best].normal, .reduction = all[best].reduction, .evolved = true, .parent = best, .score = NAN};
    px_cell_mutate(px_rng_below(rng, 2) ? &child->normal : &child->reduction, rng);
}

void px_evolution_propose(const px_search_cfg *c, px_candidate *all, int first, int end)
{
    int *member = px_calloc((size_t)c->population, sizeof *member), members = population(c, first, member);
    for (int i = first; i < end; i++) {
        px_rng rng = px_rng_make((uint64_t)c->seed, PX_RNG_SEARCH, (uint64_t)i, 0);
        if (is_evolved(c, i)) {
            evolve(c, all, i, member, members, &rng);
            continue;
        }
        all[i] = (px_candidate){.parent = -1, .score = NAN};
        px_cell_draw(&all[i].normal, c->blocks, &rng);
        px_cell_draw(&all[i].reduction, c->blocks, &rng);
    }
    free(member);
}

int px_evolution_best(const px_candidate *all, int count, bool evolved)
{
    int best = -1;
    for (int i = 0; i < count; i++)
        if (all[i].evolved == evolved && isfinite(all[i].score) && (best < 0 || all[i].score > all[best].score))
            best = i;
    return best;
}
