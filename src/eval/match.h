/* match.h - how many events of two lists can be paired within a window, and the
 * small arithmetic that several metrics share. */
#ifndef EVAL_MATCH_H
#define EVAL_MATCH_H

#include <stddef.h>

#include "base/err.h"

/* The size of a maximum matching of ref (n) and est (m), both in increasing
 * order, where r and e may be paired if e - window <= r <= e + window, the
 * bounds rounded to double as mir_eval.util.match_events does. O(n + m). */
size_t match_count(const double *ref, size_t n, const double *est, size_t m,
                   double window);

/* The lowest i with the least |t - events[i]|; events (n >= 1) in increasing
 * order. */
size_t match_nearest(const double *events, size_t n, double t);

/* The first i with events[i] >= t, n if there is none; increasing order. */
size_t match_lower(const double *events, size_t n, double t);

/* Checks a list of event times: finite, in increasing order (equal is allowed),
 * within 30000 s of 0. Returns 0 or ERR_ARG; what is "reference beats" or the
 * like. */
int match_check_events(const double *t, size_t n, const char *what,
                       struct err *err);

/* Harmonic mean of precision and recall; 0 if both are 0, NaN if one is NaN. */
double match_f_measure(double precision, double recall);

/* Sorts in place. */
void match_sort(double *v, size_t n);

/* The median of v, which is sorted in place; the mean of the middle two if n is
 * even, NaN if n is 0. */
double match_median(double *v, size_t n);

#endif
