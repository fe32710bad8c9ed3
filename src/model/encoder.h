/* encoder.h - the Conformer of MusicFM: mel in, states and logits out. */
#ifndef MODEL_ENCODER_H
#define MODEL_ENCODER_H

#include <stdint.h>
#include "base/err.h"
#include "model/model.h"
#include "tensor/backend.h"

struct encoder; /* one thread at a time, like its backend */

/* Checks names and shapes of all weights. m and be are borrowed and must
 * outlive the encoder. ERR_FORMAT names a tensor that is missing or has
 * another shape; ERR_UNSUPPORTED an encoder type that mfm cannot run. */
int encoder_new(struct encoder **out, struct model *m, struct backend *be,
                struct err *err);
void encoder_free(struct encoder *e); /* NULL is allowed */

/* Frames of hidden states for time mel frames: ceil(time / stride), conv by
 * conv; and mel frames for one frame of states. */
int64_t encoder_frames(const struct encoder *e, int64_t time);
int encoder_stride(const struct encoder *e);

/* What forward writes: host arrays of the caller, NULL where not wanted.
 * hidden[0] is the output of the front end, hidden[k] that of block k; the last
 * one has passed the final layer norm too. Each (B, T', D). */
struct encoder_out {
    float **hidden; /* layers + 1 pointers, or NULL */
    float *logits;  /* (B, T', codes); needs a model with "linear.weight" */
};

/* mel (B, T, bands), normalised, host. Blocks behind the last wanted state are
 * not computed. */
int encoder_forward(struct encoder *e, const struct encoder_out *out,
                    const float *mel, int64_t batch, int64_t time,
                    struct err *err);

#endif
