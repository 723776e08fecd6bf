/* test_bad_input.c - a table of bad inputs: configurations, sources of pack, data sets, weights, checkpoints. Each ends
 * with one clear line and the right status (with pretrain, on two ranks as well), and leaves no trace: no files in the
 * folder or where an archive tries to write, no incomplete output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bad_files.h"
#include "make_set.h"
#include "run.h"

#include <ftw.h>
#include <libconfig.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS = 5, AT_ONCE = 4 };

#define OPTIONS "data.path=d.h5", "batch=16", "epochs=1", "optim.warmup_epochs=0", "threads=1", "resnet.width=0.125"

/* libconfig 1.7 already refuses an integer of more than 64 bits, 1.5 does not. */
#if LIBCONFIG_VER_MAJOR > 1 || LIBCONFIG_VER_MINOR >= 7
#define TOO_LARGE "large.cfg:3: syntax error"
#else
#define TOO_LARGE "large.cfg:3: batch must be an integer, not 1e+23"
#endif

typedef struct bad_input {
    const char
        *words[WORDS]; /* pack and export write to x.h5 and x.safetensors, pretrain to x/ unless told otherwise */
    int status;
    const char *says;
    bool ranks; /* on two ranks, too */
} bad_input;

/* ---- the tables -------------------------------------------------------------------------------------------------- */

static const bad_input configurations[] = {
    {{"pretrain", "syntax.cfg"}, 2, "syntax.cfg:2: syntax error", true},
    {{"pretrain", "text.cfg"}, 2, "text.cfg:3: syntax error", false},
    {{"pretrain", "twice.cfg"}, 2, "twice.cfg:2: duplicate setting name", false},
    {{"pretrain", "type.cfg"}, 2, "type.cfg:1: optim.lr must be a number, not a list", false},
    {{"pretrain", "large.cfg"}, 2, TOO_LARGE, false},
    {{"pretrain", "group.cfg"}, 2, "group.cfg:1: 'optim' is a group and has no value itself; set optim.KEY", false},
    {{"pretrain", "value.cfg"}, 2, "value.cfg:1: ", false},
    {{"pretrain", "folder.cfg"}, 2, "folder.cfg:2: @include \"images-empty\": is not a file", true},
    {{"pretrain", "itself.cfg"}, 2, "itself.cfg:1: include file nesting too deep", false},
    {{"pretrain", "nothing.cfg"}, 2, "nothing.cfg:1: cannot open include file", false},
    {{"pretrain", "range.cfg"}, 2, "range.cfg:1: optim.lr must be ", false},
    {{"pretrain", "binary.cfg"}, 2, "binary.cfg: contains a zero byte, but a configuration is text", false},
    {{"pretrain", "images-empty"}, 2, "images-empty: Is a directory", true},
    {{"pretrain", "nowhere.cfg"}, 2, "nowhere.cfg: No such file or directory", true},
    {{"pretrain", "batch="}, 2, "batch must be an integer, not \"\"", false},
    {{"pretrain", "optim.lr=nan"}, 2, "optim.lr must be ", false},
    {{"pretrain", "seed=1e400"}, 2, "seed must be an integer", false},
};

