/* table.c - see table.h. */
#include "figures/table.h"
#include "base/error.h"
#include "figures/html.h"
#include "figures/plot_private.h"

#include <stdlib.h>
#include <string.h>

void px_table_add(px_table *t, char *text)
{
    t->cell = px_realloc(t->cell, (size_t)(t->cells + 1) * sizeof *t->cell);
    t->cell[t->cells++] = px_one_line(text);
}

void px_table_finish(px_table *t)
{
    for (int i = 0; i < t->cells; i++)
        free(t->cell[i]);
    free(t->cell);
    *t = (px_table){0};
}

/* ---- text ---- */

/* Numbers stand to the right: a column in which each cell below the head begins with a digit, a sign or a gap. */
static bool is_number(const px_table *t, int column)
{
    for (int i = t->columns + column; i < t->cells; i += t->columns)
        if (!strchr("0123456789-+.", t->cell[i][0]))
            return false;
    return true;
}

static void print_text(const px_table *t, FILE *out)
{
    int *width = px_calloc((size_t)t->columns + 1, sizeof *width);
    for (int i = 0; i < t->cells; i++) {
        int w = px_plot_width(t->cell[i]);
        width[i % t->columns] = w > width[i % t->columns] ? w : width[i % t->columns];
    }
    for (int i = 0; i < t->cells; i++) {
        int column = i % t->columns, fill = width[column] - px_plot_width(t->cell[i]);
        bool last = column == t->columns - 1, right = is_number(t, column);
        fprintf(out, "%s%*s%s%*s%s", column ? "  " : "", right ? fill : 0, "", t->cell[i], right || last ? 0 : fill, "",
                last ? "\n" : "");
    }
    free(width);
}

/* ---- for other programs ---- */

static void print_csv(const px_table *t, FILE *out)
{
    for (int i = 0; i < t->cells; i++) {
        bool quotes = strpbrk(t->cell[i], ",\"") != NULL;
        fputs(quotes ? "\"" : "", out);
        for (const char *at = t->cell[i]; *at; at++)
            fprintf(out, *at == '"' ? "\"\"" : "%c", *at);
        fprintf(out, "%s%s", quotes ? "\"" : "", (i + 1) % t->columns ? "," : "\n");
    }
}

static void print_markdown(const px_table *t, FILE *out)
{
    for (int i = 0; i < t->cells; i++) {
        fputs(i % t->columns ? " " : "| ", out);
        for (const char *at = t->cell[i]; *at; at++)
            fprintf(out, strchr("|\\`*_<>[]", *at) ? "\\%c" : "%c", *at);
        fputs((i + 1) % t->columns ? " |" : " |\n", out);
        if (i + 1 == t->columns)
            for (int k = 0; k < t->columns; k++)
                fprintf(out, "%s%s%s", k ? "" : "|", is_number(t, k) ? "---:|" : "---|",
                        k + 1 == t->columns ? "\n" : "");
    }
}

static void print_latex_text(const char *text, FILE *out)
{
    for (const char *at = text; *at; at++)
        if (strncmp(at, "\302\261", 2) == 0) /* plus or minus */
            fputs("$\\pm$", out), at++;
        else if (*at == '\\')
            fputs("\\textbackslash{}", out);
        else if (*at == '~' || *at == '^')
            fprintf(out, "\\%c{}", *at);
        else
            fprintf(out, strchr("#$%&_{}", *at) ? "\\%c" : "%c", *at);
}

static void print_latex(const px_table *t, FILE *out)
{
    fputs("\\begin{tabular}{", out);
    for (int k = 0; k < t->columns; k++)
        fputc(is_number(t, k) ? 'r' : 'l', out);
    fputs("}\n\\toprule\n", out);
    for (int i = 0; i < t->cells; i++) {
        print_latex_text(t->cell[i], out);
        fputs((i + 1) % t->columns ? " & " : " \\\\\n", out);
        fputs(i + 1 == t->columns ? "\\midrule\n" : "", out);
    }
    fputs("\\bottomrule\n\\end{tabular}\n", out);
}

static void print_html(const px_table *t, FILE *out)
{
    fputs("<div class=\"wide\"><table>\n<thead>", out);
    for (int i = 0; i < t->cells; i++) {
        int column = i % t->columns;
        bool head = i < t->columns || column == 0;
        fputs(column ? "" : "<tr>", out);
        fprintf(out, head ? "<th scope=\"%s\"%s>" : "<td%s%s>", head ? i < t->columns ? "col" : "row" : "",
                is_number(t, column) ? " class=\"n\"" : "");
        px_html_text(out, t->cell[i]);
        fputs(head ? "</th>" : "</td>", out);
        fputs(column == t->columns - 1 ? "</tr>\n" : "", out);
        fputs(i == t->columns - 1 ? "</thead><tbody>\n" : "", out);
    }
    fputs("</tbody></table></div>\n", out);
}

void px_table_print(const px_table *t, px_table_format format, FILE *out)
{
    static void (*const print[])(const px_table *, FILE *) = {print_text, print_csv, print_markdown, print_latex,
                                                              print_html};
    print[format](t, out);
}
