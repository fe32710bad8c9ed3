/* spool.h - rows of numbers whose count is known only at the end, kept in
 * temporary files so that memory stays bounded, and written as .npy. */
#ifndef CMD_SPOOL_H
#define CMD_SPOOL_H

#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

struct spool; /* some tracks of equal rows */

/* tracks rows at a time, each of width values of 4 bytes. ERR_IO. */
int spool_new(struct spool **out, int tracks, int width, struct err *err);
void spool_free(struct spool *s); /* NULL is allowed */

/* Appends n rows to a track. A full disk shows here or in spool_rewind. */
int spool_add(struct spool *s, int track, const void *rows, int64_t n,
              struct err *err);

int64_t spool_rows(const struct spool *s); /* of track 0 */

/* Hands all tracks, one after another, to take in pieces. */
int spool_each(struct spool *s, void (*take)(void *ctx, const void *, size_t),
               void *ctx, struct err *err);

/* Copies all tracks, one after another, to f; its errors show in ferror(f). */
int spool_copy(struct spool *s, FILE *f, struct err *err);

/* Row by row: positions track at its first row, then reads on. */
int spool_rewind(struct spool *s, int track, struct err *err);
int spool_next(struct spool *s, int track, void *row, struct err *err);

#endif
