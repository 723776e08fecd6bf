/* names.c - the lists of words by which folders are understood. */
#include "data/names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WORD = 24 }; /* longer words are in no list */

const char *const px_split_standard[] = {"train", "val", "test", "unlabeled"};

typedef struct word {
    char text[WORD]; /* lower case; a longer word is cut off */
    bool number;
} word;

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

/* Whether a word ends between the letters at i - 1 and i: "trainSet", "JPEGImages". */
static bool capital_begins(const char *name, size_t length, size_t i)
{
    return is_upper(name[i]) &&
           (is_lower(name[i - 1]) || (is_upper(name[i - 1]) && i + 1 < length && is_lower(name[i + 1])));
}

/* Takes the next word from *at on. False at the end. */
static bool next_word(const char *name, size_t length, size_t *at, word *w)
{
    size_t i = *at, n = 0;
    while (i < length && !is_letter(name[i]) && !isdigit((unsigned char)name[i]))
        i++;
    if (i == length)
        return false;
    *w = (word){.number = isdigit((unsigned char)name[i]) != 0};
    for (size_t first = i; i < length; i++) {
        if (w->number ? !isdigit((unsigned char)name[i]) : !is_letter(name[i]))
            break;
        if (i > first && !w->number && capital_begins(name, length, i))
            break;
        if (n + 1 < WORD)
            w->text[n++] = (char)tolower((unsigned char)name[i]);
    }
    *at = i;
    return true;
}

