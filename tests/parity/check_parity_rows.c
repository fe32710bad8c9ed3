/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Replaced rows are copies: exact; the gradient is a sum over rows, which the
 * CPU adds one by one: 1e-6, 4e-6 for thousands. */
#include "parity.h"

enum { ROWS = 1003 };
static const int64_t cols[] = { 1, 32, 45, 200 };
enum { COLS = (int)(sizeof(cols) / sizeof(*cols)) };

/* Some rows in runs, as masking has them; none; all. */
static void hide(uint8_t hidden[ROWS], int what)
{
    for (int i = 0; i < ROWS; i++)
        hidden[i] = what == 0 ? i / 7 % 3 == 1 : what == 2;
}

START_TEST(rows_replaced)
{
    struct twin x = TWIN(1, 17, 59, cols[_i]), v = TWIN(2, cols[_i]);
    struct twin y = TWIN(3, ROWS, cols[_i]), z = TWIN(4, ROWS, cols[_i]);
    uint8_t hidden[3][ROWS];

    for (int i = 0; i < 3; i++)
        hide(hidden[i], i);
    BOTH(replace_rows, T(x), hidden[0], T(v));
    BOTH(replace_rows, T(y), hidden[1], T(v));
    BOTH(replace_rows, T(z), hidden[2], T(v));
    SAME(x, 0);
    SAME(y, 0);
    SAME(z, 0);
    SAME(v, 0);
}
END_TEST

START_TEST(rows_gradients)
{
    for (int what = 0; what < 3; what++) {
        struct twin dx = TWIN(1, 17, 59, cols[_i]), dv = TWIN(2, cols[_i]);
        uint8_t hidden[ROWS];

        hide(hidden, what);
        BOTH(replace_rows_backward, T(dx), T(dv), hidden);
        SAME(dx, 0);
        SAME(dv, 1e-6);
    }
}
END_TEST

/* Rows of more than 64 partial sums. */
START_TEST(rows_many)
{
    struct twin dx = TWIN(1, 5003, 3), dv = TWIN(2, 3);
    uint8_t hidden[5003];

    for (int i = 0; i < 5003; i++)
        hidden[i] = i % 2;
    BOTH(replace_rows_backward, T(dx), T(dv), hidden);
    SAME(dx, 0);
    SAME(dv, 4e-6);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parity_rows");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, rows_replaced, 0, COLS);
    tcase_add_loop_test(tc, rows_gradients, 0, COLS);
    tcase_add_test(tc, rows_many);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
