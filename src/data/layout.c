/* layout.c - decides from names and shapes of folders what they are: see layout.h. */
#include "data/layout.h"

#include "base/error.h"
#include "data/layout_names.h"
#include "data/layout_tree.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct layout {
    px_tree tree;
    px_catalog *c;
    bool automatic;          /* it is not given */
    bool asks;               /* nor are labels: what is unlikely is refused */
    int64_t nested;          /* folders in class folders, which count as parts of the class */
    char *first_nested;      /* the first of them */
    int64_t strays, outside; /* images beside class folders, and beside folders of splits */
    const px_block *first_stray, *first_outside;
    const px_folder **other; /* the catalog's skipped files, by source and path */
    int64_t empty;           /* folders without images of classes that have images elsewhere */
    const px_folder *first_empty;
} layout;

/* ---- giving images their split and class ------------------------------------------------------------------------- */

static px_node *kid_of(const layout *l, const px_node *n, int k)
{
    return &l->tree.node[n->kid + k];
}

static char *name_of(const layout *l, const px_node *n)
{
    size_t length;
    const char *name = px_tree_name(&l->tree, n, &length);
    return px_format("%.*s", (int)length, name);
}

static bool is_container(const layout *l, const px_node *n)
{
    size_t length;
    const char *name = px_tree_name(&l->tree, n, &length);
    return n->said == PX_SPLIT_UNKNOWN && px_name_is_container(name, length);
}

/* Whether an image is in the folder itself: its path goes on without a slash, or the tree ends here. */
static bool is_direct(const px_node *n, const px_block *b)
{
    return n->kids == 0 || !strchr(b->path + n->length + (n->length > 0), '/');
}

static void give(px_block *b, int split, int label)
{
    if (b->split != PX_SPLIT_LEFT_OUT) {
        b->split = split;
        b->label = label;
    }
}

/* The images that are in the folder itself; `beside`: there are class folders beside them. */
static void give_unlabeled(layout *l, const px_node *n, int split, bool beside)
{
    for (size_t k = n->first; k < n->last && n->direct > 0; k++) {
        px_block *b = l->tree.sorted[k];
        if (!is_direct(n, b))
            continue;
        give(b, split, -1);
        if (beside && l->strays++ == 0)
            l->first_stray = b;
    }
}

/* All images in and below the folder, which begins a class or is in one. `class`: the class's name so far. */
static void give_class(layout *l, const px_node *n, int split, const char *class, bool names)
{
    split = n->said >= 0 ? n->said : split;
    char *own = name_of(l, n), *text = NULL;
    if (names && l->c->options->classes == PX_CLASSES_LAST)
        text = own;
    else if (names && l->c->options->classes == PX_CLASSES_PATH)
        class = text = class ? px_format("%s/%s", class, own) : px_strdup(own);
    else if (!class)
        text = own;
    class = text ? text : class;
    int label = n->direct == 0 || l->c->options->classes == PX_CLASSES_NONE ? -1 : px_layout_class(l->c, class);
    for (size_t k = n->first; k < n->last && n->direct > 0; k++)
        if (is_direct(n, l->tree.sorted[k]))
            give(l->tree.sorted[k], split, label);
    for (int k = 0; k < n->kids; k++) {
        const px_node *kid = kid_of(l, n, k);
        bool container = is_container(l, kid);
        if (!container && kid->said < 0 && l->nested++ == 0 && l->automatic)
            l->first_nested = px_tree_path(&l->tree, kid);
        give_class(l, kid, split, class, !container);
    }
    if (text != own)
        free(text);
    free(own);
}

/* ---- what is not decided ----------------------------------------------------------------------------------------- */

static const char *source_of(const layout *l, const px_node *n)
{
    return l->c->sources[l->tree.sorted[n->first]->source];
}

static int refuse_mixed(const layout *l, const px_node *split, const px_node *other)
{
    char *a = px_tree_path(&l->tree, split), *b = px_tree_path(&l->tree, other);
    px_fail(PX_DATA,
            "%s: the folder %s is called like a split, %s beside it is not; split=%s:NAME makes that a split, "
            "split=%s:none leaves it out, split=%s:class makes %s a class",
            source_of(l, split), a, b, b, b, a, a);
    free(a);
    free(b);
    return -1;
}

