/* glyphs.c - which characters the installed fonts can draw, by fontconfig, which gnuplot's terminals ask as well. */
#include "figures/glyphs.h"

#include "base/error.h"

#include <fontconfig/fontconfig.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* All characters of all fonts. They belong to the process, as the fonts to the system; NULL: no fonts are known, and nothing
 * is judged. */
static FcCharSet *all;

static void find_fonts(void)
{
    FcConfig *config = FcInitLoadConfigAndFonts();
    const FcFontSet *fonts = config ? FcConfigGetFonts(config, FcSetSystem) : NULL;
    for (int i = 0; fonts && i < fonts->nfont; i++) {
        FcCharSet *own;
        FcBool changed;
        if (FcPatternGetCharSet(fonts->fonts[i], FC_CHARSET, 0, &own) != FcResultMatch)
            continue;
        if (!all)
            all = FcCharSetCreate();
        FcCharSetMerge(all, own, &changed);
    }
    if (config)
        FcConfigDestroy(config);
}

/* Characters that are never drawn themselves: joiners, directions, variants. */
static bool is_invisible(FcChar32 c)
{
    return (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0xFE00 && c <= 0xFE0F) ||
           c == 0xFEFF || (c >= 0xE0100 && c <= 0xE01EF);
}

static bool is_drawable(FcChar32 c)
{
    return c < 0x80 || !all || is_invisible(c) || FcCharSetHasChar(all, c);
}

static void tell(const char *character, int bytes, FcChar32 code)
{
    static atomic_flag told = ATOMIC_FLAG_INIT; /* once per process, as the fonts do not change */
    if (!atomic_flag_test_and_set(&told))
        px_tell(
            "no installed font has the character %.*s (U+%04X), which is drawn as a box; with a font for this script "
            "(Debian: fonts-noto, fonts-noto-cjk) it is drawn itself",
            bytes, character, (unsigned)code);
}

char *px_glyphs_drawable(const char *text)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const char box[] = "\xE2\x96\xA1"; /* U+25A1 */
    size_t length = strlen(text), at = 0, used = 0;
    char *out = px_calloc(3 * length + 1, 1);
    pthread_once(&once, find_fonts);
    const char *instead = is_drawable(0x25A1) ? box : "?";
    while (at < length) {
        FcChar32 code = 0;
        int bytes = FcUtf8ToUcs4((const FcChar8 *)text + at, &code, (int)(length - at));
        bool known = bytes > 0;
        bytes = known ? bytes : 1;
        if (!known || is_drawable(code)) {
            memcpy(out + used, text + at, (size_t)bytes);
            used += (size_t)bytes;
        } else {
            tell(text + at, bytes, code);
            used += (size_t)(stpcpy(out + used, instead) - (out + used));
        }
        at += (size_t)bytes;
    }
    return out;
}
