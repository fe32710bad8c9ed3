/* masked.h - the masked-token objective: hidden states -> logits by the layer
 * "linear" -> softmax cross-entropy with the tokens of the clean audio, on
 * masked frames only (BEST-RQ, Chiu et al. 2022; Won et al. 2023, sec. 3). */
#ifndef TRAIN_MASKED_H
#define TRAIN_MASKED_H

#include "base/err.h"
#include "model/config.h"
#include "model/params.h"

enum { MASKED_STREAMS = 64 };

/* A zeroed struct can be released. */
struct masked {
    struct params *p;
    int weight, bias;           /* of "linear" */
    int streams;
    int codes[MASKED_STREAMS];  /* of each stream */
    struct tensor logits;
};

/* p has the layer "linear"; ERR_FORMAT if not, or without tokens. */
int masked_init(struct masked *m, const struct model_config *c,
                struct params *p, struct err *err);
void masked_release(struct masked *m);

/* hidden (B, T, D); target[k] (B * T, host) of stream k, -1 where it does not
 * count. sum[k] is set for each stream. dhidden (B, T, D; NULL: only the loss
 * is wanted) is written, and the layer's gradients are added to: those of
 * scale[k] * the summed loss of stream k. */
int masked_loss(struct masked *m, struct loss_sum *sum, struct tensor *dhidden,
                const struct tensor *hidden, const int32_t *const *target,
                const float *scale, struct err *err);

#endif
