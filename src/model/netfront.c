/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/netfront.h"

#include <assert.h>
#include <stdio.h>

static const float bn_eps = 1e-5f, bn_momentum = 0.1f;

static void conv_find(struct net_conv *c, struct params *p, int module,
                      int which)
{
    char conv[64], bn[64], part[96];

    snprintf(conv, sizeof(conv), "conv.conv.%d.conv%d", module, which + 1);
    snprintf(bn, sizeof(bn), "conv.conv.%d.bn%d", module, which + 1);
    snprintf(part, sizeof(part), "%s.weight", conv);
    c->weight = params_index(p, part);
    snprintf(part, sizeof(part), "%s.bias", conv);
    c->bias = params_index(p, part);
    c->bn = net_norm_find(p, bn);
    snprintf(part, sizeof(part), "%s.running_mean", bn);
    c->bn_mean = params_index(p, part);
    snprintf(part, sizeof(part), "%s.running_var", bn);
    c->bn_var = params_index(p, part);
    snprintf(part, sizeof(part), "%s.num_batches_tracked", bn);
    c->bn_count = params_index(p, part);
    assert(c->weight >= 0 && c->bias >= 0 && c->bn_mean >= 0 &&
           c->bn_var >= 0 && c->bn_count >= 0);
}

void net_front_find(struct net_front *f, struct params *p,
                    const struct model_config *c)
{
    f->p = p;
    f->channels = c->encoder.conv_dim;
    f->bands = c->mel.bands;
    for (int m = 0; m < NET_MODULES; m++) {
        f->stride[m] = c->encoder.time_strides[m];
        for (int k = 0; k < 3; k++)
            conv_find(&f->conv[m][k], p, m, k);
    }
    f->linear = net_linear_find(p, "conv.linear");
}

static void module_release(struct net_front *f, int m)
{
    struct net_front_save *s = &f->save[m];
    struct tensor *all[] = { &s->c1, &s->a, &s->c2, &s->c3, &s->y, &f->part,
                             &f->dy[m] };

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        tensor_release(all[i]);
}

void net_front_release(struct net_front *f)
{
    for (int m = 0; m < NET_MODULES; m++) {
        module_release(f, m);
        for (int k = 0; k < 3; k++) {
            tensor_release(&f->conv[m][k].taps);
            tensor_release(&f->conv[m][k].mean);
            tensor_release(&f->conv[m][k].inv_std);
        }
    }
    tensor_release(&f->in);
    tensor_release(&f->flat);
    tensor_release(&f->dflat);
    tensor_release(&f->dtaps);
}

int64_t net_front_frames(const struct net_front *f, int64_t time)
{
    for (int m = 0; m < NET_MODULES; m++)
        time = (time + f->stride[m] - 1) / f->stride[m];
    return time;
}

/* ---- one convolution ---- */

/* Files have kernels as (band, time), images here are (time, band). */
static int swap_taps(struct tensor *to, const struct tensor *from,
                     int accumulate, struct err *err)
{
    int64_t n = tensor_count(from) / 9;
    int64_t dim[3] = { n, 3, 3 };
    struct tensor a = tensor_view(to, 0, 3, dim);
    struct tensor b = tensor_view(from, 0, 3, dim);

    return from->be->ops->transpose(from->be, &a, &b, accumulate, err);
}

static int conv_forward(struct net_front *f, struct net_conv *c,
                        struct tensor *y, const struct tensor *x, int stride_t,
                        int stride_b, struct err *err)
{
    struct tensor w = params_value(f->p, c->weight);
    struct tensor bias = params_value(f->p, c->bias);

    TRY(tensor_reserve_batch(y, x->be, x->dim[0],
                             (x->dim[1] - 1) / stride_t + 1,
                             (x->dim[2] - 1) / stride_b + 1, f->channels, err));
    TRY(tensor_reserve(&c->taps, x->be, 4, w.dim, err));
    TRY(swap_taps(&c->taps, &w, 0, err));
    return x->be->ops->image_conv(x->be, y, x, &c->taps, &bias, stride_t,
                                  stride_b, err);
}

/* Gradients of the weights; dx unless NULL. */
static int conv_backward(struct net_front *f, struct net_conv *c,
                         struct tensor *dx, const struct tensor *dy,
                         const struct tensor *x, int stride_t, int stride_b,
                         int accumulate, struct err *err)
{
    const struct backend_ops *ops = x->be->ops;
    struct tensor dw = params_grad(f->p, c->weight);
    struct tensor dbias = params_grad(f->p, c->bias);

    TRY(tensor_reserve(&f->dtaps, x->be, 4, dw.dim, err));
    TRY(ops->axpby(x->be, &f->dtaps, 0, NULL, 0, err));
    TRY(ops->image_conv_dw(x->be, &f->dtaps, &dbias, dy, x, stride_t, stride_b,
                           err));
    TRY(swap_taps(&dw, &f->dtaps, 1, err));
    return dx ? ops->image_conv_dx(x->be, dx, dy, &c->taps, stride_t, stride_b,
                                   accumulate, err) : 0;
}

static int reserve_like(struct tensor *t, const struct tensor *y,
                        struct err *err)
{
    return tensor_reserve_batch(t, y->be, y->dim[0], y->dim[1], y->dim[2],
                                y->dim[3], err);
}

