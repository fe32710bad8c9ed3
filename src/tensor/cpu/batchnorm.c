/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "tensor/cpu/private.h"

/* Mean and sum of squared differences from it, of each column of one chunk;
 * the second pass finds the chunk in cache. */
CPU_CLONES
static void chunk_moments(float *mean, float *sq, const float *x, int64_t rows,
                          int64_t c)
{
    memset(mean, 0, (size_t)c * sizeof(*mean));
    memset(sq, 0, (size_t)c * sizeof(*sq));
    for (int64_t r = 0; r < rows; r++) {
        #pragma omp simd
        for (int64_t i = 0; i < c; i++)
            mean[i] += x[r * c + i];
    }
    #pragma omp simd
    for (int64_t i = 0; i < c; i++)
        mean[i] /= (float)(rows ? rows : 1);
    for (int64_t r = 0; r < rows; r++) {
        #pragma omp simd
        for (int64_t i = 0; i < c; i++)
            sq[i] += (x[r * c + i] - mean[i]) * (x[r * c + i] - mean[i]);
    }
}

/* Chunk after chunk into one mean and variance: T. Chan, G. Golub, R. LeVeque,
 * "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
 * 1979, equation 2.1. */
static void join_moments(double *mean, double *sq, const float *part,
                         int64_t rows, int64_t c, int64_t i)
{
    double n = 0, m = 0, s = 0;

    for (int64_t k = 0; k < CPU_CHUNKS; k++) {
        double more = (double)(cpu_chunk(rows, k + 1) - cpu_chunk(rows, k));
        double d = part[2 * k * c + i] - m;

        if (!more)
            continue;
        s += part[(2 * k + 1) * c + i] + d * d * n * more / (n + more);
        n += more;
        m += d * more / n;
    }
    *mean = m;
    *sq = s;
}

int cpu_across(struct backend *be, double *v, int64_t n, struct err *err)
{
    return be->across ? be->across(be->across_ctx, v, n, err) : 0;
}

/* The sum of squared differences from the mean of all is that from each
 * process's own, and its rows times the square of what lies between the
 * means. */
int cpu_across_moments(struct backend *be, double *n, double *mean, double *sq,
                       int64_t c, struct err *err)
{
    double own = *n, *sum;
    int rc;

    if (!be->across)
        return 0;
    sum = xcalloc((size_t)c + 1, sizeof(*sum));
    for (int64_t i = 0; i < c; i++)
        sum[i] = own * mean[i];
    sum[c] = own;
    rc = cpu_across(be, sum, c + 1, err);
    *n = sum[c];
    for (int64_t i = 0; i < c && !rc; i++) {
        double all = sum[i] / *n;

        sq[i] += own * (mean[i] - all) * (mean[i] - all);
        mean[i] = all;
    }
    free(sum);
    return rc ? rc : cpu_across(be, sq, c, err);
}

static void mix(struct tensor *old, int64_t i, double value, float momentum)
{
    if (old)
        old->data[i] = (float)((1.0 - momentum) * old->data[i] +
                               momentum * value);
}

CPU_CLONES
static void norm_row(float *y, const float *x, const float *mean,
                     const float *inv, const float *gamma, const float *beta,
                     int64_t c)
{
    #pragma omp simd
    for (int64_t i = 0; i < c; i++)
        y[i] = (x[i] - mean[i]) * inv[i] * gamma[i] + beta[i];
}

int cpu_batch_norm(struct backend *be, struct tensor *y, struct tensor *mean,
                   struct tensor *inv_std, struct tensor *running_mean,
                   struct tensor *running_var, const struct tensor *x,
                   const struct tensor *gamma, const struct tensor *beta,
                   float eps, float momentum, struct err *err)
{
    int64_t rows = tensor_rows(x), c = tensor_cols(x);
    double n = (double)rows, *m, *sq;
    float *part;

    assert(tensor_count(y) == rows * c && tensor_count(mean) == c);
    assert(tensor_count(inv_std) == c && tensor_count(gamma) == c);
    assert(tensor_count(beta) == c && rows > 0);
    /* the moments of all lie behind the chunks': four floats a column */
    TRY(cpu_parts(be, &part, 2 * c + 4 * c / CPU_CHUNKS + 1, err));
    m = (double *)(part + 2 * CPU_CHUNKS * c);
    sq = m + c;
    #pragma omp parallel for schedule(dynamic)
    for (int64_t k = 0; k < CPU_CHUNKS; k++) {
        int64_t r = cpu_chunk(rows, k);

        chunk_moments(part + 2 * k * c, part + (2 * k + 1) * c,
                      x->data + r * c, cpu_chunk(rows, k + 1) - r, c);
    }
    for (int64_t i = 0; i < c; i++)
        join_moments(&m[i], &sq[i], part, rows, c, i);
    TRY(cpu_across_moments(be, &n, m, sq, c, err));
    for (int64_t i = 0; i < c; i++) {
        mean->data[i] = (float)m[i];
        inv_std->data[i] = (float)(1.0 / sqrt(sq[i] / n + eps));
        mix(running_mean, i, m[i], momentum);
        mix(running_var, i, sq[i] / (n > 1 ? n - 1 : 1), momentum);
    }
    #pragma omp parallel for
    for (int64_t r = 0; r < rows; r++)
        norm_row(y->data + r * c, x->data + r * c, mean->data, inv_std->data,
                 gamma->data, beta->data, c);
    return 0;
}

