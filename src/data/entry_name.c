/* entry_name.c - names of entries from any code page to UTF-8, by iconv. */
#include "data/entry_name.h"

#include "base/error.h"

#include <iconv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

px_utf8_locale px_utf8_locale_enter(void)
{
    px_utf8_locale l = {.own = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0)};
    if (l.own)
        l.before = uselocale(l.own);
    return l;
}

void px_utf8_locale_leave(px_utf8_locale l)
{
    if (!l.own)
        return;
    uselocale(l.before);
    freelocale(l.own);
}

/* Converts from one set of characters to UTF-8. A new string, or NULL. */
static char *convert(const char *name, const char *from)
{
    enum { WIDEST = 4 };
    iconv_t to_utf8 = iconv_open("UTF-8", from);
    if (to_utf8 == (iconv_t)-1)
        return NULL;
    size_t left = strlen(name), room = left * WIDEST;
    char *out = px_calloc(room + 1, 1), *in = (char *)name, *at = out;
    size_t wrong = iconv(to_utf8, &in, &left, &at, &room);
    iconv_close(to_utf8);
    if (wrong == 0 && left == 0)
        return out;
    free(out);
    return NULL;
}

char *px_entry_utf8(struct archive *archive, const char *name)
{
    bool zip = (archive_format(archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_ZIP;
    char *same = convert(name, "UTF-8"), *converted = NULL;
    if (!same && zip)
        converted = convert(name, "CP437");
    return same ? same : converted ? converted : px_strdup(name);
}
