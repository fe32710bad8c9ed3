/* repeats.h - where stretches of bars that are heard again begin and end. */
#ifndef DECODE_REPEATS_H
#define DECODE_REPEATS_H

#include <stddef.h>

#include "base/err.h"
#include "decode/frames.h"

enum {
    REPEATS_SIGNS = 4,
    REPEATS_LAGS = 256 /* bars; what comes again later than that is not seen */
};

/* Four signs of a new part at each of the bar lines bar[0..n] (seconds,
 * ascending; n bars), into out (n + 1, REPEATS_SIGNS).
 *
 * A bar is its chords, the means of the posterior over each quarter of it; two
 * bars are as like as the mean of the Bhattacharyya coefficients of their
 * quarters. At a lag of l bars (2 to REPEATS_LAGS, back and forth) a line sees
 * the mean likeness of the K bars behind it to those l bars away, and of the K
 * bars before it; what lies outside the song is as like as all pairs are on
 * average. The signs, of the rise from before to behind over all lags:
 *
 *     0  mean square, K = 2: the novelty of Serra, Mueller, Grosche, Arcos,
 *        "Unsupervised music structure annotation by time series structure
 *        features and segment similarity", IEEE Trans. Multimedia 2014
 *     1  greatest, K = 4: a repetition begins
 *     2  greatest, K = 8
 *     3  greatest fall, K = 8: a repetition ends
 *
 * Each sign has mean 0 and deviation 1 over the song (0 where it never
 * changes). n is at least 1. ERR_ARG for values that make no sense,
 * ERR_NOMEM. */
int repeats_find(float *out, const double *bar, size_t n,
                 const struct posterior *chords, struct err *err);

/* Gives v mean 0 and deviation 1; all 0 where it never changes. */
void repeats_standardise(double *v, size_t n);

#endif
