/* args.c - getopt_long, driven by a command's table of flags. */
#include "cli/args.h"

#include "base/config.h"
#include "base/error.h"

#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { LONG = 256 }; /* getopt returns LONG + i for the long form of flag i, and the letter for a letter */

static int shared_rank; /* a global, like MPI's rank, since a process has only one */

void px_cli_set_rank(int rank)
{
    shared_rank = rank;
}

int px_cli_rank(void)
{
    return shared_rank;
}

static const px_flag no_flags[] = {{0}};

static const px_flag *flags_of(const px_command *c)
{
    return c->flags ? c->flags : no_flags;
}

static int count_flags(const px_flag *flags)
{
    int count = 0;
    while (flags[count].name)
        count++;
    return count;
}

char *px_args_flag_name(const px_flag *flag)
{
    char *name = px_strdup(flag->name);
    for (char *c = name; *c; c++)
        if (*c == '_')
            *c = '-';
    return name;
}

static void append(px_words *words, const char *word)
{
    words->word = px_realloc(words->word, (size_t)(words->count + 1) * sizeof *words->word);
    words->word[words->count++] = word;
}

static bool is_assignment(const char *word)
{
    size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return isalpha((unsigned char)*word) && word[length] == '=';
}

static void *field_of(const px_args *args, const px_flag *flag)
{
    return (char *)args->flags + flag->offset;
}

static void store_field(const px_args *args, const px_flag *flag, const char *value)
{
    switch (flag->type) {
    case PX_FLAG_SWITCH:
        *(bool *)field_of(args, flag) = true;
        break;
    case PX_FLAG_TEXT:
        *(const char **)field_of(args, flag) = value;
        break;
    case PX_FLAG_WORDS:
        append(field_of(args, flag), value);
        break;
    case PX_FLAG_OLD:
        break;
    }
}

/* Reads `--output x` as `out=x`, and notes both. */
static void store_old(px_args *args, const px_flag *flag, bool letter, const char *value)
{
    char *assignment = px_format("%s=%s", flag->help, value), *name = px_args_flag_name(flag), *note = args->note;
    append(&args->made, assignment);
    append(&args->assignments, assignment);
    char *dashed = letter ? px_format("-%c", flag->letter) : px_format("--%s", name);
    args->note =
        px_format("%s%s%s %s is now written %s", note ? note : "note: ", note ? ", " : "", dashed, value, assignment);
    free(dashed);
    free(name);
    free(note);
}

/* Makes getopt's two descriptions of the flags; each long name is a new string. */
static struct option *describe_flags(const px_flag *flags, char **letters)
{
    int count = count_flags(flags);
    struct option *list = px_calloc((size_t)count + 1, sizeof *list);
    char *end = *letters = px_calloc((size_t)count * 2 + 3, 1);
    *end++ = '-'; /* return words in their order, as value 1 */
    *end++ = ':'; /* distinguish a missing value from an unknown flag */
    for (int i = 0; i < count; i++) {
        int has_value = flags[i].type != PX_FLAG_SWITCH;
        list[i] = (struct option){px_args_flag_name(&flags[i]), has_value, NULL, LONG + i};
        if (flags[i].letter)
            *end++ = flags[i].letter;
        if (flags[i].letter && has_value)
            *end++ = ':';
    }
    return list;
}

static int unknown_flag(const struct option *list, const char *given)
{
    int count = 0;
    while (list[count].name)
        count++;
    const char **names = px_calloc((size_t)count + 1, sizeof *names);
    for (int i = 0; i < count; i++)
        names[i] = list[i].name;
    char *word = px_strdup(given + strspn(given, "-"));
    word[strcspn(word, "=")] = 0;
    const char *nearest = px_nearest(word, names);
    if (nearest)
        px_fail(PX_USAGE, "unknown flag '%s', nearest is '--%s'", given, nearest);
    else
        px_fail(PX_USAGE, "unknown flag '%s': settings are written key=value; --help lists the flags", given);
    free(word);
    free(names);
    return -1;
}

/* Sets the message for what getopt_long refuses: `code` is '?' or ':'. */
static int refuse_flag(const struct option *list, int code, const char *given)
{
    bool letter = optopt > 0 && optopt < LONG;
    char short_name[] = {'-', (char)optopt, 0};
    if (code == ':')
        return px_fail(PX_USAGE, "%s needs a value", letter ? short_name : given);
    if (optopt >= LONG)
        return px_fail(PX_USAGE, "--%s takes no value", list[optopt - LONG].name);
    return unknown_flag(list, letter ? short_name : given);
}

