/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Group normalisation: sums over time in another order (1e-6 of values about
 * 1; 2e-6 behind several of them). */
#include "parity.h"

/* B, T, C, groups: each channel its own group as in BERT, all channels one,
 * groups across packs and blocks; times of one frame, and of many parts. */
static const int64_t sizes[][4] = {
    { 1, 1100, 64, 64 }, { 3, 70, 40, 8 }, { 2, 33, 15, 5 }, { 2, 1, 24, 2 },
    { 1, 90, 260, 1 }, { 2, 2100, 6, 3 }, { 5, 7, 132, 132 },
};
enum { SIZES = sizeof(sizes) / sizeof(*sizes) };

START_TEST(forward_backward)
{
    int64_t b = sizes[_i][0], t = sizes[_i][1], c = sizes[_i][2];
    int groups = (int)sizes[_i][3];
    struct twin x = TWIN(1, b, t, c), y = TWIN(2, b, t, c);
    struct twin dy = TWIN(3, b, t, c), gamma = TWIN(4, c), beta = TWIN(5, c);
    struct twin mean = TWIN(6, b, groups), inv = TWIN(7, b, groups);
    struct twin dgamma = TWIN(8, c), dbeta = TWIN(9, c);
    struct twin dx = TWIN(10, b, t, c);

    BOTH(group_norm, T(y), T(mean), T(inv), T(x), T(gamma), T(beta), groups,
         1e-5f);
    BOTH(group_norm_backward, T(dx), T(dgamma), T(dbeta), T(dy), T(x), T(mean),
         T(inv), T(gamma), groups);
    BOTH(group_norm_backward, T(dy), T(dgamma), T(dbeta), T(dy), T(x), T(mean),
         T(inv), T(gamma), groups); /* in place */
    BOTH(group_norm, T(x), T(mean), T(inv), T(x), T(gamma), T(beta), groups,
         1e-5f);
    SAME(y, 1e-6);
    SAME(x, 1e-6);
    SAME(mean, 2e-6);
    SAME(inv, 1e-6);
    SAME(dx, 2e-6);
    SAME(dy, 2e-6);
    SAME(dgamma, 2e-6);
    SAME(dbeta, 2e-6);
    SAME(gamma, 0);
    SAME(beta, 0);
}
END_TEST

/* The statistics of a process's windows are its own. */
static int never(void *ctx, double *v, int64_t n, struct err *e)
{
    (void)ctx;
    (void)v;
    (void)n;
    return err_set(e, ERR_IO, "asked");
}

START_TEST(not_across)
{
    struct twin x = TWIN(1, 1, 9, 4), gamma = TWIN(2, 4), beta = TWIN(3, 4);
    struct twin mean = TWIN(4, 1, 4), inv = TWIN(5, 1, 4);

    for (int on = CPU; on <= CUDA; on++)
        two[on]->across = never;
    BOTH(group_norm, T(x), T(mean), T(inv), T(x), T(gamma), T(beta), 4, 1e-5f);
    BOTH(group_norm_backward, T(x), T(gamma), T(beta), T(x), T(x), T(mean),
         T(inv), T(gamma), 4);
    SAME(mean, 1e-6);
    SAME(inv, 1e-6);
    twin_drop(&x);
    twin_drop(&gamma);
    twin_drop(&beta);
}
END_TEST

START_TEST(no_windows)
{
    struct twin x = TWIN(1, 0, 9, 4), gamma = TWIN(2, 4), beta = TWIN(3, 4);
    struct twin mean = TWIN(4, 0, 4);

    BOTH(group_norm, T(x), T(mean), T(mean), T(x), T(gamma), T(beta), 4, 1e-5f);
    BOTH(group_norm_backward, T(x), T(gamma), T(beta), T(x), T(x), T(mean),
         T(mean), T(gamma), 4);
    SAME(x, 0);
    SAME(mean, 0);
    SAME(gamma, 0);
    SAME(beta, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parity_groupnorm");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, forward_backward, 0, SIZES);
    tcase_add_test(tc, not_across);
    tcase_add_test(tc, no_windows);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
