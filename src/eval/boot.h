/* boot.h - bootstrap intervals of the means of scores.
 *
 * Percentile bootstrap: B. Efron, R. Tibshirani, "An Introduction to the
 * Bootstrap", 1993, chapter 13. Files are drawn with replacement, all scores
 * of a file together; a resample's mean is over the drawn files in which the
 * score is defined. */
#ifndef EVAL_BOOT_H
#define EVAL_BOOT_H

#include <stddef.h>
#include <stdint.h>

enum { BOOT_RESAMPLES = 1000 };
#define BOOT_SEED UINT64_C(20231106) /* fixed: the same data, same interval */

struct boot_interval {
    double low, high; /* NaN: fewer than two files where the score is defined */
};

/* The 95 % interval of the mean of each of the k scores in row[i] (k) of n
 * files, NaN where undefined: the 2.5 and 97.5 percentiles of the means of
 * BOOT_RESAMPLES resamples (linear between neighbours, as numpy.percentile).
 * File 4 b + j of resample r is the high word of n times word j of
 * rng_block(seed, r, b); n is at most 2^32. Computed by the OpenMP threads at
 * hand; the result does not depend on how many. */
void boot_means(struct boot_interval *out, const double *const *row, size_t n,
                size_t k, uint64_t seed);

#endif
