/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/lossscale.h"

void lossscale_init(struct lossscale *s, double first, enum precision p)
{
    s->value = first > 0 ? first : p == PRECISION_FP16 ? LOSSSCALE_FIRST : 0;
    s->good = 0;
}

double lossscale_factor(const struct lossscale *s)
{
    return s->value > 0 ? s->value : 1;
}

int lossscale_step(struct lossscale *s, int finite)
{
    if (!(s->value > 0))
        return 0;
    if (finite) {
        s->good++;
        if (s->good == LOSSSCALE_STEPS) {
            s->good = 0;
            if (s->value * 2 <= LOSSSCALE_MOST)
                s->value *= 2;
        }
        return 0;
    }
    s->good = 0;
    if (s->value <= LOSSSCALE_LEAST)
        return 0;
    s->value = s->value / 2 > LOSSSCALE_LEAST ? s->value / 2 : LOSSSCALE_LEAST;
    return 1;
}
