/* sonic.h - layers exported from Sonic Visualiser as CSV, and tables alike. */
#ifndef ANNOT_SONIC_H
#define ANNOT_SONIC_H

#include <stddef.h>

#include "annot/annotation.h"
#include "base/err.h"

/* Takes beats, chords, structure or a key over time from a table in memory;
 * name is for messages. Columns, by a header in either case: time or start; end
 * or duration; label; position; value, level (not used). Without a header: TIME
 * [,LABEL] if no row has more than two fields, else TIME,VALUE,DURATION
 * [,LEVEL][,LABEL], of which a fourth is the label unless some row has five.
 * Labels may be absent row by row.
 *
 * BEATS: instants, or the starts of regions; the position is a label (or
 * position) that is a whole number from 1, else it is not known. Others:
 * regions with an end; instants each last to the next, "end" and the last as in
 * lab_parse_starts.
 *
 * Returns 0; ERR_FORMAT with file and line; ERR_UNSUPPORTED for other tasks. */
int sonic_parse(struct annotation *out, const char *text, size_t len,
                const char *name, enum annot_task task, struct err *err);

#endif
