/* scene.h - a method's views of one image, as in a loader's batch of one.
 *
 *     scene c;
 *     scene_start(&c, (px_task){.image_size = 32, .channels = 3}, (const char *[]){"method=mae", NULL});
 *     scene_make(&c, &image, seed, sample);
 *     const int32_t *visible = scene_view(&c, "visible");
 *     scene_stop(&c);
 */
#ifndef PX_TESTS_METHODS_SCENE_H
#define PX_TESTS_METHODS_SCENE_H

#include "base/error.h"
#include "train/settings.h"

#include <stdlib.h>
#include <string.h>

typedef struct scene {
    px_settings s;
    px_task task;
    px_views views;
    void *tensor[PX_VIEWS_MAX];
    px_scratch scratch;
} scene;

static inline void scene_start(scene *c, px_task task, const char *const assignments[])
{
    int count = 0;
    while (assignments[count])
        count++;
    *c = (scene){.task = task};
    c->task.batch = c->task.ranks = 1;
    if (px_settings_load(&c->s, NULL, assignments, count) != 0)
        fail_msg("%s", px_error());
    c->s.method->views(c->s.method_cfg, &c->task, &c->views);
    for (int i = 0; i < c->views.count; i++) { /* elements of both types have four bytes */
        const px_view *v = &c->views.view[i];
        c->tensor[i] = px_calloc((size_t)v->copies * px_view_elements(v), sizeof(float));
    }
}

static inline void scene_stop(scene *c)
{
    for (int i = 0; i < c->views.count; i++)
        free(c->tensor[i]);
    px_scratch_finish(&c->scratch);
    px_settings_finish(&c->s);
}

/* From the random stream of (seed, epoch 0, sample). */
static inline void scene_make(scene *c, const px_image *image, uint64_t seed, uint64_t sample)
{
    px_rng rng = px_rng_make(seed, PX_RNG_VIEWS, 0, sample);
    px_sample out = {.views = &c->views, .batch = 1, .scratch = &c->scratch};
    memcpy(out.base, c->tensor, sizeof out.base);
    c->s.method->make_views(c->s.method_cfg, &c->task, &rng, image, &out);
}

static inline int scene_place(const scene *c, const char *name)
{
    for (int i = 0; i < c->views.count; i++)
        if (strcmp(c->views.view[i].name, name) == 0)
            return i;
    fail_msg("%s makes no view '%s'", c->s.method->name, name);
    return 0;
}

/* All copies of the view with this name. */
static inline void *scene_view(const scene *c, const char *name)
{
    return c->tensor[scene_place(c, name)];
}

/* How many numbers one of its copies has. */
static inline int scene_elements(const scene *c, const char *name)
{
    return (int)px_view_elements(&c->views.view[scene_place(c, name)]);
}

#endif
