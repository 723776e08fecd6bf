/* cmd_man.c - pretext man: the manual pages, which `meson install` puts where man(1) finds them. */
#include "base/error.h"
#include "cli/args.h"
#include "cli/manual.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void write_page(FILE *out, const px_command *c)
{
    if (c)
        px_manual_write(out, c);
    else
        px_manual_write_overview(out);
}

static int write_file(const char *folder, const px_command *c)
{
    char *path = px_format("%s/pretext%s%s.1", folder, c ? "-" : "", c ? c->name : "");
    FILE *out = fopen(path, "w");
    if (out)
        write_page(out, c);
    int failed = out ? ferror(out) : 1;
    failed |= out ? fclose(out) : 0;
    if (failed)
        px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(errno));
    free(path);
    return failed ? -1 : 0;
}

static int write_all(const char *folder)
{
    int status = write_file(folder, NULL);
    for (const px_command_row *r = px_commands; r->heading && status == 0; r++)
        status = write_file(folder, r->command);
    return status;
}

static int print_one(const char *name)
{
    const px_command *c = name ? px_command_find(name) : NULL;
    if (name && !c)
        return px_command_unknown(name);
    write_page(stdout, c);
    return 0;
}

static int run(int argc, char **argv)
{
    px_args args;
    if (px_args_read(&args, &px_cmd_man, argc, argv, NULL) != 0)
        return -1;
    int status = args.out ? write_all(args.out) : print_one(args.words.count ? args.words.word[0] : NULL);
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_man = {
    .name = "man",
    .arguments = "[COMMAND] [out=FOLDER]",
    .summary = "print the manual page of a command, or write all pages into a folder",
    .help = "The pages say what --help says, and list all keys. An installed Pretext has them already: man "
            "pretext-pretrain.\n"
            "\n"
            "Examples:\n"
            "  pretext man pretrain | man -l -\n"
            "  pretext man out=man1\n",
    .run = run,
    .max_words = 1,
    .word = PX_WORD_COMMAND,
    .out = {.value = "FOLDER", .help = "write all pages into this folder: pretext.1, pretext-pack.1, ..."},
};
