/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/pop909.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "annot/chordname.h"
#include "base/limits.h"
#include "base/xalloc.h"

bool pop909_is_phrases(const char *line)
{
    const char *s = line;

    while (isalpha((unsigned char)*s) && isdigit((unsigned char)s[1]))
        s += 1 + strspn(s + 1, "0123456789");
    return s != line && lines_only_space(s);
}

int pop909_parse_phrases(struct segments *out, struct lines *l,
                         struct err *err)
{
    char *line, *s;
    double at = 0;

    segments_init(out);
    TRY(lines_next(l, &line, err));
    if (!line || !pop909_is_phrases(line))
        return lines_bad(l, err, "not phrases with their bars, as i4A4B8o3");
    for (s = line; *s && !isspace((unsigned char)*s);) {
        char label[2] = { *s, 0 };
        double bars = strtod(s + 1, &s);

        if (!(bars >= 1) || at + bars > LIMIT_UNITS) {
            segments_release(out);
            return lines_bad(l, err, "a phrase of no bar, or too many bars");
        }
        segments_append(out, at, at + bars, label, NAN);
        at += bars;
    }
    return 0;
}

static int parse_chord(struct segments *out, double *at, struct lines *l,
                       char *line, struct err *err)
{
    char *label = lines_column(&line), *close = strchr(line, ']');
    struct chordname c;
    double bass, beats;

    if (!close || *line != '[')
        return lines_bad(l, err, "behind the chord stands no [list] of notes");
    close++;
    if (!lines_number(&bass, lines_column(&close)) ||
        !lines_number(&beats, lines_column(&close)) ||
        !(beats > 0 && *at + beats <= LIMIT_UNITS))
        return lines_bad(l, err, "behind the notes stand no bass note and "
                                 "length in beats");
    if (chordname_parse(&c, label, false, err) == ERR_FORMAT)
        return err_prefix(err, "%s:%d", l->name, l->number);
    segments_append(out, *at, *at + beats, label, NAN);
    *at += beats;
    return 0;
}

int pop909_parse_chords(struct segments *out, struct lines *l,
                        struct err *err)
{
    double at = 0;
    char *line;
    int rc = 0;

    segments_init(out);
    while (!rc && !(rc = lines_next(l, &line, err)) && line)
        rc = parse_chord(out, &at, l, line, err);
    if (rc)
        segments_release(out);
    return rc;
}

static double time_at(const double *grid, size_t n, double unit)
{
    size_t i = unit < (double)(n - 1) ? (size_t)unit : n - 2;

    return grid[i] + (unit - (double)i) * (grid[i + 1] - grid[i]);
}

int pop909_to_seconds(struct segments *s, const struct beats *b, bool bars,
                      struct err *err)
{
    double *grid = xcalloc(b->n + 1, sizeof(*grid));
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < b->n; i++)
        if (!bars || b->v[i].position == 1)
            grid[n++] = b->v[i].time;
    if (n < 2)
        rc = err_set(err, ERR_ARG, "fewer than two %s to count from",
                     bars ? "downbeats" : "beats");
    for (size_t i = 0; i < s->n && !rc; i++) {
        s->v[i].start = time_at(grid, n, s->v[i].start);
        s->v[i].end = time_at(grid, n, s->v[i].end);
    }
    free(grid);
    return rc;
}
