/* golden.h - what the golden tests share: formulas for weights and images, the same as in make_fixtures.py; PyTorch's
 * answers; and the comparison of a model in training with them.
 *
 *     golden_run t;
 *     golden_start(&t, (px_task){.batch = 8, .image_size = 32}, (const char *[]){"method=simclr", NULL});
 *     golden_images(x, 16, 8, 3, 32);
 *     px_plan_bind(t.m.plan, t.m.input[0], x);
 *     golden_ten_steps(&t, "simclr_sgd", 0.002, 2e-3);
 *     golden_stop(&t);
 */
#ifndef PX_TESTS_GOLDEN_H
#define PX_TESTS_GOLDEN_H

#include "data/safetensors.h"
#include "train/model.h"

/* Defaults and these assignments (NULL-terminated). */
px_settings golden_settings(const char *const assignments[]);

/* Sets a model's parameters and running statistics by their names. Fixed positions (states pos_embed) are not changed,
 * since they are tested as well. */
void golden_fill(px_model *);

/* x (count, channels, size, size): coloured blocks, the same for images i and i + of, and different noise. */
void golden_images(float *x, int count, int of, int channels, int size);

/* NAME.safetensors of the folder that the environment variable GOLDEN names (meson sets it). Close it. */
px_tensor_file *golden_open(const char *name);

/* A tensor of the fixture as `count` floats; the caller frees it. */
float *golden_read(const px_tensor_file *, const char *name, int64_t count);

/* |a - b| / |b| over `count` elements. */
double golden_error(const float *a, const float *b, int64_t count);

/* Compares a parameter's gradient, or a running statistic, with the fixture's digest of it: its norm and a few
 * elements, relative to the root of the mean square; where the fixture's are zero, its norm. Returns the larger difference. */
double golden_param_error(px_model *, int param, const px_tensor_file *);

/* ---- a model in training ---- */

typedef struct golden_run {
    px_settings s;
    px_task task;
    px_comm comm;
    px_model m;
} golden_run;

/* One rank on colour images; `task` gives batch, image_size and classes. The caller binds the inputs. */
void golden_start(golden_run *, px_task task, const char *const assignments[]);
void golden_stop(golden_run *);

/* Runs a step and fails if its loss differs by more than `loss`, or a gradient or running statistic by more than
 * `gradient` (relative differences). */
void golden_one_step(golden_run *, const char *fixture, double loss, double gradient);

/* Fails if one of ten losses has a relative difference above `allowed`. */
void golden_ten_steps(golden_run *, const char *fixture, double lr, double allowed);

#endif
