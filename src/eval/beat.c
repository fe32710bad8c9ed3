/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/beat.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "eval/match.h"

const char *const eval_beat_names[EVAL_BEAT_COUNT] = {
    EVAL_BEAT_NAMES
};

struct times {
    const double *t;
    size_t n;
};

static struct times trimmed(const double *t, size_t n, double from)
{
    size_t skip = match_lower(t, n, from);

    return (struct times){ n ? t + skip : t, n - skip };
}

/* ---- F-measure ---- */

static double f_measure(struct times ref, struct times est, double *precision,
                        double *recall)
{
    double hits;

    *precision = *recall = 0;
    if (!ref.n || !est.n)
        return 0;
    hits = (double)match_count(ref.t, ref.n, est.t, est.n, 0.07);
    *precision = hits / (double)est.n;
    *recall = hits / (double)ref.n;
    return match_f_measure(*precision, *recall);
}

/* ---- metric levels ---- */

enum { LEVELS = 5 };

/* The reference at five metric levels; level 0 is borrowed, buf holds the rest
 * and is freed by the caller. */
struct levels {
    struct times at[LEVELS];
    double *buf;
};

static void levels_init(struct levels *l, struct times ref)
{
    size_t n = ref.n, twice = n ? 2 * n - 1 : 0, off = n ? n - 1 : 0;
    double *half, *off_beat, *full;

    l->buf = xmalloc((twice + off + n + 1) * sizeof(double));
    full = l->buf;
    off_beat = full + twice;
    half = off_beat + off;
    for (size_t i = 0; i < off; i++)
        off_beat[i] = (ref.t[i + 1] - ref.t[i]) * 0.5 + ref.t[i];
    for (size_t i = 0; i < twice; i++)
        full[i] = i % 2 ? off_beat[i / 2] : ref.t[i / 2];
    for (size_t i = 0; i < n; i++)
        half[i % 2 ? (n + 1) / 2 + i / 2 : i / 2] = ref.t[i];
    l->at[0] = ref;
    l->at[1] = (struct times){ off_beat, off };
    l->at[2] = (struct times){ full, twice };
    l->at[3] = (struct times){ half, (n + 1) / 2 };
    l->at[4] = (struct times){ half + (n + 1) / 2, n / 2 };
}

/* ---- Cemgil ---- */

static double cemgil_at(struct times ref, struct times est)
{
    const double sigma = 0.04;
    double sum = 0;

    for (size_t i = 0; i < ref.n; i++) {
        size_t at = match_nearest(est.t, est.n, ref.t[i]);
        double d = fabs(ref.t[i] - est.t[at]);

        sum += exp(-(d * d) / (2 * sigma * sigma));
    }
    return sum / (0.5 * (double)(est.n + ref.n));
}

static void cemgil(double out[2], const struct levels *l, struct times est)
{
    out[0] = out[1] = 0;
    if (!l->at[0].n || !est.n)
        return;
    for (int i = 0; i < LEVELS; i++) {
        double a = cemgil_at(l->at[i], est);

        if (i == 0)
            out[0] = a;
        if (a > out[1])
            out[1] = a;
    }
}

/* ---- Goto ---- */

/* The error of the one estimate between the middles of the intervals around ref
 * beat i, as a share of the half interval on its side; 1 if there is not
 * exactly one. */
static double goto_error(struct times ref, size_t i, struct times est)
{
    double before = 0.5 * (ref.t[i] - ref.t[i - 1]);
    double after = 0.5 * (ref.t[i + 1] - ref.t[i]);
    size_t first = match_lower(est.t, est.n, ref.t[i] - before);
    size_t end = match_lower(est.t, est.n, ref.t[i] + after);
    double offset;

    if (end != first + 1)
        return 1;
    offset = est.t[first] - ref.t[i];
    return offset < 0 ? offset / before : offset / after;
}

/* Mean of |v| and deviation of v both under 0.2; a track of one beat has no
 * deviation and fails. */
static bool goto_track_ok(const double *v, size_t n)
{
    double mean_abs = 0, mean = 0, var = 0;

    if (n < 2)
        return false;
    for (size_t i = 0; i < n; i++) {
        mean_abs += fabs(v[i]);
        mean += v[i];
    }
    mean_abs /= (double)n;
    mean /= (double)n;
    for (size_t i = 0; i < n; i++)
        var += (v[i] - mean) * (v[i] - mean);
    return mean_abs < 0.2 && sqrt(var / (double)(n - 1)) < 0.2;
}

