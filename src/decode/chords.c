/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/chords.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static double log_prob(float p)
{
    return log(p > 1e-30f ? p : 1e-30f);
}

static int first_max(const double *x, int n)
{
    int best = 0;

    for (int i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* All classes are entered from the same one, the best, or from themselves: a
 * bit for each frame and class, and one class for each frame, say it all. */
struct trellis {
    size_t frames;
    int classes;
    uint16_t *best;   /* (frames) the best class of the frame before */
    uint8_t *entered; /* (frames, (classes + 7) / 8) bit: came from best */
};

static size_t row_bytes(const struct trellis *t)
{
    return ((size_t)t->classes + 7) / 8;
}

/* Returns the best class of the last frame; score is (classes). Class none (-1:
 * there is none) has more in each frame. */
static int forward(struct trellis *t, double *score, const float *prob,
                   double stay, int none, double more)
{
    int n = t->classes;
    double on = log(stay), change = n > 1 ? log((1 - stay) / (n - 1)) : 0;

    for (int c = 0; c < n; c++)
        score[c] = log_prob(prob[c]) - log(n) + (c == none ? more : 0);
    for (size_t i = 1; i < t->frames; i++) {
        int best = first_max(score, n);
        double from_best = score[best] + change;
        uint8_t *entered = t->entered + i * row_bytes(t);

        t->best[i] = (uint16_t)best;
        for (int c = 0; c < n; c++) {
            double s = score[c] + on;

            /* stay >= 1/n: for the best class itself nothing beats staying */
            if (c != best && from_best > s) {
                s = from_best;
                entered[c / 8] |= (uint8_t)(1 << c % 8);
            }
            score[c] = s + log_prob(prob[i * (size_t)n + (size_t)c]) +
                       (c == none ? more : 0);
        }
    }
    return first_max(score, n);
}

/* Writes the path over t->best, which it reads backwards one step ahead. */
static void backward(struct trellis *t, int c)
{
    for (size_t i = t->frames; i-- > 0;) {
        int from = c;

        if (t->entered[i * row_bytes(t) + (size_t)c / 8] >> c % 8 & 1)
            from = t->best[i];
        t->best[i] = (uint16_t)c;
        c = from;
    }
}

static void append_runs(struct segments *out, const struct trellis *t,
                        const float *prob, const struct frames *f,
                        const struct classes *classes)
{
    size_t from = 0;

    for (size_t i = 1; i <= t->frames; i++) {
        int c = t->best[from];

        if (i < t->frames && t->best[i] == c)
            continue;
        segments_append(out, frames_time(f, from), frames_time(f, i),
                        classes->label[c],
                        frames_mean(prob, t->classes, c, from, i));
        from = i;
    }
}

int chords_decode(struct segments *out, const float *prob,
                  const struct frames *f, const struct classes *classes,
                  double stay, double none, struct err *err)
{
    struct trellis t = { .classes = classes->n };
    double *score = NULL;
    int rc;

    TRY(frames_check(f, prob, classes->n, "labels over time", err));
    if (!(stay >= 1.0 / classes->n && stay <= 1))
        return err_set(err, ERR_ARG, "the probability to stay, %g, is not in "
                       "%g..1", stay, 1.0 / classes->n);
    if (!(none > 0 && none < INFINITY))
        return err_set(err, ERR_ARG, "a weight of %g of no chord", none);
    t.frames = frames_used(f);
    if (!t.frames)
        return 0;
    t.best = malloc(t.frames * sizeof(*t.best));
    t.entered = calloc(t.frames, row_bytes(&t));
    score = xcalloc((size_t)t.classes, sizeof(*score));
    rc = t.best && t.entered ? 0
       : err_set(err, ERR_NOMEM, "no memory to decode %zu frames of %d classes",
                 t.frames, t.classes);
    if (!rc) {
        backward(&t, forward(&t, score, prob, stay,
                             classes_find(classes, "N"), log(none)));
        append_runs(out, &t, prob, f, classes);
    }
    free(t.best);
    free(t.entered);
    free(score);
    return rc;
}

/* ---- changes on the beat ---- */

/* The beat nearest to t, from *at on, which goes along; t if none is near. */
static double on_beat(double t, const struct beats *b, size_t *at)
{
    while (*at + 1 < b->n &&
           fabs(b->v[*at + 1].time - t) <= fabs(b->v[*at].time - t))
        ++*at;
    return *at < b->n && fabs(b->v[*at].time - t) <= CHORDS_SNAP_S
               ? b->v[*at].time : t;
}

/* Adds b to a, which it goes on. */
static void join(struct segment *a, const struct segment *b)
{
    double x = a->end - a->start, y = b->end - b->start;

    if (x + y > 0)
        a->confidence = (x * a->confidence + y * b->confidence) / (x + y);
    a->end = b->end;
}

void chords_snap(struct segments *chords, const struct beats *beats)
{
    struct segment *v = chords->v;
    size_t n = chords->n, kept = 0, at = 0;

    for (size_t i = 0; i + 1 < n; i++)
        v[i].end = v[i + 1].start =
            fmin(on_beat(v[i].end, beats, &at), v[n - 1].end);
    for (size_t i = 0; i < n; i++) {
        int same = kept && !strcmp(v[kept - 1].label, v[i].label);

        if (same)
            join(&v[kept - 1], &v[i]);
        if (same || v[i].end <= v[i].start)
            free(v[i].label);
        else
            v[kept++] = v[i];
    }
    chords->n = kept;
}
