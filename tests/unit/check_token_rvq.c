/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "token/rvq.h"

/* Stage 0 takes tens, stage 1 ones, stage 2 tenths. */
START_TEST(rvq_tokens_digits)
{
    enum { N = 1500 };
    static float centers[3 * 10], x[N];
    static int32_t token[N * 3];
    struct rvq *q = NULL;

    for (int i = 0; i < 10; i++) {
        centers[i] = 10.0f * (float)i + 4.5f;
        centers[10 + i] = (float)i - 4.5f;
        centers[20 + i] = 0.1f * (float)i - 0.45f;
    }
    for (int i = 0; i < N; i++)
        x[i] = (float)(i % 1000) / 10 - 0.45f + 0.001f;
    ck_assert(!rvq_new(&q, centers, 3, 10, 1, NULL));
    rvq_tokens(q, token, x, N);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(token[3 * i], i % 1000 / 100);
        ck_assert_int_eq(token[3 * i + 1], i % 100 / 10);
        ck_assert_int_eq(token[3 * i + 2], i % 10);
        ck_assert_float_eq_tol(x[i], 0.001f, 1e-4f); /* what is left over */
    }
    rvq_free(q);
}
END_TEST

static double energy(const float *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sum;
}

/* Each stage leaves less than the one before; the centres found give the same
 * remainder as the fit. */
START_TEST(rvq_fit_stages)
{
    enum { N = 700, DIM = 5, CODES = 16 };
    static float x[N * DIM], left[N * DIM], centers[4 * CODES * DIM];
    static int32_t token[N * 4];
    const struct cluster_config c = { CODES, DIM, 30, 0, 0, 1, 0 };
    double before = 1e30;
    unsigned v = 3;

    for (int i = 0; i < N * DIM; i++) {
        v = v * 1664525u + 1013904223u;
        x[i] = (float)(v >> 8) / (1 << 23) - 1;
    }
    for (int stages = 1; stages <= 4; stages++) {
        struct rvq *q = NULL;
        double now;

        memcpy(left, x, sizeof(x));
        ck_assert(!rvq_fit(centers, left, N, stages, &c, NULL));
        now = energy(left, N * DIM);
        ck_assert_double_lt(now, 0.7 * before);
        before = now;
        memcpy(left, x, sizeof(x));
        ck_assert(!rvq_new(&q, centers, stages, CODES, DIM, NULL));
        rvq_tokens(q, token, left, N);
        ck_assert_double_eq(energy(left, N * DIM), now);
        rvq_free(q);
    }
}
END_TEST

START_TEST(rvq_refuses)
{
    const struct cluster_config c = { 4, 1, 5, 0, 0, 1, 0 };
    float v[4] = { 1, 2, 3, 4 }, centers[8];
    struct rvq *q = NULL;
    struct err err = {0};

    ck_assert_int_eq(rvq_new(&q, v, 0, 1, 1, &err), ERR_ARG);
    ck_assert_int_eq(rvq_new(&q, v, 1, 0, 1, &err), ERR_ARG);
    ck_assert_int_eq(rvq_new(&q, v, 1, 1, 0, &err), ERR_ARG);
    ck_assert_ptr_null(q);
    ck_assert_int_eq(rvq_fit(centers, v, 3, 2, &c, &err), ERR_ARG);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token_rvq");
    TCase *t = tcase_create("rvq");

    tcase_add_test(t, rvq_tokens_digits);
    tcase_add_test(t, rvq_fit_stages);
    tcase_add_test(t, rvq_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
