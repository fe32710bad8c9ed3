/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/keyvote.h"

#include <string.h>

#include "decode/chords.h"

/* Is class c the most probable in each of n frames? */
static int is_everything(const float *prob, size_t n, int classes, int c)
{
    for (size_t i = 0; i < n; i++, prob += classes)
        for (int k = 0; k < classes; k++)
            if (prob[k] > prob[c])
                return 0;
    return 1;
}

int key_vote(struct key *out, const float *prob, const struct frames *f,
             const struct classes *classes, struct err *err)
{
    size_t n;
    int best = -1;
    double best_mean = 0;

    TRY(frames_check(f, prob, classes->n, "keys", err));
    n = frames_used(f);
    if (!n)
        return 0;
    for (int c = 0; c < classes->n; c++) {
        double mean = frames_mean(prob, classes->n, c, 0, n);

        if (!strcmp(classes->label[c], "N") &&
            !is_everything(prob, n, classes->n, c))
            continue;
        if (best < 0 || mean > best_mean) {
            best = c;
            best_mean = mean;
        }
    }
    if (best >= 0)
        key_set(out, classes->label[best], best_mean);
    return 0;
}

int key_over_time(struct segments *out, const float *prob,
                  const struct frames *f, const struct classes *classes,
                  struct err *err)
{
    return chords_decode(out, prob, f, classes, CHORDS_STAY, err);
}
