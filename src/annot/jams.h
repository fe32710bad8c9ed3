/* jams.h - JAMS 0.1 to 0.3: annotations of a recording in JSON (E. Humphrey et
 * al., "JAMS: A JSON Annotated Music Specification", ISMIR 2014; namespaces as
 * in the schema of 0.3.5). */
#ifndef ANNOT_JAMS_H
#define ANNOT_JAMS_H

#include <cjson/cJSON.h>

#include "annot/annotation.h"
#include "base/err.h"

/* Takes the labels of a task from a parsed file; name is for messages. data may
 * be a list of observations or an object of four lists. Of several annotations
 * the first with data of the first of these namespaces counts:
 *
 * BEATS      beat, beat_position. A value that is no whole number from 1 is an
 *            unknown position. GTZAN-Rhythm's two of namespace beat, told apart
 *            by sandbox.annotation_type, become one: "beat" gives the beats,
 *            those within 20 ms of a "downbeat" have position 1 and the others
 *            are counted from it (0 before the first); a downbeat without a
 *            beat is one
 * CHORDS     chord, chord_harte
 * STRUCTURE  segment_open, segment_salami_function, segment_tut,
 *            segment_salami_upper, multi_segment (its lowest level),
 *            segment_salami_lower; "end" is left out
 * KEY        key_mode; "N" is no key
 * TEMPO      tempo: the first two values, the weight is the confidence of the
 *            first (0.5 if it is not known)
 * TAGS       all of tag_...; the score is the confidence, 1 if it is not known
 *
 * Observations of spans without length are passed over; all are put in order of
 * time. Returns 0; ERR_FORMAT naming the field, also where no annotation has a
 * namespace of the task. */
int jams_parse(struct annotation *out, const cJSON *root, const char *name,
               enum annot_task task, struct err *err);

#endif
