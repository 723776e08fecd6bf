/* h5.c - HDF5's error stack in one line. */
#include "data/h5.h"

#include <hdf5.h>
#include <stdio.h>

void px_h5_quiet(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/* Walking upward, the first entry is where the failure was met. */
static herr_t take_first(unsigned n, const H5E_error2_t *entry, void *text)
{
    if (n == 0)
        snprintf(text, PX_H5_WHY, "%s", entry->desc ? entry->desc : "");
    return 0;
}

const char *px_h5_why(char text[PX_H5_WHY])
{
    snprintf(text, PX_H5_WHY, "HDF5 gives no reason");
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, text);
    return text;
}
