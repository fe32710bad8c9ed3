/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "decode/tempo.h"

START_TEST(tempo_of_beats_median)
{
    struct beats b = {0};
    struct tempo t = tempo_of_beats(&b);

    ck_assert(isnan(t.bpm) && isnan(t.confidence));
    beats_append(&b, 1, 1, NAN);
    ck_assert(isnan(tempo_of_beats(&b).bpm));
    beats_append(&b, 1.5, 2, NAN);
    ck_assert_double_eq_tol(tempo_of_beats(&b).bpm, 120, 1e-9);
    beats_append(&b, 2.1, 3, NAN);
    ck_assert_double_eq_tol(tempo_of_beats(&b).bpm, 60 / 0.55, 1e-9);
    beats_append(&b, 2.6, 4, NAN);
    t = tempo_of_beats(&b);
    ck_assert_double_eq_tol(t.bpm, 120, 1e-9);
    ck_assert_double_eq_tol(t.confidence, 2 / 3.0, 1e-12);
    beats_release(&b);
    for (int i = 0; i < 3; i++)
        beats_append(&b, 1, 0, NAN);
    ck_assert(isnan(tempo_of_beats(&b).bpm));
    beats_release(&b);
}
END_TEST

START_TEST(meter_of_beats_full_bars)
{
    static const int position[] = { 3, 4, 1, 2, 3, 1, 2, 3, 4, 1, 2, 3, 1, 2 };
    struct beats b = {0};

    ck_assert_int_eq(meter_of_beats(&b), 0);
    for (int i = 0; i < 14; i++) {
        beats_append(&b, i, position[i], NAN);
        if (i < 5)
            ck_assert_int_eq(meter_of_beats(&b), 0);
    }
    ck_assert_int_eq(meter_of_beats(&b), 3);
    beats_release(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_tempo");
    TCase *t = tcase_create("tempo");

    tcase_add_test(t, tempo_of_beats_median);
    tcase_add_test(t, meter_of_beats_full_bars);
    suite_add_tcase(s, t);
    return unit_run(s);
}
