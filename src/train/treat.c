/* treat.c - how each parameter of a model is trained: the method's rules, the layers' rates, the user's rules (px_model_treat). */
#include "base/error.h"
#include "optim/rules.h"
#include "train/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A method's own parameter may have the name of one of the backbone's: `mask_token` of MAE's decoder. */
static bool is_of_backbone(const px_model *m, const char *name)
{
    for (int i = 0; i < px_graph_params(m->graph); i++)
        if (strcmp(px_graph_param(m->graph, i)->name, name) == 0)
            return m->backbone && px_graph_param(m->graph, i)->net == m->backbone;
    return false;
}

/* BEiT (Bao et al. 2022) and MAE multiply the rate of layer k of n by decay^(n - 1 - k). What is not the backbone's keeps its
 * rate. */
static int slow_down(px_treatment *how, const px_param_span *span, int spans, const px_model *m, const px_settings *s)
{
    const px_backbone *b = s->backbone;
    if (s->optim.layer_decay == 1)
        return 0;
    for (int i = 0; i < spans; i++) {
        int layers, layer = px_backbone_layer(b, s->backbone_cfg, span[i].name, &layers);
        if (layer >= 0 && is_of_backbone(m, span[i].name))
            how[i].rate *= pow(s->optim.layer_decay, layers - 1 - layer);
    }
    return 0;
}

int px_model_treat(const px_model *m, const px_settings *s, int64_t steps_per_epoch, px_optimizer *optimizer)
{
    int spans;
    const px_param_span *span = px_plan_spans(m->plan, &spans);
    char *origin = px_format("method %s", s->method->name);
    px_treatment *how = px_treatments(spans);
    px_rules users;
    int status = px_rules_apply(how, span, spans, m->rule, m->rules, (double)steps_per_epoch, origin);
    if (status == 0)
        status = slow_down(how, span, spans, m, s);
    if (status == 0)
        status = px_rules_read(&users, s->optim.rules);
    if (status == 0) {
        status = px_rules_apply(how, span, spans, users.rule, users.count, (double)steps_per_epoch, "optim.rules");
        px_rules_finish(&users);
    }
    if (status == 0)
        px_optimizer_treat(optimizer, how);
    free(how);
    free(origin);
    return status;
}
