/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/bertnet.h"

#include <assert.h>
#include <stdio.h>

static const float norm_eps = 1e-5f;
static const char pos_name[] = "encoder.pos_conv_embed.conv";

void bert_net_front_find(struct bert_net_front *f, struct params *p,
                         const struct encoder_config *c)
{
    char name[128];

    f->p = p;
    f->config = c;
    for (int i = 0; i < c->bert.n_convs; i++) {
        snprintf(name, sizeof(name),
                 "feature_extractor.conv_layers.%d.conv.weight", i);
        f->conv[i] = params_index(p, name);
        assert(f->conv[i] >= 0);
    }
    f->group = net_norm_find(p, "feature_extractor.conv_layers.0.layer_norm");
    f->project_norm = net_norm_find(p, "feature_projection.layer_norm");
    f->project = net_linear_find(p, "feature_projection.projection");
    f->mask = params_index(p, "masked_spec_embed");
    snprintf(name, sizeof(name), "%s.weight_v", pos_name);
    f->pos_v = params_index(p, name);
    snprintf(name, sizeof(name), "%s.weight_g", pos_name);
    f->pos_g = params_index(p, name);
    snprintf(name, sizeof(name), "%s.bias", pos_name);
    f->pos_bias = params_index(p, name);
    assert(f->pos_v >= 0 && f->pos_g >= 0 && f->pos_bias >= 0);
    f->norm = net_norm_find(p, "encoder.layer_norm");
}

