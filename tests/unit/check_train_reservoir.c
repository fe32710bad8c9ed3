/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "train/reservoir.h"

enum { FILES = 20, EACH = 500, MOST = 300 };

static const unsigned char none[FILES];

/* Vector index of file is {file, index}; the order of the files is turned by
 * first. */
static struct reservoir *feed(int first, uint64_t seed, int64_t most)
{
    struct reservoir *r = NULL;

    ck_assert(!reservoir_new(&r, most, 2, seed, 1, NULL));
    for (int f = 0; f < FILES; f++)
        for (int i = 0; i < EACH; i++) {
            int file = (f + first) % FILES;

            reservoir_offer(r, (size_t)file, i,
                            (float[]){ (float)file, (float)i });
        }
    return r;
}

/* What is kept, and its order, do not depend on the order of the files; each
 * part of the stream has its share (five standard deviations), and no vector
 * comes twice. */
START_TEST(reservoir_take_any_order)
{
    struct reservoir *a = feed(0, 1, MOST), *b = feed(7, 1, MOST);
    int seen[FILES * EACH] = {0}, low = 0;
    float *x, *y;
    int64_t n, m;

    ck_assert(!reservoir_take(a, none, &x, &n, NULL));
    ck_assert(!reservoir_take(b, none, &y, &m, NULL));
    ck_assert(n == MOST && m == MOST);
    ck_assert(!memcmp(x, y, (size_t)n * 2 * sizeof(*x)));
    for (int i = 0; i < n; i++) {
        int file = (int)x[2 * i], index = (int)x[2 * i + 1];

        ck_assert(!seen[file * EACH + index]);
        seen[file * EACH + index] = 1;
        low += index < EACH / 2;
    }
    ck_assert_double_eq_tol(low, MOST / 2.0, 5 * sqrt(MOST / 4.0));
    reservoir_free(b);
    b = feed(0, 2, MOST);
    ck_assert(!reservoir_take(b, none, &y, &m, NULL));
    ck_assert(memcmp(x, y, (size_t)n * 2 * sizeof(*x)));
    reservoir_free(a);
    reservoir_free(b);
}
END_TEST

/* All but the failed file's, in the order of the whole. */
START_TEST(reservoir_take_failed)
{
    struct reservoir *a = feed(0, 1, MOST), *b = feed(0, 1, MOST);
    unsigned char failed[FILES] = {0};
    float *x, *y;
    int64_t n, m, at = 0;

    failed[3] = failed[19] = 1;
    ck_assert(!reservoir_take(a, none, &x, &n, NULL));
    ck_assert(!reservoir_take(b, failed, &y, &m, NULL));
    for (int64_t i = 0; i < n; i++)
        if (!failed[(int)x[2 * i]])
            ck_assert(!memcmp(x + 2 * i, y + 2 * at++, 2 * sizeof(*x)));
    ck_assert(at == m && m < n);
    reservoir_free(a);
    reservoir_free(b);
}
END_TEST

START_TEST(reservoir_take_few)
{
    struct reservoir *r = feed(0, 1, 1000000);
    float *x;
    int64_t n;

    ck_assert(!reservoir_take(r, none, &x, &n, NULL));
    ck_assert_int_eq(n, FILES * EACH);
    reservoir_free(r);
    ck_assert(!reservoir_new(&r, 5, 2, 1, 0, NULL));
    ck_assert(!reservoir_take(r, none, &x, &n, NULL));
    ck_assert_int_eq(n, 0);
    reservoir_free(r);
}
END_TEST

START_TEST(reservoir_new_refuses)
{
    struct reservoir *r = NULL;
    struct err err = {0};

    ck_assert_int_eq(reservoir_new(&r, 0, 1, 1, 0, &err), ERR_ARG);
    ck_assert_int_eq(reservoir_new(&r, 1, 0, 1, 0, &err), ERR_ARG);
    ck_assert_ptr_null(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_reservoir");
    TCase *t = tcase_create("reservoir");

    tcase_add_test(t, reservoir_take_any_order);
    tcase_add_test(t, reservoir_take_failed);
    tcase_add_test(t, reservoir_take_few);
    tcase_add_test(t, reservoir_new_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
