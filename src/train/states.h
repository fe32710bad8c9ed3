/* states.h - what a frozen encoder says of each song, computed once by the
 * stream that annotation uses (model/stream.h), and kept in a file.
 *
 * States that are mel of some seconds (model/melstack.h) would be hundreds of
 * times larger than the mel: for these the file, and windows, hold the rows
 * that states are made of. So what is handed round is a window, which the
 * loaders copy, and states_of makes of it what heads read. */
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

double states_duration(const struct states *s, size_t song); /* seconds */

/* Floats in a window of n states. */
int64_t states_room(const struct states *s, int64_t n);
/* What states first .. first + n - 1 of a song are made of, into window
 * (states_room); where there are none they are zeros, as are rows of mel. */
void states_window(const struct states *s, size_t song, int64_t first,
                   int64_t n, float *window);
/* Hidden state (n, D) of layer number i of those that are kept, from a window
 * of n states: in the window itself, or made in room (n, D). room may be NULL
 * where states_stacked says no. */
const float *states_of(const struct states *s, const float *window, int i,
                       int64_t n, float *room);
int states_stacked(const struct states *s);

/* One recording, decoded (n samples), through mel and stream: emit as in
 * stream.h. mel is NULL for encoders that hear sound. For validation too. */
int states_stream(struct stream *stream, struct model *m, struct mel *mel,
                  const int16_t *pcm, int64_t n, struct err *err);

#endif
