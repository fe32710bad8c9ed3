/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/lab.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "annot/keytext.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

int lab_open(struct strbuf *text, struct lines *l, const char *path,
             struct err *err)
{
    strbuf_init(text);
    TRY(file_read(text, path, LIMIT_LABELS, err));
    if (strlen(text->s) != text->len)
        return err_set(err, ERR_FORMAT, "%s: holds a zero byte: not a text "
                       "file in ASCII or UTF-8", path);
    lines_init(l, text->s, path);
    return 0;
}

/* ---- beats ---- */

/* What the third column of POP909's beat_midi.txt marks. */
struct flags {
    bool *downbeat; /* for each beat */
    size_t n, cap;
    bool only_flags; /* so far all lines have three columns, two of them 0/1 */
};

static void note_flags(struct flags *f, int position, const char *third,
                       const char *fourth)
{
    double v = 0;

    ARRAY_GROW(f->downbeat, f->n, f->cap);
    f->only_flags = f->only_flags && position <= 1 && !fourth &&
                    lines_number(&v, third) && (v == 0 || v == 1);
    f->downbeat[f->n++] = v == 1;
}

static void count_from_downbeats(struct beats *b, const struct flags *f)
{
    int position = 0;

    for (size_t i = 0; i < b->n; i++) {
        if (f->downbeat[i])
            position = 1;
        else if (position)
            position++;
        b->v[i].position = position;
    }
}

static int parse_beat(struct beats *out, struct flags *f, struct lines *l,
                      char *line, struct err *err)
{
    double time;
    int position = 0;
    char *word, *third;

    if (!lines_number(&time, lines_column(&line)))
        return lines_bad(l, err,
                         "the first column is not a time in seconds");
    if (out->n && time < out->v[out->n - 1].time)
        return lines_bad(l, err,
                         "earlier than the beat above it: sort by time");
    word = lines_column(&line);
    if (word && !lines_position(&position, word))
        return lines_bad(l, err, "the second column is not a position in the "
                                 "bar (1, 2, ... or 0 if it is not known)");
    third = lines_column(&line);
    note_flags(f, position, third, lines_column(&line));
    beats_append(out, time, position, NAN);
    return 0;
}

int lab_parse_beats(struct beats *out, struct lines *l, struct err *err)
{
    struct flags f = { .only_flags = true };
    char *line;
    int rc = 0;

    beats_init(out);
    l->gaps = LINES_BLANK_GAPS;
    while (!rc && !(rc = lines_next(l, &line, err)) && line)
        rc = parse_beat(out, &f, l, line, err);
    if (rc)
        beats_release(out);
    else if (f.only_flags)
        count_from_downbeats(out, &f);
    free(f.downbeat);
    return rc;
}

int lab_read_beats(struct beats *out, const char *path, struct err *err)
{
    struct strbuf text;
    struct lines l;
    int rc;

    beats_init(out);
    rc = lab_open(&text, &l, path, err);
    if (!rc)
        rc = lab_parse_beats(out, &l, err);
    strbuf_release(&text);
    return rc;
}

/* ---- segments ---- */

/* Two times and the rest of the line, borrowed. */
struct span_line {
    double start, end;
    char *rest;
};

static int parse_times(struct span_line *s, const struct lines *l, char *line,
                       struct err *err)
{
    if (!lines_number(&s->start, lines_column(&line)) ||
        !lines_number(&s->end, lines_column(&line)))
        return lines_bad(l, err, "the first two columns are not a start and "
                                 "an end in seconds");
    s->rest = line + strspn(line, " \t\r\v\f");
    return 0;
}

int lab_parse_points(struct beats *out, struct lines *l, struct err *err)
{
    struct span_line s;
    char *line;
    int rc = 0;

    beats_init(out);
    while (!rc && !(rc = lines_next(l, &line, err)) && line) {
        int position = 0;

        rc = parse_times(&s, l, line, err);
        if (rc || s.start != s.end)
            continue;
        if (out->n && s.start < out->v[out->n - 1].time)
            rc = lines_bad(l, err,
                           "earlier than the label above it: sort by time");
        if (!lines_position(&position, s.rest))
            position = !strcasecmp(s.rest, "downbeat");
        beats_append(out, s.start, position, NAN);
    }
    if (rc)
        beats_release(out);
    return rc;
}

enum columns { REST_OF_LINE, ONE_COLUMN, WITHOUT_POINTS };

static int parse_segment(struct segments *out, struct lines *l, char *line,
                         enum columns columns, struct err *err)
{
    struct span_line s;
    const char *label;

