/* results_walk.c - lists the contents of an HDF5 file for people: of any file, not only of run.h5. */
#include "base/error.h"
#include "results/results_private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_SHOWN = 12,      /* values of an attribute; more are left out */
    MOST_COUNTED = 20000, /* objects that are not listed: each takes some microseconds */
    DEEPEST = 64,         /* groups within each other; ours are 5 deep, and HDF5's walk takes the square of the depth */
};

typedef struct list {
    char **item;
    int count;
} list;

/* A walk over the whole file. */
typedef struct walk {
    list found;
    int most, more; /* how many are listed; the number of others so far */
    bool deep, endless;
} walk;

static void list_add(list *l, char *item)
{
    l->item = px_grow(l->item, l->count, sizeof *l->item);
    l->item[l->count++] = item;
}

static herr_t note_object(hid_t root, const char *name, const H5O_info_t *info, void *data)
{
    (void)root, (void)info;
    walk *w = data;
    int depth = 0;
    for (const char *at = name; (at = strchr(at, '/')); at++)
        depth++;
    w->deep = depth > DEEPEST;
    if (strcmp(name, ".") == 0)
        return 0;
    if (w->found.count < w->most)
        list_add(&w->found, px_format("/%s", name));
    else
        w->endless = ++w->more == MOST_COUNTED;
    return w->deep || w->endless;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int px_results_all(px_results *r, int most, px_results_objects *objects)
{
    walk w = {.most = most > 0 ? most : INT_MAX};
    herr_t seen = H5Ovisit2(r->file, H5_INDEX_NAME, H5_ITER_INC, note_object, &w, H5O_INFO_BASIC);
    *objects = (px_results_objects){w.found.item, w.found.count, w.more, w.endless};
    int bad = seen < 0 ? px_results_broken(r->path, PX_DATA, "list", "")
              : w.deep ? px_fail(PX_DATA, "%s: has groups within each other, more than %d deep", r->path, DEEPEST)
                       : 0;
    if (objects->count > 0)
        qsort(objects->path, (size_t)objects->count, sizeof *objects->path, by_name);
    if (bad)
        px_results_objects_finish(objects);
    return bad;
}

void px_results_objects_finish(px_results_objects *o)
{
    for (int i = 0; i < o->count; i++)
        free(o->path[i]);
    free(o->path);
    *o = (px_results_objects){0};
}

static herr_t note_attribute(hid_t object, const char *name, const H5A_info_t *info, void *data)
{
    (void)object, (void)info;
    list_add(data, px_strdup(name));
    return 0;
}

int px_results_attributes(px_results *r, const char *object, char ***names, int *count)
{
    hid_t id = px_results_exists(r->file, object) ? H5Oopen(r->file, object, H5P_DEFAULT) : H5I_INVALID_HID;
    if (id < 0)
        return px_fail(PX_DATA, "%s: contains no %s", r->path, object);
    list l = {0};
    H5Aiterate2(id, H5_INDEX_NAME, H5_ITER_INC, NULL, note_attribute, &l);
    H5Oclose(id);
    *names = l.item;
    *count = l.count;
    return 0;
}

static char *type_name(hid_t type)
{
    int bits = (int)(8 * H5Tget_size(type));
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        return px_format("%sint%d", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "", bits);
    case H5T_FLOAT:
        return px_format("float%d", bits);
    case H5T_STRING:
        return px_strdup("text");
    case H5T_COMPOUND:
        return px_strdup("compound");
    case H5T_ENUM:
        return px_strdup("enum");
    default:
        return px_strdup("other");
    }
}

char *px_results_describe(px_results *r, const char *object)
{
    hid_t id = px_results_exists(r->file, object) ? H5Oopen(r->file, object, H5P_DEFAULT) : H5I_INVALID_HID;
    if (id < 0)
        return px_strdup("missing");
    if (H5Iget_type(id) != H5I_DATASET) {
        char *text = px_strdup(H5Iget_type(id) == H5I_GROUP ? "group" : "type");
        H5Oclose(id);
        return text;
    }
    hid_t type = H5Dget_type(id), space = H5Dget_space(id);
    hsize_t extent[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_dims(space, extent, NULL);
    char *text = type_name(type);
    for (int i = 0; i < rank; i++) {
        char *longer =
            px_format("%s%s%llu%s", text, i ? ", " : " (", (unsigned long long)extent[i], i == rank - 1 ? ")" : "");
        free(text);
        text = longer;
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Oclose(id);
    return text;
}

static char *joined(char *so_far, const char *next)
{
    char *text = so_far ? px_format("%s, %s", so_far, next) : px_strdup(next);
    free(so_far);
    return text;
}

static char *shown_numbers(hid_t attribute, size_t count)
{
    double *values = px_calloc(count + 1, sizeof *values);
    char *text = NULL;
    if (H5Aread(attribute, H5T_NATIVE_DOUBLE, values) >= 0)
        for (size_t i = 0; i < count && i <= MOST_SHOWN; i++) {
            char number[40];
            snprintf(number, sizeof number, i == MOST_SHOWN ? "..." : "%.10g", values[i]);
            text = joined(text, number);
        }
    free(values);
    return text;
}

char *px_results_attribute_shown(px_results *r, const char *object, const char *name)
{
    char *text = NULL, **texts;
    int count;
    if (px_results_get_attribute_texts(r, object, name, &texts, &count) == 0) {
        for (int i = 0; i < count; i++) {
            if (i <= MOST_SHOWN)
                text = joined(text, i == MOST_SHOWN ? "..." : texts[i]);
            free(texts[i]);
        }
        free(texts);
        return text ? text : px_strdup("");
    }
    hid_t id = H5Aopen_by_name(r->file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    if (id >= 0) {
        hid_t type = H5Aget_type(id), space = H5Aget_space(id);
        if (px_results_attribute_fits(r, id, name) != 0)
            text = px_strdup("(too large for this file)");
        else if (H5Tget_class(type) == H5T_INTEGER || H5Tget_class(type) == H5T_FLOAT)
            text = shown_numbers(id, (size_t)H5Sget_simple_extent_npoints(space));
        else
            text = type_name(type);
        H5Sclose(space);
        H5Tclose(type);
        H5Aclose(id);
    }
    return text ? text : px_strdup("");
}
