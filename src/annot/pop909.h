/* pop909.h - what the studies of POP909 count in bars and beats, not seconds
 * (S. Dai, H. Zhang, R. B. Dannenberg, "Automatic Analysis and Influence of
 * Hierarchical Structure on Melody, Rhythm and Harmony in Popular Music",
 * 2020).
 * The files of POP909 itself are plain: lab.h, keytext.h. */
#ifndef ANNOT_POP909_H
#define ANNOT_POP909_H

#include <stdbool.h>

#include "annot/annot.h"
#include "annot/lines.h"
#include "base/err.h"

/* Whether a line is of the form of human_label, "i4A4B8o3". */
bool pop909_is_phrases(const char *line);

/* human_label1.txt, human_label2.txt: letter and bars of each phrase; segments
 * in bars from 0. Letters are phrase names (i intro, o outro, x, X and others
 * repeat where they are alike), not functions. ERR_FORMAT. */
int pop909_parse_phrases(struct segments *out, struct lines *l,
                         struct err *err);

/* finalized_chord.txt: lines "B:maj [3, 6, 11] 11 2", that is chord, its notes,
 * bass note and length in beats; segments in beats from 0. ERR_FORMAT. */
int pop909_parse_chords(struct segments *out, struct lines *l,
                        struct err *err);

/* Turns segments in beats, or with bars in bars, into seconds: unit k is beat k
 * of b, or its k-th downbeat. Units beyond the last keep the spacing of the
 * last two. ERR_ARG if b has fewer than two of them. */
int pop909_to_seconds(struct segments *s, const struct beats *b, bool bars,
                      struct err *err);

#endif
