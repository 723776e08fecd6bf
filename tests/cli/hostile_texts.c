/* hostile_texts.c - hostile configurations and arguments (hostile.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "hostile.h"

#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* libconfig 1.7 already refuses an integer of more than 64 bits, 1.5 does not. */
#if LIBCONFIG_VER_MAJOR > 1 || LIBCONFIG_VER_MINOR >= 7
#define TOO_LARGE "large.cfg:3: syntax error"
#else
#define TOO_LARGE "large.cfg:3: batch must be an integer, not 1e+23"
#endif

/* The text `text`, or `size` bytes of it. */
static void text(const hostile *h)
{
    hostile_put(h->name, h->text, h->size ? (size_t)h->size : strlen(h->text));
}

/* The text `text`, `size` times; %d in it is a number that grows. */
static void repeated(const hostile *h)
{
    char *all;
    size_t size;
    FILE *out = open_memstream(&all, &size);
    for (int i = 0; i < h->size; i++) {
        const char *number = strstr(h->text, "%d");
        if (number)
            fprintf(out, "%.*s%d%s", (int)(number - h->text), h->text, i, number + 2);
        else
            fputs(h->text, out);
    }
    fclose(out);
    hostile_put(h->name, all, size);
    free(all);
}

static void folder(const hostile *h)
{
    assert_int_equal(mkdir(h->name, 0777), 0);
}

static void pipe_file(const hostile *h)
{
    assert_int_equal(mkfifo(h->name, 0666), 0);
}

/* A configuration that includes a folder. */
static void includes_folder(const hostile *h)
{
    text(h);
    assert_int_equal(mkdir("below", 0777), 0);
}

/* A configuration that includes another one, which includes itself several times. */
static void includes_twice(const hostile *h)
{
    text(h);
    hostile_put("self.cfg", h->text, strlen(h->text));
}

#define CONFIGURATION(NAME, MAKE, STATUS, SAYS, ...)                                                                   \
    {                                                                                                                  \
        .name = NAME ".cfg", .make = MAKE, .status = STATUS, .says = SAYS, __VA_ARGS__                                 \
    }

