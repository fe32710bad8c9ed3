/* mtgkeys.h - annotations.txt of the GiantSteps MTG key dataset: a table with
 * tabs, ID, MANUAL KEY, C (confidence 0 to 2), often more columns. */
#ifndef ANNOT_MTGKEYS_H
#define ANNOT_MTGKEYS_H

#include <stdbool.h>

#include "annot/annotation.h"
#include "base/csv.h"
#include "base/err.h"

/* A zeroed struct can be released. */
struct mtgkeys {
    struct csv csv;
    int id, key, confidence; /* numbers of columns */
};

bool mtgkeys_is(const char *text);

/* A table in memory, which the caller keeps until release. ERR_FORMAT. */
int mtgkeys_open_text(struct mtgkeys *m, const char *text, size_t len,
                      const char *name, struct err *err);
void mtgkeys_release(struct mtgkeys *m);

/* Reads a row: *id is borrowed until the next one, out (initialised) gets
 * key, keys and the confidence C / 2. A key that cannot be read, as of "A/X?",
 * goes to out->error. ERR_FORMAT for a broken table. */
int mtgkeys_next(struct mtgkeys *m, const char **id, struct annotation *out,
                 bool *more, struct err *err);

#endif
