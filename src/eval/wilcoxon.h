/* wilcoxon.h - the signed-rank test of paired differences.
 *
 * F. Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics Bulletin
 * 1(6), 1945. */
#ifndef EVAL_WILCOXON_H
#define EVAL_WILCOXON_H

#include <stddef.h>

enum { WILCOXON_EXACT_MOST = 25 };

struct wilcoxon {
    size_t n;         /* differences that are not 0 */
    double statistic; /* the lesser sum of ranks; NaN if n is 0 */
    double p;         /* two-sided; 1 if n is 0 */
    int exact;        /* 1: from the distribution, 0: normal approximation */
};

/* Of differences d (n, finite). Those of 0 are left out; equal sizes share
 * their mean rank. Up to WILCOXON_EXACT_MOST differences without ties p is
 * exact; else it is the normal approximation with the variance corrected for
 * ties and a continuity correction of 1/2. As scipy.stats.wilcoxon of the
 * differences that are not 0, with method "exact", or "approx" (now
 * "asymptotic") and correction=True. */
struct wilcoxon wilcoxon_test(const double *d, size_t n);

#endif
