/* confusion.c - see confusion.h. */
#include "eval/confusion.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

px_confusion px_confusion_make(int classes)
{
    return (px_confusion){.classes = classes, .count = px_calloc((size_t)classes * (size_t)classes, sizeof(int64_t))};
}

void px_confusion_finish(px_confusion *c)
{
    free(c->count);
    *c = (px_confusion){0};
}

void px_confusion_add(px_confusion *t, int label, const double *score)
{
    int before = 0, said = 0;
    for (int c = 0; c < label; c++)
        before += !(score[c] < score[label]);
    for (int c = label + 1; c < t->classes; c++)
        before += !(score[c] <= score[label]);
    for (int c = 1; c < t->classes; c++)
        if (score[c] > score[said])
            said = c;
    t->right1 += before < 1;
    t->right5 += before < 5;
    t->count[(int64_t)label * t->classes + said]++;
}

void px_confusion_spread(const px_confusion *t, const int *class_of, int classes, int64_t *count, double *per_class)
{
    for (int a = 0; a < t->classes; a++)
        for (int b = 0; b < t->classes; b++)
            count[(int64_t)class_of[a] * classes + class_of[b]] = t->count[(int64_t)a * t->classes + b];
    for (int64_t c = 0; c < classes; c++) {
        int64_t total = 0;
        for (int64_t k = 0; k < classes; k++)
            total += count[c * classes + k];
        per_class[c] = total > 0 ? (double)count[c * classes + c] / (double)total : NAN;
    }
}

int px_confusion_write(px_results *r, const char *group, const int64_t *confusion, int classes)
{
    int64_t dim[] = {classes, classes}, count = dim[0] * dim[1];
    int32_t *narrow = px_calloc((size_t)count, sizeof(int32_t)); /* px_dtype's widest integer */
    for (int64_t i = 0; i < count; i++)
        narrow[i] = (int32_t)confusion[i];
    char *path = px_format("%s/confusion", group);
    int rc = px_results_put(r, path, PX_I32, 2, dim, narrow);
    free(path);
    free(narrow);
    return rc;
}
