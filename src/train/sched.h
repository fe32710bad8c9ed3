/* sched.h - the learning rate over a run: a linear warm-up, then one of three
 * courses. */
#ifndef TRAIN_SCHED_H
#define TRAIN_SCHED_H

#include <stdint.h>

enum sched_kind {
    SCHED_CONSTANT,
    SCHED_COSINE, /* half a cosine down to the floor at the last step:
                     Loshchilov and Hutter 2017, eq. 5, one cycle */
    SCHED_INVERSE /* 1 / sqrt(step): Vaswani et al. 2017, eq. 3 */
};

struct sched {
    enum sched_kind kind;
    int64_t warmup; /* steps; 0: none */
    int64_t steps;  /* of the whole run; cosine */
    double floor;   /* least factor behind the warm-up, 0..1 */
};

/* What the highest learning rate is multiplied by in a step (0, 1, ..):
 * (step + 1) / warmup in the warm-up, so that no step is idle; then 1 or
 * less. */
double sched_factor(const struct sched *s, int64_t step);

#endif
