/* hostile_outputs.c - outputs that cannot or must not be written, and hostile plug-ins (hostile.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "hostile.h"
#include "onnx/onnx.h"

/* What stands where the output should go: `kind`; `text`: its name. */
static void obstacle(const hostile *h)
{
    const char *name = h->text;
    if (strcmp(h->kind, "fifo") == 0)
        assert_int_equal(mkfifo(name, 0666), 0);
    else if (strcmp(h->kind, "folder") == 0)
        hostile_put((char[64]){"f/inside"}, "mine", 4), assert_int_equal(rename("f", name), 0);
    else if (strcmp(h->kind, "below-a-file") == 0 || strcmp(h->kind, "file") == 0)
        hostile_put("file", "mine", 4);
    else if (strcmp(h->kind, "dangling") == 0)
        assert_int_equal(symlink("nowhere/below", name), 0);
    else if (strcmp(h->kind, "loop") == 0)
        assert_int_equal(symlink(name, name), 0);
    else if (strcmp(h->kind, "device") == 0)
        assert_int_equal(symlink("/dev/full", name), 0);
    else if (strcmp(h->kind, "partial-fifo") == 0 || strcmp(h->kind, "partial-folder") == 0) {
        char *partial = px_format("%s.partial", name);
        assert_int_equal(h->kind[8] == 'f' && h->kind[9] == 'i' ? mkfifo(partial, 0666) : mkdir(partial, 0777), 0);
        free(partial);
    }
}

/* Commands that write one file. */
static const struct writer {
    const char *words[2], *name;
} writers[] = {
    {{"pack", "@/images.png"}, "o.h5"}, {{"export", "@/ok"}, "o.safetensors"}, {{"features", "@/ok"}, "o.h5"}};

enum { NO_FILES = 3 }; /* the first of `targets` */

static const struct target {
    const char *kind, *out; /* NULL: out= and the writer's name */
    int status;
    const char *says;
} targets[] = {{"fifo", NULL, 2, "is not a file, so it is not replaced"},
               {"folder", NULL, 2, "is not a file, so it is not replaced"},
               {"device", NULL, 2, "is not a file, so it is not replaced"},
               {"below-a-file", "out=file/o.safetensors", 1, "cannot be written: "},
               {"nowhere", "out=nowhere/below/o.safetensors", 1, "cannot be written: "},
               {"empty", "out=", 2, "out="},
               {"long-part", "out=&.safetensors", 1, "File name too long"},
               {"long", "out=~/o.safetensors", 1, "File name too long"}};

/* Names that weights cannot have, and what a second file beside them prevents. */
static const struct target devices[] = {{"null", "out=/dev/null", 2, "/dev/null: is not a file, so it is not replaced"},
                                        {"full", "out=/dev/full", 2, "/dev/full: is not a file, so it is not replaced"},
                                        {"here", "out=.", 2, ".: is not a file, so it is not replaced"},
                                        {"up", "out=..", 2, "..: is not a file, so it is not replaced"}};
static const struct target proc[] = {{"proc", "out=/proc/o.safetensors", 1, "cannot be written: "}};
static const struct target partials[] = {{"partial-fifo", NULL, 1, ".partial: is a pipe, not a file"},
                                         {"partial-folder", NULL, 1, ".partial: is a folder, not a file"}};

/* What is read, and what is no HDF5. */
static const struct target inputs[] = {
    {"data", "out=@/d.h5", 2, "d.h5 is the data set whose images are read, so it cannot be the output as well"},
    {"picture", "out=@/images.png", 2, "images.png: is not an HDF5 file, so it is not replaced"}};

/* Folders that pretrain and probe write to. */
static const struct target folders[] = {
    {"fifo", NULL, 2, "is not a folder"},
    {"device", NULL, 2, "is not a folder"},
    {"dangling", NULL, 2, "is not a folder"},
    {"loop", NULL, 2, "is not a folder"},
    {"file", "out=file", 2, "file: is not a folder"},
    {"below-a-file", "out=file/o", 2, "the folder cannot be created: Not a directory"},
    {"null", "out=/dev/null", 2, "/dev/null: is not a folder"},
    {"proc", "out=/proc/o/o", 2, "/proc/o: the folder cannot be created"},
    {"long-part", "out=&", 2, "too long"},
    {"long", "out=~", 2, "a path of 49"},
};

static void add_targets(hostile_rows *rows, const char *command, const char *what, const char *name,
                        const struct target *target, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct target *t = &target[i];
        hostile *h = hostile_add(rows);
        *h = (hostile){.make = obstacle, .status = t->status, .says = t->says, .text = name};
        const char **word = h->words;
        *word++ = command;
        if (what)
            *word++ = what;
        *word = t->out ? t->out : "out=%";
        strcpy(h->kind, t->kind);
        snprintf(h->name, sizeof h->name, "%s", name);
    }
}

