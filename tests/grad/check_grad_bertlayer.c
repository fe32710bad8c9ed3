/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One layer of BERT, norm before and behind its parts. */
#include "grad.h"

#include "model/bertnet.h"
#include "nets.h"

enum { B = 2, T = 7, DIM = 12 };

static struct backend *be;
static struct model_config config;
static struct params p;

struct layer {
    struct bert_net_layer l;
    struct bert_net_save save;
    struct bert_net_work work;
    struct net_drop drop;
};

static void set_up(void)
{
    ck_assert(!backend_open(&be, "cpu", 1, NULL));
}

static void tear_down(void)
{
    params_release(&p);
    config_release(&config);
    backend_close(be);
}

static int forward(void *ctx, struct tensor *y, const struct tensor *x)
{
    struct layer *c = ctx;

    TRY(tensor_reserve(y, be, 3, x->dim, NULL));
    return bert_net_layer_forward(&c->l, &c->save, &c->work, y, x, &c->drop,
                                  NULL);
}

/* The gradient is made in place. */
static int backward(void *ctx, struct tensor *dx, struct tensor *dy,
                    const struct tensor *x)
{
    struct layer *c = ctx;

    TRY(net_copy(dx, dy, NULL));
    return bert_net_layer_backward(&c->l, &c->save, &c->work, dx, x, &c->drop,
                                   NULL);
}

static void layer_begin(struct layer *c, struct grad_layer *l, int pre)
{
    nets_bert_begin(&config, &p, be, pre);
    bert_net_layer_find(&c->l, &p, 1, &config.encoder);
    *l = (struct grad_layer){ .be = be, .p = &p, .ctx = c, .forward = forward,
                              .backward = backward,
                              .prefix = "encoder.layers.1." };
}

static void layer_end(struct layer *c, struct grad_layer *l)
{
    grad_layer_release(l);
    bert_net_save_release(&c->save);
    bert_net_work_release(&c->work);
}

/* Bit 0: norm before; 1: dropout. */
START_TEST(bert_net_layer_gradients)
{
    struct layer c = { .drop = { _i & 2 ? 0.2f : 0, 7, 8 } };
    struct grad_layer l;

    layer_begin(&c, &l, _i & 1);
    grad_layer_check(&l, (int64_t[]){ B, T, DIM });
    layer_end(&c, &l);
}
END_TEST

/* With the last matrices of both parts at 0, a layer with the norms before is
 * the identity, and one with them behind two layer norms in a row. */
START_TEST(bert_net_layer_silent)
{
    static const char *const last[] = {
        "attention.out_proj.weight", "attention.out_proj.bias",
        "feed_forward.output_dense.weight", "feed_forward.output_dense.bias"
    };
    struct layer c = {0};
    struct grad_layer l;
    struct tensor x = {0}, y = {0}, a = {0}, want = {0};
    float *noise = grad_noises(4, B * T * DIM);

    layer_begin(&c, &l, _i);
    for (int i = 0; i < 4; i++) {
        char *name = xasprintf("encoder.layers.1.%s", last[i]);
        struct tensor t = params_value(&p, params_index(&p, name));

        ck_assert(!be->ops->axpby(be, &t, 0, NULL, 0, NULL));
        free(name);
    }
    ck_assert(!tensor_reserve(&x, be, 3, (int64_t[]){ B, T, DIM }, NULL));
    ck_assert(!tensor_upload(&x, noise, NULL));
    ck_assert(!forward(&c, &y, &x));
    ck_assert(!net_norm_forward(&c.l.attn_norm, &a, &x, NULL));
    ck_assert(!net_norm_forward(&c.l.ffn_norm, &want, &a, NULL));
    ck_assert_mem_eq(y.data, _i ? x.data : want.data, B * T * DIM * 4);
    free(noise);
    tensor_release(&x);
    tensor_release(&y);
    tensor_release(&a);
    tensor_release(&want);
    layer_end(&c, &l);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("grad_bertlayer");
    TCase *t = tcase_create("layer");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, bert_net_layer_gradients, 0, 4);
    tcase_add_loop_test(t, bert_net_layer_silent, 0, 2);
    suite_add_tcase(s, t);
    return unit_run(s);
}
