/* plot_notes.c - what tells evaluations apart that stand in one figure or table: the lines of their measured texts
 * (results/measured.h) that are not the same. */
#include "base/error.h"
#include "figures/plot_private.h"
#include "results/measured.h"

#include <stdlib.h>
#include <string.h>

enum { VALUE = 40 }; /* characters of a value that are shown */

/* Whether both are of one run's subject, measured several times. */
static bool same_subject(const plot_eval *a, const plot_eval *b)
{
    int length = px_measured_subject(a->subject);
    return a->run == b->run && px_measured_subject(b->subject) == length &&
           strncmp(a->subject, b->subject, (size_t)length) == 0;
}

/* The keys in which evaluations differ: of what was measured, or of the weights of a subject like this one. */
static char **keys_of(const plot_eval *evals, int count, const plot_eval *like, int *keys)
{
    const char **texts = px_calloc((size_t)count, sizeof texts[0]);
    int found = 0, kept = 0;
    for (int i = 0; i < count; i++)
        if (evals[i].measured && (!like || same_subject(&evals[i], like)))
            texts[found++] = evals[i].measured;
    char **names = px_measured_differences(texts, found, keys);
    for (int i = 0; i < *keys; i++)
        if (px_measured_of_weights(names[i]) == (like != NULL))
            names[kept++] = names[i];
        else
            free(names[i]);
    *keys = kept;
    free(texts);
    return names;
}

static void write_part(FILE *out, const char *key, const char *value)
{
    static const struct {
        const char *key, *said;
    } words[] = {{"data", ""},
                 {"data_crc", "data "},
                 {"train", "learned from "},
                 {"test", "tested on "},
                 {"weights", "weights "},
                 {"weights_step", "step "},
                 {"weights_crc", "weights "},
                 {"weights_seed", "seed "},
                 {"weights_pool", "pool "},
                 {"weights_normalize", "normalize "}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].key, key) == 0) {
            fprintf(out, "%s%s", words[i].said, value);
            return;
        }
    fprintf(out, "%s=%s", key, value);
}

/* Writes the values that the text has of these keys. */
static void write_note(FILE *out, const char *measured, char *const *keys, int count)
{
    for (int i = 0; i < count; i++) {
        bool said = i > 0 && strcmp(keys[i], "data_crc") == 0 && strcmp(keys[i - 1], "data") == 0;
        char *value = said ? NULL : px_measured_value(measured, keys[i]);
        if (!value)
            continue;
        char *shown = px_plot_shorten(value, VALUE);
        if (ftell(out) > 0)
            fputs(", ", out);
        write_part(out, keys[i], shown);
        free(shown);
        free(value);
    }
}

void px_plot_eval_notes(plot_eval *evals, int count)
{
    int found;
    char **keys = keys_of(evals, count, NULL, &found);
    bool known = false;
    for (int i = 0; i < count; i++)
        known |= evals[i].measured != NULL;
    for (int i = 0; i < count; i++) {
        plot_eval *e = &evals[i];
        size_t size;
        FILE *out = open_memstream(&e->note, &size);
        PX_CHECK(out);
        if (e->measured) {
            int own;
            char **of_subject = keys_of(evals, count, e, &own);
            write_note(out, e->measured, keys, found);
            write_note(out, e->measured, of_subject, own);
            px_plot_texts_free(of_subject, own);
        } else if (known) {
            fputs("not known on what", out);
        }
        fclose(out);
    }
    px_plot_texts_free(keys, found);
}
