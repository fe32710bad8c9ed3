/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "decode/barspace.h"

START_TEST(bar_space_init_all_integers)
{
    struct bar_space s;

    /* 50 frames a second: 13.95 and 54.5 frames; halves go to the even */
    ck_assert(!bar_space_init(&s, 3000 / 215.0, 54.5, 60, 100, NULL));
    ck_assert_int_eq(s.n, 41);
    ck_assert_int_eq(s.interval[0], 14);
    ck_assert_int_eq(s.interval[40], 54);
    ck_assert_uint_eq(s.states, 41 * (14 + 54) / 2);
    bar_space_release(&s);
}
END_TEST

/* 100 frames a second, 60 tempi of 55..215 BPM: the list that madmom's
 * BeatStateSpace(60 * 100 / 215, 60 * 100 / 55, 60) has begins 28, 29, .. and
 * grows by more than 1 further up. */
START_TEST(bar_space_init_log_spaced)
{
    struct bar_space s;

    ck_assert(!bar_space_init(&s, 6000 / 215.0, 6000 / 55.0, 60, 100, NULL));
    ck_assert_int_ge(s.n, 60);
    ck_assert_int_lt(s.n, 66);
    ck_assert_int_eq(s.interval[0], 28);
    ck_assert_int_eq(s.interval[1], 29);
    ck_assert_int_eq(s.interval[s.n - 1], 109);
    for (int k = 1; k < s.n; k++)
        ck_assert_int_lt(s.interval[k - 1], s.interval[k]);
    ck_assert_int_gt(s.interval[s.n - 1] - s.interval[s.n - 2], 1);
    bar_space_release(&s);
}
END_TEST

START_TEST(bar_space_transitions_sum_to_one)
{
    struct bar_space s;

    ck_assert(!bar_space_init(&s, 10, 60, 0, 100, NULL));
    for (int a = 0; a < s.n; a++) {
        const double *row = s.log_trans + (size_t)a * s.stride;
        double sum = 0;

        for (int b = 0; b < s.stride; b++) {
            double ratio = (double)(10 + b) / (10 + a);

            sum += exp(row[b]);
            /* exp(-100 r) reaches 2^-52 at r = 0.3604 */
            ck_assert_int_eq(isinf(row[b]) != 0,
                             b >= s.n || fabs(ratio - 1) > 0.3604);
            if (!isinf(row[b]))
                ck_assert(a >= s.lo[b / BAR_LANES] &&
                          a <= s.hi[b / BAR_LANES]);
        }
        ck_assert_double_eq_tol(sum, 1, 1e-12);
    }
    bar_space_release(&s);
}
END_TEST

START_TEST(bar_space_init_refuses)
{
    struct bar_space s = {0};
    struct err err = {0};

    ck_assert_int_eq(bar_space_init(&s, 20, 10, 0, 1, &err), ERR_ARG);
    ck_assert_int_eq(bar_space_init(&s, 0.4, 10, 0, 1, &err), ERR_ARG);
    ck_assert_int_eq(bar_space_init(&s, NAN, 10, 0, 1, &err), ERR_ARG);
    ck_assert_int_eq(bar_space_init(&s, 10, INFINITY, 9, 1, &err), ERR_ARG);
    ck_assert_int_eq(bar_space_init(&s, 10, 5000, 0, 1, &err), ERR_ARG);
    ck_assert_int_eq(bar_space_init(&s, 10, 5000, 4000, 1, &err), ERR_ARG);
    ck_assert_ptr_null(s.interval);
}
END_TEST

START_TEST(bar_space_range_counts_positions)
{
    ck_assert_int_eq(bar_space_range(1, 0, 16), 1);
    ck_assert_int_eq(bar_space_range(16, 0, 16), 1);
    ck_assert_int_eq(bar_space_range(17, 0, 16), 2);
    ck_assert_int_eq(bar_space_range(32, 3, 16), 2);
    ck_assert_int_eq(bar_space_range(33, 2, 16), 3);
    ck_assert_int_eq(bar_space_range(10, 1, 1.01), 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_barspace");
    TCase *t = tcase_create("barspace");

    tcase_add_test(t, bar_space_init_all_integers);
    tcase_add_test(t, bar_space_init_log_spaced);
    tcase_add_test(t, bar_space_transitions_sum_to_one);
    tcase_add_test(t, bar_space_init_refuses);
    tcase_add_test(t, bar_space_range_counts_positions);
    suite_add_tcase(s, t);
    return unit_run(s);
}
