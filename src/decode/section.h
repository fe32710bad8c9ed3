/* section.h - the parts of a song from boundaries and functions. */
#ifndef DECODE_SECTION_H
#define DECODE_SECTION_H

#include "annot/annot.h"
#include "base/err.h"
#include "decode/boundary.h"
#include "decode/frames.h"

/* Splits the song where boundary (f->n) has peaks (at the start of the peak's
 * frame; none at 0) and labels each part with the class whose mean in function
 * (f->n, classes) over the part's frames is highest, the first of equals;
 * that mean is the confidence. Neighbours with the same label stay apart.
 * Without function (NULL; classes is not used then) only boundaries are known:
 * labels are "" and the confidence is the boundary probability at the part's
 * start, NaN for the first.
 *
 * Appends contiguous segments from 0 to exactly the duration to out; nothing
 * where there are no frames or the duration is 0. ERR_ARG, ERR_NOMEM. */
int section_decode(struct segments *out, const float *function,
                   const float *boundary, const struct frames *f,
                   const struct classes *classes,
                   const struct boundary_config *c, struct err *err);

#endif
