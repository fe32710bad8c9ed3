/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dropout draws the same numbers on both: exact. */
#include "parity.h"

/* n, first: within the 128 values of one draw, across it, odd, many, beyond
 * 2^32 blocks of 8 values. */
static const int64_t sizes[][2] = {
    { 5, 0 }, { 128, 0 }, { 1000, 0 }, { 1001, 77 }, { 300, 128 }, { 301, 1 },
    { 20000, 126 }, { 1000, ((int64_t)1 << 35) - 300 }
};
enum { SIZES = (int)(sizeof(sizes) / sizeof(*sizes)) };
static const float odds[] = { 0, 0.1f, 0.5f, 0.99999f };

START_TEST(dropout_values)
{
    const int64_t *d = sizes[_i / 4];
    struct twin x = TWIN(1, d[0]), y = TWIN(2, d[0]);
    uint64_t seed = 0x123456789abcdefu, stream = 0xfedcba9876543210u;
    float p = odds[_i % 4];

    BOTH(dropout, T(y), T(x), p, seed, stream, d[1]);
    BOTH(dropout, T(x), T(x), p, seed + 1, stream, d[1]); /* in place */
    SAME(x, 0);
    SAME(y, 0);
}
END_TEST

/* Tensors that begin between two pairs of the stream's values. */
START_TEST(dropout_unaligned)
{
    struct twin x = TWIN(1, 1000), y = TWIN(2, 1000);

    for (int on = CPU; on <= CUDA; on++)
        for (int64_t from = 1; from < 3; from++) {
            int64_t n = 700;
            struct tensor a = tensor_view(&x.t[on], from, 1, &n);
            struct tensor b = tensor_view(&y.t[on], 1, 1, &n);

            OK(two[on]->ops->dropout(two[on], &b, &a, 0.3f, 5, 6, from, &err));
        }
    SAME(x, 0);
    SAME(y, 0);
}
END_TEST

/* A tensor's later part has the numbers of the whole. */
START_TEST(dropout_in_parts)
{
    struct twin x = TWIN(1, 999), y = TWIN(2, 999), z = TWIN(2, 999);

    BOTH(dropout, T(y), T(x), 0.4f, 1, 2, 50);
    for (int on = CPU; on <= CUDA; on++)
        for (int64_t at = 0; at < 999; at += 333) {
            struct tensor a = tensor_view(&x.t[on], at, 1, (int64_t[]){ 333 });
            struct tensor b = tensor_view(&z.t[on], at, 1, (int64_t[]){ 333 });

            OK(two[on]->ops->dropout(two[on], &b, &a, 0.4f, 1, 2, 50 + at,
                                     &err));
        }
    BOTH(axpby, T(z), 1, T(y), -1);
    for (int on = CPU; on <= CUDA; on++) {
        double sum = 1;

        OK(two[on]->ops->dot(two[on], &sum, &z.t[on], &z.t[on], &err));
        ck_assert(sum == 0);
    }
    SAME(y, 0);
    twin_drop(&x);
    twin_drop(&z);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parity_dropout");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, dropout_values, 0, 4 * SIZES);
    tcase_add_test(tc, dropout_unaligned);
    tcase_add_test(tc, dropout_in_parts);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
