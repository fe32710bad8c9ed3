/* letters.h - which parts of a song are the same: AABA. */
#ifndef DECODE_LETTERS_H
#define DECODE_LETTERS_H

#include "annot/annot.h"

/* Sets group (parts->n) of the parts: 1, 2... in order of their first
 * occurrence; parts that sound alike share one. A part joins the group with
 * which it has most in common, on average over its parts, if that is more than
 * 0.95, else it begins one. Two parts have in common 0.7 times the cosine of
 * the durations of their chords, 0.3 times that of the counts of their changes
 * from chord to chord, and 0.3 if their labels are equal. Without chords (NULL,
 * or none) equal labels are one group.
 *
 * The numbers are the best of a grid on 150 songs with their reference chords
 * and parts: pairwise F of 0.881 over seconds, where labels alone have
 * 0.860. */
void letters_assign(int *group, const struct segments *parts,
                    const struct segments *chords);

#endif
