/* lengths.h - how long audio files are, remembered in a file.
 *
 * The file is text: "mfm-lengths 1 RATE", then on each line the samples at that
 * rate, the bytes of the audio file, its time of change (ns) and its path, with
 * spaces between. */
#ifndef TRAIN_LENGTHS_H
#define TRAIN_LENGTHS_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct length {
    char *path;
    int64_t samples, bytes, changed_ns;
};

/* A zeroed struct can be released. */
struct lengths {
    struct length *item; /* sorted by path once read */
    size_t n, cap;
};

/* What a file remembers. One that is absent, of another rate or damaged gives
 * nothing: lengths are then measured again. */
void lengths_read(struct lengths *l, const char *file, int rate);

/* The samples of an audio file, or 0 if unknown or changed since. */
int64_t lengths_find(const struct lengths *l, const char *path);

/* Adds one; a path that has a newline in it is passed over. */
void lengths_add(struct lengths *l, const char *path, int64_t samples);

int lengths_write(const struct lengths *l, const char *file, int rate,
                  struct err *err);
void lengths_release(struct lengths *l);

/* Measures an audio file at rate: by its header, or by decoding where that
 * cannot be trusted. 0 and *samples > 0, or the errors of decode.h. */
int lengths_measure(const char *path, int rate, int64_t *samples,
                    struct err *err);

#endif
