/* read.h - labels from a file of any format that mfm reads.
 *
 * The format is found by content first, then by name.
 * Packed with gzip (.gz, .jamz) or not; at most 512 MiB unpacked.
 *
 *  begins with {   JAMS ("annotations" is a list), mfm's own results (one, or
 *                  several after one another: NDJSON), HookTheory
 *  tables          MagnaTagATune's annotations_final.csv, FMA's tracks.csv,
 *                  MTG's annotations.txt, by their headers
 *  task,start,end,label,confidence: mfm's own tables (mfmcsv.h)
 *  .csv, or a number and a comma: Sonic Visualiser's layers (sonic.h)
 *  else lines, by task:
 *   beats     an Audacity label track if a line begins with a backslash, or if
 *             the second column is always a time with a point in it, not before
 *             the first, and there are labels or points; else time [position
 *             ...], POP909's beat_midi.txt included (lab.h)
 *   chords, structure
 *             with | in it: McGill Billboard (billboard.h); a second column
 *             that is no number: time label; .seg: start end function [letter];
 *             .txt: start end [label] without Audacity's points; else the same
 *             where an end must come after its start
 *   key       keytext.h
 *   tempo     one line: bpm, or t1 t2 weight
 *   tags      lab.h
 */
#ifndef ANNOT_READ_H
#define ANNOT_READ_H

#include "annot/annotation.h"
#include "base/err.h"

/* Reads the labels of a task from a file ("-" is stdin) that has them for one
 * recording. out is initialised here and the caller releases it; on failure it
 * is empty. Returns 0; ERR_IO; ERR_FORMAT with "FILE:LINE: what" (or FILE and
 * the field), also where the file has several recordings, or none for the task;
 * ERR_UNSUPPORTED for what counts bars or beats (pop909.h) and other files that
 * mfm knows but cannot score. */
int annot_read(struct annotation *out, const char *path, enum annot_task task,
               struct err *err);

/* What annot_read_many calls for each recording: id is the file that mfm
 * annotated, HookTheory's or MTG's id, MagnaTagATune's mp3_path, FMA's track
 * number, or "" in a file of one. It may take what is in a by copying the
 * struct and annotation_init. a->error tells why it has no labels, else NULL.
 * Not 0 ends the reading with that code. */
typedef int annot_visit(void *ctx, const char *id, struct annotation *a,
                        struct err *err);

/* The same for files of one or many recordings, in the order of the file. */
int annot_read_many(const char *path, enum annot_task task, annot_visit *visit,
                    void *ctx, struct err *err);

#endif
