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

static void release(struct tensor *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tensor_release(&t[i]);
}

void net_front_release(struct net_front *f)
{
    for (int m = 0; m < NET_MODULES; m++) {
        struct net_front_save *s = &f->save[m];
        struct tensor *all[] = { &s->c1, &s->a, &s->c2, &s->c3, &s->y };

        for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
            tensor_release(all[i]);
        for (int k = 0; k < 3; k++) {
            tensor_release(&f->conv[m][k].mean);
            tensor_release(&f->conv[m][k].inv_std);
        }
    }
    release(f->dy, NET_MODULES);
    release(f->part, 3);
    tensor_release(&f->in);
    tensor_release(&f->flat);
    tensor_release(&f->dflat);
    tensor_release(&f->taps);
    tensor_release(&f->dtaps);
}

int64_t net_front_frames(const struct net_front *f, int64_t time)
{
    for (int m = 0; m < NET_MODULES; m++)
        time = (time + f->stride[m] - 1) / f->stride[m];
    return time;
}

/* ---- some channels of an image ----
 * What the first module computes of the mel spectrogram itself is cheap, and
 * each channel stands alone up to the next convolution: where their memory
 * allows, a few are worked on at a time, and need not all be there at once. */

struct some {
    int64_t first, n;
};

/* Those from first on of what a convolution of x gives. The last ones are not
 * fewer than the others: one channel alone would be another kind of image. */
static struct some some_at(const struct net_front *f, const struct tensor *x,
                           int64_t first)
{
    enum { CHANNELS = 64 };
    int64_t least = f->p->be->image_channels;
    struct some s = { first, f->channels - first };

    if (x->dim[3] > 1 || x->dim[0] > 1 || !least || s.n < 2 * CHANNELS)
        return s;
    s.n = (CHANNELS + least - 1) / least * least;
    return s;
}

#define FOR_SOME(s, f, x) \
    for (struct some s = some_at(f, x, 0); s.n > 0; \
         s = some_at(f, x, s.first + s.n))

static struct tensor some_of_image(const struct tensor *t, struct some s)
{
    int64_t d[4] = { t->dim[0], t->dim[1], t->dim[2], s.n };
    int64_t at = s.first ? t->be->ops->image_size(t->be, d[1], d[2], s.first)
                         : 0;

    return tensor_view(t, at, 4, d);
}

static struct tensor some_of(struct tensor t, struct some s)
{
    int64_t each = tensor_count(&t) / t.dim[0], d[4] = { s.n };

    for (int i = 1; i < t.ndim; i++)
        d[i] = t.dim[i];
    return tensor_view(&t, s.first * each, t.ndim, d);
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

/* f->taps of c. */
static int load_taps(struct net_front *f, const struct net_conv *c,
                     struct err *err)
{
    struct tensor w = params_value(f->p, c->weight);

    TRY(tensor_reserve(&f->taps, f->p->be, 4, w.dim, err));
    return swap_taps(&f->taps, &w, 0, err);
}

/* Convolution k of module m. */
struct step {
    struct net_conv *c;
    const struct tensor *x;
    int stride_t, stride_b;
};

static struct step step_of(struct net_front *f, int m, int k)
{
    if (k == 1)
        return (struct step){ &f->conv[m][k], &f->save[m].a, 1, 1 };
    return (struct step){ &f->conv[m][k], &f->x[m], f->stride[m], 2 };
}

static int reserve(struct net_front *f, struct tensor *y, const struct step *t,
                   int64_t channels, struct err *err)
{
    const int64_t *d = t->x->dim;

    return tensor_reserve_batch(y, f->p->be, d[0],
                                (d[1] - 1) / t->stride_t + 1,
                                (d[2] - 1) / t->stride_b + 1, channels, err);
}

static int reserve_like(struct tensor *t, const struct tensor *y,
                        struct err *err)
{
    return tensor_reserve_batch(t, y->be, y->dim[0], y->dim[1], y->dim[2],
                                y->dim[3], err);
}

/* Channels s of its output, with f->taps. */
static int conv_some(struct net_front *f, const struct step *t,
                     struct tensor *y, struct some s, struct err *err)
{
    struct tensor w = some_of(f->taps, s);
    struct tensor bias = some_of(params_value(f->p, t->c->bias), s);

