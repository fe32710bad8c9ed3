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

/* ---- sums over rows, the same for any number of threads ---- */

int cpu_parts(struct backend *be, float **part, int64_t n, struct err *err)
{
    void *p;

    TRY(cpu_buf(cpu_of(be), CPU_BUF_SUMS,
                (size_t)(CPU_CHUNKS * n) * sizeof(**part), &p, err));
    *part = p;
    return 0;
}

CPU_CLONES
static void fold_span(float *sum, const float *part, int64_t n, int64_t stride)
{
    double s[64];

    for (int64_t i = 0; i < n; i++)
        s[i] = sum[i];
    for (int64_t c = 0; c < CPU_CHUNKS; c++) {
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            s[i] += part[c * stride + i];
    }
    for (int64_t i = 0; i < n; i++)
        sum[i] = (float)s[i];
}

void cpu_fold(float *sum, const float *part, int64_t n, int64_t stride)
{
    #pragma omp parallel for
    for (int64_t i = 0; i < n; i += 64)
        fold_span(sum + i, part + i, n - i < 64 ? n - i : 64, stride);
}

/* ---- backward ---- */

/* With x^ = (x - mean) * inv and g = dy * gamma:
 * dx = inv * (g - mean of g - x^ * mean of g x^). */
CPU_CLONES
static void norm_row_backward(float *dx, float *dgamma, float *dbeta,
                              const float *dy, const float *x,
                              const float *gamma, int64_t n, float eps,
                              int accumulate)
{
    float sum = 0, sq = 0, mean, inv, g1 = 0, g2 = 0;

    #pragma omp simd reduction(+:sum)
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    mean = sum / (float)n;
    #pragma omp simd reduction(+:sq, g1, g2)
    for (int64_t i = 0; i < n; i++) {
        float c = x[i] - mean, g = dy[i] * gamma[i];

        sq += c * c;
        g1 += g;
        g2 += g * c;
    }
    inv = 1.0f / sqrtf(sq / (float)n + eps);
    g1 = g1 / (float)n;
    g2 = g2 * inv / (float)n;
    #pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float h = (x[i] - mean) * inv, g = dy[i];
        float old = accumulate ? dx[i] : 0;

        dgamma[i] += g * h;
        dbeta[i] += g;
        dx[i] = old + inv * (g * gamma[i] - g1 - h * g2);
    }
}

int cpu_layer_norm_backward(struct backend *be, struct tensor *dx,
                            struct tensor *dgamma, struct tensor *dbeta,
                            const struct tensor *dy, const struct tensor *x,
                            const struct tensor *gamma, float eps,
                            int accumulate, struct err *err)
{
    int64_t rows = tensor_rows(x), n = tensor_cols(x);
    float *part;

    assert(tensor_count(dx) == rows * n && tensor_count(dy) == rows * n);
    assert(tensor_count(gamma) == n && tensor_count(dgamma) == n);
    assert(tensor_count(dbeta) == n);
    assert(!accumulate || dx->data != dy->data);
    TRY(cpu_parts(be, &part, 2 * n, err));
    #pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < CPU_CHUNKS; i++) {
        float *p = part + i * 2 * n;

        memset(p, 0, (size_t)(2 * n) * sizeof(*p));
        for (int64_t r = cpu_chunk(rows, i); r < cpu_chunk(rows, i + 1); r++)
            norm_row_backward(dx->data + r * n, p, p + n, dy->data + r * n,
                              x->data + r * n, gamma->data, n, eps,
                              accumulate);
    }
    cpu_fold(dgamma->data, part, n, 2 * n);
    cpu_fold(dbeta->data, part + n, n, 2 * n);
    return 0;
}
