/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/columns.cuh"

#include <stdlib.h>

#include "tensor/cuda/cut.cuh"
#include "tensor/cuda/image.cuh"

/* ---- the sums of dy and of dy * xhat ---- */

template <class V> struct operands {
    V *dx;
    const V *dy, *y, *x;
};

/* The gradients of K rows behind the activation, and x less its mean. */
template <int K, int N> struct slopes {
    float dy[K][N], x[K][N];
};

template <bool RELU, int K, class V, int N>
__device__ __forceinline__ void slopes_at(struct slopes<K, N> &s,
                                          const struct operands<V> &from,
                                          const float *mean, int64_t at,
                                          int64_t stride)
{
    pack<V, N> d[K], o[K], v[K];

    UNROLL
    for (int k = 0; k < K; k++) {
        d[k] = pack_at<N>(from.dy + at + k * stride);
        v[k] = pack_at<N>(from.x + at + k * stride);
        if (RELU)
            o[k] = pack_at<N>(from.y + at + k * stride);
    }
    UNROLL
    for (int k = 0; k < K; k++)
        UNROLL
        for (int j = 0; j < N; j++) {
            s.dy[k][j] = to_float(d[k].v[j]);
            s.x[k][j] = to_float(v[k].v[j]) - mean[j];
            if (RELU && !(to_float(o[k].v[j]) > 0))
                s.dy[k][j] = 0;
        }
}

/* Sums of K rows, added to the thread's. */
template <int K, int N>
__device__ __forceinline__ void add_slopes(float *sum, float *dot,
                                           const struct slopes<K, N> &s)
{
    UNROLL
    for (int j = 0; j < N; j++) {
        float a = 0, b = 0;

        UNROLL
        for (int k = 0; k < K; k++) {
            a += s.dy[k][j];
            b += s.dy[k][j] * s.x[k][j];
        }
        sum[j] += a;
        dot[j] += b;
    }
}

/* part (2, windows * c, parts): sums of dy, and of dy * xhat. */
template <class V, int N, bool RELU>
__global__ void __launch_bounds__(THREADS, BACKWARD)
column_slopes(float *part, struct operands<V> o, const float *mean,
              const float *inv_std, struct cut k, int64_t each)
{
    SHARED2(float, other, 2 * N, THREADS / 2);
    struct place p = place_of<N>(k);
    float mid[N], sum[N] = {}, dot[N] = {};
    int64_t i = 0;

    for (int j = 0; j < N; j++)
        mid[j] = p.col < k.c ? mean[(p.lane + j) / each] : 0;
    LOOP
    for (; i + 1 < p.n; i += 2) {
        struct slopes<2, N> s;

        slopes_at<RELU>(s, o, mid, p.at + i * p.skip, p.skip);
        add_slopes(sum, dot, s);
    }
    if (i < p.n) {
        struct slopes<1, N> s;

        slopes_at<RELU>(s, o, mid, p.at + i * p.skip, p.skip);
        add_slopes(sum, dot, s);
    }
    for (int half = k.ty / 2; half; half /= 2) {
        int y = (int)threadIdx.y, to = y % half * k.tx + (int)threadIdx.x;

        for (int j = 0; j < N && y >= half && y < 2 * half; j++) {
            other[j][to] = sum[j];
            other[N + j][to] = dot[j];
        }
        __syncthreads();
        for (int j = 0; j < N && y < half; j++) {
            sum[j] += other[j][to];
            dot[j] += other[N + j][to];
        }
        __syncthreads();
    }
    if (threadIdx.y || p.col >= k.c)
        return;
    for (int j = 0; j < N; j++) {
        part[part_at(k, p, j)] = sum[j];
        part[k.windows * k.c * k.parts + part_at(k, p, j)] =
            dot[j] * inv_std[(p.lane + j) / each];
    }
}

/* Block i: sum[i] of the parts of column i, for both sums of all columns. */
__global__ void column_total(double *sum, const float *part, int64_t parts)
{
    const float *p = part + blockIdx.x * parts;
    double s = 0;

    for (int64_t i = threadIdx.x; i < parts; i += blockDim.x)
        s += p[i];
    s = block_sum(s);
    if (threadIdx.x == 0)
        sum[blockIdx.x] = s;
}

__global__ void column_gradients(float *dgamma, float *dbeta,
                                 const double *sum, int64_t windows, int64_t c)
{
    FOR_EACH(i, c) {
        double beta = 0, gamma = 0;

        for (int64_t b = 0; b < windows; b++) {
            beta += sum[b * c + i];
            gamma += sum[(windows + b) * c + i];
        }
        dbeta[i] += (float)beta;
        dgamma[i] += (float)gamma;
    }
}

/* For each column of each window what column_dx wants, coef (4, windows * c):
 * mean, factor of dy, mean of dy and factor of x. Threads of one group add up
 * the same sums: the groups that are in use have one column. */
__global__ void column_dx_coef(struct columns_backward o, float *coef,
                               const double *sum, double n, struct columns s)
{
    int64_t all = s.windows * s.c;

    FOR_EACH(i, all) {
        int64_t group = i / s.each, first = group * s.each;
        double inv = o.inv_std[group], dy = 0, dot = 0;

        for (int64_t k = first; k < first + s.each; k++) {
            dy += o.gamma[k % s.c] * sum[k];
            dot += o.gamma[k % s.c] * sum[all + k];
        }
        coef[i] = o.mean[group];
        coef[all + i] = o.gamma[i % s.c] * o.inv_std[group];
        coef[2 * all + i] = (float)(inv * dy / n);
        coef[3 * all + i] = (float)(inv * inv * dot / n);
    }
}

