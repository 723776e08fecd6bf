/* writer.c - see writer.h. Messages of protobuf-c are built in memory and packed at the end; large initial values stay where
 * the caller has them. */
#include "onnx/writer.h"
#include "base/error.h"
#include "graph/op.h"
#include "onnx.pb-c.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers are stored as they are in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "initial values of ONNX are little-endian");

struct px_onnx_writer {
    const px_onnx_model *model;
    Onnx__ModelProto file;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset, *opsets[1];
    const char **name; /* of each value of the graph, or NULL */
    const char *scope;
    void **memory; /* all that is freed at the end */
    int memories, emitted;
    char *refused;
};

static void *keep(px_onnx_writer *w, void *memory)
{
    w->memory = px_grow(w->memory, w->memories, sizeof w->memory[0]);
    return w->memory[w->memories++] = memory;
}

static char *copy(px_onnx_writer *w, const char *text)
{
    return keep(w, px_strdup(text));
}

px_onnx_writer *px_onnx_writer_create(const px_onnx_model *m)
{
    px_onnx_writer *w = px_calloc(1, sizeof *w);
    w->model = m;
    w->scope = "";
    onnx__model_proto__init(&w->file);
    onnx__graph_proto__init(&w->graph);
    onnx__operator_set_id_proto__init(&w->opset);
    w->name = px_calloc((size_t)px_graph_values(m->graph) + 1, sizeof w->name[0]);
    w->file.has_ir_version = w->opset.has_version = true;
    w->file.ir_version = PX_ONNX_IR;
    w->opset.version = PX_ONNX_OPSET;
    w->opset.domain = copy(w, "");
    w->opsets[0] = &w->opset;
    w->file.opset_import = w->opsets;
    w->file.n_opset_import = 1;
    w->file.producer_name = copy(w, "pretext");
    w->file.producer_version = copy(w, PX_VERSION);
    w->file.graph = &w->graph;
    w->graph.name = copy(w, "backbone");
    for (int i = 0; i < m->note_count; i++) {
        Onnx__StringStringEntryProto *note = keep(w, px_calloc(1, sizeof *note));
        onnx__string_string_entry_proto__init(note);
        note->key = copy(w, m->notes[i].key);
        note->value = copy(w, m->notes[i].text);
        w->file.metadata_props = px_grow(w->file.metadata_props, i, sizeof(void *));
        w->file.metadata_props[w->file.n_metadata_props++] = note;
    }
    return w;
}

void px_onnx_writer_destroy(px_onnx_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->graph.n_node; i++) {
        free(w->graph.node[i]->attribute);
        free(w->graph.node[i]->input);
    }
    for (int i = 0; i < w->memories; i++)
        free(w->memory[i]);
    free(w->memory);
    free(w->file.metadata_props);
    free(w->graph.node);
    free(w->graph.initializer);
    free(w->graph.input);
    free(w->graph.output);
    free(w->name);
    free(w->refused);
    free(w);
}

void px_onnx_refuse(px_onnx_writer *w, const char *format, ...)
{
    va_list arguments;
    if (w->refused)
        return;
    va_start(arguments, format);
    if (vasprintf(&w->refused, format, arguments) < 0)
        w->refused = px_strdup(format);
    va_end(arguments);
}

unsigned char *px_onnx_writer_pack(px_onnx_writer *w, size_t *size)
{
    enum { LIMIT = 0x7fffffff }; /* of protobuf's messages */
    if (w->refused)
        return px_fail_null(PX_USAGE, "ONNX: %s", w->refused);
    /* The size is added up here first: protobuf-c would count in 32 bits on some systems. */
    int64_t bytes = 0;
    for (size_t i = 0; i < w->graph.n_initializer; i++)
        bytes += (int64_t)w->graph.initializer[i]->raw_data.len;
    if (bytes > LIMIT || (*size = onnx__model_proto__get_packed_size(&w->file)) > LIMIT)
        return px_fail_null(PX_USAGE,
                            "ONNX: the weights take %.1f GB, but one file of ONNX holds at most 2 GB; "
                            "out=W.safetensors has no such limit",
                            (double)bytes / 1e9);
    unsigned char *out = px_calloc(*size + 1, 1);
    PX_CHECK(onnx__model_proto__pack(&w->file, out) == *size);
    return out;
}

/* ---- values ---- */

bool px_onnx_follows_batch(int64_t extent)
{
    return extent > 0 && extent % PX_ONNX_BATCH == 0;
}

static int32_t type_of(px_dtype t)
{
    return t == PX_I32 ? PX_ONNX_INT32 : PX_ONNX_FLOAT;
}

