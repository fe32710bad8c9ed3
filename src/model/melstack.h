/* melstack.h - the encoder that has learned nothing: hidden state t is the mel
 * around it. What heads learn on it is what the other encoders' states must be
 * better than.
 *
 *     "encoder": {"type": "mel", "rate": 50, "context": 3, "bands": 64,
 *                 "time_strides": [2, 1]}
 *
 * Rows are the normalised mel averaged over the frames of a state (time_strides
 * as for the Conformer; fewer in the last one) and, where there are fewer bands
 * than the mel has (default: as many), over neighbouring bands. A state is the
 * context * rate rows from t - context * rate / 2 on, one after the other; rows
 * outside of what is heard at once are 0, the mean. There is one hidden state,
 * 0, of dim context * rate * bands, and there are no weights.
 *
 * The parts that encoder.c and config.c run; commands use encoder.h. */
#ifndef MODEL_MELSTACK_H
#define MODEL_MELSTACK_H

#include <stdint.h>
#include "base/err.h"
#include "base/json.h"
#include "model/config.h"

/* Reads context and bands, and sets what follows from them: dim, layers.
 * e->rate is set already; mel_bands: of the mel. */
int melstack_parse(struct encoder_config *e, const cJSON *o, int mel_bands,
                   struct err *err);
int melstack_check(const struct model_config *c, struct err *err);
void melstack_print(cJSON *o, const struct encoder_config *e);

/* Rows in a state, 1 or more; those of them before its own. */
int64_t melstack_context(const struct encoder_config *e);
int64_t melstack_before(const struct encoder_config *e);

/* The same encoder with a context of its own row alone: dim is bands. */
struct encoder_config melstack_narrow(const struct encoder_config *e);

/* States of time frames: ceil(time / stride), conv by conv. */
int64_t melstack_frames(const struct encoder_config *e, int64_t time);

/* n states out (n, dim) of rows (n + context - 1, bands), the first of which is
 * the first of the first state. */
void melstack_stack(float *out, const struct encoder_config *e,
                    const float *rows, int64_t n);

/* out (B, melstack_frames, dim) of input (B, time, mel bands), normalised.
 * ERR_NOMEM. */
int melstack_forward(float *out, const struct model_config *c,
                     const float *input, int64_t batch, int64_t time,
                     struct err *err);

#endif
