/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <stdatomic.h>

#include "base/pool.h"

enum { N = 1000 };

struct work {
    atomic_int done[N];
    int threads;
};

static void count(void *ctx, int thread, size_t i)
{
    struct work *w = ctx;

    ck_assert_int_ge(thread, 0);
    ck_assert_int_lt(thread, w->threads);
    atomic_fetch_add(&w->done[i], 1);
}

START_TEST(pool_each_does_each_once)
{
    struct work w = { .threads = _i };

    pool_each(_i, N, count, &w);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(w.done[i], 1);
}
END_TEST

START_TEST(pool_each_of_few)
{
    struct work w = { .threads = 8 };

    pool_each(8, 0, count, &w);
    pool_each(8, 2, count, &w);
    ck_assert_int_eq(w.done[0] + w.done[1], 2);
    ck_assert_int_eq(w.done[2], 0);
    w.threads = 1;
    pool_each(0, 1, count, &w); /* no threads are one */
    ck_assert_int_eq(w.done[0], 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_pool");
    TCase *t = tcase_create("pool");

    tcase_add_loop_test(t, pool_each_does_each_once, 1, 5);
    tcase_add_test(t, pool_each_of_few);
    suite_add_tcase(s, t);
    return unit_run(s);
}
