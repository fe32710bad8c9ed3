/* states.h - what a frozen encoder says of each song, computed once by the
 * stream that annotation uses (model/stream.h), and kept in a file. */
#ifndef TRAIN_STATES_H
#define TRAIN_STATES_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "mel/mel.h"
#include "model/model.h"
#include "model/stream.h"
#include "tensor/backend.h"
#include "train/corpus.h"

struct states; /* immutable once made: threads may share it */

/* progress (or NULL) is called after each song. */
struct states_config {
    struct model *model;
    struct backend *be;
    struct corpus *corpus; /* its n recordings, in order */
    size_t n;
    const int *layer;      /* hidden states that are kept, ascending */
    int n_layers;
    const char *path;      /* scratch file; removed at once, gone with us */
    void (*progress)(void *ctx, size_t done, size_t all);
    void *ctx;
};

/* A recording that cannot be decoded has no states (its windows are zeros).
 * ERR_IO where the disk is full, ERR_NOMEM, or what the encoder fails with. */
int states_new(struct states **out, const struct states_config *c,
               struct err *err);
void states_free(struct states *s); /* NULL is allowed */

int states_layers(const struct states *s);
double states_duration(const struct states *s, size_t song); /* seconds */
/* States first .. first + n - 1 of a song into out (layers, n, D), zeros where
 * there are none. */
void states_window(const struct states *s, size_t song, int64_t first,
                   int64_t n, float *out);

/* One recording, decoded (n samples), through mel and stream: emit as in
 * stream.h. mel is NULL for encoders that hear sound. For validation too. */
int states_stream(struct stream *stream, struct model *m, struct mel *mel,
                  const int16_t *pcm, int64_t n, struct err *err);

#endif
