/* entry_name.h - the names of entries in archives as UTF-8, whatever the locale of the program is.
 *
 *     px_utf8_locale old = px_utf8_locale_enter();                // libarchive converts names to the locale's characters
 *     char *name = px_entry_utf8(archive, entry_name);            // for each name
 *     px_utf8_locale_leave(old);
 */
#ifndef PX_DATA_ENTRY_NAME_H
#define PX_DATA_ENTRY_NAME_H

#include <archive.h>
#include <locale.h>

typedef struct px_utf8_locale {
    locale_t own, before;
} px_utf8_locale;

/* Gives this thread a locale of UTF-8 characters, and takes it away. Where there is none, nothing changes. */
px_utf8_locale px_utf8_locale_enter(void);
void px_utf8_locale_leave(px_utf8_locale);

/* A name as the archive has it: as it is if it is UTF-8. Else in a zip, without a flag that says UTF-8, it is of the code
 * page 437 (PKWARE's APPNOTE, appendix D; Python's zipfile reads it so, too); in others its bytes stay. A new string. */
char *px_entry_utf8(struct archive *, const char *name);

#endif
