/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against nnAudio: tests/golden_check on golden/features, cqt336. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "mel/cqt.h"

/* Frame centred on sample at of bin b, as nnAudio's filters have it. */
static double direct(const struct cqt_config *c, const float *x, int n, int at,
                     int b)
{
    double f = c->f_min * pow(2, (double)b / c->per_octave);
    double q = 1 / (pow(2, 1.0 / c->per_octave) - 1);
    int l = (int)ceil(q * c->rate / f);
    double re = 0, im = 0;

    for (int i = 0; i < l; i++) {
        int r = i - (l + 1) / 2, s = at + r;
        double w = 0.5 - 0.5 * cos(2 * M_PI * i / l);

        if (s < 0 || s >= n)
            continue;
        re += x[s] * w * cos(2 * M_PI * f / c->rate * r);
        im += x[s] * w * sin(2 * M_PI * f / c->rate * r);
    }
    return sqrt(re * re + im * im) * 2 / sqrt(l);
}

static void fill(float *x, int n)
{
    unsigned v = 7;

    for (int i = 0; i < n; i++) {
        v = v * 1664525u + 1013904223u;
        x[i] = (float)(v >> 8) / (1 << 23) - 1;
    }
}

/* Frames first..last of n samples, every step-th bin. Noise of variance 1/3
 * gives values about 1; the side lobes that are left out are below 2e-5 of the
 * peak each. */
static void compare(const struct cqt_config *config, int n, int first, int last,
                    int step)
{
    struct cqt *c = NULL;
    float *x = malloc((size_t)n * sizeof(*x)), *out;

    ck_assert(!cqt_new(&c, config, NULL));
    fill(x, n);
    out = malloc(cqt_frames(c, (size_t)n) * (size_t)config->bins *
                 sizeof(*out));
    cqt_clip(c, x, (size_t)n, out);
    for (int t = first; t <= last; t++)
        for (int b = 0; b < config->bins; b += step)
            ck_assert_double_eq_tol(out[t * config->bins + b],
                                    direct(config, x, n, t * config->hop, b),
                                    2e-4);
    free(x);
    free(out);
    cqt_free(c);
}

START_TEST(cqt_clip_direct)
{
    const struct cqt_config c = { 24000, 320, 400, 60, 24 };

    compare(&c, 1, 0, 0, 1);
    compare(&c, 3201, 0, 10, 1);
    compare(&c, 3199, 0, 9, 7);
}
END_TEST

/* MERT's sizes; more frames than a block has (251). */
START_TEST(cqt_clip_blocks)
{
    const struct cqt_config c = CQT_CONFIG_INIT;

    compare(&c, 100001, 0, 2, 67);
    compare(&c, 100001, 248, 254, 67);
    compare(&c, 100001, 311, 312, 67);
}
END_TEST

START_TEST(cqt_new_refuses)
{
    const struct cqt_config bad[] = {
        { 24000, 321, 32.7, 336, 48 }, { 24000, 0, 32.7, 336, 48 },
        { 24000, 320, 20, 336, 48 },   { 24000, 320, 32.7, 480, 48 },
        { 24000, 320, 32.7, 0, 48 },   { 0, 320, 32.7, 336, 48 },
        { 24000, 320, NAN, 336, 48 },  { 24000, 320, 32.7, 336, 12 },
    };
    struct err err = {0};
    struct cqt *c = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_int_eq(cqt_new(&c, &bad[i], &err), ERR_ARG);
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(cqt_clip_empty)
{
    const struct cqt_config config = CQT_CONFIG_INIT;
    struct cqt *c = NULL;
    float untouched = 5, none = 0;

    ck_assert(!cqt_new(&c, &config, NULL));
    ck_assert_uint_eq(cqt_frames(c, 0), 0);
    cqt_clip(c, &none, 0, &untouched);
    ck_assert(untouched == 5);
    cqt_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mel_cqt");
    TCase *t = tcase_create("cqt");

    tcase_add_test(t, cqt_clip_direct);
    tcase_add_test(t, cqt_clip_blocks);
    tcase_add_test(t, cqt_new_refuses);
    tcase_add_test(t, cqt_clip_empty);
    suite_add_tcase(s, t);
    return unit_run(s);
}
