/* corpus.h - crops out of the recordings of a manifest, for several threads.
 *
 * Recordings are decoded whole and kept as 16-bit samples, the ones used last,
 * up to a limit of memory: a corpus that fits is decoded once. One that does
 * not is decoded again and again, a recording for each crop: pack it
 * (shard.h). Crops of packed recordings are read from their shards. */
#ifndef TRAIN_CORPUS_H
#define TRAIN_CORPUS_H

#include <stddef.h>
#include <stdint.h>
#include "base/draw.h"
#include "base/err.h"
#include "train/manifest.h"

struct corpus;

struct corpus_stats {
    size_t failed;       /* recordings that could not be decoded */
    int64_t decodes;     /* of recordings, again and again included */
    size_t held;         /* bytes of decoded recordings now */
};

/* A quarter of the machine's, in bytes: for one process alone. */
size_t corpus_memory(void);

/* m (probed; borrowed) has one recording or more. limit is in bytes, 0:
 * corpus_memory, which several processes on one machine should divide. It is
 * exceeded by recordings that threads are working on where these alone are
 * larger. ERR_ARG. */
int corpus_new(struct corpus **out, const struct manifest *m, size_t limit,
               struct err *err);
void corpus_free(struct corpus *c); /* NULL is allowed */

struct crop {
    size_t recording; /* of the manifest */
    int64_t start;    /* in samples of the recording */
    int64_t n;        /* that come from it; zeros follow */
    int64_t of;       /* samples that the recording has */
    const char *path; /* its name; borrowed from the manifest */
};

/* From now on crops start at multiples of step samples. Before threads take
 * any. */
void corpus_align(struct corpus *c, int64_t step);

/* The crop of n samples that belongs to d: a recording is drawn with a
 * probability proportional to its length in the manifest, then a start, each
 * with the same probability, at which the whole crop lies in the recording. One
 * that is shorter than n is taken from its start, and x (n) ends in zeros.
 *
 * A recording that cannot be decoded is logged once and never tried again;
 * another one is drawn, and after 16 failures the one that follows in the
 * manifest is taken, so that the crop depends on d and the corpus alone.
 * ERR_FORMAT if no recording can be decoded; ERR_NOMEM. */
int corpus_crop(struct corpus *c, const struct draw *d, float *x, int64_t n,
                struct crop *crop, struct err *err);

/* Makes recording i, decoded if need be, stay until corpus_let_go, for callers
 * that want all of it: corpus_pcm (*n samples). Not for packed recordings.
 * ERR_FORMAT if it cannot be decoded (logged once); ERR_NOMEM. */
int corpus_hold(struct corpus *c, size_t i, struct err *err);
const int16_t *corpus_pcm(const struct corpus *c, size_t i, int64_t *n);
void corpus_let_go(struct corpus *c, size_t i);

void corpus_stats(struct corpus *c, struct corpus_stats *out);

#endif
