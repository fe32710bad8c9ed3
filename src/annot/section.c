/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/section.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/xalloc.h"

static const struct rule {
    const char *word, *function;
} rules[] = { /* in the order of the paper */
    { "silence", "silence" },   { "pre-chorus", "verse" },
    { "prechorus", "verse" },   { "refrain", "chorus" },
    { "chorus", "chorus" },     { "theme", "chorus" },
    { "stutter", "chorus" },    { "verse", "verse" },
    { "rap", "verse" },         { "section", "verse" },
    { "slow", "verse" },        { "build", "verse" },
    { "dialog", "verse" },      { "intro", "intro" },
    { "fadein", "intro" },      { "opening", "intro" },
    { "bridge", "bridge" },     { "trans", "bridge" },
    { "out", "outro" },         { "coda", "outro" },
    { "ending", "outro" },      { "break", "inst" },
    { "inst", "inst" },         { "interlude", "inst" },
    { "impro", "inst" },        { "solo", "inst" },
};

static bool contains(const char *label, const char *word)
{
    size_t len = strlen(word);

    for (; *label; label++)
        if (!strncasecmp(label, word, len))
            return true;
    return false;
}

/* The first rule whose word is in the label, or NULL. */
static const struct rule *rule_of(const char *label)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (contains(label, rules[i].word))
            return &rules[i];
    return NULL;
}

const char *section_function(const char *label)
{
    const struct rule *rule = rule_of(label);

    if (!strcasecmp(label, "end"))
        return NULL;
    return rule ? rule->function : "inst";
}

bool section_names(const char *label)
{
    return rule_of(label) || !strcasecmp(label, "end");
}

void section_map(struct segments *s, bool merge)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct segment g = s->v[i];
        const char *function = section_function(g.label);

        free(g.label);
        if (!function)
            continue;
        if (merge && n && g.start <= s->v[n - 1].end &&
            !strcmp(s->v[n - 1].label, function)) {
            if (g.end > s->v[n - 1].end)
                s->v[n - 1].end = g.end;
            continue;
        }
        g.label = xstrdup(function);
        s->v[n++] = g;
    }
    s->n = n;
}
