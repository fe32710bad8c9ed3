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

/* Sound of one channel stays f32 in bf16: 8 bits are too few for it, and its
 * convolution is a hundredth of the work. */
static int in_bf16(const struct cpu *cpu, const struct geometry *g)
{
    return cpu_is_bf16(cpu) && g->in > 1;
}

/* An argument of a product c = a b; m[] are a, b and c. */
struct matrix {
    dnnl_dims_t dim, stride;
};

static int make(struct cpu *cpu, const struct cpu_key *key,
                const struct matrix m[3], int accumulate,
                struct cpu_prim **out, struct err *err)
{
    struct matmul_opts o = { .accumulate = accumulate };
    struct cpu_operands a = { 0 };
    dnnl_memory_desc_t *md[3] = { &a.x, &a.w, &a.y };

    for (int i = 0; i < 3; i++)
        a.status |= dnnl_memory_desc_init_by_strides(
            md[i], 2, m[i].dim, key->bf16 && i < 2 ? dnnl_bf16 : dnnl_f32,
            m[i].stride);
    return cpu_make_product(cpu, key, &a, o, out, err);
}

/* The product of one set of rows outputs; kind tells which. */
static int find_product(struct cpu *cpu, int kind, const struct geometry *g,
                        int64_t rows, struct cpu_prim **out, struct err *err)
{
    struct cpu_key key = {
        .kind = kind, .bf16 = in_bf16(cpu, g),
        .dim = { rows, g->width, g->out, g->phases, g->step }
    };
    int64_t across = g->phases * g->out, along = g->phases * g->step;
    struct matrix x = { { rows, g->width }, { along, 1 } };
    struct matrix y = { { rows, g->out }, { across, 1 } };
    struct matrix yt = { { g->out, rows }, { 1, across } };
    struct matrix w = { { g->out, g->width }, { g->width, 1 } };
    struct matrix wt = { { g->width, g->out }, { 1, g->width } };

    *out = cpu_find(cpu, &key);
    if (*out)
        return 0;
    if (kind == CPU_CONV1D)
        return make(cpu, &key, (struct matrix[]){ x, wt, y }, 0, out, err);
    if (kind == CPU_CONV1D_DX)
        return make(cpu, &key, (struct matrix[]){ y, w, x }, 1, out, err);
    return make(cpu, &key, (struct matrix[]){ yt, x, w }, 1, out, err);
}

/* a's values as the products want them. */
static int operand(struct cpu *cpu, const struct geometry *g, int buf,
                   const struct tensor *a, char **out, struct err *err)
{
    void *narrow = NULL;

    *out = (char *)a->data;
    if (!in_bf16(cpu, g))
        return 0;
    TRY(cpu_narrowed(cpu, buf, a->data, tensor_count(a), &narrow, err));
    *out = narrow;
    return 0;
}

/* Runs all products; x, w and y are the convolution's, or the gradients by
 * them. The one that kind computes is f32, the other two are operands. x and y
 * move on with the set of outputs and the window of the batch. */
static int run(struct cpu *cpu, int kind, const struct geometry *g, char *x,
               char *w, char *y, struct err *err)
{
    size_t size = in_bf16(cpu, g) ? 2 : 4;
    size_t x_size = kind == CPU_CONV1D_DX ? 4 : size;
    size_t y_size = kind == CPU_CONV1D ? 4 : size;

    for (int64_t b = 0; b < g->batch; b++)
        for (int64_t p = 0; p < g->phases && p < g->out_time; p++) {
            int64_t rows = (g->out_time - p + g->phases - 1) / g->phases;
            char *xp = x + (size_t)(b * g->time * g->in + p * g->step) * x_size;
            char *yp = y + (size_t)((b * g->out_time + p) * g->out) * y_size;
            void *addr[CPU_SCRATCH] = { NULL };
            struct cpu_prim *prim = NULL;

            addr[CPU_SRC] = kind == CPU_CONV1D ? xp : yp;
            addr[CPU_WEIGHTS] = kind == CPU_CONV1D_DW ? xp : w;
            addr[CPU_DST] = kind == CPU_CONV1D      ? yp
                            : kind == CPU_CONV1D_DX ? xp : w;
            TRY(find_product(cpu, kind, g, rows, &prim, err));
            TRY(cpu_run(cpu, prim, addr, err));
        }
    return 0;
}

int cpu_conv1d(struct backend *be, struct tensor *y, const struct tensor *x,
               const struct tensor *w, int stride, struct err *err)
{
    struct geometry g = measure(y, x, w, stride);
    struct cpu *cpu = cpu_of(be);
    char *xa, *wa;

    TRY(operand(cpu, &g, CPU_BUF_X, x, &xa, err));
    TRY(operand(cpu, &g, CPU_BUF_WEIGHTS, w, &wa, err));
    return run(cpu, CPU_CONV1D, &g, xa, wa, (char *)y->data, err);
}

int cpu_conv1d_dx(struct backend *be, struct tensor *dx,
                  const struct tensor *dy, const struct tensor *w, int stride,
                  struct err *err)
{
    struct geometry g = measure(dy, dx, w, stride);
    struct cpu *cpu = cpu_of(be);
    char *ya, *wa;

    memset(dx->data, 0, (size_t)tensor_count(dx) * sizeof(*dx->data));
    TRY(operand(cpu, &g, CPU_BUF_Y, dy, &ya, err));
    TRY(operand(cpu, &g, CPU_BUF_WEIGHTS, w, &wa, err));
    return run(cpu, CPU_CONV1D_DX, &g, (char *)dx->data, wa, ya, err);
}

int cpu_conv1d_dw(struct backend *be, struct tensor *dw,
                  const struct tensor *dy, const struct tensor *x, int stride,
                  struct err *err)
{
    struct geometry g = measure(dy, x, dw, stride);
    struct cpu *cpu = cpu_of(be);
    char *xa, *ya;

    TRY(operand(cpu, &g, CPU_BUF_X, x, &xa, err));
    TRY(operand(cpu, &g, CPU_BUF_Y, dy, &ya, err));
    return run(cpu, CPU_CONV1D_DW, &g, xa, (char *)dw->data, ya, err);
}
