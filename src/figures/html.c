/* html.c - see html.h. */
#include "figures/html.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- text ---- */

/* The bytes of a character of UTF-8 that turns the direction of what follows (U+200E, U+200F, U+061C, U+202A to U+202E, U+2066 to
 * U+2069), or 0. */
static int turns_direction(const char *at)
{
    unsigned char last = at[0] && at[1] ? (unsigned char)at[2] : 0;
    if (strncmp(at, "\xD8\x9C", 2) == 0)
        return 2;
    bool embeds = strncmp(at, "\xE2\x80", 2) == 0 && ((last >= 0xAA && last <= 0xAE) || last == 0x8E || last == 0x8F),
         isolates = strncmp(at, "\xE2\x81", 2) == 0 && last >= 0xA6 && last <= 0xA9;
    return embeds || isolates ? 3 : 0;
}

static void write_escaped(FILE *out, char *text)
{
    for (const char *at = text; *at; at++) {
        int turns = turns_direction(at);
        if (turns) {
            fputc('?', out);
            at += turns - 1;
            continue;
        }
        switch (*at) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(*at, out);
        }
    }
    free(text);
}

void px_html_text(FILE *out, const char *text)
{
    write_escaped(out, px_one_line(px_strdup(text)));
}

void px_html_lines(FILE *out, const char *text)
{
    write_escaped(out, px_printable(px_strdup(text), "\n\t"));
}

/* ---- pictures ---- */