    return y->be->ops->image_conv(y->be, y, t->x, &w, &bias, t->stride_t,
                                  t->stride_b, err);
}

/* All of it. */
static int conv_whole(struct net_front *f, const struct step *t,
                      struct tensor *y, struct err *err)
{
    TRY(reserve(f, y, t, f->channels, err));
    TRY(load_taps(f, t->c, err));
    FOR_SOME(s, f, t->x) {
        struct tensor part = some_of_image(y, s);

        TRY(conv_some(f, t, &part, s, err));
    }
    return 0;
}

/* Gradients of the weights are gathered in f->dtaps. */
static int begin_dw(struct net_front *f, const struct step *t, struct err *err)
{
    struct tensor dw = params_grad(f->p, t->c->weight);

    TRY(tensor_reserve(&f->dtaps, f->p->be, 4, dw.dim, err));
    return dw.be->ops->axpby(dw.be, &f->dtaps, 0, NULL, 0, err);
}

static int dw_some(struct net_front *f, const struct step *t,
                   const struct tensor *dy, struct some s, struct err *err)
{
    struct tensor dw = some_of(f->dtaps, s);
    struct tensor dbias = some_of(params_grad(f->p, t->c->bias), s);

    return dy->be->ops->image_conv_dw(dy->be, &dw, &dbias, dy, t->x,
                                      t->stride_t, t->stride_b, err);
}

static int end_dw(struct net_front *f, const struct step *t, struct err *err)
{
    struct tensor dw = params_grad(f->p, t->c->weight);

    return swap_taps(&dw, &f->dtaps, 1, err);
}

static int dw_whole(struct net_front *f, const struct step *t,
                    const struct tensor *dy, struct err *err)
{
    TRY(begin_dw(f, t, err));
    TRY(dw_some(f, t, dy, (struct some){ 0, f->channels }, err));
    return end_dw(f, t, err);
}

static int conv_dx(struct net_front *f, const struct step *t, struct tensor *dx,
                   const struct tensor *dy, int accumulate, struct err *err)
{
    TRY(load_taps(f, t->c, err));
    return dy->be->ops->image_conv_dx(dy->be, dx, dy, &f->taps, t->stride_t,
                                      t->stride_b, accumulate, err);
}

/* ---- batch normalisation ---- */

/* y from x; again: of the statistics that are known. */
static int bn_some(struct net_front *f, struct net_conv *c, struct tensor *y,
                   const struct tensor *x, struct some s, int relu, int again,
                   struct err *err)
{
    const struct backend_ops *ops = x->be->ops;
    struct tensor gamma = some_of(params_value(f->p, c->bn.weight), s);
    struct tensor beta = some_of(params_value(f->p, c->bn.bias), s);
    struct tensor rm = some_of(params_value(f->p, c->bn_mean), s);
    struct tensor rv = some_of(params_value(f->p, c->bn_var), s), mean, inv;
    int64_t n = f->channels;

    TRY(tensor_reserve(&c->mean, x->be, 1, &n, err));
    TRY(tensor_reserve(&c->inv_std, x->be, 1, &n, err));
    mean = some_of(c->mean, s);
    inv = some_of(c->inv_std, s);
    if (again)
        return ops->image_normalise(x->be, y, x, &mean, &inv, &gamma, &beta,
                                    relu, err);
    return ops->image_batch_norm(x->be, y, &mean, &inv, &rm, &rv, x, &gamma,
                                 &beta, bn_eps, bn_momentum, relu, err);
}

/* y: what the relu behind it gave, or NULL. */
static int bn_backward(struct net_front *f, struct net_conv *c,
                       struct tensor *dx, const struct tensor *dy,
                       const struct tensor *y, const struct tensor *x,
                       struct some s, struct err *err)
{
    struct tensor gamma = some_of(params_value(f->p, c->bn.weight), s);
    struct tensor dgamma = some_of(params_grad(f->p, c->bn.weight), s);
    struct tensor dbeta = some_of(params_grad(f->p, c->bn.bias), s);
    struct tensor mean = some_of(c->mean, s), inv = some_of(c->inv_std, s);

