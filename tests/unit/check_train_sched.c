/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Learning rates of each course at hand-made points. */
#include "unit.h"

#include <math.h>

#include "train/sched.h"

START_TEST(sched_warmup)
{
    struct sched s = { .kind = SCHED_CONSTANT, .warmup = 4, .steps = 10 };
    static const double want[] = { 0.25, 0.5, 0.75, 1, 1, 1 };

    for (int i = 0; i < 6; i++)
        ck_assert_double_eq(sched_factor(&s, i), want[i]);
    ck_assert_double_eq(sched_factor(&s, 1000000), 1);
    s.warmup = 0;
    ck_assert_double_eq(sched_factor(&s, 0), 1);
}
END_TEST

START_TEST(sched_cosine)
{
    struct sched s = { SCHED_COSINE, 10, 110, 0.1 };

    ck_assert_double_eq(sched_factor(&s, 9), 1);
    ck_assert_double_eq_tol(sched_factor(&s, 10), 1, 1e-15);
    ck_assert_double_eq_tol(sched_factor(&s, 60), 0.55, 1e-15);
    ck_assert_double_eq_tol(sched_factor(&s, 35),
                            0.1 + 0.9 * (0.5 + sqrt(0.125)), 1e-15);
    ck_assert_double_eq_tol(sched_factor(&s, 110), 0.1, 1e-15);
    ck_assert_double_eq(sched_factor(&s, 999), 0.1);
    for (int i = 11; i < 110; i++)
        ck_assert(sched_factor(&s, i) < sched_factor(&s, i - 1));
}
END_TEST

/* A run that is over before its warm-up, and one without any step. */
START_TEST(sched_short)
{
    struct sched s = { SCHED_COSINE, 10, 10, 0 };

    ck_assert_double_eq(sched_factor(&s, 4), 0.5);
    ck_assert_double_eq(sched_factor(&s, 10), 0);
    s.warmup = s.steps = 0;
    ck_assert_double_eq(sched_factor(&s, 0), 0);
}
END_TEST

START_TEST(sched_inverse)
{
    struct sched s = { SCHED_INVERSE, 100, 1000, 0.2 };

    ck_assert_double_eq(sched_factor(&s, 99), 1);
    ck_assert_double_eq_tol(sched_factor(&s, 399), 0.5, 1e-15);
    ck_assert_double_eq(sched_factor(&s, 1000000), 0.2);
    s.warmup = 0;
    ck_assert_double_eq(sched_factor(&s, 0), 1);
    ck_assert_double_eq_tol(sched_factor(&s, 3), 0.5, 1e-15);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/sched");
    TCase *t = tcase_create("sched");

    tcase_add_test(t, sched_warmup);
    tcase_add_test(t, sched_cosine);
    tcase_add_test(t, sched_short);
    tcase_add_test(t, sched_inverse);
    suite_add_tcase(s, t);
    return unit_run(s);
}
