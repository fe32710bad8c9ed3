/* csv.h - a result as one table, for spreadsheets and data frames. */
#ifndef WRITE_CSV_H
#define WRITE_CSV_H

#include "base/err.h"
#include "base/strbuf.h"
#include "write/result.h"

/* Appends rows (RFC 4180, lines end in LF) under the header
 * task,start,end,label,confidence. task is tempo, meter, beats, chords,
 * structure, key, key_over_time or tags; of beats label is the position, of
 * tempo the beats per minute, of tags confidence is the score; what is not
 * known is empty. A task that found nothing has a row in which all else is
 * empty, so that it is known to have run. mfmcsv.h reads it. Never fails. */
int write_csv(struct strbuf *out, const struct result *r, struct err *err);

#endif
