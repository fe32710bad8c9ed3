/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

/* A window of K frames is contiguous, and the windows of neighbouring outputs
 * overlap. Those of every phases-th output do not, so each of these sets of
 * outputs is a plain matrix product on the memory of x, without a copy. */
struct geometry {
    int64_t batch, time, in, out_time, out, width; /* width: K * Cin */
    int64_t phases, step; /* step: floats from one output's window to the
                             next one's */
};

static struct geometry measure(const struct tensor *y, const struct tensor *x,
                               const struct tensor *w, int stride)
{
    struct geometry g = { .batch = x->dim[0], .time = x->dim[1],
                          .in = x->dim[2], .out_time = y->dim[1],
                          .out = y->dim[2] };

    assert(x->ndim == 3 && y->ndim == 3 && w->ndim == 3);
    assert(y->dim[0] == g.batch && w->dim[0] == g.out && w->dim[2] == g.in);
    assert(g.time >= w->dim[1]);
    assert(g.out_time == (g.time - w->dim[1]) / stride + 1);
    g.width = w->dim[1] * g.in;
    g.phases = (w->dim[1] + stride - 1) / stride;
    g.step = stride * g.in;
    return g;
}

/* Rows of set p in one window of the batch. */
static int64_t rows_of(const struct geometry *g, int64_t p)
{
    return (g->out_time - p + g->phases - 1) / g->phases;
}

int cpu_conv1d(struct backend *be, struct tensor *y, const struct tensor *x,
               const struct tensor *w, int stride, struct err *err)
{
    struct geometry g = measure(y, x, w, stride);
    int s = 0;

    (void)be;
    for (int64_t b = 0; b < g.batch && !s; b++)
        for (int64_t p = 0; p < g.phases && p < g.out_time && !s; p++)
            s = dnnl_sgemm('N', 'T', rows_of(&g, p), g.out, g.width, 1,
                           x->data + b * g.time * g.in + p * g.step,
                           g.phases * g.step, w->data, g.width, 0,
                           y->data + (b * g.out_time + p) * g.out,
                           g.phases * g.out);
    return cpu_check(s, "convolution", err);
}

int cpu_conv1d_dx(struct backend *be, struct tensor *dx,
                  const struct tensor *dy, const struct tensor *w, int stride,
                  struct err *err)
{
    struct geometry g = measure(dy, dx, w, stride);
    int s = 0;

    (void)be;
    memset(dx->data, 0, (size_t)tensor_count(dx) * sizeof(*dx->data));
    for (int64_t b = 0; b < g.batch && !s; b++)
        for (int64_t p = 0; p < g.phases && p < g.out_time && !s; p++)
            s = dnnl_sgemm('N', 'N', rows_of(&g, p), g.width, g.out, 1,
                           dy->data + (b * g.out_time + p) * g.out,
                           g.phases * g.out, w->data, g.width, 1,
                           dx->data + b * g.time * g.in + p * g.step,
                           g.phases * g.step);
    return cpu_check(s, "convolution", err);
}

int cpu_conv1d_dw(struct backend *be, struct tensor *dw,
                  const struct tensor *dy, const struct tensor *x, int stride,
                  struct err *err)
{
    struct geometry g = measure(dy, x, dw, stride);
    int s = 0;

    (void)be;
    for (int64_t b = 0; b < g.batch && !s; b++)
        for (int64_t p = 0; p < g.phases && p < g.out_time && !s; p++)
            s = dnnl_sgemm('T', 'N', g.out, g.width, rows_of(&g, p), 1,
                           dy->data + (b * g.out_time + p) * g.out,
                           g.phases * g.out,
                           x->data + b * g.time * g.in + p * g.step,
                           g.phases * g.step, 1, dw->data, g.width);
    return cpu_check(s, "convolution", err);
}
