/* describe.c - see describe.h. */
#include "eval/describe.h"

#include "base/error.h"
#include "base/setting.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes the file's name; a line must stay one. */
static void write_name(FILE *out, const char *key, const char *path)
{
    const char *slash = strrchr(path, '/');
    fprintf(out, "%s = ", key);
    for (const char *c = slash ? slash + 1 : path; *c; c++)
        fputc((unsigned char)*c < ' ' ? '?' : *c, out);
    fputc('\n', out);
}

/* Words without their quotes. */
static void write_setting(FILE *out, const char *prefix, const px_option *o, const void *cfg)
{
    char *value;
    size_t size;
    FILE *text = open_memstream(&value, &size);
    PX_CHECK(text);
    px_option_write(text, o, cfg);
    fclose(text);
    bool quoted = size > 1 && value[0] == '"' && value[size - 1] == '"';
    fprintf(out, "%s%s = %.*s\n", prefix, o->name, (int)(quoted ? size - 2 : size), value + quoted);
    free(value);
}

static void write_settings(FILE *out, const px_protocol *p, const px_protocol_cfg *cfg)
{
    char *prefix = px_format("%s.", p->name);
    for (const px_option *o = p->options; o->name; o++)
        if (!p->pictures || strcmp(o->name, p->pictures) != 0)
            write_setting(out, prefix, o, cfg);
    free(prefix);
}

static void write_data(FILE *out, const px_eval_description *d)
{
    write_name(out, "data", px_dataset_about(d->data)->path);
    fprintf(out, "data_crc = %08" PRIx32 "\n", d->data_crc);
    bool learns = d->protocol && !d->protocol->no_training;
    if (learns)
        fprintf(out, "train = %s, %" PRId64 " images\n", d->wanted->train, d->splits->subset_count);
    if (learns && d->wanted->labels > 0)
        fprintf(out, "labels = %.10g of each class by seed %" PRId64 "\n", d->wanted->labels, d->wanted->labels_seed);
    if (d->protocol && d->wanted->seeds > 1)
        fprintf(out, "seeds = %d\n", d->wanted->seeds);
    if (d->wanted->holdout > 0)
        fprintf(out, "test = %.10g of each class of %s by seed %" PRId64 ", %" PRId64 " images\n", d->wanted->holdout,
                d->wanted->train, d->wanted->seed, d->splits->test.count);
    else
        fprintf(out, "test = %s, %" PRId64 " images\n", d->splits->test.name, d->splits->test.count);
}

/* How pixels come to a network belongs to it, as its weights do: methods have their own ways, and are compared with these. */
static void write_normalize(FILE *out, const char *prefix, const px_eval_description *d)
{
    for (const px_option *o = px_data_options; o->name; o++)
        if (strcmp(o->name, "normalize") == 0)
            write_setting(out, prefix, o, &d->run->data);
}

static void write_images(FILE *out, const px_eval_description *d, bool pixels)
{
    fprintf(out, "image_size = %d\n", d->image_size);
    if (d->hog_cell > 0) { /* which is of pixels in [0,1] */
        fprintf(out, "hog_cell = %d\n", d->hog_cell);
        return;
    }
    if (pixels) {
        write_normalize(out, "", d);
        return;
    }
    if (d->patches->count == 0)
        fputs("patches = 0\n", out);
    else
        fprintf(out, "patches = %d of %d px, of %.10g of the side\n", d->patches->count, d->patches->size,
                d->patches->cover);
}

static void write_weights(FILE *out, const px_eval_description *d)
{
    const px_weights_origin *w = &d->weights;
    const px_option *options = d->run->backbone->family->options;
    for (const px_option *o = options; w->kind != PX_ORIGIN_NONE && o && o->name; o++)
        if (strcmp(o->name, "pool") == 0) /* the one that is not settled when the weights are */
            write_setting(out, "weights_", o, d->run->backbone_cfg);
    if (w->kind != PX_ORIGIN_NONE)
        write_normalize(out, "weights_", d);
    switch (w->kind) {
    case PX_ORIGIN_NONE:
        break;
    case PX_ORIGIN_INITIAL:
        fprintf(out, "weights = initial\nweights_seed = %" PRId64 "\n", w->seed);
        break;
    case PX_ORIGIN_CHECKPOINT:
        fprintf(out, "weights = checkpoint\nweights_step = %" PRId64 "\n", w->step);
        break;
    case PX_ORIGIN_FILE:
        write_name(out, "weights", w->file);
        fprintf(out, "weights_crc = %08" PRIx32 "\n", w->file_crc);
        break;
    }
}

char *px_eval_describe(const px_eval_description *d)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    write_data(out, d);
    write_images(out, d, d->weights.kind == PX_ORIGIN_NONE);
    write_weights(out, d);
    if (d->bf16)
        fputs("precision = bf16\n", out);
    if (d->features)
        fprintf(out, "features = %s\n", d->features);
    if (d->protocol)
        write_settings(out, d->protocol, d->protocol_cfg);
    fclose(out);
    return text;
}