static const bad_input sources[] = {
    {{"pack", "idx-type"}, 3, "train-images-idx3-ubyte: is not an IDX file", false},
    {{"pack", "idx-axes"}, 3, "train-images-idx3-ubyte: is not an IDX file", false},
    {{"pack", "idx-header"}, 3, "train-images-idx3-ubyte: is not an IDX file", false},
    {{"pack", "idx-huge"}, 3, "train-images-idx3-ubyte: is not an IDX file", false},
    {{"pack", "idx-cut"}, 3, "is truncated: it has 17 bytes, but its header announces 20", false},
    {{"pack", "idx-claims"}, 3, "is truncated: it has 20 bytes, but its header announces 1683627179264", false},
    {{"pack", "idx-long"}, 3, "it has 23 bytes, but its header announces 20", false},
    {{"pack", "idx-none"}, 3, "train-images-idx3-ubyte: contains 0 images of 1 x 2 x 1", false},
    {{"pack", "idx-labels"}, 3, "train-labels-idx1-ubyte: contains 3 labels for the 2 images of", false},
    {{"pack", "idx-empty"}, 3, "train-labels-idx1-ubyte: is empty", false},
    {{"pack", "idx-names", "class_names=a,a"}, 2, "class_names gives two classes the name a", false},
    {{"pack", "idx-names", "class_names=a"}, 2, "class_names gives 1 names, but the sources have 2 classes", false},
    {{"pack", "cifar-cut"},
     3,
     "data_batch_1.bin: is truncated or does not have the format CIFAR-10: 6145 bytes",
     false},
    {{"pack", "cifar-empty"}, 3, "data_batch_1.bin: is empty", false},
    {{"pack", "cifar-label"}, 3, "data_batch_1.bin: label 10 of image 1 is not in 0..9", false},
    {{"pack", "cifar-fine"}, 3, "train.bin: label 100 of image 0 is not in 0..99", false},
    {{"pack", "cifar-twice"}, 3, "batches.meta.txt: gives two classes the name cat", false},
    {{"pack", "cifar-names"}, 3, "batches.meta.txt: names 2 classes, but CIFAR-10 has 10", false},
    {{"pack", "cifar-both"}, 3, "train.bin: has the format CIFAR-100, but the files before it have CIFAR-10", false},
    {{"pack", "stl-cut"}, 3, "train_X.bin: is truncated or does not have the format STL-10", false},
    {{"pack", "stl-alone"}, 3, "train_X.bin: its labels are missing (train_y.bin)", false},
    {{"pack", "stl-zero"}, 3, "train_y.bin: label 0 of image 0 is not in 1..10", false},
    {{"pack", "stl-high"}, 3, "train_y.bin: label 11 of image 0 is not in 1..10", false},
    {{"pack", "images-cut"}, 3, "a/1.jpg: cannot be decoded: Premature end of JPEG file", false},
    {{"pack", "images-cmyk"}, 3, "a/1.jpg: cannot be decoded: Premature end of JPEG file", false},
    {{"pack", "images-head"}, 3, "a/1.jpg: cannot be decoded: ", false},
    {{"pack", "images-wide"},
     3,
     "a/1.jpg: is 65500 x 65500 pixels; at most 65500 per side and 256 million in all",
     false},
    {{"pack", "images-claims"}, 3, "a/1.jpg: claims 16383 x 16383 pixels, which its ", false},
    {{"pack", "images-deep"}, 3, "a/1.png: cannot be decoded: ", false},
    {{"pack", "images-hollow"}, 3, "a/1.png: claims 12000 x 12000 pixels, which its ", false},
    {{"pack", "images-vast"}, 3, "a/1.png: is 65000 x 65000 pixels", false},
    {{"pack", "images-bit"}, 3, "a/1.png: cannot be decoded: ", false},
    {{"pack", "images-text"}, 3, "a/1.jpg: cannot be decoded: it is neither JPEG nor PNG", false},
    {{"pack", "images-zero"}, 3, "a/2.jpg: is empty", false},
    {{"pack", "images-sizes", "store=raw"}, 3, "raw storage needs one size", false},
    {{"pack", "images-class"}, 3, "class b has images in split test but none in split train", false},
    {{"pack", "images-loop"}, 3, "images-loop/a/up: is a link to a folder that contains it", false},
    {{"pack", "images-link"}, 3, "images-link/a/2.png: is a link to a file that does not exist", false},
    {{"pack", "images-empty"}, 3, "images-empty: contains no images", false},
    {{"pack", "nothing.h5x"}, 3, "nothing.h5x: is empty", false},
    {{"pack", "/dev/null"}, 3, "/dev/null: is neither a file nor a folder", false},
    {{"pack", "up.tar"}, 3, "up.tar: entry a/../../escaped.png leads out of the archive", false},
    {{"pack", "up-first.tar"}, 3, "up-first.tar: entry ../escaped.png leads out of the archive", false},
    {{"pack", "up.zip"}, 3, "up.zip: entry ../../escaped.png leads out of the archive", false},
    {{"pack", "lines.tar"}, 3, "lines.tar: a/two?lines.png: cannot be decoded: it is neither JPEG nor PNG", false},
    {{"pack", "symlink.tar"}, 3, "symlink.tar: contains no images", false},
    {{"pack", "hardlink.tar"}, 3, "hardlink.tar: contains no images", false},
    {{"pack", "cut.tar"}, 3, "the archive is damaged or cut off", false},
    {{"pack", "cut.zip"}, 3, "the archive is damaged or cut off", false},
    {{"pack", "cut.tar.xz"}, 3, "the archive is damaged or cut off", false},
    {{"pack", "nested.tar"}, 3, "archives nested more than 4 deep are not read", false},
    {{"pack", "bomb-images-idx3-ubyte.gz"}, 3, "unpacks to more than 500 times its size", false},
    {{"pack", "bomb.tar.bz2"}, 3, "bomb.tar.bz2: unpacks to more than 500 times its size", false},
    {{"pack", "bomb.zip"}, 3, "bomb.zip: unpacks to more than 500 times its size", false},
};

