/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Loss and gradients of two streams of tokens against plain loops in double.
 * Tolerance: relative L2 error 1e-5, f32 products of some ten terms and an
 * exponential. */
#include "unit.h"

#include <math.h>

#include "train.h"
#include "train/masked.h"

enum { B = 2, T = 9, R = B * T, D = 7, C0 = 11, C1 = 5, C = C0 + C1 };

static struct backend *be;
static struct params p;
static struct masked m;
static struct model_config config;
static struct token_config tokens[2] = {
    { .codes = C0, .stages = 1 }, { .codes = C1, .stages = 1 }
};
static const int codes[2] = { C0, C1 }, first[2] = { 0, C0 };
static float x[R * D], w[C * D], b[C];
static int32_t target[2][R];
static const float scale[2] = { 0.25f, 0.03f };

static float noise(int i)
{
    return train_gradient(5, i, 1);
}

static void setup(void)
{
    struct err err = {0};
    struct tensor t;

    be = train_open();
    memset(&p, 0, sizeof(p));
    params_add(&p, "other", PARAM_TRAINED, INIT_CONST, 1, 1,
               (int64_t[]){ 3 });
    params_add(&p, "linear.weight", PARAM_TRAINED, INIT_CONST, 0, 2,
               (int64_t[]){ C, D });
    params_add(&p, "linear.bias", PARAM_TRAINED, INIT_CONST, 0, 1,
               (int64_t[]){ C });
    ck_assert(!params_alloc(&p, be, &err) && !params_init(&p, 1, &err));
    for (int i = 0; i < R * D; i++)
        x[i] = noise(i);
    for (int i = 0; i < C * D; i++)
        w[i] = noise(i + 1000);
    for (int i = 0; i < C; i++)
        b[i] = noise(i + 2000);
    t = params_value(&p, 1);
    ck_assert(!tensor_upload(&t, w, &err));
    t = params_value(&p, 2);
    ck_assert(!tensor_upload(&t, b, &err));
    config = (struct model_config){ .tokens = tokens, .n_tokens = 2 };
    for (int k = 0; k < 2; k++)
        for (int r = 0; r < R; r++)
            target[k][r] = (r + k) % 4 == 1 ? -1 : (r * 3 + k) % codes[k];
    ck_assert(!masked_init(&m, &config, &p, &err));
}

static void teardown(void)
{
    masked_release(&m);
    params_release(&p);
    backend_close(be);
}

struct want {
    double loss[2], dx[R * D], dw[C * D], db[C];
    int64_t right[2], rows[2];
};

/* One row of one stream. */
static void want_row(struct want *v, int k, int r)
{
    double z[C0] = {0}, sum = 0;
    int best = 0, n = codes[k], t = target[k][r];

    for (int c = 0; c < n; c++) {
        z[c] = b[first[k] + c];
        for (int d = 0; d < D; d++)
            z[c] += (double)x[r * D + d] * w[(first[k] + c) * D + d];
        sum += exp(z[c]);
        best = z[c] > z[best] ? c : best;
    }
    v->loss[k] += log(sum) - z[t];
    v->right[k] += best == t;
    v->rows[k]++;
    for (int c = 0; c < n; c++) {
        double dz = scale[k] * (exp(z[c]) / sum - (c == t));

        v->db[first[k] + c] += dz;
        for (int d = 0; d < D; d++) {
            v->dw[(first[k] + c) * D + d] += dz * x[r * D + d];
            v->dx[r * D + d] += dz * w[(first[k] + c) * D + d];
        }
    }
}

static void near(const struct tensor *t, const double *want, int n,
                 double times)
{
    static float got[R * D + C * D];
    double diff = 0, norm = 0;

    train_get(t, got);
    for (int i = 0; i < n; i++) {
        diff += pow(got[i] - times * want[i], 2);
        norm += pow(times * want[i], 2);
    }
    ck_assert_double_le(sqrt(diff), 1e-5 * sqrt(norm));
}

START_TEST(masked_loss_both)
{
    static struct want v;
    const int32_t *const list[2] = { target[0], target[1] };
    struct tensor hidden = {0}, dhidden = {0}, g;
    struct loss_sum sum[2];
    struct err err = {0};

    memset(&v, 0, sizeof(v));
    for (int k = 0; k < 2; k++)
        for (int r = 0; r < R; r++)
            if (target[k][r] >= 0)
                want_row(&v, k, r);
    ck_assert(!tensor_reserve(&hidden, be, 3, (int64_t[]){ B, T, D }, &err));
    ck_assert(!tensor_reserve(&dhidden, be, 3, (int64_t[]){ B, T, D }, &err));
    ck_assert(!tensor_upload(&hidden, x, &err));
    /* without a gradient nothing is added; twice with one: added twice */
    for (int i = 0; i < 3; i++) {
        ck_assert(!masked_loss(&m, sum, i ? &dhidden : NULL, &hidden, list,
                               scale, &err));
        for (int k = 0; k < 2; k++) {
            ck_assert_double_eq_tol(sum[k].loss, v.loss[k],
                                    1e-5 * v.loss[k]);
            ck_assert_int_eq(sum[k].correct, v.right[k]);
            ck_assert_int_eq(sum[k].rows, v.rows[k]);
        }
    }
    near(&dhidden, v.dx, R * D, 1); /* overwritten */
    g = params_grad(&p, 1);
    near(&g, v.dw, C * D, 2);
    g = params_grad(&p, 2);
    near(&g, v.db, C, 2);
    tensor_release(&hidden);
    tensor_release(&dhidden);
}
END_TEST

START_TEST(masked_init_refuses)
{
    struct masked none;
    struct params q = {0};
    struct err err = {0};
    struct token_config many = { .codes = 2, .stages = MASKED_STREAMS + 1 };

    config.n_tokens = 0;
    ck_assert_int_eq(masked_init(&none, &config, &p, &err), ERR_FORMAT);
    config.n_tokens = 2;
    ck_assert_int_eq(masked_init(&none, &config, &q, &err), ERR_FORMAT);
    config.tokens = &many;
    config.n_tokens = 1;
    ck_assert_int_eq(masked_init(&none, &config, &p, &err), ERR_FORMAT);
    ck_assert_str_ne(err.msg, "");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_masked");
    TCase *t = tcase_create("masked");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, masked_loss_both);
    tcase_add_test(t, masked_init_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
