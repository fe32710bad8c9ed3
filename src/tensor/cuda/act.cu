/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "tensor/cuda/pack.cuh"

/* ---- activations ---- */

/* N values a thread: as many as lie in one load, or one. */
template <int N>
__global__ void act_forward(float *y, const float *x, int64_t packs, int act)
{
    FOR_EACH(i, packs) {
        pack<float, N> v = pack_at<N>(x + i * N);

        UNROLL for (int j = 0; j < N; j++)
            v.v[j] = act_value(v.v[j], act);
        pack_put(y + i * N, v);
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

int cuda_act(struct backend *be, struct tensor *y, const struct tensor *x,
             enum act act, struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t n = tensor_count(x);

    assert(tensor_count(y) == n);
    if (pack_fits(x->data, n) && pack_fits(y->data, n))
        return LAUNCH(act_forward<4>, cuda_grid(c, n / 4), BLOCK, 0, y->data,
                      x->data, n / 4, (int)act);
    return LAUNCH(act_forward<1>, cuda_grid(c, n), BLOCK, 0, y->data, x->data,
                  n, (int)act);
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

__global__ void glu_forward(float *y, const float *x, int64_t all, int64_t n)
{
    FOR_EACH(i, all) {
        const float *a = x + i / n * 2 * n + i % n;

        y[i] = a[0] * sigmoid(a[n]);
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

int cuda_glu(struct backend *be, struct tensor *y, const struct tensor *x,
             struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t all = tensor_count(y), n = tensor_cols(y);

    assert(tensor_cols(x) == 2 * n && tensor_rows(x) == tensor_rows(y));
    return LAUNCH(glu_forward, cuda_grid(c, all), BLOCK, 0, y->data, x->data,
                  all, n);
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

/* sign -1: by the opposite angles. One thread turns one pair. */
__global__ void rotary_turn(float *y, const float *x, const float *table,
                            int64_t pairs, int64_t time, int heads, int64_t d,
                            float sign, int accumulate)
{
    FOR_EACH(i, pairs) {
        int64_t half = d / 2, k = i % half, row = i / half;
        int64_t t = row / heads % time, at = row * d + k;
        float cosine = table[t * d + k], sine = sign * table[t * d + half + k];
        float a = x[at], b = x[at + half];
        float up = accumulate ? y[at] : 0, down = accumulate ? y[at + half] : 0;

        y[at] = up + a * cosine - b * sine;
        y[at + half] = down + b * cosine + a * sine;
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

static int turn(struct backend *be, struct tensor *y, const struct tensor *x,
                int heads, float base, float sign, int accumulate,
                struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t time = x->dim[1], d = x->dim[2] / heads;
    int64_t pairs = tensor_count(x) / 2;

    assert(x->ndim == 3 && x->dim[2] % heads == 0 && d % 2 == 0);
    assert(tensor_count(y) == tensor_count(x));
    if (!pairs)
        return 0;
    TRY(rotary_table(c, time, d, base, err));
    return LAUNCH(rotary_turn, cuda_grid(c, pairs), BLOCK, 0, y->data, x->data,
                  (const float *)c->rotary.data, pairs, time, heads, d, sign,
                  accumulate);
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
