/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/tags.h"

#include <math.h>
#include <stdlib.h>

#include "annot/keyname.h"
#include "base/xalloc.h"

struct ranked {
    float score;
    int class;
};

static int compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->class - y->class;
}

int tags_rank(struct tags *out, const float *score,
              const struct classes *classes, int top, double threshold,
              struct err *err)
{
    struct ranked *r;
    int n = classes->n;

    for (int c = 0; c < n; c++)
        if (!isfinite(score[c]))
            return err_set(err, ERR_ARG, "the score of tag %s is not a finite "
                           "number", classes->label[c]);
    if (n < 1)
        return 0;
    r = xcalloc((size_t)n, sizeof(*r));
    for (int c = 0; c < n; c++)
        r[c] = (struct ranked){ score[c], c };
    qsort(r, (size_t)n, sizeof(*r), compare);
    for (int i = 0; i < n && (!top || i < top); i++)
        if (r[i].score >= (float)threshold || threshold <= 0)
            tags_append(out, classes->label[r[i].class], r[i].score);
    free(r);
    return 0;
}

/* log odds, of what is not quite certain */
static double odds(double p, double least)
{
    p = fmin(fmax(p, least), 1 - least);
    return log(p / (1 - p));
}

static void set_score(float *score, const struct classes *c, const char *tag,
                      double own, double more)
{
    int i = classes_find(c, tag);

    if (i >= 0 && isfinite(score[i]))
        score[i] = (float)(1 / (1 + exp(-own * odds(score[i], 1e-6) - more)));
}

void tags_agree(float *score, const struct classes *classes,
                const struct key *key, int meter)
{
    int number = key && key->label ? keyname_number(key->label) : -1;

    if (number >= 0 && number < 24) {
        double sure = 0.53 * (odds(key->confidence, 0.02) + 2);

        sure = number % 2 ? -sure : sure;
        set_score(score, classes, "major", 0.31, sure + 0.32);
        set_score(score, classes, "minor", 0.31, -sure - 0.32);
    }
    if (meter)
        set_score(score, classes, "waltz", 0.48, meter == 3 ? 1.9 : -2.1);
}
