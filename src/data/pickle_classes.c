/* pickle_classes.c - the classes of Python and PyTorch that weights need: tensors and their storages, OrderedDict. */
#include "base/error.h"
#include "data/pickle_private.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SHOWN = 120 };

static const struct storage_class {
    const char *name, *type;
} storage_classes[] = {{"torch.FloatStorage", "F32"},  {"torch.HalfStorage", "F16"}, {"torch.BFloat16Storage", "BF16"},
                       {"torch.DoubleStorage", "F64"}, {"torch.LongStorage", "I64"}, {"torch.IntStorage", "I32"},
                       {"torch.ShortStorage", "I16"},  {"torch.CharStorage", "I8"},  {"torch.ByteStorage", "U8"},
                       {"torch.BoolStorage", "BOOL"}};

static const char *storage_type(const char *class)
{
    for (size_t i = 0; i < sizeof storage_classes / sizeof storage_classes[0]; i++)
        if (strcmp(storage_classes[i].name, class) == 0)
            return storage_classes[i].type;
    return NULL;
}

static const char ordered[] = "collections.OrderedDict", size_class[] = "torch.Size";
static const char parameter[] = "torch._utils._rebuild_parameter", tensor_v1[] = "torch._utils._rebuild_tensor";
static const char tensor_v2[] = "torch._utils._rebuild_tensor_v2";

static bool known(const char *class)
{
    const char *const classes[] = {ordered, size_class, parameter, tensor_v1, tensor_v2};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(class, classes[i]) == 0)
            return true;
    return storage_type(class);
}

int px_pickle_class(px_machine *m, const char *module, const char *name)
{
    char *whole = px_format("%s.%s", module, name);
    px_item *i = px_pickle_make(m, PX_ITEM_CLASS);
    i->text = px_pickle_keep(m, whole, strlen(whole));
    free(whole);
    if (known(i->text))
        return px_pickle_push(m, i);
    return px_fail(PX_DATA,
                   "%s: holds an object of Python's class %.*s; only tensors in dictionaries and lists are read. In "
                   "Python, torch.save the state_dict alone, or write it by safetensors.torch.save_file",
                   m->path, TEXT_SHOWN, i->text);
}

/* ('storage', class, key, place, elements[, part of a storage]) */
int px_pickle_persistent(px_machine *m)
{
    const px_item *t = px_pickle_pop(m, PX_ITEM_TUPLE);
    if (!t)
        return -1;
    bool right = t->count >= 5 && t->item[0]->kind == PX_ITEM_TEXT && strcmp(t->item[0]->text, "storage") == 0 &&
                 t->item[1]->kind == PX_ITEM_CLASS && storage_type(t->item[1]->text) &&
                 t->item[2]->kind == PX_ITEM_TEXT && t->item[4]->kind == PX_ITEM_INT && t->item[4]->number >= 0;
    if (!right)
        return px_pickle_damaged(m, "something that is not a tensor's storage is kept outside of it");
    if (t->count > 5 && t->item[5]->kind != PX_ITEM_OTHER)
        return px_fail(PX_DATA, "%s: storages that are parts of others are not read; save it by a newer PyTorch",
                       m->path);
    px_item *s = px_pickle_make(m, PX_ITEM_STORAGE);
    s->text = t->item[2]->text;
    s->type = storage_type(t->item[1]->text);
    s->number = t->item[4]->number;
    m->p->storage = px_grow(m->p->storage, m->p->storages, sizeof m->p->storage[0]);
    m->p->storage[m->p->storages++] = s;
    return px_pickle_push(m, s);
}

/* (storage, first element, extents, strides, ...) */
static int tensor(px_machine *m, const px_item *a)
{
    bool right = a->count >= 4 && a->item[0]->kind == PX_ITEM_STORAGE && a->item[1]->kind == PX_ITEM_INT &&
                 a->item[2]->kind == PX_ITEM_TUPLE && a->item[3]->kind == PX_ITEM_TUPLE &&
                 a->item[2]->count == a->item[3]->count;
    if (!right)
        return px_pickle_damaged(m, "a tensor has other arguments than PyTorch's");
    if (a->item[2]->count > PX_RANK_MAX)
        return px_fail(PX_DATA, "%s: has a tensor of %d axes; at most %d are read", m->path, a->item[2]->count,
                       PX_RANK_MAX);
    px_item_layout l = {.shape.rank = a->item[2]->count};
    for (int i = 0; i < l.shape.rank; i++) {
        const px_item *extent = a->item[2]->item[i], *stride = a->item[3]->item[i];
        if (extent->kind != PX_ITEM_INT || stride->kind != PX_ITEM_INT || extent->number < 0 || stride->number < 0)
            return px_pickle_damaged(m, "a tensor has an extent or a stride that is not a whole number >= 0");
        l.shape.dim[i] = extent->number;
        l.stride[i] = stride->number;
    }
    px_item *t = px_pickle_make(m, PX_ITEM_TENSOR);
    t->of = a->item[0];
    t->number = a->item[1]->number;
    t->layout = px_pickle_keep(m, &l, sizeof l);
    return px_pickle_push(m, t);
}

/* OrderedDict([(key, value), ...]), as Python 2 writes it: with lists in place of tuples. */
static int dict_of_pairs(px_machine *m, const px_item *pairs)
{
    px_item *dict = px_pickle_make(m, PX_ITEM_DICT);
    for (int i = 0; i < pairs->count; i++) {
        const px_item *pair = pairs->item[i];
        if ((pair->kind != PX_ITEM_TUPLE && pair->kind != PX_ITEM_LIST) || pair->count != 2)
            return px_pickle_damaged(m, "an OrderedDict is made of something else than pairs");
        px_pickle_append(m, dict, pair->item[0]);
        px_pickle_append(m, dict, pair->item[1]);
    }
    return px_pickle_push(m, dict);
}

/* Calls one of the known classes: the stack has it, and a tuple of arguments above. */
int px_pickle_call(px_machine *m)
{
    const px_item *a = px_pickle_pop(m, PX_ITEM_TUPLE), *class = a ? px_pickle_pop(m, PX_ITEM_CLASS) : NULL;
    if (!class)
        return -1;
    if (strcmp(class->text, ordered) == 0 && a->count == 0)
        return px_pickle_push(m, px_pickle_make(m, PX_ITEM_DICT));
    if (strcmp(class->text, ordered) == 0 && a->count == 1 &&
        (a->item[0]->kind == PX_ITEM_LIST || a->item[0]->kind == PX_ITEM_TUPLE))
        return dict_of_pairs(m, a->item[0]);
    if (strcmp(class->text, size_class) == 0 && a->count == 1 && a->item[0]->kind == PX_ITEM_TUPLE)
        return px_pickle_push(m, a->item[0]);
    if (strcmp(class->text, parameter) == 0 && a->count >= 1 && a->item[0]->kind == PX_ITEM_TENSOR)
        return px_pickle_push(m, a->item[0]);
    if (strcmp(class->text, tensor_v1) == 0 || strcmp(class->text, tensor_v2) == 0)
        return tensor(m, a);
    return px_fail(PX_DATA, "%s: calls %s with arguments that PyTorch does not give it", m->path, class->text);
}
