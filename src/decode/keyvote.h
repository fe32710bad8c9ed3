/* keyvote.h - the key of a song by vote over time. */
#ifndef DECODE_KEYVOTE_H
#define DECODE_KEYVOTE_H

#include "annot/annot.h"
#include "base/err.h"
#include "decode/frames.h"

/* The class of the highest mean in prob (f->n, classes), the first of equals;
 * its mean is the confidence. The class "N" (no key) wins only where it is the
 * most probable class of every frame (silence), else the best key does. out is
 * left alone where there are no frames or the duration is 0. ERR_ARG. */
int key_vote(struct key *out, const float *prob, const struct frames *f,
             const struct classes *classes, struct err *err);

/* The key over time: chords_decode with CHORDS_STAY; "N" is a class as any. */
int key_over_time(struct segments *out, const float *prob,
                  const struct frames *f, const struct classes *classes,
                  struct err *err);

#endif
