/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The factor of gradients in fp16: when it halves, doubles, and stays. */
#include "unit.h"

#include "train/lossscale.h"

START_TEST(lossscale_init_by_precision)
{
    struct lossscale s = { 3, 4 };

    lossscale_init(&s, 0, PRECISION_BF16);
    ck_assert(s.value == 0 && s.good == 0 && lossscale_factor(&s) == 1);
    ck_assert_int_eq(lossscale_step(&s, 0), 0);
    ck_assert_int_eq(lossscale_step(&s, 1), 0);
    ck_assert(s.value == 0 && s.good == 0);
    lossscale_init(&s, 0, PRECISION_FP16);
    ck_assert(lossscale_factor(&s) == 65536);
    lossscale_init(&s, 8, PRECISION_F32);
    ck_assert(lossscale_factor(&s) == 8);
}
END_TEST

START_TEST(lossscale_step_halves)
{
    struct lossscale s = { 3, 100 };

    ck_assert_int_eq(lossscale_step(&s, 0), 1);
    ck_assert(s.value == 1.5 && s.good == 0);
    ck_assert_int_eq(lossscale_step(&s, 0), 1);
    ck_assert(s.value == 1); /* not below it */
    ck_assert_int_eq(lossscale_step(&s, 0), 0);
    ck_assert(s.value == 1);
}
END_TEST

START_TEST(lossscale_step_doubles)
{
    struct lossscale s = { 1 << 22, 0 };

    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < 1999; i++)
            ck_assert_int_eq(lossscale_step(&s, 1), 0);
        ck_assert(s.value == (k < 2 ? 1 << (22 + k) : 1 << 24));
        lossscale_step(&s, 1);
        ck_assert(s.value == (k < 2 ? 1 << (23 + k) : 1 << 24));
        ck_assert(s.good == 0);
    }
    /* an overflow begins the count anew */
    for (int i = 0; i < 1999; i++)
        lossscale_step(&s, 1);
    lossscale_step(&s, 0);
    lossscale_step(&s, 1);
    ck_assert(s.value == 1 << 23 && s.good == 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_lossscale");
    TCase *t = tcase_create("lossscale");

    tcase_add_test(t, lossscale_init_by_precision);
    tcase_add_test(t, lossscale_step_halves);
    tcase_add_test(t, lossscale_step_doubles);
    suite_add_tcase(s, t);
    return unit_run(s);
}
