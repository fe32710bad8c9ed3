/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/netblock.h"

#include <assert.h>
#include <stdio.h>

static const float rotary_base = 10000;
static const float bn_eps = 1e-5f, bn_momentum = 0.1f;

/* Places of dropout in a block. */
enum { DROP_FFN1 = 0, DROP_ATTN = 2, DROP_CONV = 3, DROP_FFN2 = 4 };

/* ---- weights ---- */

static const char *sub(char *buf, size_t size, int index, const char *part)
{
    snprintf(buf, size, "conformer.layers.%d.%s", index, part);
    return buf;
}

static void ffn_find(struct net_block *b, struct params *p, int index,
                     int which)
{
    struct net_ffn *f = &b->ffn[which];
    char n[128], part[64];

    snprintf(part, sizeof(part), "ffn%d_layer_norm", which + 1);
    b->ffn_norm[which] = net_norm_find(p, sub(n, sizeof(n), index, part));
    snprintf(part, sizeof(part), "ffn%d.intermediate_dense", which + 1);
    f->up = net_linear_find(p, sub(n, sizeof(n), index, part));
    snprintf(part, sizeof(part), "ffn%d.output_dense", which + 1);
    f->down = net_linear_find(p, sub(n, sizeof(n), index, part));
    f->act = ACT_SWISH;
    f->scale = 0.5f;
}

void net_block_find(struct net_block *b, struct params *p, int index,
                    int heads)
{
    char n[128];

    b->heads = heads;
    ffn_find(b, p, index, 0);
    ffn_find(b, p, index, 1);
#define PART(s) sub(n, sizeof(n), index, s)
    b->attn_norm = net_norm_find(p, PART("self_attn_layer_norm"));
    b->q = net_linear_find(p, PART("self_attn.linear_q"));
    b->k = net_linear_find(p, PART("self_attn.linear_k"));
    b->v = net_linear_find(p, PART("self_attn.linear_v"));
    b->out = net_linear_find(p, PART("self_attn.linear_out"));
    b->conv_norm = net_norm_find(p, PART("conv_module.layer_norm"));
    b->expand = net_linear_find(p, PART("conv_module.pointwise_conv1"));
    b->mix = net_linear_find(p, PART("conv_module.pointwise_conv2"));
    b->taps = params_index(p, PART("conv_module.depthwise_conv.weight"));
    b->bn = net_norm_find(p, PART("conv_module.batch_norm"));
    b->bn_mean = params_index(p, PART("conv_module.batch_norm.running_mean"));
    b->bn_var = params_index(p, PART("conv_module.batch_norm.running_var"));
    b->bn_count = params_index(p, PART("conv_module.batch_norm."
                                       "num_batches_tracked"));
    b->final = net_norm_find(p, PART("final_layer_norm"));
#undef PART
    assert(b->taps >= 0 && b->bn_mean >= 0 && b->bn_var >= 0 &&
           b->bn_count >= 0);
}

/* ---- feed-forward ---- */

static int reserve_wide(struct tensor *t, const struct tensor *x, int64_t width,
                        struct err *err)
{
    return tensor_reserve(t, x->be, 3, (int64_t[]){ x->dim[0], x->dim[1],
                          width }, err);
}

static int ffn_forward(const struct net_block *b, int which,
                       struct net_block_save *s, struct net_block_work *w,
                       struct tensor *y, const struct tensor *x,
                       const struct net_drop *drop, struct err *err)
{
    TRY(net_norm_forward(&b->ffn_norm[which], &s->h[which], x, err));
    return net_ffn_forward(&b->ffn[which], &s->u[which], &w->ffn, y, x,
                           &s->h[which], drop, which ? DROP_FFN2 : DROP_FFN1,
                           err);
}

/* dx holds the gradient of the part's output and gets that of its input. */
static int ffn_backward(const struct net_block *b, int which,
                        struct net_block_save *s, struct net_block_work *w,
                        struct tensor *dx, const struct tensor *x,
                        const struct net_drop *drop, struct err *err)
{
    TRY(tensor_reserve(&w->dx, x->be, x->ndim, x->dim, err));
    TRY(net_ffn_backward(&b->ffn[which], &s->u[which], &w->ffn, &w->dx, dx,
                         &s->h[which], 0, drop, which ? DROP_FFN2 : DROP_FFN1,
                         err));
    return net_norm_backward(&b->ffn_norm[which], dx, &w->dx, x, 1, err);
}

/* ---- attention ---- */

static int attn_forward(const struct net_block *b, struct net_block_save *s,
                        struct net_block_work *w, struct tensor *y,
                        const struct tensor *x, const struct net_drop *drop,
                        struct err *err)
{
    const struct backend_ops *ops = x->be->ops;
    struct tensor *same[5] = { &s->r, &s->q, &s->k, &s->v, &s->y };
    struct matmul_opts plain = {0};

