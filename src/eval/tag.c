/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/tag.h"

#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"

struct clip {
    double score;
    int truth;
};

static int by_falling_score(const void *a, const void *b)
{
    double x = ((const struct clip *)a)->score;
    double y = ((const struct clip *)b)->score;

    return (x < y) - (x > y);
}

/* The clips by falling score; *out is freed by the caller. */
static int ranked_new(struct clip **out, const int *truth, const double *score,
                      size_t n, size_t stride, struct err *err)
{
    struct clip *c = xmalloc((n + 1) * sizeof(*c));

    for (size_t i = 0; i < n; i++) {
        c[i] = (struct clip){ score[i * stride], truth[i * stride] };
        if (isfinite(c[i].score) && (c[i].truth == 0 || c[i].truth == 1))
            continue;
        err_set(err, ERR_ARG, "clip %zu: score %g is not finite or truth %d is "
                "neither 0 nor 1", i + 1, c[i].score, c[i].truth);
        free(c);
        return ERR_ARG;
    }
    if (n > 1)
        qsort(c, n, sizeof(*c), by_falling_score);
    *out = c;
    return 0;
}

static size_t positives(const struct clip *c, size_t n)
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += c[i].truth == 1;
    return sum;
}

/* One step of the curve is the clips of one score. */
static size_t step_end(const struct clip *c, size_t n, size_t i)
{
    size_t end = i + 1;

    while (end < n && c[end].score == c[i].score)
        end++;
    return end;
}

static double average_precision(const struct clip *c, size_t n)
{
    size_t all = positives(c, n), found = 0;
    double sum = 0;

    if (!all)
        return NAN;
    for (size_t i = 0, end; i < n; i = end) {
        size_t hits;

        end = step_end(c, n, i);
        hits = positives(c + i, end - i);
        found += hits;
        sum += (double)hits / (double)all * ((double)found / (double)end);
    }
    return sum;
}

static double roc_auc(const struct clip *c, size_t n)
{
    size_t all = positives(c, n), found = 0;
    double area = 0;

    if (!all || all == n)
        return NAN;
    for (size_t i = 0, end; i < n; i = end) {
        size_t hits;

        end = step_end(c, n, i);
        hits = positives(c + i, end - i);
        area += (double)(end - i - hits) * ((double)found + (double)hits / 2);
        found += hits;
    }
    return area / (double)all / (double)(n - all);
}

/* Adds a score to a sum unless it is undefined. */
static void add(double *sum, size_t *without, double v)
{
    if (isnan(v))
        ++*without;
    else
        *sum += v;
}

int eval_tag(struct eval_tag *out, double *ap, double *roc, const int *truth,
             const double *score, size_t n, size_t k, struct err *err)
{
    *out = (struct eval_tag){ 0 };
    for (size_t t = 0; t < k; t++) {
        struct clip *c;
        double a, r;

        if (ranked_new(&c, truth + t, score + t, n, k, err))
            return err_prefix(err, "tag %zu", t + 1);
        a = average_precision(c, n);
        r = roc_auc(c, n);
        free(c);
        add(&out->average_precision, &out->without_ap, a);
        add(&out->roc_auc, &out->without_roc, r);
        if (ap)
            ap[t] = a;
        if (roc)
            roc[t] = r;
    }
    out->average_precision /= (double)(k - out->without_ap);
    out->roc_auc /= (double)(k - out->without_roc);
    return 0;
}