static int refuse_inner_split(const layout *l, const px_node *inner)
{
    char *path = px_tree_path(&l->tree, inner);
    px_fail(
        PX_DATA,
        "%s: the folder %s is called like a split, but is in a folder that is something else; split=%s:NAME makes it "
        "a split, split=%s:class a class, split=%s:none leaves it out, classes=first ignores it",
        source_of(l, inner), path, path, path, path);
    free(path);
    return -1;
}

static int refuse_container(const layout *l, const px_node *container, const px_node *class)
{
    char *a = px_tree_path(&l->tree, container), *b = px_tree_path(&l->tree, class);
    px_fail(
        PX_DATA,
        "%s: the folder %s is not called like a class, %s beside it may be one; split=%s:none or split=%s:none leaves "
        "one of them out, classes=first makes both classes, classes=none neither",
        source_of(l, container), a, b, a, b);
    free(a);
    free(b);
    return -1;
}

static int refuse_two_levels(const layout *l, const px_node *class, const px_node *inner)
{
    char *a = px_tree_path(&l->tree, class), *b = px_tree_path(&l->tree, inner);
    px_fail(PX_DATA,
            "%s: the classes may be the folders above the splits (%s) or those in them (%s); classes=first, "
            "classes=last or classes=path decides",
            source_of(l, class), a, b);
    free(a);
    free(b);
    return -1;
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

static bool all_are_splits(const layout *l, const px_node *n)
{
    for (int k = 0; k < n->kids; k++)
        if (kid_of(l, n, k)->split < 0)
            return false;
    return n->kids > 0;
}

/* Whether split= says of all folders in `n` that they are splits. */
static bool all_are_said(const layout *l, const px_node *n)
{
    for (int k = 0; k < n->kids; k++)
        if (kid_of(l, n, k)->said < 0)
            return false;
    return n->kids > 0;
}

/* Goes down from a split's folder through folders that say nothing new: train/train, train/images. */
static px_node *inside(const layout *l, px_node *n)
{
    int split = n->split;
    while (n->kids == 1 && n->direct == 0) {
        px_node *kid = kid_of(l, n, 0);
        if (kid->said == PX_SPLIT_IS_CLASS || (kid->split != split && !is_container(l, kid)))
            break;
        n = kid;
    }
    return n;
}

/* CLASS/SPLIT/...: every class has its own splits. */
static int classes_then_splits(layout *l, px_node *at)
{
    for (int k = 0; k < at->kids; k++) {
        px_node *class = kid_of(l, at, k);
        char *name = name_of(l, class);
        int status = 0;
        class->level = PX_LEVEL_SPLITS;
        for (int s = 0; s < class->kids && status == 0; s++) {
            px_node *split = kid_of(l, class, s), *within = inside(l, split);
            if (l->automatic && within->kids > 0)
                status = refuse_two_levels(l, class, kid_of(l, within, 0));
            else
                give_class(l, within, split->split, name, false);
        }
        free(name);
        if (status != 0)
            return -1;
    }
    return 0;
}

/* The folders in `at` are classes of one split, or if `open`, of splits that are in them. */
static int classes_in(layout *l, px_node *at, int split, bool open)
{
    int containers = 0, pure = 0;
    const px_node *container = NULL, *class = NULL, *first_parted = NULL;
    for (int k = 0; k < at->kids; k++) {
        const px_node *kid = kid_of(l, at, k);
        bool is = is_container(l, kid), parts = open && all_are_splits(l, kid);
        containers += is;
        container = is ? kid : container;
        class = is ? class : kid;
        first_parted = parts && !first_parted && !all_are_said(l, kid) ? kid : first_parted;
        pure += parts && kid->direct == 0;
    }
    if (l->asks && px_layout_check_names(&l->tree, at) != 0)
        return -1;
    at->level = PX_LEVEL_CLASSES;
    give_unlabeled(l, at, split, at->kids > containers && l->c->options->classes != PX_CLASSES_NONE);
    if (l->automatic && containers > 0 && containers < at->kids)
        return refuse_container(l, container, class);
    if (containers == at->kids && l->automatic) {
        for (int k = 0; k < at->kids; k++)
            if (classes_in(l, kid_of(l, at, k), split, open) != 0)
                return -1;
        return 0;
    }
    if (pure == at->kids && at->direct == 0)
        return classes_then_splits(l, at);
    if (first_parted && l->automatic)
        return refuse_inner_split(l, kid_of(l, first_parted, 0));
    for (int k = 0; k < at->kids; k++)
        give_class(l, kid_of(l, at, k), split, NULL, true);
    return 0;
}

/* ---- splits ------------------------------------------------------------------------------------------------------ */

static void note_split(layout *l, const px_node *n)
{
    px_split_found *found = &l->c->found[n->split];
    if (found->folders++ == 0)
        found->first = px_tree_path(&l->tree, n);
}

static int splits_in(layout *l, px_node *at)
{
    at->level = PX_LEVEL_SPLITS;
    for (size_t k = at->first; k < at->last && at->direct > 0; k++)
        if (is_direct(at, l->tree.sorted[k])) {
            if (l->outside++ == 0)
                l->first_outside = l->tree.sorted[k];
            l->tree.sorted[k]->split = PX_SPLIT_LEFT_OUT;
        }
    for (int k = 0; k < at->kids; k++) {
        px_node *split = kid_of(l, at, k), *within = inside(l, split);
        note_split(l, split);
        bool inner = all_are_splits(l, within) && (within->kids > 1 || within->direct == 0),
             said = all_are_said(l, within);
        if (inner && !said && l->automatic)
            return refuse_inner_split(l, kid_of(l, within, 0));
        if ((inner && said ? splits_in(l, within) : classes_in(l, within, split->split, false)) != 0)
            return -1;
    }
    return 0;
}

/* Some folders in `at`, `calls` of them, are called like splits, the last of them is `called`; others are not. One that looks
 * like the others is a class. */
static int mixed(layout *l, px_node *at, int calls, const px_node *called, int split, bool known)
{
    px_node *other = NULL;
    bool said = false, alike = true;
    for (int k = 0; k < at->kids; k++) {
        px_node *kid = kid_of(l, at, k);
        other = kid->split >= 0 ? other : kid;
        said = said || kid->said >= 0;
        alike = alike && (kid->kids > 0) == (called->kids > 0);
    }
    if (said || calls > 1 || !alike)
        return refuse_mixed(l, called, other);
    int status = classes_in(l, at, split, !known);
    if (status == 0 && !known) {
        char *a = px_tree_path(&l->tree, called), *b = px_tree_path(&l->tree, other);
        px_log_warning(l->c->log, "the folder %s counts as a class beside %s, not as a split; split=%s:%s makes it one",
                       a, b, a, px_split_name(l->c, called->split));
        free(a);
        free(b);
    }
    return status;
}

/* The split of a source that is itself called train or val.tar. */
static int split_of_source(const char *source)
{
    size_t length = strlen(source), start;
    while (length > 1 && source[length - 1] == '/')
        length--;
    for (start = length; start > 0 && source[start - 1] != '/';)
        start--;
    size_t stem = px_source_stem(source + start);
    return px_split_of_name(source + start, stem < length - start ? stem : length - start);
}

/* Goes down to the first level that says something: splits, or classes. */
static int understand_source(layout *l, px_node *at)
{
    int own = split_of_source(source_of(l, at));
    for (;;) {
        int calls = 0;
        const px_node *called = NULL;
        for (int k = 0; k < at->kids; k++)
            if (kid_of(l, at, k)->split >= 0) {
                called = kid_of(l, at, k);
                calls++;
            }
        px_node *only = at->kids == 1 && at->direct == 0 ? kid_of(l, at, 0) : NULL;
        if (only && !called && only->said == PX_SPLIT_UNKNOWN && (only->direct == 0 || is_container(l, only))) {
            at = only;
            continue;
        }
        int split = own < 0 ? PX_SPLIT_TRAIN : own;
        if (!called && l->automatic && own < 0 && px_layout_take_splits(&l->tree, at))
            return splits_in(l, at);
        if (!called)
            return classes_in(l, at, split, own < 0);
        return calls == at->kids ? splits_in(l, at) : mixed(l, at, calls, called, split, own >= 0);
    }
}

/* ---- what is said ------------------------------------------------------------------------------------------------ */

static int by_place(const void *left, const void *right)
{
    const px_folder *a = *(px_folder *const *)left, *b = *(px_folder *const *)right;
    return a->source != b->source ? a->source - b->source : strcmp(a->path, b->path);
}

/* What other files are in the sources, so that a folder's are found by halving. */
static void sort_others(layout *l)
{
    l->other = px_calloc(l->c->skipped_count + 1, sizeof(px_folder *));
    for (size_t k = 0; k < l->c->skipped_count; k++)
        l->other[k] = &l->c->skipped[k];
    qsort(l->other, l->c->skipped_count, sizeof(px_folder *), by_place);
}

static bool has_other_files(const layout *l, const px_folder *folder)
{
    char *below = px_format("%s/", folder->path);
    const px_folder wanted = {.path = below, .source = folder->source}, *at = &wanted;
    size_t low = 0, high = l->c->skipped_count, length = strlen(below);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (by_place(&l->other[middle], &at) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool has = low < l->c->skipped_count && l->other[low]->source == folder->source &&
               strncmp(l->other[low]->path, below, length) == 0;
    free(below);
    return has;
}

/* A folder without images beside those of splits or classes is a mistake, or a class that would not be numbered. */
static int check_empty(layout *l, const px_folder *folder)
{
    const char *path = folder->path, *base = px_base_name(path);
    if (px_tree_find(&l->tree, folder->source, path) ||
        px_splits_of_folder(&l->c->splits, path, strlen(path)) == PX_SPLIT_LEFT_OUT)
        return 0;
    char *above = px_format("%.*s", (int)(base > path ? base - path - 1 : 0), path);
    const px_node *parent = px_tree_find(&l->tree, folder->source, above);
    free(above);
    if (parent && parent->level == PX_LEVEL_SPLITS && px_split_of_name(base, strlen(base)) >= 0)
        return px_fail(PX_DATA, "the split's folder %s contains no images; split=%s:none leaves it out", path, path);
    if (!parent || parent->level != PX_LEVEL_CLASSES || parent->kids == 0 || has_other_files(l, folder))
        return 0;
    if (!px_layout_has_class(l->c, base))
        return px_fail(PX_DATA, "the class folder %s contains no images; split=%s:none leaves it out", path, path);
    if (l->empty++ == 0)
        l->first_empty = folder;
    return 0;
}

static int check_split_option(const px_catalog *c)
{
    for (int i = 0; i < c->splits.maps; i++)
        if (!c->splits.map[i].used)
            return px_fail(PX_USAGE, "split: no folder %s contains images", c->splits.map[i].folder);
    return 0;
}

static void warn(const layout *l)
{
    char name[PX_ENTRY_NAME];
    px_log *log = l->c->log;
    if (l->strays > 0)
        px_log_warning(log, "%lld images are in no class folder and get no label; the first one is %s",
                       (long long)l->strays, px_block_name(l->c, l->first_stray, name));
    if (l->outside > 0)
        px_log_warning(log, "%lld images are in no split's folder and are left out; the first one is %s",
                       (long long)l->outside, px_block_name(l->c, l->first_outside, name));
    if (l->empty == 1)
        px_log_warning(log, "the class folder %s contains no images", l->first_empty->path);
    if (l->empty > 1)
        px_log_warning(log, "%lld class folders contain no images; the first one is %s", (long long)l->empty,
                       l->first_empty->path);
    if (l->first_nested)
        px_log_warning(
            log,
            "%lld folders are in class folders and count as parts of the class; the first is %s; classes=last "
            "makes them the classes, classes=path them and those above",
            (long long)l->nested, l->first_nested);
}

int px_layout_understand(px_catalog *c)
{
    layout l = {.c = c, .automatic = c->options->classes == PX_CLASSES_AUTO};
    int status = 0;
    l.asks = l.automatic && !(c->options->labels && c->options->labels[0]);
    px_tree_make(&l.tree, c);
    sort_others(&l);
    for (int r = 0; r < l.tree.roots && status == 0; r++)
        status = understand_source(&l, &l.tree.node[r]);
    for (size_t k = 0; k < c->folder_count && status == 0; k++)
        status = check_empty(&l, &c->folders[k]);
    if (status == 0)
        status = check_split_option(c);
    if (status == 0)
        warn(&l);
    for (size_t k = 0; k < c->block_count && c->splits.whole >= 0; k++)
        if (c->blocks[k].split != PX_SPLIT_LEFT_OUT)
            c->blocks[k].split = c->splits.whole;
    free(l.first_nested);
    free(l.other);
    px_tree_finish(&l.tree);
    return status;
}
