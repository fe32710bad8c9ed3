/* jams.h - a result as JAMS 0.3 (E. Humphrey et al., "JAMS: A JSON Annotated
 * Music Specification", ISMIR 2014; the schema of 0.3.5). */
#ifndef WRITE_JAMS_H
#define WRITE_JAMS_H

#include "base/err.h"
#include "base/strbuf.h"
#include "write/result.h"

/* Appends one JAMS object: namespaces beat (the value is the position, null
 * where it is not known), tempo, chord, segment_open, key_mode (of the whole,
 * and where it is known over time) and tag_open. Annotations tell in
 * annotation_tools what made them; sandbox.mfm has version, file, model {name,
 * sha256} and meter. file_metadata.duration ends where the part that was heard
 * does. What the grammars of the namespaces lack becomes X (chords) or N
 * (keys). annot/jams.h reads it. ERR_UNSUPPORTED for beats below 0, which the
 * schema lacks, too; ERR_NOMEM. */
int write_jams(struct strbuf *out, const struct result *r, struct err *err);

#endif