/* ---- dx = inv_std * (gamma * dy - mean of gamma dy - xhat * mean of gamma dy
 * xhat) ---- */

template <int N> struct dx_coef {
    float mean[N], dy[N], shift[N], x[N];
};

template <bool RELU, int K, class V, int N>
__device__ __forceinline__ void dx_rows(const struct operands<V> &o,
                                        const struct dx_coef<N> &f, int64_t at,
                                        int64_t stride)
{
    struct slopes<K, N> s;

    slopes_at<RELU>(s, o, f.mean, at, stride);
    UNROLL
    for (int k = 0; k < K; k++) {
        pack<V, N> v;

        UNROLL
        for (int j = 0; j < N; j++)
            v.v[j] = from_float<V>(f.dy[j] * s.dy[k][j] - f.shift[j] -
                                   s.x[k][j] * f.x[j]);
        pack_put(o.dx + at + k * stride, v);
    }
}

template <class V, int N, bool RELU>
__global__ void __launch_bounds__(THREADS, BACKWARD)
column_dx(struct operands<V> o, const float *coef, struct cut k)
{
    struct place p = place_of<N>(k);
    int64_t all = k.windows * k.c, i = 0;
    struct dx_coef<N> f;

    if (p.col >= k.c)
        return;
    for (int j = 0; j < N; j++) {
        const float *a = coef + p.lane + j;

        f.mean[j] = a[0];
        f.dy[j] = a[all];
        f.shift[j] = a[2 * all];
        f.x[j] = a[3 * all];
    }
    LOOP
    for (; i + 1 < p.n; i += 2)
        dx_rows<RELU, 2>(o, f, p.at + i * p.skip, p.skip);
    if (i < p.n)
        dx_rows<RELU, 1>(o, f, p.at + i * p.skip, p.skip);
}

/* ---- the rows of all processes ---- */

/* n rows and the sums in dev (2, count) become those of all. */
static int sums_across(struct cuda *c, double *dev, int64_t count, double *n,
                       int second_first, struct err *err)
{
    struct backend *be = &c->base;
    size_t size = (size_t)count * sizeof(double);
    double *sum = (double *)malloc(2 * size + sizeof(*sum));
    double *first = sum + (second_first ? count : 0);
    double *second = sum + (second_first ? 0 : count);
    int rc;

    if (!sum)
        return err_set(err, ERR_NOMEM, "no memory for %zu bytes of sums", size);
    rc = cuda_download(c, first, dev, size, err);
    rc = rc ? rc : cuda_download(c, second, dev + count, size, err);
    sum[2 * count] = *n;
    rc = rc ? rc : be->across(be->across_ctx, sum, 2 * count + 1, err);
    *n = sum[2 * count];
    rc = rc ? rc : cuda_upload(c, dev, first, size, err);
    rc = rc ? rc : cuda_upload(c, dev + count, second, size, err);
    free(sum);
    return rc;
}

template <class V, int N, bool RELU>
static int backward_of(struct cuda *c, const struct columns *s,
                       const struct columns_backward *b, struct err *err)
{
    struct cut k = cut_of(c, s, N, BACKWARD);
    int64_t all = s->windows * s->c;
    double n = (double)(s->rows * s->each);
    dim3 block((unsigned)k.tx, (unsigned)k.ty);
    struct operands<V> o = { (V *)b->dx, (const V *)b->dy, (const V *)b->y,
                             (const V *)b->x };
    auto slopes = column_slopes<V, N, RELU>;
    auto dx = column_dx<V, N, RELU>;
    struct work w;

    TRY(work_of(c, &k, &w, err));
    TRY(LAUNCH(slopes, blocks_of(&k), block, 0, w.part, o, b->mean, b->inv_std,
               k, s->each));
    TRY(LAUNCH(column_total, (unsigned)(2 * all), fold_threads(k.parts), 0,
               w.sum, (const float *)w.part, k.parts));
    TRY(LAUNCH(column_gradients, cuda_grid(c, s->c), BLOCK, 0, b->dgamma,
               b->dbeta, (const double *)w.sum, s->windows, s->c));
    if (s->across && c->base.across)
        TRY(sums_across(c, w.sum, all, &n, b->dots_first, err));
    TRY(LAUNCH(column_dx_coef, cuda_grid(c, all), BLOCK, 0, *b, w.coef,
               (const double *)w.sum, n, *s));
    return LAUNCH(dx, blocks_of(&k), block, 0, o, (const float *)w.coef, k);
}

template <class V, int N>
static int backward_relu(struct cuda *c, const struct columns *s,
                         const struct columns_backward *b, struct err *err)
{
    if (b->y)
        return backward_of<V, N, true>(c, s, b, err);
    return backward_of<V, N, false>(c, s, b, err);
}

template <class V>
static int backward_by(struct cuda *c, const struct columns *s,
                       const struct columns_backward *b, struct err *err)
{
    const V *all[] = { (V *)b->dx, (const V *)b->dy, (const V *)b->y,
                       (const V *)b->x };

    for (const V *p : all)
        if (!pack_fits(p, s->c))
            return backward_relu<V, 1>(c, s, b, err);
    return backward_relu<V, 16 / (int)sizeof(V)>(c, s, b, err);
}

int cuda_columns_backward(struct cuda *c, const struct columns *s,
                          const struct columns_backward *b, struct err *err)
{
    if (!s->windows || !s->rows || !s->c)
        return 0;
    CUDA_IMAGE_CALL(c, *s, backward_by<V>(c, s, b, err));
}
