/* section.h - what annotators call the parts of a song, as seven functions.
 *
 * Rule of J.-C. Wang, Y.-N. Hung, J. B. L. Smith, "To Catch a Chorus, Verse,
 * Intro, or Anything Else", ICASSP 2022, Algorithm 1: the first of a list of
 * words that occurs anywhere in the label decides. */
#ifndef ANNOT_SECTION_H
#define ANNOT_SECTION_H

#include <stdbool.h>

#include "annot/annot.h"

/* "silence", "verse", "chorus", "intro", "bridge", "outro" or "inst", which is
 * also what a label with none of the words is; NULL for "end", which marks the
 * end of the song (that whole word only). ASCII case does not count. */
const char *section_function(const char *label);

/* Whether a label has one of the words, or is "end"; others are "inst" for want
 * of anything better. */
bool section_names(const char *label);

/* Gives each segment its function, and removes those that are "end". With merge
 * neighbours of one function that touch become one, as a classifier of frames
 * sees them; without, each boundary of the annotator stays. A merged segment
 * has the confidence of its first part. */
void section_map(struct segments *s, bool merge);

#endif
