/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/frames.h"

#include <math.h>
#include <string.h>

int classes_find(const struct classes *c, const char *label)
{
    for (int i = 0; i < c->n; i++)
        if (!strcmp(c->label[i], label))
            return i;
    return -1;
}

size_t frames_used(const struct frames *f)
{
    double used = fmin(ceil(f->duration * f->rate), (double)f->n);

    /* the product may be rounded up past a whole number */
    while (used > 0 && (used - 1) / f->rate >= f->duration)
        used--;
    return (size_t)used;
}

double frames_time(const struct frames *f, size_t i)
{
    return i < frames_used(f) ? (double)i / f->rate : f->duration;
}

int frames_check(const struct frames *f, const float *prob, int classes,
                 const char *what, struct err *err)
{
    if (!(f->rate > 0 && isfinite(f->rate)))
        return err_set(err, ERR_ARG, "%s: %g frames a second is not above 0",
                       what, f->rate);
    if (!(f->duration >= 0 && isfinite(f->duration)))
        return err_set(err, ERR_ARG, "%s: a duration of %g s is not 0 or more",
                       what, f->duration);
    if (classes < 1 || classes > 65535)
        return err_set(err, ERR_ARG, "%s: %d classes are not in 1..65535", what,
                       classes);
    for (size_t i = 0; i < f->n * (size_t)classes; i++)
        if (!isfinite(prob[i]))
            return err_set(err, ERR_ARG, "%s: a probability of frame %zu is "
                           "not a finite number", what, i / (size_t)classes);
    return 0;
}

double frames_mean(const float *prob, int classes, int c, size_t from,
                   size_t to)
{
    double sum = 0;

    for (size_t i = from; i < to; i++)
        sum += prob[i * (size_t)classes + (size_t)c];
    return sum / (double)(to - from);
}
