/* encoder.h - mel or sound in, hidden states and logits out: the Conformer of
 * MusicFM, BERT as in MERT, or the mel itself (melstack.h). The type is that of
 * the model's configuration.
 *
 * An encoder's input are frames of encoder_width values: mel (bands), or single
 * samples (1). */
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

/* Whether the input are samples; values in one frame of it. */
int encoder_hears_sound(const struct encoder *e);
int encoder_width(const struct encoder *e);

/* Frames of hidden states for time frames of input: ceil(time / stride), conv
 * by conv, of mel; floor((time - 400) / 320) + 1 of sound (bert.h). And frames
 * of input from one state to the next. */
int64_t encoder_frames(const struct encoder *e, int64_t time);
int encoder_stride(const struct encoder *e);

/* How many windows the device had best have in a batch. */
int encoder_windows(const struct encoder *e);

/* What forward writes: host arrays of the caller, NULL where not wanted.
 * hidden[0] is what enters the first block, hidden[k] the output of block k;
 * the last one has passed the final layer norm too, where there is one. Each
 * (B, T', D). */
struct encoder_out {
    float **hidden; /* layers + 1 pointers, or NULL */
    float *logits;  /* (B, T', codes); needs a model with "linear.weight" */
};

/* input (B, T, width), host; mel normalised, samples as they are; T' is not 0.
 * Blocks behind the last wanted state are not computed. */
int encoder_forward(struct encoder *e, const struct encoder_out *out,
                    const float *input, int64_t batch, int64_t time,
                    struct err *err);

/* The same of mel that lies on the device, (frames, width): window b of the
 * batch begins at row b * step. For the Conformer. */
int encoder_forward_mel(struct encoder *e, const struct encoder_out *out,
                        const struct tensor *mel, int64_t step, int64_t batch,
                        int64_t time, struct err *err);

#endif
