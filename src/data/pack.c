/* pack.c - `pretext pack` from options to summary: catalog.c finds the images, pack_pixels.c and pack_file.c write
 * them. */
#include "data/pack.h"

#include "base/error.h"
#include "base/folder.h"
#include "data/pack_pixels.h"
#include "results/h5_disk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { RAW_SIDE = 128, CLASSES_SHOWN = 20 };

const px_option px_pack_option_table[] = {
    PX_OPTION_CHOICE(px_pack_options, store, "auto", "auto|raw|encoded",
                     "as pixels (raw) or as image files; auto: raw if all have the same size, up to 128 px per side"),
    PX_OPTION_TEXT(
        px_pack_options, split, "",
        "train: all images; train:0.9,val:0.1: divided by class; FOLDER:test: that folder (none: left out, class: a "
        "class); empty: by names"),
    PX_OPTION_CHOICE(px_pack_options, classes, "auto", "auto|first|last|path|none",
                     "which folder below the split is the class; auto: the first, if that is clear"),
    PX_OPTION_TEXT(
        px_pack_options, labels, "",
        "text files with path,label[,split] or one label per line, on the disk or in a source; commas between them"),
    PX_OPTION_CHOICE(px_pack_options, bad, "stop", "stop|skip",
                     "files that cannot be read are all named; then nothing is packed, or they are left out"),
    PX_OPTION_CHOICE(px_pack_options, exif, "apply", "apply|ignore",
                     "the orientation that photos tell (EXIF): they are turned upright, or stay as stored"),
    PX_OPTION(px_pack_options, seed, "0", 0, 0, "decides which images go where if split= divides them"),
    PX_OPTION(px_pack_options, channels, "0", 0, PX_CHANNELS_MAX,
              "1: gray, 3: RGB; 0: as in the source (RGB if any image is); others must be the source's"),
    PX_OPTION(px_pack_options, bits, "0", 0, 16, "of a value: 8 or 16; 0: 16 if all images have 16, else 8"),
    PX_OPTION_TEXT(
        px_pack_options, class_names, "",
        "\"top,bag,...\" in the order of the labels, or a text file of names; empty: the source's names, or numbers"),
    {0}};

/* ---- how to store ------------------------------------------------------------------------------------------------ */

/* The first block whose images differ in size from those of block 0, or NULL. */
static const px_block *other_size(const px_catalog *c)
{
    for (size_t k = 1; k < c->block_count; k++)
        if (c->blocks[k].height != c->blocks[0].height || c->blocks[k].width != c->blocks[0].width)
            return &c->blocks[k];
    return NULL;
}

/* Gray and RGB may be mixed; other numbers of channels must be the same everywhere, and as they are wanted. */
static int choose_channels(const px_catalog *c)
{
    int wanted = c->options->channels, most = 1;
    const px_block *first = &c->blocks[0], *other = NULL;
    bool plain = true;
    char name[2][PX_ENTRY_NAME];
    for (size_t k = 0; k < c->block_count; k++) {
        const px_block *b = &c->blocks[k];
        most = b->channels > most ? b->channels : most;
        plain = plain && (b->channels == 1 || b->channels == 3);
        if (b->channels != first->channels)
            other = b;
        if (wanted && b->channels != wanted && b->channels + wanted != 4)
            return px_fail(PX_USAGE, "channels=%d: %s has %d channels", wanted, px_block_name(c, b, name[0]),
                           b->channels);
    }
    if (!wanted && other && !plain)
        return px_fail(PX_DATA, "%s has %d channels, but %s has %d; a data set has one number of them",
                       px_block_name(c, first, name[0]), first->channels, px_block_name(c, other, name[1]),
                       other->channels);
    return wanted ? wanted : most;
}

static int choose_bits(const px_catalog *c)
{
    for (size_t k = 0; k < c->block_count && c->options->bits == 0; k++)
        if (c->blocks[k].bits != 16)
            return 8;
    return c->options->bits ? c->options->bits : 16;
}

