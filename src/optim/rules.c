/* rules.c - see rules.h. */
#include "optim/rules.h"
#include "base/config.h"
#include "base/error.h"
#include "base/setting.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {
    [PX_RULE_RATE] = "rate", [PX_RULE_DECAY] = "decay", [PX_RULE_STEADY] = "steady", [PX_RULE_FROZEN] = "frozen", NULL};

/* ---- reading ---- */

static char *trimmed(char *text)
{
    text += strspn(text, " \t\n");
    for (size_t n = strlen(text); n > 0 && strchr(" \t\n", text[n - 1]); n--)
        text[n - 1] = '\0';
    return text;
}

static int unknown_word(const char *word)
{
    char *name = px_format("%.*s", (int)strcspn(word, "="), word), *all = px_nearest_first(name, kinds);
    px_fail(PX_USAGE, "optim.rules: '%s' is unknown; choose one of: %s", name, all);
    free(all);
    free(name);
    return -1;
}

/* The settings of one scope: "rate=0.1,decay=0". */
static int read_settings(px_rules *r, const char *scope, char *settings)
{
    char *value, *end, *words[sizeof kinds / sizeof kinds[0]];
    memcpy(words, kinds, sizeof words); /* getsubopt does not change them, though it asks for strings that may be */
    while (*settings) {
        int kind = getsubopt(&settings, words, &value);
        if (kind < 0)
            return unknown_word(value);
        double number = value ? strtod(value, &end) : 0;
        if (!value || end == value || *end)
            return px_fail(PX_USAGE, "optim.rules: %s of %s must be a number, as in %s:%s=0.1, not '%s'", kinds[kind],
                           scope, scope, kinds[kind], value ? value : "");
        if (r->count == PX_RULES_MAX)
            return px_fail(PX_USAGE, "optim.rules: there are more than %d", PX_RULES_MAX);
        r->rule[r->count++] = (px_rule){scope, (px_rule_kind)kind, number};
        settings += strspn(settings, " \t\n");
    }
    return 0;
}

int px_rules_read(px_rules *r, const char *text)
{
    *r = (px_rules){.text = px_strdup(text ? text : "")};
    char *rest = r->text, *part;
    int status = 0;
    while (status == 0 && (part = strsep(&rest, ";"))) {
        part = trimmed(part);
        if (!*part)
            continue;
        char *settings = part, *scope = trimmed(strsep(&settings, ":"));
        settings = settings ? trimmed(settings) : NULL;
        status = *scope && settings && *settings
                     ? read_settings(r, scope, settings)
                     : px_fail(PX_USAGE,
                               "optim.rules: '%s' is not of the form SCOPE:rate=X,decay=Y,steady=1,frozen=EPOCHS, as "
                               "\"patch_embed:frozen=inf; head:rate=10\" is",
                               scope);
    }
    if (status != 0)
        px_rules_finish(r);
    return status;
}

void px_rules_finish(px_rules *r)
{
    free(r->text);
    *r = (px_rules){.count = 0};
}

/* ---- applying ---- */

px_treatment *px_treatments(int count)
{
    px_treatment *t = px_calloc((size_t)count + 1, sizeof t[0]);
    for (int i = 0; i < count; i++)
        t[i] = (px_treatment){.rate = 1, .decay = 1};
    return t;
}

static bool is_pattern(const char *scope)
{
    return strpbrk(scope, "*?[") != NULL;
}

static bool concerns(const char *scope, const char *name)
{
    size_t length = strlen(scope);
    if (is_pattern(scope))
        return fnmatch(scope, name, 0) == 0;
    return strncmp(name, scope, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

/* Names the scope that is nearest to the one of a rule for no parameter. */
static int concerns_nothing(const px_rule *r, const px_param_span *spans, int count, const char *origin)
{
    int dots = 0, n = 0;
    for (int i = 0; i < count; i++)
        for (const char *c = spans[i].name; *c; c++)
            dots += *c == '.';
    char **scopes = px_calloc((size_t)(dots + count) + 1, sizeof scopes[0]);
    for (int i = 0; i < count; i++)
        for (const char *c = spans[i].name; *c; c++)
            if (c[1] == '.' || c[1] == '\0')
                scopes[n++] = px_format("%.*s", (int)(c + 1 - spans[i].name), spans[i].name);
    const char *near = is_pattern(r->scope) ? NULL : px_nearest(r->scope, (const char *const *)scopes);
    px_fail(PX_USAGE, "%s: no parameter is named %s%s%s%s%s", origin, r->scope,
            is_pattern(r->scope) ? "" : ", or begins with it",
            near ? ", nearest is '" : "; 'pretext summary' lists the backbone's layers", near ? near : "",
            near ? "'" : "");
    for (int i = 0; i < n; i++)
        free(scopes[i]);
    free(scopes);
    return -1;
}

static int check_value(const px_rule *r, const char *origin)
{
    bool right = r->value >= 0 && (r->kind == PX_RULE_FROZEN || isfinite(r->value));
    return right ? 0
                 : px_fail(PX_USAGE, "%s: %s of %s must be at least 0%s, not %g", origin, kinds[r->kind], r->scope,
                           r->kind == PX_RULE_FROZEN ? " (inf: always)" : " and finite", r->value);
}

static void treat(px_treatment *t, const px_rule *r, double steps_per_epoch)
{
    double steps = isinf(r->value) ? INFINITY : round(r->value * steps_per_epoch);
    if (r->kind == PX_RULE_RATE)
        t->rate *= r->value;
    else if (r->kind == PX_RULE_DECAY)
        t->decay *= r->value;
    else if (r->kind == PX_RULE_STEADY)
        t->steady = r->value != 0;
    else if (steps >= 0x1p62)
        t->frozen = INT64_MAX;
    else if ((int64_t)steps > t->frozen)
        t->frozen = (int64_t)steps;
}

int px_rules_apply(px_treatment *t, const px_param_span *spans, int count, const px_rule *rule, int rules,
                   double steps_per_epoch, const char *origin)
{
    for (int k = 0; k < rules; k++) {
        bool any = false;
        if (check_value(&rule[k], origin) != 0)
            return -1;
        for (int i = 0; i < count; i++)
            if (concerns(rule[k].scope, spans[i].name)) {
                any = true;
                treat(&t[i], &rule[k], steps_per_epoch);
            }
        if (!any)
            return concerns_nothing(&rule[k], spans, count, origin);
    }
    return 0;
}
