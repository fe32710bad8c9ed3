/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/partlines.h"

#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "decode/repeats.h"

/* Fitted: the head's boundary and the four signs of repeats.h. */
static const double weight[1 + REPEATS_SIGNS] = { .42, .41, .26, .41, .23 };
static const double offset = -2.58, lengths_weigh = 0.6, eager = 2.5;

static const double reach_s = 0.6; /* of the head's boundary */

/* Parts of 1, 2, .. bars in the 150 songs of the reference corpus. */
static const short parts[PARTLINES_LONGEST] = {
    30, 43, 25, 234, 43, 52, 20, 470, 61, 31, 15, 39, 7, 33, 4, 165,
    17, 16, 1, 15, 1, 8, 4, 21, 1, 2, 1, 5, 0, 2, 0, 6,
    0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 4,
    0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1
};

/* Logarithms of the probabilities of a part of 1, 2, .. bars, and of one of so
 * many or more. */
struct lengths {
    double exact[PARTLINES_LONGEST + 1], least[PARTLINES_LONGEST + 1];
};

static void fill_lengths(struct lengths *l)
{
    double p[PARTLINES_LONGEST + 1], sum = 0, rest = 0;

    for (int k = 1; k <= PARTLINES_LONGEST; k++)
        sum += p[k] = parts[k - 1] + 0.3 * exp(-k / 12.); /* not 0 */
    for (int k = PARTLINES_LONGEST; k >= 1; k--) {
        rest += p[k] / sum;
        l->exact[k] = lengths_weigh * log(p[k] / sum + 1e-6);
        l->least[k] = lengths_weigh * log(rest + 1e-6);
    }
}

/* ---- evidence ---- */

/* Log odds of the head's boundary near each line, standardised. */
static void hear_head(double *v, const double *bar, size_t n,
                      const float *boundary, const struct frames *f)
{
    for (size_t i = 0; i <= n; i++) {
        double from = fmax(floor((bar[i] - reach_s) * f->rate), 0);
        double best = 1e-4;

        for (size_t k = (size_t)from; k < f->n && (double)k <=
             floor((bar[i] + reach_s) * f->rate) + 1; k++)
            best = fmax(best, boundary[k]);
        best = fmin(best, 1 - 1e-4);
        v[i] = log(best / (1 - best));
    }
    repeats_standardise(v, n + 1);
}

/* Log odds that a part begins at each line, into v (n + 1). */
static int weigh_lines(double *v, const double *bar, size_t n,
                       const float *boundary, const struct frames *f,
                       const struct posterior *chords, struct err *err)
{
    float *sign = xcalloc((n + 1) * REPEATS_SIGNS, sizeof(*sign));
    int rc = repeats_find(sign, bar, n, chords, err);

    hear_head(v, bar, n, boundary, f);
    for (size_t i = 0; i <= n && !rc; i++) {
        v[i] = offset + weight[0] * v[i];
        for (int s = 0; s < REPEATS_SIGNS; s++)
            v[i] += weight[s + 1] * sign[i * REPEATS_SIGNS + (size_t)s];
    }
    free(sign);
    return rc;
}

/* ---- the most probable parts ---- */

/* best[i]: the log probability of the best parts that end at line i, of which
 * the last begins at from[i]. Returns the last part's beginning: it has a whole
 * bar at least, and may go on behind the last line. */
static size_t search(double *best, size_t *from, const double *odds, size_t n)
{
    struct lengths l;
    size_t last = 0;
    double most = -INFINITY;

    fill_lengths(&l);
    best[0] = 0;
    for (size_t i = 1; i <= n; i++) {
        best[i] = -INFINITY;
        for (size_t k = 1; k <= i && k <= PARTLINES_LONGEST; k++)
            if (best[i - k] + l.exact[k] > best[i]) {
                best[i] = best[i - k] + l.exact[k];
                from[i] = i - k;
            }
        best[i] += odds[i] + eager;
    }
    for (size_t k = 2; k <= n + 1 && k <= PARTLINES_LONGEST; k++)
        if (best[n + 1 - k] + l.least[k] > most) {
            last = n + 1 - k;
            most = best[last] + l.least[k];
        }
    return last;
}

int partlines_find(size_t *line, double *p, size_t *count, const double *bar,
                   size_t n, const float *boundary, const struct frames *f,
                   const struct posterior *chords, struct err *err)
{
    double *odds = xcalloc(2 * (n + 1), sizeof(*odds)), *best = odds + n + 1;
    size_t *from = xcalloc(n + 1, sizeof(*from)), at;
    int rc = weigh_lines(odds, bar, n, boundary, f, chords, err);

    *count = 0;
    if (!rc) {
        at = search(best, from, odds, n);
        for (size_t i = at; i; i = from[i])
            ++*count;
        for (size_t i = at, k = *count; i; i = from[i]) {
            line[--k] = i;
            p[k] = 1 / (1 + exp(-odds[i]));
        }
    }
    free(odds);
    free(from);
    return rc;
}
