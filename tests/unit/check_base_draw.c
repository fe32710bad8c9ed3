/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/draw.h"

static const struct draw here = { 42, 1000, 7 };

/* Whatever is changed, the numbers are others. */
START_TEST(draw_words_depend_on_all)
{
    const struct draw other[] = { { 43, 1000, 7 }, { 42, 1001, 7 },
                                  { 42, 1000, 8 } };
    uint32_t a[4], b[4];

    draw_words(a, &here, DRAW_CROP, 5);
    draw_words(b, &here, DRAW_CROP, 5);
    ck_assert_mem_eq(a, b, sizeof(a));
    for (int i = 0; i < 3; i++) {
        draw_words(b, &other[i], DRAW_CROP, 5);
        ck_assert_mem_ne(a, b, sizeof(a));
    }
    draw_words(b, &here, DRAW_MASK, 5);
    ck_assert_mem_ne(a, b, sizeof(a));
    draw_words(b, &here, DRAW_CROP, 6);
    ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

START_TEST(draw_unit_limits)
{
    ck_assert(draw_unit(0, 0) == 0);
    ck_assert(draw_unit(0, 1 << 11) == 0x1p-53);
    ck_assert(draw_unit(UINT32_C(1) << 31, 0) == 0.5);
    ck_assert(draw_unit(UINT32_MAX, UINT32_MAX) == 1 - 0x1p-53);
}
END_TEST

/* Moments of 10^5 numbers within 5 standard deviations. */
START_TEST(draw_uniform_moments)
{
    enum { N = 100000 };
    double sum = 0, square = 0;

    for (uint32_t i = 0; i < N; i++) {
        double u = draw_uniform(&here, DRAW_SPAN, i) - 0.5;

        sum += u;
        square += u * u;
    }
    ck_assert_double_lt(fabs(sum), 5 * sqrt(N / 12.));
    ck_assert_double_lt(fabs(square / N - 1. / 12), 5 * sqrt(1. / 180 / N));
}
END_TEST

/* As above; the fourth moment of a normal value is 3, its variance 96. */
START_TEST(draw_normals_moments)
{
    enum { N = 200000 };
    static float x[N];
    double m1 = 0, m2 = 0, m4 = 0, next = 0, tail = 0;

    draw_normals(x, 0, N, &here, DRAW_NOISE);
    for (int i = 0; i < N; i++) {
        double v = x[i];

        m1 += v;
        m2 += v * v;
        m4 += v * v * v * v;
        next += i ? v * x[i - 1] : 0;
        tail += fabs(v) > 1.959964;
    }
    ck_assert_double_lt(fabs(m1), 5 * sqrt(N));
    ck_assert_double_lt(fabs(m2 - N), 5 * sqrt(2. * N));
    ck_assert_double_lt(fabs(m4 - 3. * N), 5 * sqrt(96. * N));
    ck_assert_double_lt(fabs(next), 5 * sqrt(N));
    ck_assert_double_lt(fabs(tail - 0.05 * N), 5 * sqrt(0.05 * 0.95 * N));
}
END_TEST

/* Box and Muller in double precision, from the words. */
START_TEST(draw_normals_reference)
{
    float x[4];
    uint32_t w[4];

    draw_words(w, &here, DRAW_NOISE, 3);
    draw_normals(x, 12, 4, &here, DRAW_NOISE);
    for (int i = 0; i < 4; i += 2) {
        double r = sqrt(-2 * log((w[i] + 0.5) / 4294967296.));
        double a = 2 * M_PI * w[i + 1] / 4294967296.;

        ck_assert_double_eq_tol(x[i], r * cos(a), 1e-5);
        ck_assert_double_eq_tol(x[i + 1], r * sin(a), 1e-5);
    }
}
END_TEST

START_TEST(draw_normals_are_the_same_in_parts)
{
    float whole[37], part[37];

    draw_normals(whole, 5, 37, &here, DRAW_NOISE);
    for (size_t cut = 0; cut <= 37; cut++) {
        memset(part, 0, sizeof(part));
        draw_normals(part, 5, cut, &here, DRAW_NOISE);
        draw_normals(part + cut, 5 + cut, 37 - cut, &here, DRAW_NOISE);
        ck_assert_mem_eq(whole, part, sizeof(whole));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_draw");
    TCase *t = tcase_create("draw");

    tcase_add_test(t, draw_words_depend_on_all);
    tcase_add_test(t, draw_unit_limits);
    tcase_add_test(t, draw_uniform_moments);
    tcase_add_test(t, draw_normals_moments);
    tcase_add_test(t, draw_normals_reference);
    tcase_add_test(t, draw_normals_are_the_same_in_parts);
    suite_add_tcase(s, t);
    return unit_run(s);
}