static Onnx__ValueInfoProto *describe(px_onnx_writer *w, const char *name, const px_value *v)
{
    Onnx__ValueInfoProto *info = keep(w, px_calloc(1, sizeof *info));
    onnx__value_info_proto__init(info);
    info->name = copy(w, name);
    info->type = keep(w, px_calloc(1, sizeof *info->type));
    onnx__type_proto__init(info->type);
    Onnx__TypeProto__Tensor *t = info->type->tensor_type = keep(w, px_calloc(1, sizeof *t));
    onnx__type_proto__tensor__init(t);
    t->has_elem_type = true;
    t->elem_type = type_of(v->dtype);
    t->shape = keep(w, px_calloc(1, sizeof *t->shape));
    onnx__tensor_shape_proto__init(t->shape);
    t->shape->dim = keep(w, px_calloc(PX_RANK_MAX, sizeof t->shape->dim[0]));
    t->shape->n_dim = (size_t)v->shape.rank;
    for (int i = 0; i < v->shape.rank; i++) {
        Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i] = keep(w, px_calloc(1, sizeof *d));
        onnx__tensor_shape_proto__dimension__init(d);
        if (v->shape.dim[i] == PX_ONNX_BATCH)
            d->dim_param = copy(w, "N");
        else if (px_onnx_follows_batch(v->shape.dim[i]))
            d->dim_param = keep(w, px_format("%lldN", (long long)(v->shape.dim[i] / PX_ONNX_BATCH)));
        d->has_dim_value = !px_onnx_follows_batch(v->shape.dim[i]);
        d->dim_value = d->has_dim_value ? v->shape.dim[i] : 0;
    }
    return info;
}

void px_onnx_add_input(px_onnx_writer *w, const px_value *v)
{
    w->graph.input = px_grow(w->graph.input, (int)w->graph.n_input, sizeof w->graph.input[0]);
    Onnx__ValueInfoProto *info = w->graph.input[w->graph.n_input++] = describe(w, v->name, v);
    px_onnx_set(w, v, info->name);
}

void px_onnx_add_output(px_onnx_writer *w, const char *name, const px_value *v)
{
    px_onnx_place(w, "");
    const char *of = px_onnx_name(w, v);
    w->graph.output = px_grow(w->graph.output, (int)w->graph.n_output, sizeof w->graph.output[0]);
    w->graph.output[w->graph.n_output++] = describe(w, name, v);
    px_onnx_one(w, "Identity", of);
    w->graph.node[w->graph.n_node - 1]->output[0] = copy(w, name);
}

/* `bytes` are borrowed. */
static const char *initial(px_onnx_writer *w, const char *name, int32_t type, px_shape shape, const void *bytes)
{
    Onnx__TensorProto *t = keep(w, px_calloc(1, sizeof *t));
    int64_t size = type == PX_ONNX_INT64 ? 8 : 4;
    onnx__tensor_proto__init(t);
    t->name = copy(w, name);
    t->has_data_type = t->has_raw_data = true;
    t->data_type = type;
    t->n_dims = (size_t)shape.rank;
    t->dims = keep(w, px_calloc(PX_RANK_MAX, sizeof t->dims[0]));
    memcpy(t->dims, shape.dim, sizeof shape.dim);
    t->raw_data.len = (size_t)(px_shape_count(shape) * size);
    t->raw_data.data = (uint8_t *)(uintptr_t)bytes; /* packing only reads */
    w->graph.initializer = px_grow(w->graph.initializer, (int)w->graph.n_initializer, sizeof(void *));
    w->graph.initializer[w->graph.n_initializer++] = t;
    return t->name;
}

void px_onnx_set(px_onnx_writer *w, const px_value *v, const char *name)
{
    w->name[v->index] = name;
}

static const char *fresh(px_onnx_writer *w, const char *what)
{
    return keep(w, px_format("%s%s%s_%d", w->scope, *w->scope ? "/" : "", what, ++w->emitted));
}

/* A parameter or constant, when it is first read. Constants for each sample would be as large as the batch. */
static const char *stored(px_onnx_writer *w, const px_value *v)
{
    const void *data = v->kind == PX_CONSTANT ? v->data : v->param >= 0 ? w->model->weights[v->param] : NULL;
    for (int i = 0; i < v->shape.rank; i++)
        if (px_onnx_follows_batch(v->shape.dim[i])) {
            px_onnx_refuse(w, "a constant of the size of the batch cannot be said in it");
            return "";
        }
    if (!data) {
        px_onnx_refuse(w, "%s has no value", v->name ? v->name : "a value of the graph");
        return "";
    }
    return initial(w, v->param >= 0 ? v->name : fresh(w, "constant"), type_of(v->dtype), v->shape, data);
}

const char *px_onnx_name(px_onnx_writer *w, const px_value *v)
{
    if (!w->name[v->index])
        w->name[v->index] = stored(w, v);
    return w->name[v->index];
}

/* ---- nodes ---- */

void px_onnx_place(px_onnx_writer *w, const char *scope)
{
    w->scope = scope;
}

