/* page.h - checks a page of HTML as a browser would read it: elements that are opened are closed, in order; nothing but known
 * elements; no scripts, handlers or links that lead out. Texts of files thus cannot have become part of the page. */
#ifndef PX_TESTS_PAGE_H
#define PX_TESTS_PAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { PAGE_DEPTH = 64, PAGE_NAME = 24 };

static inline bool page_is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* Of an attribute: it runs nothing, and leads nowhere but within the page. Its end. */
static inline const char *page_check_attribute(const char *at)
{
    size_t length = strcspn(at, "= >");
    if (at[length] != '=' || at[length + 1] != '"')
        fail_msg("an attribute without a quoted value: %.60s", at);
    const char *value = at + length + 2, *end = strchr(value, '"');
    assert_non_null(end);
    if (strncmp(at, "on", 2) == 0)
        fail_msg("a handler: %.60s", at);
    bool link = strncmp(at, "src=", 4) == 0 || (length >= 4 && strncmp(at + length - 4, "href", 4) == 0);
    if (link && *value != '#' && strncmp(value, "data:image/png;base64,", 22) != 0)
        fail_msg("it leads out: %.60s", at);
    if (memchr(value, '<', (size_t)(end - value)))
        fail_msg("a tag within an attribute: %.60s", at);
    return end + 1;
}

/* The page is well formed; the number of its elements of this name. */
static inline int page_check(const char *page, const char *counted)
{
    static const char *const known[] = {
        "html",    "head",     "meta",       "title",    "style",   "body",    "header",  "h1",     "h2",
        "h3",      "h4",       "p",          "nav",      "main",    "section", "a",       "div",    "figure",
        "img",     "dl",       "dt",         "dd",       "ul",      "li",      "pre",     "table",  "thead",
        "tbody",   "tr",       "th",         "td",       "details", "summary", "svg",     "g",      "defs",
        "use",     "path",     "line",       "rect",     "polygon", "circle",  "ellipse", "text",   "tspan",
        "pattern", "clipPath", "figcaption", "polyline", "image",   "mask",    "symbol",  "marker", NULL};
    static const char *const without_end[] = {"meta", "img", NULL};
    char open[PAGE_DEPTH][PAGE_NAME];
    int depth = 0, found = 0;
    assert_int_equal(strncmp(page, "<!DOCTYPE html>", 15), 0);
    for (const char *at = page + 15; (at = strchr(at, '<'));) {
        char name[PAGE_NAME] = "";
        bool closes = at[1] == '/';
        at += 1 + closes;
        size_t length = strcspn(at, " />");
        if (length < sizeof name)
            snprintf(name, sizeof name, "%.*s", (int)length, at);
        if (!page_is_one_of(name, known))
            fail_msg("an unknown element: %.60s", at);
        found += !closes && strcmp(name, counted) == 0;
        for (at += length; *at == ' ';)
            at = page_check_attribute(at + 1);
        bool empty = at[0] == '/';
        at += empty;
        assert_int_equal(*at, '>');
        if (closes && (depth == 0 || strcmp(open[--depth], name) != 0))
            fail_msg("</%s> closes %s", name, depth ? open[depth] : "nothing");
        if (!closes && !empty && !page_is_one_of(name, without_end)) {
            assert_true(depth < PAGE_DEPTH);
            strcpy(open[depth++], name);
        }
    }
    assert_int_equal(depth, 0);
    return found;
}

#endif
