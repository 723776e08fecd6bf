/* test_evolution.c - which cells a search tries: by turns random and evolved ones; parents are the best of living members; old
 * members die; a candidate depends on nothing but the seed, its number and the scores before its generation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../backbones/differing.h"
#include "cli/evolution.h"

#include <math.h>
#include <string.h>

enum { CANDIDATES = 40, POPULATION = 8 };

/* With a sample of 200 of 8 the best member is as good as certainly among them. */
static const px_search_cfg base = {
    .candidates = CANDIDATES, .population = POPULATION, .sample = 200, .generation = 4, .blocks = 3, .seed = 5};

/* The score of candidate i: numbers without order. */
static double score_of(int i)
{
    return (double)(i * 37 % 101) / 101;
}

static void search(const px_search_cfg *c, px_candidate *all, double (*score)(int))
{
    memset(all, 0, CANDIDATES * sizeof *all);
    for (int first = 0, end; first < c->candidates; first = end) {
        end = px_evolution_end(c, first);
        assert_true(end > first && end <= c->candidates);
        px_evolution_propose(c, all, first, end);
        for (int i = first; i < end; i++) {
            assert_true(isnan(all[i].score));
            all[i].score = score(i);
        }
    }
}

static bool evolved(int i)
{
    return i >= POPULATION && (i - POPULATION) % 2 == 1;
}

/* The first number of i's generation. */
static int generation_of(int i)
{
    return i < POPULATION ? 0 : POPULATION + (i - POPULATION) / base.generation * base.generation;
}

/* The best of the members that live before i's generation: the last POPULATION of the first ones and the evolved. */
static int best_member(const px_candidate *all, int i)
{
    int best = -1, members = 0;
    for (int k = generation_of(i); k-- > 0 && members < POPULATION;)
        if (k < POPULATION || evolved(k)) {
            members++;
            if (best < 0 || all[k].score > all[best].score)
                best = k;
        }
    assert_int_equal(members, POPULATION);
    return best;
}

static void children_are_of_the_best_that_lives(void **state)
{
    px_candidate all[CANDIDATES];
    (void)state;
    search(&base, all, score_of);
    for (int i = 0; i < CANDIDATES; i++) {
        assert_int_equal(all[i].evolved, evolved(i));
        assert_int_equal(all[i].normal.blocks, base.blocks);
        if (!evolved(i)) {
            assert_int_equal(all[i].parent, -1);
            continue;
        }
        assert_int_equal(all[i].parent, best_member(all, i));
        const px_candidate *parent = &all[all[i].parent];
        assert_int_equal(differing(&all[i].normal, &parent->normal) + differing(&all[i].reduction, &parent->reduction),
                         1);
    }
}

static double score_of_failures(int i)
{
    return i % 3 ? NAN : score_of(i);
}

/* What did not stay finite has no children while others have a score. */
static void failures_have_no_children(void **state)
{
    px_candidate all[CANDIDATES];
    (void)state;
    search(&base, all, score_of_failures);
    for (int i = 0; i < POPULATION + base.generation; i++)
        if (evolved(i))
            assert_int_equal(all[i].parent % 3, 0);
    assert_int_equal(px_evolution_best(all, 3, false), 0);
    assert_int_equal(px_evolution_best(all, POPULATION, true), -1);
}

static double other_score(int i)
{
    return 1 - score_of(i);
}

static void only_scores_before_a_generation_count(void **state)
{
    px_candidate all[CANDIDATES], again[CANDIDATES], others[CANDIDATES];
    px_search_cfg shorter = base;
    (void)state;
    shorter.candidates = 21; /* ends within a generation, and is a part of the longer search */
    search(&base, all, score_of);
    search(&shorter, again, score_of);
    search(&base, others, other_score);
    for (int i = 0; i < CANDIDATES; i++) {
        if (i < shorter.candidates)
            assert_true(memcmp(&all[i].normal, &again[i].normal, sizeof all[i].normal) == 0 &&
                        memcmp(&all[i].reduction, &again[i].reduction, sizeof all[i].reduction) == 0 &&
                        all[i].parent == again[i].parent);
        if (!evolved(i)) /* other scores change nothing of random search */
            assert_memory_equal(&all[i].normal, &others[i].normal, sizeof all[i].normal);
    }
    assert_int_not_equal(all[POPULATION + 1].parent, others[POPULATION + 1].parent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_are_of_the_best_that_lives),
        cmocka_unit_test(failures_have_no_children),
        cmocka_unit_test(only_scores_before_a_generation_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
