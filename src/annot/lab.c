/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/lab.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "annot/keyname.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

enum { MAX_BYTES = 1 << 26 };

static const char space[] = " \t\r\v\f";

/* A file that is cut into lines as it is read. */
struct lines {
    struct strbuf text;
    char *next;
    const char *path;
    int number; /* of the line last read */
};

static int lines_open(struct lines *l, const char *path, struct err *err)
{
    *l = (struct lines){ .text = STRBUF_INIT, .path = path };
    TRY(file_read(&l->text, path, MAX_BYTES, err));
    if (strlen(l->text.s) != l->text.len)
        return err_set(err, ERR_FORMAT, "%s: holds a zero byte: not a text "
                       "file in ASCII or UTF-8", path);
    l->next = l->text.s;
    if (!strncmp(l->next, "\xef\xbb\xbf", 3))
        l->next += 3;
    return 0;
}

static int bad(const struct lines *l, struct err *err, const char *what)
{
    return err_set(err, ERR_FORMAT, "%s:%d: %s", l->path, l->number, what);
}

static bool only_space(const char *s)
{
    return !s[strspn(s, " \t\r\v\f\n")];
}

/* Sets *line to the next line with content, without the white space at its end;
 * to NULL behind the last. */
static int lines_next(struct lines *l, char **line, struct err *err)
{
    *line = NULL;
    while (!only_space(l->next)) {
        char *s = l->next;
        size_t len = strcspn(s, "\n");

        l->number++;
        l->next = s + len + (s[len] != 0);
        s[len] = 0;
        if (*s == '#' || *s == '\\')
            continue;
        if (only_space(s))
            return bad(l, err, "an empty line: remove it");
        while (strchr(space, s[len - 1]))
            s[--len] = 0;
        *line = s;
        return 0;
    }
    return 0;
}

/* Takes a column off *s; NULL if there is none. */
static char *column(char **s)
{
    char *begin = *s + strspn(*s, space);
    size_t len = strcspn(begin, space);

    *s = begin + len;
    if (**s)
        *(*s)++ = 0;
    return len ? begin : NULL;
}

/* Decimal and finite; strtod alone would take "0x1", "nan" and "inf". */
static bool number(double *out, const char *word)
{
    char *end;

    if (!word || word[strspn(word, "0123456789+-.eE")])
        return false;
    *out = strtod(word, &end);
    return end != word && !*end && isfinite(*out);
}

/* ---- beats ---- */

static int parse_beat(struct beats *out, struct lines *l, char *line,
                      struct err *err)
{
    double time, position = 0;
    char *word;

    if (!number(&time, column(&line)))
        return bad(l, err, "the first column is not a time in seconds");
    if (out->n && time < out->v[out->n - 1].time)
        return bad(l, err, "earlier than the beat above it: sort by time");
    word = column(&line);
    if (word && (!number(&position, word) || position < 0 ||
                 position > 1000 || position != floor(position)))
        return bad(l, err, "the second column is not a position in the bar "
                           "(1, 2, ... or 0 if it is not known)");
    beats_append(out, time, (int)position, NAN);
    return 0;
}

int lab_read_beats(struct beats *out, const char *path, struct err *err)
{
    struct lines l;
    char *line;
    int rc;

    beats_init(out);
    rc = lines_open(&l, path, err);
    while (!rc && !(rc = lines_next(&l, &line, err)) && line)
        rc = parse_beat(out, &l, line, err);
    if (rc)
        beats_release(out);
    strbuf_release(&l.text);
    return rc;
}

/* ---- segments ---- */

static int parse_segment(struct segments *out, struct lines *l, char *line,
                         bool one_column, struct err *err)
{
    double start, end;
    const char *label;

    if (!number(&start, column(&line)) || !number(&end, column(&line)))
        return bad(l, err, "the first two columns are not a start and an end "
                           "in seconds");
    if (end <= start)
        return bad(l, err, "the end does not come after the start");
    if (out->n && start < out->v[out->n - 1].start)
        return bad(l, err, "starts before the one above it: sort by time");
    label = one_column ? column(&line) : line + strspn(line, space);
    segments_append(out, start, end, label ? label : "", NAN);
    return 0;
}

