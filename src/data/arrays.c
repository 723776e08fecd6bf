/* arrays.c - see arrays.h. */
#include "data/arrays.h"
#include "base/error.h"
#include "data/image.h"
#include "data/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SIDE_MAX = 65500, WORD = 24 };

/* ---- what names say ---------------------------------------------------------------------------------------------- */

static px_array_role role_of_word(const char *word)
{
    static const char *const images[] = {"x", "images", "image", "img", "imgs", "data", "pixels", NULL};
    static const char *const labels[] = {"y", "labels", "label", "target", "targets", "class", "ans", "cls", NULL};
    for (int i = 0; images[i]; i++)
        if (strcasecmp(word, images[i]) == 0)
            return PX_ARRAY_IMAGES;
    for (int i = 0; labels[i]; i++)
        if (strcasecmp(word, labels[i]) == 0)
            return PX_ARRAY_LABELS;
    return PX_ARRAY_UNKNOWN;
}

/* Takes the next word of letters from *at on. False at the end. */
static bool next_word(const char *name, size_t *at, char word[WORD])
{
    size_t n = 0;
    while (name[*at] && !isalpha((unsigned char)name[*at]))
        ++*at;
    for (; isalpha((unsigned char)name[*at]); ++*at)
        if (n + 1 < WORD)
            word[n++] = name[*at];
    word[n] = '\0';
    return n > 0;
}

px_array_role px_array_role_of(const char *name)
{
    char word[WORD];
    px_array_role found = PX_ARRAY_UNKNOWN;
    for (size_t at = 0; next_word(name, &at, word);)
        if (role_of_word(word) != PX_ARRAY_UNKNOWN)
            found = role_of_word(word);
    return found;
}

int px_array_split_of(const char *name)
{
    char word[WORD];
    int found = -1;
    for (size_t at = 0; next_word(name, &at, word);)
        if (role_of_word(word) == PX_ARRAY_UNKNOWN && px_split_of_name(word, strlen(word)) >= 0)
            found = px_split_of_name(word, strlen(word));
    return found;
}

/* A file's name without its role, so that those of images and labels are the same: the other words, and all numbers. A new
 * string. */
static char *pair_key(const char *path)
{
    char word[WORD], *key = px_calloc(2 * strlen(path) + 1, 1);
    size_t used = 0;
    for (size_t at = 0, end; path[at]; at = end) {
        bool letters = isalpha((unsigned char)path[at]);
        size_t next = at;
        end = at + 1;
        if (!letters && !isdigit((unsigned char)path[at]))
            continue;
        while (letters ? isalpha((unsigned char)path[end]) : isdigit((unsigned char)path[end]))
            end++;
        if (letters && next_word(path, &next, word) && role_of_word(word) != PX_ARRAY_UNKNOWN)
            continue;
        key[used++] = '/';
        memcpy(key + used, path + at, end - at);
        used += end - at;
    }
    return key;
}

/* ---- axes -------------------------------------------------------------------------------------------------------- */

bool px_array_axes_of(int rank, const int64_t dim[], size_t bytes, px_array_axes *a)
{
    if (rank != 3 && rank != 4)
        return false;
    bool first = rank == 4 && dim[1] <= PX_CHANNELS_MAX && (dim[3] > PX_CHANNELS_MAX || (dim[1] <= 4 && dim[3] > 4));
    int64_t last = rank == 4 ? dim[3] : 1;
    int64_t h = first ? dim[2] : dim[1], w = first ? last : dim[2], c = first ? dim[1] : last;
    if (dim[0] < 1 || h < 1 || w < 1 || c < 1 || h > SIDE_MAX || w > SIDE_MAX || c > PX_CHANNELS_MAX ||
        dim[0] > INT64_MAX / (h * w * c * (int64_t)bytes))
        return false;
    *a = (px_array_axes){
        .count = dim[0], .height = (int)h, .width = (int)w, .channels = (int)c, .channels_first = first};
    return true;
}

void px_array_put_channels_last(const px_block *b, int64_t count, const uint8_t *from, uint8_t *to)
{
    size_t value = px_value_bytes(b->bits), C = (size_t)b->channels, area = (size_t)b->height * (size_t)b->width;
    for (size_t n = 0; n < (size_t)count; n++)
        for (size_t c = 0; c < C; c++)
            for (size_t i = 0; i < area; i++)
                memcpy(to + ((n * area + i) * C + c) * value, from + ((n * C + c) * area + i) * value, value);
}

/* ---- labels ------------------------------------------------------------------------------------------------------ */

/* Whether they come from one source, or from files of one folder that are sources themselves. */
static bool lie_together(const px_catalog *c, const px_block *b, const px_side *s)
{
    const char *images = c->sources[b->source], *labels = c->sources[s->source];
    ptrdiff_t folder = px_base_name(images) - images;
    return b->source == s->source ||
           (px_entry_is_source(images, b->path) && px_entry_is_source(labels, s->path) &&
            px_base_name(labels) - labels == folder && strncmp(images, labels, (size_t)folder) == 0);
}

