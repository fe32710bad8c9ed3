/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Depthwise convolution: sums of up to 45 products, 1e-6; dw sums over all
 * frames, 2e-6. */
#include "parity.h"

/* B, T, C, K: within a tile of 128 frames and 32 channels, beyond it, over
 * several; T less than half of K; more than the 32 taps of one round. */
static const int64_t sizes[][4] = {
    { 2, 17, 5, 3 }, { 1, 128, 32, 1 }, { 2, 129, 33, 31 }, { 3, 300, 70, 31 },
    { 1, 7, 40, 31 }, { 2, 140, 3, 33 }, { 1, 260, 33, 45 }, { 5, 1, 1, 5 }
};
enum { SIZES = (int)(sizeof(sizes) / sizeof(*sizes)) };

START_TEST(depthwise_forward)
{
    const int64_t *d = sizes[_i / 2];
    struct twin x = TWIN(1, d[0], d[1], d[2]), y = TWIN(2, d[0], d[1], d[2]);
    struct twin w = TWIN(3, d[3], d[2]), b = TWIN(4, d[2]);

    BOTH(depthwise, T(y), T(x), T(w), T(b), _i % 2 ? ACT_SWISH : ACT_NONE);
    SAME(y, 1e-6);
    SAME(x, 0);
    SAME(w, 0);
    SAME(b, 0);
}
END_TEST

START_TEST(depthwise_narrow)
{
    const int64_t *d = sizes[_i / 2];
    struct twin x = NARROW(1, d[0], d[1], d[2]);
    struct twin y = NARROW(2, d[0], d[1], d[2]);
    struct twin w = TWIN(3, d[3], d[2]), b = TWIN(4, d[2]);

    BOTH(depthwise, T(y), T(x), T(w), T(b), _i % 2 ? ACT_SWISH : ACT_NONE);
    SAME(y, narrow_error());
    SAME(x, 0);
    twin_drop(&w);
    twin_drop(&b);
}
END_TEST

START_TEST(depthwise_gradients)
{
    const int64_t *d = sizes[_i];
    struct twin x = TWIN(1, d[0], d[1], d[2]), dy = TWIN(2, d[0], d[1], d[2]);
    struct twin dx = TWIN(3, d[0], d[1], d[2]), w = TWIN(4, d[3], d[2]);
    struct twin dw = TWIN(5, d[3], d[2]);

    BOTH(depthwise_backward, T(dx), T(dw), T(dy), T(x), T(w));
    SAME(dx, 1e-6);
    SAME(dw, 2e-6);
    SAME(x, 0);
    SAME(dy, 0);
    SAME(w, 0);
}
END_TEST

/* More tiles than there are partial sums. */
START_TEST(depthwise_many_tiles)
{
    struct twin x = TWIN(1, 70, 130, 2), dy = TWIN(2, 70, 130, 2);
    struct twin dx = TWIN(3, 70, 130, 2), w = TWIN(4, 7, 2);
    struct twin dw = TWIN(5, 7, 2);

    BOTH(depthwise_backward, T(dx), T(dw), T(dy), T(x), T(w));
    SAME(dx, 1e-6);
    SAME(dw, 2e-6);
    twin_drop(&x);
    twin_drop(&dy);
    twin_drop(&w);
}
END_TEST

static void add_narrow(Suite *s, const char *name, void (*open)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, open, close_both);
    tcase_add_loop_test(tc, depthwise_narrow, 0, 2 * SIZES);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("parity_depthwise");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, depthwise_forward, 0, 2 * SIZES);
    tcase_add_loop_test(tc, depthwise_gradients, 0, SIZES);
    tcase_add_test(tc, depthwise_many_tiles);
    suite_add_tcase(s, tc);
    add_narrow(s, "narrow, bf16", open_bf16);
    add_narrow(s, "narrow, fp16", open_fp16);
    return unit_run(s);
}