#define COUNT(table) (sizeof(table) / sizeof *(table))

void hostile_outputs(void **state)
{
    (void)state;
    hostile_rows rows = {0};
    for (size_t i = 0; i < COUNT(writers); i++)
        add_targets(&rows, writers[i].words[0], writers[i].words[1], writers[i].name, targets, COUNT(targets));
    add_targets(&rows, "pack", "@/images.png", "o.h5", proc, COUNT(proc));
    add_targets(&rows, "export", "@/ok", "o.safetensors", proc, COUNT(proc));
    add_targets(&rows, "pack", "@/images.png", "o.h5", devices, COUNT(devices));
    add_targets(&rows, "features", "@/ok", "o.h5", devices, COUNT(devices));
    if (!px_onnx_missing())
        add_targets(&rows, "export", "@/ok", "o.onnx", targets, NO_FILES);
    add_targets(&rows, "views", NULL, "o.png", targets, NO_FILES);
    add_targets(&rows, "features", "@/ok", "o.h5", partials, COUNT(partials));
    add_targets(&rows, "features", "@/ok", "o.h5", inputs, COUNT(inputs));
    add_targets(&rows, "pretrain", NULL, "o", folders, COUNT(folders));
    add_targets(&rows, "probe", "@/w.safetensors", "o", folders, COUNT(folders));
    hostile_run_made(&rows, NULL);
}

/* ---- plug-ins ---------------------------------------------------------------------------------------------------- */

/* A file that is no plug-in: `text`, or the kind of thing that it is. */
static void plugin(const hostile *h)
{
    if (h->text)
        hostile_put(h->name, h->text, (size_t)h->size);
    else if (strcmp(h->kind, "fifo") == 0)
        assert_int_equal(mkfifo(h->name, 0666), 0);
    else if (strcmp(h->kind, "folder") == 0)
        assert_int_equal(mkdir(h->name, 0777), 0);
    else if (strcmp(h->kind, "program") == 0)
        assert_int_equal(symlink(getenv("PRETEXT"), h->name), 0);
    else if (strcmp(h->kind, "cut") == 0) {
        char *path = px_format("%s/old.so", getenv("PRETEXT_PLUGINS"));
        blob b = read_file(path);
        hostile_put(h->name, b.bytes, 1000); /* less than the first segment, wherever a linker puts the others */
        free(b.bytes);
        free(path);
    } else {
        char *path = px_format("%s/%s", getenv("PRETEXT_PLUGINS"), h->name);
        assert_int_equal(symlink(path, h->name), 0);
        free(path);
    }
}

#define PLUGIN(NAME, ...) /* what is said, and more */                                                                 \
    {                                                                                                                  \
        .name = NAME, .make = plugin, .status = 2, .says = __VA_ARGS__                                                 \
    }

static const hostile plugins[] = {
    PLUGIN("old.so", "plug-in old.so was built for interface 0123456789ab, this program has "),
    PLUGIN("ancient.so", "plug-in ancient.so does not say for which interface it was built"),
    PLUGIN("empty.so", "plug-in empty.so: its px_plugin needs a name, views, make_views and build"),
    PLUGIN("unnamed.so", "plug-in unnamed.so does not define its method, as PX_PLUGIN"),
    PLUGIN("text.so", "plug-in text.so cannot be loaded: ", .text = "not a plug-in", .size = 13),
    PLUGIN("zero.so", "plug-in zero.so cannot be loaded: ", .text = ""),
    PLUGIN("magic.so", "plug-in magic.so cannot be loaded: ",
           .text = "\x7F"
                   "ELF\2\1\1\0",
           .size = 8),
    PLUGIN("fifo.so", "plug-in ./fifo.so: is a pipe, not a file", .kind = "fifo"),
    PLUGIN("folder.so", "plug-in ./folder.so: is a folder, not a file", .kind = "folder"),
    PLUGIN("program.so", "plug-in program.so", .kind = "program"),
    PLUGIN("cut.so", "plug-in cut.so cannot be loaded: ", .kind = "cut"),
    {.name = "nowhere.so", .status = 2, .says = "plug-in nowhere.so"},
    {.name = "/dev/null", .status = 2, .says = "plug-in /dev/null"},
    {.name = "libm.so.6", .status = 2, .says = "plug-in libm.so.6"},
    {.name = "", .status = 2, .says = "plug-in"},
};

void hostile_plugins(void **state)
{
    (void)state;
    hostile_run(plugins, sizeof plugins / sizeof *plugins, (const char *const[]){"methods", "--plugin", "%", NULL});
}
