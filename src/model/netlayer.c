/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The layers that nets share. */
#include "model/netblock.h"

#include <assert.h>
#include <stdio.h>

static const float norm_eps = 1e-5f;

static int find(const struct params *p, const char *name, const char *part)
{
    char full[256];

    snprintf(full, sizeof(full), "%s.%s", name, part);
    return params_index(p, full);
}

struct net_linear net_linear_find(struct params *p, const char *name)
{
    struct net_linear l = { p, find(p, name, "weight"),
                            find(p, name, "bias") };

    assert(l.weight >= 0);
    return l;
}

struct net_norm net_norm_find(struct params *p, const char *name)
{
    struct net_norm n = { p, find(p, name, "weight"), find(p, name, "bias") };

    assert(n.weight >= 0 && n.bias >= 0);
    return n;
}

/* A weight as (M, K), also where the file has (M, K, 1). */
static struct tensor matrix(struct tensor w)
{
    return tensor_view(&w, 0, 2, (int64_t[]){ w.dim[0], tensor_count(&w) /
                                              w.dim[0] });
}

int net_linear_forward(const struct net_linear *l, struct tensor *y,
                       const struct tensor *x, struct matmul_opts opts,
                       struct err *err)
{
    struct tensor w = matrix(params_value(l->p, l->weight)), b = {0};

    if (l->bias >= 0)
        b = params_value(l->p, l->bias);
    return x->be->ops->matmul(x->be, y, x, &w, l->bias >= 0 ? &b : NULL, opts,
                              err);
}

int net_linear_backward(const struct net_linear *l, struct tensor *dx,
                        const struct tensor *dy, const struct tensor *x,
                        struct matmul_opts opts, struct err *err)
{
    const struct backend_ops *ops = dy->be->ops;
    struct tensor w = matrix(params_value(l->p, l->weight)), db = {0};
    struct tensor dw = matrix(params_grad(l->p, l->weight));

    if (l->bias >= 0)
        db = params_grad(l->p, l->bias);
    if (!dx)
        return ops->matmul_dw(dy->be, &dw, l->bias >= 0 ? &db : NULL, dy, x,
                              opts.scale ? opts.scale : 1, err);
    return ops->matmul_backward(dy->be, dx, &dw, l->bias >= 0 ? &db : NULL, dy,
                                x, &w, opts, err);
}

int net_norm_forward(const struct net_norm *n, struct tensor *y,
                     const struct tensor *x, struct err *err)
{
    struct tensor g = params_value(n->p, n->weight);
    struct tensor b = params_value(n->p, n->bias);

    TRY(tensor_reserve(y, x->be, x->ndim, x->dim, err));
    return x->be->ops->layer_norm(x->be, y, x, &g, &b, norm_eps, err);
}

int net_norm_backward(const struct net_norm *n, struct tensor *dx,
                      const struct tensor *dy, const struct tensor *x,
                      int accumulate, struct err *err)
{
    struct tensor g = params_value(n->p, n->weight);
    struct tensor dg = params_grad(n->p, n->weight);
    struct tensor db = params_grad(n->p, n->bias);

    return x->be->ops->layer_norm_backward(x->be, dx, &dg, &db, dy, x, &g,
                                           norm_eps, accumulate, err);
}

int net_dropout(struct tensor *x, const struct net_drop *d, uint64_t place,
                struct err *err)
{
    if (!(d->p > 0))
        return 0;
    return x->be->ops->dropout(x->be, x, x, d->p, d->seed, d->stream + place,
                               d->first * (tensor_count(x) / x->dim[0]), err);
}

int net_copy(struct tensor *y, const struct tensor *x, struct err *err)
{
    TRY(tensor_reserve(y, x->be, x->ndim, x->dim, err));
    return x->be->ops->axpby(x->be, y, 1, x, 0, err);
}

/* net_residual where y has its memory. Without dropout the product adds to a
 * copy of x at once. */
static int residual(const struct net_linear *l, struct tensor *y,
                    const struct tensor *x, const struct tensor *in,
                    float scale, struct tensor *d, const struct net_drop *drop,
                    uint64_t place, struct err *err)
{
    struct matmul_opts add = { .scale = scale, .accumulate = 1 }, plain = {0};

    TRY(x->be->ops->axpby(x->be, y, 1, x, 0, err));
    if (!(drop->p > 0))
        return net_linear_forward(l, y, in, add, err);
    TRY(tensor_reserve(d, x->be, x->ndim, x->dim, err));
    TRY(net_linear_forward(l, d, in, plain, err));
    TRY(net_dropout(d, drop, place, err));
    return x->be->ops->axpby(x->be, y, scale, d, 1, err);
}

int net_residual(const struct net_linear *l, struct tensor *y,
                 const struct tensor *x, const struct tensor *in, float scale,
                 struct tensor *d, const struct net_drop *drop, uint64_t place,
                 struct err *err)
{
    TRY(tensor_reserve(y, x->be, x->ndim, x->dim, err));
    return residual(l, y, x, in, scale, d, drop, place, err);
}

