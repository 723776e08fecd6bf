/* differing.h - in how many places two cells of NASNet's space differ. */
#ifndef PX_TESTS_BACKBONES_DIFFERING_H
#define PX_TESTS_BACKBONES_DIFFERING_H

#include "backbones/cells.h"

/* Operations and inputs, of cells of as many blocks. */
static inline int differing(const px_cell *a, const px_cell *b)
{
    int count = 0;
    for (int i = 0; i < a->blocks; i++)
        for (int k = 0; k < 2; k++)
            count += a->part[i][k].op != b->part[i][k].op || a->part[i][k].value != b->part[i][k].value;
    return count;
}

#endif
