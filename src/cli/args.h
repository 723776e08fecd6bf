/* args.h - the arguments of a subcommand, read by getopt_long as its px_command describes them.
 *
 *     static int run(int argc, char **argv)
 *     {
 *         plot_flags flags = {0};
 *         px_args args;
 *         if (px_args_read(&args, &px_cmd_plot, argc, argv, &flags) != 0)
 *             return -1;
 *         ... args.words.word[0], args.assignments.word[i], flags.output ...
 *         px_args_finish(&args);
 *
 * Flags may stand anywhere, in full, shortened (--res), or as letters; after `--` everything is a word. A word like
 * key=value (a letter first, then letters, digits and . _ -) is an assignment; write ./a=b for a file of that name.
 */
#ifndef PX_CLI_ARGS_H
#define PX_CLI_ARGS_H

#include "cli/command.h"

#include <stdio.h>

typedef struct px_args {
    px_words words;       /* what is neither flag nor assignment */
    px_words assignments; /* key=value, for px_config_set */
    const px_command *command;
    void *flags;
} px_args;

/* `flags` is a zeroed structure whose fields command->flags describes (NULL if there are none). 0, or -1 with
 * PX_USAGE: an unknown flag (with the nearest that exists), a missing value, too few or too many words. Nothing to
 * free then. */
int px_args_read(px_args *, const px_command *command, int argc, char **argv, void *flags);
void px_args_finish(px_args *);

/* One line a flag, aligned. */
void px_args_flags_help(FILE *, const px_flag *flags);

#endif
