/* net.h - an encoder in training: a forward pass that keeps what the backward
 * pass needs. encoder.h is the one that only computes hidden states; both have
 * the same weights, names and numbers (Conformer: MODEL.md 3 of the design;
 * BERT: MODEL.md 4). Here batch normalisation uses the batch's own statistics
 * and updates the running ones, and dropout is on. */
#ifndef MODEL_NET_H
#define MODEL_NET_H

#include <stdint.h>
#include "base/err.h"
#include "model/config.h"
#include "model/params.h"
#include "tensor/backend.h"

struct net;

struct net_options {
    float dropout;    /* behind the feed-forward's activation and the output of
                         each feed-forward, attention and convolution part */
    float layer_drop; /* probability that a layer is passed over in a step */
    int checkpoint;   /* keep only each layer's input, and of a Conformer's
                         front end what is dear; compute the rest again in the
                         backward pass: same result to the bit */
    int layers;       /* run the first so many layers; 0: all */
    int64_t first;    /* number of the first sample among those of all processes
                         that share a batch: dropout is that of the whole */
    /* Called in the backward pass when the gradients of all that layer's (-1:
     * the rest's) parameters have been added to; or NULL. */
    int (*added)(void *ctx, int layer, struct err *err);
    void *ctx;
};

/* The layer that a tensor of that name belongs to, -1: none. */
int net_layer_of(const char *name);

/* Adds the tensors of c's encoder to p: published names (musicfm.h; mert.h),
 * quantizers and the "linear" layer that predicts tokens included, with the
 * first values of the reference programs. */
void net_describe(const struct model_config *c, struct params *p);

/* c and p (allocated) are borrowed and outlive it. ERR_UNSUPPORTED for encoders
 * without weights (melstack.h), of which net_describe adds only the tokens. */
int net_new(struct net **out, const struct model_config *c, struct params *p,
            const struct net_options *o, struct err *err);
void net_free(struct net *n); /* NULL is allowed */

/* Hidden states that time inputs give. */
int64_t net_frames(const struct net *n, int64_t time);

/* BERT: from the next pass on the vectors of frames with hidden[b * T' + t]
 * become "masked_spec_embed" before positions are added (Baevski et al. 2020,
 * section 3.1); NULL: of none. Borrowed until the pass is done. */
void net_set_mask(struct net *n, const uint8_t *hidden);

/* input, host: Conformer (B, time, bands) normalised mel; BERT (B, time)
 * samples. Dropout and dropped layers are drawn from (seed, step). ERR_ARG for
 * fewer than one state needs. */
int net_forward(struct net *n, const float *input, int64_t batch, int64_t time,
                uint64_t seed, uint64_t step, struct err *err);

/* Hidden state k (B, T', D) of the last forward pass: 0..layers, numbered as in
 * encoder.h; the last one is normalised. Borrowed until the next pass. */
const struct tensor *net_hidden(const struct net *n, int k);

/* dhidden[k] (B, T', D) or NULL, k = 0..layers: gradients of the loss by the
 * hidden states. Adds to the gradients of p. dhidden is overwritten. */
int net_backward(struct net *n, struct tensor *const *dhidden,
                 struct err *err);

#endif
