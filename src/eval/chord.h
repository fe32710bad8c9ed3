/* chord.h - scores of chord labels over time.
 *
 * Numbers of mir_eval 0.8 chord.evaluate: the share of the reference's duration
 * on which the estimate agrees under a rule, over the part where the rule can
 * judge the reference. The estimate is cut to the span of the reference and
 * filled with N. The rules are C. Harte's (2010) and those of MIREX; see
 * J. Pauwels, G. Peeters, "Evaluating automatically estimated chord sequences",
 * ICASSP 2013. */
#ifndef EVAL_CHORD_H
#define EVAL_CHORD_H

#include <stdbool.h>

#include "annot/chordname.h"
#include "base/err.h"
#include "eval/spans.h"

/* X in the reference is never judged; N is. _INV: the bass must agree too. */
enum eval_chord_score {
    EVAL_CHORD_THIRDS, /* root and minor third or not */
    EVAL_CHORD_THIRDS_INV,
    EVAL_CHORD_TRIADS, /* root and notes up to 7 semitones above it */
    EVAL_CHORD_TRIADS_INV,
    EVAL_CHORD_TETRADS, /* root and all notes */
    EVAL_CHORD_TETRADS_INV,
    EVAL_CHORD_ROOT,
    EVAL_CHORD_MIREX,  /* three notes in common, or both N */
    EVAL_CHORD_MAJMIN, /* triads where the reference is maj, min or N */
    EVAL_CHORD_MAJMIN_INV,
    EVAL_CHORD_SEVENTHS, /* tetrads, reference maj min 7 maj7 min7 or N */
    EVAL_CHORD_SEVENTHS_INV,
    EVAL_CHORD_LABELS, /* scores above are of labels, below of boundaries */
    EVAL_CHORD_UNDERSEG = EVAL_CHORD_LABELS,
    EVAL_CHORD_OVERSEG, /* 1 - directional Hamming distance */
    EVAL_CHORD_SEG,     /* the lesser of the two */
    EVAL_CHORD_COUNT
};

/* mir_eval's name of each score. */
extern const char *const eval_chord_names[EVAL_CHORD_COUNT];

/* Agreement of two chords under a rule before EVAL_CHORD_LABELS: 1, 0, or -1
 * where the rule does not judge ref. */
int eval_chord_compare(enum eval_chord_score rule, const struct chordname *ref,
                       const struct chordname *est);

/* All scores of est against ref. A rule that could judge nothing scores 0, as
 * in mir_eval. Labels that chordname_parse knows but cannot encode count as X.
 *
 * Returns 0, or ERR_ARG for intervals that span_list_init refuses, an empty
 * reference, a negative time in it or chords that overlap; ERR_FORMAT for a
 * label outside the grammar. In gaps the chord before them holds (mir_eval). */
int eval_chord(double out[EVAL_CHORD_COUNT], const struct eval_spans *ref,
               const struct eval_spans *est, struct err *err);

#endif
