/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/boot.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/xalloc.h"
#include "eval/match.h"

/* The means (k) of resample r; sum and count (k) are room to work in. */
static void resample(double *mean, const double *const *row, size_t n,
                     size_t k, uint64_t seed, uint64_t r, double *sum,
                     size_t *count)
{
    uint32_t word[4];

    for (size_t s = 0; s < k; s++) {
        sum[s] = 0;
        count[s] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        const double *v;

        if (i % 4 == 0)
            rng_block(word, seed, r, i / 4);
        v = row[(size_t)((uint64_t)word[i % 4] * n >> 32)];
        for (size_t s = 0; s < k; s++)
            if (!isnan(v[s])) {
                sum[s] += v[s];
                count[s]++;
            }
    }
    for (size_t s = 0; s < k; s++)
        mean[s] = count[s] ? sum[s] / (double)count[s] : NAN;
}

/* Of sorted values; n is at least 1. */
static double percentile(const double *v, size_t n, double p)
{
    double at = p / 100 * (double)(n - 1);
    size_t i = (size_t)at;

    return i + 1 < n ? v[i] + (at - (double)i) * (v[i + 1] - v[i]) : v[n - 1];
}

/* From the means (BOOT_RESAMPLES, k) of all resamples. */
static struct boot_interval interval(const double *mean, size_t k, size_t s)
{
    double v[BOOT_RESAMPLES];
    size_t n = 0;

    for (size_t r = 0; r < BOOT_RESAMPLES; r++)
        if (!isnan(mean[r * k + s]))
            v[n++] = mean[r * k + s];
    match_sort(v, n);
    return n ? (struct boot_interval){ percentile(v, n, 2.5),
                                       percentile(v, n, 97.5) }
             : (struct boot_interval){ NAN, NAN };
}

static size_t defined(const double *const *row, size_t n, size_t s)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += !isnan(row[i][s]);
    return count;
}

void boot_means(struct boot_interval *out, const double *const *row, size_t n,
                size_t k, uint64_t seed)
{
    double *mean = xcalloc(BOOT_RESAMPLES * k + 1, sizeof(*mean));

    /* threads are not worth their start for few files */
#pragma omp parallel if (n > 1000)
    {
        double *sum = xcalloc(k + 1, sizeof(*sum));
        size_t *count = xcalloc(k + 1, sizeof(*count));

#pragma omp for
        for (int r = 0; r < BOOT_RESAMPLES; r++)
            resample(mean + (size_t)r * k, row, n, k, seed, (uint64_t)r, sum,
                     count);
        free(sum);
        free(count);
    }
    for (size_t s = 0; s < k; s++)
        out[s] = defined(row, n, s) > 1
                     ? interval(mean, k, s)
                     : (struct boot_interval){ NAN, NAN };
    free(mean);
}
