/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "tensor/cuda/pack.cuh"

/* ---- forward: one warp a row, which it holds in registers; the variance is
 * of differences from the mean, not the difference of squares ---- */

enum { ROW_THREADS = 128 };

/* Each lane holds M times 4 values of a row of n, n at most 128 M. */
template <class V, int M>
__global__ void __launch_bounds__(ROW_THREADS)
norm_rows(V *y, const float *x, const float *gamma, const float *beta,
          int64_t rows, int n, float eps)
{
    int64_t row = (int64_t)blockIdx.x * (ROW_THREADS / 32) + threadIdx.x / 32;
    int first = (int)threadIdx.x % 32 * 4;
    pack<float, 4> v[M];
    float sum = 0, sq = 0, mean, inv;

    if (row >= rows)
        return;
    UNROLL
    for (int i = 0; i < M; i++)
        v[i] = first + 128 * i < n ? pack_at<4>(x + row * n + first + 128 * i)
                                   : pack<float, 4>{};
    UNROLL
    for (int i = 0; i < M; i++)
        sum += (v[i].v[0] + v[i].v[1]) + (v[i].v[2] + v[i].v[3]);
    mean = warp_sum(sum) / (float)n;
    UNROLL
    for (int i = 0; i < M; i++)
        if (first + 128 * i < n)
            UNROLL
            for (int j = 0; j < 4; j++) {
                v[i].v[j] -= mean;
                sq += v[i].v[j] * v[i].v[j];
            }
    inv = 1.0f / sqrtf(warp_sum(sq) / (float)n + eps);
    UNROLL
    for (int i = 0; i < M; i++)
        if (first + 128 * i < n) {
            pack<float, 4> g = pack_at<4>(gamma + first + 128 * i);
            pack<float, 4> b = pack_at<4>(beta + first + 128 * i);

            UNROLL
            for (int j = 0; j < 4; j++)
                g.v[j] = v[i].v[j] * inv * g.v[j] + b.v[j];
            values_put<4>(y + row * n + first + 128 * i, g.v);
        }
}

/* Any n: a block a row, which it reads three times. */
template <class V>
__global__ void norm_any(V *y, const float *x, const float *gamma,
                         const float *beta, int64_t rows, int64_t n, float eps)
{
    for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        const float *from = x + row * n;
        float sum = 0, sq = 0, mean, inv;

        for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
            sum += from[i];
        mean = block_sum(sum) / (float)n;
        for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
            sq += (from[i] - mean) * (from[i] - mean);
        inv = 1.0f / sqrtf(block_sum(sq) / (float)n + eps);
        for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
            y[row * n + i] = from_float<V>((from[i] - mean) * inv * gamma[i] +
                                           beta[i]);
    }
}

template <class V, int M>
static int norm_rows_of(struct cuda *c, struct tensor *y,
                        const struct tensor *x, const struct tensor *gamma,
                        const struct tensor *beta, float eps, struct err *err)
{
    int64_t rows = tensor_rows(x), each = ROW_THREADS / 32;
    auto kernel = norm_rows<V, M>;

    return LAUNCH(kernel, (unsigned)((rows + each - 1) / each), ROW_THREADS, 0,
                  (V *)y->data, x->data, gamma->data, beta->data, rows,
                  (int)tensor_cols(x), eps);
}

template <class V>
static int norm_of(struct cuda *c, struct tensor *y, const struct tensor *x,
                   const struct tensor *gamma, const struct tensor *beta,
                   float eps, struct err *err)
{
    int64_t rows = tensor_rows(x), n = tensor_cols(x);
    bool packs = pack_fits(x->data, n) && pack_fits(y->data, n) &&
                 pack_fits(gamma->data, n) && pack_fits(beta->data, n);

    if (packs && n <= 512)
        return norm_rows_of<V, 4>(c, y, x, gamma, beta, eps, err);
    if (packs && n <= 1024)
        return norm_rows_of<V, 8>(c, y, x, gamma, beta, eps, err);
    if (packs && n <= 2048)
        return norm_rows_of<V, 16>(c, y, x, gamma, beta, eps, err);
    return LAUNCH(norm_any<V>, cuda_grid(c, rows * BLOCK), BLOCK, 0,
                  (V *)y->data, x->data, gamma->data, beta->data, rows, n, eps);
}

int cuda_layer_norm(struct backend *be, struct tensor *y,
                    const struct tensor *x, const struct tensor *gamma,
                    const struct tensor *beta, float eps, struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t rows = tensor_rows(x), n = tensor_cols(x);

    assert(tensor_count(y) == rows * n && !x->narrow);
    assert(tensor_count(gamma) == n && tensor_count(beta) == n);
    if (!rows || !n)
        return 0;
    CUDA_VALUES_CALL(c, y, norm_of<V>(c, y, x, gamma, beta, eps, err));
}

