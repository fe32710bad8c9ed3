/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "mel/fft.h"

/* Against the definition in double. Tolerance: rounding of float grows like
 * sqrt(log n) times the norm of the input (about 0.3 sqrt(n)). */
START_TEST(fft_real_is_the_definition)
{
    static const int sizes[] = { 16, 64, 2048 };
    int n = sizes[_i];
    float *in = aligned_alloc(FFT_ALIGN, 4 * 2048);
    float *out = aligned_alloc(FFT_ALIGN, 4 * 2048 + 64);
    double x[2048];
    unsigned seed = 1;
    struct fft *f;

    ck_assert(!fft_new(&f, n, NULL));
    for (int k = 0; k < n + 2; k++)
        out[k] = NAN; /* every value is to be written */
    for (int t = 0; t < n; t++) {
        seed = seed * 1664525 + 1013904223;
        x[t] = in[t] = (float)(seed >> 8) / (1 << 24) - 0.4f;
    }
    fft_real(f, out, in);
    for (int k = 0; k <= n / 2; k++) {
        double re = 0, im = 0;

        for (int t = 0; t < n; t++) {
            double a = 2 * M_PI * (double)((long)k * t % n) / n;

            re += x[t] * cos(a);
            im -= x[t] * sin(a);
        }
        ck_assert_double_eq_tol(out[2 * k], re, 1e-6 * n);
        ck_assert_double_eq_tol(out[2 * k + 1], im, 1e-6 * n);
    }
    fft_free(f);
    free(in);
    free(out);
}
END_TEST

START_TEST(fft_complex_is_the_definition)
{
    enum { SIZE = 64 };
    float *in = aligned_alloc(FFT_ALIGN, 8 * SIZE);
    float *out = aligned_alloc(FFT_ALIGN, 8 * SIZE);
    double x[2 * SIZE];
    struct fft *f;

    ck_assert(!fft_new_complex(&f, SIZE, NULL));
    for (int i = 0; i < 2 * SIZE; i++)
        x[i] = in[i] = (float)((i * 37) % 101) / 101 - 0.3f;
    fft_complex(f, out, in);
    for (int k = 0; k < SIZE; k++) {
        double re = 0, im = 0;

        for (int t = 0; t < SIZE; t++) {
            double a = 2 * M_PI * (k * t % SIZE) / SIZE;

            re += x[2 * t] * cos(a) + x[2 * t + 1] * sin(a);
            im += x[2 * t + 1] * cos(a) - x[2 * t] * sin(a);
        }
        ck_assert_double_eq_tol(out[2 * k], re, 1e-6 * SIZE);
        ck_assert_double_eq_tol(out[2 * k + 1], im, 1e-6 * SIZE);
    }
    fft_free(f);
    free(in);
    free(out);
}
END_TEST

START_TEST(fft_new_refuses_sizes)
{
    static const int sizes[] = { -1, 0, 8, 2047, 1 << 21 };
    struct fft *f = NULL;
    struct err err = {0};

    ck_assert_int_eq(fft_new(&f, sizes[_i], &err), ERR_ARG);
    ck_assert_ptr_null(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mel_fft");
    TCase *t = tcase_create("fft");

    tcase_add_loop_test(t, fft_real_is_the_definition, 0, 3);
    tcase_add_test(t, fft_complex_is_the_definition);
    tcase_add_loop_test(t, fft_new_refuses_sizes, 0, 5);
    suite_add_tcase(s, t);
    return unit_run(s);
}
