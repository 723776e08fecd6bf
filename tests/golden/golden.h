/* golden.h - what the golden tests share: formulas for weights and images that make_fixtures.py has, too, and PyTorch's
 * answers.
 *
 *     px_settings s = golden_settings((const char *[]){"backbone=resnet18", NULL});
 *     ... build a model ...
 *     golden_fill(&model);
 *     golden_images(x, 16, 8, 3, 32);
 *     px_safetensors *expected = golden_open("simclr_gradients");
 */
#ifndef PX_TESTS_GOLDEN_H
#define PX_TESTS_GOLDEN_H

#include "data/safetensors.h"
#include "train/model.h"

/* Defaults and these assignments (NULL-terminated). */
px_settings golden_settings(const char *const assignments[]);

/* Parameters and running statistics of a model or plan, by their names. */
void golden_fill(px_model *);

/* x (count, channels, size, size): coloured blocks that image i shares with image i + of, and noise of its own. */
void golden_images(float *x, int count, int of, int channels, int size);

/* NAME.safetensors of the folder that the environment variable GOLDEN names (meson sets it). Close it. */
px_safetensors *golden_open(const char *name);

/* A tensor of the fixture as floats, which must be `count` many: yours to free. */
float *golden_read(const px_safetensors *, const char *name, int64_t count);

/* The norm of a tensor and a few of its elements, as fixtures keep them. */
enum { GOLDEN_DIGEST = 5 };
void golden_digest(const float *tensor, int64_t count, double digest[GOLDEN_DIGEST]);

/* |a - b| / |b| over `count` elements. */
double golden_error(const float *a, const float *b, int64_t count);

#endif