static const hostile configurations[] = {
    CONFIGURATION("syntax", text, 2, "syntax.cfg:2: syntax error", .text = "epochs = 3;\nbatch = = 4;\n",
                  .ranks = true),
    CONFIGURATION("open", text, 2, "open.cfg:3: syntax error", .text = "epochs = 3;\nout = \"no end;\n"),
    CONFIGURATION("twice", text, 2, "twice.cfg:2: duplicate setting name", .text = "epochs = 3;\nepochs = 4;\n"),
    CONFIGURATION("type", text, 2, "type.cfg:1: optim.lr must be a number, not a list",
                  .text = "optim = { lr = [1, 2]; };\n"),
    CONFIGURATION("large", text, 2, TOO_LARGE, .text = "\n\nbatch = 99999999999999999999999;\n"),
    CONFIGURATION("group", text, 2, "group.cfg:1: 'optim' is a group and has no value itself; set optim.KEY",
                  .text = "optim = 3;\n"),
    CONFIGURATION("value", text, 2, "value.cfg:1: ", .text = "epochs = { lr = 3; };\n"),
    CONFIGURATION("folder", includes_folder, 2, "folder.cfg:2: @include \"below\": is not a file",
                  .text = "epochs = 3;\n@include \"below\"\n", .ranks = true),
    CONFIGURATION("itself", text, 2, "itself.cfg:1: include file nesting too deep",
                  .text = "@include \"itself.cfg\"\n"),
    CONFIGURATION("nothing", text, 2, "nothing.cfg:1: cannot open include file", .text = "@include \"nowhere.cfg\"\n"),
    CONFIGURATION("range", text, 2, "range.cfg:1: optim.lr must be ", .text = "optim = { lr = -1.0; };\n"),
    CONFIGURATION("binary", text, 2, "binary.cfg: contains a zero byte, but a configuration is text",
                  .text = "\x89HDF\r\n\x1a\n\0\0", .size = 10),
    CONFIGURATION("behind", text, 2, "behind.cfg: contains a zero byte", .text = "epochs = 3;\n\0batch = = 4;\n",
                  .size = 26),
    CONFIGURATION("escaped-zero", text, 2, "escaped-zero.cfg: contains a zero byte", .text = "out = \"a\\x00b\";\n"),
    CONFIGURATION("keys", repeated, 2, "keys.cfg: is larger than 32 KiB", .text = "key%d = 1;\n", .size = 100000),
    CONFIGURATION("many-keys", repeated, 2, "many-keys.cfg:1: unknown key 'key0'", .text = "key%d = 1;\n",
                  .size = 2400),
    CONFIGURATION("includes", includes_twice, 2, "with all included files this is larger than 32 KiB",
                  .text = "@include \"self.cfg\"\n@include \"self.cfg\"\n"),
    CONFIGURATION("keys-in-group", repeated, 2, "keys-in-group.cfg: is larger than 32 KiB",
                  .text = "key%d = { a = 1; };\n", .size = 20000),
    CONFIGURATION("deep", repeated, 2, "deep.cfg:1: ", .text = "a = { ", .size = 5000),
    CONFIGURATION("long-list", repeated, 2, "long-list.cfg:", .text = "optim = { steps = [1, ", .size = 1400),
    CONFIGURATION("long-name", repeated, 2, "long-name.cfg:", .text = "n", .size = 1000000),
    CONFIGURATION("long-text", repeated, 2, "long-text.cfg:", .text = "\"", .size = 1000001),
    CONFIGURATION("comment", text, 2, "comment.cfg: a comment has no end",
                  .text = "epochs = 1; /* no end\nbatch = 8;\n"),
    CONFIGURATION("control", text, 2, "control.cfg:1: unknown key 'x'", .text = "x = \"\033[2J\302\233\";\n"),
    CONFIGURATION("latin", text, 2, "there is no method '?", .text = "method = \"\xE9\xFF\";\n"),
    CONFIGURATION("overflow", text, 2, "overflow.cfg:1: epochs must be ", .text = "epochs = 9223372036854775807L;\n"),
    CONFIGURATION("nan", text, 2, "nan.cfg:1: ", .text = "optim = { lr = nan; };\n"),
    CONFIGURATION("infinite", text, 2, "infinite.cfg:1: optim.lr must be ", .text = "optim = { lr = 1e999; };\n"),
    CONFIGURATION("fraction", text, 2, "fraction.cfg:1: batch must be an integer, not 16.5", .text = "batch = 16.5;\n"),
    {.name = "images", .make = folder, .status = 2, .says = "images: Is a directory", .ranks = true},
    {.name = "pipe.cfg", .make = pipe_file, .status = 2, .says = "pipe.cfg: is a pipe, not a file"},
    {.name = "nowhere.cfg", .status = 2, .says = "nowhere.cfg: No such file or directory", .ranks = true},
};

void hostile_configurations(void **state)
{
    (void)state;
    hostile_run(configurations, sizeof configurations / sizeof *configurations,
                (const char *const[]){"pretrain", "%", NULL});
}

