/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against librosa: tests/golden_check on golden/features, chroma*. */
#include "unit.h"

#include <math.h>

#include "mel/chroma.h"

enum { N_FFT = 2048, BINS = N_FFT / 2 + 1, RATE = 24000 };

/* librosa.filters.chroma, row by row as it is written there. */
static void filters(int n, double *w)
{
    for (int k = 0; k < BINS; k++) {
        double f = (double)(k ? k : 1) * RATE / N_FFT;
        double next = (double)(k + 1) * RATE / N_FFT;
        double at = n * log2(f / 27.5) - (k ? 0 : 1.5 * n);
        double width = fmax(n * log2(next / 27.5) - at, 1), sq = 0;

        for (int c = 0; c < n; c++) {
            double half = nearbyint(n / 2.0);
            double d = fmod(at - c + half + 10.0 * n, n) - half;

            w[k * n + c] = exp(-2 * (d / width) * (d / width));
            sq += w[k * n + c] * w[k * n + c];
        }
        for (int c = 0; c < n; c++)
            w[k * n + c] *= exp(-0.5 * pow((at / n - 5) / 2, 2)) / sqrt(sq);
    }
}

static void compare(int n)
{
    double *w = malloc(sizeof(*w) * BINS * (size_t)n);
    float *out = malloc(sizeof(*out) * (size_t)n), power[BINS];
    struct chroma *c = NULL;

    filters(n, w);
    ck_assert(!chroma_new(&c, RATE, N_FFT, n, NULL));
    for (int test = 0; test < 6; test++) {
        double *want = calloc((size_t)n, sizeof(*want)), most = 0;

        for (int k = 0; k < BINS; k++)
            power[k] = test < 5 ? k == test * 197
                                : (float)((k * 7919) % 1000) / 100;
        for (int k = 0; k < BINS; k++)
            for (int i = 0; i < n; i++) /* base_c: class 0 is C, not A */
                want[i] += power[k] * w[k * n + (i + 3 * (n / 12)) % n];
        for (int i = 0; i < n; i++)
            most = fmax(most, want[i]);
        chroma_apply(c, power, out);
        for (int i = 0; i < n; i++)
            ck_assert_double_eq_tol(out[i], want[i] / most, 2e-6);
        free(want);
    }
    chroma_free(c);
    free(w);
    free(out);
}

START_TEST(chroma_apply_direct)
{
    compare(12);
    compare(264);
    compare(7);
}
END_TEST

START_TEST(chroma_apply_silence)
{
    float power[BINS] = {0}, out[12];
    struct chroma *c = NULL;

    ck_assert(!chroma_new(&c, RATE, N_FFT, 12, NULL));
    chroma_apply(c, power, out);
    for (int i = 0; i < 12; i++)
        ck_assert(out[i] == 0);
    chroma_free(c);
}
END_TEST

START_TEST(chroma_new_refuses)
{
    struct chroma *c = NULL;
    struct err err = {0};

    ck_assert_int_eq(chroma_new(&c, 0, N_FFT, 12, &err), ERR_ARG);
    ck_assert_int_eq(chroma_new(&c, RATE, 8, 12, &err), ERR_ARG);
    ck_assert_int_eq(chroma_new(&c, RATE, N_FFT, 0, &err), ERR_ARG);
    ck_assert_int_eq(chroma_new(&c, RATE, N_FFT, 5000, &err), ERR_ARG);
    ck_assert_ptr_null(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mel_chroma");
    TCase *t = tcase_create("chroma");

    tcase_add_test(t, chroma_apply_direct);
    tcase_add_test(t, chroma_apply_silence);
    tcase_add_test(t, chroma_new_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
