/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/columns.cuh"

#include <math.h>
#include <stdlib.h>

#include "tensor/cuda/cut.cuh"
#include "tensor/cuda/image.cuh"

/* ---- mean and variance: of K rows that a thread has read, from them to its
 * own, to those of the block, to those of all; T. Chan, G. Golub, R. LeVeque,
 * "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
 * 1979, equation 2.1 ---- */

/* Of n rows: the means, and the sums of squared differences from them. */
template <int N> struct moments {
    float mean[N], sq[N], n;
};

template <int K, class V, int N>
__device__ __forceinline__ void add_rows(struct moments<N> &m, const V *x,
                                         int64_t stride)
{
    pack<V, N> v[K];
    float f = (float)K / (m.n + (float)K), w = m.n * f;

    UNROLL
    for (int k = 0; k < K; k++)
        v[k] = pack_at<N>(x + k * stride);
    UNROLL
    for (int j = 0; j < N; j++) {
        float mean = 0, sq = 0, d;

        UNROLL
        for (int k = 0; k < K; k++)
            mean += to_float(v[k].v[j]);
        mean *= 1.0f / (float)K;
        UNROLL
        for (int k = 0; k < K; k++) {
            d = to_float(v[k].v[j]) - mean;
            sq += d * d;
        }
        d = mean - m.mean[j];
        m.mean[j] += d * f;
        m.sq[j] += sq + d * d * w;
    }
    m.n += (float)K;
}

/* part (2, windows * c, parts): means and squares. */
template <class V, int N>
__global__ void __launch_bounds__(THREADS, FORWARD)
column_moments(float *part, const V *x, struct cut k)
{
    SHARED2(float, mean, N, THREADS / 2);
    SHARED2(float, sq, N, THREADS / 2);
    SHARED1(float, count, THREADS / 2);
    struct place p = place_of<N>(k);
    struct moments<N> m = {};
    int64_t i = 0;

    LOOP
    for (; i + 3 < p.n; i += 4)
        add_rows<4>(m, x + p.at + i * p.skip, p.skip);
    LOOP
    for (; i < p.n; i++)
        add_rows<1>(m, x + p.at + i * p.skip, p.skip);
    for (int half = k.ty / 2; half; half /= 2) {
        int y = (int)threadIdx.y, at = y % half * k.tx + (int)threadIdx.x;

        if (y >= half && y < 2 * half) {
            for (int j = 0; j < N; j++) {
                mean[j][at] = m.mean[j];
                sq[j][at] = m.sq[j];
            }
            count[at] = m.n;
        }
        __syncthreads();
        if (y < half && count[at] > 0) {
            float n = m.n + count[at], f = count[at] / n, w = m.n * f;

            for (int j = 0; j < N; j++) {
                float d = mean[j][at] - m.mean[j];

                m.mean[j] += d * f;
                m.sq[j] += sq[j][at] + d * d * w;
            }
            m.n = n;
        }
        __syncthreads();
    }
    if (threadIdx.y || p.col >= k.c)
        return;
    for (int j = 0; j < N; j++) {
        part[part_at(k, p, j)] = m.mean[j];
        part[k.windows * k.c * k.parts + part_at(k, p, j)] = m.sq[j];
    }
}

/* Block i: sum[i] and sum[gridDim.x + i] are the mean and the squared
 * differences of the columns `each` * i and following. */
__global__ void column_join(double *sum, const float *part, struct cut k,
                            int64_t each)
{
    const float *mean = part + blockIdx.x * each * k.parts;
    const float *sq = mean + k.windows * k.c * k.parts;
    double all = (double)(each * k.rows), m = 0, s = 0;

    for (int64_t j = 0; j < each; j++)
        for (int64_t i = threadIdx.x; i < k.parts; i += blockDim.x) {
            int64_t n = i + 1 < k.parts ? k.step : k.rows - i * k.step;

            m += (double)n * mean[j * k.parts + i];
        }
    m = block_sum(m) / all;
    for (int64_t j = 0; j < each; j++)
        for (int64_t i = threadIdx.x; i < k.parts; i += blockDim.x) {
            int64_t n = i + 1 < k.parts ? k.step : k.rows - i * k.step;
            double d = mean[j * k.parts + i] - m;

            s += sq[j * k.parts + i] + (double)n * d * d;
        }
    s = block_sum(s);
    if (threadIdx.x == 0) {
        sum[blockIdx.x] = m;
        sum[gridDim.x + blockIdx.x] = s;
    }
}