    return x->be->ops->image_batch_norm_backward(
        x->be, dx, &dgamma, &dbeta, dy, y, x, &mean, &inv, &gamma, y != NULL,
        err);
}

/* ---- one module: y = relu(bn3(conv3 x) + bn2(conv2 relu(bn1(conv1 x))))
 *
 * The tensors of struct net_front_save that have memory are kept, of the others
 * a few channels are made where they are needed. Whether they are kept or not,
 * the same operations run on the same channels. ---- */

/* n channels as large as what convolution t gives, in f->part[i]. */
static int room(struct net_front *f, int i, const struct step *t,
                struct tensor *out, int64_t n, struct err *err)
{
    TRY(reserve(f, &f->part[i], t, n, err));
    *out = some_of_image(&f->part[i], (struct some){ 0, n });
    return 0;
}

/* Before conv_again. */
static int load_some(struct net_front *f, const struct step *t,
                     const struct tensor *kept, struct err *err)
{
    return kept->data ? 0 : load_taps(f, t->c, err);
}

/* Channels s of what convolution t gave: of kept, or made in f->part[0]. */
static int conv_again(struct net_front *f, const struct step *t,
                      struct tensor *out, const struct tensor *kept,
                      struct some s, struct err *err)
{
    if (kept->data) {
        *out = some_of_image(kept, s);
        return 0;
    }
    TRY(room(f, 0, t, out, s.n, err));
    return conv_some(f, t, out, s, err);
}

/* Channels s of y from those of c3. */
static int y_some(struct net_front *f, int m, struct tensor *y,
                  const struct tensor *c3, struct some s, int again,
                  struct err *err)
{
    struct step t = step_of(f, m, 2);
    struct tensor c2 = some_of_image(&f->save[m].c2, s), other;

