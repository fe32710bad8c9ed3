/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <omp.h>

#include "tensor/cpu/private.h"

/* Taps in one matrix product: every TAPS-th output's window of so many taps
 * lies beside the next (conv1d.c), which leaves T / TAPS rows a product. */
enum { TAPS = 4 };

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

/* Arrays of one group. Its columns of y and dy are copied to and from a dense
 * one: rows that lie a power of two apart would fight for the same lines of the
 * cache. */
struct data {
    float *padded;    /* (rows, in): x, or dx */
    float *dense;     /* (time, out): y, or dy */
    const float *w;
    float *dw;
};

static int forward_part(const struct group *g, const struct part *p, void *ctx)
{
    const struct data *d = ctx;

    return dnnl_sgemm('N', 'T', p->n, g->out, p->width, 1,
                      d->padded + (p->first + p->tap) * g->in, TAPS * g->in,
                      d->w + p->tap * g->in, g->taps * g->in, 1,
                      d->dense + p->first * g->out, TAPS * g->out);
}

static int dx_part(const struct group *g, const struct part *p, void *ctx)
{
    const struct data *d = ctx;

    return dnnl_sgemm('N', 'N', p->n, p->width, g->out, 1,
                      d->dense + p->first * g->out, TAPS * g->out,
                      d->w + p->tap * g->in, g->taps * g->in, 1,
                      d->padded + (p->first + p->tap) * g->in, TAPS * g->in);
}

static int dw_part(const struct group *g, const struct part *p, void *ctx)
{
    const struct data *d = ctx;

    return dnnl_sgemm('T', 'N', g->out, p->width, p->n, 1,
                      d->dense + p->first * g->out, TAPS * g->out,
                      d->padded + (p->first + p->tap) * g->in, TAPS * g->in, 1,
                      d->dw + p->tap * g->in, g->taps * g->in);
}

/* Work space of each thread, one behind another. */
static int reserve(struct backend *be, const struct group *g, float **work,
                   int64_t *each, int threads, struct err *err)
{
    void *p = NULL;

    *each = (g->rows * g->in + g->time * g->out + 15) / 16 * 16;
    TRY(cpu_buf(cpu_of(be), CPU_BUF_X, (size_t)(threads * *each) *
                sizeof(**work), &p, err));
    *work = p;
    return 0;
}

/* n rows of count floats; from and to are strides. */
static void copy_rows(float *to, int64_t to_stride, const float *from,
                      int64_t from_stride, int64_t n, int64_t count)
{
    for (int64_t t = 0; t < n; t++)
        memcpy(to + t * to_stride, from + t * from_stride,
               (size_t)count * sizeof(*to));
}

int cpu_conv1d_grouped(struct backend *be, struct tensor *y,
                       const struct tensor *x, const struct tensor *w,
                       const struct tensor *bias, int groups, struct err *err)
{
    struct group g = measure(x, w, groups);
    int64_t n = x->dim[0] * groups, each, all = w->dim[0];
    int threads = omp_get_max_threads(), status = 0;
    float *work;

    assert(y->dim[1] == g.time && y->dim[2] == all);
    TRY(reserve(be, &g, &work, &each, threads, err));
    #pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        int64_t b = i / groups, k = i % groups;
        float *mine = work + omp_get_thread_num() * each;
        struct data d = { .padded = mine, .dense = mine + g.rows * g.in,
                          .w = w->data + k * g.out * g.taps * g.in };
        int s;

        gather(d.padded, x->data + b * g.time * g.channels + k * g.in, &g);
        copy_rows(d.dense, g.out, bias->data + k * g.out, 0, g.time, g.out);
        s = each_part(&g, forward_part, &d);
        copy_rows(y->data + b * g.time * all + k * g.out, all, d.dense, g.out,
                  g.time, g.out);
        if (s) {
            #pragma omp atomic write
            status = s;
        }
    }
    return cpu_check(status, "grouped convolution", err);
}

/* One group of the whole batch, in order: dw's sums have a fixed order. */
static int group_backward(struct tensor *dx, struct data *d,
                          const struct tensor *dy, const struct tensor *x,
                          const struct group *g, int64_t k)
{
    int64_t all = dy->dim[2];
    int s = 0;

    for (int64_t b = 0; b < x->dim[0] && !s; b++) {
        int64_t at = b * g->time * g->channels + k * g->in;

        gather(d->padded, x->data + at, g);
        copy_rows(d->dense, g->out, dy->data + b * g->time * all + k * g->out,
                  all, g->time, g->out);
        s = each_part(g, dw_part, d);
        if (s)
            break;
        memset(d->padded, 0, (size_t)(g->rows * g->in) * sizeof(float));
        s = each_part(g, dx_part, d);
        copy_rows(dx->data + at, g->channels, d->padded + g->taps / 2 * g->in,
                  g->in, g->time, g->in);
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
    int threads = omp_get_max_threads(), status = 0;
    int64_t each, weights = g.out * g.taps * g.in;
    float *work;

    assert(dx->data != x->data && dx->data != dy->data);
    TRY(reserve(be, &g, &work, &each, threads, err));
    #pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t k = 0; k < groups; k++) {
        float *mine = work + omp_get_thread_num() * each;
        struct data d = { .padded = mine, .dense = mine + g.rows * g.in,
                          .w = w->data + k * weights,
                          .dw = dw->data + k * weights };
        int s = group_backward(dx, &d, dy, x, &g, k);

        if (s) {
            #pragma omp atomic write
            status = s;
        }
    }
    add_columns(dbias, dy);
    return cpu_check(status, "grouped convolution", err);
}
