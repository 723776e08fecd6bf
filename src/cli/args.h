/* args.h - the arguments of a subcommand, read by getopt_long as its px_command describes them.
 *
 *     static int run(int argc, char **argv)
 *     {
 *         export_flags flags = {0};
 *         px_args args;
 *         if (px_args_read(&args, &px_cmd_export, argc, argv, &flags) != 0)
 *             return -1;
 *         ... args.words.word[0], args.assignments.word[i], args.out, flags.all ...
 *         px_args_finish(&args);
 *
 * Flags may stand anywhere, in full, shortened (--res), or as letters; after `--` everything is a word. A word like
 * key=value (a letter first, then letters, digits and . _ -) is an assignment; write ./a=b for a file of that name.
 */
#ifndef PX_CLI_ARGS_H
#define PX_CLI_ARGS_H

#include "base/log.h"
#include "cli/command.h"

#include <stdio.h>

typedef struct px_args {
    px_words words;       /* what is neither flag nor assignment */
    px_words assignments; /* key=value, for px_config_set; without out= where the command states its `out` */
    const char *out;      /* the last out= of such a command; NULL: none was given */
    px_words made;        /* assignments that stand for flags of before, "out=x" for -o x: owned */
    char *note;           /* NULL, or which of them were given */
    const px_command *command;
    void *flags;
} px_args;

/* `flags` is a zeroed structure whose fields command->flags describes (NULL if there are none). 0, or -1 with
 * PX_USAGE: an unknown flag (with the nearest that exists), a missing value, too few or too many words, no out= where
 * there must be one. Nothing to free then. */
int px_args_read(px_args *, const px_command *command, int argc, char **argv, void *flags);
void px_args_finish(px_args *);

/* Says once which old spellings were given, and what is written for them now. Not part of px_args_read: on several
 * ranks only one says it. */
void px_args_note(const px_args *, px_log *);

/* One aligned line per flag, but for those of before. */
void px_args_flags_help(FILE *, const px_flag *flags);
char *px_args_flag_name(const px_flag *);      /* "dry-run": a new string */
int px_args_flags_count(const px_flag *flags); /* how many lines that makes; NULL: none */

#endif
