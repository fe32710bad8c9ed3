/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

/* 64 channels of one frame: the sums stay in registers over the taps, which
 * they do not if they are an array. */
enum { LANE = 64 };
typedef float vec __attribute__((vector_size(64), aligned(4), may_alias));

CPU_CLONES
static void depthwise_lane(float *y, const float *x, const float *w,
                           const float *bias, int64_t stride, int64_t w_stride,
                           int64_t taps, enum act act)
{
    const vec *b = (const vec *)bias;
    vec s0 = b[0], s1 = b[1], s2 = b[2], s3 = b[3], *out = (vec *)y;

    for (int64_t k = 0; k < taps; k++) {
        const vec *p = (const vec *)(w + k * w_stride);
        const vec *q = (const vec *)(x + k * stride);

        s0 += p[0] * q[0];
        s1 += p[1] * q[1];
        s2 += p[2] * q[2];
        s3 += p[3] * q[3];
    }
    out[0] = s0;
    out[1] = s1;
    out[2] = s2;
    out[3] = s3;
    if (act == ACT_SWISH) {
        #pragma omp simd
        for (int i = 0; i < LANE; i++)
            y[i] = y[i] / (1.0f + cpu_exp(-y[i]));
    }
}

/* What is left when the channels are no multiple of 64. */
static void depthwise_one(float *y, const float *x, const float *w, float bias,
                          int64_t stride, int64_t w_stride, int64_t taps,
                          enum act act)
{
    float sum = bias;

    for (int64_t k = 0; k < taps; k++)
        sum += w[k * w_stride] * x[k * stride];
    *y = act == ACT_SWISH ? sum / (1.0f + cpu_exp(-sum)) : sum;
}

/* One frame of all channels. */
static void depthwise_row(float *y, const float *x, const float *w,
                          const float *bias, int64_t c, int64_t w_stride,
                          int64_t taps, enum act act)
{
    static const float none[LANE];
    int64_t i = 0;

    for (; i + LANE <= c; i += LANE)
        depthwise_lane(y + i, x + i, w + i, bias ? bias + i : none, c, w_stride,
                       taps, act);
    for (; i < c; i++)
        depthwise_one(y + i, x + i, w + i, bias ? bias[i] : 0, c, w_stride,
                      taps, act);
}

int cpu_depthwise(struct backend *be, struct tensor *y, const struct tensor *x,
                  const struct tensor *w, const struct tensor *bias,
                  enum act act, struct err *err)
{
    int64_t batch = x->dim[0], time = x->dim[1], c = x->dim[2];
    int64_t half = w->dim[0] / 2;

    (void)be;
    (void)err;
    assert(x->ndim == 3 && tensor_count(y) == tensor_count(x));
    assert(y->data != x->data && w->dim[1] == c && w->dim[0] % 2 == 1);
    assert(tensor_count(bias) == c);
    assert(act == ACT_NONE || act == ACT_SWISH);
    #pragma omp parallel for
    for (int64_t r = 0; r < batch * time; r++) {
        int64_t t = r % time, lo = t < half ? half - t : 0;
        int64_t hi = time - t < half + 1 ? half + time - t : w->dim[0];

        depthwise_row(y->data + r * c, x->data + (r + lo - half) * c,
                      w->data + lo * c, bias->data, c, c, hi - lo, act);
    }
    return 0;
}

/* ---- backward ---- */

/* dx is the same convolution of dy with the taps in reverse. */
static void depthwise_dx(float *dx, const float *dy, const float *w,
                         int64_t batch, int64_t time, int64_t c, int64_t taps)
{
    int64_t half = taps / 2;

    #pragma omp parallel for
    for (int64_t r = 0; r < batch * time; r++) {
        int64_t t = r % time, lo = t < half ? half - t : 0;
        int64_t hi = time - t < half + 1 ? half + time - t : taps;

        depthwise_row(dx + r * c, dy + (r + lo - half) * c,
                      w + (taps - 1 - lo) * c, NULL, c, -c, hi - lo, ACT_NONE);
    }
}

/* sum (n) += the products of n channels of dy and x over some frames. */
CPU_CLONES
static void dw_lane(float *sum, const float *dy, const float *x, int64_t frames,
                    int64_t stride)
{
    vec s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, *out = (vec *)sum;

    for (int64_t t = 0; t < frames; t++) {
        const vec *p = (const vec *)(dy + t * stride);
        const vec *q = (const vec *)(x + t * stride);

        s0 += p[0] * q[0];
        s1 += p[1] * q[1];
        s2 += p[2] * q[2];
        s3 += p[3] * q[3];
    }
    out[0] += s0;
    out[1] += s1;
    out[2] += s2;
    out[3] += s3;
}

/* dw (taps, C) += what the frames from .. to - 1 of one window give. */
static void dw_frames(float *dw, const float *dy, const float *x, int64_t from,
                      int64_t to, int64_t time, int64_t c, int64_t taps)
{
    for (int64_t k = 0; k < taps; k++) {
        int64_t shift = k - taps / 2, i = 0;
        int64_t lo = from + shift < 0 ? -shift : from;
        int64_t hi = to + shift > time ? time - shift : to;
        const float *a = dy + lo * c, *b = x + (lo + shift) * c;

        if (hi <= lo)
            continue;
        for (; i + LANE <= c; i += LANE)
            dw_lane(dw + k * c + i, a + i, b + i, hi - lo, c);
        for (; i < c; i++)
            for (int64_t t = 0; t < hi - lo; t++)
                dw[k * c + i] += a[t * c + i] * b[t * c + i];
    }
}

int cpu_depthwise_backward(struct backend *be, struct tensor *dx,
                           struct tensor *dw, const struct tensor *dy,
                           const struct tensor *x, const struct tensor *w,
                           struct err *err)
{
    int64_t batch = x->dim[0], time = x->dim[1], c = x->dim[2];
    int64_t taps = w->dim[0], n = taps * c;
    enum { FRAMES = 32 }; /* few enough for the first cache */
    float *part;

    assert(x->ndim == 3 && tensor_count(dx) == tensor_count(x));
    assert(tensor_count(dy) == tensor_count(x) && dx->data != dy->data);
    assert(w->dim[1] == c && taps % 2 == 1 && tensor_count(dw) == n);
    TRY(cpu_parts(be, &part, n, err));
    depthwise_dx(dx->data, dy->data, w->data, batch, time, c, taps);
    #pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < CPU_CHUNKS; i++) {
        int64_t r = cpu_chunk(batch * time, i), to;
        int64_t end = cpu_chunk(batch * time, i + 1);

        memset(part + i * n, 0, (size_t)n * sizeof(*part));
        for (; r < end; r = to) {
            int64_t window = r / time * time;

            to = r + FRAMES < end ? r + FRAMES : end;
            to = to < window + time ? to : window + time;
            dw_frames(part + i * n, dy->data + window * c,
                      x->data + window * c, r - window, to - window, time, c,
                      taps);
        }
    }
    cpu_fold(dw->data, part, n, n);
    return 0;
}
