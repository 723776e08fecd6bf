/* cmd_methods.c - pretext methods: lists the pretext tasks, or tells about one. */
#include "base/error.h"
#include "cli/args.h"
#include "cli/job.h"
#include "cli/share.h"
#include "train/describe.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Images of ImageNet's usual size. */
enum { SIDE = 224 };

typedef struct methods_flags {
    px_words plugin;
} methods_flags;

static const px_flag flags[] = {PX_PLUGIN_FLAG(methods_flags), {0}};

static const px_keys keys[] = {
    {"", px_train_options, NULL}, {"data", px_data_options, NULL}, {"optim", px_optim_options, NULL}, {0}};

static void print_list(void)
{
    const px_method *m;
    for (int i = 0; (m = px_method_at(i)); i++)
        printf("%-20s %s (%s)\n", m->name, m->summary, m->paper);
}

/* The settings that the words after `methods` make. */
static int load(px_settings *s, const char *method, const px_args *args)
{
    int count = args->assignments.count;
    const char **given = px_calloc((size_t)count + 1, sizeof given[0]);
    char *chosen = px_format("method=%s", method);
    for (int i = 0; i < count; i++)
        given[i] = args->assignments.word[i];
    given[count] = chosen;
    int status = px_settings_load(s, NULL, given, count + 1);
    free(chosen);
    free(given);
    return status;
}

/* ---- recipes and results ---- */

/* NULL with a message: it is a pipe or the like, which would be waited for, or cannot be opened. */
static FILE *open_text(const char *path)
{
    if (px_plain_file(path, PX_DATA) != 0)
        return NULL;
    FILE *f = fopen(path, "r");
    if (!f)
        px_fail(PX_DATA, "%s: cannot be opened: %s", path, strerror(errno));
    return f;
}

/* With the comment that it begins with, up to the commands in it. */
static void print_recipe(const char *path)
{
    char *line = NULL, *shown = px_one_line(px_strdup(path));
    size_t size = 0;
    FILE *f = open_text(path);
    printf("  %s\n", shown);
    while (f && getline(&line, &size, f) > 0 && line[0] == '#' && strncmp(line, "#   ", 4) != 0) {
        line[strcspn(line, "\r\n")] = 0;
        printf("    %s\n", px_one_line(line + 1));
    }
    if (f)
        fclose(f);
    free(shown);
    free(line);
}

static void print_recipes(const px_method *m)
{
    char *folder = px_share_file("experiments"), *files = px_format("%s/*.cfg", folder ? folder : "experiments"),
         *deeper = px_format("%s/*/*.cfg", folder ? folder : "experiments");
    glob_t all;
    int found = 0;
    glob(files, 0, NULL, &all);
    glob(deeper, GLOB_APPEND, NULL, &all);
    printf("\nRecipes\n");
    for (size_t i = 0; i < all.gl_pathc; i++) {
        px_settings s;
        if (px_settings_load(&s, all.gl_pathv[i], NULL, 0) != 0)
            continue; /* it is not for this program: a plug-in's */
        if (s.method == m) {
            print_recipe(all.gl_pathv[i]);
            found++;
        }
        px_settings_finish(&s);
    }
    if (found == 0)
        printf("  none\n");
    globfree(&all);
    free(deeper);
    free(files);
    free(folder);
}

/* Cuts the next cell off a row "| a | b |" of a table in Markdown, without blanks around it; NULL: there is none. */
static char *next_cell(char **row)
{
    char *text = strsep(row, "|"), *end;
    if (!text || !*row)
        return NULL;
    text += strspn(text, " ");
    end = text + strlen(text);
    while (end > text && end[-1] == ' ')
        *--end = 0;
    return text;
}

/* A row of the table, each number after its column's title. */
static void print_row(char *titles, char *row)
{
    char *title, *text;
    while ((title = next_cell(&titles)) && (text = next_cell(&row)))
        if (*text)
            printf("  %-24s %s\n", px_one_line(title), px_one_line(text));
}

/* What results/methods/README.md tells of the method: the rows that begin with its name. */
static void print_ours(const px_method *m)
{
    static const char file[] = "results/methods/README.md";
    char *path = px_share_file(file), line[1024], titles[1024] = "", row[1024];
    FILE *f = path ? open_text(path) : NULL;
    int found = 0;
    printf("\nOurs\n");
    while (f && fgets(line, sizeof line, f)) {
        if (line[0] != '|') {
            titles[0] = 0;
            continue;
        }
        if (!titles[0])
            memcpy(titles, line, sizeof titles);
        memcpy(row, line, sizeof row);
        char *rest = row + 1;
        const char *name = next_cell(&rest);
        if (!name || strcmp(name, m->name) != 0)
            continue;
        memcpy(row, titles, sizeof row);
        print_row(row + 1, line + 1);
        found++;
    }
    if (f)
        fclose(f);
    if (path && !f)
        printf("  %s\n", px_error());
    else if (found == 0)
        printf("  none in %s\n", file);
    free(path);
}

/* ---- one method ---- */

/* A section: lines, or what to say where there are none. */
static void print_section(const char *title, const char *lines, const char *none)
{
    printf("\n%s\n", title);
    for (const char *line = lines ? lines : none; *line;) {
        int length = (int)strcspn(line, "\n");
        printf("  %.*s\n", length, line);
        line += length + (line[length] == '\n');
    }
}

static int print_method(const char *name, const px_args *args)
{
    const px_method *m = px_method_find(name);
    px_settings s;
    if (!m || load(&s, name, args) != 0)
        return -1;
    printf("%s - %s (%s)\n", m->name, m->summary, m->paper);
    printf("%s%s\n\n", m->formula ? "\n" : "", m->formula ? m->formula : "");
    int status = px_describe(stdout, &s, SIDE);
    px_settings_finish(&s);
    if (status != 0)
        return -1;
    char *options = px_options_help(m->name, m->options);
    printf("\nOptions\n%s", options);
    free(options);
    if (m->defaults)
        printf("\nDefaults for other options\n%s", m->defaults);
    print_recipes(m);
    print_section("Departures", m->departures, "none are known");
    print_section("Published", m->published, "nothing is noted");
    print_ours(m);
    return 0;
}

static int run(int argc, char **argv)
{
    methods_flags given = {0};
    px_args args;
    if (px_args_read(&args, &px_cmd_methods, argc, argv, &given) != 0)
        return -1;
    int status = px_job_plugins(&given.plugin);
    if (status == 0 && args.words.count)
        status = print_method(args.words.word[0], &args);
    else if (status == 0)
        print_list();
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_methods = {
    .name = "methods",
    .arguments = "[METHOD [key=value...]]",
    .summary = "list the pretext tasks, or tell about one: formula, views, networks, recipes, numbers",
    .help = "Of a METHOD: its paper, the loss in a line, what it makes of each image and of\n"
            "the backbone (for images of 224 px, or data.image_size=), its options and\n"
            "defaults, the configurations that come with Pretext, where it departs from its\n"
            "paper or official code, and results, others' and ours. key=value changes what\n"
            "is described.\n"
            "\n"
            "Examples:\n"
            "  pretext methods\n"
            "  pretext methods byol\n"
            "  pretext methods mae backbone=vit_tiny_4 data.image_size=32\n",
    .run = run,
    .flags = flags,
    .max_words = 1,
    .assignments = true,
    .keys = keys,
    .method_keys = true,
    .backbone_keys = true,
    .word = PX_WORD_METHOD,
};
