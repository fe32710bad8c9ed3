/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against librosa: tests/golden_check on golden/features. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "mel/features.h"

enum { N = 5000, HOP = 320, RATE = 24000 };

static void fill(float *x)
{
    for (int i = 0; i < N; i++)
        x[i] = (float)(0.3 * sin(i * 0.11) + 0.2 * sin(i * 0.37));
}

START_TEST(features_names)
{
    for (int i = 0; i < FEATURE_KINDS; i++)
        ck_assert_int_eq(feature_by_name(feature_name((enum feature)i)), i);
    ck_assert_int_eq(feature_by_name("mfcc"), -1);
    ck_assert_int_eq(feature_dim(FEATURE_LOGMEL229), 229);
    ck_assert_int_eq(feature_dim(FEATURE_CHROMA264), 264);
}
END_TEST

/* However the samples are cut, and a second time, bit for bit. */
START_TEST(features_push_pieces)
{
    const size_t piece[] = { 1, 7, 319, 2048, N };
    float x[N], *want, *got;

    fill(x);
    for (int kind = 0; kind < FEATURE_KINDS; kind++) {
        size_t dim = (size_t)feature_dim((enum feature)kind);
        size_t frames = 1 + N / HOP, room = frames * dim * sizeof(float);
        struct features *f = NULL;

        ck_assert(!features_new(&f, (enum feature)kind, RATE, HOP, NULL));
        want = malloc(room);
        got = malloc(room);
        features_clip(f, x, N, want);
        for (size_t p = 0; p < sizeof(piece) / sizeof(*piece); p++) {
            size_t made = 0;

            for (size_t at = 0; at < N; at += piece[p]) {
                size_t n = N - at < piece[p] ? N - at : piece[p];

                made += features_push(f, x + at, n, got + made * dim);
            }
            made += features_finish(f, got + made * dim);
            ck_assert_uint_eq(made, frames);
            ck_assert(!memcmp(got, want, room));
        }
        ck_assert_uint_eq(features_finish(f, got), 0);
        features_free(f);
        free(want);
        free(got);
    }
}
END_TEST

/* Zeros stand around the clip; silence is log(1e-6) and no pitch. */
START_TEST(features_clip_silence)
{
    float x[700] = {0}, out[3 * 264];
    struct features *f = NULL;

    ck_assert(!features_new(&f, FEATURE_LOGMEL229, RATE, HOP, NULL));
    features_clip(f, x, 700, out);
    for (int i = 0; i < 3 * 229; i++)
        ck_assert_float_eq_tol(out[i], -13.8155106f, 1e-5f);
    features_free(f);
    ck_assert(!features_new(&f, FEATURE_CHROMA264, RATE, HOP, NULL));
    features_clip(f, x, 700, out);
    for (int i = 0; i < 3 * 264; i++)
        ck_assert(out[i] == 0);
    features_free(f);
}
END_TEST

START_TEST(features_new_refuses)
{
    struct features *f = NULL;
    struct err err = {0};

    ck_assert_int_eq(features_new(&f, FEATURE_CHROMA12, RATE, 0, &err),
                     ERR_ARG);
    ck_assert_int_eq(features_new(&f, FEATURE_CHROMA12, RATE, 1024, &err),
                     ERR_ARG);
    ck_assert_int_eq(features_new(&f, FEATURE_LOGMEL229, 0, HOP, &err),
                     ERR_ARG);
    ck_assert_ptr_null(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mel_features");
    TCase *t = tcase_create("features");

    tcase_add_test(t, features_names);
    tcase_add_test(t, features_push_pieces);
    tcase_add_test(t, features_clip_silence);
    tcase_add_test(t, features_new_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
