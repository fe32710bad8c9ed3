/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/sched.h"

#include <math.h>

static double cosine(const struct sched *s, int64_t step)
{
    double span = (double)(s->steps - s->warmup);
    double at = span > 0 ? (double)(step - s->warmup) / span : 1;

    if (at >= 1)
        return s->floor;
    return s->floor + (1 - s->floor) * 0.5 * (1 + cos(M_PI * at));
}

double sched_factor(const struct sched *s, int64_t step)
{
    double f = 1;

    if (step < s->warmup)
        return (double)(step + 1) / (double)s->warmup;
    if (s->kind == SCHED_COSINE)
        f = cosine(s, step);
    else if (s->kind == SCHED_INVERSE)
        f = sqrt((double)(s->warmup > 0 ? s->warmup : 1) / (double)(step + 1));
    return f > s->floor ? f : s->floor;
}