static int read_all(px_args *args, int argc, char **argv, const struct option *list, const char *letters)
{
    const px_flag *flags = flags_of(args->command);
    int code;
    optind = 0; /* resets getopt */
    opterr = 0;
    while ((code = getopt_long(argc, argv, letters, list, NULL)) != -1) {
        if (code == '?' || code == ':')
            return refuse_flag(list, code, argv[optind - 1]);
        if (code == 1) {
            append(is_assignment(optarg) ? &args->assignments : &args->words, optarg);
            continue;
        }
        int i = code - LONG;
        for (int j = 0; code < LONG && flags[j].name; j++)
            if (flags[j].letter == code)
                i = j;
        if (flags[i].type == PX_FLAG_OLD)
            store_old(args, &flags[i], code < LONG, optarg);
        else
            store_field(args, &flags[i], optarg);
    }
    while (optind < argc)
        append(&args->words, argv[optind++]);
    return 0;
}

/* Takes out= from the assignments of a command with an `out`; the last one counts. */
static void take_out(px_args *args)
{
    int kept = 0;
    for (int i = 0; i < args->assignments.count; i++) {
        const char *word = args->assignments.word[i];
        if (strncmp(word, "out=", 4) == 0)
            args->out = word[4] ? word + 4 : NULL;
        else
            args->assignments.word[kept++] = word;
    }
    args->assignments.count = kept;
}

static int check(const px_args *args)
{
    const px_command *c = args->command;
    if (args->words.count < c->min_words)
        return px_fail(PX_USAGE, "an argument is missing; usage: pretext %s %s", c->name, c->arguments);
    if (c->max_words != PX_ANY && args->words.count > c->max_words)
        return px_fail(PX_USAGE, "unexpected '%s'; usage: pretext %s %s", args->words.word[c->max_words], c->name,
                       c->arguments);
    if (!c->assignments && args->assignments.count > 0)
        return px_fail(PX_USAGE, "unexpected '%s'; usage: pretext %s %s", args->assignments.word[0], c->name,
                       c->arguments);
    if (c->out.required && !args->out)
        return px_fail(PX_USAGE, "out=%s is missing; for example: %s", c->out.value, c->out.example);
    return 0;
}

int px_args_read(px_args *args, const px_command *command, int argc, char **argv, void *flags)
{
    char *letters;
    struct option *list = describe_flags(flags_of(command), &letters);
    *args = (px_args){.command = command, .flags = flags};
    int rc = read_all(args, argc, argv, list, letters);
    if (command->out.value)
        take_out(args);
    if (rc == 0)
        rc = check(args);
    if (rc != 0)
        px_args_finish(args);
    for (struct option *o = list; o->name; o++)
        free((char *)o->name);
    free(list);
    free(letters);
    return rc;
}

void px_args_finish(px_args *args)
{
    for (const px_flag *f = flags_of(args->command); f->name; f++) {
        if (f->type != PX_FLAG_WORDS)
            continue;
        px_words *words = field_of(args, f);
        free(words->word);
        *words = (px_words){0};
    }
    for (int i = 0; i < args->made.count; i++)
        free((char *)args->made.word[i]);
    free(args->made.word);
    free(args->words.word);
    free(args->assignments.word);
    free(args->note);
    args->words = args->assignments = args->made = (px_words){0};
    args->note = NULL;
}

void px_args_note(const px_args *args, px_log *log)
{
    if (args->note)
        px_log_line(log, "%s", args->note);
}

int px_args_flags_count(const px_flag *flags)
{
    int count = 0;
    for (const px_flag *f = flags; f && f->name; f++)
        count += f->type != PX_FLAG_OLD;
    return count;
}

void px_args_flags_help(FILE *out, const px_flag *flags)
{
    int width = 0;
    for (int pass = 0; pass < 2; pass++) { /* the first pass measures the column */
        for (const px_flag *f = flags; f->name; f++) {
            if (f->type == PX_FLAG_OLD)
                continue;
            char *name = px_args_flag_name(f);
            char *left = px_format("%s%c%s--%s%s%s", f->letter ? "-" : " ", f->letter ? f->letter : ' ',
                                   f->letter ? ", " : "  ", name, f->value ? " " : "", f->value ? f->value : "");
            int length = (int)strlen(left);
            width = length > width ? length : width;
            if (pass == 1)
                fprintf(out, "  %-*s  %s\n", width, left, f->help);
            free(left);
            free(name);
        }
    }
}
