/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bf16 matrices in blocks, value by value. */
#include "unit.h"

#include <math.h>

#include "tensor/cpu/pack16.h"

static const struct {
    int64_t rows, cols, wide, more; /* more: columns past the matrix in x */
} cases[] = {
    { 32, 64, 64, 0 }, { 64, 128, 64, 5 }, { 33, 65, 64, 0 }, { 1, 1, 64, 2 },
    { 70, 100, 48, 0 }, { 31, 16, 16, 1 }, { 96, 33, 32, 0 }
};

static float value(int64_t r, int64_t c)
{
    return sinf((float)(r * 131 + c)) * 3;
}

static uint16_t narrow(float x)
{
    uint16_t y;

    cpu_narrow_some(&y, &x, 1);
    return y;
}

START_TEST(blocks)
{
    int across = _i % 2;
    struct cpu_pack16 p = { cases[_i / 2].rows, cases[_i / 2].cols,
                            cases[_i / 2].wide };
    int64_t n = cpu_pack16_blocks(&p) * 32 * p.wide;
    int64_t stride = (across ? p.rows : p.cols) + cases[_i / 2].more;
    int64_t deep = (p.rows + 31) / 32, count = 0;
    float *x = malloc((size_t)(stride * (across ? p.cols : p.rows)) * 4);
    uint16_t *out = malloc((size_t)n * 2);

    for (int64_t r = 0; r < p.rows; r++)
        for (int64_t c = 0; c < p.cols; c++)
            x[across ? c * stride + r : r * stride + c] = value(r, c);
    for (int64_t i = 0; i < cpu_pack16_blocks(&p); i++)
        cpu_pack16_block(&p, i, out, x, stride, across);
    for (int64_t b = 0; b < n / (32 * p.wide); b++)
        for (int64_t i = 0; i < 32 * p.wide; i++, count++) {
            int64_t r = b % deep * 32 + i / (2 * p.wide) * 2 + i % 2;
            int64_t c = b / deep * p.wide + i / 2 % p.wide;

            ck_assert_int_eq(out[count], r < p.rows && c < p.cols
                                             ? narrow(value(r, c)) : 0);
        }
    free(x);
    free(out);
}
END_TEST

/* Values that rounding treats apart. */
START_TEST(rounding)
{
    float x[6] = { 1.00390625f, 1.01171875f, INFINITY, -NAN, 3.4e38f, -0.0f };
    struct cpu_pack16 p = { 1, 6, 16 };
    uint16_t out[32 * 16];

    cpu_pack16(&p, out, x);
    ck_assert_int_eq(out[0], 0x3f80); /* to even, down */
    ck_assert_int_eq(out[2], 0x3f82); /* and up */
    ck_assert_int_eq(out[4], 0x7f80);
    ck_assert_int_eq(out[6] & 0x7fff, 0x7fc0);
    ck_assert_int_eq(out[8], 0x7f80);
    ck_assert_int_eq(out[10], 0x8000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tensor_pack16");
    TCase *t = tcase_create("pack16");

    tcase_add_loop_test(t, blocks, 0, 2 * sizeof(cases) / sizeof(*cases));
    tcase_add_test(t, rounding);
    suite_add_tcase(s, t);
    return unit_run(s);
}