static const bad_input sets[] = {
    {{"pretrain", "data.path=set-float.h5"}, 3, "set-float.h5: /images has the wrong type; uint8 expected", true},
    {{"pretrain", "data.path=set-text.h5"}, 3, "set-text.h5: /images has the wrong type; uint8 expected", false},
    {{"pretrain", "data.path=set-axes.h5"}, 3, "set-axes.h5: /images has 3 axes, but 4 are expected", false},
    {{"pretrain", "data.path=set-channels.h5"}, 3, "set-channels.h5: /images is (96, 16, 16, 2), but ", false},
    {{"pretrain", "data.path=set-huge.h5"},
     3,
     "set-huge.h5: /images claims to be larger than the file can contain",
     true},
    {{"pretrain", "data.path=set-overflow.h5"}, 3, "set-overflow.h5: /images is (1125899906842624, ", false},
    {{"pretrain", "data.path=set-none.h5"}, 3, "set-none.h5: has neither /images nor /encoded", false},
    {{"pretrain", "data.path=set-group.h5"}, 3, "set-group.h5: /images cannot be read: ", false},
    {{"pretrain", "data.path=set-label-type.h5"}, 3, "/labels has the wrong type; integers expected", false},
    {{"pretrain", "data.path=set-label-count.h5"}, 3, "/labels has 95 entries, but 96 are expected", false},
    {{"pretrain", "data.path=set-label.h5"}, 3, "set-label.h5: label 5 of image 7 is not in 0..4", true},
    {{"pretrain", "data.path=set-classes.h5"}, 3, "set-classes.h5: has labels up to 2147483647, but at most ", false},
    {{"pretrain", "data.path=set-split.h5"}, 3, "set-split.h5: split 2 of image 9 is not in 0..1", false},
    {{"pretrain", "data.path=set-no-split.h5"}, 3, "/split and the attribute split_names belong together", false},
    {{"pretrain", "data.path=set-names.h5"}, 3, "set-names.h5: attribute class_names must be strings", false},
    {{"pretrain", "data.path=set-mean.h5"}, 3, "of channel 1 cannot be used to normalise", false},
    {{"pretrain", "data.path=set-std.h5"}, 3, "of channel 2 cannot be used to normalise", false},
    {{"pretrain", "data.path=set-two-means.h5"}, 3, "set-two-means.h5: attribute mean must be 3 numbers", false},
    {{"pretrain", "data.path=set-no-std.h5"}, 3, "set-no-std.h5: has no attribute std (3 numbers)", false},
    {{"pretrain", "data.path=set-outside.h5"}, 3, "set-outside.h5: /offsets gives image 95 the bytes 9500 to ", false},
    {{"pretrain", "data.path=set-falling.h5"},
     3,
     "set-falling.h5: /offsets gives image 2 the bytes 200 to 0 of",
     false},
    {{"pretrain", "data.path=set-no-offsets.h5"}, 3, "has /encoded but no /offsets", false},
    {{"pretrain", "data.path=set-many.h5"}, 3, "set-many.h5: /offsets claims to be larger than the file can", false},
    {{"pretrain", "data.path=set-cut.h5"}, 3, "set-cut.h5: cannot be opened: truncated file", true},
    {{"pretrain", "data.path=set-head.h5"}, 3, "set-head.h5: cannot be opened: ", false},
    {{"pretrain", "data.path=set-zero.h5"}, 3, "set-zero.h5: is not an HDF5 file", false},
    {{"probe", "ok", "data.path=set-float.h5"}, 3, "set-float.h5: /images has the wrong type", false},
    {{"features", "ok", "out=x.h5", "data.path=set-huge.h5"}, 3, "/images claims to be larger than", false},
};

