/* chordname.h - chord labels in Harte's grammar, as mir_eval 0.8 reads them.
 *
 *     label := "N" | "X" | note [":" short ["(" degs ")"] | ":(" degs ")"]
 *              ["/" deg]
 *     note  := A..G with any number of b, or any number of #
 *     degs  := ["*"] deg {"," ["*"] deg}        deg := b.. or #.. then 1..13
 *     short := maj min dim aug 1 5 sus2 sus4 maj6 min6 7 maj7 min7 dim7 hdim7
 *              minmaj7 aug7 9 maj9 min9 11 maj11 min11 13 maj13 min13
 *
 * Case counts; white space is an error. "C" is "C:maj"; "C:(3,5)" has no
 * shorthand: the root and the listed degrees only. Source: C. Harte, "Towards
 * Automatic Extraction of Harmony Information from Music Signals", 2010; the
 * numbers are those of mir_eval.chord.encode. */
#ifndef ANNOT_CHORDNAME_H
#define ANNOT_CHORDNAME_H

#include <stdbool.h>

#include "base/err.h"

/* N (no chord) is {-1, -1, 0}; X (unknown) is {-1, -1, CHORDNAME_ALL}. */
struct chordname {
    int root;      /* 0..11, C is 0 */
    int bass;      /* 0..11 semitones above the root */
    unsigned bits; /* bit i: the note i semitones above the root sounds */
};

enum { CHORDNAME_ALL = 0xfff };

/* Reads a label. Notes come from the shorthand, then the degrees in brackets
 * ("*" removes one; a degree written twice counts once), then the bass. Degrees
 * of an octave and more (9, 11, 13) are left out, also where the shorthand
 * implies them; with reduce they count in the octave of the root instead
 * (mir_eval's reduce_extended_chords).
 *
 * Returns 0; ERR_FORMAT if the label is outside the grammar or has more than 64
 * degrees; ERR_UNSUPPORTED with *out set to X for aug7 and maj11, which the
 * grammar has and mir_eval cannot encode. */
int chordname_parse(struct chordname *out, const char *label, bool reduce,
                    struct err *err);

/* 2 root + (minor) of a label whose triad is major or minor, whatever sounds
 * besides; 24 for N, -1 for all else. */
int chordname_triad(const char *label);

bool chordname_is_x(const struct chordname *c);
bool chordname_equal(const struct chordname *a, const struct chordname *b);

#endif
