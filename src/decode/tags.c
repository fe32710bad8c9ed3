/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/tags.h"

#include <math.h>
#include <stdlib.h>

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