/* Whether the names pair them; or there are no others, and both names say nothing (numpy.savez's arr_0 and arr_1). */
static bool are_pair(const px_catalog *c, const px_block *b, const px_side *s)
{
    char *images = pair_key(b->path), *labels = pair_key(s->path);
    bool only = c->block_count == 1 && c->side_count == 1 && px_array_role_of(b->path) == PX_ARRAY_UNKNOWN &&
                px_array_role_of(s->path) == PX_ARRAY_UNKNOWN;
    bool same = only || strcmp(images, labels) == 0;
    free(images);
    free(labels);
    return same;
}

/* 0, or -1 if two arrays could be the labels. */
static int join(const px_catalog *c, px_block *b)
{
    char name[3][PX_ENTRY_NAME];
    size_t size = (size_t)b->count * sizeof *b->labels;
    px_side *found = NULL;
    for (size_t j = 0; j < c->side_count && !b->labels; j++) {
        px_side *s = &c->sides[j];
        if (s->used || s->size != size || !lie_together(c, b, s) || !are_pair(c, b, s))
            continue;
        if (found)
            return px_fail(PX_DATA, "both %s and %s could be the labels of %s; remove one, or give it another name",
                           px_side_name(c, found, name[0]), px_side_name(c, s, name[1]), px_block_name(c, b, name[2]));
        found = s;
    }
    if (!found)
        return 0;
    b->labels = px_realloc(NULL, size);
    memcpy(b->labels, found->bytes, size);
    found->used = true;
    return 0;
}

/* Arrays of unknown names beside some that are known as images are masks and the like: they are left out. */
static void leave_unknown_out(px_catalog *c)
{
    bool known = false;
    for (size_t k = 0; k < c->block_count; k++)
        known = known || (!c->blocks[k].array && px_array_role_of(c->blocks[k].path) == PX_ARRAY_IMAGES);
    for (size_t k = 0; k < c->block_count && known; k++) {
        px_block *b = &c->blocks[k];
        bool named = px_entry_is_source(c->sources[b->source], b->path);
        if (b->bad || b->array || named || px_array_role_of(b->path) == PX_ARRAY_IMAGES)
            continue;
        px_catalog_leave_out(c, b->path, b->source);
        b->split = PX_SPLIT_LEFT_OUT;
    }
}

/* 0, or -1 if two arrays have the same name but for the word that says that they are images. */
static int check_twins(const px_catalog *c)
{
    char name[2][PX_ENTRY_NAME];
    int status = 0;
    for (size_t k = 1; k < c->block_count && status == 0; k++) {
        const px_block *a = &c->blocks[k - 1], *b = &c->blocks[k];
        char *one = pair_key(a->path), *other = pair_key(b->path);
        if (!a->bad && !b->bad && !a->array && a->source == b->source && a->split != PX_SPLIT_LEFT_OUT &&
            b->split != PX_SPLIT_LEFT_OUT && strcmp(one, other) == 0)
            status = px_fail(PX_DATA, "both %s and %s are arrays of images; remove one, or give it another name",
                             px_block_name(c, a, name[0]), px_block_name(c, b, name[1]));
        free(one);
        free(other);
    }
    return status;
}

/* 0, or -1 if a label is not a class. */
static int check_labels(const px_catalog *c, const px_block *b, int *highest)
{
    char name[PX_ENTRY_NAME];
    for (int64_t i = 0; b->labels && i < b->count; i++) {
        if (b->labels[i] < -1 || b->labels[i] >= PX_ARRAY_CLASSES_MAX)
            return px_fail(PX_DATA, "%s: label %d of image %lld is not a class, which are counted from 0 to %d",
                           px_block_name(c, b, name), b->labels[i], (long long)i, PX_ARRAY_CLASSES_MAX - 1);
        *highest = b->labels[i] > *highest ? b->labels[i] : *highest;
    }
    return 0;
}

int px_arrays_finish(px_catalog *c)
{
    char name[PX_ENTRY_NAME];
    int highest = -1;
    leave_unknown_out(c);
    if (check_twins(c) != 0)
        return -1;
    for (size_t k = 0; k < c->block_count; k++) {
        px_block *b = &c->blocks[k];
        if (b->bad)
            px_catalog_bad(c, b->why);
        if (b->bad || b->split == PX_SPLIT_LEFT_OUT)
            continue;
        if (join(c, b) != 0 || check_labels(c, b, &highest) != 0)
            return -1;
        if (!b->labels)
            px_log_warning(c->log,
                           "%s: no labels are known by their names (y, labels, target, ...: whole numbers, one "
                           "per image); the images get none",
                           px_block_name(c, b, name));
    }
    for (size_t j = 0; j < c->side_count; j++)
        if (!c->sides[j].used)
            px_log_warning(c->log, "%s: its labels fit no images and are left out",
                           px_side_name(c, &c->sides[j], name));
    px_catalog_number_names(c, highest + 1);
    return 0;
}
