/* cqtloss.h - MERT's second objective: the constant-Q spectrum of the clean
 * audio is predicted by a linear layer where something is hidden (Y. Li et al.
 * 2024, section 3.2: mean squared error, 336 bins of linear magnitude). */
#ifndef TRAIN_CQTLOSS_H
#define TRAIN_CQTLOSS_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "mel/cqt.h"
#include "model/params.h"

enum { CQTLOSS_BINS = 336 };

/* A zeroed struct can be released. */
struct cqtloss {
    struct params *p;
    int weight, bias;         /* "cqt.weight" (bins, D), "cqt.bias" */
    struct cqt **run;         /* by thread */
    float **frames;           /* (cap of thread, bins) by thread */
    size_t *room;             /* floats in each */
    int threads;
    struct tensor out;
    float *host;              /* (rows, bins) */
    size_t cap;
    double scale;             /* of the squared errors in the step */
    double loss_scale;        /* of gradients besides */
    double loss;              /* so far in the step, weighted */
};

void cqtloss_describe(int dim, struct params *p);
int cqtloss_init(struct cqtloss *q, struct params *p, int threads,
                 struct err *err);
void cqtloss_release(struct cqtloss *q);

/* Bytes of the target of so many hidden states: (frames, bins) floats. */
size_t cqtloss_bytes(int64_t frames);
/* The target of samples x (n) into out; a function of one of the threads. */
int cqtloss_target(struct cqtloss *q, int thread, const float *x, int64_t n,
                   int64_t frames, float *out, struct err *err);

/* A step whose hidden frames are rows in all; loss_scale: lossscale_factor. */
void cqtloss_begin(struct cqtloss *q, double weight, int64_t rows,
                   double loss_scale);
/* hidden (B, T, D); want (B, T, bins); hide (B * T), -1 where nothing is
 * hidden. Adds to dhidden, the layer's gradients and q->loss. */
int cqtloss_pass(struct cqtloss *q, struct tensor *dhidden,
                 const struct tensor *hidden, const float *want,
                 const int32_t *hide, struct err *err);

#endif
