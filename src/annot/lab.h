/* lab.h - label files as lines of text: .beats, .lab, .seg, .key, .tags.
 *
 * Columns stand between white space. Lines that begin with # are comments, one
 * that begins with a backslash (Audacity's frequency range) is skipped, CRLF
 * and a byte order mark are taken. As for mir_eval.io an empty line between
 * others is an error; unlike it, empty lines at the end are not. Times are
 * decimal seconds, finite, in increasing order.
 *
 * Each function reads a whole file ("-" is stdin) of at most 64 MiB. It returns
 * 0 and fills *out, which the caller releases; or ERR_IO, or ERR_FORMAT with
 * file, line and remedy, and *out is empty. Confidences are NaN, positions 0
 * where the file has none. */
#ifndef ANNOT_LAB_H
#define ANNOT_LAB_H

#include "annot/annot.h"
#include "base/err.h"

/* time [position [...]]: a position is a whole number from 1 ("3" or "3.0", 1
 * is the downbeat), or 0 if it is not known. */
int lab_read_beats(struct beats *out, const char *path, struct err *err);

/* start end [label]: the label is the rest of the line, "" without one. End
 * comes after start. Overlap and gaps are not judged here. */
int lab_read_segments(struct segments *out, const char *path, struct err *err);

/* start end function [letter]: as above, but the label is one column. */
int lab_read_functions(struct segments *out, const char *path,
                       struct err *err);

/* One line, "C# minor", "c# min", "C#:minor" or "X"; a number behind it (MTG's
 * confidence) is passed over. *out gets keyname.h's spelling, "C# minor"; Cb,
 * E#, Fb and B# become B, F, E and C. */
int lab_read_key(struct key *out, const char *path, struct err *err);

/* One line of words without a tab; or, with a tab or more lines, a line for
 * each tag, "label<TAB>score" with a score in 0..1 or the label alone. Tags
 * without a score have 1. An empty file has no tags. */
int lab_read_tags(struct tags *out, const char *path, struct err *err);

#endif
