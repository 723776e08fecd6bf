/* grid.h - the runs of `pretext grid`: the product of all keys that have several values.
 *
 *     px_grid g;
 *     if (px_grid_read(&g, assignments, count) != 0) ...       // "optim.lr=0.1,0.3", "seed=1..3", "epochs=100"
 *     for (int i = 0; i < g.runs; i++) {
 *         char **settings = px_grid_settings(&g, i);           // "epochs=100", "optim.lr=0.1", "seed=1"
 *         char *name = px_grid_name(&g, i);                    // "lr-0.1_seed-1"
 *     }
 *     px_grid_finish(&g);
 *
 * Commas separate values, except within brackets, which are a list of the option's own ("optim.steps=[30,60],[40,80]"), and
 * within double quotes. FIRST..LAST are all whole numbers from one to the other, and may stand among other values. Where no key has
 * several values there is one run, called by its seed if one is given, so that the grid can grow to more of them.
 */
#ifndef PX_CLI_GRID_H
#define PX_CLI_GRID_H

enum { PX_GRID_MOST = 10000 }; /* runs */

/* A key with several values. All strings are owned. */
typedef struct px_axis {
    char *key, *label; /* "optim.lr", "lr": as much of its end as tells it from the other axes */
    char **value;      /* as the configuration takes it */
    char **name;       /* the same for a folder's name */
    int count;
} px_axis;

typedef struct px_grid {
    px_axis *axis;
    int axes, runs;
    char **fixed; /* the other assignments, owned */
    int fixed_count;
} px_grid;

/* 0; or -1 (PX_USAGE) with nothing to finish: an empty or repeated value, a key given twice,
 * brackets or quotes that do not match, too many runs, values that would have the same name. */
int px_grid_read(px_grid *, const char *const assignments[], int count);
void px_grid_finish(px_grid *);

/* The assignments of one run, fixed ones first: a new NULL-terminated array of new strings. */
char **px_grid_settings(const px_grid *, int run);

/* A name for its folder, of letters, digits and "+-._": a new string. The last axis changes fastest. Without one it is "run". */
char *px_grid_name(const px_grid *, int run);

#endif
