/* report_origin.c - where a run is from: its configuration, and every start with hosts, command and versions. */
#include "base/error.h"
#include "figures/html.h"
#include "figures/report_private.h"
#include "figures/table.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

/* What is shown of one run: ours have far less. */
enum { MOST_STARTS = 200, MOST_SETTINGS = 1000, SETTING = 200, COMMAND = 4000 /* characters */ };

/* ---- configuration ---- */

/* The settings of a group, then those of the groups in it, each under its name. */
static void write_group(FILE *out, const char *name, const config_setting_t *group, int *left)
{
    int own = 0;
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
        if (config_setting_is_group(s) || (*left)-- <= 0)
            continue;
        if (own++ == 0 && *name)
            fputs("<h4>", out), px_html_text(out, name), fputs("</h4>\n", out);
        if (own == 1)
            fputs("<dl class=\"settings\">\n", out);
        char *text;
        size_t size;
        FILE *value = open_memstream(&text, &size);
        PX_CHECK(value);
        px_plot_setting(value, s, &(plot_setting_form){.digits = 6, .empty = "\"\"", .most = SETTING});
        fclose(value);
        px_report_fact(out, config_setting_name(s) ? config_setting_name(s) : "", text);
    }
    fputs(own ? "</dl>\n" : "", out);
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
        if (config_setting_is_group(s) && config_setting_name(s))
            write_group(out, config_setting_name(s), s, left);
    }
}

static void write_configuration(FILE *out, px_results *r)
{
    config_t config;
    int left = MOST_SETTINGS;
    if (px_plot_config(r, &config)) {
        fputs("<h3>Configuration</h3>\n<details><summary>All settings</summary>\n", out);
        write_group(out, "", config_root_setting(&config), &left);
        fputs("</details>\n", out);
    }
    config_destroy(&config);
}

/* ---- starts ---- */

/* An attribute as text, "-" if it is not there. A new string. */
static char *attribute(px_results *r, const char *object, const char *name)
{
    char *text;
    double number;
    if (px_results_get_attribute_text(r, object, name, &text) == 0) {
        char *shorter = px_plot_shorten(text, COMMAND);
        free(text);
        return shorter;
    }
    return px_results_get_attribute_real(r, object, name, &number) == 0 ? px_format("%g", number) : px_strdup("-");
}

static void add_start(px_table *t, px_results *r, const char *object, const char *number, const char *hosts)
{
    static const char *const names[] = {"started", "", "ranks", "threads", "commit", "command"};
    px_table_add(t, px_strdup(number));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        px_table_add(t, attribute(r, object, *names[i] ? names[i] : hosts));
}

static void write_starts(FILE *out, px_results *r)
{
    static const char *const heads[] = {"start", "started", "hosts", "ranks", "threads per rank", "commit", "command"};
    px_table t = {.columns = sizeof heads / sizeof *heads};
    int count = 0;
    for (int i = 0; i < t.columns; i++)
        px_table_add(&t, px_strdup(heads[i]));
    for (bool there = true; there && count < MOST_STARTS; count += there) {
        char *path = px_format("/provenance/%d", count + 1), *number = px_format("%d", count + 1);
        there = px_results_has(r, path);
        if (there)
            add_start(&t, r, path, number, "hosts");
        free(number);
        free(path);
    }
    if (count == 0) /* of a version that kept the last one only */
        add_start(&t, r, "/provenance", "last", "host");
    px_table_print(&t, PX_TABLE_HTML, out);
    px_table_finish(&t);
    if (count == MOST_STARTS)
        fprintf(out, "<p class=\"notes\">The first %d starts; there may be more.</p>\n", MOST_STARTS);
}

void px_report_origin(report_page *p, int run)
{
    px_results *r = p->runs[run].results;
    write_configuration(p->out, r);
    if (!px_results_has(r, "/provenance"))
        return;
    fputs("<h3>Provenance</h3>\n", p->out);
    write_starts(p->out, r);
    char *versions = attribute(r, "/provenance", "versions");
    if (strcmp(versions, "-") != 0) {
        fputs("<details><summary>Versions and processor of the last start</summary>\n<pre>", p->out);
        px_html_lines(p->out, versions);
        fputs("</pre></details>\n", p->out);
    }
    free(versions);
}
