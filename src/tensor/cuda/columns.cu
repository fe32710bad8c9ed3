/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/columns.cuh"

#include <math.h>
#include <stdlib.h>

#include "tensor/cuda/image.cuh"
#include "tensor/cuda/pack.cuh"

/* ---- which thread does what: in a block of (tx, ty) threads each has N
 * neighbouring columns, whose numbers it keeps in registers, and every ty-th
 * row of its part of the rows ---- */

/* FORWARD and BACKWARD blocks fit on a multiprocessor, by their registers. */
enum { THREADS = 256, FORWARD = 4, BACKWARD = 3 };

struct cut {
    int64_t windows, rows, c;
    int64_t tiles;       /* blocks that lie side by side */
    int64_t parts, step; /* parts of the rows; rows in each but the last */
    int tx, ty;
};

static struct cut cut_of(const struct cuda *c, const struct columns *s, int n,
                         int blocks)
{
    int64_t packs = (s->c + n - 1) / n, most;
    struct cut k = {};

    k.windows = s->windows;
    k.rows = s->rows;
    k.c = s->c;
    for (k.tx = 1; k.tx < 32 && k.tx < packs;)
        k.tx *= 2;
    k.ty = THREADS / k.tx;
    k.tiles = (packs + k.tx - 1) / k.tx;
    /* all blocks at once on the device, and some rows for each thread */
    k.parts = (int64_t)c->sms * blocks / (k.tiles * k.windows);
    most = k.rows / (8 * k.ty);
    k.parts = k.parts > most ? most : k.parts;
    k.parts = k.parts < 1 ? 1 : k.parts;
    k.step = (k.rows + k.parts - 1) / k.parts;
    k.parts = (k.rows + k.step - 1) / k.step;
    return k;
}

static unsigned blocks_of(const struct cut *k)
{
    return (unsigned)(k->windows * k->parts * k->tiles);
}

/* The thread's first column, in the matrix and in all windows'; where its first
 * row lies and how many there are, each `skip` values further: none beside the
 * matrix. */
struct place {
    int64_t col, lane, part, at, n, skip;
};

template <int N> __device__ __forceinline__ struct place place_of(struct cut k)
{
    int64_t b = blockIdx.x, window, from, to;
    struct place p;

    p.col = (b % k.tiles * k.tx + threadIdx.x) * N;
    b /= k.tiles;
    p.part = b % k.parts;
    window = b / k.parts;
    from = p.part * k.step + threadIdx.y;
    to = (p.part + 1) * k.step < k.rows ? (p.part + 1) * k.step : k.rows;
    p.lane = window * k.c + p.col;
    p.at = (window * k.rows + from) * k.c + p.col;
    p.n = from < to && p.col < k.c ? (to - from + k.ty - 1) / k.ty : 0;
    p.skip = k.ty * k.c;
    return p;
}

/* Where the parts of the thread's columns are: those of one column follow each
 * other. */
__device__ __forceinline__ int64_t part_at(struct cut k, struct place p, int j)
{
    return (p.lane + j) * k.parts + p.part;
}

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
                               const double *sum, double n, struct columns s)
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

/* ---- the sums of all processes ---- */

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

/* ---- forward ---- */

/* Work memory: by column of each window two doubles, some floats, and the two
 * numbers of each part. */
struct work {
    double *sum;
    float *coef, *part;
};

static int work_of(struct cuda *c, const struct cut *k, struct work *w,
                   struct err *err)
{
    int64_t all = k->windows * k->c, floats = 4 * all + 2 * all * k->parts;
    void *p;

    TRY(cuda_buf(c, CUDA_BUF_SUMS, (size_t)(2 * all) * sizeof(double) +
                 (size_t)floats * sizeof(float), &p, err));
    w->sum = (double *)p;
    w->coef = (float *)(w->sum + 2 * all);
    w->part = w->coef + 4 * all;
    return 0;
}

/* Threads that add up n parts. */
static unsigned fold_threads(int64_t n)
{
    return n > 256 ? 256 : n > 32 ? 128 : 32;
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
    auto apply = column_apply<V, N>;
    struct work w;

    TRY(work_of(c, &k, &w, err));
    TRY(LAUNCH(moments, blocks_of(&k), block, 0, w.part, (const V *)f->x, k));
    TRY(LAUNCH(column_join, (unsigned)(all / s->each), fold_threads(k.parts),
               0, w.sum, (const float *)w.part, k, s->each));
    if (s->across && c->base.across)
        TRY(moments_across(c, w.sum, all, &n, err));
    TRY(LAUNCH(column_statistics, cuda_grid(c, all), BLOCK, 0, *f, w.coef,
               (const double *)w.sum, n, *s));
    return LAUNCH(apply, blocks_of(&k), block, 0, (V *)f->y, (const V *)f->x,
                  (const float *)w.coef, f->beta, k,
                  f->relu ? 0.0f : -INFINITY);
}

template <class V>
static int forward_by(struct cuda *c, const struct columns *s,
                      const struct columns_forward *f, struct err *err)
{
    if (pack_fits((const V *)f->x, s->c) && pack_fits((V *)f->y, s->c))
        return forward_of<V, 16 / (int)sizeof(V)>(c, s, f, err);
    return forward_of<V, 1>(c, s, f, err);
}

int cuda_columns(struct cuda *c, const struct columns *s,
                 const struct columns_forward *f, struct err *err)
{
    if (!s->windows || !s->rows || !s->c)
        return 0;
    CUDA_IMAGE_CALL(c, *s, forward_by<V>(c, s, f, err));
}

/* ---- backward: the sums of dy and of dy * xhat ---- */

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

__global__ void column_gradients(float *dgamma, float *dbeta, const double *sum,
                              int64_t windows, int64_t c)
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
    TRY(LAUNCH(column_gradients, cuda_grid(c, s->c), BLOCK, 0, b->dgamma, b->dbeta,
               (const double *)w.sum, s->windows, s->c));
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
