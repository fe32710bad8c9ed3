/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Softmax cross-entropy: sums of exponentials, 1e-6 with the CPU's
 * approximation of e^x; counts are equal. */
#include "parity.h"

/* Rows, classes: one warp a row, four, eight; more than fit into shared
 * memory. */
static const int64_t sizes[][2] = {
    { 7, 25 }, { 1, 1 }, { 1300, 3 }, { 9, 257 }, { 5, 2048 }, { 3, 8192 },
    { 3, 13001 }
};
enum { SIZES = (int)(sizeof(sizes) / sizeof(*sizes)) };

static void same_sum(const struct loss_sum s[2])
{
    ck_assert_double_eq_tol(s[CUDA].loss, s[CPU].loss,
                            1e-6 * (s[CPU].loss + 1e-3));
    ck_assert_int_eq(s[CUDA].rows, s[CPU].rows);
    ck_assert_int_eq(s[CUDA].correct, s[CPU].correct);
}

/* kind 0: some rows do not count; 1: none does; 2: in place. */
START_TEST(cross_entropy_sizes)
{
    const int64_t *d = sizes[_i / 3];
    struct twin x = TWIN(1, d[0], d[1]), dx = TWIN(2, d[0], d[1]);
    struct loss_sum sum[2];
    int32_t target[1300];
    int kind = _i % 3;

    BOTH(axpby, T(x), 0, NULL, 7); /* not all alike */
    for (int64_t r = 0; r < d[0]; r++)
        target[r] = kind == 1 || r % 4 == 3 ? -1 : (int32_t)(r * 37 % d[1]);
    BOTH(cross_entropy, &sum[on], kind == 2 ? T(x) : T(dx), T(x), target,
         0.7f);
    same_sum(sum);
    ck_assert_int_eq(sum[CUDA].rows == 0, kind == 1);
    SAME(x, kind == 2 ? 1e-6 : 0);
    SAME(dx, 1e-6);
}
END_TEST

/* Ties at the top count as correct. */
START_TEST(cross_entropy_ties)
{
    struct twin x = TWIN(1, 40, 31);
    struct loss_sum sum[2];
    int32_t target[40];

    BOTH(axpby, T(x), 0, NULL, 0);
    for (int r = 0; r < 40; r++)
        target[r] = r % 31;
    BOTH(cross_entropy, &sum[on], T(x), T(x), target, 1);
    same_sum(sum);
    ck_assert_int_eq(sum[CUDA].correct, 40);
    SAME(x, 1e-6);
}
END_TEST

/* Logits that overflow an exponential without their maximum. */
START_TEST(cross_entropy_large)
{
    struct twin x = TWIN(1, 20, 50);
    struct loss_sum sum[2];
    int32_t target[20];

    BOTH(axpby, T(x), 0, NULL, 300);
    for (int r = 0; r < 20; r++)
        target[r] = r;
    BOTH(cross_entropy, &sum[on], T(x), T(x), target, 1);
    same_sum(sum);
    SAME(x, 1e-6);
}
END_TEST

START_TEST(cross_entropy_no_rows)
{
    struct loss_sum sum[2];

    for (int on = CPU; on <= CUDA; on++) {
        struct tensor x = { .be = two[on], .ndim = 2, .dim = { 0, 5 } };

        memset(&sum[on], 1, sizeof(sum[on]));
        OK(two[on]->ops->cross_entropy(two[on], &sum[on], &x, &x, NULL, 1,
                                       &err));
        ck_assert(sum[on].loss == 0 && !sum[on].rows && !sum[on].correct);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parity_loss");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, cross_entropy_sizes, 0, 3 * SIZES);
    tcase_add_test(tc, cross_entropy_ties);
    tcase_add_test(tc, cross_entropy_large);
    tcase_add_test(tc, cross_entropy_no_rows);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
