/* keys.c - see keys.h. */
#include "cli/keys.h"

#include "eval/protocol.h"
#include "train/method.h"

#include <string.h>

static bool holds(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static void visit_all(const char *group, const px_option *options, const char *const *only, px_key_visitor *visit,
                      void *context)
{
    for (const px_option *o = options; o && o->name; o++)
        if (!only || holds(only, o->name))
            visit(context, group, o);
}

static void visit_methods(const char *method, px_key_visitor *visit, void *context)
{
    const px_method *m;
    bool known = false;
    for (int i = 0; method && (m = px_method_at(i)); i++)
        known = known || strcmp(m->name, method) == 0;
    for (int i = 0; (m = px_method_at(i)); i++)
        if (!known || strcmp(m->name, method) == 0)
            visit_all(m->name, m->options, NULL, visit, context);
}

static const px_backbone_family *family_of(const char *backbone)
{
    for (int i = 0; backbone && px_backbone_families[i]; i++)
        for (const px_backbone *b = px_backbone_families[i]->variants; b->name; b++)
            if (strcmp(b->name, backbone) == 0)
                return px_backbone_families[i];
    return NULL;
}

void px_keys_walk(const px_command *c, const char *method, const char *backbone, px_key_visitor *visit, void *context)
{
    visit_all(c->options_group ? c->options_group : "", c->options, NULL, visit, context);
    for (const px_keys *k = c->keys; k && k->options; k++)
        visit_all(k->group, k->options, k->only, visit, context);
    for (int i = 0; c->protocol_keys && px_protocols[i]; i++)
        visit_all(px_protocols[i]->name, px_protocols[i]->options, NULL, visit, context);
    if (c->method_keys)
        visit_methods(method, visit, context);
    const px_backbone_family *chosen = family_of(backbone);
    for (int i = 0; c->backbone_keys && px_backbone_families[i]; i++)
        if (!chosen || chosen == px_backbone_families[i])
            visit_all(px_backbone_families[i]->name, px_backbone_families[i]->options, NULL, visit, context);
}