/* The first and last beat count as wrong. With no other wrong beat the track is
 * what lies between them without its last beat; else it is the first longest
 * gap between wrong beats with both of these. Both as in mir_eval. */
static double goto_score(struct times ref, struct times est)
{
    size_t n = ref.n, wrong = 0, last = 0, best = 0, best_start = 0;
    double *error;
    double score = 0;

    if (n < 3 || !est.n)
        return 0;
    error = xmalloc(n * sizeof(*error));
    error[0] = error[n - 1] = 1;
    for (size_t i = 1; i + 1 < n; i++)
        error[i] = goto_error(ref, i, est);
    for (size_t i = 0; i < n; i++) {
        if (fabs(error[i]) <= 0.35)
            continue;
        if (wrong++ && i - last > best) {
            best = i - last;
            best_start = last;
        }
        last = i;
    }
    if (wrong < 3)
        score = goto_track_ok(error + 1, n - 3);
    else if ((double)(best - 1) > 0.25 * (double)(n - 2))
        score = goto_track_ok(error + best_start, best + 1);
    free(error);
    return score;
}

/* ---- P-score ---- */

/* The slots of 10 ms that hold events, each once, counted from time zero. */
static size_t slots(int64_t *out, struct times ev, double zero)
{
    size_t n = 0;

    for (size_t i = 0; i < ev.n; i++) {
        int64_t s = (int64_t)ceil((ev.t[i] - zero) * 100);

        if (n == 0 || out[n - 1] != s)
            out[n++] = s;
    }
    return n;
}

/* Pairs no more than win slots apart: what the windowed cross-correlation of
 * the impulse trains sums to. */
static size_t pairs_within(const int64_t *a, size_t n, const int64_t *b,
                           size_t m, int64_t win)
{
    size_t sum = 0, lo = 0, hi = 0;

    for (size_t i = 0; i < n; i++) {
        while (lo < m && b[lo] < a[i] - win)
            lo++;
        while (hi < m && b[hi] <= a[i] + win)
            hi++;
        sum += hi - lo;
    }
    return sum;
}

static double p_score(struct times ref, struct times est)
{
    double zero, median, *gap, score = NAN;
    int64_t *a, *b;
    size_t n, m;

    if (ref.n < 2 || est.n < 2)
        return 0;
    zero = fmin(ref.t[0], est.t[0]);
    a = xmalloc(ref.n * sizeof(*a));
    b = xmalloc(est.n * sizeof(*b));
    gap = xmalloc(ref.n * sizeof(*gap));
    n = slots(a, ref, zero);
    m = slots(b, est, zero);
    for (size_t i = 1; i < n; i++)
        gap[i - 1] = (double)(a[i] - a[i - 1]);
    if (n > 1) {
        median = match_median(gap, n - 1);
        score = (double)pairs_within(a, n, b, m, (int64_t)rint(0.2 * median)) /
                (double)(est.n > ref.n ? est.n : ref.n);
    }
    free(gap);
    free(b);
    free(a);
    return score;
}

/* ---- continuity ---- */

/* Whether estimate i fits reference `at`: near it in phase and like it in
 * period. The interval before both counts; the one after if either is a first
 * (and before again if it is also the last). */
static bool continuous(struct times ref, size_t at, struct times est, size_t i)
{
    const double limit = 0.175;
    bool first = i == 0 || at == 0;
    double away = fabs(est.t[i] - ref.t[at]);
    double ref_gap, est_gap;

    if (first && at + 1 < ref.n)
        ref_gap = ref.t[at + 1] - ref.t[at];
    else
        ref_gap = at ? ref.t[at] - ref.t[at - 1] : 0;
    if (first && i + 1 < est.n)
        est_gap = est.t[i + 1] - est.t[i];
    else
        est_gap = est.t[i] - est.t[i - 1];
    /* a gap of 0 gives a phase of 1, infinity or NaN: never a fit */
    return away / ref_gap < limit && fabs(1 - est_gap / ref_gap) < limit;
}

/* The longest run and the number of fitting estimates, over the length of the
 * longer list. A reference fits once. */
static void continuity_at(double *longest, double *total, struct times ref,
                          struct times est)
{
    size_t n = ref.n > est.n ? ref.n : est.n, run = 0, best = 0, sum = 0;
    bool *used = xcalloc(ref.n + 1, sizeof(*used));

