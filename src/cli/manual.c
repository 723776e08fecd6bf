/* manual.c - writes roff, as man(7) describes it. --help and these pages come from the same tables and texts. */
#include "cli/manual.h"

#include "base/config.h"
#include "base/error.h"
#include "cli/args.h"
#include "cli/keys.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* `length` bytes as they are: roff reads '\' everywhere and '.' and '\'' at the start of a line, and makes hyphens of
 * '-', which cannot be copied into a shell. */
static void put_text(FILE *out, const char *text, size_t length)
{
    if (length > 0 && (*text == '.' || *text == '\''))
        fputs("\\&", out);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\')
            fputs("\\e", out);
        else if (text[i] == '-')
            fputs("\\-", out);
        else
            fputc(text[i], out);
    }
}

static void put(FILE *out, const char *text)
{
    put_text(out, text, strlen(text));
}

static void put_upper(FILE *out, const char *text)
{
    for (; *text; text++)
        *text == '-' ? fputs("\\-", out) : fputc(toupper((unsigned char)*text), out);
}

/* name: "pretext-pack" */
static void put_head(FILE *out, const char *name, const char *summary)
{
    fputs(".TH ", out);
    put_upper(out, name);
    fputs(" 1 \"\" \"pretext " PX_VERSION "\" \"Pretext\"\n.SH NAME\n", out);
    put(out, name);
    fputs(" \\- ", out);
    put(out, summary);
    fputc('\n', out);
}

/* ---- help texts: paragraphs, indented tables and commands, and at the end examples ---- */

typedef enum block { PARAGRAPH, TABLE, EXAMPLE } block;

/* Where the second column of "  name   what it is" begins; 0: there is none. A longer first column is a command with a
 * remark after it. */
static size_t second_column(const char *line, size_t length)
{
    enum { NAME_MAX_LENGTH = 24 };
    for (size_t i = 2; i + 2 < length && i < 2 + NAME_MAX_LENGTH; i++)
        if (line[i] == ' ' && line[i + 1] == ' ') {
            while (i < length && line[i] == ' ')
                i++;
            return i < length ? i : 0;
        }
    return 0;
}

static size_t without_blanks(const char *text, size_t length)
{
    while (length > 0 && text[length - 1] == ' ')
        length--;
    return length;
}

static block put_row(FILE *out, const char *line, size_t length, block before, bool examples)
{
    size_t column = examples ? 0 : second_column(line, length);
    block now = column ? TABLE : EXAMPLE;
    if (before == EXAMPLE && now != EXAMPLE)
        fputs(".EE\n", out);
    if (now == EXAMPLE && before != EXAMPLE)
        fputs(".EX\n", out);
    if (now == TABLE) {
        fputs(".TP\n", out);
        put_text(out, line + 2, without_blanks(line + 2, column - 2));
        fputc('\n', out);
        put_text(out, line + column, length - column);
    } else {
        put_text(out, line, length);
    }
    fputc('\n', out);
    return now;
}

static void put_help(FILE *out, const char *help)
{
    block now = PARAGRAPH;
    bool examples = false, gap = false;
    for (const char *line = help, *next; *line; line = next) {
        size_t length = strcspn(line, "\n");
        next = line + length + (line[length] == '\n');
        if (length == 0) {
            gap = true;
            continue;
        }
        bool title = strncmp(line, "Example", 7) == 0 && length <= strlen("Examples:");
        if (line[0] == ' ' && line[1] == ' ' && !title) {
            now = put_row(out, line, length, now, examples);
        } else {
            if (now == EXAMPLE)
                fputs(".EE\n", out);
            if (title)
                fputs(".SH EXAMPLES\n", out);
            else if (gap || now == TABLE)
                fputs(".PP\n", out);
            if (!title)
                put_text(out, line, length), fputc('\n', out);
            now = PARAGRAPH;
            examples = examples || title;
        }
        gap = false;
    }
    if (now == EXAMPLE)
        fputs(".EE\n", out);
}

/* ---- flags and keys ---- */

