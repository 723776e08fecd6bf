/* args.h - reads a subcommand's arguments with getopt_long, as its px_command describes them.
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
 * Flags may be anywhere, in full, abbreviated (--res), or as letters; after `--` everything is a word. A word like
 * key=value (a letter, then letters, digits and . _ -, then =) is an assignment; write ./a=b for a file of that name.
 */
#ifndef PX_CLI_ARGS_H
#define PX_CLI_ARGS_H

#include "base/log.h"
#include "cli/command.h"

#include <stdio.h>

typedef struct px_args {
    px_words words;       /* all that are neither flags nor assignments */
    px_words assignments; /* key=value, for px_config_set; without out= if the command has an `out` */
    const char *out;      /* the last out= for such a command, or NULL */
    px_words made;        /* owned assignments made from old flags: "out=x" from -o x */
    char *note;           /* which of them were used, or NULL */
    const px_command *command;
    void *flags;
} px_args;

/* `flags` is a zeroed structure whose fields command->flags describes (NULL if there are none). 0; or -1 with PX_USAGE
 * and nothing to free: an unknown flag (the message names the nearest), a missing value, too few or too many words, a
 * missing out=. */
int px_args_read(px_args *, const px_command *command, int argc, char **argv, void *flags);
void px_args_finish(px_args *);

/* Tells which old spellings were used, and what to write instead. Separate from px_args_read, so that only one of
 * several ranks says it. */
void px_args_note(const px_args *, px_log *);

/* Prints one aligned line per flag, without old ones. */
void px_args_flags_help(FILE *, const px_flag *flags);
char *px_args_flag_name(const px_flag *);      /* "dry-run": a new string */
int px_args_flags_count(const px_flag *flags); /* the number of these lines; 0 for NULL */

#endif
