/* cmd_complete.c - pretext complete: what could be typed next. The shell's completion asks at every TAB. The
 * program knows its own commands, flags, keys, values of choices, methods and backbones.
 *
 *     $ pretext complete pretrain method=mae mae.mask
 *     mae.mask_ratio=
 *
 * A line is a candidate for the last word, or, with a tab in front, asks the shell for names of files: the kinds
 * separated by '|', "/" for folders, "*" for all. Not in --help, since nobody types it. */
#include "base/config.h"
#include "base/error.h"
#include "cli/args.h"
#include "cli/job.h"
#include "cli/keys.h"
#include "train/method.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct request {
    const px_command *command;
    const char *const *words; /* after the command, without the last */
    int count;
    const char *last;              /* what is to be completed */
    const char *method, *backbone; /* chosen by the words before, or NULL */
    const char *group_before;      /* the last group that was offered as a whole */
} request;

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void offer(const request *r, const char *key, const char *candidate)
{
    char *whole = px_format("%s%s%s", key, *key ? "=" : "", candidate);
    if (begins(whole, r->last))
        puts(whole);
    free(whole);
}

static void offer_files(const char *kinds)
{
    printf("\t%s\n", kinds);
}

/* ---- names ---- */

static void offer_commands(const request *r, bool help)
{
    for (const px_command_row *row = px_commands; row->heading; row++)
        offer(r, "", row->command->name);
    for (const char *const *flag = (const char *const[]){"--help", "--version", NULL}; help && *flag; flag++)
        offer(r, "", *flag);
}

static void offer_methods(const request *r, const char *key)
{
    const px_method *m;
    for (int i = 0; (m = px_method_at(i)); i++)
        offer(r, key, m->name);
}

static void offer_backbones(const request *r, const char *key)
{
    for (int i = 0; px_backbone_families[i]; i++)
        for (const px_backbone *b = px_backbone_families[i]->variants; b->name; b++)
            offer(r, key, b->name);
}

/* ---- flags ---- */

static void offer_flags(const request *r)
{
    for (const px_flag *f = r->command->flags; f && f->name; f++) {
        if (f->type == PX_FLAG_OLD)
            continue;
        char *name = px_args_flag_name(f), *dashed = px_format("--%s", name);
        offer(r, "", dashed);
        free(name);
        free(dashed);
    }
    offer(r, "", "--help");
}

/* If the word before is a flag with a value, offers files of the value's kind, and returns true. */
static bool offer_flag_value(const request *r)
{
    const char *before = r->count ? r->words[r->count - 1] : "";
    for (const px_flag *f = r->command->flags; f && f->name; f++) {
        char *name = px_args_flag_name(f);
        bool is = begins(before, "--") && strcmp(before + 2, name) == 0;
        free(name);
        const char *dot = is && f->value ? strrchr(f->value, '.') : NULL;
        if (is && f->value) {
            offer_files(dot ? dot + 1 : "*");
            return true;
        }
    }
    return false;
}

/* ---- keys ---- */

/* A group whose name has not been typed yet is offered as a whole: "group.". */
static void offer_key(void *context, const char *group, const px_option *o)
{
    request *r = context;
    char *dotted = px_format("%s%s", group, *group ? "." : "");
    if (*group && !begins(r->last, dotted)) {
        if (strcmp(r->group_before, group) != 0)
            offer(r, "", dotted);
    } else {
        char *key = px_format("%s%s=", dotted, o->name);
        offer(r, "", key);
        free(key);
    }
    r->group_before = group;
    free(dotted);
}

