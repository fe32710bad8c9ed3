/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "decode/repeats.h"

enum { BARS = 32, CLASSES = 6, FRAMES = BARS * 4 };

static const char *const names[CLASSES] = { "C", "D", "E", "F", "G", "A" };
static float prob[FRAMES * CLASSES], sign[(BARS + 1) * REPEATS_SIGNS];
static double bar[BARS + 1];
static struct posterior chords = { prob, { FRAMES, 2, BARS * 2 },
                                   { names, CLASSES } };

/* Bars of 2 s, a chord each. */
static void play(const char *song)
{
    for (int i = 0; i <= BARS; i++)
        bar[i] = 2 * i;
    for (int i = 0; i < FRAMES * CLASSES; i++)
        prob[i] = 0.02f;
    for (int i = 0; i < BARS; i++)
        for (int q = 0; q < 4; q++)
            for (int c = 0; c < CLASSES; c++)
                if (names[c][0] == song[i])
                    prob[(4 * i + q) * CLASSES + c] = 0.9f;
}

static float of(int line, int s)
{
    return sign[line * REPEATS_SIGNS + s];
}

/* CDEFGAFG comes at bars 0, 12 and 24; AEAE once. */
START_TEST(repeats_begin_and_end)
{
    play("CDEFGAFGAEAECDEFGAFGDDAACDEFGAFG");
    ck_assert(!repeats_find(sign, bar, BARS, &chords, NULL));
    for (int i = 1; i < BARS; i++) {
        if (i != 12 && i != 24) {
            ck_assert_msg(of(i, 2) < of(12, 2) && of(i, 2) < of(24, 2),
                          "8 bars begin again at %d", i);
        }
        if (i != 8 && i != 20)
            ck_assert_msg(of(i, 3) < of(8, 3) && of(i, 3) < of(20, 3),
                          "8 bars were heard before %d", i);
    }
    for (int s = 0; s < REPEATS_SIGNS; s++) {
        double mean = 0, square = 0;

        for (int i = 0; i <= BARS; i++) {
            mean += of(i, s) / (BARS + 1);
            square += of(i, s) * of(i, s) / (BARS + 1);
        }
        ck_assert_double_eq_tol(mean, 0, 1e-6);
        ck_assert_double_eq_tol(square, 1, 1e-5);
    }
}
END_TEST

/* Nothing but one chord: no line is another. */
START_TEST(repeats_of_one_chord)
{
    play("CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC");
    ck_assert(!repeats_find(sign, bar, BARS, &chords, NULL));
    for (int i = 0; i < (BARS + 1) * REPEATS_SIGNS; i++)
        ck_assert(isfinite(sign[i]));
    ck_assert(!repeats_find(sign, bar, 1, &chords, NULL));
    ck_assert_float_eq(of(0, 0), 0);
    prob[7] = NAN;
    ck_assert_int_eq(repeats_find(sign, bar, BARS, &chords, NULL), ERR_ARG);
}
END_TEST

/* Bars outside the sound, or without length. */
START_TEST(repeats_beyond_the_end)
{
    play("CDEFGAFGAEAECDEFGAFGDDAACDEFGAFG");
    for (int i = 0; i <= BARS; i++)
        bar[i] = i < 3 ? 0 : 20 * i - 10;
    ck_assert(!repeats_find(sign, bar, BARS, &chords, NULL));
    for (int i = 0; i < (BARS + 1) * REPEATS_SIGNS; i++)
        ck_assert(isfinite(sign[i]));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_repeats");
    TCase *t = tcase_create("repeats");

    tcase_add_test(t, repeats_begin_and_end);
    tcase_add_test(t, repeats_of_one_chord);
    tcase_add_test(t, repeats_beyond_the_end);
    suite_add_tcase(s, t);
    return unit_run(s);
}
