/* import_images.c - folders of JPEG and PNG files: [.../][SPLIT/]CLASS/[.../]NAME.ext */
#include "base/error.h"
#include "data/catalog.h"
#include "data/image.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool claims(const px_entry *entry)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png"};
    const char *dot = strrchr(px_base_name(entry->path), '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return entry->size >= 8 &&
           (memcmp(entry->bytes, "\xFF\xD8\xFF", 3) == 0 || memcmp(entry->bytes, "\x89PNG\r\n\x1a\n", 8) == 0);
}

typedef struct place {
    int split;            /* -1: the path does not name one */
    int class_at, length; /* place of the class's name within the path; length 0: none */
} place;

/* The class is the folder below the split's folder or, without a split, the folder that contains the file. */
static place parse(const char *path)
{
    place p = {.split = -1};
    bool below_split = false;
    const char *part = path;
    for (const char *slash; (slash = strchr(part, '/')); part = slash + 1) {
        int split = px_split_of_name(part, (size_t)(slash - part));
        if (split >= 0) {
            p = (place){.split = split};
            below_split = true;
        } else if (p.split < 0 || below_split) {
            p.class_at = (int)(part - path);
            p.length = (int)(slash - part);
            below_split = false;
        }
    }
    return p;
}

/* The split of a source that is itself called train or val.tar. */
static int split_of_source(const char *source)
{
    size_t length = strlen(source);
    while (length > 1 && source[length - 1] == '/')
        length--;
    size_t start = length;
    while (start > 0 && source[start - 1] != '/')
        start--;
    return px_split_of_name(source + start, strcspn(source + start, "./"));
}

static void use_folder(px_catalog *c, const char *path)
{
    size_t length = (size_t)(px_base_name(path) - path);
    for (size_t tried = 0; length > 0 && tried < c->folder_count; tried++) {
        size_t k = (c->folder_last + c->folder_count - tried) % c->folder_count;
        const char *folder = c->folders[k].path;
        if (strncmp(folder, path, length - 1) == 0 && folder[length - 1] == '\0') {
            c->folders[k].used = true;
            c->folder_last = k;
            return;
        }
    }
}

static int list(px_catalog *c, const px_entry *entry)
{
    char name[PX_ENTRY_NAME];
    int height, width, channels;
    if (px_image_probe(entry->bytes, entry->size, &height, &width, &channels,
                       px_entry_name(entry->source, entry->path, name)) != 0)
        return -1;
    place p = parse(entry->path);
    if (p.split < 0)
        p.split = split_of_source(entry->source);
    px_block *b = px_catalog_block(c, entry, &px_importer_images, p.split < 0 ? PX_SPLIT_TRAIN : p.split, 1);
    if (!b)
        return -1;
    b->height = height;
    b->width = width;
    b->channels = channels;
    b->class_at = p.class_at;
    b->class_length = p.length;
    use_folder(c, entry->path);
    return 0;
}

static int by_class(const void *left, const void *right)
{
    const px_block *a = *(px_block *const *)left, *b = *(px_block *const *)right;
    int shorter = a->class_length < b->class_length ? a->class_length : b->class_length;
    int order = memcmp(a->path + a->class_at, b->path + b->class_at, (size_t)shorter);
    return order ? order : a->class_length - b->class_length;
}

/* Numbers the classes in the sorted order of their names, as torchvision's ImageFolder does. */
static void number_classes(px_catalog *c)
{
    px_block **sorted = px_calloc(c->block_count, sizeof *sorted);
    size_t count = 0;
    for (size_t k = 0; k < c->block_count; k++)
        if (c->blocks[k].class_length > 0)
            sorted[count++] = &c->blocks[k];
    qsort(sorted, count, sizeof *sorted, by_class);
    c->class_names = px_calloc(count + 1, sizeof *c->class_names);
    for (size_t k = 0; k < count; k++) {
        px_block *b = sorted[k];
        if (k == 0 || by_class(&sorted[k - 1], &sorted[k]) != 0)
            c->class_names[c->classes++] = px_format("%.*s", b->class_length, b->path + b->class_at);
        b->label = c->classes - 1;
    }
    free(sorted);
}

/* Whether an image is in a folder below this one. */
static bool holds_images(const px_catalog *c, const px_folder *folder)
{
    size_t length = strlen(folder->path);
    for (size_t k = 0; k < c->folder_count; k++)
        if (c->folders[k].used && strncmp(c->folders[k].path, folder->path, length) == 0 &&
            (c->folders[k].path[length] == '/' || c->folders[k].path[length] == '\0'))
            return true;
    return false;
}

/* Whether there is a class beside this folder, so that this folder is a class, too. */
static bool beside_class(const px_catalog *c, const px_folder *folder)
{
    size_t length = (size_t)(px_base_name(folder->path) - folder->path);
    for (size_t k = 0; k < c->folder_count; k++) {
        const char *other = c->folders[k].path, *base = px_base_name(other);
        if (c->folders[k].used && (size_t)(base - other) == length && strncmp(other, folder->path, length) == 0 &&
            px_split_of_name(base, strlen(base)) < 0)
            return true;
    }
    return false;
}

static int check_folders(const px_catalog *c)
{
    for (size_t k = 0; k < c->folder_count; k++) {
        const char *path = c->folders[k].path, *base = px_base_name(path);
        if (c->folders[k].used || holds_images(c, &c->folders[k]))
            continue;
        if (px_split_of_name(base, strlen(base)) >= 0)
            return px_fail(PX_DATA, "the split's folder %s contains no images", path);
        if (beside_class(c, &c->folders[k]))
            return px_fail(PX_DATA, "the class folder %s contains no images", path);
    }
    return 0;
}

/* Warns of stray images beside the class folders, which are easily overlooked. */
static void speak_of_strays(const px_catalog *c)
{
    char name[PX_ENTRY_NAME];
    int64_t labeled[PX_SPLITS] = {0}, strays = 0;
    const px_block *first = NULL;
    for (size_t k = 0; k < c->block_count; k++)
        labeled[c->blocks[k].split] += c->blocks[k].class_length > 0;
    for (size_t k = 0; k < c->block_count; k++) {
        const px_block *b = &c->blocks[k];
        if (b->class_length == 0 && labeled[b->split] > 0 && strays++ == 0)
            first = b;
    }
    if (first)
        px_log_warning(c->log, "%lld images are in no class folder and get no label; the first one is %s",
                       (long long)strays, px_block_name(c, first, name));
}

static int finish(px_catalog *c)
{
    if (check_folders(c) != 0)
        return -1;
    number_classes(c);
    speak_of_strays(c);
    return 0;
}

const px_importer px_importer_images = {.name = "image files", .claims = claims, .list = list, .finish = finish};
