/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sums over all elements, and Adam: within some roundings (1e-6). */
#include "parity.h"

START_TEST(axpby_cases)
{
    struct twin x = TWIN(1, 1000, 3), y = TWIN(2, 1000, 3), nan = TWIN(3, 70);
    struct twin z = TWIN(4, 70);

    BOTH(axpby, T(y), 0.5f, T(x), -2);
    BOTH(axpby, T(y), 0, NULL, 3);
    BOTH(axpby, T(nan), 0, NULL, INFINITY); /* b 0: y is not read */
    BOTH(axpby, T(nan), 2, T(z), 0);
    BOTH(axpby, T(z), 0, NULL, 0);
    SAME(x, 0);
    SAME(y, 1e-6);
    SAME(nan, 1e-6);
    SAME(z, 0);
}
END_TEST

START_TEST(dot_sums)
{
    struct twin x = TWIN(1, 100003), y = TWIN(2, 100003);
    double sum[2];

    BOTH(dot, &sum[on], T(x), T(y));
    ck_assert_double_eq_tol(sum[CPU], sum[CUDA], 1e-10);
    twin_drop(&x);
    twin_drop(&y);
}
END_TEST

START_TEST(adam_steps)
{
    struct twin w = TWIN(1, 777), m = TWIN(2, 777), v = TWIN(3, 777);
    struct twin g = TWIN(4, 777);

    BOTH(axpby, T(v), 0, NULL, 0);
    for (int i = 1; i <= 3; i++) {
        struct adam_step s = {
            .lr = 1e-3f, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f,
            .decay = i == 2 ? 0.01f : 0, .grad_scale = 0.7f,
            .bias1 = 1 - powf(0.9f, (float)i),
            .bias2 = 1 - powf(0.99f, (float)i),
        };

        BOTH(adam, T(w), T(m), T(v), T(g), s);
    }
    SAME(w, 1e-6);
    SAME(m, 1e-6);
    SAME(v, 1e-6);
    SAME(g, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parity_optim");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_test(tc, axpby_cases);
    tcase_add_test(tc, dot_sums);
    tcase_add_test(tc, adam_steps);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
