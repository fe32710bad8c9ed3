/* train.h - a head in training: forward and backward over the hidden states of
 * a batch (head.h only runs one, as a stream; both have the same weights, names
 * and numbers).
 *
 *     head_describe(&c, dim, layers, &p);       -- with the encoder's tensors
 *     ... params_alloc, params_init ...
 *     TRY(head_train_new(&h, &c, dim, layers, rate, &p, err));
 *     TRY(head_train_forward(h, hidden, &o, err));
 *     ... dlogits from head_train_logits (train/headloss.h) ...
 *     TRY(head_train_backward(h, dlogits, dhidden, err)); */
#ifndef HEAD_TRAIN_H
#define HEAD_TRAIN_H

#include <stdint.h>
#include "base/err.h"
#include "model/config.h"
#include "model/params.h"

struct head_train;

struct head_train_options {
    float dropout; /* behind the hidden layer's ReLU; 0: none */
    uint64_t seed, step; /* that it is drawn from, and the task's name */
};

/* Adds "head.TASK.hidden.weight" (hidden, dim) and ".bias" (none if hidden is
 * 0), "head.TASK.output.weight" (outputs, hidden or dim) and ".bias", all of
 * PARAM_GROUP_HEAD with torch's Linear first values U(+-1 / sqrt(inputs)); and
 * for c->layer HEAD_MIX "head.TASK.mix" (layers + 1): what the head reads is
 * the sum of all hidden states weighted by the softmax of it, at first 0. */
void head_describe(const struct head_config *c, int dim, int layers,
                   struct params *p);

/* c and p (allocated) are borrowed and outlive it. state_rate: hidden states a
 * second. ERR_ARG where p lacks the head's tensors. */
int head_train_new(struct head_train **out, const struct head_config *c,
                   int dim, int layers, double state_rate, struct params *p,
                   struct err *err);
void head_train_free(struct head_train *h); /* NULL is allowed */

/* Whether it reads hidden state k, 0..layers. */
int head_train_reads(const struct head_train *h, int k);

/* Rows of an excerpt of so many hidden states: frames / state_rate * rate
 * rounded, at least 1; 1 for a head of the whole clip. */
int64_t head_train_rows(const struct head_train *h, int64_t frames);

/* hidden[k] (B, T, D), k = 0..layers, NULL allowed where head_train_reads says
 * no. Their memory must not change until the backward pass. ERR_NOMEM,
 * ERR_DEVICE. */
int head_train_forward(struct head_train *h, const struct tensor *const *hidden,
                       const struct head_train_options *o, struct err *err);

/* (B * rows, outputs) of the last forward pass: rows of the first of the batch,
 * then of the second... Borrowed. */
const struct tensor *head_train_logits(const struct head_train *h);

/* dlogits, host (B * rows, outputs). Adds to the gradients of p, and to
 * dhidden[k] (B, T, D) of those that the head reads; dhidden NULL, or NULL for
 * one k: a frozen encoder. Options are those of the forward pass. */
int head_train_backward(struct head_train *h, const float *dlogits,
                        struct tensor *const *dhidden, struct err *err);

#endif
