/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/bertnet.h"

#include <stdio.h>

/* Places of dropout in a layer. */
enum { DROP_FFN = 0, DROP_ATTN = 2 };

static const struct matmul_opts plain = {0};
static const struct matmul_opts add = { .accumulate = 1 };

void bert_net_layer_find(struct bert_net_layer *l, struct params *p, int index,
                         const struct encoder_config *c)
{
    const struct { struct net_linear *l; const char *name; } linear[] = {
        { &l->q, "attention.q_proj" }, { &l->k, "attention.k_proj" },
        { &l->v, "attention.v_proj" }, { &l->out, "attention.out_proj" },
        { &l->ffn.up, "feed_forward.intermediate_dense" },
        { &l->ffn.down, "feed_forward.output_dense" },
    };
    char name[128];

    l->pre = c->bert.norm == BERT_PRE_NORM;
    l->heads = c->heads;
    l->ffn.act = ACT_GELU;
    l->ffn.scale = 1;
    for (size_t i = 0; i < sizeof(linear) / sizeof(*linear); i++) {
        snprintf(name, sizeof(name), "encoder.layers.%d.%s", index,
                 linear[i].name);
        *linear[i].l = net_linear_find(p, name);
    }
    snprintf(name, sizeof(name), "encoder.layers.%d.layer_norm", index);
    l->attn_norm = net_norm_find(p, name);
    snprintf(name, sizeof(name), "encoder.layers.%d.final_layer_norm", index);
    l->ffn_norm = net_norm_find(p, name);
}

/* ---- forward ---- */

/* s1 = x + attention(h) */
static int attend(const struct bert_net_layer *l, struct bert_net_save *s,
                  struct bert_net_work *w, const struct tensor *x,
                  const struct tensor *h, const struct net_drop *drop,
                  struct err *err)
{
    struct tensor *same[4] = { &s->q, &s->k, &s->v, &s->y };

    for (int i = 0; i < 4; i++)
        TRY(tensor_reserve(same[i], x->be, 3, x->dim, err));
    TRY(tensor_reserve(&s->lse, x->be, 3, (int64_t[]){ x->dim[0], l->heads,
                       x->dim[1] }, err));
    TRY(net_linear_forward(&l->q, &s->q, h, plain, err));
    TRY(net_linear_forward(&l->k, &s->k, h, plain, err));
    TRY(net_linear_forward(&l->v, &s->v, h, plain, err));
    TRY(x->be->ops->attention_save(x->be, &s->y, &s->lse, &s->q, &s->k, &s->v,
                                   l->heads, err));
    return net_residual(&l->out, &s->s1, x, &s->y, 1, &w->d, drop, DROP_ATTN,
                        err);
}

int bert_net_layer_forward(const struct bert_net_layer *l,
                           struct bert_net_save *s, struct bert_net_work *w,
                           struct tensor *y, const struct tensor *x,
                           const struct net_drop *drop, struct err *err)
{
    if (l->pre) {
        TRY(net_norm_forward(&l->attn_norm, &s->h1, x, err));
        TRY(attend(l, s, w, x, &s->h1, drop, err));
        TRY(net_norm_forward(&l->ffn_norm, &s->h2, &s->s1, err));
        return net_ffn_forward(&l->ffn, &s->u, &w->ffn, y, &s->s1, &s->h2, drop,
                               DROP_FFN, err);
    }
    TRY(attend(l, s, w, x, x, drop, err));
    TRY(net_norm_forward(&l->attn_norm, &s->x1, &s->s1, err));
    TRY(net_ffn_forward(&l->ffn, &s->u, &w->ffn, &s->s2, &s->x1, &s->x1, drop,
                        DROP_FFN, err));
    return net_norm_forward(&l->ffn_norm, y, &s->s2, err);
}

/* ---- backward ---- */

/* dh = (or +=) the gradient by h, the attention's input, of that by s1, dy. */
static int attend_backward(const struct bert_net_layer *l,
                           struct bert_net_save *s, struct bert_net_work *w,
                           struct tensor *dh, const struct tensor *dy,
                           const struct tensor *h, int accumulate,
                           const struct net_drop *drop, struct err *err)
{
    struct backend *be = dy->be;
    struct tensor *same[4] = { &w->dy, &w->dq, &w->dk, &w->dv };

    for (int i = 0; i < 4; i++)
        TRY(tensor_reserve(same[i], be, 3, dy->dim, err));
    TRY(net_residual_backward(&l->out, &w->dy, dy, &s->y, 1, &w->d, drop,
                              DROP_ATTN, err));
    TRY(be->ops->attention_backward(be, &w->dq, &w->dk, &w->dv, &w->dy, &s->y,
                                    &s->lse, &s->q, &s->k, &s->v, l->heads,
                                    err));
    TRY(net_linear_backward(&l->q, dh, &w->dq, h, accumulate ? add : plain,
                            err));
    TRY(net_linear_backward(&l->k, dh, &w->dk, h, add, err));
    return net_linear_backward(&l->v, dh, &w->dv, h, add, err);
}

int bert_net_layer_backward(const struct bert_net_layer *l,
                            struct bert_net_save *s, struct bert_net_work *w,
                            struct tensor *dx, const struct tensor *x,
                            const struct net_drop *drop, struct err *err)
{
    if (l->pre) {
        TRY(tensor_reserve(&w->dh, dx->be, 3, dx->dim, err));
        TRY(net_ffn_backward(&l->ffn, &s->u, &w->ffn, &w->dh, dx, &s->h2, 0,
                             drop, DROP_FFN, err));
        TRY(net_norm_backward(&l->ffn_norm, dx, &w->dh, &s->s1, 1, err));
        TRY(attend_backward(l, s, w, &w->dh, dx, &s->h1, 0, drop, err));
        return net_norm_backward(&l->attn_norm, dx, &w->dh, x, 1, err);
    }
    TRY(net_norm_backward(&l->ffn_norm, dx, dx, &s->s2, 0, err));
    TRY(net_ffn_backward(&l->ffn, &s->u, &w->ffn, dx, dx, &s->x1, 1, drop,
                         DROP_FFN, err));
    TRY(net_norm_backward(&l->attn_norm, dx, dx, &s->s1, 0, err));
    return attend_backward(l, s, w, dx, dx, x, 1, drop, err);
}

void bert_net_save_release(struct bert_net_save *s)
{
    struct tensor *all[] = { &s->h1, &s->q, &s->k, &s->v, &s->y, &s->lse,
                             &s->s1, &s->x1, &s->h2, &s->u, &s->s2 };

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        tensor_release(all[i]);
}

void bert_net_work_release(struct bert_net_work *w)
{
    struct tensor *all[] = { &w->d, &w->dh, &w->dy, &w->dq, &w->dk, &w->dv };

    net_ffn_work_release(&w->ffn);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        tensor_release(all[i]);
}