/* What is kept for the backward pass, the running statistics, and for each
 * column of each window its mean and factor, coef (2, windows * c). */
__global__ void column_statistics(struct columns_forward f, float *coef,
                                  const double *sum, double n,
                                  struct columns s)
{
    int64_t all = s.windows * s.c;

    FOR_EACH(i, all) {
        int64_t group = i / s.each;
        double mean = sum[group], sq = sum[all / s.each + group];
        float inv = (float)(1.0 / sqrt(sq / n + f.eps));
        double keep = 1.0 - f.momentum;

        coef[i] = (float)mean;
        coef[all + i] = inv * f.gamma[i % s.c];
        if (i % s.each)
            continue;
        f.mean[group] = (float)mean;
        f.inv_std[group] = inv;
        if (f.running_mean)
            f.running_mean[i] = (float)(keep * f.running_mean[i] +
                                        f.momentum * mean);
        if (f.running_var)
            f.running_var[i] = (float)(keep * f.running_var[i] +
                                       f.momentum * sq / (n > 1 ? n - 1 : 1));
    }
}

/* The same of statistics that are there. */
__global__ void column_known(struct columns_forward f, float *coef, int64_t n)
{
    FOR_EACH(i, n) {
        coef[i] = f.mean[i];
        coef[n + i] = f.inv_std[i] * f.gamma[i];
    }
}

/* ---- y = (x - mean) * factor + beta ---- */

template <int K, class V, int N>
__device__ __forceinline__ void apply_rows(V *y, const V *x, int64_t at,
                                           int64_t stride, const float *mean,
                                           const float *factor,
                                           const float *shift, float least)
{
    pack<V, N> v[K];

    UNROLL
    for (int k = 0; k < K; k++)
        v[k] = pack_at<N>(x + at + k * stride);
    UNROLL
    for (int k = 0; k < K; k++) {
        UNROLL
        for (int j = 0; j < N; j++) {
            float d = to_float(v[k].v[j]) - mean[j];
            float w = d * factor[j] + shift[j];

            v[k].v[j] = from_float<V>(w < least ? least : w); /* NaN stays */
        }
        pack_put(y + at + k * stride, v[k]);
    }
}

template <class V, int N>
__global__ void __launch_bounds__(THREADS, FORWARD)
column_apply(V *y, const V *x, const float *coef, const float *beta,
             struct cut k, float least)
{
    struct place p = place_of<N>(k);
    float mean[N], factor[N], shift[N];
    int64_t i = 0;

    if (p.col >= k.c)
        return;
    for (int j = 0; j < N; j++) {
        mean[j] = coef[p.lane + j];
        factor[j] = coef[k.windows * k.c + p.lane + j];
        shift[j] = beta[p.col + j];
    }
    LOOP
    for (; i + 3 < p.n; i += 4)
        apply_rows<4, V, N>(y, x, p.at + i * p.skip, p.skip, mean, factor,
                            shift, least);
    LOOP
    for (; i < p.n; i++)
        apply_rows<1, V, N>(y, x, p.at + i * p.skip, p.skip, mean, factor,
                            shift, least);
}

/* ---- the rows of all processes ---- */

/* n rows and the moments in dev (2, count) become those of all: the squared
 * differences from the mean of all are those from the own one, and n times the
 * square of what lies between the two. */
static int moments_across(struct cuda *c, double *dev, int64_t count, double *n,
                          struct err *err)
{
    struct backend *be = &c->base;
    size_t size = (size_t)count * 2 * sizeof(double);
    double own = *n, *mean = (double *)malloc(size * 2), *sq, *sum;
    int rc;

