/* lossscale.h - training in fp16, whose smallest numbers are 6e-8: the gradient
 * is multiplied by a factor where it begins, at the loss, and divided by it
 * before its norm is taken (Micikevicius et al. 2018, "Mixed precision
 * training", 3.2). The factor halves when a gradient overflows, and doubles
 * after many steps in which none did. Powers of two, which change no bit of
 * what neither overflows nor underflows. */
#ifndef TRAIN_LOSSSCALE_H
#define TRAIN_LOSSSCALE_H

#include <stdint.h>
#include "tensor/backend.h"

enum {
    LOSSSCALE_FIRST = 65536, LOSSSCALE_LEAST = 1, LOSSSCALE_MOST = 1 << 24,
    LOSSSCALE_STEPS = 2000 /* good ones until it doubles */
};

/* Zeroed, it is not in use. */
struct lossscale {
    double value;
    int64_t good; /* steps since it changed */
};

/* As a run begins: first, or with 0 what p wants: LOSSSCALE_FIRST for fp16, for
 * others none. */
void lossscale_init(struct lossscale *s, double first, enum precision p);

/* What to multiply by; 1 where it is not in use. */
double lossscale_factor(const struct lossscale *s);

/* After a step whose gradient was finite, or not. Returns 1 if the factor was
 * halved: the step is to be left out, and the next one may be good. */
int lossscale_step(struct lossscale *s, int finite);

#endif