/* ---- backward. With xhat = (x - mean) * inv and g = dy * gamma:
 * dx = inv * (g - mean of g - xhat * mean of g xhat). Each block takes every
 * so-many-th row and adds up dgamma and dbeta of its own; dx may be dy, so that
 * they are not to be had later. ---- */

struct row_slopes {
    float *dx, *part; /* part (blocks, 2, n): dgamma, dbeta */
    const float *dy, *x, *gamma;
    int64_t rows, n;
    float eps;
    int accumulate;
};

/* Sums over the block of K values of each thread. One barrier: between two
 * calls with the same part the block meets another one. */
template <int K, class P>
__device__ __forceinline__ void sums_of_block(float *v, P &part)
{
    int warp = (int)threadIdx.x / 32, warps = (int)blockDim.x / 32;

    UNROLL
    for (int k = 0; k < K; k++)
        v[k] = warp_sum(v[k]);
    for (int k = 0; k < K && threadIdx.x % 32 == 0; k++)
        part[k][warp] = v[k];
    __syncthreads();
    UNROLL
    for (int k = 0; k < K; k++) {
        v[k] = 0;
        for (int i = 0; i < warps; i++)
            v[k] += part[k][i];
    }
}

/* Each thread holds M times 4 columns. */
template <int M>
__global__ void __launch_bounds__(BLOCK) norm_slopes(struct row_slopes s)
{
    SHARED2(float, part1, 1, BLOCK / 32);
    SHARED2(float, part3, 3, BLOCK / 32);
    const int64_t step = blockDim.x * 4, first = threadIdx.x * 4;
    pack<float, 4> gamma[M], dgamma[M] = {}, dbeta[M] = {};
    float count = (float)s.n;

    UNROLL
    for (int i = 0; i < M; i++)
        gamma[i] = first + step * i < s.n ? pack_at<4>(s.gamma + first +
                                                       step * i)
                                          : pack<float, 4>{};
    for (int64_t row = blockIdx.x; row < s.rows; row += gridDim.x) {
        pack<float, 4> x[M], dy[M], old[M];
        float mean = 0, sum[3] = {}, inv, g1, g2;

        UNROLL
        for (int i = 0; i < M; i++) {
            int64_t at = row * s.n + first + step * i;
            bool there = first + step * i < s.n;

            x[i] = there ? pack_at<4>(s.x + at) : pack<float, 4>{};
            dy[i] = there ? pack_at<4>(s.dy + at) : pack<float, 4>{};
            old[i] = there && s.accumulate ? pack_at<4>(s.dx + at)
                                           : pack<float, 4>{};
            mean += (x[i].v[0] + x[i].v[1]) + (x[i].v[2] + x[i].v[3]);
        }
        sums_of_block<1>(&mean, part1);
        mean /= count;
        UNROLL
        for (int i = 0; i < M; i++)
            UNROLL
            for (int j = 0; j < 4; j++) {
                float g = dy[i].v[j] * gamma[i].v[j];
                float d = first + step * i < s.n ? x[i].v[j] - mean : 0;

                x[i].v[j] = d;
                sum[0] += d * d;
                sum[1] += g;
                sum[2] += g * d;
            }
        sums_of_block<3>(sum, part3);
        inv = 1.0f / sqrtf(sum[0] / count + s.eps);
        g1 = sum[1] / count;
        g2 = sum[2] * inv / count;
        UNROLL
        for (int i = 0; i < M; i++) {
            UNROLL
            for (int j = 0; j < 4; j++) {
                float xhat = x[i].v[j] * inv, d = dy[i].v[j];

                dgamma[i].v[j] += d * xhat;
                dbeta[i].v[j] += d;
                old[i].v[j] += inv * (d * gamma[i].v[j] - g1 - xhat * g2);
            }
            if (first + step * i < s.n)
                pack_put(s.dx + row * s.n + first + step * i, old[i]);
        }
    }
    UNROLL
    for (int i = 0; i < M; i++)
        if (first + step * i < s.n) {
            float *to = s.part + blockIdx.x * 2 * s.n + first + step * i;

            pack_put(to, dgamma[i]);
            pack_put(to + s.n, dbeta[i]);
        }
}

