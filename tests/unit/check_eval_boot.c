/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/boot.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "unit.h"

/* Computed from the header's text by a program of its own (Python with
 * numpy.percentile, Philox written from the paper). 1e-12: sums of at most 7
 * numbers. */
START_TEST(means_reference)
{
    const double v[7][2] = { { .5, 1 },    { .25, NAN }, { 1, 0 },
                             { .75, NAN }, { .125, .5 }, { .9, .3 },
                             { .33, NAN } };
    const double *row[7];
    struct boot_interval out[2];

    for (int i = 0; i < 7; i++)
        row[i] = v[i];
    boot_means(out, row, 7, 2, BOOT_SEED);
    ck_assert_double_eq_tol(out[0].low, 0.32142857142857145, 1e-12);
    ck_assert_double_eq_tol(out[0].high, 0.7715178571428571, 1e-12);
    ck_assert_double_eq_tol(out[1].low, 0.075, 1e-12);
    ck_assert_double_eq_tol(out[1].high, 0.875, 1e-12);
    boot_means(out, row, 7, 2, BOOT_SEED + 1);
    ck_assert(out[0].low != 0.32142857142857145);
}
END_TEST

START_TEST(means_undefined)
{
    const double one[] = { 0.5, NAN }, two[] = { 0.5, 1 };
    const double *row[] = { one, two };
    struct boot_interval out[2];

    boot_means(out, row, 2, 2, BOOT_SEED);
    ck_assert(out[0].low == 0.5 && out[0].high == 0.5);
    ck_assert(isnan(out[1].low) && isnan(out[1].high));
    boot_means(out, row, 1, 2, BOOT_SEED);
    ck_assert(isnan(out[0].low));
    boot_means(out, NULL, 0, 2, BOOT_SEED);
    ck_assert(isnan(out[0].low));
}
END_TEST

/* To the bit, on any number of threads. */
START_TEST(means_threads)
{
    enum { N = 3001 };
    static double v[N];
    static const double *row[N];
    struct boot_interval a, b;

    for (int i = 0; i < N; i++) {
        v[i] = sin(i);
        row[i] = v + i;
    }
    omp_set_num_threads(1);
    boot_means(&a, row, N, 1, BOOT_SEED);
    omp_set_num_threads(5);
    boot_means(&b, row, N, 1, BOOT_SEED);
    ck_assert_int_eq(memcmp(&a, &b, sizeof(a)), 0);
    /* the mean of sin is near 0, with deviation 0.707 / sqrt N */
    ck_assert(a.low > -0.03 && a.low < -0.02 && a.high > 0.02 &&
              a.high < 0.03);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_boot");
    TCase *t = tcase_create("boot");

    tcase_add_test(t, means_reference);
    tcase_add_test(t, means_undefined);
    tcase_add_test(t, means_threads);
    suite_add_tcase(s, t);
    return unit_run(s);
}
