/* catalog_text.c - tells what `pretext pack` understood of its sources, before it packs them. */
#include "base/error.h"
#include "data/catalog.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES_SHOWN = 5 };

/* Adds one split's line: images, classes, the first classes with their counts. count: (classes + 1), the last one of images
 * without a label. */
static void print_split(FILE *out, const px_catalog *c, int split, const int64_t *count)
{
    int classes = 0, shown = 0;
    for (int k = 0; k < c->classes; k++)
        classes += count[k] > 0;
    char *of = px_one_line(px_strdup(px_split_name(c, split)));
    fprintf(out, "  %-10s %lld image%s", of, (long long)c->in_split[split], c->in_split[split] == 1 ? "" : "s");
    free(of);
    if (classes > 0)
        fprintf(out, ", %d class%s", classes, classes == 1 ? "" : "es");
    if (count[c->classes] > 0)
        fprintf(out, ", %lld without a label", (long long)count[c->classes]);
    if (c->found[split].folders > 0)
        fprintf(out, ", from %s", c->found[split].first);
    if (c->found[split].folders > 1)
        fprintf(out, " and %d more", c->found[split].folders - 1);
    for (int k = 0; k < c->classes && shown < CLASSES_SHOWN; k++)
        if (count[k] > 0) {
            char *name = px_one_line(px_strdup(c->class_names[k]));
            fprintf(out, "%s%s %lld", shown++ ? ", " : ": ", name, (long long)count[k]);
            free(name);
        }
    fputs(classes > shown ? ", ...\n" : "\n", out);
}

char *px_catalog_text(const px_catalog *c)
{
    char *text = NULL, name[PX_ENTRY_NAME];
    size_t length = 0, row = (size_t)c->classes + 1;
    FILE *out = open_memstream(&text, &length);
    PX_CHECK(out != NULL);
    int64_t *count = px_calloc(row * (size_t)c->splits.count, sizeof *count);
    for (size_t k = 0; k < c->block_count; k++) {
        const px_block *b = &c->blocks[k];
        for (int64_t i = 0; i < b->count; i++) {
            int label = b->labels ? b->labels[i] : b->label,
                split = c->split_of_row ? c->split_of_row[b->row + i] : b->split;
            count[(size_t)split * row + (size_t)(label < 0 ? c->classes : label)]++;
        }
    }
    snprintf(name, sizeof name, "%s", c->sources[0]);
    fprintf(out, "found in %s%s: %s\n", px_one_line(name), c->source_count > 1 ? " and others" : "", c->format->name);
    for (int s = 0; s < c->splits.count; s++)
        if (c->in_split[s] > 0)
            print_split(out, c, s, &count[(size_t)s * row]);
    if (c->junk > 0)
        fprintf(out, "  left out   %lld hidden files and files of systems, the first is %s\n", (long long)c->junk,
                c->first_junk);
    if (c->bad_count > 0)
        fprintf(out, "  bad        %d file%s cannot be read, the first: %s\n", c->bad_count,
                c->bad_count == 1 ? "" : "s", c->bad[0]);
    fclose(out);
    free(count);
    return text;
}

void px_catalog_tell(px_catalog *c)
{
    char *text = px_catalog_text(c), *rest = text, *line;
    if (!c->told)
        px_log_progress_end(c->log);
    while (!c->told && (line = strsep(&rest, "\n")))
        if (*line)
            px_log_line(c->log, "%s", line);
    c->told = true;
    free(text);
}
