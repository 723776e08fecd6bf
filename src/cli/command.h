/* command.h - one subcommand of the program: one file cli/cmd_NAME.c, one row in main.c's table. */
#ifndef PX_CLI_COMMAND_H
#define PX_CLI_COMMAND_H

typedef struct px_command {
    const char *name, *arguments, *summary; /* "pack", "SOURCE... -o data.h5 [key=value...]", one line */
    const char *help;                       /* the rest of --help: what it does, options, two or three examples */
    int (*run)(int argc, char **argv);      /* argv[0] is the subcommand's name; returns 0 or -1 with px_error() set */
} px_command;

extern const px_command px_cmd_pack, px_cmd_pretrain, px_cmd_probe, px_cmd_features, px_cmd_plot, px_cmd_show, px_cmd_column,
    px_cmd_summary, px_cmd_methods, px_cmd_backbones, px_cmd_options, px_cmd_bench;

#endif
