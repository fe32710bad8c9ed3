/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/section.h"

#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "decode/partlines.h"

enum { LEAST_BARS = 8 };

/* Where parts begin, but for the first; p is the probability of a boundary. */
struct cuts {
    double *time, *p;
    size_t n;
};

static int cut_at_peaks(struct cuts *cuts, const float *boundary,
                        const struct frames *f,
                        const struct boundary_config *c, struct err *err)
{
    size_t n = frames_used(f), *peak = malloc(n * sizeof(*peak)), peaks;

    if (!peak)
        return err_set(err, ERR_NOMEM, "no memory for the boundaries of %zu "
                       "frames", n);
    peaks = boundary_peaks(peak, boundary, n, f->rate, c);
    cuts->time = xcalloc(peaks + 1, sizeof(*cuts->time));
    cuts->p = xcalloc(peaks + 1, sizeof(*cuts->p));
    for (size_t i = 0; i < peaks; i++)
        if (peak[i]) {
            cuts->time[cuts->n] = frames_time(f, peak[i]);
            cuts->p[cuts->n++] = boundary[peak[i]];
        }
    free(peak);
    return 0;
}

/* Bar lines inside the song; the caller frees. */
static double *bar_lines(size_t *n, const struct beats *b, double duration)
{
    double *line = xcalloc(b->n + 1, sizeof(*line));

    *n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].position == 1 && b->v[i].time < duration)
            line[(*n)++] = b->v[i].time;
    return line;
}

/* The first bar line begins no part: what stands before it is an upbeat. */
static int cut_at_bars(struct cuts *cuts, const double *bar, size_t n,
                       const float *boundary, const struct frames *f,
                       const struct posterior *chords, struct err *err)
{
    size_t *line = xcalloc(n + 1, sizeof(*line));
    int rc;

    cuts->time = xcalloc(n + 1, sizeof(*cuts->time));
    cuts->p = xcalloc(n + 1, sizeof(*cuts->p));
    rc = partlines_find(line, cuts->p, &cuts->n, bar, n, boundary, f, chords,
                        err);
    for (size_t i = 0; i < cuts->n && !rc; i++)
        cuts->time[i] = bar[line[i]];
    free(line);
    return rc;
}

static int cut(struct cuts *cuts, const float *boundary,
               const struct frames *f, const struct boundary_config *c,
               const struct section_context *context, struct err *err)
{
    double *bar = NULL;
    size_t lines = 0;
    int rc;

    if (context && context->beats && context->chords)
        bar = bar_lines(&lines, context->beats, f->duration);
    if (lines > LEAST_BARS)
        rc = cut_at_bars(cuts, bar, lines - 1, boundary, f, context->chords,
                         err);
    else
        rc = cut_at_peaks(cuts, boundary, f, c, err);
    free(bar);
    return rc;
}

static void append_part(struct segments *out, const float *function,
                        const struct frames *f, const struct classes *classes,
                        double start, double end)
{
    size_t used = frames_used(f), from = (size_t)lround(start * f->rate);
    size_t to = end < f->duration ? (size_t)lround(end * f->rate) : used;
    int best = 0;
    double best_mean = -1;

    from = from < used ? from : used - 1;
    to = to <= from ? from + 1 : to < used ? to : used;
    for (int c = 0; c < classes->n; c++) {
        double mean = frames_mean(function, classes->n, c, from, to);

        if (mean > best_mean) {
            best = c;
            best_mean = mean;
        }
    }
    segments_append(out, start, end, classes->label[best], best_mean);
}

static void append_parts(struct segments *out, const float *function,
                         const struct frames *f, const struct classes *classes,
                         const struct cuts *cuts)
{
    for (size_t i = 0; i <= cuts->n; i++) {
        double start = i ? cuts->time[i - 1] : 0;
        double end = i < cuts->n ? cuts->time[i] : f->duration;

        if (function)
            append_part(out, function, f, classes, start, end);
        else
            segments_append(out, start, end, "", i ? cuts->p[i - 1] : NAN);
    }
}

int section_decode(struct segments *out, const float *function,
                   const float *boundary, const struct frames *f,
                   const struct classes *classes,
                   const struct boundary_config *c,
                   const struct section_context *context, struct err *err)
{
    struct cuts cuts = { 0 };
    int rc;

    TRY(frames_check(f, boundary, 1, "boundaries", err));
    if (function)
        TRY(frames_check(f, function, classes->n, "functions", err));
    if (!frames_used(f))
        return 0;
    rc = cut(&cuts, boundary, f, c, context, err);
    if (!rc)
        append_parts(out, function, f, classes, &cuts);
    free(cuts.time);
    free(cuts.p);
    return rc;
}
