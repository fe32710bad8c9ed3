/* barspace.h - tempo states of a beat tracker and the transitions between them
 * (Krebs, Boeck, Widmer, "An efficient state space model for joint tempo and
 * meter tracking", ISMIR 2015; the numbers are those of madmom's BeatStateSpace
 * and exponential_transition).
 *
 * A beat of L frames is a chain of L states at positions 0, 1/L, .. (L-1)/L
 * that is passed in L frames; only between beats may L change. */
#ifndef DECODE_BARSPACE_H
#define DECODE_BARSPACE_H

#include <stddef.h>
#include "base/err.h"

enum {
    BAR_LANES = 4,            /* intervals looked at side by side */
    BAR_MAX_INTERVALS = 1024,
    BAR_MAX_INTERVAL = 1 << 16 /* frames */
};

struct bar_space {
    int n;             /* number of intervals */
    int stride;        /* n, padded */
    int *interval;     /* (n) lengths of a beat in frames, ascending */
    double *log_trans; /* (n from, stride to); -inf: never; and the padding */
    int *lo, *hi;      /* (stride / BAR_LANES) the from-intervals lo..hi have
                          all that is above -inf in these columns */
    size_t states;     /* of one beat: the sum of the intervals */
};

/* Beats of shortest..longest frames (not rounded yet, as 60 fps / bpm gives
 * them). All integers between the rounded bounds if there are at most
 * num_tempi of them or num_tempi is 0; else the points 2^x with x equally
 * spaced between the bounds, rounded, as few points as give num_tempi different
 * ones. Interval a is followed by b with probability ~ exp(-lambda |b/a - 1|),
 * nothing of 2^-52 or less. ERR_ARG if a beat would be shorter than one frame
 * or longer than BAR_MAX_INTERVAL, the bounds are crossed, or there are too
 * many intervals. On success the caller releases. */
int bar_space_init(struct bar_space *s, double shortest, double longest,
                   int num_tempi, double lambda, struct err *err);
void bar_space_release(struct bar_space *s);

/* How many of the first positions of an interval lie within the first
 * 1/observation_lambda of beat number beat (0, 1, ..) of a bar; at least 1.
 * It depends on beat because position + beat is rounded in madmom. */
int bar_space_range(int interval, int beat, double observation_lambda);

#endif
