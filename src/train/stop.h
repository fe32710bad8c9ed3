/* stop.h - whether a run still gets better. */
#ifndef TRAIN_STOP_H
#define TRAIN_STOP_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed but for patience: how many results in a row may fail to be the best
 * before it stops; 0: it never does. */
struct stop {
    int patience;
    int since;         /* results since the best */
    int64_t best_step; /* of the best result so far */
    double best;       /* higher is better */
    bool any;
};

/* Takes the result of a step and says whether it is the best so far (a NaN
 * never is): the moment to keep the weights. */
static inline bool stop_take(struct stop *s, double result, int64_t step)
{
    if (s->any ? result > s->best : result == result) {
        s->any = true;
        s->best = result;
        s->best_step = step;
        s->since = 0;
        return true;
    }
    s->since++;
    return false;
}

static inline bool stop_now(const struct stop *s)
{
    return s->patience > 0 && s->since >= s->patience;
}

#endif
