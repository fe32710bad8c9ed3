/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The layers that nets share, each alone. */
#include "grad.h"

#include "model/netblock.h"

enum { B = 2, T = 5, IN = 7, OUT = 9 };

static struct backend *be;
static struct params p;

static void set_up(void)
{
    ck_assert(!backend_open(&be, "cpu", 1, NULL));
    memset(&p, 0, sizeof(p));
}

static void tear_down(void)
{
    params_release(&p);
    backend_close(be);
}

/* Values around 1, none of them 0. */
static void begin(void)
{
    ck_assert(!params_alloc(&p, be, NULL));
    ck_assert(!params_init(&p, 3, NULL));
    for (int64_t i = 0; i < p.trained; i++)
        p.value.data[i] += 0.3f * grad_noise(1, i);
}

static void add(const char *name, int ndim, int64_t a, int64_t b)
{
    params_add(&p, name, PARAM_TRAINED, INIT_UNIFORM, 0.7f, ndim,
               (int64_t[]){ a, b, 1 });
}

/* ---- linear ---- */

struct linear {
    struct net_linear l;
    struct matmul_opts opts;
    float *base; /* y and dx before, where opts accumulate */
};

static int fill(struct tensor *t, const struct linear *c)
{
    ck_assert(tensor_count(t) <= B * T * OUT);
    return c->opts.accumulate ? tensor_upload(t, c->base, NULL) : 0;
}

static int linear_forward(void *ctx, struct tensor *y, const struct tensor *x)
{
    struct linear *c = ctx;

    TRY(tensor_reserve(y, be, 3, (int64_t[]){ B, T, OUT }, NULL));
    TRY(fill(y, c));
    return net_linear_forward(&c->l, y, x, c->opts, NULL);
}

/* What dx was before is taken off again. */
static int linear_backward(void *ctx, struct tensor *dx, struct tensor *dy,
                           const struct tensor *x)
{
    struct linear *c = ctx;

    TRY(fill(dx, c));
    TRY(net_linear_backward(&c->l, dx, dy, x, c->opts, NULL));
    for (int64_t i = 0; c->opts.accumulate && i < tensor_count(dx); i++)
        dx->data[i] -= c->base[i];
    return 0;
}

/* With a bias or without, scaled, added to; the weight as files have it behind
 * a convolution over one frame. */
START_TEST(net_linear_gradients)
{
    struct linear c = {
        .opts = { .scale = _i & 2 ? 0.5f : 0, .accumulate = _i >> 2 & 1 },
        .base = grad_noises(9, B * T * OUT)
    };
    struct grad_layer l = { .be = be, .p = &p, .ctx = &c,
                            .forward = linear_forward,
                            .backward = linear_backward };

    add("l.weight", _i & 4 ? 3 : 2, OUT, IN);
    if (_i & 1)
        add("l.bias", 1, OUT, 0);
    begin();
    c.l = net_linear_find(&p, "l");
    ck_assert_int_eq(c.l.bias, _i & 1 ? 1 : -1);
    grad_layer_check(&l, (int64_t[]){ B, T, IN });
    grad_layer_release(&l);
    free(c.base);
}
END_TEST

/* Gradients of weights are added to, and are the same to the bit without that
 * of the input. */