static int read_segments(struct segments *out, const char *path,
                         bool one_column, struct err *err)
{
    struct lines l;
    char *line;
    int rc;

    segments_init(out);
    rc = lines_open(&l, path, err);
    while (!rc && !(rc = lines_next(&l, &line, err)) && line)
        rc = parse_segment(out, &l, line, one_column, err);
    if (rc)
        segments_release(out);
    strbuf_release(&l.text);
    return rc;
}

int lab_read_segments(struct segments *out, const char *path, struct err *err)
{
    return read_segments(out, path, false, err);
}

int lab_read_functions(struct segments *out, const char *path,
                       struct err *err)
{
    return read_segments(out, path, true, err);
}

/* ---- key ---- */

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

static const char *mode_of(const char *word)
{
    if (!strcasecmp(word, "maj") || !strcasecmp(word, "major"))
        return "major";
    if (!strcasecmp(word, "min") || !strcasecmp(word, "minor"))
        return "minor";
    return word;
}

static int parse_key(struct key *out, const struct lines *l, char *line,
                     struct err *err)
{
    char *colon = strchr(line, ':'), *tonic, *mode, *more, *label;
    struct keyname name;
    double confidence;
    int rc;

    if (colon)
        *colon = ' ';
    tonic = column(&line);
    mode = column(&line);
    more = column(&line);
    if (more && !number(&confidence, more))
        return bad(l, err, "more than one key, as in 'C minor'");
    label = mode ? xasprintf("%s %s", tonic_of(tonic), mode_of(mode))
                 : xstrdup(tonic);
    *label = (char)toupper((unsigned char)*label);
    rc = keyname_parse(&name, label, err);
    if (rc)
        err_prefix(err, "%s:%d", l->path, l->number);
    else
        key_set(out, label, NAN);
    free(label);
    return rc;
}

int lab_read_key(struct key *out, const char *path, struct err *err)
{
    struct lines l;
    char *line;
    int rc;

    key_init(out);
    if ((rc = lines_open(&l, path, err)) ||
        (rc = lines_next(&l, &line, err)))
        goto out;
    if (!line)
        rc = err_set(err, ERR_FORMAT, "%s: no key in it", path);
    else
        rc = parse_key(out, &l, line, err);
    if (!rc && !only_space(l.next))
        rc = err_set(err, ERR_FORMAT, "%s:%d: a second line: one key a file",
                     path, l.number + 1);
out:
    if (rc)
        key_release(out);
    strbuf_release(&l.text);
    return rc;
}

/* ---- tags ---- */

static int parse_tag(struct tags *out, struct lines *l, char *line,
                     struct err *err)
{
    char *tab = strchr(line, '\t'), *score_text;
    double score = 1;

    if (tab) {
        *tab++ = 0;
        score_text = column(&tab);
        if (!number(&score, score_text) || score < 0 || score > 1 ||
            column(&tab))
            return bad(l, err, "behind the tab stands no score in 0..1");
    }
    if (only_space(line))
        return bad(l, err, "no tag before the tab");
    tags_append(out, line, score);
    return 0;
}

int lab_read_tags(struct tags *out, const char *path, struct err *err)
{
    struct lines l;
    char *line, *word;
    int rc;

    tags_init(out);
    if ((rc = lines_open(&l, path, err)) ||
        (rc = lines_next(&l, &line, err)) || !line)
        goto out;
    if (strchr(line, '\t') || !only_space(l.next)) {
        while (!rc && line)
            if (!(rc = parse_tag(out, &l, line, err)))
                rc = lines_next(&l, &line, err);
    } else {
        while ((word = column(&line)))
            tags_append(out, word, 1);
    }
out:
    if (rc)
        tags_release(out);
    strbuf_release(&l.text);
    return rc;
}
