/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "tensor/cuda/pack.cuh"

/* ---- activations ---- */

/* N values a thread: as many as lie in one load, or one. */
template <class V, class U, int N>
__global__ void act_forward(V *y, const U *x, int64_t packs, int act)
{
    FOR_EACH(i, packs) {
        float v[N];

        values_at<N>(v, x + i * N);
        UNROLL for (int j = 0; j < N; j++)
            v[j] = act_value_for<V>(v[j], act);
        values_put<N>(y + i * N, v);
    }
}

template <int N>
__global__ void act_slopes(float *dx, const float *dy, const float *x,
                           int64_t packs, int act)
{
    FOR_EACH(i, packs) {
        pack<float, N> v = pack_at<N>(x + i * N), d = pack_at<N>(dy + i * N);

        UNROLL for (int j = 0; j < N; j++)
            d.v[j] *= act_slope(v.v[j], act);
        pack_put(dx + i * N, d);
    }
}

template <class V, class U, int N>
static int act_run(struct cuda *c, const struct tensor *y,
                   const struct tensor *x, enum act act, struct err *err)
{
    int64_t packs = tensor_count(x) / N;
    auto kernel = act_forward<V, U, N>;

    return LAUNCH(kernel, cuda_grid(c, packs), BLOCK, 0, (V *)y->data,
                  (const U *)x->data, packs, (int)act);
}

template <class V>
static int act_of(struct cuda *c, const struct tensor *y,
                  const struct tensor *x, enum act act, struct err *err)
{
    int64_t n = tensor_count(x);

    if (!y->narrow && pack_fits(x->data, n) && pack_fits(y->data, n))
        return act_run<float, float, 4>(c, y, x, act, err);
    if (x->narrow)
        return pack_fits_8(n, x, y) ? act_run<V, V, 8>(c, y, x, act, err)
                                    : act_run<V, V, 1>(c, y, x, act, err);
    return pack_fits_8(n, x, y) ? act_run<V, float, 8>(c, y, x, act, err)
                                : act_run<V, float, 1>(c, y, x, act, err);
}

int cuda_act(struct backend *be, struct tensor *y, const struct tensor *x,
             enum act act, struct err *err)
{
    struct cuda *c = cuda_of(be);

    assert(tensor_count(y) == tensor_count(x));
    assert(y->narrow || !x->narrow);
    CUDA_VALUES_CALL(c, y, act_of<V>(c, y, x, act, err));
}

int cuda_act_backward(struct backend *be, struct tensor *dx,
                      const struct tensor *dy, const struct tensor *x,
                      enum act act, struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t n = tensor_count(x);

    assert(tensor_count(dx) == n && tensor_count(dy) == n);
    if (pack_fits(x->data, n) && pack_fits(dy->data, n) &&
        pack_fits(dx->data, n))
        return LAUNCH(act_slopes<4>, cuda_grid(c, n / 4), BLOCK, 0, dx->data,
                      dy->data, x->data, n / 4, (int)act);
    return LAUNCH(act_slopes<1>, cuda_grid(c, n), BLOCK, 0, dx->data, dy->data,
                  x->data, n, (int)act);
}

/* ---- gated linear unit: rows of a and b, n values each ---- */

/* N values a thread, N a divisor of n. */
template <class V, int N>
__global__ void glu_forward(V *y, const V *x, int64_t packs, int64_t across)
{
    FOR_EACH(i, packs) {
        const V *p = x + (i / across * 2 * across + i % across) * N;
        float a[N], b[N];

        values_at<N>(a, p);
        values_at<N>(b, p + across * N);
        UNROLL for (int j = 0; j < N; j++)
            a[j] *= sigmoid_for<V>(b[j]);
        values_put<N>(y + i * N, a);
    }
}

__global__ void glu_slopes(float *dx, const float *dy, const float *x,
                           int64_t all, int64_t n)
{
    FOR_EACH(i, all) {
        int64_t at = i / n * 2 * n + i % n;
        float s = sigmoid(x[at + n]), g = dy[i] * s, a = x[at];

        dx[at] = g;
        dx[at + n] = g * a * (1.0f - s);
    }
}

template <class V, int N>
static int glu_run(struct cuda *c, const struct tensor *y,
                   const struct tensor *x, struct err *err)
{
    int64_t packs = tensor_count(y) / N;
    auto kernel = glu_forward<V, N>;

    return LAUNCH(kernel, cuda_grid(c, packs), BLOCK, 0, (V *)y->data,
                  (const V *)x->data, packs, tensor_cols(y) / N);
}

template <class V>
static int glu_of(struct cuda *c, const struct tensor *y,
                  const struct tensor *x, struct err *err)
{
    return pack_fits_8(tensor_cols(y), y, x) ? glu_run<V, 8>(c, y, x, err)
                                             : glu_run<V, 1>(c, y, x, err);
}

int cuda_glu(struct backend *be, struct tensor *y, const struct tensor *x,
             struct err *err)
{
    struct cuda *c = cuda_of(be);

    assert(tensor_cols(x) == 2 * tensor_cols(y));
    assert(tensor_rows(x) == tensor_rows(y) && x->narrow == y->narrow);
    if (!tensor_count(y))
        return 0;
    CUDA_VALUES_CALL(c, y, glu_of<V>(c, y, x, err));
}

