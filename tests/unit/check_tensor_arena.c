/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory that tensors take and give back. */
#include "unit.h"

#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "tensor/cpu/arena.h"

enum { MB = 1 << 20 };

/* Takes size bytes and writes to all of them. */
static char *take(struct arena *a, size_t size, int value)
{
    char *p = arena_take(a, size);

    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    memset(p, value, size);
    return p;
}

static int all(const char *p, size_t size, int value)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != value)
            return 0;
    return 1;
}

/* Neighbours that are free serve one larger request. */
START_TEST(neighbours_join)
{
    struct arena a = {0};
    char *p[4], *q;

    for (int i = 0; i < 4; i++)
        p[i] = take(&a, MB + 3, i);
    arena_give(&a, p[0]);
    arena_give(&a, p[2]);
    arena_give(&a, p[1]);
    q = take(&a, 3 * MB, 9);
    ck_assert(all(p[3], MB + 3, 3));
    if (a.base) {
        ck_assert_ptr_eq(q, p[0]);
        ck_assert_ptr_eq(take(&a, 3 * MB, 7), p[3] + MB + 64);
    }
    arena_give(&a, p[3]);
    arena_give(&a, q);
    arena_release(&a);
}
END_TEST

/* The same requests again and again, in any order of giving back, are served
 * by the same memory. */
START_TEST(steps_repeat)
{
    struct arena a = {0};
    uintptr_t top = 0;

    for (int step = 0; step < 50; step++) {
        char *p[40];
        uintptr_t most = 0;

        for (int i = 0; i < 40; i++) {
            size_t size = (size_t)(i * 7919 % 13 + 1) * 65536;

            p[i] = take(&a, size, i);
            if ((uintptr_t)p[i] + size > most)
                most = (uintptr_t)p[i] + size;
        }
        for (int i = 0; i < 40; i++)
            ck_assert(all(p[i], 65536, i));
        for (int i = 0; i < 40; i++)
            arena_give(&a, p[(i * 17 + step) % 40]);
        if (step == 0)
            top = most;
        ck_assert(!a.base || most == top);
        ck_assert_uint_le(a.n, 1);
    }
    arena_release(&a);
}
END_TEST

/* Small ones come from malloc; none, and too many bytes, are answered. */
START_TEST(odd_sizes)
{
    struct arena a = {0};
    char *p = take(&a, 1, 1), *none = arena_take(&a, 0);

    ck_assert_ptr_null(a.base);
    ck_assert_ptr_nonnull(none);
#ifndef __SANITIZE_ADDRESS__ /* which ends the process there */
    ck_assert_ptr_null(arena_take(&a, SIZE_MAX - 10));
    ck_assert_ptr_null(arena_take(&a, SIZE_MAX / 4));
#endif
    arena_give(&a, p);
    arena_give(&a, none);
    arena_give(&a, NULL);
    arena_release(&a);
}
END_TEST

/* Where addresses are limited none are reserved. */
START_TEST(limited)
{
    struct arena a = {0};
    struct rlimit was, some;

    ck_assert(!getrlimit(RLIMIT_AS, &was));
    some = was;
    some.rlim_cur = (rlim_t)1 << 46;
    ck_assert(!setrlimit(RLIMIT_AS, &some));
    arena_give(&a, take(&a, 5 * MB, 1));
    ck_assert_ptr_null(a.base);
    ck_assert(!setrlimit(RLIMIT_AS, &was));
    arena_release(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tensor_arena");
    TCase *t = tcase_create("arena");

    tcase_add_test(t, neighbours_join);
    tcase_add_test(t, steps_repeat);
    tcase_add_test(t, odd_sizes);
    tcase_add_test(t, limited);
    suite_add_tcase(s, t);
    return unit_run(s);
}
