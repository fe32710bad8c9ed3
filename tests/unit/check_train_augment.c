/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Resampled sines against the sine itself: what is left is the samples' own
 * rounding to 16 bits (-98 dB) and the filter's ripple and images (-80 dB). The
 * mel's changes against their formulas. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "train/augment.h"

enum { IN = 24000, OUT = 4000, FRAMES = 50, BANDS = 16 };

static struct augment_filter *filter;
static int16_t pcm[IN];
static float out[OUT];

static void setup(void)
{
    ck_assert(!augment_filter_new(&filter, NULL));
}

static void teardown(void)
{
    augment_filter_free(filter);
}

/* A sine of cycles a sample, at 0.5. */
static void sine(double cycles)
{
    for (int i = 0; i < IN; i++)
        pcm[i] = (int16_t)lrint(16384 * sin(2 * M_PI * cycles * i));
}

/* What augment_samples can do exactly. */
static double near(double x)
{
    return round(x * AUGMENT_PLACES) / AUGMENT_PLACES;
}

/* Root mean square of out less gain times the sine, in dB below the sine. */
static double error_db(double cycles, double start, double speed, double gain)
{
    double sum = 0;

    augment_samples(filter, out, OUT, pcm, IN, start, speed, NULL);
    for (int i = 0; i < OUT; i++) {
        double at = start + i * speed;
        double e = out[i] - gain * 0.5 * sin(2 * M_PI * cycles * at);

        sum += e * e;
    }
    return 10 * log10(sum / OUT / 0.125 + 1e-30);
}

START_TEST(augment_samples_sine)
{
    static const double cycles[] = { 0.001, 0.05, 0.2, 0.3, 0.39 };

    for (int k = -7; k <= 7; k++)
        for (size_t i = 0; i < ARRAY_LEN(cycles); i++) {
            double speed = near(exp2(k / 12. + 0.003)), c = cycles[i];

            if (speed > 1)
                c /= speed; /* the lower Nyquist frequency is that of out */
            sine(c);
            ck_assert_msg(error_db(c, near(1000.3), speed, 1) < -80,
                          "%g cycles, speed %g: %g dB", c, speed,
                          error_db(c, near(1000.3), speed, 1));
        }
}
END_TEST

/* Faster: what would be above the new Nyquist frequency is gone. */
START_TEST(augment_samples_no_alias)
{
    sine(0.45);
    ck_assert_double_lt(error_db(0.45, near(1000.3), exp2(5 / 12.), 0), -70);
    sine(0.5 / exp2(3 / 12.) + 0.001);
    ck_assert_double_lt(error_db(0.3, near(1000.3), exp2(3 / 12.), 0), -70);
}
END_TEST

START_TEST(augment_samples_copies)
{
    sine(0.01);
    augment_samples(filter, out, OUT, pcm, IN, -2.2, 1, NULL);
    ck_assert_float_eq(out[1], 0);
    for (int i = 2; i < OUT; i++)
        ck_assert_float_eq(out[i], pcm[i - 2] / 32768.f);
    augment_samples(filter, out, OUT, pcm, IN, IN - 10, 1, NULL);
    ck_assert_float_eq(out[9], pcm[IN - 1] / 32768.f);
    ck_assert_float_eq(out[10], 0);
    augment_samples(filter, out, OUT, pcm, IN, IN + 100, 1.1, NULL);
    ck_assert_float_eq(out[0], 0);
    augment_samples(filter, out, OUT, pcm, 0, -50, 0.9, NULL);
    ck_assert_float_eq(out[60], 0);
}
END_TEST

/* Level of a constant, at a speed and start that no sample falls on. */
START_TEST(augment_samples_constant)
{
    for (int i = 0; i < IN; i++)
        pcm[i] = 16384;
    for (double speed = 0.7; speed < 1.5; speed += 0.171) {
        augment_samples(filter, out, OUT, pcm, IN, 500.123, speed, NULL);
        for (int i = 0; i < OUT; i += 13)
            ck_assert_float_eq_tol(out[i], 0.5f, 1e-4);
    }
}
END_TEST

/* The other song's power is as many dB below as drawn; silence adds nothing. */
START_TEST(augment_mix_levels)
{
    struct augment_options o = AUGMENT_OPTIONS_INIT;
    float x[100], y[100], was[100];
    struct augment a;
    int mixed = 0;

    o.mix = 0.5;
    for (uint64_t k = 0; k < 400; k++) {
        double ours = 0, more = 0;

        augment_draw(&a, &o, 3, k);
        ck_assert(a.mix_at >= -20 && a.mix_at <= -6);
        ck_assert(a.mix_song >= 0 && a.mix_song < 1 && a.mix_place < 1);
        mixed += a.mix;
        for (int i = 0; i < 100; i++) {
            was[i] = x[i] = (float)sin(i);
            y[i] = (float)(0.01 * cos(i * i));
        }
        augment_mix(x, y, 100, &a);
        for (int i = 0; i < 100; i++) {
            ours += was[i] * was[i];
            more += (x[i] - was[i]) * (x[i] - was[i]);
        }
        ck_assert_double_eq_tol(10 * log10(more / ours), a.mix_at, 1e-3);
    }
    ck_assert_int_lt(abs(mixed - 200), 48); /* 4.8 standard deviations */
    memset(y, 0, sizeof(y));
    memcpy(was, x, sizeof(x));
    augment_mix(x, y, 100, &a);
    ck_assert_mem_eq(x, was, sizeof(x));
    augment_mix(y, x, 100, &a);
    ck_assert_float_eq(y[1], 0);
}
END_TEST

