/* model.c - px_onnx_write: the nodes that the outputs need, row by row, then the file. */
#include "base/error.h"
#include "graph/op.h"
#include "onnx/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *px_onnx_missing(void)
{
    return NULL;
}

/* ---- the graph ---- */

/* For each value, whether an output depends on it. The caller frees it. */
static bool *needed_values(const px_graph *g)
{
    const char *name;
    bool *needed = px_calloc((size_t)px_graph_values(g) + 1, sizeof needed[0]);
    for (int i = 0; i < px_graph_outputs(g); i++)
        needed[px_graph_output_at(g, i, &name)->index] = true;
    for (int i = px_graph_nodes(g) - 1; i >= 0; i--) {
        const px_node *n = px_graph_node(g, i);
        bool wanted = false;
        for (int k = 0; k < n->outputs && !n->dead; k++)
            wanted |= needed[n->out[k]->index];
        for (int k = 0; k < n->inputs && wanted; k++)
            if (n->in[k])
                needed[n->in[k]->index] = true;
    }
    return needed;
}

static void add_inputs(px_onnx_writer *w, const px_graph *g, const bool *needed)
{
    for (int i = 0; i < px_graph_values(g); i++) {
        const px_value *v = px_graph_value(g, i);
        if (v->kind != PX_INPUT || !needed[i])
            continue;
        if (v->shape.rank == 0 || v->shape.dim[0] != PX_ONNX_BATCH)
            px_onnx_refuse(w, "the first axis of the input %s is not that of the samples", v->name);
        px_onnx_add_input(w, v);
    }
}

/* What a row does not write is its op's other outputs: places of maxima, what backward would read. */
static void add_node(px_onnx_writer *w, const px_node *n, const bool *needed)
{
    const px_onnx_row *row = px_onnx_row_of(n->op);
    if (!row) {
        px_onnx_refuse(w, "%s%s%s has no form in it", px_node_text(n), *n->scope ? " in " : "", n->scope);
        return;
    }
    for (int k = 1; k < n->outputs; k++)
        if (needed[n->out[k]->index])
            px_onnx_refuse(w, "output %d of %s has no form in it", k, px_node_text(n));
    px_onnx_place(w, n->scope);
    row->write(w, n);
}

/* The file's bytes, which the caller frees; NULL: it was refused. */
static unsigned char *translate(const px_onnx_model *m, size_t *size)
{
    const px_graph *g = m->graph;
    PX_CHECK(px_graph_real(g) == PX_F32 && !px_graph_error(g));
    px_onnx_writer *w = px_onnx_writer_create(m);
    bool *needed = needed_values(g);
    add_inputs(w, g, needed);
    for (int i = 0; i < px_graph_nodes(g); i++) {
        const px_node *n = px_graph_node(g, i);
        bool wanted = false;
        for (int k = 0; k < n->outputs && !n->dead; k++)
            wanted |= needed[n->out[k]->index];
        if (wanted && !px_onnx_refused(w))
            add_node(w, n, needed);
    }
    for (int i = 0; i < px_graph_outputs(g) && !px_onnx_refused(w); i++) {
        const char *name;
        const px_value *v = px_graph_output_at(g, i, &name);
        if (name)
            px_onnx_add_output(w, name, v);
    }
    unsigned char *bytes = px_onnx_writer_pack(w, size);
    free(needed);
    px_onnx_writer_destroy(w);
    return bytes;
}

/* ---- the file ---- */

/* To `partial`; messages name `path`. */
static int write_bytes(const char *partial, const char *path, const unsigned char *bytes, size_t size)
{
    FILE *out = fopen(partial, "wb");
    if (!out)
        return px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(errno));
    bool good = fwrite(bytes, 1, size, out) == size && fflush(out) == 0 && fsync(fileno(out)) == 0;
    int why = errno;
    if (fclose(out) != 0 && good) {
        why = errno;
        good = false;
    }
    return good ? 0 : px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(why));
}

/* The file gets its name when it is complete and right. */
static int replace(const char *path, const unsigned char *bytes, size_t size)
{
    char *partial = px_partial_name(path);
    bool plain = px_replaceable(path) == 0 && px_plain_file(partial, PX_FAIL) == 0;
    int status = plain ? write_bytes(partial, path, bytes, size) : -1;
    if (status == 0)
        status = px_onnx_check(partial);
    if (status == 0 && rename(partial, path) != 0)
        status = px_fail(PX_FAIL, "%s: cannot be renamed: %s", partial, strerror(errno));
    if (status != 0 && plain)
        unlink(partial); /* ours */
    free(partial);
    return status;
}

int px_onnx_write(const char *path, const px_onnx_model *m)
{
    size_t size;
    unsigned char *bytes = translate(m, &size);
    int status = bytes ? replace(path, bytes, size) : -1;
    free(bytes);
    return status;
}
