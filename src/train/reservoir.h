/* reservoir.h - a sample of vectors from a stream of any length, the same
 * however many threads feed it.
 *
 * Each vector has a random key that is a function of (seed, stream, file,
 * index); the vectors with the smallest keys are kept (Vitter's reservoir by
 * keys: Efraimidis, Spirakis 2006, with equal weights), in the order of their
 * keys. */
#ifndef TRAIN_RESERVOIR_H
#define TRAIN_RESERVOIR_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct reservoir; /* threads may share one while it is fed */

/* Room for most vectors of dim values. ERR_ARG, ERR_NOMEM. */
int reservoir_new(struct reservoir **out, int64_t most, int dim, uint64_t seed,
                  int stream, struct err *err);
void reservoir_free(struct reservoir *r); /* NULL is allowed */

/* Vector number index of file, which is copied if it is kept. Cheap where it is
 * not: the key is computed first. */
void reservoir_offer(struct reservoir *r, size_t file, int64_t index,
                     const float *x);

/* When all is in, once: leaves out the vectors of the files for which failed
 * (files) is set, and returns the others in the order of their keys, (*n, dim),
 * valid until reservoir_free; the caller may change them. ERR_NOMEM. */
int reservoir_take(struct reservoir *r, const unsigned char *failed, float **x,
                   int64_t *n, struct err *err);

#endif
