/* safetensors_write.c - writing. PyTorch uses the mapped bytes as numbers, so every tensor must begin at a multiple of
 * its element size: the header is padded with spaces to 8 bytes, and integers of 8 bytes come before floats of 4. */
#include "base/error.h"
#include "data/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t element_size(const px_stored_tensor *t)
{
    bool wide = strcmp(t->type, "I64") == 0;
    PX_CHECK(wide || strcmp(t->type, "F32") == 0);
    return wide ? 8 : 4;
}

static size_t bytes_of(const px_stored_tensor *t)
{
    return (size_t)px_shape_count(t->shape) * element_size(t);
}

static int wide_first(const void *a, const void *b)
{
    const px_stored_tensor *x = *(const px_stored_tensor *const *)a, *y = *(const px_stored_tensor *const *)b;
    size_t wx = element_size(x), wy = element_size(y);
    return wx != wy ? (wx < wy) - (wx > wy) : strcmp(x->name, y->name);
}

static json_t *entry(const px_stored_tensor *t, size_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->shape.rank; i++)
        json_array_append_new(shape, json_integer(t->shape.dim[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->type, "shape", shape, "data_offsets", (json_int_t)begin,
                     (json_int_t)(begin + bytes_of(t)));
}

/* The header of tensors in this order, padded: a new string. */
static char *header(const px_stored_tensor *const *tensors, int count, const px_safetensors_note *notes, int note_count,
                    size_t *length)
{
    json_t *all = json_object(), *about = json_object();
    for (int i = 0; i < note_count; i++)
        json_object_set_new(about, notes[i].key, json_string(notes[i].text));
    json_object_set_new(all, "__metadata__", about);
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        json_object_set_new(all, tensors[i]->name, entry(tensors[i], at));
        at += bytes_of(tensors[i]);
    }
    PX_CHECK(json_object_size(all) == (size_t)count + 1);
    char *text = json_dumps(all, JSON_COMPACT);
    PX_CHECK(text);
    json_decref(all);
    *length = (strlen(text) + 7) / 8 * 8;
    char *padded = px_format("%-*s", (int)*length, text);
    free(text);
    return padded;
}

/* To `partial`; messages name `path`. */
static int write_file(const char *partial, const char *path, const px_stored_tensor *const *tensors, int count,
                      const char *text, size_t length)
{
    FILE *out = fopen(partial, "wb");
    if (!out)
        return px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(errno));
    uint64_t prefix = length;
    bool good = fwrite(&prefix, sizeof prefix, 1, out) == 1 && fwrite(text, 1, length, out) == length;
    for (int i = 0; i < count && good; i++)
        good = fwrite(tensors[i]->data, 1, bytes_of(tensors[i]), out) == bytes_of(tensors[i]);
    good = good && fflush(out) == 0 && fsync(fileno(out)) == 0;
    int why = errno;
    if (fclose(out) != 0 && good) {
        why = errno;
        good = false;
    }
    return good ? 0 : px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(why));
}

int px_safetensors_write(const char *path, const px_stored_tensor *tensors, int count, const px_safetensors_note *notes,
                         int note_count)
{
    const px_stored_tensor **order = px_calloc((size_t)count + 1, sizeof order[0]);
    for (int i = 0; i < count; i++)
        order[i] = &tensors[i];
    qsort(order, (size_t)count, sizeof order[0], wide_first);
    size_t length;
    char *text = header(order, count, notes, note_count, &length), *partial = px_partial_name(path);
    bool plain = px_replaceable(path) == 0 && px_plain_file(partial, PX_FAIL) == 0;
    int status = plain ? write_file(partial, path, order, count, text, length) : -1;
    if (status == 0 && rename(partial, path) != 0)
        status = px_fail(PX_FAIL, "%s: cannot be renamed: %s", partial, strerror(errno));
    if (status != 0 && plain)
        unlink(partial); /* ours */
    free(partial);
    free(text);
    free(order);
    return status;
}
