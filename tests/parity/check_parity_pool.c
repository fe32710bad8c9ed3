/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Averages over time, within some roundings (1e-6). */
#include "parity.h"

/* B, inputs, outputs, channels: fewer outputs, as many, more; one of all, by
 * all warps of a block; more channels than a warp takes at once. */
static const int64_t sizes[][4] = {
    { 2, 25, 10, 7 }, { 3, 10, 10, 33 }, { 2, 10, 23, 130 }, { 2, 700, 1, 5 },
    { 1, 301, 4, 140 }, { 1, 1, 3, 1 }, { 3, 17, 2, 300 }
};
enum { SIZES = (int)(sizeof(sizes) / sizeof(*sizes)) };

START_TEST(pool_sizes)
{
    const int64_t *d = sizes[_i];
    struct twin x = TWIN(1, d[0], d[1], d[3]), y = TWIN(2, d[0], d[2], d[3]);

    BOTH(pool, T(y), T(x));
    SAME(x, 0);
    SAME(y, 1e-6);
}
END_TEST

START_TEST(pool_gradients)
{
    const int64_t *d = sizes[_i];
    struct twin dx = TWIN(1, d[0], d[1], d[3]), dy = TWIN(2, d[0], d[2], d[3]);

    BOTH(pool_backward, T(dx), T(dy));
    SAME(dx, 1e-6);
    SAME(dy, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parity_pool");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, pool_sizes, 0, SIZES);
    tcase_add_loop_test(tc, pool_gradients, 0, SIZES);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