static bool in_list(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

/* Words that say nothing about what is in a folder. */
static bool says_nothing(const word *w)
{
    static const char *const fillers[] = {
        "set",   "sets",    "data",     "dataset", "datasets", "image",    "images",     "img",       "imgs",  "pic",
        "pics",  "picture", "pictures", "photo",   "photos",   "jpg",      "jpeg",       "jpegs",     "png",   "pngs",
        "seg",   "split",   "splits",   "folder",  "folders",  "file",     "files",      "part",      "parts", "x",
        "input", "inputs",  "resized",  "cropped", "ilsvrc",   "imagenet", "imagenette", "imagewoof", "coco",  "voc",
        "tiny",  "places",  "standard", "cls",     "loc",      NULL};
    return w->number || in_list(w->text, fillers);
}

static int split_of_whole_word(const char *text)
{
    static const char *const words[][12] = {{"train", "training", "trn", "trainval", NULL},
                                            {"val", "valid", "validation", "validate", "dev", "devel", "development",
                                             "eval", "evaluation", "holdout", "heldout", NULL},
                                            {"test", "testing", "tst", "tests", NULL},
                                            {"unlabeled", "unlabelled", "unlabel", "unlab", "nolabel", "nolabels",
                                             "unsupervised", "unsup", "pred", "prediction", "predictions", NULL}};
    for (int s = 0; s < PX_SPLITS_STANDARD; s++)
        if (in_list(text, words[s]))
            return s;
    return -1;
}

/* Of a word, or of what remains without an ending: "testset", "trainimages". */
static int split_of_word(const word *w)
{
    static const char *const endings[] = {"set", "data", "images", "image", "imgs", "img", "folder", NULL};
    int split = split_of_whole_word(w->text);
    size_t length = strlen(w->text);
    for (int i = 0; endings[i] && split < 0; i++) {
        size_t ending = strlen(endings[i]);
        if (length <= ending || strcmp(w->text + length - ending, endings[i]) != 0)
            continue;
        word stem = *w;
        stem.text[length - ending] = '\0';
        split = split_of_whole_word(stem.text);
    }
    return split;
}

int px_split_of_name(const char *name, size_t length)
{
    static const char *const negations[] = {"un", "no", "non", "not", "without", NULL};
    static const char *const labels[] = {"label", "labels", "labeled", "labelled", NULL};
    bool negated = false;
    int found = -1;
    word w;
    for (size_t at = 0; next_word(name, length, &at, &w);) {
        bool unlabeled = negated && in_list(w.text, labels);
        int split = unlabeled ? PX_SPLIT_UNLABELED : split_of_word(&w);
        negated = in_list(w.text, negations);
        if (split < 0 && !negated && !says_nothing(&w))
            return -1;
        if (found == PX_SPLIT_TRAIN && split == PX_SPLIT_VAL)
            continue; /* train_val, VOC's name for both, is what is trained on */
        if (split >= 0 && found >= 0 && split != found)
            return -1;
        found = split >= 0 ? split : found;
    }
    return negated ? -1 : found;
}

int px_split_in_name(const char *name, size_t length, char rest[PX_NAME_REST])
{
    int found = -1;
    bool several = false;
    size_t used = 0;
    word w;
    rest[0] = '\0';
    for (size_t at = 0; next_word(name, length, &at, &w);) {
        int split = split_of_word(&w);
        several = several || (split >= 0 && found >= 0 && split != found);
        found = split >= 0 ? split : found;
        if (split >= 0 || says_nothing(&w) || used + strlen(w.text) + 2 > PX_NAME_REST)
            continue;
        used += (size_t)sprintf(rest + used, "%s%s", used ? " " : "", w.text);
    }
    return several ? -1 : found;
}

bool px_name_is_fold(const char *name, size_t length)
{
    static const char *const words[] = {"fold", "kfold", "cv", "cvfold", NULL};
    bool fold = false, number = false;
    word w;
    for (size_t at = 0; next_word(name, length, &at, &w);) {
        bool is = in_list(w.text, words);
        if (!is && !says_nothing(&w))
            return false;
        fold = fold || is;
        number = number || w.number;
    }
    return fold && number;
}

bool px_name_is_container(const char *name, size_t length)
{
    static const char *const words[] = {"image", "images",  "img",   "imgs",  "jpg",    "jpeg",
                                        "jpegs", "png",     "pngs",  "pics",  "photos", "pictures",
                                        "data",  "dataset", "files", "input", "inputs", NULL};
    bool contains = false;
    word w;
    for (size_t at = 0; next_word(name, length, &at, &w);) {
        if (!w.number && !in_list(w.text, words))
            return false;
        contains = contains || !w.number;
    }
    return contains;
}

bool px_name_is_junk(const char *name, size_t length)
{
    static const char *const junk[] = {"__MACOSX",
                                       "@eaDir",
                                       "#recycle",
                                       "@Recycle",
                                       "@Recently-Snapshot",
                                       "$RECYCLE.BIN",
                                       "System Volume Information",
                                       "lost+found",
                                       "Thumbs.db",
                                       "ehthumbs.db",
                                       "desktop.ini",
                                       "Icon\r",
                                       "__pycache__",
                                       NULL};
    if (length > 0 && name[0] == '.')
        return true;
    for (int i = 0; junk[i]; i++)
        if (strlen(junk[i]) == length && strncasecmp(name, junk[i], length) == 0)
            return true;
    return false;
}

bool px_name_is_picture(const char *path)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff",
                                          ".bmp", ".dib",  ".gif", ".ppm",  ".pgm", ".pbm",  ".pnm", NULL};
    const char *dot = strrchr(path, '.');
    for (int i = 0; dot && endings[i]; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

const char *px_name_other_picture(const char *path)
{
    static const char *const kinds[][2] = {{".heic", "HEIC"},   {".heif", "HEIC"},     {".avif", "AVIF"},
                                           {".jxl", "JPEG XL"}, {".jp2", "JPEG 2000"}, {".exr", "OpenEXR"},
                                           {".dcm", "DICOM"},   {".svg", "SVG"},       {NULL, NULL}};
    const char *dot = strrchr(path, '.');
    for (int i = 0; dot && kinds[i][0]; i++)
        if (strcasecmp(dot, kinds[i][0]) == 0)
            return kinds[i][1];
    return NULL;
}
