/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/barspace.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"

/* n log2-spaced points, rounded; returns the number of different ones, which it
 * stores in out (room for max of them) as far as they fit. */
static int log_spaced(int *out, int max, double shortest, double longest,
                      int n)
{
    double from = log2(shortest), to = log2(longest);
    double step = n > 1 ? (to - from) / (n - 1) : 0;
    int count = 0, old = -1;

    for (int i = 0; i < n; i++) {
        double x = n > 1 && i == n - 1 ? to : from + i * step;
        int v = (int)rint(pow(2, x));

        if (v != old && count < max)
            out[count] = v;
        count += v != old;
        old = v;
    }
    return count;
}

/* Fills interval (room for BAR_MAX_INTERVALS); returns how many, 0 if there are
 * more than fit. */
static int choose_intervals(int *interval, double shortest, double longest,
                            int num_tempi)
{
    int first = (int)rint(shortest), count = (int)rint(longest) - first + 1;
    int points = num_tempi, found;

    if (!num_tempi || num_tempi >= count) {
        if (count > BAR_MAX_INTERVALS)
            return 0;
        for (int i = 0; i < count; i++)
            interval[i] = first + i;
        return count;
    }
    if (num_tempi > BAR_MAX_INTERVALS)
        return 0;
    /* Enough points hit every integer and num_tempi < count; the limit is for
     * bounds so near to k + 1/2 that 2^log2 rounds to the other side. */
    do
        found = log_spaced(interval, BAR_MAX_INTERVALS, shortest, longest,
                           points++);
    while (found < num_tempi && points < 16 * BAR_MAX_INTERVALS);
    return found <= BAR_MAX_INTERVALS ? found : 0;
}

static void fill_transitions(struct bar_space *s, double lambda)
{
    for (int a = 0; a < s->n; a++) {
        double *row = s->log_trans + (size_t)a * s->stride;
        double sum = 0;

        for (int b = 0; b < s->n; b++) {
            double ratio = (double)s->interval[b] / s->interval[a];

            row[b] = exp(-lambda * fabs(ratio - 1));
            if (row[b] <= DBL_EPSILON)
                row[b] = 0;
            sum += row[b];
        }
        for (int b = 0; b < s->n; b++)
            row[b] = log(row[b] / sum);
        for (int b = s->n; b < s->stride; b++)
            row[b] = -INFINITY;
    }
}

static void find_blocks(struct bar_space *s)
{
    for (int block = 0; block < s->stride / BAR_LANES; block++) {
        s->lo[block] = s->n;
        s->hi[block] = -1;
        for (int a = 0; a < s->n; a++) {
            const double *row = s->log_trans + (size_t)a * s->stride;

            for (int i = 0; i < BAR_LANES; i++) {
                if (isinf(row[block * BAR_LANES + i]))
                    continue;
                if (s->lo[block] > a)
                    s->lo[block] = a;
                s->hi[block] = a;
            }
        }
    }
}

int bar_space_init(struct bar_space *s, double shortest, double longest,
                   int num_tempi, double lambda, struct err *err)
{
    int interval[BAR_MAX_INTERVALS];
    int n;

    if (!(shortest <= longest))
        return err_set(err, ERR_ARG, "the lowest tempo is above the highest");
    if (!(rint(shortest) >= 1))
        return err_set(err, ERR_ARG, "a beat at the highest tempo is shorter "
                       "than a frame: lower it, or use more frames a second");
    if (!(longest <= BAR_MAX_INTERVAL))
        return err_set(err, ERR_ARG, "a beat at the lowest tempo has more than "
                       "%d frames: raise it", BAR_MAX_INTERVAL);
    n = choose_intervals(interval, shortest, longest, num_tempi);
    if (!n)
        return err_set(err, ERR_ARG, "more than %d tempi between the lowest "
                       "and the highest: set a smaller number of tempi",
                       BAR_MAX_INTERVALS);
    *s = (struct bar_space){ .n = n };
    s->stride = (n + BAR_LANES - 1) / BAR_LANES * BAR_LANES;
    s->interval = xcalloc((size_t)n, sizeof(int));
    s->log_trans = xcalloc((size_t)n * s->stride, sizeof(double));
    s->lo = xcalloc((size_t)s->stride / BAR_LANES, sizeof(int));
    s->hi = xcalloc((size_t)s->stride / BAR_LANES, sizeof(int));
    for (int i = 0; i < n; i++) {
        s->interval[i] = interval[i];
        s->states += (size_t)interval[i];
    }
    fill_transitions(s, lambda);
    find_blocks(s);
    return 0;
}

void bar_space_release(struct bar_space *s)
{
    free(s->interval);
    free(s->log_trans);
    free(s->lo);
    free(s->hi);
    *s = (struct bar_space){0};
}

int bar_space_range(int interval, int beat, double observation_lambda)
{
    double step = 1.0 / interval, border = 1 / observation_lambda;
    int p = 1;

    while (p < interval && fmod(p * step + beat, 1) < border)
        p++;
    return p;
}
