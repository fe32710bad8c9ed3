/* tags.h - the tags of a song from their scores. */
#ifndef DECODE_TAGS_H
#define DECODE_TAGS_H

#include "annot/annot.h"
#include "base/err.h"
#include "decode/frames.h"

/* Appends the tags with a score of at least threshold (0: all), highest first,
 * equal ones in the order of the classes; no more than top of them (0: no
 * limit). ERR_ARG for a score (classes) that is not finite. */
int tags_rank(struct tags *out, const float *score,
              const struct classes *classes, int top, double threshold,
              struct err *err);

#endif
