/* write.c - see write.h. */
#include "eval/write.h"

#include "base/error.h"

#include <stdlib.h>

int px_put(px_results *r, const char *group, const char *name, px_dtype type, int64_t count, const void *data)
{
    return px_put_array(r, group, name, type, count > 0 ? 1 : 0, &count, data);
}

int px_put_array(px_results *r, const char *group, const char *name, px_dtype type, int rank, const int64_t dim[],
                 const void *data)
{
    char *path = px_format("%s/%s", group, name);
    int rc = px_results_put(r, path, type, rank, dim, data);
    free(path);
    return rc;
}