START_TEST(net_linear_backward_adds)
{
    struct linear c = { .opts = { .scale = 0.5f } };
    struct tensor x = {0}, dy = {0}, dx = {0};
    float *noise = grad_noises(4, B * T * OUT), *once;

    add("l.weight", 2, OUT, IN);
    add("l.bias", 1, OUT, 0);
    begin();
    c.l = net_linear_find(&p, "l");
    ck_assert(!tensor_reserve(&x, be, 3, (int64_t[]){ B, T, IN }, NULL));
    ck_assert(!tensor_reserve(&dx, be, 3, x.dim, NULL));
    ck_assert(!tensor_reserve(&dy, be, 3, (int64_t[]){ B, T, OUT }, NULL));
    ck_assert(!tensor_upload(&x, noise, NULL));
    ck_assert(!tensor_upload(&dy, noise, NULL));
    ck_assert(!net_linear_backward(&c.l, NULL, &dy, &x, c.opts, NULL));
    once = xcalloc((size_t)p.trained, sizeof(*once));
    memcpy(once, p.grad.data, (size_t)p.trained * sizeof(*once));
    ck_assert(grad_norm(once, p.trained) > 0);
    ck_assert(!params_zero_grad(&p, NULL));
    ck_assert(!net_linear_backward(&c.l, &dx, &dy, &x, c.opts, NULL));
    ck_assert_mem_eq(p.grad.data, once, (size_t)p.trained * sizeof(*once));
    ck_assert(!net_linear_backward(&c.l, NULL, &dy, &x, c.opts, NULL));
    for (int64_t i = 0; i < p.trained; i++)
        ck_assert_float_eq_tol(p.grad.data[i], 2 * once[i],
                               1e-6f * (1 + fabsf(once[i])));
    free(once);
    free(noise);
    tensor_release(&x);
    tensor_release(&dx);
    tensor_release(&dy);
}
END_TEST

/* ---- layer normalisation ---- */

struct norm {
    struct net_norm n;
    int accumulate;
};

static int norm_forward(void *ctx, struct tensor *y, const struct tensor *x)
{
    return net_norm_forward(&((struct norm *)ctx)->n, y, x, NULL);
}

static int norm_backward(void *ctx, struct tensor *dx, struct tensor *dy,
                         const struct tensor *x)
{
    struct norm *c = ctx;

    for (int64_t i = 0; c->accumulate && i < tensor_count(dx); i++)
        dx->data[i] = 5;
    TRY(net_norm_backward(&c->n, dx, dy, x, c->accumulate, NULL));
    for (int64_t i = 0; c->accumulate && i < tensor_count(dx); i++)
        dx->data[i] -= 5;
    return 0;
}

START_TEST(net_norm_gradients)
{
    struct norm c = { .accumulate = _i };
    struct grad_layer l = { .be = be, .p = &p, .ctx = &c,
                            .forward = norm_forward,
                            .backward = norm_backward };

    add("n.weight", 1, OUT, 0);
    add("n.bias", 1, OUT, 0);
    begin();
    c.n = net_norm_find(&p, "n");
    grad_layer_check(&l, (int64_t[]){ B, T, OUT });
    grad_layer_release(&l);
}
END_TEST

/* ---- residual connection with dropout: y = x + scale * drop(l(x)) ---- */

struct residual {
    struct net_linear l;
    struct net_drop drop;
    struct tensor work;
    float scale;
};

static int residual_forward(void *ctx, struct tensor *y, const struct tensor *x)
{
    struct residual *c = ctx;

    return net_residual(&c->l, y, x, x, c->scale, &c->work, &c->drop, 3, NULL);
}

static int residual_backward(void *ctx, struct tensor *dx, struct tensor *dy,
                             const struct tensor *x)
{
    struct residual *c = ctx;
    float *before = grad_noises(3, tensor_count(dy));

    TRY(net_residual_backward(&c->l, dx, dy, x, c->scale, &c->work, &c->drop, 3,
                              NULL));
    ck_assert_mem_eq(dy->data, before, (size_t)tensor_count(dy) * 4);
    free(before);
    return be->ops->axpby(be, dx, 1, dy, 1, NULL);
}

START_TEST(net_residual_gradients)
{
    struct residual c = { .drop = { _i & 1 ? 0.3f : 0, 77, 8, 0 },
                          .scale = _i & 2 ? 0.5f : 1 };
    struct grad_layer l = { .be = be, .p = &p, .ctx = &c,
                            .forward = residual_forward,
                            .backward = residual_backward };

    add("l.weight", 2, IN, IN);
    add("l.bias", 1, IN, 0);
    begin();
    c.l = net_linear_find(&p, "l");
    grad_layer_check(&l, (int64_t[]){ B, T, IN });
    grad_layer_release(&l);
    tensor_release(&c.work);
}
END_TEST

/* ---- feed-forward part ---- */

