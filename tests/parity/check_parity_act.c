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
    int64_t n = _i ? 48 : 45;
    struct twin x = TWIN(1, 7, 3, 2 * n), y = TWIN(2, 7, 3, n);
    struct twin dy = TWIN(3, 7, 3, n), dx = TWIN(4, 7, 3, 2 * n);

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
        int64_t n = _i ? 3 * 24 : 3 * 10;
        struct twin x = TWIN(1, 2, time, n), y = TWIN(2, 2, time, n);
        struct twin dx = TWIN(3, 2, time, n);

        BOTH(rotary, T(y), T(x), 3, 10000);
        BOTH(rotary_backward, T(dx), T(y), 3, 10000, 1);
        BOTH(rotary_backward, T(y), T(y), 3, 10000, 0);
        SAME(dx, 1e-6);
        SAME(y, 1e-6);
        twin_drop(&x);
    }
}
END_TEST

/* ---- narrow tensors: rows of whole packs of 8, and of others ---- */

START_TEST(act_narrow)
{
    int64_t n = _i & 4 ? 48 : 171;
    struct twin x = NARROW(1, 13, n), y = NARROW(2, 13, n);
    struct twin f = TWIN(1, 13, n), z = NARROW(3, 13, n);

    BOTH(axpby, T(f), 0, NULL, 100);
    BOTH(act, T(y), T(x), (enum act)(_i & 3));
    BOTH(act, T(z), T(f), (enum act)(_i & 3));
    BOTH(act, T(x), T(x), (enum act)(_i & 3));
    SAME(x, narrow_error());
    SAME(y, narrow_error());
    SAME(z, narrow_error());
    twin_drop(&f);
}
END_TEST

START_TEST(glu_narrow)
{
    int64_t n = _i ? 48 : 45;
    struct twin x = NARROW(1, 7, 3, 2 * n), y = NARROW(2, 7, 3, n);

    BOTH(glu, T(y), T(x));
    SAME(y, narrow_error());
    SAME(x, 0);
}
END_TEST

/* The second in place. */
START_TEST(rotary_narrow)
{
    int64_t d = _i ? 32 : 10;
    struct twin x = NARROW(1, 2, 37, 3 * d), y = NARROW(2, 2, 37, 3 * d);

    BOTH(rotary, T(y), T(x), 3, 10000);
    BOTH(rotary, T(x), T(x), 3, 10000);
    SAME(y, narrow_error());
    SAME(x, narrow_error());
}
END_TEST

static void add_narrow(Suite *s, const char *name, void (*open)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, open, close_both);
    tcase_add_loop_test(tc, act_narrow, 0, 8);
    tcase_add_loop_test(tc, glu_narrow, 0, 2);
    tcase_add_loop_test(tc, rotary_narrow, 0, 2);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("parity_act");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, act_all, ACT_NONE, ACT_GELU + 1);
    tcase_add_loop_test(tc, glu_rows, 0, 2);
    tcase_add_loop_test(tc, rotary_turns, 0, 2);
    suite_add_tcase(s, tc);
    add_narrow(s, "narrow, f32", open_f32);
    add_narrow(s, "narrow, bf16", open_bf16);
    add_narrow(s, "narrow, fp16", open_fp16);
    return unit_run(s);
}
