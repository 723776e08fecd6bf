/* commands.c - the subcommands there are. */
#include "base/config.h"
#include "base/error.h"
#include "cli/command.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const px_command_row px_commands[] = {
    {"Data", &px_cmd_pack},
    {"Training and evaluation", &px_cmd_views},
    {"Training and evaluation", &px_cmd_pretrain},
    {"Training and evaluation", &px_cmd_grid},
    {"Training and evaluation", &px_cmd_search},
    {"Training and evaluation", &px_cmd_probe},
    {"Training and evaluation", &px_cmd_features},
    {"Training and evaluation", &px_cmd_export},
    {"Results", &px_cmd_plot},
    {"Results", &px_cmd_report},
    {"Results", &px_cmd_show},
    {"Results", &px_cmd_compare},
    {"Results", &px_cmd_column},
    {"Reference", &px_cmd_summary},
    {"Reference", &px_cmd_methods},
    {"Reference", &px_cmd_backbones},
    {"Reference", &px_cmd_options},
    {"Reference", &px_cmd_bench},
    {"Reference", &px_cmd_man},
    {NULL, &px_cmd_complete},
    {NULL, NULL},
};

const char px_command_rule[] =
    "What a command works on is given as plain words: sources, runs, weights, a configuration.\n"
    "Every setting is key=value: out= is what the command writes, data.path= the data set that it reads.\n"
    "Flags are switches, and --plugin FILE.so. (-o, --output, --data and --split of before go on working.)\n";

const char px_command_statuses[] =
    "0 done, 2 wrong use or configuration, 3 bad input data, 4 diverged (not finite any more),\n"
    "75 stopped early with a checkpoint that can be resumed, 1 anything else.\n";

const px_command *px_command_find(const char *name)
{
    for (const px_command_row *r = px_commands; r->command; r++)
        if (strcmp(r->command->name, name) == 0)
            return r->command;
    return NULL;
}

int px_command_unknown(const char *name)
{
    const char *names[sizeof px_commands / sizeof *px_commands];
    int count = 0;
    for (const px_command_row *r = px_commands; r->heading; r++)
        names[count++] = r->command->name;
    names[count] = NULL;
    const char *nearest = px_nearest(name, names);
    if (nearest)
        return px_fail(PX_USAGE, "unknown command '%s', nearest is '%s'", name, nearest);
    return px_fail(PX_USAGE, "unknown command '%s'; pretext --help lists all", name);
}

char *px_command_help(const px_command *c)
{
    if (!c->list)
        return px_strdup(c->help);
    const char *examples = strstr(c->help, "\nExamples");
    int before = examples ? (int)(examples - c->help) : (int)strlen(c->help);
    char *list = c->list(), *all = px_format("%.*s%s%s", before, c->help, list, c->help + before);
    free(list);
    return all;
}
