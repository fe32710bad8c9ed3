/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Activations, gated linear unit and rotary position: CUDA's expf and erff are
 * off by 2 units in the last place, the CPU's approximations by about as
 * much. */
#include "parity.h"

START_TEST(act_all)
{
    struct twin x = TWIN(1, 13, 171), y = TWIN(2, 13, 171);
    struct twin dy = TWIN(3, 13, 171);

    BOTH(axpby, T(x), 0, NULL, 5);
    BOTH(act, T(y), T(x), (enum act)_i);
    BOTH(act_backward, T(dy), T(dy), T(x), (enum act)_i);
    SAME(y, 1e-6);
    SAME(dy, 1e-6);
    BOTH(act, T(x), T(x), (enum act)_i);
    SAME(x, 1e-6);
}
END_TEST

START_TEST(glu_rows)
{
    struct twin x = TWIN(1, 7, 3, 90), y = TWIN(2, 7, 3, 45);
    struct twin dy = TWIN(3, 7, 3, 45), dx = TWIN(4, 7, 3, 90);

    BOTH(glu, T(y), T(x));
    BOTH(glu_backward, T(dx), T(dy), T(x));
    SAME(y, 1e-6);
    SAME(dx, 1e-6);
    twin_drop(&x);
    twin_drop(&dy);
}
END_TEST

/* Two lengths: the table of the second is a longer one. */
START_TEST(rotary_turns)
{
    for (int64_t time = 5; time < 100; time += 60) {
        struct twin x = TWIN(1, 2, time, 3 * 10), y = TWIN(2, 2, time, 3 * 10);
        struct twin dx = TWIN(3, 2, time, 3 * 10);

        BOTH(rotary, T(y), T(x), 3, 10000);
        BOTH(rotary_backward, T(dx), T(y), 3, 10000, 1);
        BOTH(rotary_backward, T(y), T(y), 3, 10000, 0);
        SAME(dx, 1e-6);
        SAME(y, 1e-6);
        twin_drop(&x);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parity_act");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, act_all, ACT_NONE, ACT_GELU + 1);
    tcase_add_test(tc, glu_rows);
    tcase_add_test(tc, rotary_turns);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
