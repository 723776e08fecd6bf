/* weights_files.h - what tests of weights files have in common: an encoder, a run, files as other programs write them. */
#ifndef PX_TESTS_TRAIN_WEIGHTS_FILES_H
#define PX_TESTS_TRAIN_WEIGHTS_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "data/safetensors.h"
#include "train/checkpoint.h"
#include "train/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An encoder and what it was made from. */
typedef struct encoder {
    px_settings s;
    px_task task;
    px_model m;
} encoder;

static inline void start(encoder *e, int size, uint64_t seed, const char *a, const char *b)
{
    *e = (encoder){.task = {.image_size = size, .channels = 3, .batch = 1, .ranks = 1}};
    if (px_settings_load(&e->s, NULL, (const char *[]){a, b}, 2) != 0 ||
        px_model_encoder(&e->m, &e->s, &e->task, &(px_encoder_spec){.batch = 1, .views = 1, .size = size}) != 0)
        fail_msg("%s", px_error());
    px_plan_init_params(e->m.plan, seed);
}

static inline void stop(encoder *e)
{
    px_model_finish(&e->m);
    px_settings_finish(&e->s);
}

static inline float *parameter(encoder *e, int i)
{
    int64_t count = px_shape_count(px_graph_param(e->m.graph, i)->value->shape);
    float *plain = px_aligned_calloc((size_t)count * sizeof plain[0]);
    px_plan_get_param(e->m.plan, i, plain);
    return plain;
}

/* A folder with a run in it, and a file of its weights. */
typedef struct fixture {
    char *folder, *path;
    encoder run;
    px_log quiet;
} fixture;

static inline void make_run(fixture *f, int size, const char *a, const char *b)
{
    start(&f->run, size, 1, a, b);
    char *config = px_config_text(f->run.s.config);
    if (px_checkpoint_save(f->folder, &f->run.m, NULL, (px_position){.step = 7}, config) != 0 ||
        px_weights_export(f->folder, f->path, "", false, &f->quiet) != 0)
        fail_msg("%s", px_error());
    free(config);
}

static inline int set_up(void **state)
{
    const char *root = getenv("TMPDIR");
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = px_format("%s/px-weights-XXXXXX", root ? root : "/tmp");
    f->quiet = px_log_make(stderr, true);
    *state = f;
    if (!mkdtemp(f->folder))
        return -1;
    f->path = px_format("%s/w.safetensors", f->folder);
    return 0;
}

static inline int tear_down(void **state)
{
    static const char *const names[] = {"w.safetensors", "checkpoint.h5", "checkpoint.previous.h5"};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = px_format("%s/%s", f->folder, names[i]);
        unlink(path);
        free(path);
    }
    rmdir(f->folder);
    free(f->path);
    free(f->folder);
    if (f->run.m.plan)
        stop(&f->run);
    free(f);
    return 0;
}

static inline void check_refused(fixture *f, encoder *e, const char *says)
{
    char *message = px_format("%s: %s", f->path, says);
    assert_int_equal(px_weights_load(&e->m, &e->s, &e->task, f->path, &f->quiet), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    assert_string_equal(px_error(), message);
    free(message);
}

/* The backbone's tensors under other names, and `more` after them. */
typedef struct foreign {
    px_stored_tensor *list;
    int count;
} foreign;

static inline void add(foreign *o, const char *name, px_shape shape, const float *data)
{
    o->list = px_grow(o->list, o->count, sizeof o->list[0]);
    o->list[o->count++] =
        (px_stored_tensor){.name = px_strdup(name), .type = "F32", .shape = shape, .data = (void *)(uintptr_t)data};
}

typedef const char *rename_fn(const char *ours, char *text);

/* All parameters of `e` times `factor`, under the names that `theirs` gives them. */
static inline void add_renamed(foreign *o, encoder *e, const char *prefix, rename_fn *theirs, float factor)
{
    for (int i = 0; i < px_graph_params(e->m.graph); i++) {
        const px_param *p = px_graph_param(e->m.graph, i);
        char text[128];
        float *values = parameter(e, i);
        for (int64_t k = 0; k < px_shape_count(p->value->shape); k++)
            values[k] *= factor;
        char *name = px_format("%s%s", prefix, theirs ? theirs(p->name, text) : p->name);
        add(o, name, p->value->shape, values);
        free(name);
    }
}

static inline void write_foreign(const fixture *f, foreign *o)
{
    assert_int_equal(px_safetensors_write(f->path, o->list, o->count, NULL, 0), 0);
    for (int i = 0; i < o->count; i++) {
        free((void *)(uintptr_t)o->list[i].name);
        free((void *)(uintptr_t)o->list[i].data);
    }
    free(o->list);
    *o = (foreign){0};
}

/* Reads the file into another model, which then has the parameters of `e`. `given`: assignments. */
static inline void check_same(fixture *f, encoder *e, const char *backbone, const char *width, const char *given)
{
    encoder other;
    start(&other, 32, 2, backbone, width);
    if (px_config_set(other.s.config, given) != 0 || px_config_finish(other.s.config) != 0 ||
        px_weights_load(&other.m, &other.s, &other.task, f->path, &f->quiet) != 0)
        fail_msg("%s", px_error());
    for (int i = 0; i < px_graph_params(other.m.graph); i++) {
        float *a = parameter(e, i), *b = parameter(&other, i);
        assert_memory_equal(a, b, (size_t)px_shape_count(px_graph_param(e->m.graph, i)->value->shape) * sizeof a[0]);
        free(a);
        free(b);
    }
    stop(&other);
}

#endif
