/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <stdlib.h>

#include "tensor/cpu/private.h"

/* Taps in one matrix product: every TAPS-th output's window of so many taps
 * lies beside the next (conv1d.c), which leaves T / TAPS rows a product. */
enum { TAPS = 8 };

/* One group's channels of one window, with zeros before and behind. */
struct group {
    int64_t time, channels, taps, in, out; /* channels of x; in, out: of the
                                              group */
    int64_t rows;                          /* time + taps - 1 */
};

static struct group measure(const struct tensor *x, const struct tensor *w,
                            int groups)
{
    struct group g = { .time = x->dim[1], .channels = x->dim[2],
                       .taps = w->dim[1], .in = w->dim[2],
                       .out = w->dim[0] / groups };

    assert(x->ndim == 3 && w->ndim == 3);
    assert(w->dim[0] % groups == 0 && g.in * groups == g.channels);
    g.rows = g.time + g.taps - 1;
    return g;
}

static void gather(float *to, const float *x, const struct group *g)
{
    int64_t before = g->taps / 2;

    memset(to, 0, (size_t)(g->rows * g->in) * sizeof(*to));
    for (int64_t t = 0; t < g->time && t + before < g->rows; t++)
        memcpy(to + (t + before) * g->in, x + t * g->channels,
               (size_t)g->in * sizeof(*to));
}

/* Calls product for each set of outputs and each part of the taps. */
struct part {
    int64_t tap, width;   /* first tap; taps * in of the part */
    int64_t first, n;     /* outputs first, first + TAPS.. */
};
typedef int product(const struct group *g, const struct part *p, void *ctx);

static int each_part(const struct group *g, product *f, void *ctx)
{
    int s = 0;

    for (int64_t k = 0; k < g->taps && !s; k += TAPS) {
        int64_t taps = g->taps - k < TAPS ? g->taps - k : TAPS;

        for (int64_t t = 0; t < TAPS && t < g->time && !s; t++) {
            struct part p = { k, taps * g->in, t,
                              (g->time - t + TAPS - 1) / TAPS };

            s = f(g, &p, ctx);
        }
    }
    return s;
}

/* Addresses of one group: y, dy have stride columns. */
struct data {
    float *padded;           /* (rows, in): x, or dx */
    const float *w, *dy;
    float *y, *dw;
    int64_t stride;
};

static int forward_part(const struct group *g, const struct part *p, void *ctx)
{
    const struct data *d = ctx;

    return dnnl_sgemm('N', 'T', p->n, g->out, p->width, 1,
                      d->padded + (p->first + p->tap) * g->in, TAPS * g->in,
                      d->w + p->tap * g->in, g->taps * g->in, 1,
                      d->y + p->first * d->stride, TAPS * d->stride);
}

static int dx_part(const struct group *g, const struct part *p, void *ctx)
{
    const struct data *d = ctx;

    return dnnl_sgemm('N', 'N', p->n, p->width, g->out, 1,
                      d->dy + p->first * d->stride, TAPS * d->stride,
                      d->w + p->tap * g->in, g->taps * g->in, 1,
                      d->padded + (p->first + p->tap) * g->in, TAPS * g->in);
}

static int dw_part(const struct group *g, const struct part *p, void *ctx)
{
    const struct data *d = ctx;

    return dnnl_sgemm('T', 'N', g->out, p->width, p->n, 1,
                      d->dy + p->first * d->stride, TAPS * d->stride,
                      d->padded + (p->first + p->tap) * g->in, TAPS * g->in, 1,
                      d->dw + p->tap * g->in, g->taps * g->in);
}

static int no_memory(const struct group *g, struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for a grouped convolution over "
                   "%lld frames", (long long)g->time);
}

int cpu_conv1d_grouped(struct backend *be, struct tensor *y,
                       const struct tensor *x, const struct tensor *w,
                       const struct tensor *bias, int groups, struct err *err)
{
    struct group g = measure(x, w, groups);
    int64_t n = x->dim[0] * groups;
    int status = 0, full = 0;

    (void)be;
    assert(y->dim[1] == g.time && y->dim[2] == w->dim[0]);
    #pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < n; i++) {
        int64_t b = i / groups, k = i % groups;
        struct data d = { .w = w->data + k * g.out * g.taps * g.in,
                          .stride = w->dim[0] };
        int s = 1;

        d.y = y->data + b * g.time * d.stride + k * g.out;
        d.padded = malloc((size_t)(g.rows * g.in) * sizeof(float));
        if (d.padded) {
            gather(d.padded, x->data + b * g.time * g.channels + k * g.in, &g);
            for (int64_t t = 0; t < g.time; t++)
                memcpy(d.y + t * d.stride, bias->data + k * g.out,
                       (size_t)g.out * sizeof(float));
            s = each_part(&g, forward_part, &d);
        }
        if (s) {
            #pragma omp atomic write
            status = s;
        }
        if (!d.padded) {
            #pragma omp atomic write
            full = 1;
        }
        free(d.padded);
    }
    return full ? no_memory(&g, err)
                : cpu_check(status, "grouped convolution", err);
}

/* One group of the whole batch, in order: dw's sums have a fixed order. */
static int group_backward(struct tensor *dx, struct data *d,
                          const struct tensor *dy, const struct tensor *x,
                          const struct group *g, int64_t k)
{
    int s = 0;

    for (int64_t b = 0; b < x->dim[0] && !s; b++) {
        int64_t at = b * g->time * g->channels + k * g->in;

        d->dy = dy->data + b * g->time * d->stride + k * g->out;
        gather(d->padded, x->data + at, g);
        s = each_part(g, dw_part, d);
        if (s)
            break;
        memset(d->padded, 0, (size_t)(g->rows * g->in) * sizeof(float));
        s = each_part(g, dx_part, d);
        for (int64_t t = 0; t < g->time; t++)
            memcpy(dx->data + at + t * g->channels,
                   d->padded + (t + g->taps / 2) * g->in,
                   (size_t)g->in * sizeof(float));
    }
    return s;
}

static void add_columns(struct tensor *sum, const struct tensor *dy)
{
    int64_t rows = tensor_rows(dy), n = tensor_cols(dy);

    #pragma omp parallel for
    for (int64_t j = 0; j < n; j++) {
        double s = 0;

        for (int64_t r = 0; r < rows; r++)
            s += dy->data[r * n + j];
        sum->data[j] += (float)s;
    }
}

int cpu_conv1d_grouped_backward(struct backend *be, struct tensor *dx,
                                struct tensor *dw, struct tensor *dbias,
                                const struct tensor *dy,
                                const struct tensor *x, const struct tensor *w,
                                int groups, struct err *err)
{
    struct group g = measure(x, w, groups);
    int status = 0, full = 0;

    (void)be;
    assert(dx->data != x->data && dx->data != dy->data);
    #pragma omp parallel for schedule(dynamic)
    for (int64_t k = 0; k < groups; k++) {
        struct data d = { .w = w->data + k * g.out * g.taps * g.in,
                          .dw = dw->data + k * g.out * g.taps * g.in,
                          .stride = w->dim[0] };
        int s;

        d.padded = malloc((size_t)(g.rows * g.in) * sizeof(float));
        s = d.padded ? group_backward(dx, &d, dy, x, &g, k) : 0;
        if (s) {
            #pragma omp atomic write
            status = s;
        }
        if (!d.padded) {
            #pragma omp atomic write
            full = 1;
        }
        free(d.padded);
    }
    add_columns(dbias, dy);
    return full ? no_memory(&g, err)
                : cpu_check(status, "grouped convolution", err);
}