static const bad_input weights[] = {
    {{"pretrain", "init=w-zero.safetensors"},
     3,
     "w-zero.safetensors: is not a safetensors file, it has 0 bytes",
     false},
    {{"pretrain", "init=w-header.safetensors"}, 3, "is cut off: a header of 1000 bytes in a file of 26", true},
    {{"pretrain", "init=w-largest.safetensors"}, 3, "is cut off: a header of 18446744073709551608 bytes in a", false},
    {{"pretrain", "init=w-json.safetensors"}, 3, "its header is not JSON from byte 6 on", false},
    {{"pretrain", "init=w-list.safetensors"}, 3, "its header is not a JSON object", false},
    {{"pretrain", "init=w-deep.safetensors"}, 3, "tensor w has no dtype", false},
    {{"pretrain", "init=w-overlap.safetensors"}, 3, "w-overlap.safetensors: tensors a and b overlap", true},
    {{"pretrain", "init=w-outside.safetensors"},
     3,
     "tensor a ends at byte 20 of the data, but the file has only",
     false},
    {{"pretrain", "init=w-overflow.safetensors"}, 3, "tensor a ends at byte 9223372036854775807 of the data", true},
    {{"pretrain", "init=w-too-large.safetensors"}, 3, "its header is not JSON from byte ", false},
    {{"pretrain", "init=w-backward.safetensors"}, 3, "tensor a: its data_offsets are not [begin, end]", false},
    {{"pretrain", "init=w-negative.safetensors"}, 3, "extent 1 of its shape is not a whole number >= 0", true},
    {{"pretrain", "init=w-product.safetensors"}, 3, "tensor a: its shape is larger than any file", false},
    {{"pretrain", "init=w-size.safetensors"}, 3, "tensor a, F32 (3), takes 12 bytes, not 8", false},
    {{"pretrain", "init=w-twice.safetensors"}, 3, "its header is not JSON from byte ", false},
    {{"pretrain", "init=w-type.safetensors"},
     3,
     "tensor conv1.weight has the type I64, but only F32, F16, BF16 and F64",
     false},
    {{"pretrain", "init=w-lines.safetensors"}, 3, "tensor a?b, F32 (3), takes 12 bytes, not 8", false},
    {{"pretrain", "init=w-wide.safetensors"}, 3, "tensor a, F32 (0, 1000000000000000000, ", false},
    {{"features", "w-overlap.safetensors", "out=x.h5", "data.path=d.h5"}, 3, "tensors a and b overlap", false},
};

