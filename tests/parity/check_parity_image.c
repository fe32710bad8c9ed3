/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images: exact in f32; in 16 bit one rounding of each value (bf16 2^-9, fp16
 * 2^-12 relative). */
#include "parity.h"

static double rounding;

static void f32(void) { open_f32(); rounding = 0; }
static void bf16(void) { open_bf16(); rounding = 4e-3; }
static void fp16(void) { open_fp16(); rounding = 5e-4; }

static const int64_t sizes[][4] = {
    { 1, 5, 7, 3 }, { 2, 3, 33, 40 }, { 3, 4, 16, 64 }, { 2, 6, 9, 1 }
};

START_TEST(rows_there_and_back)
{
    const int64_t *d = sizes[_i];
    struct twin rows = TWIN(1, d[0], d[1], d[2] * d[3]);
    struct twin m = image_of(&rows, d[0], d[1], d[2], d[3]);

    SAME_IMAGE(m, rounding);
    twin_drop(&rows);
}
END_TEST

START_TEST(flatten_some_rows)
{
    struct twin whole = image_new(1, 1, 11, 7, 24), y = TWIN(2, 4, 7 * 24);

    for (int on = CPU; on <= CUDA; on++) {
        struct tensor x = tensor_view(&whole.t[on], 0, 3,
                                      (int64_t[]){ 11, 7, 24 });

        OK(two[on]->ops->image_flatten(two[on], &y.t[on], &x, 5, &err));
    }
    SAME(y, rounding);
    SAME_IMAGE(whole, rounding);
}
END_TEST

START_TEST(relu_of_sum)
{
    struct twin a = image_new(1, 2, 5, 6, 20), b = image_new(2, 2, 5, 6, 20);
    struct twin y = image_of(NULL, 2, 5, 6, 20), dy = image_new(3, 2, 5, 6, 20);

    BOTH(image_add_relu, T(y), T(a), T(b));
    /* two roundings of a and b can differ in what is above 0: their own sum */
    if (!rounding)
        BOTH(image_relu_backward, T(dy), T(dy), T(y));
    BOTH(image_add_relu, T(a), T(a), T(b)); /* in place */
    SAME_IMAGE(y, 2 * rounding);
    SAME_IMAGE(dy, rounding);
    SAME_IMAGE(a, 2 * rounding);
    SAME_IMAGE(b, rounding);
}
END_TEST

static void add(Suite *s, const char *name, void (*open)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, open, close_both);
    tcase_add_loop_test(tc, rows_there_and_back, 0, 4);
    tcase_add_test(tc, flatten_some_rows);
    tcase_add_test(tc, relu_of_sum);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("parity_image");

    if (no_device())
        return 77;
    add(s, "f32", f32);
    add(s, "bf16", bf16);
    add(s, "fp16", fp16);
    return unit_run(s);
}