/* Any n: dgamma and dbeta of the block are kept in its part. */
__global__ void norm_slopes_any(struct row_slopes s)
{
    float *dgamma = s.part + blockIdx.x * 2 * s.n, *dbeta = dgamma + s.n;
    float count = (float)s.n;

    for (int64_t i = threadIdx.x; i < 2 * s.n; i += blockDim.x)
        dgamma[i] = 0;
    __syncthreads();
    for (int64_t row = blockIdx.x; row < s.rows; row += gridDim.x) {
        const float *x = s.x + row * s.n, *dy = s.dy + row * s.n;
        float *dx = s.dx + row * s.n;
        float mean = 0, sq = 0, g1 = 0, g2 = 0, inv;

        for (int64_t i = threadIdx.x; i < s.n; i += blockDim.x)
            mean += x[i];
        mean = block_sum(mean) / count;
        for (int64_t i = threadIdx.x; i < s.n; i += blockDim.x) {
            float d = x[i] - mean, g = dy[i] * s.gamma[i];

            sq += d * d;
            g1 += g;
            g2 += g * d;
        }
        inv = 1.0f / sqrtf(block_sum(sq) / count + s.eps);
        g1 = block_sum(g1) / count;
        g2 = block_sum(g2) * inv / count;
        for (int64_t i = threadIdx.x; i < s.n; i += blockDim.x) {
            float xhat = (x[i] - mean) * inv, g = dy[i];
            float old = s.accumulate ? dx[i] : 0;

            dgamma[i] += g * xhat;
            dbeta[i] += g;
            dx[i] = old + inv * (g * s.gamma[i] - g1 - xhat * g2);
        }
    }
}

enum { FOLD_ROWS = 16 };

/* Both sums of 32 columns a block, whose warps share the parts. */
__global__ void norm_fold(float *dgamma, float *dbeta, const float *part,
                          int64_t parts, int64_t n)
{
    SHARED2(float, sum, FOLD_ROWS, 32);
    int64_t col = (int64_t)blockIdx.x * 32 + threadIdx.x;
    float v = 0;

    for (int64_t k = threadIdx.y; k < parts && col < 2 * n; k += FOLD_ROWS)
        v += part[k * 2 * n + col];
    sum[threadIdx.y][threadIdx.x] = v;
    __syncthreads();
    if (threadIdx.y || col >= 2 * n)
        return;
    for (int i = 1; i < FOLD_ROWS; i++)
        v += sum[i][threadIdx.x];
    if (col < n)
        dgamma[col] += v;
    else
        dbeta[col - n] += v;
}

/* How often 4 columns a thread of a block cover a row, 0: norm_slopes_any. */
static int slopes_packs(const struct row_slopes *s)
{
    if (!pack_fits(s->dx, s->n) || !pack_fits(s->dy, s->n) ||
        !pack_fits(s->x, s->n) || !pack_fits(s->gamma, s->n))
        return 0;
    return s->n <= 4 * BLOCK ? 1 : s->n <= 8 * BLOCK ? 2 : 0;
}

int cuda_layer_norm_backward(struct backend *be, struct tensor *dx,
                             struct tensor *dgamma, struct tensor *dbeta,
                             const struct tensor *dy, const struct tensor *x,
                             const struct tensor *gamma, float eps,
                             int accumulate, struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t rows = tensor_rows(x), n = tensor_cols(x), blocks;
    struct row_slopes s = { dx->data, NULL, dy->data, x->data, gamma->data,
                            rows, n, eps, accumulate };
    int m = slopes_packs(&s);
    int64_t threads = m ? (n + 128 * m - 1) / (128 * m) * 32 : (int64_t)BLOCK;
    auto slopes = m == 1 ? norm_slopes<1> : m == 2 ? norm_slopes<2>
                                                   : norm_slopes_any;
    void *part;

    assert(tensor_count(dx) == rows * n && tensor_count(dy) == rows * n);
    assert(tensor_count(gamma) == n && tensor_count(dgamma) == n);
    assert(tensor_count(dbeta) == n);
    assert(!accumulate || dx->data != dy->data);
    if (!rows || !n)
        return 0;
    /* as many as the registers of all multiprocessors allow at once */
    blocks = c->sms * ((m == 2 ? 768 : 1024) / threads);
    blocks = blocks < rows ? blocks : rows;
    TRY(cuda_buf(c, CUDA_BUF_SUMS, (size_t)(blocks * 2 * n) * sizeof(float),
                 &part, err));
    s.part = (float *)part;
    TRY(LAUNCH(slopes, (unsigned)blocks, (unsigned)threads, 0, s));
    return LAUNCH(norm_fold, (unsigned)((2 * n + 31) / 32), dim3(32, FOLD_ROWS),
                  0, dgamma->data, dbeta->data, (const float *)part, blocks, n);
}
