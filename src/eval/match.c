/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/match.h"

#include <math.h>
#include <stdlib.h>

static const double max_time = 30000; /* s, as in mir_eval */

/* Each e may take a run of refs, and neither end of the run moves back as e
 * grows. So the greedy choice, the first free ref of the run, is part of some
 * maximum matching: if that matching gives this ref r to a later e' and e
 * another r' > r, the two can be swapped, because r' lies in the run of e'
 * (right end no earlier than that of e, left end at or before r). If it leaves
 * e or r alone, pairing them loses at most one pair and gains one. A ref before
 * the run of e is before every later run too. */
size_t match_count(const double *ref, size_t n, const double *est, size_t m,
                   double window)
{
    size_t count = 0, r = 0;

    for (size_t e = 0; e < m; e++) {
        while (r < n && ref[r] < est[e] - window)
            r++;
        if (r < n && ref[r] <= est[e] + window) {
            count++;
            r++;
        }
    }
    return count;
}

size_t match_lower(const double *events, size_t n, double t)
{
    size_t low = 0;

    while (n > 0) {
        size_t half = n / 2;

        if (events[low + half] < t) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

size_t match_nearest(const double *events, size_t n, double t)
{
    size_t i = match_lower(events, n, t);

    if (i == n || (i > 0 && fabs(t - events[i - 1]) <= fabs(t - events[i])))
        i--;
    /* equal events, or events that rounding makes equally far */
    while (i > 0 && fabs(t - events[i - 1]) <= fabs(t - events[i]))
        i--;
    return i;
}

int match_check_events(const double *t, size_t n, const char *what,
                       struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(t[i]) <= max_time))
            return err_set(err, ERR_ARG, "%s: time %g of event %zu is not "
                           "within %g s: are the times in seconds?",
                           what, t[i], i + 1, max_time);
        if (i > 0 && t[i] < t[i - 1])
            return err_set(err, ERR_ARG, "%s: event %zu at %g s comes before "
                           "the one above it at %g s: sort them by time",
                           what, i + 1, t[i], t[i - 1]);
    }
    return 0;
}

double match_f_measure(double precision, double recall)
{
    if (precision == 0 && recall == 0)
        return 0;
    return 2 * precision * recall / (precision + recall);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void match_sort(double *v, size_t n)
{
    if (n > 1)
        qsort(v, n, sizeof(*v), compare);
}

double match_median(double *v, size_t n)
{
    if (n == 0)
        return NAN;
    match_sort(v, n);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}
