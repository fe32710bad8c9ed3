/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Batch normalisation: sums of a column in another order (1e-6 of values about
 * 1; 2e-6 behind several of them). */
#include "parity.h"

/* Columns by packs and one by one, more and fewer than a block is wide; rows
 * more and fewer than threads and parts. */
static const int64_t sizes[][2] = {
    { 1, 5 }, { 2, 4 }, { 67, 1 }, { 4099, 3 }, { 1200, 24 }, { 333, 130 },
    { 150, 132 }, { 65, 516 }, { 2100, 64 },
};
enum { SIZES = sizeof(sizes) / sizeof(*sizes) };

START_TEST(forward)
{
    int64_t r = sizes[_i][0], c = sizes[_i][1];
    struct twin x = TWIN(1, r, c), y = TWIN(2, r, c);
    struct twin gamma = TWIN(3, c), beta = TWIN(4, c), mean = TWIN(5, c);
    struct twin inv = TWIN(6, c), rm = TWIN(7, c), rv = TWIN(8, c);

    BOTH(batch_norm, T(y), T(mean), T(inv), T(rm), T(rv), T(x), T(gamma),
         T(beta), 1e-5f, 0.1f);
    BOTH(batch_norm, T(x), T(mean), T(inv), NULL, NULL, T(x), T(gamma),
         T(beta), 1e-5f, 0.1f);
    SAME(y, 1e-6);
    SAME(x, 1e-6);
    SAME(mean, 1e-6);
    SAME(inv, 1e-6);
    SAME(rm, 1e-6);
    SAME(rv, 1e-6);
    SAME(gamma, 0);
    SAME(beta, 0);
}
END_TEST

/* Of one row there is no gradient but by rounding. */
START_TEST(backward)
{
    int64_t r = sizes[_i][0], c = sizes[_i][1];
    struct twin x = TWIN(1, r, c), y = TWIN(2, r, c), dy = TWIN(3, r, c);
    struct twin gamma = TWIN(4, c), beta = TWIN(5, c), mean = TWIN(6, c);
    struct twin inv = TWIN(7, c), dgamma = TWIN(8, c), dbeta = TWIN(9, c);

    BOTH(batch_norm, T(y), T(mean), T(inv), NULL, NULL, T(x), T(gamma), T(beta),
         1e-5f, 0.1f);
    BOTH(batch_norm_backward, T(y), T(dgamma), T(dbeta), T(dy), T(x), T(mean),
         T(inv), T(gamma));
    BOTH(batch_norm_backward, T(dy), T(dgamma), T(dbeta), T(dy), T(x), T(mean),
         T(inv), T(gamma)); /* in place */
    SAME(y, 2e-6);
    SAME(dy, 2e-6);
    SAME(dgamma, 2e-6);
    SAME(dbeta, 2e-6);
    SAME(x, 0);
    SAME(gamma, 0);
    twin_drop(&beta);
    twin_drop(&mean);
    twin_drop(&inv);
}
END_TEST

/* Columns far from 0, each on its side: the mean is off by some 1e-7 of itself,
 * 1e-4 of the spread, and the variance by 1e-5; by 1e-1, were it the difference
 * of squares. */
START_TEST(large_mean)
{
    enum { R = 900, C = 20 };
    float *value = malloc(R * C * sizeof(*value));
    uint32_t seed = 7;
    struct twin x, y = TWIN(2, R, C), gamma = TWIN(3, C), beta = TWIN(4, C);
    struct twin mean = TWIN(5, C), inv = TWIN(6, C), rv = TWIN(7, C);

    for (int i = 0; i < R * C; i++)
        value[i] = (i % 2 ? 1000 : -1000) + noise(&seed);
    x = twin_of(value, DIMS(R, C), 0);
    BOTH(axpby, T(rv), 0, NULL, 0);
    BOTH(batch_norm, T(y), T(mean), T(inv), NULL, T(rv), T(x), T(gamma),
         T(beta), 1e-5f, 1);
    SAME(mean, 1e-7);
    SAME(inv, 1e-5);
    SAME(rv, 2e-5);
    SAME(y, 2e-4);
    twin_drop(&x);
    twin_drop(&gamma);
    twin_drop(&beta);
    free(value);
}
END_TEST

/* ---- rows of other processes ---- */

/* A second process with the same sums. */
static int doubled(void *ctx, double *v, int64_t n, struct err *e)
{
    (void)ctx;
    (void)e;
    for (int64_t i = 0; i < n; i++)
        v[i] *= 2;
    return 0;
}

/* One with others: each number has its place. */
static int increased(void *ctx, double *v, int64_t n, struct err *e)
{
    (void)ctx;
    (void)e;
    for (int64_t i = 0; i < n; i++)
        v[i] += 7 + 3 * (double)(i % 5);
    return 0;
}

static int failing(void *ctx, double *v, int64_t n, struct err *e)
{
    (void)v;
    (void)n;
    return --*(int *)ctx ? 0 : err_set(e, ERR_IO, "a process has gone");
}

