/* optim.h - one step of training over the tensors of params.h: gradient norm,
 * clipping, Adam, and a moving average of the weights.
 *
 *     TRY(optim_init(&o, &options, &params, err));
 *     ... forward and backward passes add to the gradients ...
 *     TRY(optim_step(&o, sched_factor(&sched, step), 1, &result, err));
 *     TRY(params_zero_grad(&params, err));
 *
 * Several processes (dist.h) divide the moments: each takes the step of its own
 * part of the weights and gives it to the others (ZeRO stage 1: Rajbhandari et
 * al. 2020). The gradients of that part must be the sums over all processes.
 *
 * Adam: Kingma and Ba 2015; with decay AdamW: Loshchilov and Hutter 2019. The
 * result does not depend on the number of threads. */
#ifndef TRAIN_OPTIM_H
#define TRAIN_OPTIM_H

#include <stdint.h>
#include "base/err.h"
#include "dist/dist.h"
#include "model/params.h"
#include "tensor/tensor.h"
#include "train/lossscale.h"

struct optim_options {
    float lr[PARAM_GROUPS];    /* the highest, of each group */
    float beta1, beta2, eps;
    float decay;               /* 0: Adam; of tensors with decay set */
    float clip;                /* largest gradient norm; 0: any */
    float ema;                 /* decay of the average; 0: no average */
};

/* lr 1e-4 for all, 0.9, 0.999, 1e-8, nothing else. */
extern const struct optim_options optim_defaults;

/* A zeroed struct can be released. m and v are laid out as params.grad from
 * first on, ema as params.value. */
struct optim {
    struct optim_options opt;
    struct params *p;
    struct dist *dist;
    int64_t *part;         /* where each process's floats begin; (size + 1) */
    int64_t first, end;    /* of this one: all trained where it is alone */
    struct tensor m, v;   /* (end - first) */
    struct tensor ema;    /* (all); no memory where opt.ema is 0, and but in
                             process 0, which alone writes it */
    struct tensor change; /* (all - trained): work space of the average */
    int64_t steps;        /* taken: the t of Adam's bias correction */
    int64_t skipped;      /* not taken: the norm was no number */
    struct lossscale scale; /* of the gradients; set behind optim_init */
};

struct optim_result {
    double grad_norm;       /* of scale * gradient, before clipping */
    double loss_scale;      /* by which gradients were divided; 0: none */
    double lr[PARAM_GROUPS]; /* of this step */
    int skipped;            /* the norm is infinite or NaN: nothing changed */
    int overflow;           /* and the loss scale was halved for it */
};

/* p is allocated, has its first values, and is borrowed until release, as d is
 * (NULL: one process). Moments are 0, the average begins at the values.
 * ERR_NOMEM, ERR_DEVICE. */
int optim_init(struct optim *o, const struct optim_options *opt,
               struct params *p, struct dist *d, struct err *err);
void optim_release(struct optim *o);

/* One step with the learning rates times factor and the gradients times scale
 * (1 / the number of passes that were added up) and divided by the loss scale,
 * which then takes its step (lossscale.h). Frozen tensors count for nothing and
 * do not change. The norm is summed over runs of neighbours, in their order.
 * Clipping is torch.nn.utils.clip_grad_norm_: by clip / (norm +
 * 1e-6) if that is below 1. The average takes part with decay
 * min(ema, (1 + t) / (10 + t)), so that it forgets the first values soon; it
 * covers running statistics; buffers that never change keep their bits, and
 * counters are copied. */
int optim_step(struct optim *o, double factor, double scale,
               struct optim_result *r, struct err *err);

/* For a checkpoint: whole becomes o, borrowed, with the moments of all parts in
 * process 0, which releases its m and v; the others only give theirs. */
int optim_gather(const struct optim *o, struct optim *whole, struct err *err);

#endif
