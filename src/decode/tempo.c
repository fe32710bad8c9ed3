/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/tempo.h"

#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"

enum { MAX_METER = 64 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The share of n gaps (sorted) near their median. */
static double regularity(const double *gap, size_t n, double median)
{
    size_t near = 0;

    for (size_t i = 0; i < n; i++)
        near += fabs(gap[i] - median) <= 0.08 * median;
    return (double)near / (double)n;
}

/* The highest activation within REACH frames of a time: of downbeats alone, or
 * of all beats. */
static double activation_near(const float *act, size_t n, double fps,
                              double time, int downbeats)
{
    enum { REACH = 2 };
    double best = 0, at = round(time * fps);

    for (int k = -REACH; k <= REACH; k++) {
        double frame = at + k;

        if (frame >= 0 && frame < (double)n) {
            const float *a = act + 2 * (size_t)frame;

            best = fmax(best, (downbeats ? 0 : (double)a[0]) + (double)a[1]);
        }
    }
    return fmin(best, 1);
}

/* Whether every second beat alone, or one more between two, would do as well:
 * 1 is neither. */
static double octave(const struct beats *b, const float *act, size_t n,
                     double fps)
{
    double sum[3] = {0}, count[3] = {0}, mean[3], strong;

    for (size_t i = 0; i < b->n; i++) {
        double t = b->v[i].time;

        sum[i % 2] += activation_near(act, n, fps, t, 0);
        count[i % 2]++;
        if (i + 1 < b->n) {
            sum[2] += activation_near(act, n, fps,
                                      (t + b->v[i + 1].time) / 2, 0);
            count[2]++;
        }
    }
    for (int k = 0; k < 3; k++)
        mean[k] = sum[k] / count[k];
    strong = fmax(fmax(mean[0], mean[1]), 1e-9);
    return fmin(mean[0], mean[1]) / strong * fmax(0, 1 - mean[2] / strong);
}

struct tempo tempo_of_beats(const struct beats *b, const float *act, size_t n,
                            double fps)
{
    struct tempo t = { NAN, NAN };
    double *gap, median;
    size_t gaps;

    if (b->n < 2)
        return t;
    gaps = b->n - 1;
    gap = xcalloc(gaps, sizeof(*gap));
    for (size_t i = 0; i < gaps; i++)
        gap[i] = b->v[i + 1].time - b->v[i].time;
    qsort(gap, gaps, sizeof(*gap), compare);
    median = (gap[(gaps - 1) / 2] + gap[gaps / 2]) / 2;
    if (median > 0)
        t = (struct tempo){ 60 / median, regularity(gap, gaps, median) *
                                             (act ? octave(b, act, n, fps)
                                                  : 1) };
    free(gap);
    return t;
}

int beats_are_heard(const struct beats *b)
{
    const double least = 0.25;
    double *c = xcalloc(b->n + 1, sizeof(*c)), median;

    for (size_t i = 0; i < b->n; i++)
        c[i] = b->v[i].confidence;
    qsort(c, b->n, sizeof(*c), compare);
    median = c[b->n / 2];
    free(c);
    return !(median < least);
}

int meter_of_beats(const struct beats *b)
{
    size_t count[MAX_METER + 1] = {0}, downbeat = 0;
    int best = 0, seen = 0;

    for (size_t i = 0; i < b->n; i++) {
        if (b->v[i].position != 1)
            continue;
        if (seen && i - downbeat <= MAX_METER)
            count[i - downbeat]++;
        downbeat = i;
        seen = 1;
    }
    for (int m = 1; m <= MAX_METER; m++)
        if (count[m] > count[best])
            best = m;
    return best;
}
