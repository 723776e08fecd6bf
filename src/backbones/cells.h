/* cells.h - cells of the NASNet search space (Zoph et al. 2018, arXiv:1707.07012; Real et al. 2019, arXiv:1802.01548) as text, and
 * how a search draws and changes them.
 *
 *     px_cell cell;
 *     if (px_cell_read(&cell, "sep3x3:0+id:1 avg3x3:2+sep5x5:0") != 0) ...          // px_error() says what is wrong
 *     char *text = px_cell_text(&cell);                                               // reads back the same
 *
 *     px_rng rng = px_rng_make(seed, PX_RNG_SEARCH, number, 0);
 *     px_cell_draw(&cell, 5, &rng);
 *     px_cell_mutate(&cell, &rng);
 *
 * The grammar: a cell is blocks with blanks between; a block is two operations with '+' between, whose results are added; an
 * operation is NAME:VALUE. Value 0 is the output of the cell before, 1 that of the one before it, 2 the first block, 3 the second
 * and so on; a block reads only what comes before it. The output is the concatenation of the blocks that no block reads, or of the
 * values that a last word "out:1,2,3" names. Nothing here allocates but px_cell_text.
 */
#ifndef PX_BACKBONES_CELLS_H
#define PX_BACKBONES_CELLS_H

#include "base/rng.h"

#include <stdbool.h>

enum { PX_CELL_INPUTS = 2, PX_CELL_BLOCKS = 8, PX_CELL_VALUES = PX_CELL_INPUTS + PX_CELL_BLOCKS };

/* What an operation does: a separable convolution (twice, as the paper), a mean, a maximum, or nothing. */
typedef enum px_cell_kind { PX_CELL_IDENTITY, PX_CELL_SEPARABLE, PX_CELL_AVERAGE, PX_CELL_MAXIMUM } px_cell_kind;

typedef struct px_cell_op {
    const char *name; /* "sep3x3" */
    px_cell_kind kind;
    int kernel; /* its side; identity: 1 */
} px_cell_op;

typedef struct px_cell_part {
    int op;    /* its place in px_cell_ops */
    int value; /* what it reads */
} px_cell_part;

typedef struct px_cell {
    int blocks;                           /* 1 to PX_CELL_BLOCKS */
    px_cell_part part[PX_CELL_BLOCKS][2]; /* the two that are added */
    bool out[PX_CELL_VALUES];             /* what the output concatenates, in this order */
} px_cell;

extern const px_cell_op px_cell_ops[]; /* ends with a NULL name */

/* 0, or -1 (PX_USAGE): the message begins with the word that is wrong. A cell must read value 0, or networks of such cells could
 * not see their images; and each of its blocks must be read or be in its output. */
int px_cell_read(px_cell *, const char *text);
/* A new string; without "out:" where the output is the blocks that no block reads. */
char *px_cell_text(const px_cell *);

bool px_cell_reads(const px_cell *, int value); /* some block does */
int px_cell_width(const px_cell *);             /* how many values the output concatenates */

/* A cell of uniform operations that read uniform values, whose output is the blocks that nobody reads; drawn again until it reads
 * value 0. */
void px_cell_draw(px_cell *, int blocks, px_rng *);

/* Replaces one operation, or what one operation reads, by another (Real et al. 2019, section 3.2: either with probability 1/2); the
 * output becomes the blocks that nobody reads. The cell is another one afterwards, and still reads value 0. */
void px_cell_mutate(px_cell *, px_rng *);

#endif