    for (int i = 0; i < 5; i++)
        TRY(tensor_reserve(same[i], x->be, 3, x->dim, err));
    TRY(tensor_reserve(&s->lse, x->be, 3, (int64_t[]){ x->dim[0], b->heads,
                       x->dim[1] }, err));
    TRY(net_norm_forward(&b->attn_norm, &s->h2, x, err));
    TRY(ops->rotary(x->be, &s->r, &s->h2, b->heads, rotary_base, err));
    TRY(net_linear_forward(&b->q, &s->q, &s->r, plain, err));
    TRY(net_linear_forward(&b->k, &s->k, &s->r, plain, err));
    TRY(net_linear_forward(&b->v, &s->v, &s->h2, plain, err));
    TRY(ops->attention_save(x->be, &s->y, &s->lse, &s->q, &s->k, &s->v,
                            b->heads, err));
    return net_residual(&b->out, y, x, &s->y, 1, &w->d, drop, DROP_ATTN, err);
}

static int attn_backward(const struct net_block *b, struct net_block_save *s,
                         struct net_block_work *w, struct tensor *dx,
                         const struct tensor *x, const struct net_drop *drop,
                         struct err *err)
{
    const struct backend_ops *ops = x->be->ops;
    struct tensor *same[4] = { &w->dx, &w->dq, &w->dk, &w->dv };
    struct matmul_opts plain = {0}, add = { .accumulate = 1 };

    for (int i = 0; i < 4; i++)
        TRY(tensor_reserve(same[i], x->be, 3, x->dim, err));
    TRY(net_residual_backward(&b->out, &w->dx, dx, &s->y, 1, &w->d, drop,
                              DROP_ATTN, err));
    TRY(ops->attention_backward(x->be, &w->dq, &w->dk, &w->dv, &w->dx, &s->y,
                                &s->lse, &s->q, &s->k, &s->v, b->heads, err));
    TRY(net_linear_backward(&b->q, &w->dx, &w->dq, &s->r, plain, err));
    TRY(net_linear_backward(&b->k, &w->dx, &w->dk, &s->r, add, err));
    TRY(ops->rotary_backward(x->be, &w->dx, &w->dx, b->heads, rotary_base, 0,
                             err));
    TRY(net_linear_backward(&b->v, &w->dx, &w->dv, &s->h2, add, err));
    return net_norm_backward(&b->attn_norm, dx, &w->dx, x, 1, err);
}

/* ---- convolution module ---- */

/* The file has the taps as (D, 1, K), the operation wants (K, D). */
static int load_taps(const struct net_block *b, struct net_block_work *w,
                     const struct tensor *x, struct err *err)
{
    const struct param *q = &b->bn.p->item[b->taps];
    struct tensor file = params_value(b->bn.p, b->taps);
    int64_t dim[2] = { q->dim[2], q->dim[0] };
    struct tensor flat = tensor_view(&file, 0, 2,
                                     (int64_t[]){ dim[1], dim[0] });

    TRY(tensor_reserve(&w->taps, x->be, 2, dim, err));
    TRY(tensor_reserve(&w->zero, x->be, 1, &dim[1], err));
    TRY(x->be->ops->axpby(x->be, &w->zero, 0, NULL, 0, err));
    return x->be->ops->transpose(x->be, &w->taps, &flat, 0, err);
}

static int batch_norm(const struct net_block *b, struct net_block_save *s,
                      int first, struct err *err)
{
    struct params *p = b->bn.p;
    struct backend *be = s->c.be;
    struct tensor gamma = params_value(p, b->bn.weight);
    struct tensor beta = params_value(p, b->bn.bias);
    struct tensor rm = params_value(p, b->bn_mean);
    struct tensor rv = params_value(p, b->bn_var);

    TRY(tensor_reserve(&s->mean, be, 1, gamma.dim, err));
    TRY(tensor_reserve(&s->inv_std, be, 1, gamma.dim, err));
    return be->ops->batch_norm(be, &s->n, &s->mean, &s->inv_std,
                               first ? &rm : NULL, first ? &rv : NULL, &s->c,
                               &gamma, &beta, bn_eps, bn_momentum, err);
}

static int conv_forward(const struct net_block *b, struct net_block_save *s,
                        struct net_block_work *w, struct tensor *y,
                        const struct tensor *x, const struct net_drop *drop,
                        int first, struct err *err)
{
    const struct backend_ops *ops = x->be->ops;
    struct tensor *same[4] = { &s->g, &s->c, &s->n, &s->s };
    struct matmul_opts plain = {0};

    for (int i = 0; i < 4; i++)
        TRY(tensor_reserve(same[i], x->be, 3, x->dim, err));
    TRY(reserve_wide(&s->wide, x, 2 * x->dim[2], err));
    TRY(net_norm_forward(&b->conv_norm, &s->h3, x, err));
    TRY(net_linear_forward(&b->expand, &s->wide, &s->h3, plain, err));
    TRY(ops->glu(x->be, &s->g, &s->wide, err));
    TRY(load_taps(b, w, x, err));
    TRY(ops->depthwise(x->be, &s->c, &s->g, &w->taps, &w->zero, ACT_NONE, err));
    TRY(batch_norm(b, s, first, err));
    TRY(ops->act(x->be, &s->s, &s->n, ACT_SWISH, err));
    return net_residual(&b->mix, y, x, &s->s, 1, &w->d, drop, DROP_CONV, err);
}