/* The values of files of many images are not converted: all have one number of bits, and those of 16 keep their channels. */
static int check_values(const px_catalog *c, int channels)
{
    const px_block *first = &c->blocks[0];
    char name[2][PX_ENTRY_NAME];
    for (size_t k = 0; k < c->block_count; k++) {
        const px_block *b = &c->blocks[k];
        if ((b->bits == 16) != (first->bits == 16))
            return px_fail(
                PX_DATA, "%s: %s has %d bits per value, but %s: %s has %d; a data set has one number of them",
                px_block_name(c, first, name[0]), first->array ? first->array : "it", first->bits == 16 ? 16 : 8,
                px_block_name(c, b, name[1]), b->array ? b->array : "it", b->bits == 16 ? 16 : 8);
        if (b->bits == 16 && b->channels != channels)
            return c->options->channels
                       ? px_fail(PX_USAGE, "channels=%d: %s has %d channels of 16 bits, which stay so", channels,
                                 px_block_name(c, b, name[0]), b->channels)
                       : px_fail(PX_DATA, "%s has arrays of 16 bits of different numbers of channels (%d and %d)",
                                 px_block_name(c, b, name[0]), b->channels, channels);
    }
    return 0;
}

static int choose_shape(const px_catalog *c, px_pack_shape *shape)
{
    const px_pack_options *o = c->options;
    const px_block *first = &c->blocks[0], *other = other_size(c);
    char name[2][PX_ENTRY_NAME];
    bool raw = o->store == PX_STORE_RAW, encoded = o->store == PX_STORE_ENCODED, pixels = c->format->unpack != NULL;
    *shape = (px_pack_shape){.count = c->count, .channels = choose_channels(c), .bits = choose_bits(c)};
    if (shape->channels < 0)
        return -1;
    if (pixels && o->bits && o->bits != (first->bits == 16 ? 16 : 8))
        return px_fail(PX_USAGE, "bits=%d: %s has %d bits per value, and stays so", o->bits, c->sources[0],
                       first->bits == 16 ? 16 : 8);
    if (pixels && check_values(c, shape->channels) != 0)
        return -1;
    if (pixels && encoded)
        return px_fail(PX_USAGE, "store=encoded is for image files; %s has the format %s, which is stored raw",
                       c->sources[0], c->format->name);
    if ((pixels || raw) && other)
        return px_fail(PX_DATA, "%s is %d x %d, but %s is %d x %d (height x width); raw storage needs one size",
                       px_block_name(c, first, name[0]), first->height, first->width, px_block_name(c, other, name[1]),
                       other->height, other->width);
    if (pixels || raw || (!encoded && !other && first->height <= RAW_SIDE && first->width <= RAW_SIDE)) {
        shape->height = first->height;
        shape->width = first->width;
    } else {
        shape->encoded_size = c->encoded_size;
    }
    return 0;
}

/* ---- labels, splits, statistics ---------------------------------------------------------------------------------- */

typedef struct table {
    int32_t *labels;
    uint8_t *split;
    uint64_t *offsets;
    const char *split_names[PX_SPLITS];
    int number[PX_SPLITS]; /* each split's number among those that have images */
    int splits;
    char *source;
} table;

static char *join_sources(const px_catalog *c)
{
    char *all = px_strdup("");
    for (int s = 0; s < c->source_count; s++) {
        char *longer = px_format("%s%s%s", all, s ? " " : "", px_base_name(c->sources[s]));
        free(all);
        all = longer;
    }
    return all;
}

static void fill_table(table *t, const px_catalog *c, bool encoded)
{
    *t = (table){.source = join_sources(c)};
    t->labels = px_calloc((size_t)c->count, sizeof *t->labels);
    t->split = px_calloc((size_t)c->count, sizeof *t->split);
    t->offsets = encoded ? px_calloc((size_t)c->count + 1, sizeof *t->offsets) : NULL;
    for (int s = 0; s < PX_SPLITS; s++) {
        if (c->in_split[s] == 0)
            continue;
        t->number[s] = t->splits;
        t->split_names[t->splits++] = px_split_name(c, s);
    }
    for (size_t k = 0; k < c->block_count; k++) {
        const px_block *b = &c->blocks[k];
        for (int64_t i = 0; i < b->count; i++) {
            t->labels[b->row + i] = b->labels ? b->labels[i] : b->label;
            t->split[b->row + i] = (uint8_t)t->number[c->split_of_row ? c->split_of_row[b->row + i] : b->split];
        }
        if (encoded)
            t->offsets[b->row + 1] = b->offset + b->size;
    }
}

static void free_table(table *t)
{
    free(t->labels);
    free(t->split);
    free(t->offsets);
    free(t->source);
}

/* Mean and standard deviation of pixels scaled to [0,1]. */
static void statistics(const px_pack_sums *sums, const px_pack_shape *shape, px_pack_about *about)
{
    double most = shape->bits == 16 ? 65535 : 255;
    for (int ch = 0; ch < shape->channels; ch++) {
        double n = (double)sums->pixels, mean = (double)sums->sum[ch] / n;
        double variance = (double)sums->square[ch] / n - mean * mean;
        about->mean[ch] = (float)(mean / most);
        /* If all pictures have a single colour: at least one step of its bits, since values are divided by it. */
        about->std[ch] = (float)(sqrt(variance > 1 ? variance : 1) / most);
    }
}

