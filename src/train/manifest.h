/* manifest.h - the recordings that a model learns from: what --data means.
 *
 *     struct manifest m = { .rate = 24000 };
 *     TRY(manifest_add(&m, path, err));         -- for each --data
 *     TRY(manifest_probe(&m, threads, NULL, err));
 *     short_ones = manifest_drop_short(&m, crop);
 *
 * The order, and with it every crop that is drawn, is that of the operands, of
 * the lines in a list, of the bytes of the names in a folder. */
#ifndef TRAIN_MANIFEST_H
#define TRAIN_MANIFEST_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "train/shard.h"

struct recording {
    char *path;
    int64_t samples; /* at the manifest's rate; 0: not known yet */
    const struct shards *set; /* NULL, or where it is packed, */
    size_t in_set;            /* as this recording; path is its name */
};

/* Declared with a rate (Hz); otherwise zeroed, it can be released. */
struct manifest {
    int rate;
    struct recording *item;
    size_t n, cap;
    struct shards **set; /* owned */
    size_t n_sets, cap_sets;
    size_t left_out; /* files that cannot be used; each was logged */
};

/* Adds what path stands for:
 * - a folder: the audio files in it and below (walk_audio);
 * - a file with the extension of audio: itself;
 * - the index of a shard set (shards_is): the recordings packed in it;
 * - any other file: a list, a path on each line, relative to the folder of the
 *   list; empty lines are passed over, a line may name a folder.
 * Whether the files exist is seen by manifest_probe. ERR_IO; ERR_FORMAT where a
 * list is not text, or a folder or list has no audio at all; the errors of
 * shards_open. */
int manifest_add(struct manifest *m, const char *path, struct err *err);

/* The tracks of the Free Music Archive under root (fma.h): those of
 * fma_metadata/tracks.csv or tracks.csv whose audio is there, or without a
 * table all audio files below root. Tracks known to be broken (fma_broken) are
 * left out. The errors of manifest_add. */
int manifest_add_fma(struct manifest *m, const char *root, struct err *err);

/* Finds out how long the recordings are: by their headers where these can be
 * trusted (decoder_duration_exact), else by decoding. Those that cannot be
 * opened are logged, counted in left_out, and removed. cache (or NULL) names a
 * file that remembers lengths by path, size and time of change; it is made,
 * used and brought up to date. ERR_FORMAT where nothing remains; ERR_IO where
 * the cache cannot be written. */
int manifest_probe(struct manifest *m, int threads, const char *cache,
                   struct err *err);

/* Removes the recordings of less than so many samples; returns how many. */
size_t manifest_drop_short(struct manifest *m, int64_t samples);

/* The sum of all lengths, in samples. */
int64_t manifest_samples(const struct manifest *m);

void manifest_release(struct manifest *m);

#endif