    for (size_t i = 0; ref.n && i < est.n; i++) {
        size_t at = match_nearest(ref.t, ref.n, est.t[i]);

        if (!used[at] && continuous(ref, at, est, i)) {
            used[at] = true;
            sum++;
            if (++run > best)
                best = run;
        } else {
            run = 0;
        }
    }
    free(used);
    *longest = (double)best / (double)n;
    *total = (double)sum / (double)n;
}

static void continuity(double out[4], const struct levels *l, struct times est)
{
    for (int i = 0; i < 4; i++)
        out[i] = 0;
    if (l->at[0].n < 2 || est.n < 2)
        return;
    for (int i = 0; i < LEVELS; i++) {
        double c, t;

        continuity_at(&c, &t, l->at[i], est);
        if (i == 0) {
            out[0] = c;
            out[1] = t;
        }
        out[2] = fmax(out[2], c);
        out[3] = fmax(out[3], t);
    }
}

/* ---- information gain ---- */

enum { BINS = 41 };

/* The error of time t in beats of ref. An estimate just before the first
 * reference is measured by the whole length of ref, negative: Python's index -1
 * in mir_eval, kept for equal numbers. */
static double beat_error(struct times ref, double t)
{
    size_t last = ref.n - 1, at = match_nearest(ref.t, ref.n, t);
    double d = t - ref.t[at], interval, e;

    if (at == last)
        interval = 0.5 * (ref.t[last] - ref.t[last - 1]);
    else if (d < 0)
        interval = 0.5 * (ref.t[at] - ref.t[at ? at - 1 : last]);
    else
        interval = 0.5 * (ref.t[at + 1] - ref.t[at]);
    e = fmod(0.5 * d / interval + 0.5, -1);
    if (e > 0)
        e -= 1; /* the remainder takes the sign of -1 */
    return e + 0.5;
}

static double error_entropy(struct times ref, struct times est)
{
    double edge[BINS + 1], count[BINS] = { 0 }, total = 0, h = 0;

    for (int i = 0; i < BINS; i++)
        edge[i] = i * (1.0 / BINS) + -0.5;
    edge[BINS] = 0.5;
    for (size_t i = 0; i < est.n; i++) {
        double e = beat_error(ref, est.t[i]);
        int bin = BINS - 1;

        if (!(e >= edge[0] && e <= edge[BINS]))
            continue; /* NaN, where references coincide */
        while (e < edge[bin])
            bin--;
        count[bin]++;
        total++;
    }
    for (int i = 0; i < BINS; i++) {
        double p = count[i] / total;

        if (p != 0)
            h -= p * log2(p);
    }
    return h;
}

static double information_gain(struct times ref, struct times est)
{
    double norm = log2(BINS), forward, backward;

    if (ref.n < 2 || est.n < 2)
        return 0;
    forward = error_entropy(ref, est);
    backward = error_entropy(est, ref);
    return (norm - (forward > backward ? forward : backward)) / norm;
}

/* ---- all ---- */

static int check(const double *ref, size_t n, const double *est, size_t m,
                 struct err *err)
{
    TRY(match_check_events(ref, n, "reference beats", err));
    return match_check_events(est, m, "estimated beats", err);
}

int eval_beat(double out[EVAL_BEAT_COUNT], const double *ref, size_t n,
              const double *est, size_t m, double trim_s, struct err *err)
{
    struct times r, e;
    struct levels levels;
    double precision, recall;

    TRY(check(ref, n, est, m, err));
    r = trimmed(ref, n, trim_s);
    e = trimmed(est, m, trim_s);
    levels_init(&levels, r);
    out[EVAL_BEAT_F] = f_measure(r, e, &precision, &recall);
    cemgil(out + EVAL_BEAT_CEMGIL, &levels, e);
    out[EVAL_BEAT_GOTO] = goto_score(r, e);
    out[EVAL_BEAT_P_SCORE] = p_score(r, e);
    continuity(out + EVAL_BEAT_CML_C, &levels, e);
    out[EVAL_BEAT_INFORMATION] = information_gain(r, e);
    free(levels.buf);
    return 0;
}

int eval_beat_f(double *f, double *precision, double *recall, const double *ref,
                size_t n, const double *est, size_t m, double trim_s,
                struct err *err)
{
    double p, r;

    TRY(check(ref, n, est, m, err));
    *f = f_measure(trimmed(ref, n, trim_s), trimmed(est, m, trim_s), &p, &r);
    if (precision)
        *precision = p;
    if (recall)
        *recall = r;
    return 0;
}
