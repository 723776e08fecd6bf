/* advice.c - finds values that would work: it asks the checks that refused the given ones. */
#include "train/advice.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* "; KEY=LESS or MORE would work"; 0: there is no such value. */
static const char *either(const char *key, int less, int more, char text[96])
{
    text[0] = '\0';
    if (less > 0 && more > 0)
        snprintf(text, 96, "; %s=%d or %d would work", key, less, more);
    else if (less > 0 || more > 0)
        snprintf(text, 96, "; %s=%d would work", key, less > 0 ? less : more);
    return text;
}

const char *px_advise_multiple(const char *key, int value, int step, char text[96])
{
    int less = value / step * step;
    return either(key, less, less + step, text);
}

static bool takes(const px_settings *s, int size, int channels)
{
    const px_backbone_family *family = s->backbone->family;
    return !family->check || !family->check(s->backbone, s->backbone_cfg, size, channels);
}

const char *px_advise_size(const px_settings *s, const char *key, int size, int channels, char text[96])
{
    enum { FAR = 64 }; /* the largest patch of a ViT has 32 px */
    int less = size, more = size;
    while (less > 0 && !takes(s, less, channels))
        less--;
    while (more < size + FAR && !takes(s, more, channels))
        more++;
    return either(key, less, more < size + FAR ? more : 0, text);
}

const char *px_advise_channels(px_shape stored, px_shape wanted)
{
    if (stored.rank != 4 || wanted.rank != 4)
        return "";
    int64_t weights = stored.dim[1], images = wanted.dim[1];
    stored.dim[1] = images;
    if (!px_shape_equal(stored, wanted))
        return "";
    return images == 1 && weights == 3 ? "; the images are gray, but the weights are for RGB: pack them with channels=3"
           : images == 3 && weights == 1
               ? "; the images are RGB, but the weights are for gray: pack them with channels=1"
               : "";
}

/* Stored names may have a prefix. */
static bool is_stem(const char *name)
{
    static const char stem[] = "conv1.weight";
    size_t length = strlen(name), end = sizeof stem - 1;
    return !strstr(name, "layer") && length >= end && strcmp(name + length - end, stem) == 0 &&
           (length == end || name[length - end - 1] == '.');
}

const char *px_advise_shape(const px_settings *s, const char *name, px_shape stored, px_shape wanted, char text[128])
{
    snprintf(text, 128, "%s", px_advise_channels(stored, wanted));
    bool resnet = strcmp(s->backbone->family->name, "resnet") == 0;
    if (text[0] || !resnet || !is_stem(name) || stored.rank != 4 || wanted.rank != 4)
        return text;
    int64_t side = stored.dim[2], filters = stored.dim[0];
    if (side != wanted.dim[2] && (side == 3 || side == 7))
        snprintf(text, 128, "; resnet.stem=%dx%d would fit", (int)side, (int)side);
    else if (filters != wanted.dim[0])
        snprintf(text, 128, "; resnet.width=%g would fit", (double)filters / 64);
    return text;
}