/* ---- the summary ------------------------------------------------------------------------------------------------- */

static void print_classes(FILE *out, const px_catalog *c, const table *t)
{
    size_t cells = (size_t)(c->classes + 1) * (size_t)t->splits; /* the last line: no label */
    int64_t *count = px_calloc(cells, sizeof *count);
    for (int64_t i = 0; i < c->count; i++)
        count[(t->labels[i] < 0 ? c->classes : t->labels[i]) * t->splits + t->split[i]]++;
    int width = 8;
    for (int k = 0; k < c->classes && c->classes <= CLASSES_SHOWN; k++)
        width = (int)strlen(c->class_names[k]) > width ? (int)strlen(c->class_names[k]) : width;
    fprintf(out, "%-*s", width, "class");
    for (int s = 0; s < t->splits; s++) {
        char *name = px_one_line(px_strdup(t->split_names[s]));
        fprintf(out, " %10s", name);
        free(name);
    }
    int64_t unlabeled = 0;
    for (int s = 0; s < t->splits; s++)
        unlabeled += count[c->classes * t->splits + s];
    for (int k = 0; k <= c->classes; k++) {
        if (k < c->classes ? c->classes > CLASSES_SHOWN : unlabeled == 0)
            continue;
        char *name = px_one_line(px_strdup(k < c->classes ? c->class_names[k] : "no label"));
        fprintf(out, "\n%-*s", width, name);
        free(name);
        for (int s = 0; s < t->splits; s++)
            fprintf(out, " %10lld", (long long)count[k * t->splits + s]);
    }
    fprintf(out, "\n%-*s", width, "all");
    for (int s = 0; s < t->splits; s++) {
        int64_t all = 0;
        for (int k = 0; k <= c->classes; k++)
            all += count[k * t->splits + s];
        fprintf(out, " %10lld", (long long)all);
    }
    fprintf(out, "\n");
    free(count);
}

static int64_t count_oriented(const px_catalog *c)
{
    int64_t count = 0;
    for (size_t k = 0; k < c->block_count; k++)
        count += c->blocks[k].oriented;
    return count;
}

bool px_pack_turns(const px_pack_options *o)
{
    return o->exif == PX_EXIF_APPLY;
}

static const char *channels_text(const px_pack_shape *s, char text[40])
{
    snprintf(text, 40, "%d channels", s->channels);
    if (s->channels == 1 || s->channels == 3)
        snprintf(text, 40, "%s", s->channels == 1 ? "gray" : "RGB");
    if (s->bits == 16)
        snprintf(text + strlen(text), 40 - strlen(text), " of 16 bits");
    return text;
}

static char *summary_text(const px_catalog *c, const table *t, const px_pack_shape *shape, const px_pack_about *about,
                          const char *path)
{
    char *text = NULL, kind[40], size[40] = "image files of varying size";
    size_t length = 0;
    struct stat file = {0};
    stat(path, &file);
    FILE *out = open_memstream(&text, &length);
    PX_CHECK(out != NULL);
    const px_block *one = other_size(c) ? NULL : &c->blocks[0];
    if (one)
        snprintf(size, sizeof size, "%d x %d%s", one->height, one->width, shape->height ? "" : " image files");
    char *name = px_one_line(px_strdup(path));
    fprintf(out, "%s: %lld images, %s, %s, %d classes, %.1f MB\n", name, (long long)c->count, size,
            channels_text(shape, kind), c->classes, (double)file.st_size * 1e-6);
    free(name);
    print_classes(out, c, t);
    int64_t oriented = count_oriented(c);
    if (oriented > 0)
        fprintf(out, "%lld images tell an orientation (EXIF); %s\n", (long long)oriented,
                px_pack_turns(c->options) ? "they were turned upright" : "exif=ignore leaves them as stored");
    if (c->bad_count > 0)
        fprintf(out, "%d bad files were left out; they are listed in the attribute skipped\n", c->bad_count);
    for (int ch = 0; ch < shape->channels; ch++)
        fprintf(out, "%s%.4f", ch ? " " : "mean ", about->mean[ch]);
    for (int ch = 0; ch < shape->channels; ch++)
        fprintf(out, "%s%.4f", ch ? " " : "   std ", about->std[ch]);
    fprintf(out, "\n");
    fclose(out);
    return text;
}