static void set_across(int (*f)(void *, double *, int64_t, struct err *),
                       void *ctx)
{
    for (int on = CPU; on <= CUDA; on++) {
        two[on]->across = f;
        two[on]->across_ctx = ctx;
    }
}

START_TEST(across)
{
    enum { R = 150, C = 44 };
    struct twin x = TWIN(1, R, C), y = TWIN(2, R, C), dy = TWIN(3, R, C);
    struct twin gamma = TWIN(4, C), beta = TWIN(5, C), mean = TWIN(6, C);
    struct twin inv = TWIN(7, C), dgamma = TWIN(8, C), dbeta = TWIN(9, C);
    struct twin rm = TWIN(10, C), rv = TWIN(11, C);

    set_across(_i ? increased : doubled, NULL);
    BOTH(batch_norm, T(y), T(mean), T(inv), T(rm), T(rv), T(x), T(gamma),
         T(beta), 1e-5f, 0.3f);
    BOTH(batch_norm_backward, T(dy), T(dgamma), T(dbeta), T(dy), T(x), T(mean),
         T(inv), T(gamma));
    SAME(y, 1e-6);
    SAME(mean, 1e-6);
    SAME(inv, 1e-6);
    SAME(rm, 1e-6);
    SAME(rv, 1e-6);
    SAME(dy, 2e-6);
    SAME(dgamma, 2e-6);
    SAME(dbeta, 2e-6);
    twin_drop(&x);
    twin_drop(&gamma);
    twin_drop(&beta);
}
END_TEST

/* Two equal halves are one whole, but for the unbiased variance: of 2 n rows
 * instead of n. */
START_TEST(halves)
{
    enum { R = 50, C = 12 };
    struct twin x = TWIN(1, R, C), gamma = TWIN(4, C), beta = TWIN(5, C);
    float dx[2][R * C], rv[2][C];

    for (int i = 0; i < 2; i++) {
        struct twin y = TWIN(2, R, C), dy = TWIN(3, R, C), mean = TWIN(6, C);
        struct twin inv = TWIN(7, C), dgamma = TWIN(8, C), dbeta = TWIN(9, C);
        struct twin var = TWIN(10, C);

        set_across(i ? doubled : NULL, NULL);
        BOTH(batch_norm, T(y), T(mean), T(inv), NULL, T(var), T(x), T(gamma),
             T(beta), 1e-5f, 1);
        BOTH(batch_norm_backward, T(y), T(dgamma), T(dbeta), T(dy), T(x),
             T(mean), T(inv), T(gamma));
        OK(tensor_download(dx[i], &y.t[CUDA], &err));
        OK(tensor_download(rv[i], &var.t[CUDA], &err));
        SAME(y, 1e-6);
        SAME(var, 1e-6);
        SAME(dgamma, 1e-6);
        SAME(dbeta, 1e-6);
        twin_drop(&dy);
        twin_drop(&mean);
        twin_drop(&inv);
    }
    for (int i = 0; i < R * C; i++)
        ck_assert_float_eq_tol(dx[0][i], dx[1][i], 1e-6f);
    for (int i = 0; i < C; i++)
        ck_assert_float_eq_tol(rv[1][i], rv[0][i] * (R - 1) / (R - 0.5f),
                               1e-6f);
    twin_drop(&x);
    twin_drop(&gamma);
    twin_drop(&beta);
}
END_TEST

START_TEST(across_fails)
{
    struct twin x = TWIN(1, 9, 4), gamma = TWIN(2, 4), beta = TWIN(3, 4);
    struct twin mean = TWIN(4, 4), inv = TWIN(5, 4), rv = TWIN(6, 4);
    struct backend *be = two[CUDA];
    int left;

    for (int i = 1; i <= 2; i++) { /* at the means, at the squares */
        left = i;
        be->across = failing;
        be->across_ctx = &left;
        ck_assert_int_eq(be->ops->batch_norm(
            be, &x.t[CUDA], &mean.t[CUDA], &inv.t[CUDA], NULL, &rv.t[CUDA],
            &x.t[CUDA], &gamma.t[CUDA], &beta.t[CUDA], 1e-5f, 0.1f, &err),
            ERR_IO);
    }
    left = 1;
    ck_assert_int_eq(be->ops->batch_norm_backward(
        be, &x.t[CUDA], &gamma.t[CUDA], &beta.t[CUDA], &x.t[CUDA], &x.t[CUDA],
        &mean.t[CUDA], &inv.t[CUDA], &gamma.t[CUDA], &err), ERR_IO);
    SAME(x, 0);
    SAME(mean, 0);
    SAME(inv, 0);
    SAME(rv, 0);
    twin_drop(&gamma);
    twin_drop(&beta);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parity_batchnorm");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, forward, 0, SIZES);
    tcase_add_loop_test(tc, backward, 1, SIZES);
    tcase_add_test(tc, large_mean);
    tcase_add_loop_test(tc, across, 0, 2);
    tcase_add_test(tc, halves);
    tcase_add_test(tc, across_fails);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
