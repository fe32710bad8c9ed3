/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/repeats.h"

#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"

enum { QUARTERS = 4, LEAST_LAG = 2 };

/* Likeness of n bars to those 1..lags bars later, (n, lags); its mean over all
 * pairs that are LEAST_LAG apart or more. */
struct likeness {
    float *v;
    size_t n, lags;
    double mean;
};

/* ---- bars and their likeness ---- */

/* Square roots of the means of p's classes over from..to seconds. */
static void hear(float *out, const struct posterior *p, double from, double to)
{
    const size_t classes = (size_t)p->classes.n;
    double rate = p->frames.rate, end = (double)p->frames.n;
    double a = fmin(fmax(from * rate, 0), end), b = fmin(to * rate, end);

    for (size_t c = 0; c < classes; c++)
        out[c] = 0;
    for (size_t i = (size_t)a; (double)i < b; i++) {
        double part = fmin(b, (double)i + 1) - fmax(a, (double)i);

        for (size_t c = 0; c < classes; c++)
            out[c] += (float)(part * p->prob[i * classes + c]);
    }
    for (size_t c = 0; c < classes; c++)
        out[c] = sqrtf(fmaxf(out[c], 0) / (float)fmax(b - a, 1e-6));
}

/* The bars' chords, (n, QUARTERS, classes). */
static float *hear_bars(const double *bar, size_t n, const struct posterior *p)
{
    const size_t classes = (size_t)p->classes.n;
    float *v = malloc(n * QUARTERS * classes * sizeof(*v));

    for (size_t i = 0; v && i < n; i++)
        for (int q = 0; q < QUARTERS; q++) {
            double span = (bar[i + 1] - bar[i]) / QUARTERS;

            hear(v + (i * QUARTERS + (size_t)q) * classes, p,
                 bar[i] + q * span, bar[i] + (q + 1) * span);
        }
    return v;
}

static void compare(struct likeness *s, const float *heard, size_t width)
{
    double sum = 0, pairs = 0;

    for (size_t i = 0; i < s->n; i++)
        for (size_t l = 1; l <= s->lags && i + l < s->n; l++) {
            float dot = 0;

            for (size_t k = 0; k < width; k++)
                dot += heard[i * width + k] * heard[(i + l) * width + k];
            s->v[i * s->lags + l - 1] = dot / QUARTERS;
            if (l >= LEAST_LAG) {
                sum += dot / QUARTERS;
                pairs++;
            }
        }
    s->mean = pairs > 0 ? sum / pairs : 0;
}

/* ---- what changes at a bar line ---- */

/* Of the lines of a song, at one reach K. */
struct rises {
    double *square, *count; /* (n + 1) over the lags that are known */
    double *rise, *fall;    /* (n + 1) greatest */
};

/* How like the k bars from line i are at one lag: sum[m + 1] are the running
 * sums of the m pairs, the first of which begins at bar `first`. -1: not
 * known. */
static double mean_from(const double *sum, size_t m, size_t first, size_t i,
                        size_t k)
{
    if (i < first || i - first + k > m)
        return -1;
    return (sum[i - first + k] - sum[i - first]) / (double)k;
}

/* Adds a lag whose pairs begin at bar `first`. */
static void add_lag(struct rises *r, const double *sum, size_t m, size_t first,
                    size_t n, size_t k, double mean)
{
    for (size_t i = 0; i <= n; i++) {
        double behind = mean_from(sum, m, first, i, k), rise;
        double before = i < k ? -1 : mean_from(sum, m, first, i - k, k);

        if (behind < 0 && before < 0)
            continue;
        rise = (behind < 0 ? mean : behind) - (before < 0 ? mean : before);
        r->square[i] += rise * rise;
        r->count[i]++;
        r->rise[i] = fmax(r->rise[i], rise);
        r->fall[i] = fmax(r->fall[i], -rise);
    }
}

static void find_rises(struct rises *r, const struct likeness *s, size_t k)
{
    double *sum = xcalloc(s->n + 1, sizeof(*sum));

    for (size_t i = 0; i <= s->n; i++)
        r->square[i] = r->count[i] = r->rise[i] = r->fall[i] = 0;
    for (size_t l = LEAST_LAG; l <= s->lags; l++) {
        size_t m = s->n - l;

        for (size_t i = 0; i < m; i++)
            sum[i + 1] = sum[i] + s->v[i * s->lags + l - 1];
        add_lag(r, sum, m, 0, s->n, k, s->mean); /* to what comes */
        add_lag(r, sum, m, l, s->n, k, s->mean); /* to what was */
    }
    for (size_t i = 0; i <= s->n; i++)
        r->square[i] /= fmax(r->count[i], 1);
    free(sum);
}

void repeats_standardise(double *v, size_t n)
{
    double mean = 0, square = 0;

    for (size_t i = 0; i < n; i++)
        mean += v[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (v[i] - mean) * (v[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++)
        v[i] = square > 1e-12 ? (v[i] - mean) / sqrt(square) : 0;
}

static void put(float *out, int sign, double *v, size_t lines)
{
    repeats_standardise(v, lines);
    for (size_t i = 0; i < lines; i++)
        out[i * REPEATS_SIGNS + (size_t)sign] = (float)v[i];
}

static void find_signs(float *out, const struct likeness *s)
{
    size_t lines = s->n + 1;
    double *v = xcalloc(4 * lines, sizeof(*v));
    struct rises r = { v, v + lines, v + 2 * lines, v + 3 * lines };

    find_rises(&r, s, 2);
    put(out, 0, r.square, lines);
    find_rises(&r, s, 4);
    put(out, 1, r.rise, lines);
    find_rises(&r, s, 8);
    put(out, 2, r.rise, lines);
    put(out, 3, r.fall, lines);
    free(v);
}

int repeats_find(float *out, const double *bar, size_t n,
                 const struct posterior *chords, struct err *err)
{
    struct likeness s = { .n = n };
    float *heard;
    int rc = 0;

    TRY(frames_check(&chords->frames, chords->prob, chords->classes.n,
                     "chords", err));
    s.lags = n - 1 < REPEATS_LAGS ? n - 1 : REPEATS_LAGS;
    heard = hear_bars(bar, n, chords);
    s.v = malloc((n * s.lags + 1) * sizeof(*s.v));
    if (!heard || !s.v) {
        rc = err_set(err, ERR_NOMEM, "no memory for the likeness of %zu bars",
                     n);
    } else {
        compare(&s, heard, QUARTERS * (size_t)chords->classes.n);
        find_signs(out, &s);
    }
    free(heard);
    free(s.v);
    return rc;
}
