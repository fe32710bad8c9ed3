/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

/* Two passes over a row that is in cache: the variance of differences from the
 * mean, not the difference of squares. */
CPU_CLONES
static void norm_row(float *y, const float *x, const float *gamma,
                     const float *beta, int64_t n, float eps)
{
    float sum = 0, sq = 0, mean, inv;

    #pragma omp simd reduction(+:sum)
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    mean = sum / (float)n;
    #pragma omp simd reduction(+:sq)
    for (int64_t i = 0; i < n; i++)
        sq += (x[i] - mean) * (x[i] - mean);
    inv = 1.0f / sqrtf(sq / (float)n + eps);
    #pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * inv * gamma[i] + beta[i];
}

int cpu_layer_norm(struct backend *be, struct tensor *y,
                   const struct tensor *x, const struct tensor *gamma,
                   const struct tensor *beta, float eps, struct err *err)
{
    int64_t rows = tensor_rows(x), n = tensor_cols(x);

    (void)be;
    (void)err;
    assert(tensor_count(y) == rows * n);
    assert(tensor_count(gamma) == n && tensor_count(beta) == n);
    #pragma omp parallel for
    for (int64_t r = 0; r < rows; r++)
        norm_row(y->data + r * n, x->data + r * n, gamma->data, beta->data, n,
                 eps);
    return 0;
}