void px_html_png(FILE *out, const void *png, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"; /* RFC 4648 */
    const uint8_t *in = png;
    fputs("data:image/png;base64,", out);
    for (size_t i = 0; i < size; i += 3) {
        size_t have = size - i;
        uint32_t group = (uint32_t)in[i] << 16 | (have > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (have > 2 ? in[i + 2] : 0);
        char four[] = {digits[group >> 18], digits[group >> 12 & 63], '=', '='};
        if (have > 1)
            four[2] = digits[group >> 6 & 63];
        if (have > 2)
            four[3] = digits[group & 63];
        fwrite(four, 1, sizeof four, out);
    }
}

/* A part of the picture's text. */
typedef struct span {
    const char *at;
    size_t size;
} span;

static bool is(span s, const char *word)
{
    return strlen(word) == s.size && strncmp(s.at, word, s.size) == 0;
}

/* In any case. */
static bool is_word(span s, const char *word)
{
    return strlen(word) == s.size && strncasecmp(s.at, word, s.size) == 0;
}

static bool is_one_of(span s, const char *const *words)
{
    for (; *words; words++)
        if (is(s, *words))
            return true;
    return false;
}

/* What gnuplot draws with. Nothing in this list runs, loads or links. */
static const char *const elements[] = {"svg",      "g",      "defs",   "use",     "path", "line",  "polyline",
                                       "polygon",  "rect",   "circle", "ellipse", "text", "tspan", "pattern",
                                       "clipPath", "marker", "image",  "symbol",  "mask", NULL};
static const char *const left_out[] = {"title", "desc", "style", "filter", NULL};

static bool is_link(span name)
{
    return name.size >= 4 && strncmp(name.at + name.size - 4, "href", 4) == 0;
}

/* Writes an attribute's value; names of the picture's own things, as "#gpDot" in a link and in "url(#c)", with the prefix. */
static void write_value(FILE *out, span value, const char *prefix, bool link)
{
    for (size_t i = 0; i < value.size; i++) {
        bool name = value.at[i] == '#' && ((i == 0 && link) || (i > 3 && strncmp(&value.at[i - 4], "url(", 4) == 0));
        if (value.at[i] == '"')
            fputs("&quot;", out);
        else
            fputc(value.at[i], out);
        if (name)
            fputs(prefix, out);
    }
}

/* Whether one of "url(...)" in a value is not a name of the picture's own things. */
static bool leads_out(span value)
{
    for (size_t i = 0; i + 4 <= value.size; i++)
        if (strncasecmp(value.at + i, "url(", 4) == 0 && value.at[i + 4] != '#')
            return true;
    return false;
}

/* Whether an attribute leads out of the page, or is a script. HTML takes names in any case. */
static bool is_foreign(span name, span value)
{
    bool link = (name.size >= 4 && strncasecmp(name.at + name.size - 4, "href", 4) == 0) || is_word(name, "src"),
         within = value.size > 0 && value.at[0] == '#', data = strncmp(value.at, "data:image/png;base64,", 22) == 0;
    return (link && !within && !data) || leads_out(value) || strncasecmp(name.at, "on", 2) == 0 ||
           is_word(name, "style");
}

/* Writes the attributes of a tag of which `at` is after the name; returns where the tag ends ('>' or "/>"), NULL: it is none of
 * gnuplot's. Of the picture's own tag only the size matters. */
static const char *write_attributes(FILE *out, const char *at, const char *prefix, bool root)
{
    for (;;) {
        at += strspn(at, " \t\r\n");
        if (*at == '>' || *at == '/' || !*at)
            return *at ? at : NULL;
        span name = {at, strcspn(at, "= \t\r\n>\"'")};
        at += name.size + strspn(at + name.size, " ");
        const char *quote = at[0] == '=' ? at + 1 + strspn(at + 1, " ") : at;
        const char *end = *quote == '"' || *quote == '\'' ? strchr(quote + 1, *quote) : NULL;
        if (!end || name.size == 0)
            return NULL;
        span value = {quote + 1, (size_t)(end - quote - 1)};
        at = end + 1;
        if (is_foreign(name, value) || memchr(value.at, '<', value.size))
            return NULL;
        bool kept = root ? is(name, "viewBox") : strncmp(name.at, "xmlns", 5) != 0;
        if (!kept)
            continue;
        fprintf(out, " %.*s=\"%s", (int)name.size, name.at, is(name, "id") ? prefix : "");
        write_value(out, value, prefix, is_link(name));
        fputc('"', out);
    }
}

/* Where what follows an element begins that is left out; `at` is behind its name. */
static const char *after_element(const char *at, span name)
{
    char close[16];
    snprintf(close, sizeof close, "</%.*s>", (int)name.size, name.at);
    const char *end = strchr(at, '>');
    if (end && end[-1] == '/')
        return end + 1;
    end = strstr(at, close);
    return end ? end + strlen(close) : NULL;
}

/* Writes the tag that begins at `at`; returns what follows, or NULL. */
static const char *write_tag(FILE *out, const char *at, const char *prefix, const char *label)
{
    if (strncmp(at, "<!--", 4) == 0) {
        const char *end = strstr(at, "-->");
        return end ? end + 3 : NULL;
    }
    bool closes = at[1] == '/';
    span name = {at + 1 + closes, strcspn(at + 1 + closes, " \t\r\n>/")};
    if (!closes && is_one_of(name, left_out))
        return after_element(name.at + name.size, name);
    if (!is_one_of(name, elements))
        return NULL;
    at = name.at + name.size;
    if (closes) {
        fprintf(out, "</%.*s>", (int)name.size, name.at);
        at = strchr(at, '>');
        return at ? at + 1 : NULL;
    }
    bool root = is(name, "svg");
    fprintf(out, "<%.*s", (int)name.size, name.at);
    at = write_attributes(out, at, prefix, root);
    if (root) {
        fputs(" role=\"img\" aria-label=\"", out);
        px_html_text(out, label);
        fputc('"', out);
    }
    if (!at || (*at == '/' && at[1] != '>'))
        return NULL;
    fputs(*at == '/' ? "/>" : ">", out);
    return at + (*at == '/' ? 2 : 1);
}

int px_html_svg(FILE *out, const char *svg, const char *prefix, const char *label)
{
    const char *at = strstr(svg, "<svg");
    for (; at && *at; at++) {
        if (*at != '<') {
            int turns = turns_direction(at);
            fputc(turns ? '?' : *at, out);
            at += turns ? turns - 1 : 0;
            continue;
        }
        const char *begin = at;
        at = write_tag(out, at, prefix, label);
        if (!at)
            return px_fail(PX_DATA, "a picture for the page has what is not expected of gnuplot: %.40s", begin);
        at--;
    }
    return at ? 0 : px_fail(PX_DATA, "a picture for the page is not SVG");
}
