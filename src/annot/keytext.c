/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/keytext.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "annot/keyname.h"
#include "base/limits.h"
#include "base/xalloc.h"

/* One of the keys in a text: borrowed words, NULL where it has none. */
struct part {
    const char *tonic, *mode;
};

static const char *mode_of(const char *word)
{
    static const char *const modes[][2] = {
        { "maj", "major" },      { "major", "major" },
        { "ionian", "major" },   { "min", "minor" },
        { "minor", "minor" },    { "aeolian", "minor" },
        { "other", "other" },    { "dorian", "other" },
        { "phrygian", "other" }, { "lydian", "other" },
        { "mixolydian", "other" }, { "locrian", "other" },
    };

    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (!strcasecmp(word, modes[i][0]))
            return modes[i][1];
    return NULL;
}

static const char *tonic_of(const char *word)
{
    static const char *const respelt[][2] = {
        { "Cb", "B" }, { "E#", "F" }, { "Fb", "E" }, { "B#", "C" },
    };

    for (size_t i = 0; i < ARRAY_LEN(respelt); i++)
        if (!strcasecmp(word, respelt[i][0]))
            return respelt[i][1];
    return word;
}

static int append_key(struct tags *out, const struct part *p, struct err *err)
{
    struct keyname name;
    const char *tonic = tonic_of(p->tonic);
    char *label = !strcasecmp(tonic, "x")
                      ? xstrdup("X")
                      : xasprintf("%s %s", tonic, p->mode);
    int rc = keyname_parse(&name, label, err);

    if (!rc) {
        *label = (char)toupper((unsigned char)*label);
        if (label[1] == 'B')
            label[1] = 'b';
        tags_append(out, label, 1);
    }
    free(label);
    return rc;
}

static int bad(struct err *err, const char *text, const char *what)
{
    return err_set(err, ERR_FORMAT, "key '%.60s': %s", text, what);
}

/* Words of what stands between two "/": tonics between "-", then a mode. */
static int parse_parts(struct part *part, int *n, char *s, const char *text,
                       struct err *err)
{
    char *word;
    int first = *n;

    for (; (word = lines_column(&s));) {
        const char *mode = mode_of(word);

        if (mode && *n == first) { /* "C major / minor" */
            if (!first || *n == LIMIT_KEYS)
                return bad(err, text, "a mode without a tonic");
            part[*n] = (struct part){ part[first - 1].tonic, mode };
            ++*n;
        } else if (mode && !part[*n - 1].mode) {
            for (int i = first; i < *n; i++)
                part[i].mode = mode;
        } else if (mode || *n == LIMIT_KEYS) {
            return bad(err, text, "two modes for one tonic, or too many keys");
        } else if (*n > first && part[*n - 1].mode) {
            return bad(err, text, "text behind the mode; several keys stand "
                                  "between '/'");
        } else {
            part[(*n)++] = (struct part){ word, NULL };
        }
    }
    return 0;
}

static bool is_none(const char *text)
{
    static const char *const none[] = { "", "-", "N", "none", "silence" };

    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        if (!strcasecmp(text, none[i]))
            return true;
    return false;
}

/* Blanks for colons and for the "-" between tonics. */
static void open_up(char *s)
{
    for (; *s; s++)
        if (*s == ':' || *s == '-')
            *s = ' ';
}

static int parse_all(struct tags *out, char *s, const char *text,
                     struct err *err)
{
    struct part part[LIMIT_KEYS];
    int n = 0, rc = 0;
    size_t had = out->n;

    for (char *end; s && !rc; s = end) {
        int before = n;

        end = strchr(s, '/');
        if (end)
            *end++ = 0;
        open_up(s);
        rc = parse_parts(part, &n, s, text, err);
        if (!rc && n == before)
            rc = bad(err, text, "no tonic");
    }
    for (int i = n - 1; i >= 0 && !rc; i--)
        if (!part[i].mode)
            part[i].mode = i + 1 < n ? part[i + 1].mode : "other";
    for (int i = 0; i < n && !rc; i++)
        rc = append_key(out, &part[i], err);
    while (rc && out->n > had)
        free(out->v[--out->n].label);
    return rc;
}

int keytext_parse(struct tags *out, const char *text, struct err *err)
{
    char buf[LIMIT_KEY_TEXT + 1];
    size_t len;

    text += strspn(text, " \t\r\v\f\n");
    len = strlen(text);
    while (len && isspace((unsigned char)text[len - 1]))
        len--;
    if (len > LIMIT_KEY_TEXT)
        return bad(err, text, "too long for a key");
    memcpy(buf, text, len);
    buf[len] = 0;
    return is_none(buf) ? 0 : parse_all(out, buf, text, err);
}

/* ---- files ---- */

