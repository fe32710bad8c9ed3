/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against torch: tests/golden_check on golden/conformer*, tokens. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "token/quant.h"

/* Projection = identity on two values; four codes on the axes. */
static struct quant *axes(void)
{
    const float projection[4] = { 1, 0, 0, 1 };
    const float code[8] = { 5, 0, 0, 0.1f, -2, 0, 0, -7 };
    struct quant *q = NULL;

    ck_assert(!quant_new(&q, projection, code, 2, 2, 4, NULL));
    return q;
}

START_TEST(quant_tokens_by_angle)
{
    const float x[] = { 3, 1, 1, 3, -9, 8, 0.1f, -0.2f };
    struct quant *q = axes();
    int32_t token[4];

    quant_tokens(q, token, x, 4);
    ck_assert_int_eq(token[0], 0);
    ck_assert_int_eq(token[1], 1); /* the code's length does not count */
    ck_assert_int_eq(token[2], 2);
    ck_assert_int_eq(token[3], 3);
    quant_free(q);
}
END_TEST

START_TEST(quant_tokens_tie_goes_low)
{
    const float x[] = { 1, 1, -1, -1, 0, 0 };
    struct quant *q = axes();
    int32_t token[3];

    quant_tokens(q, token, x, 3);
    ck_assert_int_eq(token[0], 0);
    ck_assert_int_eq(token[1], 2);
    ck_assert_int_eq(token[2], 0);
    quant_free(q);
}
END_TEST

START_TEST(quant_new_refuses_empty)
{
    const float v[1] = { 1 };
    struct quant *q = NULL;
    struct err err = {0};

    ck_assert_int_eq(quant_new(&q, v, v, 0, 1, 1, &err), ERR_ARG);
    ck_assert_int_eq(quant_new(&q, v, v, 1, 0, 1, &err), ERR_ARG);
    ck_assert_int_eq(quant_new(&q, v, v, 1, 1, 0, &err), ERR_ARG);
    ck_assert_ptr_null(q);
}
END_TEST

/* Mean, variance and kurtosis of n values about N(0, var); five standard
 * errors. */
static void check_normal(const float *x, int n, double var)
{
    double m1 = 0, m2 = 0, m4 = 0;

    for (int i = 0; i < n; i++) {
        double v = x[i] / sqrt(var);

        m1 += v / n;
        m2 += v * v / n;
        m4 += v * v * v * v / n;
    }
    ck_assert_double_eq_tol(m1, 0, 5 / sqrt(n));
    ck_assert_double_eq_tol(m2, 1, 5 * sqrt(2.0 / n));
    ck_assert_double_eq_tol(m4, 3, 5 * sqrt(96.0 / n));
}

START_TEST(quant_draw_moments)
{
    enum { WIDTH = 512, DIM = 16, CODES = 1000 };
    static float p[2][WIDTH * DIM], c[2][CODES * DIM];

    quant_draw(p[0], c[0], WIDTH, DIM, CODES, 7, 0);
    check_normal(p[0], WIDTH * DIM, 2.0 / (WIDTH + DIM));
    check_normal(c[0], CODES * DIM, 1);
    quant_draw(p[1], c[1], WIDTH, DIM, CODES, 7, 0);
    ck_assert(!memcmp(p[0], p[1], sizeof(p[0])));
    ck_assert(!memcmp(c[0], c[1], sizeof(c[0])));
    quant_draw(p[1], c[1], WIDTH, DIM, CODES, 7, 1);
    ck_assert(p[0][0] != p[1][0] && c[0][0] != c[1][0]);
    quant_draw(p[1], c[1], WIDTH, DIM, CODES, 8, 0);
    ck_assert(p[0][0] != p[1][0] && c[0][0] != c[1][0]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token_quant");
    TCase *t = tcase_create("quant");

    tcase_add_test(t, quant_tokens_by_angle);
    tcase_add_test(t, quant_tokens_tie_goes_low);
    tcase_add_test(t, quant_draw_moments);
    tcase_add_test(t, quant_new_refuses_empty);
    suite_add_tcase(s, t);
    return unit_run(s);
}
