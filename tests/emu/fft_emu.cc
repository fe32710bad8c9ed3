/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What cuFFT is asked for: powers of two, by halves, in double. */
#include "tensor/cuda/fft.cuh"

#include <complex>
#include <vector>

struct fft {};

void fft_close(struct fft *) {}

typedef std::vector<std::complex<double>> row;

static void transform(row &x)
{
    size_t n = x.size();
    row even(n / 2), odd(n / 2);

    if (n == 1)
        return;
    for (size_t i = 0; i < n / 2; i++) {
        even[i] = x[2 * i];
        odd[i] = x[2 * i + 1];
    }
    transform(even);
    transform(odd);
    for (size_t k = 0; k < n / 2; k++) {
        std::complex<double> t = odd[k] * std::polar(1.0, -2 * M_PI * (double)k
                                                              / (double)n);

        x[k] = even[k] + t;
        x[k + n / 2] = even[k] - t;
    }
}

int fft_real(struct cuda *, float2 *out, float *in, int n, int rows,
             struct err *)
{
    for (int r = 0; r < rows; r++) {
        row x(in + (int64_t)r * n, in + (int64_t)(r + 1) * n);
        float2 *y = out + (int64_t)r * (n / 2 + 1);
        bool zero = true;

        for (const auto &v : x)
            zero &= v == 0.0;
        if (!zero) /* the rows behind the last frame */
            transform(x);
        for (int k = 0; k <= n / 2; k++)
            y[k] = { (float)x[(size_t)k].real(), (float)x[(size_t)k].imag() };
    }
    return 0;
}
