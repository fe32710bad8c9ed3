/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "decode/tempo.h"

START_TEST(tempo_of_beats_median)
{
    struct beats b = {0};
    struct tempo t = tempo_of_beats(&b, NULL, 0, 0);

    ck_assert(isnan(t.bpm) && isnan(t.confidence));
    beats_append(&b, 1, 1, NAN);
    ck_assert(isnan(tempo_of_beats(&b, NULL, 0, 0).bpm));
    beats_append(&b, 1.5, 2, NAN);
    ck_assert_double_eq_tol(tempo_of_beats(&b, NULL, 0, 0).bpm, 120, 1e-9);
    beats_append(&b, 2.1, 3, NAN);
    ck_assert_double_eq_tol(tempo_of_beats(&b, NULL, 0, 0).bpm, 60 / 0.55,
                            1e-9);
    beats_append(&b, 2.6, 4, NAN);
    t = tempo_of_beats(&b, NULL, 0, 0);
    ck_assert_double_eq_tol(t.bpm, 120, 1e-9);
    ck_assert_double_eq_tol(t.confidence, 2 / 3.0, 1e-12);
    beats_release(&b);
    for (int i = 0; i < 3; i++)
        beats_append(&b, 1, 0, NAN);
    ck_assert(isnan(tempo_of_beats(&b, NULL, 0, 0).bpm));
    beats_release(&b);
}
END_TEST

/* Activations at 10 frames a second; beats each second. */
static double octave(float even, float odd, float between)
{
    struct beats b = {0};
    float act[2 * 100] = {0};
    struct tempo t;

    for (int i = 0; i < 10; i++) {
        beats_append(&b, i, 0, 1);
        act[20 * i] = i % 2 ? odd : 0;
        act[20 * i + 1] = i % 2 ? 0 : even;
        act[20 * i + 10] = between;
    }
    t = tempo_of_beats(&b, act, 100, 10);
    ck_assert_double_eq_tol(t.bpm, 60, 1e-9);
    beats_release(&b);
    return t.confidence;
}

START_TEST(tempo_of_beats_octave)
{
    ck_assert_double_eq_tol(octave(1, 1, 0), 1, 1e-6);
    ck_assert_double_eq_tol(octave(0.5f, 0.5f, 0), 1, 1e-6);
    ck_assert_double_eq_tol(octave(1, 0.25f, 0), 0.25, 1e-6); /* half? */
    ck_assert_double_eq_tol(octave(0.25f, 1, 0), 0.25, 1e-6);
    ck_assert_double_eq_tol(octave(0.8f, 0.8f, 0.6f), 0.25, 1e-6); /* twice? */
    ck_assert_double_eq_tol(octave(0, 0, 0), 0, 1e-6);
}
END_TEST

START_TEST(beats_are_heard_or_not)
{
    struct beats b = {0};

    ck_assert(!beats_are_heard(&b));
    beats_append(&b, 0, 1, 0.01);
    beats_append(&b, 1, 2, 0.9);
    beats_append(&b, 2, 1, 0.02);
    ck_assert(!beats_are_heard(&b));
    beats_append(&b, 3, 2, 0.5);
    beats_append(&b, 4, 2, 0.5);
    ck_assert(beats_are_heard(&b));
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
    tcase_add_test(t, tempo_of_beats_octave);
    tcase_add_test(t, beats_are_heard_or_not);
    tcase_add_test(t, meter_of_beats_full_bars);
    suite_add_tcase(s, t);
    return unit_run(s);
}
