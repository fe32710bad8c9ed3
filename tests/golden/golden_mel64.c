/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The mel of mel.h in double, for comparisons that f32 rounding would upset. */
#include "golden.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"

enum { N = 2048, BINS = N / 2 + 1, BANDS = 128 };

/* x (n), n a power of two, in place: Cooley and Tukey, decimation in time. */
static void fft(double complex *x, int n)
{
    double complex *part = xcalloc((size_t)n, sizeof(*part));

    if (n > 1) {
        for (int i = 0; i < n; i++)
            part[i % 2 * (n / 2) + i / 2] = x[i];
        fft(part, n / 2);
        fft(part + n / 2, n / 2);
        for (int k = 0; k < n / 2; k++) {
            double complex t = cexp(-2 * M_PI * I * k / n) * part[n / 2 + k];

            x[k] = part[k] + t;
            x[k + n / 2] = part[k] - t;
        }
    }
    free(part);
}

static int64_t mirror(int64_t i, int64_t n)
{
    i = i < 0 ? -i : i;
    return i >= n ? 2 * (n - 1) - i : i;
}

void golden_mel64(double *out, const float *x, int64_t n, int hop,
                  const float *bank)
{
    double complex *s = xcalloc(N, sizeof(*s));

    for (int64_t t = 0; t < n / hop; t++) {
        for (int i = 0; i < N; i++)
            s[i] = x[mirror(t * hop + i - N / 2, n)] *
                   (0.5 - 0.5 * cos(2 * M_PI * i / N));
        fft(s, N);
        for (int b = 0; b < BANDS; b++) {
            double sum = 0;

            for (int k = 0; k < BINS; k++)
                sum += bank[k * BANDS + b] * creal(s[k] * conj(s[k]));
            out[t * BANDS + b] = 10 * log10(fmax(sum, 1e-10));
        }
    }
    free(s);
}