void bert_net_front_release(struct bert_net_front *f)
{
    struct tensor *all[] = {
        &f->wave, &f->mean, &f->inv_std, &f->n, &f->x, &f->u, &f->s, &f->a,
        &f->d, &f->e, &f->w, &f->dw, &f->pos_w, &f->pos_norm
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        tensor_release(all[i]);
    for (int i = 0; i < BERT_MAX_CONVS; i++)
        tensor_release(&f->c[i]);
}

/* ---- extractor ---- */

/* w (Cout, K, Cin) of convolution i. */
static int load_weight(struct bert_net_front *f, int i, struct err *err)
{
    struct backend *be = f->p->be;
    struct tensor file = params_value(f->p, f->conv[i]);

    TRY(tensor_reserve(&f->w, be, 3, (int64_t[]){ file.dim[0], file.dim[2],
                       file.dim[1] }, err));
    return be->ops->transpose(be, &f->w, &file, 0, err);
}

/* a = the output of layer i, of c[i]. Before the activation: gelu 0. */
static int activate(struct bert_net_front *f, int i, int gelu, struct err *err)
{
    struct backend *be = f->p->be;
    const struct tensor *c = &f->c[i];
    struct tensor gamma, beta;

    TRY(tensor_reserve(&f->a, be, 3, c->dim, err));
    if (i)
        return be->ops->act(be, &f->a, c, ACT_GELU, err);
    gamma = params_value(f->p, f->group.weight);
    beta = params_value(f->p, f->group.bias);
    TRY(tensor_reserve(&f->mean, be, 2, (int64_t[]){ c->dim[0], c->dim[2] },
                       err));
    TRY(tensor_reserve(&f->inv_std, be, 2, f->mean.dim, err));
    TRY(be->ops->group_norm(be, &f->a, &f->mean, &f->inv_std, c, &gamma, &beta,
                            (int)c->dim[2], norm_eps, err));
    return gelu ? be->ops->act(be, &f->a, &f->a, ACT_GELU, err) : 0;
}

static int extract(struct bert_net_front *f, const float *samples,
                   int64_t batch, int64_t time, struct err *err)
{
    const struct bert_config *c = &f->config->bert;
    struct backend *be = f->p->be;

    TRY(tensor_reserve(&f->wave, be, 3, (int64_t[]){ batch, time, 1 }, err));
    TRY(tensor_upload(&f->wave, samples, err));
    for (int i = 0; i < c->n_convs; i++) {
        time = (time - c->conv_kernel[i]) / c->conv_stride[i] + 1;
        TRY(load_weight(f, i, err));
        TRY(tensor_reserve(&f->c[i], be, 3, (int64_t[]){ batch, time,
                           c->conv_dim[i] }, err));
        TRY(be->ops->conv1d(be, &f->c[i], i ? &f->a : &f->wave, &f->w,
                            c->conv_stride[i], err));
        TRY(activate(f, i, 1, err));
    }
    return 0;
}

/* d = the gradient by c[i] of that by the layer's output, d. */
static int activate_backward(struct bert_net_front *f, int i, struct err *err)
{
    struct backend *be = f->p->be;
    struct tensor gamma, dgamma, dbeta;

    if (i)
        return be->ops->act_backward(be, &f->d, &f->d, &f->c[i], ACT_GELU,
                                     err);
    gamma = params_value(f->p, f->group.weight);
    dgamma = params_grad(f->p, f->group.weight);
    dbeta = params_grad(f->p, f->group.bias);
    TRY(activate(f, 0, 0, err));
    TRY(be->ops->act_backward(be, &f->d, &f->d, &f->a, ACT_GELU, err));
    return be->ops->group_norm_backward(be, &f->d, &dgamma, &dbeta, &f->d,
                                        &f->c[0], &f->mean, &f->inv_std, &gamma,
                                        (int)f->c[0].dim[2], err);
}

/* From d, the gradient by c[i], to that by the layer before, in d too. */
static int conv_backward(struct bert_net_front *f, int i, struct err *err)
{
    struct backend *be = f->p->be;
    int stride = f->config->bert.conv_stride[i];
    struct tensor grad = params_grad(f->p, f->conv[i]), t;

    if (i)
        TRY(activate(f, i - 1, 1, err));
    TRY(load_weight(f, i, err));
    TRY(tensor_reserve(&f->dw, be, 3, f->w.dim, err));
    TRY(be->ops->axpby(be, &f->dw, 0, NULL, 0, err));
    TRY(be->ops->conv1d_dw(be, &f->dw, &f->d, i ? &f->a : &f->wave, stride,
                           err));
    TRY(be->ops->transpose(be, &grad, &f->dw, 1, err));
    if (!i)
        return 0;
    TRY(tensor_reserve(&f->e, be, 3, f->a.dim, err));
    TRY(be->ops->conv1d_dx(be, &f->e, &f->d, &f->w, stride, err));
    t = f->d;
    f->d = f->e;
    f->e = t;
    return 0;
}

/* ---- position convolution ---- */

/* pos_w (D, K, D / groups) from its direction and length. */
static int load_position(struct bert_net_front *f, struct err *err)
{
    struct backend *be = f->p->be;
    struct tensor v = params_value(f->p, f->pos_v);
    struct tensor g = params_value(f->p, f->pos_g);

    TRY(tensor_reserve(&f->pos_w, be, 3, (int64_t[]){ v.dim[0], v.dim[2],
                       v.dim[1] }, err));
    TRY(tensor_reserve(&f->pos_norm, be, 1, &v.dim[2], err));
    return be->ops->weight_norm(be, &f->pos_w, &f->pos_norm, &v, &g, err);
}

/* y = x + gelu(conv(x)), normalised with norm "post". */
static int add_position(struct bert_net_front *f, struct tensor *y,
                        struct err *err)
{
    struct backend *be = f->p->be;
    struct tensor bias = params_value(f->p, f->pos_bias);
    int post = f->config->bert.norm == BERT_POST_NORM;
    struct tensor *sum = post ? &f->s : y;

    TRY(tensor_reserve(&f->u, be, 3, f->x.dim, err));
    TRY(tensor_reserve(sum, be, 3, f->x.dim, err));
    TRY(load_position(f, err));
    TRY(be->ops->conv1d_grouped(be, &f->u, &f->x, &f->pos_w, &bias,
                                f->config->bert.pos_groups, err));
    TRY(be->ops->act(be, sum, &f->u, ACT_GELU, err));
    TRY(be->ops->axpby(be, sum, 1, &f->x, 1, err));
    return post ? net_norm_forward(&f->norm, y, &f->s, err) : 0;
}

/* dx in place: the gradient by x of that by y. */
static int position_backward(struct bert_net_front *f, struct tensor *dx,
                             struct err *err)
{
    struct backend *be = f->p->be;
    struct tensor v = params_value(f->p, f->pos_v);
    struct tensor g = params_value(f->p, f->pos_g);
    struct tensor dv = params_grad(f->p, f->pos_v);
    struct tensor dg = params_grad(f->p, f->pos_g);
    struct tensor dbias = params_grad(f->p, f->pos_bias);

    if (f->config->bert.norm == BERT_POST_NORM)
        TRY(net_norm_backward(&f->norm, dx, dx, &f->s, 0, err));
    TRY(tensor_reserve(&f->d, be, 3, dx->dim, err));
    TRY(tensor_reserve(&f->e, be, 3, dx->dim, err));
    TRY(tensor_reserve(&f->dw, be, 3, f->pos_w.dim, err));
    TRY(be->ops->axpby(be, &f->dw, 0, NULL, 0, err));
    TRY(be->ops->act_backward(be, &f->d, dx, &f->u, ACT_GELU, err));
    TRY(be->ops->conv1d_grouped_backward(be, &f->e, &f->dw, &dbias, &f->d,
                                         &f->x, &f->pos_w,
                                         f->config->bert.pos_groups, err));
    TRY(be->ops->weight_norm_backward(be, &dv, &dg, &f->dw, &v, &g,
                                      &f->pos_norm, err));
    return be->ops->axpby(be, dx, 1, &f->e, 1, err);
}

/* ---- both ---- */

int bert_net_front_forward(struct bert_net_front *f, struct tensor *x,
                           const float *samples, int64_t batch, int64_t time,
                           struct err *err)
{
    struct matmul_opts plain = {0};

    TRY(extract(f, samples, batch, time, err));
    TRY(net_norm_forward(&f->project_norm, &f->n, &f->a, err));
    TRY(tensor_reserve(&f->x, f->p->be, 3, (int64_t[]){ batch, f->a.dim[1],
                       f->config->dim }, err));
    TRY(net_linear_forward(&f->project, &f->x, &f->n, plain, err));
    if (f->hidden) {
        struct tensor v = params_value(f->p, f->mask);

        TRY(f->p->be->ops->replace_rows(f->p->be, &f->x, f->hidden, &v, err));
    }
    return add_position(f, x, err);
}

int bert_net_front_backward(struct bert_net_front *f, struct tensor *dx,
                            struct err *err)
{
    int last = f->config->bert.n_convs - 1;
    struct matmul_opts plain = {0};

    TRY(position_backward(f, dx, err));
    if (f->hidden) {
        struct tensor dv = params_grad(f->p, f->mask);

        TRY(dx->be->ops->replace_rows_backward(dx->be, dx, &dv, f->hidden,
                                               err));
    }
    TRY(tensor_reserve(&f->d, f->p->be, 3, f->n.dim, err));
    TRY(net_linear_backward(&f->project, &f->d, dx, &f->n, plain, err));
    TRY(activate(f, last, 1, err));
    TRY(net_norm_backward(&f->project_norm, &f->d, &f->d, &f->a, 0, err));
    for (int i = last; i >= 0; i--) {
        TRY(activate_backward(f, i, err));
        TRY(conv_backward(f, i, err));
    }
    return 0;
}