    if (!mean)
        return err_set(err, ERR_NOMEM, "no memory for %zu bytes of sums", size);
    sq = mean + count;
    sum = sq + count;
    rc = cuda_download(c, mean, dev, size, err);
    for (int64_t i = 0; i < count && !rc; i++)
        sum[i] = own * mean[i];
    sum[count] = own;
    rc = rc ? rc : be->across(be->across_ctx, sum, count + 1, err);
    *n = sum[count];
    for (int64_t i = 0; i < count && !rc; i++) {
        double all = sum[i] / *n, d = mean[i] - all;

        sq[i] += own * d * d;
        mean[i] = all;
    }
    rc = rc ? rc : be->across(be->across_ctx, sq, count, err);
    rc = rc ? rc : cuda_upload(c, dev, mean, size, err);
    free(mean);
    return rc;
}

template <class V, int N>
static int apply_of(struct cuda *c, const struct columns_forward *f,
                    const struct cut *k, const float *coef, struct err *err)
{
    dim3 block((unsigned)k->tx, (unsigned)k->ty);
    auto apply = column_apply<V, N>;

    return LAUNCH(apply, blocks_of(k), block, 0, (V *)f->y, (const V *)f->x,
                  coef, f->beta, *k, f->relu ? 0.0f : -INFINITY);
}

template <class V, int N>
static int forward_of(struct cuda *c, const struct columns *s,
                      const struct columns_forward *f, struct err *err)
{
    struct cut k = cut_of(c, s, N, FORWARD);
    int64_t all = s->windows * s->c;
    double n = (double)(s->rows * s->each);
    dim3 block((unsigned)k.tx, (unsigned)k.ty);
    auto moments = column_moments<V, N>;
    struct work w;

    TRY(work_of(c, &k, &w, err));
    TRY(LAUNCH(moments, blocks_of(&k), block, 0, w.part, (const V *)f->x, k));
    TRY(LAUNCH(column_join, (unsigned)(all / s->each), fold_threads(k.parts),
               0, w.sum, (const float *)w.part, k, s->each));
    if (s->across && c->base.across)
        TRY(moments_across(c, w.sum, all, &n, err));
    TRY(LAUNCH(column_statistics, cuda_grid(c, all), BLOCK, 0, *f, w.coef,
               (const double *)w.sum, n, *s));
    return apply_of<V, N>(c, f, &k, w.coef, err);
}

template <class V, int N>
static int known_of(struct cuda *c, const struct columns *s,
                    const struct columns_forward *f, struct err *err)
{
    struct cut k = cut_of(c, s, N, FORWARD);
    struct work w;

    TRY(work_of(c, &k, &w, err));
    TRY(LAUNCH(column_known, cuda_grid(c, s->c), BLOCK, 0, *f, w.coef, s->c));
    return apply_of<V, N>(c, f, &k, w.coef, err);
}

template <class V>
static int forward_by(struct cuda *c, const struct columns *s,
                      const struct columns_forward *f, int known,
                      struct err *err)
{
    enum { WIDE = 16 / (int)sizeof(V) };

    if (pack_fits((const V *)f->x, s->c) && pack_fits((V *)f->y, s->c))
        return known ? known_of<V, WIDE>(c, s, f, err)
                     : forward_of<V, WIDE>(c, s, f, err);
    return known ? known_of<V, 1>(c, s, f, err)
                 : forward_of<V, 1>(c, s, f, err);
}

int cuda_columns(struct cuda *c, const struct columns *s,
                 const struct columns_forward *f, struct err *err)
{
    if (!s->windows || !s->rows || !s->c)
        return 0;
    CUDA_IMAGE_CALL(c, *s, forward_by<V>(c, s, f, 0, err));
}

int cuda_columns_apply(struct cuda *c, const struct columns *s,
                       const struct columns_forward *f, struct err *err)
{
    assert(s->windows == 1 && s->each == 1);
    if (!s->rows || !s->c)
        return 0;
    CUDA_IMAGE_CALL(c, *s, forward_by<V>(c, s, f, 1, err));
}
