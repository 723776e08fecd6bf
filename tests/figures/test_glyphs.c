/* test_glyphs.c - characters that no font has do not reach gnuplot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "figures/glyphs.h"
#include "figures/gnuplot.h"

#include <fontconfig/fontconfig.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN "\xF4\x8F\xBF\xBD" /* U+10FFFD, private */

static bool there_are_fonts(void)
{
    const FcFontSet *fonts = FcInit() ? FcConfigGetFonts(NULL, FcSetSystem) : NULL;
    return fonts && fonts->nfont > 0;
}

static void what_no_font_has_is_replaced(void **state)
{
    (void)state;
    if (!there_are_fonts())
        skip();
    char *shown = px_glyphs_drawable("cat " UNKNOWN UNKNOWN "\xFFz"), *box = px_glyphs_drawable("\xE2\x96\xA1");
    const char *one = strcmp(box, "?") == 0 ? "?" : "\xE2\x96\xA1";
    char *expected = px_format("cat %s%s\xFFz", one, one);
    assert_string_equal(shown, expected);
    free(shown);
    free(box);
    free(expected);
    shown = px_glyphs_drawable("tr\xC3\xA8s \xEF\xB8\x8F 100 %");
    assert_non_null(strstr(shown, " 100 %"));
    assert_non_null(strstr(shown, "\xEF\xB8\x8F")); /* a variant's mark is not drawn itself */
    free(shown);
}

static void texts_of_figures_are_drawable(void **state)
{
    (void)state;
    if (!there_are_fonts())
        skip();
    char *script = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&script, &size);
    px_gnuplot_text(f, "dog " UNKNOWN);
    px_gnuplot_tic(f, UNKNOWN " 5 %");
    fclose(f);
    assert_non_null(strstr(script, "'dog "));
    assert_null(strstr(script, UNKNOWN));
    free(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_no_font_has_is_replaced),
                                       cmocka_unit_test(texts_of_figures_are_drawable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