/* ---- the whole of it --------------------------------------------------------------------------------------------- */

static int write_about(const px_catalog *c, px_pack_file *file, const px_pack_shape *shape, const px_pack_sums *sums,
                       const char *path, px_pack_summary *summary)
{
    table t;
    fill_table(&t, c, shape->height == 0);
    px_pack_about about = {.labels = t.labels,
                           .split = t.split,
                           .offsets = t.offsets,
                           .class_names = (const char *const *)c->class_names,
                           .classes = c->classes,
                           .split_names = t.split_names,
                           .splits = t.splits,
                           .source = t.source,
                           .unturned = !px_pack_turns(c->options),
                           .skipped = (const char *const *)c->bad,
                           .skips = c->bad_count};
    statistics(sums, shape, &about);
    int status = px_pack_file_finish(file, &about);
    if (status == 0) {
        bool one_size = other_size(c) == NULL;
        *summary = (px_pack_summary){.count = c->count,
                                     .classes = c->classes,
                                     .splits = t.splits,
                                     .height = one_size ? c->blocks[0].height : 0,
                                     .width = one_size ? c->blocks[0].width : 0,
                                     .channels = shape->channels,
                                     .text = summary_text(c, &t, shape, &about, path),
                                     .skipped = c->bad_count};
    }
    free_table(&t);
    return status;
}

/* How the pixels were read. */
typedef enum outcome { FAILED, FOUND_BAD, READ } outcome;

static outcome write_data_set(px_catalog *c, const char *path, px_pack_summary *summary)
{
    px_pack_shape shape;
    px_pack_file file;
    px_pack_sums sums;
    int bad = c->bad_count;
    if (choose_shape(c, &shape) != 0 || px_pack_file_create(&file, &shape, path) != 0)
        return FAILED;
    int status = px_pack_pixels(c, &file, c->in_split[PX_SPLIT_TRAIN] ? PX_SPLIT_TRAIN : -1, &sums);
    if (status == 0 && c->bad_count == bad)
        return write_about(c, &file, &shape, &sums, path, summary) == 0 ? READ : FAILED;
    px_pack_file_abandon(&file);
    return status == 0 ? FOUND_BAD : FAILED;
}

/* Bad files whose heads are good are found while packing; what was written is then written again without them. */
static int pack_catalog(px_catalog *c, const char *out, px_pack_summary *summary)
{
    bool skip = px_catalog_skips(c);
    if (c->bad_count > 0 && !skip) /* only to find the rest of them */
        return px_pack_check(c) == 0 ? px_catalog_refuse_bad(c, 0) : -1;
    outcome o = write_data_set(c, out, summary);
    if (o == FOUND_BAD && !skip)
        return px_catalog_refuse_bad(c, 0);
    while (o == FOUND_BAD) {
        if (px_catalog_number(c) != 0)
            return -1;
        px_log_line(c->log, "packing again without the bad files");
        o = write_data_set(c, out, summary);
    }
    return o == READ ? 0 : -1;
}

static int check_arguments(const char *const *sources, int count, const char *out, const px_pack_options *o)
{
    if (o->bits != 0 && o->bits != 8 && o->bits != 16)
        return px_fail(PX_USAGE, "bits=%d: must be 0, 8 or 16", o->bits);
    for (int i = 0; i < count; i++)
        if (px_not_input(out, sources[i], "a source") != 0)
            return -1;
    return px_h5_replaceable(out);
}

char *px_pack_understand(const char *const *sources, int count, const px_pack_options *options, px_log *log)
{
    px_catalog catalog = {0};
    int status = px_catalog_make(&catalog, sources, count, options, log);
    px_log_progress_end(log);
    char *text = status == 0 ? px_catalog_text(&catalog) : NULL;
    px_catalog_free(&catalog);
    return text;
}

int px_pack(const char *const *sources, int count, const char *out, const px_pack_options *options, px_log *log,
            px_pack_summary *summary)
{
    PX_CHECK(count > 0);
    *summary = (px_pack_summary){0};
    if (check_arguments(sources, count, out, options) != 0)
        return -1;
    px_catalog catalog = {0};
    int status = px_catalog_make(&catalog, sources, count, options, log);
    if (status == 0 && log->terminal)
        px_catalog_tell(&catalog);
    if (status == 0)
        status = pack_catalog(&catalog, out, summary);
    if (status == 0)
        px_catalog_tell(&catalog);
    px_log_progress_end(log);
    px_catalog_free(&catalog);
    return status;
}
