/* bert.h - the encoder of MERT (Li et al. 2023), which is that of wav2vec 2.0
 * and HuBERT (Hugging Face's Wav2Vec2Model): sound -> convolutions -> linear
 * layer -> position convolution -> transformer. MODEL.md 4 of the design.
 * Numbers of hidden states as Hugging Face counts: 0 is what enters the first
 * layer, k what leaves layer k; with norm "pre" the last one has passed the
 * final layer norm too.
 *
 * The parts that encoder.c runs; commands use encoder.h. */
#ifndef MODEL_BERT_H
#define MODEL_BERT_H

#include <stdint.h>
#include "base/err.h"
#include "model/model.h"
#include "tensor/backend.h"

struct bert;

/* Checks names and shapes of all weights; m and be are borrowed. Errors as
 * encoder_new. */
int bert_new(struct bert **out, struct model *m, struct backend *be,
             struct err *err);
void bert_free(struct bert *b); /* NULL is allowed */

/* Hidden states that n samples give: (n - 400) / 320 + 1 for MERT's
 * convolutions, 0 for less than one needs. */
int64_t bert_frames(const struct bert_config *c, int64_t n);

/* Hidden state 0 (T', D) of samples (time), host; T' is bert_frames, and not
 * 0. Works through the time in pieces, so that the convolutions' memory stays
 * bounded; the group norm's mean and variance are those of all of it. */
int bert_front(struct bert *b, struct tensor *x, const float *samples,
               int64_t time, struct err *err);

/* Layer k on x (B, T', D), in place. */
int bert_layer(struct bert *b, int k, struct tensor *x, struct err *err);

#endif
