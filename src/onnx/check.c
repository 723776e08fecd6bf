/* check.c - px_onnx_check: reads a file of ONNX and looks whether it holds together. */
#include "base/error.h"
#include "onnx.pb-c.h"
#include "onnx/onnx.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

/* The names that have been made so far: jansson's objects are hash tables. */
typedef struct names {
    const char *path;
    json_t *known;
} names;

static int make(const names *n, const char *what, const char *name)
{
    if (!name || !*name)
        return px_fail(PX_DATA, "%s: %s without a name", n->path, what);
    if (json_object_get(n->known, name))
        return px_fail(PX_DATA, "%s: the name %s is made twice", n->path, name);
    if (json_object_set_new(n->known, name, json_true()) != 0)
        return px_fail(PX_DATA, "%s: %s has a name that is not UTF-8", n->path, what);
    return 0;
}

static bool is_known(const names *n, const char *name)
{
    return name && json_object_get(n->known, name) != NULL;
}

/* ---- parts of the file ---- */

static int64_t element_size(const Onnx__TensorProto *t)
{
    switch (t->has_data_type ? t->data_type : 0) {
    case PX_ONNX_FLOAT:
    case PX_ONNX_INT32:
        return 4;
    case PX_ONNX_INT64:
        return 8;
    default:
        return 0;
    }
}

static int check_initial(const names *n, const Onnx__TensorProto *t)
{
    int64_t bytes = element_size(t);
    if (make(n, "an initial value", t->name) != 0)
        return -1;
    if (bytes == 0)
        return px_fail(PX_DATA, "%s: %s has a type other than float, int32 and int64", n->path, t->name);
    for (size_t i = 0; i < t->n_dims; i++)
        if (t->dims[i] < 0 || __builtin_mul_overflow(bytes, t->dims[i], &bytes))
            return px_fail(PX_DATA, "%s: %s has an impossible shape", n->path, t->name);
    if (!t->has_raw_data || (int64_t)t->raw_data.len != bytes)
        return px_fail(PX_DATA, "%s: %s has %zu bytes, but its shape says %lld", n->path, t->name, t->raw_data.len,
                       (long long)bytes);
    return 0;
}

/* An input or output of the model: a type, and a shape of which one axis is N or a multiple of it. */
static int check_end(const names *n, const char *what, const Onnx__ValueInfoProto *v)
{
    const Onnx__TypeProto__Tensor *t = v->type ? v->type->tensor_type : NULL;
    int open = 0;
    if (!v->name || !*v->name)
        return px_fail(PX_DATA, "%s: %s without a name", n->path, what);
    if (!t || !t->has_elem_type || !t->shape)
        return px_fail(PX_DATA, "%s: %s %s has no type or shape", n->path, what, v->name);
    for (size_t i = 0; i < t->shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
        bool named = d->dim_param && *d->dim_param;
        if (!named && (!d->has_dim_value || d->dim_value < 1))
            return px_fail(PX_DATA, "%s: %s %s has no extent along axis %zu", n->path, what, v->name, i);
        open += named;
    }
    if (open != 1)
        return px_fail(PX_DATA, "%s: %s %s has %d axes for the samples, not one", n->path, what, v->name, open);
    return 0;
}

static int check_node(const names *n, const Onnx__NodeProto *node)
{
    const char *name = node->name ? node->name : "a node";
    if (!node->op_type || !*node->op_type || (node->domain && *node->domain))
        return px_fail(PX_DATA, "%s: %s is not an operator of the standard", n->path, name);
    for (size_t i = 0; i < node->n_input; i++)
        if (node->input[i][0] && !is_known(n, node->input[i]))
            return px_fail(PX_DATA, "%s: %s reads %s, which nothing before it makes", n->path, name, node->input[i]);
    for (size_t i = 0; i < node->n_attribute; i++)
        if (!node->attribute[i]->name || !node->attribute[i]->has_type)
            return px_fail(PX_DATA, "%s: %s has an attribute without a name or type", n->path, name);
    if (node->n_output == 0)
        return px_fail(PX_DATA, "%s: %s makes nothing", n->path, name);
    for (size_t i = 0; i < node->n_output; i++)
        if (make(n, name, node->output[i]) != 0)
            return -1;
    return 0;
}

static int check_graph(const names *n, const Onnx__GraphProto *g)
{
    int status = 0;
    if (!g || g->n_node == 0 || g->n_input == 0 || g->n_output == 0)
        return px_fail(PX_DATA, "%s: has no graph with inputs, outputs and nodes", n->path);
    for (size_t i = 0; i < g->n_input && status == 0; i++)
        status = check_end(n, "the input", g->input[i]) != 0 ? -1 : make(n, "the input", g->input[i]->name);
    for (size_t i = 0; i < g->n_initializer && status == 0; i++)
        status = check_initial(n, g->initializer[i]);
    for (size_t i = 0; i < g->n_node && status == 0; i++)
        status = check_node(n, g->node[i]);
    for (size_t i = 0; i < g->n_output && status == 0; i++) {
        status = check_end(n, "the output", g->output[i]);
        if (status == 0 && !is_known(n, g->output[i]->name))
            status = px_fail(PX_DATA, "%s: no node makes the output %s", n->path, g->output[i]->name);
    }
    return status;
}

static int check_model(const char *path, const Onnx__ModelProto *m)
{
    if (m->ir_version != PX_ONNX_IR)
        return px_fail(PX_DATA, "%s: is of IR version %lld, not %d", path, (long long)m->ir_version, PX_ONNX_IR);
    if (m->n_opset_import != 1 || m->opset_import[0]->version != PX_ONNX_OPSET ||
        (m->opset_import[0]->domain && *m->opset_import[0]->domain))
        return px_fail(PX_DATA, "%s: is not of operator set %d alone", path, PX_ONNX_OPSET);
    names n = {path, json_object()};
    PX_CHECK(n.known);
    int status = check_graph(&n, m->graph);
    json_decref(n.known);
    return status;
}

/* ---- the file ---- */

static unsigned char *read_all(const char *path, size_t *size)
{
    if (px_plain_file(path, PX_DATA) != 0)
        return NULL;
    FILE *in = fopen(path, "rb");
    if (!in)
        return px_fail_null(PX_DATA, "%s: %s", path, strerror(errno));
    long end = fseek(in, 0, SEEK_END) == 0 ? ftell(in) : -1;
    unsigned char *bytes = end >= 0 ? px_calloc((size_t)end + 1, 1) : NULL;
    rewind(in);
    *size = (size_t)end;
    if (!bytes || fread(bytes, 1, *size, in) != *size) {
        px_fail(PX_DATA, "%s: cannot be read: %s", path, strerror(errno));
        free(bytes);
        bytes = NULL;
    }
    fclose(in);
    return bytes;
}

int px_onnx_check(const char *path)
{
    size_t size = 0;
    unsigned char *bytes = read_all(path, &size);
    if (!bytes)
        return -1;
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size, bytes);
    free(bytes);
    int status = m ? check_model(path, m) : px_fail(PX_DATA, "%s: is not a whole file of ONNX", path);
    if (m)
        onnx__model_proto__free_unpacked(m, NULL);
    return status;
}
