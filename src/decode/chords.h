/* chords.h - one label after another from class probabilities. */
#ifndef DECODE_CHORDS_H
#define DECODE_CHORDS_H

#include "annot/annot.h"
#include "base/err.h"
#include "decode/frames.h"

/* Probability that a chord goes on in the next frame, by default. */
#define CHORDS_STAY 0.9

/* The Viterbi path through prob (f->n, classes): a class stays with probability
 * stay (1/classes..1) from one frame to the next, the others share the rest
 * evenly; uniform start; probabilities below 1e-30 count as that. Of equal
 * paths the one with fewer changes wins, then the lower class. On the path a
 * class "N" is none times as probable as it says (1: as it is).
 *
 * Appends segments of different neighbours to out, contiguous from 0 to exactly
 * the duration; confidence = mean probability of the class over the segment.
 * Nothing is appended where there are no frames or the duration is 0. ERR_ARG
 * for values out of range, ERR_NOMEM. */
int chords_decode(struct segments *out, const float *prob,
                  const struct frames *f, const struct classes *classes,
                  double stay, double none, struct err *err);

/* Moves each change that is within CHORDS_SNAP_S of a beat to the nearest one:
 * frames are coarser than players. A chord that nothing is left of goes, and
 * its neighbours join if they are the same. */
#define CHORDS_SNAP_S 0.13
void chords_snap(struct segments *chords, const struct beats *beats);

#endif
