/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/spans.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static const double max_time = 1e5; /* s: 27 hours; bounds the frames */

static int check(const struct eval_spans *in, const char *what, struct err *err)
{
    for (size_t i = 0; i < in->n; i++) {
        double s = in->start[i], e = in->end[i];

        if (!(fabs(s) <= max_time) || !(fabs(e) <= max_time))
            return err_set(err, ERR_ARG, "%s: interval %zu from %g to %g s is "
                           "not within %g s: are the times in seconds?",
                           what, i + 1, s, e, max_time);
        if (e <= s)
            return err_set(err, ERR_ARG, "%s: interval %zu from %g to %g s has "
                           "no length", what, i + 1, s, e);
        if (i > 0 && s < in->start[i - 1])
            return err_set(err, ERR_ARG, "%s: interval %zu at %g s starts "
                           "before the one above it: sort them by time",
                           what, i + 1, s);
    }
    return 0;
}

int span_list_init(struct span_list *out, const struct eval_spans *in,
                   const char *what, struct err *err)
{
    TRY(check(in, what, err));
    /* two more: what span_list_adjust may add */
    out->at = xcalloc(in->n + 2, sizeof(*out->at));
    out->n = in->n;
    for (size_t i = 0; i < in->n; i++)
        out->at[i] =
            (struct span){ in->start[i], in->end[i], in->label[i] };
    return 0;
}

void span_list_release(struct span_list *l)
{
    free(l->at);
    *l = (struct span_list){ 0 };
}

double span_list_start(const struct span_list *l)
{
    return l->at[0].start;
}

double span_list_end(const struct span_list *l)
{
    double end = l->at[0].end;

    for (size_t i = 1; i < l->n; i++)
        end = fmax(end, l->at[i].end);
    return end;
}

/* What a list that has nothing inside the span is called: the end of mir_eval's
 * list that does the filling. */
static const char *sole_label(const struct span_list *l, double t_min,
                              const char *before, const char *after)
{
    size_t i = 0;

    while (i < l->n && l->at[i].end < t_min)
        i++;
    if (l->n == 0 || (i < l->n && l->at[i].start > t_min))
        return before;
    return after;
}

void span_list_adjust(struct span_list *l, double t_min, double t_max,
                      const char *before, const char *after)
{
    size_t n = 0;
    double first = INFINITY, last = -INFINITY;
    const char *fill = sole_label(l, t_min, before, after);

    for (size_t i = 0; i < l->n; i++) {
        struct span s = l->at[i];

        s.start = fmin(fmax(s.start, t_min), t_max);
        s.end = fmin(fmax(s.end, t_min), t_max);
        if (s.end <= s.start) {
            if (l->at[i].end == t_min)
                before = s.label; /* holds on, as in any gap of mir_eval */
            continue;
        }
        first = fmin(first, s.start);
        last = fmax(last, s.end);
        l->at[n++] = s;
    }
    if (n == 0 && isfinite(t_max)) {
        l->at[n++] = (struct span){ t_min, t_max, fill };
        first = t_min;
        last = t_max;
    }
    if (n > 0 && first > t_min) {
        memmove(l->at + 1, l->at, n++ * sizeof(*l->at));
        l->at[0] = (struct span){ t_min, first, before };
    }
    if (n > 0 && isfinite(t_max) && last < t_max)
        l->at[n++] = (struct span){ last, t_max, after };
    l->n = n;
}
