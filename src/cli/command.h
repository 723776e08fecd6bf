/* command.h - one subcommand of the program: one file cli/cmd_NAME.c, one row in commands.c's table.
 *
 *     typedef struct export_flags { px_words plugin; bool all; } export_flags;
 *     static const px_flag flags[] = {
 *         PX_FLAG(export_flags, plugin, 0, "FILE.so", "a plug-in with a method; may be repeated"),
 *         PX_FLAG(export_flags, all, 0, NULL, "also the method's heads, not only the backbone"),
 *         {0}};
 *     const px_command px_cmd_export = {.name = "export", ..., .run = run, .flags = flags, .min_words = 1,
 *                                       .max_words = 1, .out = {"W.safetensors", "file to write", true}};
 *
 * All commands follow one rule. Their operands (sources, runs, weights, configurations) are plain words. Every setting
 * is key=value: out= is what the command writes, data.path= the data set that it reads. Flags are only switches, and
 * --plugin FILE.so.
 *
 * `run` reads its arguments with args.h. main answers `--help` from this description, without calling `run`.
 */
#ifndef PX_CLI_COMMAND_H
#define PX_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* The values of a repeatable flag, or the words of the command line. Borrowed from argv. */
typedef struct px_words {
    int count;
    const char **word;
} px_words;

typedef enum px_flag_type {
    PX_FLAG_SWITCH,
    PX_FLAG_TEXT,
    PX_FLAG_WORDS,
    PX_FLAG_OLD, /* now a setting: read as key=value, with a note */
} px_flag_type;

/* A table ends with an entry whose name is NULL. */
typedef struct px_flag {
    const char *name; /* the field's name: --name, with '-' for '_' */
    px_flag_type type;
    size_t offset;
    char letter;       /* 'o' for -o, 0 for none */
    const char *value; /* name of its value in help, NULL for a switch */
    const char *help;  /* for an old flag, the key that replaces it */
} px_flag;

/* The type is taken from the field: bool, const char * (NULL if not given), px_words (may be repeated). */
#define PX_FLAG_TYPE(field)                                                                                            \
    _Generic((field), bool : PX_FLAG_SWITCH, const char * : PX_FLAG_TEXT, px_words : PX_FLAG_WORDS)
#define PX_FLAG(type, field, letter, value, help)                                                                      \
    {                                                                                                                  \
#field, PX_FLAG_TYPE(((type *)0)->field), offsetof(type, field), letter, value, help                           \
    }
/* An old spelling: --name X, or -l X, means key=X. */
#define PX_FLAG_BEFORE(name, letter, key)                                                                              \
    {                                                                                                                  \
        name, PX_FLAG_OLD, 0, letter, NULL, key                                                                        \
    }

/* What a command writes, given as out=VALUE. Not for commands whose option table has `out` (pretrain, probe). */
typedef struct px_out {
    const char *value, *help; /* "DATA.h5" and its description, for help. NULL: no out= of this kind */
    bool required;
    const char *example; /* a whole command, for the message if out= is missing */
} px_out;

/* Options whose keys a command takes, and the group that stands before them; "": none. */
typedef struct px_keys {
    const char *group;
    const struct px_option *options;
    const char *const *only; /* these names of the table, NULL-terminated; NULL: all */
} px_keys;

/* What the words of a command are, for completion. */
typedef enum px_word_kind {
    PX_WORD_NONE,
    PX_WORD_SOURCE,  /* any file or folder */
    PX_WORD_CONFIG,  /* NAME.cfg */
    PX_WORD_RUN,     /* a folder or an HDF5 file */
    PX_WORD_SUBJECT, /* a run or weights */
    PX_WORD_METHOD,
    PX_WORD_BACKBONE,
    PX_WORD_COMMAND,
} px_word_kind;

enum { PX_ANY = -1 };

typedef struct px_command {
    const char *name, *arguments, *summary; /* "pack", "SOURCE... out=D.h5 [key=value...]", one line */
    const char *help;                       /* the rest of --help: what it does, options, two or three examples */
    char *(*list)(void);               /* what help says before its examples, from a table; a new string. Or NULL */
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name; returns 0 or -1 with px_error() set */
    const px_flag *flags;              /* or NULL: none */
    int min_words, max_words;          /* how many words that are neither flags nor key=value; PX_ANY: no limit */
    bool assignments;                  /* takes key=value */
    const struct px_option *options;   /* the keys that --help lists, or NULL */
    const char *options_group;         /* their group: "bench" for bench.seconds; NULL: none */
    const px_keys *keys;               /* keys that it takes besides; NULL, or ends with NULL options */
    bool method_keys, backbone_keys, protocol_keys; /* takes those of the method, backbone and protocols, too */
    px_out out;
    px_word_kind word;
} px_command;

extern const px_command px_cmd_pack, px_cmd_pretrain, px_cmd_probe, px_cmd_features, px_cmd_export, px_cmd_plot,
    px_cmd_show, px_cmd_column, px_cmd_summary, px_cmd_methods, px_cmd_backbones, px_cmd_options, px_cmd_bench,
    px_cmd_man, px_cmd_complete, px_cmd_views, px_cmd_grid, px_cmd_compare, px_cmd_report, px_cmd_search;

/* All commands in the order of --help, where those of one heading stand together. The last has no command; those
 * without a heading come before it, and are in no list. */
typedef struct px_command_row {
    const char *heading;
    const px_command *command;
} px_command_row;
extern const px_command_row px_commands[];
const px_command *px_command_find(const char *name); /* NULL: there is none */
int px_command_unknown(const char *name);            /* -1, PX_USAGE: names the nearest */
char *px_command_help(const px_command *);           /* `help` with what `list` adds; a new string */

/* The rule that all command lines keep, and what the exit statuses mean: lines of text for help and manual. */
extern const char px_command_rule[], px_command_statuses[];

/* Sets the rank of this process, so that main reports a failure of all ranks only once. Only needed if the command ends
 * MPI before it returns; otherwise main asks MPI. */
void px_cli_set_rank(int rank);
int px_cli_rank(void);

#endif