int cuda_glu_backward(struct backend *be, struct tensor *dx,
                      const struct tensor *dy, const struct tensor *x,
                      struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t all = tensor_count(dy), n = tensor_cols(dy);

    assert(tensor_cols(x) == 2 * n && tensor_rows(x) == tensor_rows(dy));
    assert(tensor_count(dx) == tensor_count(x));
    return LAUNCH(glu_slopes, cuda_grid(c, all), BLOCK, 0, dx->data, dy->data,
                  x->data, all, n);
}

/* ---- rotary position ---- */

/* Angles in double: at t = 15,000 a float angle has lost the fourth digit. */
__global__ void rotary_angles(float *table, int64_t time, int64_t d, float base)
{
    FOR_EACH(i, time * (d / 2)) {
        int64_t t = i / (d / 2), k = i % (d / 2);
        double a = (double)t * pow((double)base, -2.0 * (double)k / (double)d);

        table[t * d + k] = (float)cos(a);
        table[t * d + d / 2 + k] = (float)sin(a);
    }
}

/* sign -1: by the opposite angles. One thread turns N pairs, N a divisor of
 * d / 2. */
template <class V, int N>
__global__ void rotary_turn(V *y, const V *x, const float *table, int64_t packs,
                            int64_t time, int heads, int64_t d, float sign,
                            int accumulate)
{
    FOR_EACH(i, packs) {
        int64_t half = d / 2, k = i % (half / N) * N, row = i / (half / N);
        int64_t t = row / heads % time, at = row * d + k;
        float cosine[N], sine[N], a[N], b[N], up[N] = {}, down[N] = {};

        values_at<N>(cosine, table + t * d + k);
        values_at<N>(sine, table + t * d + half + k);
        values_at<N>(a, x + at);
        values_at<N>(b, x + at + half);
        if (accumulate) {
            values_at<N>(up, y + at);
            values_at<N>(down, y + at + half);
        }
        UNROLL for (int j = 0; j < N; j++) {
            float s = sign * sine[j];

            up[j] = up[j] + a[j] * cosine[j] - b[j] * s;
            down[j] = down[j] + b[j] * cosine[j] + a[j] * s;
        }
        values_put<N>(y + at, up);
        values_put<N>(y + at + half, down);
    }
}

/* Kept for the next layer and window. */
static int rotary_table(struct cuda *c, int64_t time, int64_t d, float base,
                        struct err *err)
{
    size_t size = (size_t)(time * d) * sizeof(float);

    if (c->rotary.data && c->rotary_time >= time && c->rotary_d == d &&
        c->rotary_base == base)
        return 0;
    if (c->rotary.size < size) {
        if (c->rotary.data)
            cudaFreeAsync(c->rotary.data, c->stream);
        c->rotary.data = NULL;
        c->rotary.size = 0;
        TRY(cuda_check(cudaMallocAsync(&c->rotary.data, size, c->stream),
                       "rotary angles", err));
        c->rotary.size = size;
    }
    c->rotary_time = time;
    c->rotary_d = d;
    c->rotary_base = base;
    return LAUNCH(rotary_angles, cuda_grid(c, time * (d / 2)), BLOCK, 0,
                  (float *)c->rotary.data, time, d, base);
}

/* One call. */
struct turning {
    int64_t pairs, time, d;
    int heads, accumulate;
    float sign;
};

template <class V, int N>
static int turn_run(struct cuda *c, const struct tensor *y,
                    const struct tensor *x, struct turning t, struct err *err)
{
    auto kernel = rotary_turn<V, N>;

    return LAUNCH(kernel, cuda_grid(c, t.pairs / N), BLOCK, 0, (V *)y->data,
                  (const V *)x->data, (const float *)c->rotary.data,
                  t.pairs / N, t.time, t.heads, t.d, t.sign, t.accumulate);
}

template <class V>
static int turn_of(struct cuda *c, const struct tensor *y,
                   const struct tensor *x, struct turning t, struct err *err)
{
    if (x->narrow && pack_fits_8(t.d / 2, y, x))
        return turn_run<V, 8>(c, y, x, t, err);
    if (!x->narrow && pack_fits(x->data, t.d / 2) && pack_fits(y->data, 4))
        return turn_run<V, 4>(c, y, x, t, err);
    return turn_run<V, 1>(c, y, x, t, err);
}

static int turn(struct backend *be, struct tensor *y, const struct tensor *x,
                int heads, float base, float sign, int accumulate,
                struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct turning t = { tensor_count(x) / 2, x->dim[1], x->dim[2] / heads,
                         heads, accumulate, sign };

    assert(x->ndim == 3 && x->dim[2] % heads == 0 && t.d % 2 == 0);
    assert(tensor_count(y) == tensor_count(x) && y->narrow == x->narrow);
    if (!t.pairs)
        return 0;
    TRY(rotary_table(c, t.time, t.d, base, err));
    CUDA_VALUES_CALL(c, x, turn_of<V>(c, y, x, t, err));
}

int cuda_rotary(struct backend *be, struct tensor *y, const struct tensor *x,
                int heads, float base, struct err *err)
{
    return turn(be, y, x, heads, base, 1, 0, err);
}

int cuda_rotary_backward(struct backend *be, struct tensor *dx,
                         const struct tensor *dy, int heads, float base,
                         int accumulate, struct err *err)
{
    return turn(be, dx, dy, heads, base, -1, accumulate, err);
}