/* One argument each. */
static const hostile arguments[] = {
    {.name = "batch=", .status = 2, .says = "batch must be an integer, not \"\""},
    {.name = "optim.lr=nan", .status = 2, .says = "optim.lr must be "},
    {.name = "optim.lr=inf", .status = 2, .says = "optim.lr must be "},
    {.name = "optim.lr=1,5", .status = 2, .says = "optim.lr must be a number"},
    {.name = "seed=1e400", .status = 2, .says = "seed must be an integer"},
    {.name = "seed=1e18+1", .status = 2, .says = "seed must be an integer"},
    {.name = "seed=0x", .status = 2, .says = "seed must be an integer"},
    {.name = "seed=9223372036854775808", .status = 2, .says = "seed must be "},
    {.name = "seed=-1", .status = 2, .says = "seed must be "},
    {.name = "batch=-16", .status = 2, .says = "batch must be between "},
    {.name = "batch=16; seed=2", .status = 2, .says = "batch must be an integer"},
    {.name = "batch=16\nseed=2", .status = 2, .says = "batch must be an integer"},
    {.name = "out=\"a\\x00b\"", .status = 2, .says = "contains a zero byte"},
    {.name = "epochs=1 2", .status = 2, .says = "epochs must be "},
    {.name = "threads=1000000", .status = 2, .says = "threads must be "},
    {.name = "data.workers=2147483648", .status = 2, .says = "data.workers must be "},
    {.name = "epochs=1e300", .status = 2, .says = "epochs must be "},
    {.name = "=3", .status = 2, .says = "pretrain: "},
    {.name = "optim.=3", .status = 2, .says = "pretrain: "},
    {.name = ".lr=3", .status = 2, .says = "pretrain: "},
    {.name = "optim..lr=3", .status = 2, .says = "pretrain: "},
    {.name = "optim=3", .status = 2, .says = "'optim' is a group"},
    {.name = "batch.x=3", .status = 2, .says = "'batch' is a single value, not a group"},
    {.name = "b\303\244tch=3", .status = 2, .says = "b\303\244tch=3: No such file or directory"},
    {.name = "\033[2J=3", .status = 2, .says = "?[2J=3: No such file or directory"},
    {.name = "\302\233x=3", .status = 2, .says = "?x=3: No such file or directory"},
    {.name = "method=\xFF\xFE", .status = 2, .says = "there is no method '?"},
    {.name = "method=%s%n", .status = 2, .says = "there is no method '"},
    {.name = "backbone=../../resnet18", .status = 2, .says = "there is no backbone '../../resnet18'"},
    {.name = "optim.steps=[1,2", .status = 2, .says = "optim.steps must be "},
    {.name = "optim.steps=[1,2]]", .status = 2, .says = "optim.steps must be "},
    {.name = "optim.steps=[1,2)", .status = 2, .says = "optim.steps must be "},
    {.name = "optim.steps=1,2]", .status = 2, .says = "optim.steps must be "},
    {.name = "optim.steps=[1,,2]", .status = 2, .says = "optim.steps must be "},
    {.name = "steps",
     .words = {"pretrain", "optim.schedule=step", "optim.steps=[2,1]"},
     .status = 2,
     .says = "optim.steps"},
    {.name = "optim.steps=[nan]", .status = 2, .says = "optim.steps"},
    {.name = "simclr.temperature=0", .status = 2, .says = "simclr.temperature must be between"},
    {.name = "simclr.temperature=nan", .status = 2, .says = "simclr.temperature must be "},
    {.name = "simclr.temperature=1e-45", .status = 2, .says = "simclr.temperature must be between"},
    {.name = "simclr.projection_dim=0", .status = 2, .says = "simclr.projection_dim must be between"},
    {.name = "simclr.projection_dim=2147483648", .status = 2, .says = "simclr.projection_dim must be between"},
    {.name = "simclr.projection_layers=9", .status = 2, .says = "simclr.projection_layers must be between"},
    {.name = "simclr.area_min=1e300", .status = 2, .says = "simclr.area_min must be between"},
    {.name = "simclr.gray=-1", .status = 2, .says = "simclr.gray must be between"},
    {.name = "simclr.loss=", .status = 2, .says = "simclr.loss = \"\" is unknown; choose one of: sum, mean"},
    {.name = "--resume=1", .status = 2, .says = "--resume"},
    {.name = "--nothing", .status = 2, .says = "--nothing"},
    {.name = "--plugin", .status = 2, .says = "--plugin"},
    {.name = "long", .words = {"pretrain", "&=3"}, .status = 2, .says = "unknown key 'nnnn"},
    {.name = "longer", .words = {"pretrain", "~"}, .status = 2, .says = "File name too long"},
    {.name = "long value", .words = {"pretrain", "method=~"}, .status = 2, .says = "there is no method 'below"},
    {.name = "", .status = 2, .says = "pretrain: "},
    {.name = "x\033[31m.png", .words = {"views", "out=%"}, .says = "x?[31m.png: 8 images\n"},
};

void hostile_arguments(void **state)
{
    (void)state;
    hostile_run(arguments, sizeof arguments / sizeof *arguments, (const char *const[]){"pretrain", "%", NULL});
}
