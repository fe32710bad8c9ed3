/* section.h - the parts of a song from boundaries and functions. */
#ifndef DECODE_SECTION_H
#define DECODE_SECTION_H

#include "annot/annot.h"
#include "base/err.h"
#include "decode/boundary.h"
#include "decode/frames.h"

/* What else is known of the song. Borrowed; each may be NULL. */
struct section_context {
    const struct beats *beats; /* with positions */
    const struct posterior *chords;
};

/* Splits the song at boundaries and labels each part with the class whose mean
 * in function (f->n, classes) over the part's frames is highest, the first of
 * equals; that mean is the confidence. Neighbours with the same label stay
 * apart. Without function (NULL; classes is not used then) only boundaries are
 * known: labels are "" and the confidence is the probability of a boundary at
 * the part's start, NaN for the first.
 *
 * Where context (may be NULL) has both, and 8 bars or more, boundaries are bar
 * lines: those that a semi-Markov model of the lengths of parts in bars finds
 * most probable, as counted in 150 songs, with a logistic regression of the
 * head's boundary probability (f->n; its greatest within 0.6 s of the line)
 * and the signs of repeats.h as evidence. The regression was fitted on 23 songs
 * of tools/make-corpus. Lengths weigh 0.6 as much as the evidence, and the odds
 * of a line are raised by exp(2.5): the best of a grid on 83 such songs and 38
 * of the reference corpus' training songs.
 *
 * Else they are the peaks of boundary by c, at the start of the peak's frame;
 * none at 0.
 *
 * Appends contiguous segments from 0 to exactly the duration to out; nothing
 * where there are no frames or the duration is 0. ERR_ARG, ERR_NOMEM. */
int section_decode(struct segments *out, const float *function,
                   const float *boundary, const struct frames *f,
                   const struct classes *classes,
                   const struct boundary_config *c,
                   const struct section_context *context, struct err *err);

#endif