static int bn_forward(struct net_front *f, struct net_conv *c, struct tensor *y,
                      const struct tensor *x, int relu, struct err *err)
{
    struct tensor gamma = params_value(f->p, c->bn.weight);
    struct tensor beta = params_value(f->p, c->bn.bias);
    struct tensor rm = params_value(f->p, c->bn_mean);
    struct tensor rv = params_value(f->p, c->bn_var);

    TRY(reserve_like(y, x, err));
    TRY(tensor_reserve(&c->mean, x->be, 1, gamma.dim, err));
    TRY(tensor_reserve(&c->inv_std, x->be, 1, gamma.dim, err));
    return x->be->ops->image_batch_norm(x->be, y, &c->mean, &c->inv_std, &rm,
                                        &rv, x, &gamma, &beta, bn_eps,
                                        bn_momentum, relu, err);
}

static int bn_backward(struct net_front *f, struct net_conv *c,
                       struct tensor *dx, const struct tensor *dy,
                       const struct tensor *y, const struct tensor *x, int relu,
                       struct err *err)
{
    struct tensor gamma = params_value(f->p, c->bn.weight);
    struct tensor dgamma = params_grad(f->p, c->bn.weight);
    struct tensor dbeta = params_grad(f->p, c->bn.bias);

    TRY(reserve_like(dx, x, err));
    return x->be->ops->image_batch_norm_backward(
        x->be, dx, &dgamma, &dbeta, dy, y, x, &c->mean, &c->inv_std, &gamma,
        relu, err);
}

/* ---- one module: y = relu(bn3(conv3 x) + bn2(conv2 relu(bn1(conv1 x)))) */

static int module_forward(struct net_front *f, int m, const struct tensor *x,
                          struct err *err)
{
    struct net_front_save *s = &f->save[m];
    struct net_conv *c = f->conv[m];

    TRY(conv_forward(f, &c[0], &s->c1, x, f->stride[m], 2, err));
    TRY(bn_forward(f, &c[0], &s->a, &s->c1, 1, err));
    TRY(conv_forward(f, &c[1], &s->c2, &s->a, 1, 1, err));
    TRY(bn_forward(f, &c[1], &s->y, &s->c2, 0, err));
    TRY(conv_forward(f, &c[2], &s->c3, x, f->stride[m], 2, err));
    TRY(bn_forward(f, &c[2], &f->part, &s->c3, 0, err));
    TRY(x->be->ops->image_add_relu(x->be, &s->y, &s->y, &f->part, err));
    tensor_release(&f->part);
    return 0;
}

/* dy[m] is overwritten, dx written unless NULL; what was kept goes, and takes
 * gradients before that. */
static int module_backward(struct net_front *f, int m, struct tensor *dx,
                           const struct tensor *x, struct err *err)
{
    const struct backend_ops *ops = x->be->ops;
    struct net_front_save *s = &f->save[m];
    struct net_conv *c = f->conv[m];
    struct tensor *dy = &f->dy[m];
    int stride = f->stride[m];

    TRY(ops->image_relu_backward(x->be, dy, dy, &s->y, err));
    tensor_release(&s->y);
    TRY(bn_backward(f, &c[2], &s->c3, dy, NULL, &s->c3, 0, err));
    TRY(conv_backward(f, &c[2], dx, &s->c3, x, stride, 2, 0, err));
    tensor_release(&s->c3);
    TRY(bn_backward(f, &c[1], dy, dy, NULL, &s->c2, 0, err));
    TRY(conv_backward(f, &c[1], &s->c2, dy, &s->a, 1, 1, 0, err));
    TRY(bn_backward(f, &c[0], &s->c2, &s->c2, &s->a, &s->c1, 1, err));
    TRY(conv_backward(f, &c[0], dx, &s->c2, x, stride, 2, 1, err));
    module_release(f, m);
    return 0;
}

int net_front_forward(struct net_front *f, struct tensor *x, const float *mel,
                      int64_t batch, int64_t time, struct err *err)
{
    struct matmul_opts plain = {0};
    struct backend *be = f->p->be;
    int64_t frames = net_front_frames(f, time);
    const struct tensor *top = &f->save[NET_MODULES - 1].y;

    TRY(tensor_reserve_batch(&f->in, be, batch, time, f->bands, 1, err));
    TRY(tensor_upload(&f->in, mel, err));
    TRY(module_forward(f, 0, &f->in, err));
    TRY(module_forward(f, 1, &f->save[0].y, err));
    TRY(tensor_reserve(&f->flat, be, 3, (int64_t[]){ batch, frames,
                       top->dim[2] * f->channels }, err));
    TRY(be->ops->image_rows(be, &f->flat, top, err));
    return net_linear_forward(&f->linear, x, &f->flat, plain, err);
}

int net_front_backward(struct net_front *f, const struct tensor *dx,
                       struct err *err)
{
    struct matmul_opts plain = {0};
    struct backend *be = f->p->be;

    TRY(tensor_reserve(&f->dflat, be, 3, f->flat.dim, err));
    TRY(net_linear_backward(&f->linear, &f->dflat, dx, &f->flat, plain, err));
    tensor_release(&f->flat);
    TRY(reserve_like(&f->dy[1], &f->save[1].y, err));
    TRY(be->ops->image_rows_backward(be, &f->dy[1], &f->dflat, err));
    tensor_release(&f->dflat);
    TRY(reserve_like(&f->dy[0], &f->save[0].y, err));
    TRY(module_backward(f, 1, &f->dy[0], &f->save[0].y, err));
    return module_backward(f, 0, NULL, &f->in, err);
}
