/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Layer normalisation: sums of a row and of a column in another order (2e-6 of
 * values about 1). */
#include "parity.h"

/* Rows of one warp with 4, 8 and 16 packs a lane, full and not; of a block with
 * 1 and 2 packs a thread; sizes that no packs fit; more rows than blocks. The
 * last has no gradient but by rounding. */
static const int64_t sizes[][2] = {
    { 1, 4 }, { 3, 5 }, { 37, 64 }, { 9, 513 }, { 21, 512 }, { 33, 516 },
    { 40, 768 }, { 70, 1024 }, { 3, 1028 }, { 12, 2048 }, { 5, 2052 },
    { 21, 1023 }, { 3, 1 },
};

START_TEST(forward)
{
    int64_t r = sizes[_i][0], n = sizes[_i][1];
    struct twin x = TWIN(1, r, n), y = TWIN(2, r, n);
    struct twin gamma = TWIN(3, n), beta = TWIN(4, n);

    BOTH(layer_norm, T(y), T(x), T(gamma), T(beta), 1e-5f);
    SAME(y, 1e-6);
    BOTH(layer_norm, T(x), T(x), T(gamma), T(beta), 1e-5f);
    SAME(x, 1e-6);
    SAME(gamma, 0);
    SAME(beta, 0);
}
END_TEST

START_TEST(forward_narrow)
{
    int64_t r = sizes[_i][0], n = sizes[_i][1];
    struct twin x = TWIN(1, r, n), y = NARROW(2, r, n);
    struct twin gamma = TWIN(3, n), beta = TWIN(4, n);

    BOTH(layer_norm, T(y), T(x), T(gamma), T(beta), 1e-5f);
    SAME(y, narrow_error() + 5e-3 / sqrt((double)(r * n)));
    SAME(x, 0);
    twin_drop(&gamma);
    twin_drop(&beta);
}
END_TEST

START_TEST(backward)
{
    int64_t r = sizes[_i][0], n = sizes[_i][1];
    struct twin x = TWIN(1, r, n), dy = TWIN(2, r, n), dx = TWIN(3, r, n);
    struct twin gamma = TWIN(4, n), dgamma = TWIN(5, n), dbeta = TWIN(6, n);

    BOTH(layer_norm_backward, T(dx), T(dgamma), T(dbeta), T(dy), T(x), T(gamma),
         1e-5f, 0);
    BOTH(layer_norm_backward, T(dx), T(dgamma), T(dbeta), T(dy), T(x), T(gamma),
         1e-5f, 1);
    BOTH(layer_norm_backward, T(dy), T(dgamma), T(dbeta), T(dy), T(x), T(gamma),
         1e-5f, 0); /* in place */
    SAME(dx, 2e-6);
    SAME(dy, 2e-6);
    SAME(dgamma, 2e-6);
    SAME(dbeta, 2e-6);
    SAME(x, 0);
    SAME(gamma, 0);
}
END_TEST

/* dx is added to what was there. */
START_TEST(backward_accumulates)
{
    struct twin x = TWIN(1, 9, 1024), dy = TWIN(2, 9, 1024);
    struct twin dx = TWIN(3, 9, 1024), gamma = TWIN(4, 1024);
    struct twin dgamma = TWIN(5, 1024), dbeta = TWIN(6, 1024);

    BOTH(layer_norm_backward, T(dx), T(dgamma), T(dbeta), T(dy), T(x), T(gamma),
         1e-5f, 1);
    SAME(dx, 1e-6);
    SAME(dgamma, 1e-6);
    SAME(dbeta, 1e-6);
    twin_drop(&x);
    twin_drop(&dy);
    twin_drop(&gamma);
}
END_TEST

/* Far from 0 the f32 mean is off by 1e-7 of itself, 1e-4 of the spread here;
 * the difference of squares would be off by 1e-1. */
START_TEST(large_mean)
{
    float value[12 * 512];
    uint32_t seed = 7;
    struct twin x, y = TWIN(2, 12, 512), gamma = TWIN(3, 512);
    struct twin beta = TWIN(4, 512);

    for (int i = 0; i < 12 * 512; i++)
        value[i] = 1000 + noise(&seed);
    x = twin_of(value, DIMS(12, 512), 0);
    BOTH(axpby, T(beta), 0, NULL, 0);
    BOTH(layer_norm, T(y), T(x), T(gamma), T(beta), 1e-5f);
    SAME(y, 2e-4);
    twin_drop(&x);
    twin_drop(&gamma);
    twin_drop(&beta);
}
END_TEST

/* Rows that do not begin at a multiple of 16 bytes. */
START_TEST(odd_address)
{
    struct twin x = TWIN(1, 1 + 5 * 64), y = TWIN(2, 1 + 5 * 64);
    struct twin gamma = TWIN(3, 64), beta = TWIN(4, 64), dgamma = TWIN(5, 64);

    for (int on = CPU; on <= CUDA; on++) {
        struct tensor from = tensor_view(&x.t[on], 1, 2, (int64_t[]){ 5, 64 });
        struct tensor to = tensor_view(&y.t[on], 1, 2, (int64_t[]){ 5, 64 });

        OK(two[on]->ops->layer_norm(two[on], &to, &from, T(gamma), T(beta),
                                    1e-5f, &err));
        OK(two[on]->ops->layer_norm_backward(two[on], &to, T(dgamma), T(beta),
                                             &to, &from, T(gamma), 1e-5f, 0,
                                             &err));
    }
    SAME(x, 0);
    SAME(y, 2e-6);
    SAME(gamma, 0);
    SAME(dgamma, 1e-6);
    SAME(beta, 1e-6);
}
END_TEST

START_TEST(no_rows)
{
    struct twin x = TWIN(1, 0, 64), gamma = TWIN(2, 64), beta = TWIN(3, 64);

    BOTH(layer_norm, T(x), T(x), T(gamma), T(beta), 1e-5f);
    BOTH(layer_norm_backward, T(x), T(gamma), T(beta), T(x), T(x), T(gamma),
         1e-5f, 0);
    SAME(x, 0);
    SAME(gamma, 0);
    SAME(beta, 0);
}
END_TEST

static void add_narrow(Suite *s, const char *name, void (*open)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, open, close_both);
    tcase_add_loop_test(tc, forward_narrow, 0,
                        sizeof(sizes) / sizeof(*sizes));
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("parity_norm");
    TCase *tc = tcase_create("f32");
    int n = (int)(sizeof(sizes) / sizeof(*sizes));

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, forward, 0, n);
    tcase_add_loop_test(tc, backward, 0, n - 1);
    tcase_add_test(tc, backward_accumulates);
    tcase_add_test(tc, large_mean);
    tcase_add_test(tc, odd_address);
    tcase_add_test(tc, no_rows);
    suite_add_tcase(s, tc);
    add_narrow(s, "narrow, bf16", open_bf16);
    add_narrow(s, "narrow, fp16", open_fp16);
    return unit_run(s);
}
