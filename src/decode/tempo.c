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

struct tempo tempo_of_beats(const struct beats *b)
{
    struct tempo t = { NAN, NAN };
    double *gap, median;
    size_t n, near = 0;

    if (b->n < 2)
        return t;
    n = b->n - 1;
    gap = xcalloc(n, sizeof(*gap));
    for (size_t i = 0; i < n; i++)
        gap[i] = b->v[i + 1].time - b->v[i].time;
    qsort(gap, n, sizeof(*gap), compare);
    median = (gap[(n - 1) / 2] + gap[n / 2]) / 2;
    for (size_t i = 0; i < n; i++)
        near += fabs(gap[i] - median) <= 0.08 * median;
    free(gap);
    if (median > 0)
        t = (struct tempo){ 60 / median, (double)near / (double)n };
    return t;
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
