/* spans.h - labelled intervals as chord and segment metrics take them, and
 * their preparation: checks, and cutting to the time span of the reference. */
#ifndef EVAL_SPANS_H
#define EVAL_SPANS_H

#include <stddef.h>

#include "base/err.h"

/* Intervals of the caller: three arrays of n. Nothing is kept after a call. */
struct eval_spans {
    const double *start, *end; /* seconds */
    const char *const *label;
    size_t n;
};

struct span {
    double start, end;
    const char *label; /* borrowed */
};

/* An owned copy. A zeroed struct can be released. */
struct span_list {
    struct span *at;
    size_t n;
};

/* Copies `in` if each interval is finite, longer than 0 and within 10^5 s of
 * 0, and starts do not decrease; else ERR_ARG naming `what` and the interval.
 * Overlap is left to the metric. On failure *out is untouched. */
int span_list_init(struct span_list *out, const struct eval_spans *in,
                   const char *what, struct err *err);
void span_list_release(struct span_list *l);

/* Earliest start and latest end; n is at least 1. */
double span_list_start(const struct span_list *l);
double span_list_end(const struct span_list *l);

/* mir_eval.util.adjust_intervals: cuts to t_min..t_max and fills what is
 * missing at the ends with an interval called `before` or `after`. An empty
 * list becomes one interval called `before`, a list wholly before t_min one
 * called `after`. t_max of INFINITY leaves the end alone (then the list must
 * not be empty). Intervals that the cut leaves without length, which make
 * mir_eval raise, are dropped; one that ends at t_min lends its label to a gap
 * behind it, which keeps the scores where mir_eval does not raise. The labels
 * must outlive the list. */
void span_list_adjust(struct span_list *l, double t_min, double t_max,
                      const char *before, const char *after);

#endif
