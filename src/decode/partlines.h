/* partlines.h - the bar lines at which the parts of a song begin. */
#ifndef DECODE_PARTLINES_H
#define DECODE_PARTLINES_H

#include <stddef.h>

#include "base/err.h"
#include "decode/frames.h"

enum { PARTLINES_LONGEST = 64 /* bars of a part */ };

/* The most probable parts by section.h's model. bar[0..n] are the bar lines
 * (seconds, ascending; n bars, at least 1), boundary (f->n) a head's
 * probability. *count lines, ascending and without line 0, in line (room for
 * n); p (room for n) is the probability that the regression alone gives each.
 * ERR_ARG, ERR_NOMEM. */
int partlines_find(size_t *line, double *p, size_t *count, const double *bar,
                   size_t n, const float *boundary, const struct frames *f,
                   const struct posterior *chords, struct err *err);

#endif