static const bad_input checkpoints[] = {
    {{"pretrain", "--resume", "out=r-no-config"}, 3, "checkpoint.h5: is not a checkpoint of format 1", true},
    {{"pretrain", "--resume", "out=r-no-step"}, 3, "checkpoint.h5: is not a checkpoint of format 1", false},
    {{"pretrain", "--resume", "out=r-no-parameters"}, 2, "contains no parameters/conv1.weight", false},
    {{"pretrain", "--resume", "out=r-no-weight"}, 2, "contains no parameters/conv1.weight", true},
    {{"pretrain", "--resume", "out=r-no-optimizer"}, 2, "contains no optimizer/", false},
    {{"pretrain", "--resume", "out=r-text"}, 3, "parameters/conv1.weight is damaged: ", true},
    {{"pretrain", "--resume", "out=r-shape"}, 2, "parameters/conv1.weight is (8, 3, 3, 2), but the model has", false},
    {{"pretrain", "--resume", "out=r-six-axes"}, 2, "parameters/conv1.weight is (1, 1, 8, 3, 3", false},
    {{"pretrain", "--resume", "out=r-group"}, 3, "parameters/conv1.weight is damaged: ", false},
    {{"pretrain", "--resume", "out=r-huge"}, 2, "parameters/conv1.weight is (1099511627776, 1048576, 3, 3)", true},
    {{"pretrain", "--resume", "out=r-configs"}, 3, "checkpoint.h5: is not a checkpoint of format 1", true},
    {{"pretrain", "--resume", "out=r-config-type"}, 3, "checkpoint.h5: is not a checkpoint of format 1", false},
    {{"pretrain", "--resume", "out=r-steps"}, 3, "checkpoint.h5: is not a checkpoint of format 1", true},
    {{"pretrain", "--resume", "out=r-step-type"}, 3, "checkpoint.h5: is not a checkpoint of format 1", false},
    {{"pretrain", "--resume", "out=r-format"}, 3, "checkpoint.h5: is not a checkpoint of format 1", false},
    {{"pretrain", "--resume", "out=r-cut"}, 3, "checkpoint.h5: is not a complete HDF5 file: ", true},
    {{"pretrain", "--resume", "out=r-zero"}, 3, "checkpoint.h5: is not a complete HDF5 file", false},
    {{"export", "c-no-config.h5"}, 3, "c-no-config.h5: is not a checkpoint of format 1", false},
    {{"export", "c-configs.h5"}, 3, "c-configs.h5: is not a checkpoint of format 1", false},
    {{"export", "c-steps.h5"}, 3, "c-steps.h5: is not a checkpoint of format 1", false},
    {{"export", "c-config.h5"}, 2, "c-config.h5:1: syntax error", false},
    {{"export", "c-no-parameters.h5"}, 3, "c-no-parameters.h5: contains no parameters", false},
    {{"export", "c-text.h5"}, 3, "c-text.h5: parameters/conv1.weight is damaged: ", false},
    {{"export", "c-six-axes.h5"}, 3, "parameters/conv1.weight has 6 axes, but at most 5 are supported", false},
    {{"export", "c-group.h5"}, 3, "parameters/conv1.weight is damaged: ", false},
    {{"export", "c-huge.h5"}, 3, "parameters/conv1.weight claims to be larger than the file can contain", false},
    {{"export", "c-cut.h5"}, 3, "c-cut.h5: is not a complete HDF5 file: ", false},
    {{"export", "c-head.h5"}, 3, "c-head.h5: is not a complete HDF5 file: ", false},
    {{"export", "c-old.h5"}, 3, "c-old.h5: is not a checkpoint of format 1: it is in an older HDF5 format", false},
    {{"export", "c-zero.h5"}, 3, "c-zero.h5: is not a complete HDF5 file", false},
    {{"export", "d.h5"}, 3, "d.h5: is not a checkpoint of format 1", false},
    {{"probe", "r-shape"}, 2, "parameters/conv1.weight is (8, 3, 3, 2), but the model has", false},
    {{"features", "c-text.h5", "out=x.h5"}, 3, "parameters/conv1.weight is damaged: ", false},
};

/* ---- what must not change ---------------------------------------------------------------------------------------- */

static FILE *listing;

static int list_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
    if (strcmp(path + where->base, "log.txt") == 0) /* a run's log also tells of a start that was refused */
        return 0;
    fprintf(listing, "%s %d %lld %lld.%09ld\n", path, type, type == FTW_D ? 0 : (long long)about->st_size,
            type == FTW_D ? 0 : (long long)about->st_mtim.tv_sec, type == FTW_D ? 0 : about->st_mtim.tv_nsec);
    return 0;
}

/* Lists everything in the folder above the current one: names, sizes, times. A new string. */
static char *list_all(void)
{
    char *text;
    size_t size;
    listing = open_memstream(&text, &size);
    assert_int_equal(nftw("..", list_one, 16, FTW_PHYS), 0);
    fclose(listing);
    return text;
}

