/* across.h - one step of training divided among processes (dist.h): whose
 * samples, and gradients that are summed while the backward pass goes on with
 * the layers below. */
#ifndef TRAIN_ACROSS_H
#define TRAIN_ACROSS_H

#include <stdint.h>
#include "base/err.h"
#include "dist/dist.h"
#include "train/optim.h"

/* Neighbours in the block of gradients that belong to one layer, -1: none. */
struct across_range {
    int layer;
    int64_t first, end;
};

/* A zeroed struct can be released. */
struct across {
    struct dist *dist;
    const struct optim *optim;
    struct across_range *range;
    size_t n, cap;
    int last; /* of a step's passes: only then are gradients whole */
};

/* The processes' samples of a batch that is taken in accumulate passes: of each
 * pass's *stride samples this process has *count from *first on. ERR_ARG where
 * they cannot be divided evenly. */
int across_divide(const struct dist *d, int batch, int accumulate,
                  int64_t *stride, int64_t *first, int64_t *count,
                  struct err *err);

/* o is borrowed, as its d and parameters. */
void across_init(struct across *a, const struct optim *o);
void across_release(struct across *a);

/* net_options.added, ctx is the struct: begins the sums of a layer, each to the
 * process whose part (optim.h) it is in. */
int across_added(void *ctx, int layer, struct err *err);
/* Until all sums are there. */
int across_wait(struct across *a, struct err *err);

#endif
