/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/billboard.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "annot/chordname.h"
#include "base/limits.h"
#include "base/xalloc.h"

/* A line with its time; text is borrowed and cut up. */
struct phrase {
    double time;
    char *text;
    int number;  /* of the line */
    double metre; /* at its start, in whole notes: 4/4 is 1 */
};

/* A chord on a line, in whole notes from its start. */
struct place {
    double start, end;
    const char *label;
};

struct bars {
    struct place *v;
    size_t n, cap;
    double length, metre;
};

static double metre_of(const char *text)
{
    int beats = 0, unit = 0;

    if (sscanf(text, " %3d/%3d", &beats, &unit) != 2 || beats < 1 || unit < 1)
        return NAN;
    return (double)beats / unit;
}

static int bad(const struct lines *l, const struct phrase *p, struct err *err,
               const char *what)
{
    return err_set(err, ERR_FORMAT, "%s:%d: %s", l->name, p->number, what);
}

/* ---- chords ---- */

static const char *label_of(const char *token)
{
    return !strcmp(token, "*") ? "X" : !strcmp(token, "&pause") ? "N" : token;
}

/* Puts the tokens of a bar, which share its length, behind the others. */
static int add_bar(struct bars *b, char **token, int n, const struct lines *l,
                   const struct phrase *p, struct err *err)
{
    struct chordname c;
    double start = b->length;

    b->length += b->metre;
    for (int i = 0; i < n; i++) {
        double from = start + b->metre * i / n;
        double to = start + b->metre * (i + 1) / n;
        const char *label = label_of(token[i]);

        if (!strcmp(label, ".") && b->n) {
            b->v[b->n - 1].end = to;
            continue;
        }
        if (!strcmp(label, "."))
            return bad(l, p, err, "'.' has no chord before it on its line");
        if (chordname_parse(&c, label, false, err) == ERR_FORMAT)
            return err_prefix(err, "%s:%d", l->name, p->number);
        ARRAY_GROW(b->v, b->n, b->cap);
        b->v[b->n++] = (struct place){ from, to, label };
    }
    return 0;
}

/* text is what stands between two bar lines. */
static int parse_bar(struct bars *b, char *text, const struct lines *l,
                     const struct phrase *p, struct err *err)
{
    char *token[64], *word;
    int n = 0;

    while ((word = lines_column(&text))) {
        if (*word == '(' && isdigit((unsigned char)word[1])) {
            b->metre = metre_of(word + 1);
            if (isnan(b->metre))
                return bad(l, p, err, "not a metre, as (2/4)");
            continue;
        }
        if (n == 64)
            return bad(l, p, err, "more than 64 chords in a bar");
        token[n++] = word;
    }
    return n ? add_bar(b, token, n, l, p, err)
             : bad(l, p, err, "a bar without a chord");
}

/* "x3" behind the last bar line; 1 without. */
static int repeats(const char *text)
{
    for (; *text; text++)
        if (*text == 'x' && isdigit((unsigned char)text[1])) {
            long n = strtol(text + 1, NULL, 10);

            return n < 1 || n > LIMIT_REPEATS ? 0 : (int)n;
        }
    return 1;
}

static int read_bars(struct bars *b, int *times, const struct lines *l,
                     const struct phrase *p, struct err *err)
{
    char *s = strchr(p->text, '|'), *end;
    int n = 0;

    for (s = s + 1; (end = strchr(s, '|')); s = end + 1) {
        *end = 0;
        if (++n > LIMIT_BARS)
            return bad(l, p, err, "more than 1000 bars");
        if (lines_only_space(s)) /* "||" */
            continue;
        TRY(parse_bar(b, s, l, p, err));
    }
    *times = repeats(s);
    if (!*times)
        return bad(l, p, err, "repeated 0 or more than 100 times");
    if (!b->n)
        return bad(l, p, err, "no bar between '|' and '|'");
    return 0;
}

static int emit_chords(struct annotation *out, double end,
                       const struct lines *l, const struct phrase *p,
                       struct err *err)
{
    struct bars b = { .metre = p->metre };
    double scale;
    int times = 1, rc;

    if (!strchr(p->text, '|')) {
        segments_append(&out->spans, p->time, end, "N", NAN);
        return 0;
    }
    rc = read_bars(&b, &times, l, p, err);
    if (!rc && out->spans.n + b.n * (size_t)times > LIMIT_CHORDS)
        rc = bad(l, p, err, "more than a million chords");
    scale = (end - p->time) / (b.length * times);
    for (int k = 0; k < times && !rc; k++)
        for (size_t i = 0; i < b.n; i++)
            segments_append(&out->spans,
                            p->time + scale * (k * b.length + b.v[i].start),
                            k + 1 == times && i + 1 == b.n ? end :
                            p->time + scale * (k * b.length + b.v[i].end),
                            b.v[i].label, NAN);
    free(b.v);
    return rc;
}

/* ---- structure ---- */

static bool is_letter(const char *s)
{
    return isupper((unsigned char)*s) && !s[1 + strspn(s + 1, "'")];
}

/* Takes what stands before the next comma off *s, without blanks around. */
static char *item(char **s)
{
    char *begin = *s + strspn(*s, " \t"), *end = begin + strcspn(begin, ",");

    *s = end + (*end != 0);
    *end = 0;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = 0;
    return begin;
}

static void emit_section(struct annotation *out, double end,
                         const struct phrase *p)
{
    char *s = p->text, *letter, *function, *bar = strchr(s, '|');

    if (bar)
        *bar = 0;
    letter = item(&s);
    function = item(&s);
    if (out->spans.n)
        out->spans.v[out->spans.n - 1].end = end;
    if (!*letter && out->spans.n) /* goes on with the section */
        return;
    if (!is_letter(letter) || !*function || *function == '(')
        function = letter;
    if (out->spans.n)
        out->spans.v[out->spans.n - 1].end = p->time;
    segments_append(&out->spans, p->time, end, function, NAN);
}

/* ---- lines ---- */

static int read_phrase(struct phrase *p, char *line, const struct lines *l,
                       struct err *err)
{
    double time;

    if (!lines_number(&time, lines_column(&line)))
        return lines_bad(l, err,
                         "the first column is not a time in seconds");
    if (p->text && time <= p->time)
        return lines_bad(l, err, "does not come after the line above it");
    *p = (struct phrase){ time, line + strspn(line, " \t"), l->number, 1 };
    return 0;
}

static int emit(struct annotation *out, enum annot_task task, double end,
                const struct lines *l, const struct phrase *p, struct err *err)
{
    if (!p->text)
        return 0;
    if (task == ANNOT_CHORDS)
        return emit_chords(out, end, l, p, err);
    emit_section(out, end, p);
    return 0;
}

int billboard_parse(struct annotation *out, struct lines *l,
                    enum annot_task task, struct err *err)
{
    struct phrase last = { 0 };
    double metre = 1;
    char *line;

    l->gaps = LINES_GAPS;
    l->comments = true;
    for (;;) {
        struct phrase p = last;

        TRY(lines_next(l, &line, err));
        if (!line)
            break;
        if (*line == '#') {
            if (!strncmp(line, "# metre:", 8) && metre_of(line + 8) > 0)
                metre = metre_of(line + 8);
            continue;
        }
        TRY(read_phrase(&p, line, l, err));
        TRY(emit(out, task, p.time, l, &last, err));
        if (!strcmp(p.text, "end"))
            return 0;
        p.metre = metre;
        last = p;
    }
    return err_set(err, ERR_FORMAT, "%s: no line 'TIME end': the last chords "
                   "have no length", l->name);
}
