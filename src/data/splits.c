/* splits.c - reads split=, and divides images between splits. */
#include "data/splits.h"

#include "base/error.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void begin(px_splits *s)
{
    *s = (px_splits){.whole = -1};
    for (int i = 0; i < PX_SPLITS_STANDARD; i++)
        s->name[s->count++] = px_strdup(px_split_standard[i]);
}

int px_splits_number(px_splits *s, const char *name, size_t length)
{
    for (int i = 0; i < s->count; i++)
        if (strlen(s->name[i]) == length && memcmp(s->name[i], name, length) == 0)
            return i;
    if (s->count == PX_SPLITS)
        return px_fail(PX_USAGE, "there are more than %d splits; the one that is too many is %.*s", PX_SPLITS,
                       (int)length, name);
    if (length > PX_NAME_LONGEST)
        return px_fail(PX_USAGE, "a split has a name of %zu characters; at most %d are supported", length,
                       PX_NAME_LONGEST);
    s->name[s->count] = px_format("%.*s", (int)length, name);
    return s->count++;
}

/* ---- the option -------------------------------------------------------------------------------------------------- */

static int read_part(px_splits *s, const char *item, size_t length, double share)
{
    int split = px_splits_number(s, item, length);
    if (split < 0)
        return -1;
    for (int i = 0; i < s->parts; i++)
        if (s->part[i] == split)
            return px_fail(PX_USAGE, "split: %s occurs twice", s->name[split]);
    if (!(share > 0) || share >= 1)
        return px_fail(PX_USAGE, "split: the share of %s must be between 0 and 1, as in split=train:0.9,val:0.1",
                       s->name[split]);
    s->part[s->parts] = split;
    s->share[s->parts++] = share;
    return 0;
}

static int read_map(px_splits *s, const char *item, size_t length, const char *target)
{
    int split = strcmp(target, "none") == 0    ? PX_SPLIT_LEFT_OUT
                : strcmp(target, "class") == 0 ? PX_SPLIT_IS_CLASS
                                               : px_splits_number(s, target, strlen(target));
    if (split == -1)
        return -1;
    while (length > 0 && item[length - 1] == '/')
        length--;
    s->map = px_grow(s->map, s->maps, sizeof *s->map);
    s->map[s->maps++] = (px_split_map){.folder = px_format("%.*s", (int)length, item), .target = split};
    return 0;
}

static int read_item(px_splits *s, const char *item)
{
    const char *colon = strrchr(item, ':');
    if (!colon) {
        if (s->whole >= 0)
            return px_fail(PX_USAGE, "split: all images go either to %s or to %s", s->name[s->whole], item);
        s->whole = px_splits_number(s, item, strlen(item));
        return s->whole < 0 ? -1 : 0;
    }
    if (colon == item || !colon[1])
        return px_fail(PX_USAGE, "split: '%s' is neither NAME, NAME:SHARE nor FOLDER:NAME", item);
    char *end;
    double share = strtod(colon + 1, &end);
    return *end ? read_map(s, item, (size_t)(colon - item), colon + 1)
                : read_part(s, item, (size_t)(colon - item), share);
}

static int check_parts(const px_splits *s)
{
    double sum = 0;
    for (int i = 0; i < s->parts; i++)
        sum += s->share[i];
    if (s->parts > 0 && s->whole >= 0)
        return px_fail(PX_USAGE, "split: all images go to %s, or they are divided; both cannot be", s->name[s->whole]);
    if (s->parts > 0 && fabs(sum - 1) > 1e-6)
        return px_fail(PX_USAGE, "split: the shares add up to %g, not to 1, as those of split=train:0.9,val:0.1 do",
                       sum);
    return 0;
}

int px_splits_read(px_splits *s, const char *option)
{
    begin(s);
    char *copy = px_strdup(option), *rest = copy, *item;
    int status = 0;
    while (status == 0 && (item = strsep(&rest, ","))) {
        item += strspn(item, " ");
        if (*item)
            status = read_item(s, item);
    }
    free(copy);
    return status == 0 ? check_parts(s) : -1;
}

void px_splits_finish(px_splits *s)
{
    for (int i = 0; i < s->count; i++)
        free(s->name[i]);
    for (int i = 0; i < s->maps; i++)
        free(s->map[i].folder);
    free(s->map);
    *s = (px_splits){0};
}

int px_splits_of_folder(px_splits *s, const char *path, size_t length)
{
    size_t base = length;
    while (base > 0 && path[base - 1] != '/')
        base--;
    for (int i = 0; i < s->maps; i++) {
        const char *folder = s->map[i].folder;
        bool whole = strlen(folder) == length && memcmp(folder, path, length) == 0;
        bool last = strlen(folder) == length - base && memcmp(folder, path + base, length - base) == 0;
        if (!whole && !last)
            continue;
        s->map[i].used = true;
        return s->map[i].target;
    }
    return PX_SPLIT_UNKNOWN;
}

/* ---- dividing ---------------------------------------------------------------------------------------------------- */

/* Shuffles rows[n] by (seed, class) and gives them to the parts in turn. */
static void divide_class(const px_splits *s, int64_t seed, int class, int64_t *rows, int64_t n, uint8_t *split_of)
{
    px_rng rng = px_rng_make((uint64_t)seed, PX_RNG_HOLDOUT, (uint64_t) class, 1);
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = px_rng_below(&rng, (uint32_t)(i + 1)), row = rows[i];
        rows[i] = rows[j];
        rows[j] = row;
    }
    double sum = 0;
    int64_t first = 0;
    for (int p = 0; p < s->parts; p++) {
        sum += s->share[p];
        int64_t after = s->parts - 1 - p, end = llround(sum * (double)n); /* parts that come after this one */
        end = end < first + 1 ? first + 1 : end;
        end = end > n - after && n - after > first ? n - after : end;
        end = end > n || p == s->parts - 1 ? n : end;
        for (; first < end; first++)
            split_of[rows[first]] = (uint8_t)s->part[p];
    }
}

void px_splits_divide(const px_splits *s, int64_t seed, int64_t count, int classes, const int32_t *labels,
                      uint8_t *split_of)
{
    int64_t *begin = px_calloc((size_t)classes + 2, sizeof *begin), *rows = px_calloc((size_t)count + 1, sizeof *rows);
    for (int64_t i = 0; i < count; i++) /* images without a label are class 0, the others 1 to `classes` */
        if (split_of[i] == s->part[0])
            begin[labels[i] + 2]++;
    for (int c = 1; c <= classes + 1; c++)
        begin[c] += begin[c - 1];
    int64_t *next = px_calloc((size_t)classes + 1, sizeof *next);
    for (int64_t i = 0; i < count; i++)
        if (split_of[i] == s->part[0])
            rows[begin[labels[i] + 1] + next[labels[i] + 1]++] = i;
    for (int c = 0; c <= classes; c++)
        divide_class(s, seed, c, rows + begin[c], begin[c + 1] - begin[c], split_of);
    free(begin);
    free(next);
    free(rows);
}