const char *px_onnx_emit(px_onnx_writer *w, const char *op, const char *const in[], int inputs)
{
    Onnx__NodeProto *n = keep(w, px_calloc(1, sizeof *n));
    onnx__node_proto__init(n);
    n->op_type = copy(w, op);
    n->input = px_calloc((size_t)inputs + 1, sizeof n->input[0]);
    n->n_input = (size_t)inputs;
    for (int i = 0; i < inputs; i++)
        n->input[i] = (char *)(uintptr_t)(in[i] ? in[i] : "");
    n->output = keep(w, px_calloc(1, sizeof n->output[0]));
    n->n_output = 1;
    n->name = (char *)(uintptr_t)fresh(w, op);
    n->output[0] = keep(w, px_format("%s:0", n->name));
    w->graph.node = px_grow(w->graph.node, (int)w->graph.n_node, sizeof w->graph.node[0]);
    w->graph.node[w->graph.n_node++] = n;
    return n->output[0];
}

const char *px_onnx_one(px_onnx_writer *w, const char *op, const char *x)
{
    return px_onnx_emit(w, op, (const char *[]){x}, 1);
}

const char *px_onnx_two(px_onnx_writer *w, const char *op, const char *a, const char *b)
{
    return px_onnx_emit(w, op, (const char *[]){a, b}, 2);
}

/* The standard's numbers of types of attributes. */
enum { OF_FLOAT = 1, OF_INT = 2, OF_INTS = 7 };

static Onnx__AttributeProto *attribute(px_onnx_writer *w, const char *name, int32_t type)
{
    Onnx__NodeProto *n = w->graph.node[w->graph.n_node - 1];
    Onnx__AttributeProto *a = keep(w, px_calloc(1, sizeof *a));
    onnx__attribute_proto__init(a);
    a->name = copy(w, name);
    a->has_type = true;
    a->type = type;
    n->attribute = px_grow(n->attribute, (int)n->n_attribute, sizeof n->attribute[0]);
    return n->attribute[n->n_attribute++] = a;
}

void px_onnx_int(px_onnx_writer *w, const char *name, int64_t value)
{
    Onnx__AttributeProto *a = attribute(w, name, OF_INT);
    a->has_i = true;
    a->i = value;
}

void px_onnx_ints(px_onnx_writer *w, const char *name, const int64_t *value, int count)
{
    Onnx__AttributeProto *a = attribute(w, name, OF_INTS);
    a->ints = keep(w, px_calloc((size_t)count + 1, sizeof a->ints[0]));
    memcpy(a->ints, value, (size_t)count * sizeof a->ints[0]);
    a->n_ints = (size_t)count;
}

void px_onnx_float(px_onnx_writer *w, const char *name, double value)
{
    Onnx__AttributeProto *a = attribute(w, name, OF_FLOAT);
    a->has_f = true;
    a->f = (float)value;
}

/* ---- numbers as inputs ---- */

const char *px_onnx_vector(px_onnx_writer *w, const int64_t *value, int count)
{
    int64_t *own = keep(w, px_calloc((size_t)count + 1, sizeof own[0]));
    memcpy(own, value, (size_t)count * sizeof own[0]);
    return initial(w, fresh(w, "integers"), PX_ONNX_INT64, PX_SHAPE(count), own);
}

const char *px_onnx_number(px_onnx_writer *w, double value)
{
    float *own = keep(w, px_calloc(1, sizeof own[0]));
    *own = (float)value;
    return initial(w, fresh(w, "number"), PX_ONNX_FLOAT, (px_shape){0}, own);
}

const char *px_onnx_matrix(px_onnx_writer *w, int64_t rows, int64_t columns, const float *value)
{
    float *own = keep(w, px_calloc((size_t)(rows * columns) + 1, sizeof own[0]));
    memcpy(own, value, (size_t)(rows * columns) * sizeof own[0]);
    return initial(w, fresh(w, "matrix"), PX_ONNX_FLOAT, PX_SHAPE(rows, columns), own);
}

/* ---- common steps ---- */

const char *px_onnx_reshape(px_onnx_writer *w, const char *x, px_shape shape)
{
    int open = 0;
    for (int i = 0; i < shape.rank; i++)
        if (px_onnx_follows_batch(shape.dim[i])) {
            shape.dim[i] = -1;
            open++;
        }
    if (open > 1)
        px_onnx_refuse(w, "a reshape spreads the batch over %d axes", open);
    return px_onnx_two(w, "Reshape", x, px_onnx_vector(w, shape.dim, shape.rank));
}

const char *px_onnx_permute(px_onnx_writer *w, const char *x, const int *from, int rank)
{
    int64_t axes[PX_RANK_MAX];
    const char *y = px_onnx_one(w, "Transpose", x);
    for (int i = 0; i < rank; i++)
        axes[i] = from[i];
    px_onnx_ints(w, "perm", axes, rank);
    return y;
}

const char *px_onnx_batch(px_onnx_writer *w)
{
    if (w->graph.n_input == 0) {
        px_onnx_refuse(w, "the graph has no input");
        return "";
    }
    const char *N = px_onnx_one(w, "Shape", w->graph.input[0]->name);
    px_onnx_int(w, "start", 0);
    px_onnx_int(w, "end", 1);
    return N;
}

bool px_onnx_refused(const px_onnx_writer *w)
{
    return w->refused != NULL;
}