    TRY(room(f, 1, &t, &other, s.n, err));
    TRY(bn_some(f, &f->conv[m][1], y, &c2, s, 0, again, err));
    TRY(bn_some(f, t.c, &other, c3, s, 0, again, err));
    return y->be->ops->image_add_relu(y->be, y, y, &other, err);
}

/* All of a; again: not the first time for this batch. */
static int make_a(struct net_front *f, int m, int again, struct err *err)
{
    struct net_front_save *k = &f->save[m];
    struct step t = step_of(f, m, 0);

    TRY(reserve(f, &k->a, &t, f->channels, err));
    TRY(load_some(f, &t, &k->c1, err));
    FOR_SOME(s, f, t.x) {
        struct tensor a = some_of_image(&k->a, s), c1;

        TRY(conv_again(f, &t, &c1, &k->c1, s, err));
        TRY(bn_some(f, t.c, &a, &c1, s, 1, again, err));
    }
    release(f->part, 3);
    return 0;
}

static int make_y(struct net_front *f, int m, int again, struct err *err)
{
    struct net_front_save *k = &f->save[m];
    struct step t = step_of(f, m, 2);

    TRY(reserve(f, &k->y, &t, f->channels, err));
    TRY(load_some(f, &t, &k->c3, err));
    FOR_SOME(s, f, t.x) {
        struct tensor y = some_of_image(&k->y, s), c3;

        TRY(conv_again(f, &t, &c3, &k->c3, s, err));
        TRY(y_some(f, m, &y, &c3, s, again, err));
    }
    release(f->part, 3);
    return 0;
}

/* With checkpoints what served goes at once: the first module's input is the
 * spectrogram, from which c1 and c3 are cheap. */
static int module_forward(struct net_front *f, int m, struct err *err)
{
    struct net_front_save *k = &f->save[m];
    struct step one = step_of(f, m, 0), two = step_of(f, m, 1);
    struct step three = step_of(f, m, 2);

    if (m > 0 || !f->checkpoint) {
        TRY(conv_whole(f, &one, &k->c1, err));
        TRY(conv_whole(f, &three, &k->c3, err));
    }
    if (m > 0 && f->checkpoint)
        tensor_release(&f->save[m - 1].y);
    TRY(make_a(f, m, 0, err));
    TRY(conv_whole(f, &two, &k->c2, err));
    if (f->checkpoint)
        tensor_release(&k->a);
    return make_y(f, m, 0, err);
}

/* dy[m] becomes the gradient by what bn2 and bn3 gave, c3 where it is kept that
 * by c3; of the first module those of conv3's weights are added. */
static int sum_backward(struct net_front *f, int m, struct err *err)
{
    struct net_front_save *k = &f->save[m];
    struct step t = step_of(f, m, 2);

    if (m == 0)
        TRY(begin_dw(f, &t, err));
    TRY(load_some(f, &t, &k->c3, err));
    FOR_SOME(s, f, t.x) {
        struct tensor dy = some_of_image(&f->dy[m], s), c3, y;

        TRY(conv_again(f, &t, &c3, &k->c3, s, err));
        if (k->y.data)
            y = some_of_image(&k->y, s);
        else {
            TRY(room(f, 2, &t, &y, s.n, err));
            TRY(y_some(f, m, &y, &c3, s, 1, err));
        }
        TRY(dy.be->ops->image_relu_backward(dy.be, &dy, &dy, &y, err));
        TRY(bn_backward(f, t.c, &c3, &dy, NULL, &c3, s, err));
        if (m == 0)
            TRY(dw_some(f, &t, &c3, s, err));
    }
    release(f->part, 3);
    return m == 0 ? end_dw(f, &t, err) : 0;
}

/* c2 holds the gradient by a and gets that by c1; of the first module those of
 * conv1's weights are added. */
static int a_backward(struct net_front *f, int m, struct err *err)
{
    struct net_front_save *k = &f->save[m];
    struct step t = step_of(f, m, 0);

    if (m == 0)
        TRY(begin_dw(f, &t, err));
    TRY(load_some(f, &t, &k->c1, err));
    FOR_SOME(s, f, t.x) {
        struct tensor d = some_of_image(&k->c2, s), c1, a;

        TRY(conv_again(f, &t, &c1, &k->c1, s, err));
        if (k->a.data)
            a = some_of_image(&k->a, s);
        else {
            TRY(room(f, 1, &t, &a, s.n, err));
            TRY(bn_some(f, t.c, &a, &c1, s, 1, 1, err));
        }
        TRY(bn_backward(f, t.c, &d, &d, &a, &c1, s, err));
        if (m == 0)
            TRY(dw_some(f, &t, &d, s, err));
    }
    release(f->part, 3);
    return m == 0 ? end_dw(f, &t, err) : 0;
}

/* dy[m] and what was kept go; but where there is a module before it c3 and c2
 * become gradients of conv3 and conv1, which input_backward takes. */
static int module_backward(struct net_front *f, int m, struct err *err)
{
    struct net_front_save *k = &f->save[m];
    struct step t = step_of(f, m, 1);

    TRY(sum_backward(f, m, err));
    tensor_release(&k->y);
    if (m == 0)
        tensor_release(&k->c3);
    TRY(bn_backward(f, t.c, &f->dy[m], &f->dy[m], NULL, &k->c2,
                    (struct some){ 0, f->channels }, err));
    if (f->checkpoint) {
        tensor_release(&k->c2);
        TRY(make_a(f, m, 1, err));
    }
    TRY(dw_whole(f, &t, &f->dy[m], err));
    if (f->checkpoint) {
        tensor_release(&k->a);
        TRY(reserve_like(&k->c2, &f->dy[m], err));
    }
    TRY(conv_dx(f, &t, &k->c2, &f->dy[m], 0, err));
    tensor_release(&f->dy[m]);
    TRY(a_backward(f, m, err));
    tensor_release(&k->a);
    tensor_release(&k->c1);
    if (m == 0)
        tensor_release(&k->c2);
    return 0;
}

/* Of the second module: to the first one's output, which is made again. */
static int input_backward(struct net_front *f, int m, struct err *err)
{
    struct net_front_save *k = &f->save[m], *before = &f->save[m - 1];
    struct step one = step_of(f, m, 0), three = step_of(f, m, 2);

    if (f->checkpoint)
        TRY(make_y(f, m - 1, 1, err));
    f->x[m].data = before->y.data;
    TRY(dw_whole(f, &three, &k->c3, err));
    TRY(dw_whole(f, &one, &k->c2, err));
    if (f->checkpoint)
        tensor_release(&before->y);
    TRY(reserve_like(&f->dy[m - 1], &f->x[m], err));
    TRY(conv_dx(f, &three, &f->dy[m - 1], &k->c3, 0, err));
    tensor_release(&k->c3);
    TRY(conv_dx(f, &one, &f->dy[m - 1], &k->c2, 1, err));
    tensor_release(&k->c2);
    return 0;
}

/* What is the same for both: rows of the last image, as the linear layer takes
 * them. */
static int flatten(struct net_front *f, struct err *err)
{
    const struct tensor *top = &f->save[NET_MODULES - 1].y;

    TRY(tensor_reserve(&f->flat, f->p->be, 3, (int64_t[]){ top->dim[0],
                       top->dim[1], top->dim[2] * f->channels }, err));
    return top->be->ops->image_rows(top->be, &f->flat, top, err);
}

int net_front_forward(struct net_front *f, struct tensor *x, const float *mel,
                      int64_t batch, int64_t time, struct err *err)
{
    struct matmul_opts plain = {0};
    struct tensor w = params_value(f->p, f->conv[1][1].weight);

    /* the largest: memory between the images would be in their way */
    TRY(tensor_reserve(&f->taps, f->p->be, 4, w.dim, err));
    TRY(tensor_reserve(&f->dtaps, f->p->be, 4, w.dim, err));
    TRY(tensor_reserve_batch(&f->in, f->p->be, batch, time, f->bands, 1, err));
    TRY(tensor_upload(&f->in, mel, err));
    f->x[0] = tensor_view(&f->in, 0, 4, f->in.dim);
    TRY(module_forward(f, 0, err));
    f->x[1] = tensor_view(&f->save[0].y, 0, 4, f->save[0].y.dim);
    TRY(module_forward(f, 1, err));
    TRY(flatten(f, err));
    if (f->checkpoint)
        tensor_release(&f->save[1].y);
    TRY(net_linear_forward(&f->linear, x, &f->flat, plain, err));
    if (f->checkpoint)
        tensor_release(&f->flat);
    return 0;
}

int net_front_backward(struct net_front *f, const struct tensor *dx,
                       struct err *err)
{
    struct matmul_opts plain = {0};
    struct backend *be = f->p->be;

    if (f->checkpoint) {
        TRY(make_y(f, 1, 1, err));
        TRY(flatten(f, err));
    }
    TRY(tensor_reserve(&f->dflat, be, 3, f->flat.dim, err));
    TRY(net_linear_backward(&f->linear, &f->dflat, dx, &f->flat, plain, err));
    tensor_release(&f->flat);
    TRY(reserve_like(&f->dy[1], &f->save[1].y, err));
    TRY(be->ops->image_rows_backward(be, &f->dy[1], &f->dflat, err));
    tensor_release(&f->dflat);
    TRY(module_backward(f, 1, err));
    TRY(input_backward(f, 1, err));
    return module_backward(f, 0, err);
}
