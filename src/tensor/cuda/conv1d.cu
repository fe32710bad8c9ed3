/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/blas.cuh"
#include "tensor/cuda/common.cuh"
#include "tensor/cuda/conv1d.cuh"
#include "tensor/cuda/fold.cuh"

/* A window of K frames is contiguous, and the windows of neighbouring outputs
 * overlap. Those of every phases-th output do not, so each of these sets of
 * outputs is a plain matrix product on the memory of x, without a copy. */

static struct conv1d measure(const struct tensor *y, const struct tensor *x,
                             const struct tensor *w, int stride)
{
    struct conv1d g = {};

    assert(x->ndim == 3 && y->ndim == 3 && w->ndim == 3);
    g.batch = x->dim[0];
    g.time = x->dim[1];
    g.in = x->dim[2];
    g.out_time = y->dim[1];
    g.out = y->dim[2];
    g.taps = w->dim[1];
    g.stride = stride;
    assert(y->dim[0] == g.batch && w->dim[0] == g.out && w->dim[2] == g.in);
    assert(g.time >= g.taps);
    assert(g.out_time == (g.time - g.taps) / stride + 1);
    g.width = g.taps * g.in;
    g.phases = (g.taps + stride - 1) / stride;
    g.step = stride * g.in;
    return g;
}

/* ---- operands ---- */

/* Sound of one channel stays f32: 8 bits are too few for it, and its
 * convolution is a hundredth of the work. */
static int is_16(const struct cuda *c, const struct conv1d *g)
{
    return cuda_is_16(c) && g->in > 1;
}

/* *out: x's values as the products want them. */
static int operand(struct cuda *c, const struct conv1d *g, int which,
                   const struct tensor *x, const void **out, struct err *err)
{
    int64_t n = tensor_count(x);
    void *copy;

    *out = x->data;
    if (!is_16(c, g))
        return 0;
    TRY(cuda_buf(c, which, (size_t)n * sizeof(uint16_t), &copy, err));
    *out = copy;
    return cuda_narrow(c, copy, x->data, n, err);
}

/* Value i of an operand. */
static const void *at(struct cuda *c, const struct conv1d *g, const void *x,
                      int64_t i)
{
    return (const char *)x + i * (is_16(c, g) ? 2 : 4);
}

static struct gemm product(struct cuda *c, const struct conv1d *g)
{
    struct gemm p = {};

    p.operand = is_16(c, g) || !cuda_is_16(c) ? cuda_operand(c) : OPERAND_F32;
    p.alpha = 1;
    p.batch = g->batch;
    return p;
}

/* Outputs p, p + phases.. of a window. */
static int64_t rows_of(const struct conv1d *g, int64_t p)
{
    return (g->out_time - p + g->phases - 1) / g->phases;
}

/* ---- forward ---- */

int cuda_conv1d(struct backend *be, struct tensor *y, const struct tensor *x,
                const struct tensor *w, int stride, struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct conv1d g = measure(y, x, w, stride);
    struct gemm p = product(c, &g);
    const void *xa;

    if (!g.batch)
        return 0;
    if (g.in == 1)
        return conv1d_wave(c, y->data, x->data, w->data, &g, err);
    TRY(operand(c, &g, CUDA_BUF_X, x, &xa, err));
    TRY(operand(c, &g, CUDA_BUF_WORK, w, &p.b, err));
    p.n = g.out;
    p.k = g.width;
    p.b_trans = 1;
    p.lda = g.phases * g.step;
    p.ldb = g.width;
    p.ldd = g.phases * g.out;
    p.stride_a = g.time * g.in;
    p.stride_d = g.out_time * g.out;
    for (int64_t i = 0; i < g.phases && i < g.out_time; i++) {
        p.m = rows_of(&g, i);
        p.a = at(c, &g, xa, i * g.step);
        p.d = y->data + i * g.out;
        TRY(blas_gemm(c, &p, err));
    }
    return 0;
}

/* ---- dx: as many taps at a time as the stride has frames, so that rows of the
 * product do not overlap ---- */

