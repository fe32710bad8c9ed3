/* headloss.h - the loss of a head over its targets (target.h), and its gradient
 * by the logits; on the host, in double, in a fixed order.
 *
 * The loss of a task is the weighted mean over the rows that count, of the
 * classes and of the boundary each; a training step adds up
 *
 *     2 beats + chords + 0.3 functions + 0.5 boundary + 0.3 key + 0.5 tags
 *
 * (the recipe that trained the model that ships). To share a step among several
 * batches or devices, divide by the sum of their weights. */
#ifndef TRAIN_HEADLOSS_H
#define TRAIN_HEADLOSS_H

#include <stdint.h>

#include "model/config.h"
#include "train/target.h"

/* Factors of the summed loss. */
struct headloss_scale {
    double classes, boundary;
};

/* Sums over rows; zeroed, several calls add up. */
struct headloss {
    double classes, boundary;   /* weighted sums of the loss, nats */
    double classes_weight, boundary_weight; /* of the weights (target_weight) */
    int64_t rows;    /* that count, by their classes */
    int64_t correct; /* softmax: rows whose largest logit has the largest yes;
                        sigmoid: in units of an output, right side of 0.5 */
    int64_t decided; /* what correct is out of */
};

/* What a task counts in the sum of several: (1, 1) for a name that the recipe
 * has not. */
struct headloss_scale headloss_task(const char *task);

/* scale divided by the weights, which are those of all that share a step: the
 * factors that make sums the weighted means. 0 where a weight is 0. */
struct headloss_scale headloss_mean(struct headloss_scale scale,
                                    double classes_weight,
                                    double boundary_weight);

/* Adds to *sum the losses of logits (t->n, t->width) and writes dlogits (may be
 * logits, or NULL): the gradient of scale.classes * classes + scale.boundary *
 * boundary. */
void headloss_rows(struct headloss *sum, float *dlogits, const float *logits,
                   const struct head_config *h, const struct target *t,
                   struct headloss_scale scale);

/* The weighted mean of classes and boundary with the factors of scale. */
double headloss_value(const struct headloss *sum, struct headloss_scale scale);

#endif