static void put_flags(FILE *out, const px_flag *flags)
{
    if (px_args_flags_count(flags))
        fputs(".SH OPTIONS\n", out);
    for (const px_flag *f = flags; f && f->name; f++) {
        if (f->type == PX_FLAG_OLD)
            continue;
        char *name = px_args_flag_name(f);
        fputs(".TP\n", out);
        if (f->letter)
            fprintf(out, "\\fB\\-%c\\fR, ", f->letter);
        fputs("\\fB\\-\\-", out);
        put(out, name);
        fputs("\\fR", out);
        if (f->value) {
            fputs(" \\fI", out);
            put(out, f->value);
            fputs("\\fR", out);
        }
        fputc('\n', out);
        put(out, f->help);
        fputc('\n', out);
        free(name);
    }
}

/* What a key takes. A line may end between two choices. */
static void put_allowed(FILE *out, const char *allowed)
{
    for (size_t length; *allowed; allowed += length) {
        length = strcspn(allowed, "|");
        length += allowed[length] == '|';
        put_text(out, allowed, length);
        fputs(allowed[length] ? "\\:" : "", out);
    }
}

typedef struct key_writer {
    FILE *out;
    const char *group; /* of the key before */
} key_writer;

static void put_key(void *context, const char *group, const px_option *o)
{
    key_writer *w = context;
    char *allowed = px_option_allowed(o);
    if (strcmp(group, w->group) != 0 && *group) {
        fputs(".SS ", w->out);
        put(w->out, group);
        fputc('\n', w->out);
    }
    w->group = group;
    fputs(".TP\n\\fB", w->out);
    put(w->out, group);
    fputs(*group ? "." : "", w->out);
    put(w->out, o->name);
    fputs("\\fR=\\fI", w->out);
    put_allowed(w->out, allowed);
    fputs("\\fR (", w->out);
    put(w->out, *o->def ? o->def : "\"\"");
    fputs(")\n", w->out);
    put(w->out, o->help);
    fputc('\n', w->out);
    free(allowed);
}

static void put_keys(FILE *out, const px_command *c)
{
    if (!c->out.value && !c->options && !c->keys)
        return;
    fputs(".SH SETTINGS\n.ad l\nkey=value, with the default in parentheses.\n", out);
    if (c->out.value) {
        fputs(".TP\n\\fBout\\fR=\\fI", out);
        put(out, c->out.value);
        fputs("\\fR\n", out);
        put(out, c->out.help);
        fputc('\n', out);
    }
    key_writer w = {out, ""};
    px_keys_walk(c, NULL, NULL, put_key, &w);
}

/* ---- pages ---- */

void px_manual_write(FILE *out, const px_command *c)
{
    char *name = px_format("pretext-%s", c->name);
    put_head(out, name, c->summary);
    fputs(".SH SYNOPSIS\n\\fBpretext ", out);
    put(out, c->name);
    fprintf(out, "\\fR%s\\fI", *c->arguments ? " " : "");
    put(out, c->arguments);
    fputs("\\fR\n.SH DESCRIPTION\n", out);
    char *help = px_command_help(c);
    const char *examples = strstr(help, "\nExample");
    if (!examples && strncmp(help, "Example", 7) != 0) /* nothing but text */
        examples = help + strlen(help);
    char *description = px_format("%.*s", examples ? (int)(examples - help) : 0, help);
    put_help(out, description);
    put_flags(out, c->flags);
    put_keys(out, c);
    put_help(out, examples ? examples : help);
    fputs(".SH EXIT STATUS\n", out);
    put_help(out, px_command_statuses);
    fputs(".SH SEE ALSO\n.BR pretext (1)\n", out);
    free(description);
    free(help);
    free(name);
}

void px_manual_write_overview(FILE *out)
{
    put_head(out, "pretext", "self-supervised pretraining of vision backbones on CPU clusters");
    fputs(".SH SYNOPSIS\n\\fBpretext\\fR \\fICOMMAND\\fR [\\fIarguments\\fR]\n.SH DESCRIPTION\n", out);
    put_help(out, px_command_rule);
    fputs(".SH COMMANDS\n", out);
    for (const px_command_row *r = px_commands; r->heading; r++) {
        if (r == px_commands || strcmp(r->heading, r[-1].heading) != 0)
            fprintf(out, ".SS %s\n", r->heading);
        fprintf(out, ".TP\n.BR pretext\\-%s (1)\n", r->command->name);
        put(out, r->command->summary);
        fputc('\n', out);
    }
    fputs(".SH EXIT STATUS\n", out);
    put_help(out, px_command_statuses);
    fputs(".SH SEE ALSO\n.BR mpirun (1),\n.BR gnuplot (1),\n.BR h5dump (1)\n", out);
}
