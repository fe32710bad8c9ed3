/* pack.h - makes a shard set (shard.h) of the recordings of a manifest. */
#ifndef TRAIN_PACK_H
#define TRAIN_PACK_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "train/manifest.h"
#include "train/shard.h"

struct pack_config {
    const char *name;       /* the set is NAME.ndjson, NAME-00000.mfms ... */
    enum shard_codec codec;
    int threads;
    int64_t shard_bytes;    /* a shard is closed before it would exceed this;
                               0: 1 GiB. A recording is never divided. */
    double piece_s;         /* of FLAC; 0: 30; 1 to 3600 */
    /* or NULL; called by one thread at a time */
    void (*progress)(void *ctx, size_t done, size_t all);
    void *ctx;
};

struct pack_result {
    size_t recordings, shards;
    size_t left_out; /* could not be decoded; each was logged */
    int64_t samples, bytes;
};

/* Decodes all recordings of m (need not be probed) and writes them in their
 * order: the set depends on the recordings alone, not on threads. Each thread
 * holds one decoded recording. Shards get their names when they are whole, the
 * index last; a set of the same name is replaced, its index removed first.
 * After a failure nothing is left. ERR_ARG where m has packed recordings,
 * ERR_FORMAT where none can be decoded; ERR_IO, ERR_NOMEM, ERR_UNSUPPORTED. */
int shards_pack(const struct manifest *m, const struct pack_config *config,
                struct pack_result *result, struct err *err);

#endif
