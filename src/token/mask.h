/* mask.h - what is hidden from the encoder in pretraining. All is drawn from
 * the sample's own random numbers (draw.h). */
#ifndef TOKEN_MASK_H
#define TOKEN_MASK_H

#include <stdint.h>
#include "base/draw.h"

/* Blocks of the waveform, as the paper has it (M. Won, Y. Hung, D. Le, "A
 * Foundation Model for Music Informatics", ICASSP 2024) and its program:
 * each of n / block whole blocks is hidden with probability p; what is left
 * behind the last one never is. hidden (n_blocks). */
void mask_blocks(uint8_t *hidden, int64_t n_blocks, double p,
                 const struct draw *d);

/* Replaces the hidden blocks of block samples each in x by noise of N(0,
 * std^2); the value of a sample does not depend on which blocks are hidden. */
void mask_noise(float *x, const uint8_t *hidden, int64_t n_blocks,
                int64_t block, float std, const struct draw *d);

/* token (n) = whether each token, of which per_block make a block, is hidden:
 * those behind the last block are not. */
void mask_tokens(uint8_t *token, int64_t n, const uint8_t *hidden,
                 int64_t n_blocks, int64_t per_block);

/* Spans of frames, as in HuBERT and MERT (fairseq's compute_mask_indices,
 * "static"; HF's _compute_mask_indices): floor(p * n / span + u) spans, u
 * uniform in [0, 1), at different starts of 0 .. n - span, all equally likely;
 * they may overlap, so that of p = 0.8 and span 5 about 0.55 of the frames are
 * hidden. As in HF at least one span is hidden (where n >= span), and fewer
 * than asked for if n has not so many starts. Unlike fairseq, samples of a
 * batch need not hide the same number. hidden (n). */
void mask_spans(uint8_t *hidden, int64_t n, double p, int64_t span,
                const struct draw *d);

#endif