int net_residual_backward(const struct net_linear *l, struct tensor *din,
                          const struct tensor *dy, const struct tensor *in,
                          float scale, struct tensor *d,
                          const struct net_drop *drop, uint64_t place,
                          struct err *err)
{
    struct matmul_opts opts = { .scale = scale };

    if (!(drop->p > 0))
        return net_linear_backward(l, din, dy, in, opts, err);
    TRY(net_copy(d, dy, err));
    TRY(net_dropout(d, drop, place, err));
    return net_linear_backward(l, din, d, in, opts, err);
}

/* ---- feed-forward part: where the backend wants it, in stretches of rows,
 * whose hidden units are in cache from one operation to the next ---- */

struct stretch {
    int64_t first, n;
    struct net_drop drop; /* of tensors that are a stretch: a sample is a row */
};

/* The one from row first on of all rows of x (B, T, C). */
static struct stretch stretch_at(const struct tensor *x, int64_t first,
                                 const struct net_drop *drop)
{
    int64_t rows = tensor_rows(x), most = x->be->rows ? x->be->rows : rows;
    int64_t parts = (rows + most - 1) / (most ? most : 1);
    int64_t each = parts ? (rows + parts - 1) / parts : 0;
    struct stretch s = { first, rows - first, *drop };

    if (s.n > each)
        s.n = each;
    s.drop.first = drop->first * x->dim[1] + first;
    return s;
}

static struct tensor rows_of(const struct tensor *t, const struct stretch *s)
{
    int64_t c = tensor_cols(t);

    return tensor_view(t, s->first * c, 2, (int64_t[]){ s->n, c });
}

/* w->a of u, as it was. */
static int activate(const struct net_ffn *f, struct net_ffn_work *w,
                    const struct tensor *u, const struct net_drop *drop,
                    uint64_t place, struct err *err)
{
    TRY(tensor_reserve(&w->a, u->be, u->ndim, u->dim, err));
    TRY(u->be->ops->act(u->be, &w->a, u, f->act, err));
    return net_dropout(&w->a, drop, place, err);
}

int net_ffn_forward(const struct net_ffn *f, struct tensor *u,
                    struct net_ffn_work *w, struct tensor *y,
                    const struct tensor *x, const struct tensor *h,
                    const struct net_drop *drop, uint64_t place,
                    struct err *err)
{
    int64_t dim[3] = { h->dim[0], h->dim[1],
                       f->up.p->item[f->up.weight].dim[0] };
    struct matmul_opts plain = {0};
    struct stretch s;

    TRY(tensor_reserve(u, h->be, 3, dim, err));
    TRY(tensor_reserve(y, x->be, x->ndim, x->dim, err));
    for (int64_t r = 0; r < tensor_rows(h); r += s.n) {
        struct tensor some_u, some_y, some_x, some_h;

        s = stretch_at(h, r, drop);
        some_u = rows_of(u, &s);
        some_y = rows_of(y, &s);
        some_x = rows_of(x, &s);
        some_h = rows_of(h, &s);
        TRY(net_linear_forward(&f->up, &some_u, &some_h, plain, err));
        TRY(activate(f, w, &some_u, &s.drop, place, err));
        TRY(residual(&f->down, &some_y, &some_x, &w->a, f->scale, &w->d,
                     &s.drop, place + 1, err));
    }
    return 0;
}

/* Of a stretch. */
static int ffn_backward(const struct net_ffn *f, const struct tensor *u,
                        struct net_ffn_work *w, struct tensor *dh,
                        const struct tensor *dy, const struct tensor *h,
                        int accumulate, const struct net_drop *drop,
                        uint64_t place, struct err *err)
{
    struct matmul_opts opts = { .accumulate = accumulate };

    TRY(activate(f, w, u, drop, place, err));
    TRY(tensor_reserve(&w->da, u->be, u->ndim, u->dim, err));
    TRY(net_residual_backward(&f->down, &w->da, dy, &w->a, f->scale, &w->d,
                              drop, place + 1, err));
    TRY(net_dropout(&w->da, drop, place, err));
    TRY(u->be->ops->act_backward(u->be, &w->da, &w->da, u, f->act, err));
    return net_linear_backward(&f->up, dh, &w->da, h, opts, err);
}

int net_ffn_backward(const struct net_ffn *f, const struct tensor *u,
                     struct net_ffn_work *w, struct tensor *dh,
                     const struct tensor *dy, const struct tensor *h,
                     int accumulate, const struct net_drop *drop,
                     uint64_t place, struct err *err)
{
    struct stretch s;

    for (int64_t r = 0; r < tensor_rows(h); r += s.n) {
        struct tensor some_u, some_dh, some_dy, some_h;

        s = stretch_at(h, r, drop);
        some_u = rows_of(u, &s);
        some_dh = rows_of(dh, &s);
        some_dy = rows_of(dy, &s);
        some_h = rows_of(h, &s);
        TRY(ffn_backward(f, &some_u, w, &some_dh, &some_dy, &some_h,
                         accumulate, &s.drop, place, err));
    }
    return 0;
}

void net_ffn_work_release(struct net_ffn_work *w)
{
    tensor_release(&w->a);
    tensor_release(&w->da);
    tensor_release(&w->d);
}
