/* test_fault.c - the search for values that are not finite on whole models: every method on a ResNet and on a ViT,
 * with either set of kernels and in bf16, finds nothing in a healthy step, even if all memory contained NaN before. So
 * no step reads memory that was not written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/rng.h"
#include "graph/plan_internal.h"
#include "train/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, SIDE = 24 };

/* Random pixels; places and labels are 0, which is valid for all of them. Scheduled numbers are the first step's. */
static void bind(px_model *m, void *tensor[], float scheduled[])
{
    for (int i = 0; i < m->scheduled_count; i++) {
        scheduled[i] = (float)px_scheduled_at(&m->scheduled[i], 0, 0);
        px_plan_bind(m->plan, m->scheduled[i].value, &scheduled[i]);
    }
    px_rng rng = px_rng_make(1, PX_RNG_VIEWS, 0, 0);
    for (int i = 0; i < m->views.count; i++) {
        const px_view *v = &m->views.view[i];
        size_t count = (size_t)v->copies * BATCH * px_view_elements(v);
        tensor[i] = px_aligned_calloc(count * sizeof(float));
        for (size_t k = 0; k < count && v->dtype == PX_F32; k++)
            ((float *)tensor[i])[k] = px_rng_uniform(&rng);
        px_plan_bind(m->plan, m->input[i], tensor[i]);
    }
}

/* Heads as papers have them would take most of the time, for their first weights. Those of these options that the method has, as
 * "METHOD.NAME=VALUE" from `text` on; returns how many. */
static int narrow_heads(const px_method *method, char *text[])
{
    static const struct {
        const char *name;
        int value;
    } small[] = {{"hidden", 16}, {"predictor_hidden", 8}, {"prototypes", 8},
                 {"queue", 16},  {"group", BATCH},        {"dim", 8}};
    int count = 0;
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
        for (const px_option *o = method->options; o && o->name; o++)
            if (strcmp(o->name, small[i].name) == 0) {
                bool whitened =
                    strcmp(method->name, "wmse") == 0 && strcmp(o->name, "dim") == 0; /* in groups of images */
                text[count++] = px_format("%s.%s=%d", method->name, o->name, whitened ? BATCH / 2 : small[i].value);
            }
    return count;
}

/* Nothing if the method is for another family. */
static void try_pair(const px_method *method, const px_backbone *backbone, const char *how)
{
    enum { HEADS = 6 };
    char *set_method = px_format("method=%s", method->name), *set_backbone = px_format("backbone=%s", backbone->name),
         *heads[HEADS];
    const char *given[5 + HEADS] = {set_method, set_backbone, how};
    int count = 3, narrowed = narrow_heads(method, heads);
    if (strcmp(backbone->family->name, "resnet") == 0)
        given[count++] = "resnet.width=0.25";
    if (strcmp(backbone->family->name, "vit") == 0) {
        given[count++] = "vit.embed_dim=96";
        given[count++] = "vit.depth=3";
    }
    for (int i = 0; i < narrowed; i++)
        given[count++] = heads[i];
    px_settings s;
    px_model m;
    px_comm self = px_comm_self();
    bool fits = !method->family || strcmp(method->family, backbone->family->name) == 0;
    int loaded = px_settings_load(&s, NULL, given, count);
    px_task t = {.image_size = SIDE, .channels = 3, .classes = 4, .labelled = true, .batch = BATCH, .ranks = 1};
    if ((loaded == 0) != fits)
        fail_msg("%s on %s: %s", method->name, backbone->name, fits ? px_error() : "is for another family");
    if (fits) {
        px_task_take_backbone(&t, s.backbone, s.backbone_cfg);
        if (px_model_pretrain(&m, &s, &t, &self) != 0)
            fail_msg("%s on %s: %s", method->name, backbone->name, px_error());
        px_plan_init_params(m.plan, 5);
        void *tensor[PX_VIEWS_MAX] = {NULL};
        float scheduled[PX_SCHEDULED_MAX];
        bind(&m, tensor, scheduled);
        memset(m.plan->arena, 0xff, m.plan->arena_bytes);
        memset(m.plan->grads, 0xff, m.plan->flat_bytes);
        px_fault fault = {0};
        px_plan_run(m.plan, &(px_plan_hooks){.fault = &fault});
        if (fault.at != PX_FAULT_NONE)
            fail_msg("%s on %s, %s: %s", method->name, backbone->name, how, px_fault_text(&fault));
        assert_true(isfinite(px_plan_scalar(m.plan, m.loss)));
        for (int i = 0; i < PX_VIEWS_MAX; i++)
            free(tensor[i]);
        px_model_finish(&m);
        px_settings_finish(&s);
    }
    for (int i = 0; i < narrowed; i++)
        free(heads[i]);
    free(set_method);
    free(set_backbone);
}

static void healthy(const char *how)
{
    const px_method *m;
    for (int i = 0; (m = px_method_at(i)); i++) {
        try_pair(m, px_backbone_find("resnet18"), how);
        try_pair(m, px_backbone_find("vit_tiny_4"), how);
    }
}

static void fast(void **state)
{
    (void)state;
    healthy("backend=auto");
}

static void portable(void **state)
{
    (void)state;
    healthy("backend=openblas");
}

static void recomputed(void **state)
{
    (void)state;
    healthy("recompute=true");
}

static void bf16(void **state)
{
    (void)state;
    if (!px_bf16_native())
        skip();
    healthy("precision=bf16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fast), cmocka_unit_test(portable), cmocka_unit_test(recomputed),
                                       cmocka_unit_test(bf16)};
    return cmocka_run_group_tests_name("fault on whole models", tests, NULL, NULL);
}
