/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against torch's AdaptiveAvgPool1d: tests/golden_check on golden/pieces. Here:
 * the stream, and ratios that only a stream has. */
#include "unit.h"

#include <string.h>

#include "base/xalloc.h"
#include "head/pool.h"

/* n inputs 0, 1, 2.. at rate_in, chunk at a time; returns the outputs. */
static int64_t run(float *out, int64_t n, int64_t chunk, double rate_in,
                   double rate_out)
{
    struct pool *p;
    const float *rows;
    float *in = xcalloc((size_t)n + 1, sizeof(*in));
    int64_t made = 0, count;

    for (int64_t i = 0; i < n; i++)
        in[i] = (float)i;
    ck_assert(!pool_new(&p, 1, rate_in, rate_out, NULL));
    for (int64_t i = 0; i <= n; i += chunk) {
        if (i < n)
            ck_assert(!pool_push(p, in + i, n - i < chunk ? n - i : chunk,
                                 &rows, &count, NULL));
        else
            count = 0;
        if (count)
            memcpy(out + made, rows, (size_t)count * sizeof(*out));
        made += count;
    }
    ck_assert(!pool_finish(p, &rows, &count, NULL));
    if (count)
        memcpy(out + made, rows, (size_t)count * sizeof(*out));
    pool_free(p);
    free(in);
    return made + count;
}

/* 50 Hz to 8 Hz: output i averages floor(6.25 i) .. ceil(6.25 (i + 1)) - 1. */
START_TEST(pool_push_averages)
{
    float out[64];

    ck_assert_int_eq(run(out, 100, 100, 50, 8), 16);
    ck_assert(out[0] == 3);     /* 0..6 */
    ck_assert(out[1] == 9);     /* 6..12 */
    ck_assert(out[2] == 15);    /* 12..18 */
    ck_assert(out[15] == 96);   /* 93..99 */
}
END_TEST

START_TEST(pool_push_repeats)
{
    float out[64];

    ck_assert_int_eq(run(out, 10, 3, 25, 50), 20);
    for (int i = 0; i < 20; i++)
        ck_assert(out[i] == (float)(i / 2));
}
END_TEST

START_TEST(pool_push_does_not_see_chunks)
{
    static float a[4096], b[4096];
    int64_t n = run(a, 1003, 1003, 75, 8);

    ck_assert_int_eq(n, 107);
    for (int64_t chunk = 1; chunk < 1000; chunk = chunk * 3 + 1) {
        ck_assert_int_eq(run(b, 1003, chunk, 75, 8), n);
        ck_assert(!memcmp(a, b, (size_t)n * sizeof(*a)));
    }
}
END_TEST

/* As many as round(n / r), but one if there was anything; the last one averages
 * what there is. */
START_TEST(pool_finish_rounds)
{
    float out[64];

    ck_assert_int_eq(run(out, 0, 1, 50, 5), 0);
    ck_assert_int_eq(run(out, 4, 4, 50, 5), 1);
    ck_assert(out[0] == 1.5f);
    ck_assert_int_eq(run(out, 5, 5, 50, 5), 1);
    ck_assert(out[0] == 2);
    ck_assert_int_eq(run(out, 14, 14, 50, 5), 1);
    ck_assert_int_eq(run(out, 17, 17, 50, 5), 2);
    ck_assert(out[1] == 13);    /* 10..16 */
}
END_TEST

START_TEST(pool_new_refuses)
{
    struct pool *p = NULL;
    struct err err = {0};

    ck_assert_int_eq(pool_new(&p, 0, 50, 5, &err), ERR_ARG);
    ck_assert_int_eq(pool_new(&p, 1, 0, 5, &err), ERR_ARG);
    ck_assert_int_eq(pool_new(&p, 1, 50, -1, &err), ERR_ARG);
    ck_assert_int_eq(pool_new(&p, 1, 50, 1e9, &err), ERR_ARG);
    ck_assert_ptr_null(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("head_pool");
    TCase *t = tcase_create("pool");

    tcase_add_test(t, pool_push_averages);
    tcase_add_test(t, pool_push_repeats);
    tcase_add_test(t, pool_push_does_not_see_chunks);
    tcase_add_test(t, pool_finish_rounds);
    tcase_add_test(t, pool_new_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
