/* shell.c - quoting for a POSIX shell (IEEE 1003.1, 2.2.2): within single quotes only the single quote is special. */
#include "base/shell.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *px_shell_word(const char *text)
{
    static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
    if (*text && strspn(text, harmless) == strlen(text))
        return px_strdup(text);
    char *word = px_calloc(4 * strlen(text) + 3, 1), *end = word;
    *end++ = '\'';
    for (; *text; text++) {
        if (*text == '\'')
            end = stpcpy(end, "'\\'"); /* ends the quotes, adds the quote itself; what follows begins them again */
        *end++ = *text;
    }
    *end = '\'';
    return word;
}