void keytext_choose(struct annotation *out)
{
    struct segments *s = &out->spans;
    double best = 0;

    for (size_t i = 0; i < s->n; i++) {
        double total = 0, confidence = s->v[i].confidence;
        bool seen = false;

        for (size_t j = 0; j < out->keys.n && !seen; j++)
            seen = !strcmp(out->keys.v[j].label, s->v[i].label);
        if (seen)
            continue;
        tags_append(&out->keys, s->v[i].label, 1);
        for (size_t j = i; j < s->n; j++)
            if (!strcmp(s->v[j].label, s->v[i].label))
                total += s->v[j].end - s->v[j].start;
        if (!out->key.label || total > best) {
            key_set(&out->key, s->v[i].label, confidence);
            best = total;
        }
    }
    for (size_t i = 1; i < out->keys.n; i++)
        if (!strcmp(out->keys.v[i].label, out->key.label)) {
            struct tag t = out->keys.v[i];

            out->keys.v[i] = out->keys.v[0];
            out->keys.v[0] = t;
        }
}

static int parse_span(struct annotation *out, const struct lines *l,
                      double start, double end, char *label, struct err *err)
{
    struct tags keys = { 0 };
    int rc = 0;

    if (end <= start)
        return lines_bad(l, err, "the end does not come after the start");
    if (out->spans.n && start < out->spans.v[out->spans.n - 1].start)
        return lines_bad(l, err, "starts before the one above it: sort by "
                                 "time");
    if (!strncmp(label, "Key", 3) && isspace((unsigned char)label[3]))
        label += 3;
    rc = keytext_parse(&keys, label, err);
    if (rc)
        err_prefix(err, "%s:%d", l->name, l->number);
    else if (keys.n > 1)
        rc = lines_bad(l, err, "more than one key at a time");
    else if (keys.n)
        segments_append(&out->spans, start, end, keys.v[0].label, NAN);
    tags_release(&keys);
    return rc;
}

static int parse_spans(struct annotation *out, struct lines *l, char *line,
                       struct err *err)
{
    int rc = 0;

    while (!rc && line) {
        double start, end;

        if (!lines_number(&start, lines_column(&line)) ||
            !lines_number(&end, lines_column(&line)))
            return lines_bad(l, err, "the first two columns are not a start "
                                     "and an end in seconds");
        rc = parse_span(out, l, start, end, line, err);
        if (!rc)
            rc = lines_next(l, &line, err);
    }
    if (!rc)
        keytext_choose(out);
    return rc;
}

/* Cuts the last column off if it is a number, and returns it; else NAN. */
static double take_number(char *line)
{
    size_t len = strlen(line), begin;
    double v;

    for (begin = len; begin && !isspace((unsigned char)line[begin - 1]);)
        begin--;
    if (!begin || !lines_number(&v, line + begin))
        return NAN;
    line[begin] = 0;
    return v;
}

static double confidence_of(double mtg)
{
    return mtg == 0 || mtg == 1 || mtg == 2 ? mtg / 2 : NAN;
}

/* Whether a mode stands anywhere: "C" alone is a torn file. */
static bool has_mode(const char *line)
{
    char buf[LIMIT_KEY_TEXT + 1], *s = buf, *word;

    snprintf(buf, sizeof(buf), "%s", line);
    for (char *c = buf; *c; c++)
        if (*c == ':' || *c == '/')
            *c = ' ';
    while ((word = lines_column(&s)))
        if (mode_of(word) || !strcasecmp(word, "x"))
            return true;
    return is_none(buf);
}

static int parse_one(struct annotation *out, struct lines *l, char *line,
                     struct err *err)
{
    double confidence = confidence_of(take_number(line)), when;
    char *rest = line;

    if (!strncmp(line, "key", 3) && isspace((unsigned char)line[3])) {
        rest += 4;
        if (!lines_number(&when, lines_column(&rest)))
            return lines_bad(l, err, "behind 'key' stands no time");
    }
    if (!has_mode(rest) && !is_none(rest + strspn(rest, " \t")) &&
        strspn(rest, " \t-") != strlen(rest))
        return lines_bad(l, err, "not a key with its mode, as 'C minor'");
    if (keytext_parse(&out->keys, rest, err))
        return err_prefix(err, "%s:%d", l->name, l->number);
    if (out->keys.n)
        key_set(&out->key, out->keys.v[0].label, confidence);
    else
        out->key.confidence = confidence;
    return 0;
}

/* Whether the line begins with two times. */
static bool is_span(const char *line)
{
    char *copy = xstrndup(line, LIMIT_KEY_TEXT), *s = copy;
    double v;
    bool yes = lines_number(&v, lines_column(&s)) &&
               lines_number(&v, lines_column(&s));

    free(copy);
    return yes;
}

int keytext_parse_lines(struct annotation *out, struct lines *l,
                        struct err *err)
{
    char *line;

    TRY(lines_next(l, &line, err));
    if (!line)
        return err_set(err, ERR_FORMAT, "%s: no key in it", l->name);
    if (is_span(line))
        return parse_spans(out, l, line, err);
    if (!strcmp(line, "N"))
        key_set(&out->key, "N", NAN);
    else
        TRY(parse_one(out, l, line, err));
    TRY(lines_next(l, &line, err));
    if (line)
        return lines_bad(l, err, "a second line: one key a file");
    return 0;
}