struct ffn {
    struct net_ffn f;
    struct net_ffn_work work;
    struct net_drop drop;
    struct tensor u;
};

static int ffn_forward(void *ctx, struct tensor *y, const struct tensor *x)
{
    struct ffn *c = ctx;

    return net_ffn_forward(&c->f, &c->u, &c->work, y, x, x, &c->drop, 3, NULL);
}

static int ffn_backward(void *ctx, struct tensor *dx, struct tensor *dy,
                        const struct tensor *x)
{
    struct ffn *c = ctx;

    TRY(net_ffn_backward(&c->f, &c->u, &c->work, dx, dy, x, 0, &c->drop, 3,
                         NULL));
    return be->ops->axpby(be, dx, 1, dy, 1, NULL);
}

/* All at once, or in three stretches of which the second has rows of both
 * samples: what is dropped is the same. */
START_TEST(net_ffn_gradients)
{
    struct ffn c = { .drop = { _i ? 0.3f : 0, 77, 8, 3 } };
    struct grad_layer l = { .be = be, .p = &p, .ctx = &c,
                            .forward = ffn_forward, .backward = ffn_backward };
    float whole[B * T * IN];

    add("up.weight", 2, OUT, IN);
    add("up.bias", 1, OUT, 0);
    add("down.weight", 2, IN, OUT);
    add("down.bias", 1, IN, 0);
    begin();
    c.f = (struct net_ffn){ net_linear_find(&p, "up"),
                            net_linear_find(&p, "down"), ACT_SWISH, 0.5f };
    for (int k = 0; k < 2; k++) {
        be->rows = k ? 4 : 0;
        ck_assert(!params_zero_grad(&p, NULL));
        grad_layer_check(&l, (int64_t[]){ B, T, IN });
        ck_assert(!ffn_forward(&c, &l.y, &l.x));
        for (int i = 0; k && i < B * T * IN; i++)
            ck_assert_float_eq_tol(l.y.data[i], whole[i], 1e-5f);
        memcpy(whole, l.y.data, sizeof(whole));
        grad_layer_release(&l);
    }
    tensor_release(&c.u);
    net_ffn_work_release(&c.work);
}
END_TEST

/* What is dropped depends on the place, the stream and the seed, and p 0 drops
 * nothing. */
START_TEST(net_dropout_masks)
{
    static const struct { struct net_drop d; uint64_t place; } as[] = {
        { { 0.5f, 1, 8, 0 }, 0 }, { { 0.5f, 1, 8, 0 }, 1 },
        { { 0.5f, 1, 16, 0 }, 0 }, { { 0.5f, 2, 8, 0 }, 0 },
        { { 0, 1, 8, 0 }, 0 }
    };
    struct tensor x[5] = { 0 };
    float one[101];

    for (int i = 0; i < 101; i++)
        one[i] = 1;
    for (int k = 0; k < 5; k++) {
        ck_assert(!tensor_reserve(&x[k], be, 1, (int64_t[]){ 101 }, NULL));
        ck_assert(!tensor_upload(&x[k], one, NULL));
        ck_assert(!net_dropout(&x[k], &as[k].d, as[k].place, NULL));
        for (int j = 0; j < k; j++)
            ck_assert_mem_ne(x[k].data, x[j].data, sizeof(one));
    }
    for (int i = 0; i < 101; i++)
        ck_assert(x[0].data[i] == 0 || x[0].data[i] == 2);
    ck_assert_mem_eq(x[4].data, one, sizeof(one));
    for (int k = 0; k < 5; k++)
        tensor_release(&x[k]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("grad_netlayer");
    TCase *t = tcase_create("layers");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, net_linear_gradients, 0, 8);
    tcase_add_test(t, net_linear_backward_adds);
    tcase_add_loop_test(t, net_norm_gradients, 0, 2);
    tcase_add_loop_test(t, net_residual_gradients, 0, 4);
    tcase_add_loop_test(t, net_ffn_gradients, 0, 2);
    tcase_add_test(t, net_dropout_masks);
    suite_add_tcase(s, t);
    return unit_run(s);
}