/* ---- backward ---- */

/* dbeta += dy, dgamma += dy x^ over one row; x^ = (x - mean) * inv. */
CPU_CLONES
static void add_row(float *dgamma, float *dbeta, const float *dy,
                    const float *x, const float *mean, const float *inv,
                    int64_t c)
{
    #pragma omp simd
    for (int64_t i = 0; i < c; i++) {
        dgamma[i] += dy[i] * (x[i] - mean[i]) * inv[i];
        dbeta[i] += dy[i];
    }
}

/* dx = gamma * inv * (dy - mean of dy - x^ * mean of dy x^) */
CPU_CLONES
static void dx_row(float *dx, const float *dy, const float *x,
                   const float *mean, const float *inv, const float *gamma,
                   const float *sum_dyx, const float *sum_dy, float scale,
                   int64_t c)
{
    #pragma omp simd
    for (int64_t i = 0; i < c; i++)
        dx[i] = gamma[i] * inv[i] *
                (dy[i] - scale * sum_dy[i] -
                 (x[i] - mean[i]) * inv[i] * scale * sum_dyx[i]);
}

/* The sums and the number of rows of all processes; gradients of parameters
 * stay those of this one's rows. */
static int across_sums(struct backend *be, double *n, float *sum, int64_t count,
                       struct err *err)
{
    double *all;
    int rc;

    if (!be->across)
        return 0;
    all = xcalloc((size_t)count + 1, sizeof(*all));
    for (int64_t i = 0; i < count; i++)
        all[i] = sum[i];
    all[count] = *n;
    rc = cpu_across(be, all, count + 1, err);
    for (int64_t i = 0; i < count; i++)
        sum[i] = (float)all[i];
    *n = all[count];
    free(all);
    return rc;
}

int cpu_batch_norm_backward(struct backend *be, struct tensor *dx,
                            struct tensor *dgamma, struct tensor *dbeta,
                            const struct tensor *dy, const struct tensor *x,
                            const struct tensor *mean,
                            const struct tensor *inv_std,
                            const struct tensor *gamma, struct err *err)
{
    int64_t rows = tensor_rows(x), c = tensor_cols(x);
    double n = (double)rows;
    float *part, *sum;

    assert(tensor_count(dx) == rows * c && tensor_count(dy) == rows * c);
    assert(tensor_count(dgamma) == c && tensor_count(dbeta) == c);
    assert(tensor_count(mean) == c && tensor_count(inv_std) == c);
    assert(tensor_count(gamma) == c);
    /* one chunk more, for the sums of all */
    TRY(cpu_parts(be, &part, 2 * c + 2 * c / CPU_CHUNKS + 1, err));
    sum = part + CPU_CHUNKS * 2 * c;
    #pragma omp parallel for schedule(dynamic)
    for (int64_t k = 0; k < CPU_CHUNKS; k++) {
        float *p = part + k * 2 * c;

        memset(p, 0, (size_t)(2 * c) * sizeof(*p));
        for (int64_t r = cpu_chunk(rows, k); r < cpu_chunk(rows, k + 1); r++)
            add_row(p, p + c, dy->data + r * c, x->data + r * c, mean->data,
                    inv_std->data, c);
    }
    memset(sum, 0, (size_t)(2 * c) * sizeof(*sum));
    cpu_fold(sum, part, 2 * c, 2 * c);
    for (int64_t i = 0; i < c; i++) {
        dgamma->data[i] += sum[i];
        dbeta->data[i] += sum[c + i];
    }
    TRY(across_sums(be, &n, sum, 2 * c, err));
    #pragma omp parallel for
    for (int64_t r = 0; r < rows; r++)
        dx_row(dx->data + r * c, dy->data + r * c, x->data + r * c, mean->data,
               inv_std->data, gamma->data, sum, sum + c, 1.0f / (float)n, c);
    return 0;
}
