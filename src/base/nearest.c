/* nearest.c - finds the word that a user probably meant. */
#include "base/config.h"
#include "base/error.h"
#include "base/setting.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 64 }; /* longer words have no near ones */

static int min(int a, int b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment), upper and lower case
 * alike. */
static int edit_distance(const char *a, const char *b)
{
    int n = (int)strnlen(a, WORD_MAX + 1), m = (int)strnlen(b, WORD_MAX + 1);
    if (n > WORD_MAX || m > WORD_MAX)
        return INT_MAX;
    int d[WORD_MAX + 1][WORD_MAX + 1];
    for (int i = 0; i <= n; i++)
        d[i][0] = i;
    for (int j = 0; j <= m; j++)
        d[0][j] = j;
    for (int i = 1; i <= n; i++) {
        for (int j = 1; j <= m; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            d[i][j] = min(min(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && y == tolower((unsigned char)a[i - 2]))
                d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[n][m];
}

/* An abbreviation counts as one mistake: "temp" means "temperature". */
static int distance(const char *word, const char *candidate)
{
    size_t length = strlen(word);
    if (length >= 3 && strlen(candidate) > length && strncasecmp(word, candidate, length) == 0)
        return 1;
    return edit_distance(word, candidate);
}

const char *px_nearest(const char *word, const char *const *candidates)
{
    const char *best = NULL;
    int best_distance = ((int)strnlen(word, WORD_MAX) + 2) / 3 + 1; /* one mistake in three letters is near */
    for (; *candidates; candidates++) {
        int d = distance(word, *candidates);
        if (d < best_distance) {
            best = *candidates;
            best_distance = d;
        }
    }
    return best;
}

char *px_nearest_first(const char *word, const char *const *candidates)
{
    int count = 0;
    while (candidates[count])
        count++;
    bool *taken = px_calloc((size_t)count, sizeof *taken);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    for (int n = 0; n < count; n++) { /* selection sort keeps the table's order of equals */
        int best = -1;
        for (int i = 0; i < count; i++)
            if (!taken[i] && (best < 0 || distance(word, candidates[i]) < distance(word, candidates[best])))
                best = i;
        taken[best] = true;
        fprintf(out, "%s%s", n ? ", " : "", candidates[best]);
    }
    fclose(out);
    free(taken);
    return text;
}
