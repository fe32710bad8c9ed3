/* shard.h - a corpus packed into few large files, for crops without decoding
 * whole recordings.
 *
 * A shard set is an index and one or more shards in the same folder. The index
 * is text, an object of JSON on each line (UTF-8, LF):
 *
 *     {"mfm_shards": 1, "rate": 24000, "codec": "flac", "piece": 720000,
 *      "recordings": 2, "shards": [{"file": "NAME-00000.mfms",
 *      "bytes": 81234}]}
 *     {"name": "music/a.mp3", "samples": 1440001, "shard": 0, "offset": 16,
 *      "pieces": [40000, 41000, 218],
 *      "crc32": [1911002412, 3345, 84122011]}
 *     ...
 *
 * A shard begins with "MFMSHARD", then two numbers of 4 bytes, the lowest
 * first: the version, 1, and its place in the list of shards. From offset on it
 * has all samples of a recording, one channel:
 * - codec "s16": 2 bytes a sample, the lower first (no "pieces");
 * - codec "flac": FLAC files, one behind the other, of so many bytes each, with
 *   their CRC-32 (zlib's). All have "piece" samples but the last one, which has
 *   those that remain. */
#ifndef TRAIN_SHARD_H
#define TRAIN_SHARD_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum {
    SHARD_VERSION = 1,
    SHARD_HEADER = 16 /* bytes */
};

enum shard_codec { SHARD_S16, SHARD_FLAC };

/* "s16", "flac" */
extern const char *const shard_codec_names[];

struct shards; /* immutable once open: threads may share one */

/* Whether a file is the index of a shard set, by its first bytes. */
int shards_is(const char *path);

/* Opens a set whose samples are at rate (Hz), and maps its shards. ERR_IO;
 * ERR_FORMAT "PATH:LINE: ..." where the index, or the size or header of a
 * shard, is not as above; ERR_UNSUPPORTED for another version or rate. */
int shards_open(struct shards **out, const char *index, int rate,
                struct err *err);
void shards_free(struct shards *s); /* NULL is allowed */

/* Recordings of the set, and the name (borrowed) and samples of one. */
size_t shards_count(const struct shards *s);
const char *shards_name(const struct shards *s, size_t i);
int64_t shards_samples(const struct shards *s, size_t i);

/* out (n) = samples from .. from + n - 1 of recording i, which has them.
 * ERR_FORMAT where FLAC is damaged, or what decode.h fails with. */
int shards_read(const struct shards *s, size_t i, int64_t from, int64_t n,
                float *out, struct err *err);

#endif
