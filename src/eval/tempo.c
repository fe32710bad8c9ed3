/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/tempo.h"

#include <math.h>
#include <stdbool.h>

const char *const eval_tempo_names[EVAL_TEMPO_COUNT] = {
    "P-score",
    "One-correct",
    "Both-correct",
};

static int check(const double t[2], const char *what, struct err *err)
{
    for (int i = 0; i < 2; i++)
        if (!isfinite(t[i]) || t[i] < 0)
            return err_set(err, ERR_ARG, "%s tempo %g: not a number of beats "
                           "per minute", what, t[i]);
    return 0;
}

int eval_tempo(double out[EVAL_TEMPO_COUNT], const double ref[2], double weight,
               const double est[2], struct err *err)
{
    bool hit[2] = { false, false };

    TRY(check(ref, "reference", err));
    TRY(check(est, "estimated", err));
    if (ref[0] == 0 && ref[1] == 0)
        return err_set(err, ERR_ARG, "both reference tempi are 0");
    if (!(weight >= 0 && weight <= 1))
        return err_set(err, ERR_ARG, "the weight %g of the first reference "
                       "tempo is outside 0..1", weight);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++)
            if (ref[i] > 0 && fabs(ref[i] - est[k]) / ref[i] <= 0.08)
                hit[i] = true;
    out[EVAL_TEMPO_P_SCORE] = weight * hit[0] + (1 - weight) * hit[1];
    out[EVAL_TEMPO_ONE] = hit[0] || hit[1];
    out[EVAL_TEMPO_BOTH] = hit[0] && hit[1];
    return 0;
}