static void expect_same_files(const char *before, const char *after)
{
    char *now = list_all();
    if (strcmp(before, now) != 0) {
        size_t line = 0;
        for (size_t i = 0; before[i] == now[i]; i++)
            line = now[i] == '\n' ? i + 1 : line;
        fail_msg("%s: left or changed %.*s", after, (int)strcspn(now + line, "\n"), now + line);
    }
    free(now);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static int append(const char **words, int count, const char *const *more)
{
    for (int i = 0; more[i]; i++)
        words[count++] = more[i];
    return count;
}

static run_child start(const bad_input *c, int ranks)
{
    const char *words[WORDS + 12] = {c->words[0]};
    int n = 1;
    if (strcmp(c->words[0], "pretrain") == 0)
        n = append(words, n, (const char *const[]){"out=x", OPTIONS, NULL});
    for (int i = 1; i < WORDS && c->words[i]; i++)
        words[n++] = c->words[i];
    if (strcmp(c->words[0], "pack") == 0)
        n = append(words, n, (const char *const[]){"out=x.h5", NULL});
    if (strcmp(c->words[0], "export") == 0)
        n = append(words, n, (const char *const[]){"out=x.safetensors", NULL});
    return run_start(ranks, words);
}

/* None of mpirun's own lines begins like this. */
static void check_line(const bad_input *c, run_result *r, bool alone)
{
    char *prefix = px_format("pretext %s: ", c->words[0]), *line = NULL;
    int lines = 0;
    for (char *at = r->err; *at; at += strcspn(at, "\n") + (strchr(at, '\n') != NULL))
        if (strncmp(at, "pretext", 7) == 0) {
            line = at;
            lines++;
        }
    if (r->status != c->status || lines != 1 || strncmp(line, prefix, strlen(prefix)) != 0 || !strstr(line, c->says) ||
        (alone && strchr(r->err, '\n') != r->err + strlen(r->err) - 1) || *r->out)
        fail_msg("%s %s: status %d, expected %d and '%s':\n%s%s", c->words[0], c->words[1], r->status, c->status,
                 c->says, r->err, r->out);
    free(prefix);
}

/* pretrain --resume locks its folder, so two of them must not share one. */
static void refuse(const bad_input *cases, size_t total)
{
    char *before = list_all();
    for (size_t first = 0; first < total; first += AT_ONCE) {
        run_child child[AT_ONCE];
        size_t count = total - first < AT_ONCE ? total - first : AT_ONCE;
        for (size_t i = 0; i < count; i++)
            child[i] = start(&cases[first + i], 0);
        for (size_t i = 0; i < count; i++) {
            run_result r = run_wait(&child[i]);
            check_line(&cases[first + i], &r, true);
            run_finish(&r);
        }
        expect_same_files(before, cases[first].says);
    }
    for (size_t i = 0; i < total; i++) {
        if (!cases[i].ranks)
            continue;
        run_child child = start(&cases[i], 2);
        run_result r = run_wait(&child);
        check_line(&cases[i], &r, false);
        run_finish(&r);
        expect_same_files(before, cases[i].says);
    }
    free(before);
}

#define REFUSES(table)                                                                                                 \
    static void refuses_##table(void **state)                                                                          \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        refuse(table, sizeof table / sizeof *table);                                                                   \
    }
REFUSES(configurations)
REFUSES(sources)
REFUSES(sets)
REFUSES(weights)
REFUSES(checkpoints)

/* Odd input that is accepted: absolute names in an archive (nothing is written there); CMYK and 16-bit pictures. */
static void odd_but_good(void **state)
{
    (void)state;
    static const char *const names[] = {"absolute.tar", "images-odd"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *before = list_all();
        run_result r = RUN("pack", names[i], "out=x.h5");
        if (r.status != 0)
            fail_msg("%s", r.err);
        run_finish(&r);
        assert_int_equal(remove("x.h5"), 0);
        expect_same_files(before, names[i]);
        free(before);
    }
}

static void make_good_files(void)
{
    set_spec s = {.count = 96, .side = 16, .channels = 3, .classes = 5};
    free(make_set(".", "d.h5", &s));
    s.encoded = true;
    free(make_set(".", "e.h5", &s));
    run_result r = RUN("pretrain", "out=ok", OPTIONS);
    if (r.status != 0)
        fail_msg("%s", r.err);
    run_finish(&r);
}

static int set_up(void **state)
{
    char *folder = run_folder_create(), *work = px_format("%s/work", folder);
    assert_int_equal(mkdir(work, 0777), 0); /* with a folder above that belongs to us */
    assert_int_equal(chdir(work), 0);
    free(work);
    make_good_files();
    bad_files_configurations();
    bad_files_sources();
    bad_files_sets();
    bad_files_weights();
    bad_files_checkpoints();
    *state = folder;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(refuses_configurations), cmocka_unit_test(refuses_sources),
                                       cmocka_unit_test(refuses_sets),           cmocka_unit_test(refuses_weights),
                                       cmocka_unit_test(refuses_checkpoints),    cmocka_unit_test(odd_but_good)};
    return cmocka_run_group_tests_name("bad input", tests, set_up, run_folder_leave);
}