__global__ void zero_from(float *dx, int64_t from, struct conv1d g)
{
    int64_t each = (g.time - from) * g.in;

    FOR_EACH(i, g.batch * each)
        dx[(i / each * g.time + from) * g.in + i % each] = 0;
}

/* Frames that the first product does not write. */
static int zero_rest(struct cuda *c, float *dx, const struct conv1d *g,
                     struct err *err)
{
    int64_t from = g->taps < g->stride ? 0 : g->out_time * g->stride;

    if (from >= g->time)
        return 0;
    return LAUNCH(zero_from, cuda_grid(c, g->batch * (g->time - from) * g->in),
                  BLOCK, 0, dx, from, *g);
}

int cuda_conv1d_dx(struct backend *be, struct tensor *dx,
                   const struct tensor *dy, const struct tensor *w, int stride,
                   struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct conv1d g = measure(dy, dx, w, stride);
    struct gemm p = product(c, &g);
    const void *wa;

    if (!g.batch)
        return 0;
    TRY(zero_rest(c, dx->data, &g, err));
    TRY(operand(c, &g, CUDA_BUF_Y, dy, &p.a, err));
    TRY(operand(c, &g, CUDA_BUF_WORK, w, &wa, err));
    p.m = g.out_time;
    p.k = g.out;
    p.lda = g.out;
    p.ldb = g.width;
    p.ldd = g.step;
    p.stride_a = g.out_time * g.out;
    p.stride_d = g.time * g.in;
    for (int64_t k = 0; k < g.taps; k += stride) {
        p.n = (g.taps - k < stride ? g.taps - k : stride) * g.in;
        p.b = at(c, &g, wa, k * g.in);
        p.d = dx->data + k * g.in;
        p.beta = k > 0;
        TRY(blas_gemm(c, &p, err));
    }
    return 0;
}

/* ---- dw: SLOTS windows at a time, each with sums of its own ---- */

/* p->d (n windows) += the products of windows first .. first + n - 1. */
static int add_windows(struct cuda *c, struct gemm *p, const struct conv1d *g,
                       const void *dy, const void *x, int64_t first, int64_t n,
                       struct err *err)
{
    p->batch = n;
    for (int64_t i = 0; i < g->phases && i < g->out_time; i++) {
        p->k = rows_of(g, i);
        p->a = at(c, g, dy, (first * g->out_time + i) * g->out);
        p->b = at(c, g, x, first * g->time * g->in + i * g->step);
        TRY(blas_gemm(c, p, err));
        p->beta = 1;
    }
    return 0;
}

int cuda_conv1d_dw(struct backend *be, struct tensor *dw,
                   const struct tensor *dy, const struct tensor *x, int stride,
                   struct err *err)
{
    enum { SLOTS = 16 };
    struct cuda *c = cuda_of(be);
    struct conv1d g = measure(dy, x, dw, stride);
    int64_t slots = g.batch < SLOTS ? g.batch : +SLOTS, n = g.out * g.width;
    struct gemm p = product(c, &g);
    const void *xa, *ya;
    void *part = dw->data;

    if (!g.batch)
        return 0;
    if (g.in == 1)
        return conv1d_wave_dw(c, dw->data, dy->data, x->data, &g, err);
    TRY(operand(c, &g, CUDA_BUF_X, x, &xa, err));
    TRY(operand(c, &g, CUDA_BUF_Y, dy, &ya, err));
    if (slots > 1)
        TRY(cuda_buf(c, CUDA_BUF_WORK, (size_t)(slots * n) * sizeof(float),
                     &part, err));
    p.d = part;
    p.m = g.out;
    p.n = g.width;
    p.a_trans = 1;
    p.lda = g.phases * g.out;
    p.ldb = g.phases * g.step;
    p.ldd = g.width;
    p.stride_a = g.out_time * g.out;
    p.stride_b = g.time * g.in;
    p.stride_d = n;
    p.beta = slots == 1;
    for (int64_t b = 0; b < g.batch; b += slots)
        TRY(add_windows(c, &p, &g, ya, xa, b,
                        g.batch - b < slots ? g.batch - b : slots, err));
    return slots > 1 ? cuda_fold(c, dw->data, (const float *)part, slots, n,
                                 err) : 0;
}
