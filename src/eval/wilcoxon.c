/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/wilcoxon.h"

#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"

static int by_size(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);

    return (x > y) - (x < y);
}

/* The share of the 2^n signs whose positive ranks sum to at most w. */
static double exact_tail(size_t n, size_t w)
{
    enum { MOST = WILCOXON_EXACT_MOST * (WILCOXON_EXACT_MOST + 1) / 2 };
    double ways[MOST + 1] = { 1 }, tail = 0;

    for (size_t rank = 1; rank <= n; rank++)
        for (size_t sum = n * (n + 1) / 2; sum >= rank; sum--)
            ways[sum] += ways[sum - rank];
    for (size_t sum = 0; sum <= w; sum++)
        tail += ways[sum];
    return ldexp(tail, -(int)n);
}

static double normal_p(double statistic, double n, double ties)
{
    double mean = n * (n + 1) / 4;
    double var = (n * (n + 1) * (2 * n + 1) - ties / 2) / 24;
    double away = mean - statistic; /* at least 0: it is the lesser sum */

    if (away > 0)
        away -= 0.5;
    return var > 0 ? erfc(fabs(away) / sqrt(2 * var)) : 1;
}

struct wilcoxon wilcoxon_test(const double *d, size_t n)
{
    struct wilcoxon t = { 0, NAN, 1, 1 };
    double *v = xcalloc(n + 1, sizeof(*v)), plus = 0, minus = 0, ties = 0;

    for (size_t i = 0; i < n; i++)
        if (d[i] != 0)
            v[t.n++] = d[i];
    qsort(v, t.n, sizeof(*v), by_size);
    for (size_t i = 0, end; i < t.n; i = end) {
        double count, rank;

        for (end = i + 1; end < t.n && fabs(v[end]) == fabs(v[i]);)
            end++;
        count = (double)(end - i);
        rank = (double)(i + end + 1) / 2;
        ties += count * (count * count - 1);
        for (size_t j = i; j < end; j++)
            *(v[j] > 0 ? &plus : &minus) += rank;
    }
    free(v);
    if (!t.n)
        return t;
    t.statistic = fmin(plus, minus);
    t.exact = t.n <= WILCOXON_EXACT_MOST && ties == 0;
    t.p = t.exact ? fmin(1, 2 * exact_tail(t.n, (size_t)t.statistic))
                  : normal_p(t.statistic, (double)t.n, ties);
    return t;
}
