/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/wilcoxon.h"

#include <math.h>

#include "unit.h"

#define N(a) (sizeof(a) / sizeof(*(a)))

static const double one[] = { 1.5 };
static const double few[] = { 1, -2, 3, -4, 5.5 };
static const double tied[] = { 0, 0, 1, 1, -1, 2 };
static const double even[] = { 1, -1, 2, -2 };
static const double d25[] = {
    0.30123,   0.598746,  0.025862,  -0.590592, -0.154671, -0.691647, 0.360144,
    1.640215,  -0.192207, -0.320475, 0.789842,  0.656887,  0.405414,  -0.630468,
    0.270748,  0.995303,  -1.044215, -0.157616, -1.601223, -0.989538, -1.541735,
    0.064909,  -0.967446, 0.571264,  0.456751
};
static const double d26[] = {
    0.113069,  -2.21676,  -0.238693, 0.251499, 0.413309,  -1.230136, -0.177753,
    -0.678519, -0.508837, 1.360899,  -0.507535, 0.267478, 1.18439,   -0.2836,
    0.188298,  0.410464,  0.363782,  -0.925056, 0.37614,  1.658823,  -1.247145,
    1.159383,  0.419354,  -0.34147,  2.300417, 1.06226
};
static const double d20[] = { -0.3, 0.1, 0.3,  0.0, 0.3,  0.1,  0.3,
                              0.5,  -0.1, 0.2, -0.0, 0.1, -0.3, -0.1,
                              0.0,  0.4, 0.4,  -0.3, -0.1, 0.3 };

/* scipy 1.17.1: wilcoxon(d[d != 0], correction=True, method=...). 1e-12: the
 * exact sums are whole numbers, erfc is good to a few units in the last place.
 */
static const struct {
    const double *d;
    size_t n, nonzero;
    int exact;
    double statistic, p;
} cases[] = {
    { one, N(one), 1, 1, 0, 1 },
    { few, N(few), 5, 1, 6, 0.8125 },
    { tied, N(tied), 4, 0, 2, 0.3447042220069576 },
    { even, N(even), 4, 0, 5, 1 },
    { d25, N(d25), 25, 1, 152, 0.7914759516716003 },
    { d26, N(d26), 26, 0, 151, 0.5421589781114289 },
    { d20, N(d20), 17, 0, 43.5, 0.11906652623240004 },
};

START_TEST(test_scipy)
{
    struct wilcoxon t = wilcoxon_test(cases[_i].d, cases[_i].n);

    ck_assert_uint_eq(t.n, cases[_i].nonzero);
    ck_assert_int_eq(t.exact, cases[_i].exact);
    ck_assert_double_eq(t.statistic, cases[_i].statistic);
    ck_assert_double_eq_tol(t.p, cases[_i].p, 1e-12);
}
END_TEST

START_TEST(test_empty)
{
    const double zeros[] = { 0, -0.0 };
    struct wilcoxon t = wilcoxon_test(zeros, 2);

    ck_assert(t.n == 0 && isnan(t.statistic) && t.p == 1);
    t = wilcoxon_test(NULL, 0);
    ck_assert(t.n == 0 && t.p == 1);
}
END_TEST

/* Signs turned: the same; all of one sign: 2 / 2^n. */
START_TEST(test_symmetry)
{
    double d[25];
    struct wilcoxon t;

    for (size_t i = 0; i < 25; i++)
        d[i] = -d25[i];
    ck_assert_double_eq(wilcoxon_test(d, 25).p, wilcoxon_test(d25, 25).p);
    for (size_t i = 0; i < 25; i++)
        d[i] = (double)(i + 1);
    t = wilcoxon_test(d, 25);
    ck_assert(t.statistic == 0 && t.p == ldexp(1, -24));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_wilcoxon");
    TCase *t = tcase_create("wilcoxon");

    tcase_add_loop_test(t, test_scipy, 0, (int)N(cases));
    tcase_add_test(t, test_empty);
    tcase_add_test(t, test_symmetry);
    suite_add_tcase(s, t);
    return unit_run(s);
}
