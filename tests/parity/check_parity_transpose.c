/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Transposes are copies: exact. Adding is one rounding on both. */
#include "parity.h"

/* Matrices, rows, columns: small ones by the thousand, tiles with and without
 * a rest, long ones in pieces, a vector. */
static const int64_t sizes[][3] = {
    { 3000, 3, 3 }, { 5, 40, 70 }, { 2, 32, 64 }, { 1, 17, 129 },
    { 1, 1500, 3 }, { 2, 5, 2111 }, { 7, 31, 16 }, { 3, 1, 10 }, { 1, 5000, 1 },
    { 1, 1, 1 }, { 3, 16, 256 }
};
enum { SIZES = (int)(sizeof(sizes) / sizeof(*sizes)) };

START_TEST(transpose_sizes)
{
    const int64_t *d = sizes[_i / 2];
    struct twin x = TWIN(1, d[0], d[1], d[2]), y = TWIN(2, d[0], d[2], d[1]);

    BOTH(transpose, T(y), T(x), _i % 2);
    SAME(x, 0);
    SAME(y, 0);
}
END_TEST

START_TEST(transpose_shapes)
{
    struct twin x = TWIN(1, 33, 18), y = TWIN(2, 18, 33);
    struct twin a = TWIN(3, 2, 3, 5, 4), b = TWIN(4, 2, 3, 4, 5);

    BOTH(transpose, T(y), T(x), 0);
    BOTH(transpose, T(b), T(a), 1);
    SAME(y, 0);
    SAME(b, 0);
    twin_drop(&x);
    twin_drop(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parity_transpose");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, transpose_sizes, 0, 2 * SIZES);
    tcase_add_test(tc, transpose_shapes);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
