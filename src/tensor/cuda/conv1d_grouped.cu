/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/conv1d_grouped.cuh"

#include "tensor/cuda/blas.cuh"

static struct grouped measure(const struct tensor *x, const struct tensor *w,
                              int groups)
{
    struct grouped g = { x->dim[0], x->dim[1], groups, w->dim[1],
                         w->dim[1] / 2, w->dim[2], w->dim[0] / groups };

    assert(x->ndim == 3 && w->ndim == 3);
    assert(w->dim[0] % groups == 0 && g.in * groups == x->dim[2]);
    return g;
}

/* ---- in f32 and tf32: x by group, with zeros before and behind, so that the
 * windows of PART taps of every PART-th output lie one behind the other
 * (conv1d.cu). One product is over all groups of a window. ---- */

enum { PART = 4 };

static int64_t padded_rows(const struct grouped *g)
{
    return g->time + g->taps - 1;
}

/* to (B, groups, rows, in) of x (B, time, groups * in). */
__global__ void grouped_pad(float *to, const float *x, struct grouped g,
                            int64_t rows, int64_t n)
{
    FOR_EACH(i, n) {
        int64_t r = i / g.in, t = r % rows - g.before;
        int64_t k = r / rows % g.groups, b = r / rows / g.groups;

        to[i] = t >= 0 && t < g.time
            ? x[((b * g.time + t) * g.groups + k) * g.in + i % g.in] : 0;
    }
}

/* And back. */
__global__ void grouped_cut(float *x, const float *from, struct grouped g,
                            int64_t rows, int64_t n)
{
    FOR_EACH(i, n) {
        int64_t r = i / g.in, k = r % g.groups, t = r / g.groups % g.time;
        int64_t b = r / g.groups / g.time;

        x[i] = from[((b * g.groups + k) * rows + t + g.before) * g.in +
                    i % g.in];
    }
}

__global__ void grouped_bias(float *y, const float *bias, int64_t all,
                             int64_t n)
{
    FOR_EACH(i, n)
        y[i] = bias[i % all];
}

enum kind { FORWARD, BACK_X, BACK_W };

/* The taps k .. k + PART - 1 at the outputs t, t + PART.. of a window. */
static struct gemm product(const struct grouped *g, enum kind kind, float *y,
                           float *padded, float *w, int64_t k, int64_t t)
{
    int64_t rows = (g->time - t + PART - 1) / PART, all = g->groups * g->out;
    int64_t width = (g->taps - k < PART ? g->taps - k : +PART) * g->in;
    struct gemm p = {};

    p.a = kind == FORWARD ? padded : y;
    p.b = kind == BACK_W ? padded : w;
    p.d = kind == FORWARD ? y : kind == BACK_X ? padded : w;
    p.m = kind == BACK_W ? g->out : rows;
    p.n = kind == FORWARD ? g->out : width;
    p.k = kind == FORWARD ? width : kind == BACK_X ? g->out : rows;
    p.a_trans = kind == BACK_W;
    p.b_trans = kind == FORWARD;
    p.lda = PART * (kind == FORWARD ? g->in : all);
    p.ldb = kind == BACK_W ? PART * g->in : g->taps * g->in;
    p.ldd = kind == FORWARD  ? PART * all
            : kind == BACK_X ? PART * g->in : g->taps * g->in;
    p.stride_a = kind == FORWARD ? padded_rows(g) * g->in : g->out;
    p.stride_b = kind == BACK_W ? padded_rows(g) * g->in
                                : g->out * g->taps * g->in;
    p.stride_d = kind == FORWARD  ? g->out
                 : kind == BACK_X ? padded_rows(g) * g->in
                                  : g->out * g->taps * g->in;
    p.batch = g->groups;
    p.alpha = p.beta = 1;
    return p;
}

/* Adds all products to y, padded or w, by kind; the others are only read. */
static int run(struct cuda *c, const struct grouped *g, enum kind kind,
               float *y, float *padded, float *w, struct err *err)
{
    int64_t x_size = g->groups * padded_rows(g) * g->in;
    int64_t y_size = g->time * g->groups * g->out;

    for (int64_t b = 0; b < g->batch; b++)
        for (int64_t k = 0; k < g->taps; k += PART)
            for (int64_t t = 0; t < PART && t < g->time; t++) {
                struct gemm p = product(
                    g, kind, y + b * y_size + t * g->groups * g->out,
                    padded + b * x_size + (t + k) * g->in, w + k * g->in, k, t);

                p.operand = cuda_operand(c);
                TRY(blas_gemm(c, &p, err));
            }
    return 0;
}

/* *out: x padded, or room for it where x is NULL. */
static int pad(struct cuda *c, const struct grouped *g, int which,
               const float *x, float **out, struct err *err)
{
    int64_t n = g->batch * g->groups * padded_rows(g) * g->in;
    size_t size = (size_t)n * sizeof(float);
    void *p;

    TRY(cuda_buf(c, which, size, &p, err));
    *out = (float *)p;
    if (!x)
        return cuda_check(cudaMemsetAsync(p, 0, size, c->stream), "memory",
                          err);
    return LAUNCH(grouped_pad, cuda_grid(c, n), BLOCK, 0, *out, x, *g,
                  padded_rows(g), n);
}

int cuda_conv1d_grouped(struct backend *be, struct tensor *y,
                        const struct tensor *x, const struct tensor *w,
                        const struct tensor *bias, int groups, struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct grouped g = measure(x, w, groups);
    int64_t n = tensor_count(y);
    float *padded;

    assert(y->dim[1] == g.time && y->dim[2] == w->dim[0]);
    if (!n)
        return 0;
    if (cuda_is_16(c))
        return grouped_mma(c, y->data, x->data, w->data, bias->data, &g, err);
    TRY(pad(c, &g, CUDA_BUF_X, x->data, &padded, err));
    TRY(LAUNCH(grouped_bias, cuda_grid(c, n), BLOCK, 0, y->data, bias->data,
               w->dim[0], n));
    return run(c, &g, FORWARD, y->data, padded, w->data, err);
}

static int backward(struct cuda *c, const struct grouped *g, float *dx,
                    float *dw, float *dy, const float *x, float *w,
                    struct err *err)
{
    int64_t n = g->batch * g->time * g->groups * g->in;
    float *padded;

    TRY(pad(c, g, CUDA_BUF_X, x, &padded, err));
    TRY(run(c, g, BACK_W, dy, padded, dw, err));
    TRY(pad(c, g, CUDA_BUF_X, NULL, &padded, err));
    TRY(run(c, g, BACK_X, dy, padded, w, err));
    return LAUNCH(grouped_cut, cuda_grid(c, n), BLOCK, 0, dx,
                  (const float *)padded, *g, padded_rows(g), n);
}

int cuda_conv1d_grouped_backward(struct backend *be, struct tensor *dx,
                                 struct tensor *dw, struct tensor *dbias,
                                 const struct tensor *dy,
                                 const struct tensor *x, const struct tensor *w,
                                 int groups, struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct grouped g = measure(x, w, groups);

    assert(dx->data != x->data && dx->data != dy->data);
    if (!tensor_count(dy))
        return 0;
    TRY(cuda_column_sums(c, dbias->data, dy->data, tensor_rows(dy),
                         tensor_cols(dy), 1, 1, err));
    if (cuda_is_16(c))
        return grouped_mma_backward(c, dx->data, dw->data, dy->data, x->data,
                                    w->data, &g, err);
    return backward(c, &g, dx->data, dw->data, dy->data, x->data, w->data,
                    err);
}