/* dx (w->dx) through batch norm and the depthwise convolution, into w->dq. */
static int taps_backward(const struct net_block *b, struct net_block_save *s,
                         struct net_block_work *w, struct err *err)
{
    struct params *p = b->bn.p;
    struct backend *be = s->c.be;
    struct tensor gamma = params_value(p, b->bn.weight);
    struct tensor dgamma = params_grad(p, b->bn.weight);
    struct tensor dbeta = params_grad(p, b->bn.bias);
    struct tensor grad = params_grad(p, b->taps), flat;

    TRY(be->ops->batch_norm_backward(be, &w->dx, &dgamma, &dbeta, &w->dx, &s->c,
                                     &s->mean, &s->inv_std, &gamma, err));
    TRY(load_taps(b, w, &s->c, err));
    TRY(tensor_reserve(&w->dtaps, be, 2, w->taps.dim, err));
    TRY(be->ops->axpby(be, &w->dtaps, 0, NULL, 0, err));
    TRY(be->ops->depthwise_backward(be, &w->dq, &w->dtaps, &w->dx, &s->g,
                                    &w->taps, err));
    flat = tensor_view(&grad, 0, 2, (int64_t[]){ w->taps.dim[1],
                                                 w->taps.dim[0] });
    return be->ops->transpose(be, &flat, &w->dtaps, 1, err);
}

static int conv_backward(const struct net_block *b, struct net_block_save *s,
                         struct net_block_work *w, struct tensor *dx,
                         const struct tensor *x, const struct net_drop *drop,
                         struct err *err)
{
    const struct backend_ops *ops = x->be->ops;
    struct matmul_opts plain = {0};

    TRY(tensor_reserve(&w->dx, x->be, 3, x->dim, err));
    TRY(tensor_reserve(&w->dq, x->be, 3, x->dim, err));
    TRY(reserve_wide(&w->wide, x, 2 * x->dim[2], err));
    TRY(net_residual_backward(&b->mix, &w->dx, dx, &s->s, 1, &w->d, drop,
                              DROP_CONV, err));
    TRY(ops->act_backward(x->be, &w->dx, &w->dx, &s->n, ACT_SWISH, err));
    TRY(taps_backward(b, s, w, err));
    TRY(ops->glu_backward(x->be, &w->wide, &w->dq, &s->wide, err));
    TRY(net_linear_backward(&b->expand, &w->dx, &w->wide, &s->h3, plain, err));
    return net_norm_backward(&b->conv_norm, dx, &w->dx, x, 1, err);
}

/* ---- block ---- */

int net_block_forward(const struct net_block *b, struct net_block_save *s,
                      struct net_block_work *w, struct tensor *y,
                      const struct tensor *x, const struct net_drop *drop,
                      int first, struct err *err)
{
    TRY(ffn_forward(b, 0, s, w, &s->x1, x, drop, err));
    TRY(attn_forward(b, s, w, &s->x2, &s->x1, drop, err));
    TRY(conv_forward(b, s, w, &s->x3, &s->x2, drop, first, err));
    TRY(ffn_forward(b, 1, s, w, &s->x4, &s->x3, drop, err));
    return net_norm_forward(&b->final, y, &s->x4, err);
}

int net_block_backward(const struct net_block *b, struct net_block_save *s,
                       struct net_block_work *w, struct tensor *dx,
                       const struct tensor *x, const struct net_drop *drop,
                       struct err *err)
{
    TRY(net_norm_backward(&b->final, dx, dx, &s->x4, 0, err));
    TRY(ffn_backward(b, 1, s, w, dx, &s->x3, drop, err));
    TRY(conv_backward(b, s, w, dx, &s->x2, drop, err));
    TRY(attn_backward(b, s, w, dx, &s->x1, drop, err));
    return ffn_backward(b, 0, s, w, dx, x, drop, err);
}

static void release_all(struct tensor **t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tensor_release(t[i]);
}

void net_block_save_release(struct net_block_save *s)
{
    struct tensor *all[] = {
        &s->h[0], &s->u[0], &s->h[1], &s->u[1], &s->x1, &s->x2, &s->x3, &s->x4,
        &s->h2, &s->r, &s->q, &s->k, &s->v, &s->y, &s->lse, &s->h3, &s->wide,
        &s->g, &s->c, &s->n, &s->s, &s->mean, &s->inv_std
    };

    release_all(all, sizeof(all) / sizeof(*all));
}

void net_block_work_release(struct net_block_work *w)
{
    struct tensor *all[] = { &w->d, &w->dx, &w->dq, &w->dk, &w->dv, &w->wide,
                             &w->taps, &w->dtaps, &w->zero };

    net_ffn_work_release(&w->ffn);
    release_all(all, sizeof(all) / sizeof(*all));
}
