/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One Conformer block, whole and each of its parts alone. */
#include "grad.h"

#include "model/netblock.h"
#include "nets.h"

enum { B = 2, T = 7, DIM = 12, HEADS = 3 };

static struct backend *be;
static struct model_config config;
static struct params p;

struct block {
    struct net_block b;
    struct net_block_save save;
    struct net_block_work work;
    struct net_drop drop;
};

static void set_up(void)
{
    ck_assert(!backend_open(&be, "cpu", 1, NULL));
    nets_conformer_begin(&config, &p, be, 2, 2);
}

static void tear_down(void)
{
    params_release(&p);
    config_release(&config);
    backend_close(be);
}

static int forward(void *ctx, struct tensor *y, const struct tensor *x)
{
    struct block *c = ctx;

    return net_block_forward(&c->b, &c->save, &c->work, y, x, &c->drop, 1,
                             NULL);
}

/* The gradient is made in place. */
static int backward(void *ctx, struct tensor *dx, struct tensor *dy,
                    const struct tensor *x)
{
    struct block *c = ctx;

    TRY(net_copy(dx, dy, NULL));
    return net_block_backward(&c->b, &c->save, &c->work, dx, x, &c->drop,
                              NULL);
}

static void block_release(struct block *c)
{
    net_block_save_release(&c->save);
    net_block_work_release(&c->work);
}

/* The last matrix of each part: where it is 0 (its bias too), the part adds
 * nothing to its input. */
static const char *const last[4] = {
    "ffn1.output_dense", "self_attn.linear_out", "conv_module.pointwise_conv2",
    "ffn2.output_dense"
};

static void silence(const char *part)
{
    static const char *const half[2] = { "weight", "bias" };

    for (int i = 0; i < 2; i++) {
        char *name = xasprintf("conformer.layers.1.%s.%s", part, half[i]);
        int k = params_index(&p, name);
        struct tensor t;

        free(name);
        if (k < 0)
            continue;
        t = params_value(&p, k);
        ck_assert(!be->ops->axpby(be, &t, 0, NULL, 0, NULL));
    }
}

/* 0..3: one part alone, and the norm at the end; 4: all; 5: with dropout. */
START_TEST(net_block_gradients)
{
    struct block c = { .drop = { _i == 5 ? 0.2f : 0, 7, 8 } };
    struct grad_layer l = { .be = be, .p = &p, .ctx = &c, .forward = forward,
                            .backward = backward,
                            .prefix = "conformer.layers.1." };

    for (int i = 0; i < 4 && _i < 4; i++)
        if (i != _i)
            silence(last[i]);
    net_block_find(&c.b, &p, 1, HEADS);
    grad_layer_check(&l, (int64_t[]){ B, T, DIM });
    grad_layer_release(&l);
    block_release(&c);
}
END_TEST

/* ---- running statistics ---- */

/* Mean and unbiased variance of the columns of x. */
static void moments(const struct tensor *x, double *mean, double *var)
{
    int64_t rows = tensor_rows(x), n = tensor_cols(x);

    for (int64_t c = 0; c < n; c++) {
        mean[c] = var[c] = 0;
        for (int64_t r = 0; r < rows; r++)
            mean[c] += x->data[r * n + c] / (double)rows;
        for (int64_t r = 0; r < rows; r++)
            var[c] += pow(x->data[r * n + c] - mean[c], 2) /
                      (double)(rows - 1);
    }
}

/* A tenth of the batch's, in a first pass only; the states are the same in a
 * second one. */
START_TEST(net_block_running)
{
    struct block c = {0};
    struct tensor x = {0}, y = {0}, z = {0}, mean, var;
    float *noise = grad_noises(2, B * T * DIM);
    double m[DIM], v[DIM];

    net_block_find(&c.b, &p, 1, HEADS);
    mean = params_value(&p, c.b.bn_mean);
    var = params_value(&p, c.b.bn_var);
    for (int i = 0; i < DIM; i++) {
        mean.data[i] = (float)i;
        var.data[i] = 2;
    }
    ck_assert(!tensor_reserve(&x, be, 3, (int64_t[]){ B, T, DIM }, NULL));
    ck_assert(!tensor_upload(&x, noise, NULL));
    ck_assert(!forward(&c, &y, &x));
    ck_assert(!net_block_forward(&c.b, &c.save, &c.work, &z, &x, &c.drop, 0,
                                 NULL));
    ck_assert_mem_eq(y.data, z.data, B * T * DIM * 4);
    moments(&c.save.c, m, v);
    for (int i = 0; i < DIM; i++) {
        ck_assert_double_eq_tol(mean.data[i], 0.9 * i + 0.1 * m[i], 1e-5);
        ck_assert_double_eq_tol(var.data[i], 0.9 * 2 + 0.1 * v[i], 1e-5);
        ck_assert(fabs(v[i]) > 1e-3);
    }
    free(noise);
    tensor_release(&x);
    tensor_release(&y);
    tensor_release(&z);
    block_release(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("grad_netblock");
    TCase *t = tcase_create("block");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, net_block_gradients, 0, 6);
    tcase_add_test(t, net_block_running);
    suite_add_tcase(s, t);
    return unit_run(s);
}
