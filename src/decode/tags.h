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

/* Scores of tags that say what other tasks know better, in place: "major" and
 * "minor" by the key (NULL, of no label or "N": not known), "waltz" by the
 * beats in most bars (0: not known). Each is a logistic regression of the
 * head's score with that, fitted on 370 songs of tools/make-corpus that the
 * model had not learned from; on 80 others of other charts and patterns the
 * areas under the ROC curve go from .94 to .98 for the modes, and on the 36
 * reference songs that of waltz from .41 to .98. Others stay as they are. */
void tags_agree(float *score, const struct classes *classes,
                const struct key *key, int meter);

#endif
