/* mfmcsv.h - mfm's own tables (write/csv.h), as estimates. */
#ifndef ANNOT_MFMCSV_H
#define ANNOT_MFMCSV_H

#include <stdbool.h>
#include <stddef.h>

#include "annot/annotation.h"
#include "base/err.h"

/* Whether the first line is task,start,end,label,confidence. */
bool mfmcsv_is(const char *text);

/* Takes the rows of a task from a table of one recording in memory; name is for
 * messages. Empty fields are what is not known: position 0, label "", a
 * confidence of NaN, a tempo of 0; a row of nothing else is of a task that
 * found nothing. Returns 0; ERR_FORMAT with file and line, also where no row is
 * of the task. */
int mfmcsv_parse(struct annotation *out, const char *text, size_t len,
                 const char *name, enum annot_task task, struct err *err);

#endif
