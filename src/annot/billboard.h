/* billboard.h - the McGill Billboard annotations in their own form,
 * salami_chords.txt (J. A. Burgoyne, J. Wild, I. Fujinaga, "An Expert Ground
 * Truth Set for Audio Chord Recognition and Music Analysis", ISMIR 2011):
 *
 *     # metre: 4/4
 *     32.1991 <TAB> B, chorus, | A:maj | D:maj . E:7 A:maj | x2, (voice */
#ifndef ANNOT_BILLBOARD_H
#define ANNOT_BILLBOARD_H

#include "annot/annotation.h"
#include "annot/lines.h"
#include "base/err.h"

/* Fills out->spans for CHORDS or STRUCTURE.
 *
 * CHORDS: the time to the next line is shared among its bars by their metre
 * ("# metre:" lines; "(2/4)" from there to the end of the line), that of a bar
 * equally among its chords; "." lengthens the chord before it; xN repeats the
 * line's bars; "*" is X, "&pause" N. Lines without bars (silence, Z, fadeout)
 * are N.
 * STRUCTURE: lines that begin with a letter (or silence) begin a section, which
 * is called by its function, or by its letter if it has none.
 *
 * Returns 0; ERR_FORMAT with file and line: no time, times not increasing, a
 * chord outside the grammar, no "end" line, more than a million chords. */
int billboard_parse(struct annotation *out, struct lines *l,
                    enum annot_task task, struct err *err);

#endif
