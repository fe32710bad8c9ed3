/* stream.h - hidden states of a recording of any length in bounded memory.
 *
 * Frames of the encoder's input, mel or samples, are pushed as they come.
 * Windows overlap; a frame's states are taken from the window in whose middle
 * it lies: two neighbours meet in the middle of their overlap. The first window
 * also serves the beginning. The last one ends where the recording does, serves
 * the rest, and where two windows have a frame in their middle, that too. A
 * recording no longer than one window is one window.
 *
 * Windows of sound begin at multiples of the samples from one state to the next
 * (320), so that states of neighbours are of the same instants. They are not
 * equal at the seam: each window's states depend on all of it, through
 * attention and, in the first convolution, the group norm over its time. With
 * MERT's shape, drawn weights, windows of 5 s and half overlap the states of
 * two windows in the middle of the overlap differ by 1 to 5 % (relative L2) in
 * even music, and by up to 30 % where one holds a loud passage that the other
 * lacks. What is given out does not depend on how the recording is cut into
 * calls. */
#ifndef MODEL_STREAM_H
#define MODEL_STREAM_H

#include <stdint.h>
#include "base/err.h"
#include "model/encoder.h"

struct stream;

/* Gets n more frames of the wanted layers: hidden[i] (n, D) belongs to
 * layer[i] of the config. Returns 0 or an error that stops the stream. */
typedef int stream_emit(void *ctx, const float *const *hidden, int64_t n,
                        struct err *err);

struct stream_config {
    double window_s, hop_s; /* 0: the model's window; half the window */
    const int *layer;       /* n_layers of 0..layers */
    int n_layers;
    stream_emit *emit;
    void *ctx;
    int on_device; /* mel comes by stream_push_mel (Conformer only) */
};

/* e and the arrays of c are borrowed. ERR_ARG for a window or hop that does not
 * fit: 1 s <= window <= 600 s, 0 < hop <= window. */
int stream_new(struct stream **out, struct encoder *e, struct model *m,
               const struct stream_config *c, struct err *err);
void stream_free(struct stream *s); /* NULL is allowed */

/* n frames, (n, encoder_width): mel in dB, normalised here with the model's
 * statistics, or samples. */
int stream_push(struct stream *s, const float *input, int64_t n,
                struct err *err);

/* The same frames, (n, encoder_width) on the encoder's device, normalised; they
 * are copied. Where the config says on_device, and only there. */
int stream_push_mel(struct stream *s, const struct tensor *mel,
                    struct err *err);

/* The recording is over: emits the rest. Frames in all: encoder_frames of the
 * pushed frames. */
int stream_finish(struct stream *s, struct err *err);

#endif