START_TEST(augment_draw_ranges)
{
    const struct augment_options o = AUGMENT_OPTIONS_INIT;
    const struct augment_options none = AUGMENT_OPTIONS_NONE;
    int moved = 0, noisy = 0, at[7] = { 0 };
    struct augment a, b;

    for (uint64_t k = 0; k < 4000; k++) {
        double semitones;

        augment_draw(&a, &o, 1, k);
        augment_draw(&b, &o, 1, k);
        ck_assert(!memcmp(&a, &b, sizeof(a)));
        semitones = 12 * log2(a.speed);
        ck_assert_int_eq(lround(semitones), a.transpose);
        ck_assert(abs(a.transpose) <= 3);
        ck_assert(fabs(semitones - a.transpose) <= 0.25 + 0.02);
        ck_assert(fabs(a.level) <= 6 && fabs(a.eq[3]) <= 4);
        ck_assert(a.noise_at >= -2.5 && a.noise_at <= -0.5);
        ck_assert(a.band[0] >= 0 && a.band[1] <= 1 + 1e-12);
        ck_assert(a.band[1] - a.band[0] <= 0.12 + 1e-12);
        ck_assert(a.time[1] - a.time[0] <= 0.08 + 1e-12);
        moved += a.speed != 1;
        noisy += a.noise;
        at[a.transpose + 3] += a.speed != 1;
    }
    ck_assert_int_lt(abs(moved - 2000), 150); /* 4.7 standard deviations */
    ck_assert_int_lt(abs(noisy - 2000), 150);
    for (int i = 0; i < 7; i++)
        ck_assert_int_lt(abs(at[i] - moved / 7), 80);
    augment_draw(&a, &none, 1, 5);
    ck_assert(a.speed == 1 && !a.transpose && a.level == 0 && !a.noise &&
              a.eq[0] == 0 && a.band[1] == a.band[0]);
    augment_draw(&a, &o, 1, 5);
    augment_draw(&b, &o, 2, 5);
    ck_assert(a.level != b.level);
}
END_TEST

START_TEST(augment_mel_formulas)
{
    struct augment a = { .speed = 1, .level = 2, .eq = { 1, 0, -3, 0 },
                         .noise = 1, .noise_at = -1.5 };
    float mel[FRAMES * BANDS], want[FRAMES * BANDS];
    const double mean = -5, std = 18;

    for (int i = 0; i < FRAMES * BANDS; i++)
        want[i] = mel[i] = (float)(-100 + 130. * ((i * 37) % 101) / 100);
    a.band[0] = 0.25; /* 4 and 5 of 16 */
    a.band[1] = 0.375;
    a.time[0] = 0.5; /* 25..29 of 50 */
    a.time[1] = 0.6;
    augment_mel(mel, FRAMES, BANDS, &a, mean, std);
    for (int i = 0; i < FRAMES * BANDS; i++) {
        int t = i / BANDS, b = i % BANDS;
        double x = want[i] + 2 + cos(M_PI * (b + 0.5) / BANDS) -
                   3 * cos(3 * M_PI * (b + 0.5) / BANDS);

        x = 10 * log10(pow(10, x / 10) + pow(10, (mean - 1.5 * std) / 10));
        if (b == 4 || b == 5 || (t >= 25 && t < 30))
            x = mean;
        ck_assert_float_eq_tol(mel[i], x, 1e-3);
    }
}
END_TEST

START_TEST(augment_mel_nothing)
{
    struct augment a = { .speed = 1 };
    float mel[4] = { -100, 0, 3, 40 };

    augment_mel(mel, 2, 2, &a, -5, 18);
    ck_assert(mel[0] == -100 && mel[1] == 0 && mel[2] == 3 && mel[3] == 40);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_augment");
    TCase *c = tcase_create("augment");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, augment_samples_sine);
    tcase_add_test(c, augment_samples_no_alias);
    tcase_add_test(c, augment_samples_copies);
    tcase_add_test(c, augment_samples_constant);
    tcase_add_test(c, augment_mix_levels);
    tcase_add_test(c, augment_draw_ranges);
    tcase_add_test(c, augment_mel_formulas);
    tcase_add_test(c, augment_mel_nothing);
    suite_add_tcase(s, c);
    return unit_run(s);
}