/* The kind of files that a text option names; NULL: it does not name files. */
static const char *files_of(const char *key)
{
    static const char *const kinds[][2] = {{"data.path", "h5"}, {"init", "safetensors|pth|pt|ckpt|bin"}, {"out", "/"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(key, kinds[i][0]) == 0)
            return kinds[i][1];
    return NULL;
}

static void offer_choices(const request *r, const char *key, const char *choices)
{
    for (const char *at = choices; *at; at += strspn(at, "|")) {
        size_t length = strcspn(at, "|");
        char *choice = px_format("%.*s", (int)length, at);
        offer(r, key, choice);
        free(choice);
        at += length;
    }
}

static void offer_value(void *context, const char *group, const px_option *o)
{
    const request *r = context;
    char *key = px_format("%s%s%s", group, *group ? "." : "", o->name);
    size_t length = strlen(key);
    if (begins(r->last, key) && r->last[length] == '=') {
        if (strcmp(key, "method") == 0)
            offer_methods(r, key);
        else if (strcmp(key, "backbone") == 0)
            offer_backbones(r, key);
        else if (o->choices)
            offer_choices(r, key, o->choices);
        else if (o->type == PX_OPTION_BOOL)
            offer_choices(r, key, "true|false");
        else if (files_of(key))
            offer_files(files_of(key));
    }
    free(key);
}

/* Files of the kind that the help's "W.safetensors" names; folders where it says "FOLDER". */
static void offer_out(const request *r)
{
    const char *dot = strrchr(r->command->out.value, '.');
    offer_files(dot ? dot + 1 : "/");
}

/* ---- words ---- */

static void offer_words(const request *r)
{
    switch (r->command->word) {
    case PX_WORD_NONE:
        break;
    case PX_WORD_SOURCE:
        offer_files("*");
        break;
    case PX_WORD_CONFIG:
        offer_files("cfg");
        break;
    case PX_WORD_RUN:
        offer_files("/|h5");
        break;
    case PX_WORD_SUBJECT:
        offer_files("/|safetensors|pth|pt|ckpt|bin");
        break;
    case PX_WORD_METHOD:
        offer_methods(r, "");
        break;
    case PX_WORD_BACKBONE:
        offer_backbones(r, "");
        break;
    case PX_WORD_COMMAND:
        offer_commands(r, false);
        break;
    }
}

/* Reads the method and the backbone from the words before, and loads their plug-ins, whose methods are then offered, too.
 * If a plug-in cannot be loaded, the command itself will say so. */
static void read_words(request *r)
{
    for (int i = 0; i < r->count; i++) {
        const char *word = r->words[i];
        if (strcmp(word, "--plugin") == 0 && i + 1 < r->count)
            px_method_load(r->words[++i]);
        else if (begins(word, "method="))
            r->method = word + strlen("method=");
        else if (begins(word, "backbone="))
            r->backbone = word + strlen("backbone=");
        else if (r->command->word == PX_WORD_BACKBONE && !strchr(word, '='))
            r->backbone = word;
    }
}

static void complete(request *r)
{
    const px_command *c = r->command;
    read_words(r);
    if (offer_flag_value(r))
        return;
    if (*r->last == '-') {
        offer_flags(r);
    } else if (c->out.value && begins(r->last, "out=")) {
        offer_out(r);
    } else if (strchr(r->last, '=')) {
        px_keys_walk(c, NULL, NULL, offer_value, r);
    } else {
        if (c->out.value)
            offer(r, "", "out=");
        px_keys_walk(c, r->method, r->backbone, offer_key, r);
        offer_words(r);
    }
}

static int run(int argc, char **argv)
{
    request r = {.last = argc > 1 ? argv[argc - 1] : "", .group_before = ""};
    if (argc < 3) {
        offer_commands(&r, true);
        return 0;
    }
    r.command = strcmp(argv[1], "help") == 0 ? &px_cmd_man : px_command_find(argv[1]);
    r.words = (const char *const *)argv + 2;
    r.count = argc - 3;
    if (r.command)
        complete(&r);
    return 0;
}

const px_command px_cmd_complete = {
    .name = "complete",
    .arguments = "[WORD...]",
    .summary = "list what the last word could become, for a shell's completion",
    .help = "Example:\n  pretext complete pretrain method=\n",
    .run = run,
    .max_words = PX_ANY,
};