    TRY(parse_times(&s, l, line, err));
    if (columns == WITHOUT_POINTS && s.start == s.end)
        return 0;
    if (s.end <= s.start)
        return lines_bad(l, err, "the end does not come after the start");
    if (out->n && s.start < out->v[out->n - 1].start)
        return lines_bad(l, err,
                         "starts before the one above it: sort by time");
    label = columns == ONE_COLUMN ? lines_column(&s.rest) : s.rest;
    segments_append(out, s.start, s.end, label ? label : "", NAN);
    out->v[out->n - 1].line = l->number;
    return 0;
}

static int parse_segments(struct segments *out, struct lines *l,
                          enum columns columns, struct err *err)
{
    char *line;
    int rc = 0;

    segments_init(out);
    while (!rc && !(rc = lines_next(l, &line, err)) && line)
        rc = parse_segment(out, l, line, columns, err);
    if (rc)
        segments_release(out);
    return rc;
}

int lab_parse_segments(struct segments *out, struct lines *l, struct err *err)
{
    return parse_segments(out, l, REST_OF_LINE, err);
}

int lab_parse_functions(struct segments *out, struct lines *l,
                        struct err *err)
{
    return parse_segments(out, l, ONE_COLUMN, err);
}

int lab_parse_regions(struct segments *out, struct lines *l, struct err *err)
{
    return parse_segments(out, l, WITHOUT_POINTS, err);
}

static int read_segments(struct segments *out, const char *path,
                         enum columns columns, struct err *err)
{
    struct strbuf text;
    struct lines l;
    int rc;

    segments_init(out);
    rc = lab_open(&text, &l, path, err);
    if (!rc)
        rc = parse_segments(out, &l, columns, err);
    strbuf_release(&text);
    return rc;
}

int lab_read_segments(struct segments *out, const char *path, struct err *err)
{
    return read_segments(out, path, REST_OF_LINE, err);
}

int lab_read_functions(struct segments *out, const char *path,
                       struct err *err)
{
    return read_segments(out, path, ONE_COLUMN, err);
}

/* *open: the last segment waits for its end. */
static int parse_start(struct segments *out, bool *open, struct lines *l,
                       char *line, double *last, struct err *err)
{
    double start;

    if (!lines_number(&start, lines_column(&line)))
        return lines_bad(l, err,
                         "the first column is not a time in seconds");
    if (start <= *last)
        return lines_bad(l, err, "does not come after the line above it");
    *last = start;
    if (*open)
        out->v[out->n - 1].end = start;
    line += strspn(line, " \t\r\v\f");
    *open = strcasecmp(line, "end") != 0;
    if (!*open)
        return 0;
    segments_append(out, start, INFINITY, line, NAN);
    out->v[out->n - 1].line = l->number;
    return 0;
}

int lab_parse_starts(struct segments *out, struct lines *l, struct err *err)
{
    bool open = false;
    double last = -INFINITY;
    char *line;
    int rc = 0;

    segments_init(out);
    while (!rc && !(rc = lines_next(l, &line, err)) && line)
        rc = parse_start(out, &open, l, line, &last, err);
    if (rc)
        segments_release(out);
    return rc;
}

/* ---- key ---- */

int lab_read_key(struct key *out, const char *path, struct err *err)
{
    struct annotation a;
    struct strbuf text;
    struct lines l;
    int rc;

    key_init(out);
    annotation_init(&a);
    rc = lab_open(&text, &l, path, err);
    if (!rc)
        rc = keytext_parse_lines(&a, &l, err);
    if (!rc && a.keys.n != 1)
        rc = lines_bad(&l, err, a.keys.n ? "more than one key, as in 'C minor'"
                                         : "no key, as in 'C minor'");
    if (!rc)
        key_set(out, a.key.label, NAN);
    annotation_release(&a);
    strbuf_release(&text);
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
        score_text = lines_column(&tab);
        if (!lines_number(&score, score_text) || score < 0 || score > 1 ||
            lines_column(&tab))
            return lines_bad(l, err, "behind the tab stands no score in 0..1");
    }
    if (lines_only_space(line))
        return lines_bad(l, err, "no tag before the tab");
    tags_append(out, line, score);
    return 0;
}

int lab_parse_tags(struct tags *out, struct lines *l, struct err *err)
{
    char *line, *word;
    int rc;

    tags_init(out);
    rc = lines_next(l, &line, err);
    if (rc || !line)
        return rc;
    if (strchr(line, '\t') || !lines_done(l)) {
        while (!rc && line)
            if (!(rc = parse_tag(out, l, line, err)))
                rc = lines_next(l, &line, err);
    } else {
        while ((word = lines_column(&line)))
            tags_append(out, word, 1);
    }
    if (rc)
        tags_release(out);
    return rc;
}

int lab_read_tags(struct tags *out, const char *path, struct err *err)
{
    struct strbuf text;
    struct lines l;
    int rc;

    tags_init(out);
    rc = lab_open(&text, &l, path, err);
    if (!rc)
        rc = lab_parse_tags(out, &l, err);
    strbuf_release(&text);
    return rc;
}
