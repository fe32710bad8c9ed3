/* lab.h - label files as lines of text: .beats, .lab, .seg, .key, .tags.
 *
 * What a line is, comments and white space: lines.h. Times are decimal seconds,
 * finite, in increasing order.
 *
 * lab_read_... reads a whole file ("-" is stdin) of at most 64 MiB, lab_parse_
 * the lines of a text. They return 0 and fill *out, which the caller releases;
 * or ERR_IO, or ERR_FORMAT with file, line and remedy, and *out is empty.
 * Confidences are NaN, positions 0 where the file has none. */
#ifndef ANNOT_LAB_H
#define ANNOT_LAB_H

#include "annot/annot.h"
#include "annot/lines.h"
#include "base/err.h"

/* time [position [...]]: a position is a whole number from 1 ("3" or "3.0", 1
 * is the downbeat), or 0 if it is not known. Times may be negative (Harmonix,
 * re-timed), lines of blanks alone are skipped. POP909's beat_midi.txt (three
 * columns, the second and third flags 0 or 1 throughout): the third marks the
 * downbeats, from which positions are counted; before the first they are 0. */
int lab_read_beats(struct beats *out, const char *path, struct err *err);
int lab_parse_beats(struct beats *out, struct lines *l, struct err *err);

/* start end label, an Audacity label track: the labels of points (start equals
 * end) are beats, regions are passed over. A label that is a whole number is
 * the position, "downbeat" is 1, others are 0. */
int lab_parse_points(struct beats *out, struct lines *l, struct err *err);

/* start end [label]: the label is the rest of the line, "" without one. End
 * comes after start. Overlap and gaps are not judged here. */
int lab_read_segments(struct segments *out, const char *path, struct err *err);
int lab_parse_segments(struct segments *out, struct lines *l, struct err *err);

/* The same for an Audacity label track: points are passed over. */
int lab_parse_regions(struct segments *out, struct lines *l, struct err *err);

/* time label (Harmonix, SALAMI): each line starts a segment that the next one
 * ends. "end", in either case, starts none, wherever it stands; what follows it
 * leaves a gap. Without an "end" the last segment ends at INFINITY, see
 * annotation_close. */
int lab_parse_starts(struct segments *out, struct lines *l, struct err *err);

/* start end function [letter]: as above, but the label is one column. */
int lab_read_functions(struct segments *out, const char *path,
                       struct err *err);
int lab_parse_functions(struct segments *out, struct lines *l,
                        struct err *err);

/* A key as keytext.h reads it, one and only one. */
int lab_read_key(struct key *out, const char *path, struct err *err);

/* One line of words without a tab; or, with a tab or more lines, a line for
 * each tag, "label<TAB>score" with a score in 0..1 or the label alone. Tags
 * without a score have 1. An empty file has no tags. */
int lab_read_tags(struct tags *out, const char *path, struct err *err);
int lab_parse_tags(struct tags *out, struct lines *l, struct err *err);

/* Fills *text, which the caller releases in any case, with a file of at most 64
 * MiB without zero bytes, and begins to read its lines. */
struct strbuf;
int lab_open(struct strbuf *text, struct lines *l, const char *path,
             struct err *err);

#endif
