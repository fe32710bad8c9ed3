/* fft.cuh - spectra by cuFFT; the tests' emulation computes them itself
 * (tests/emu/fft_emu.cc). */
#ifndef TENSOR_CUDA_FFT_CUH
#define TENSOR_CUDA_FFT_CUH

#include "tensor/cuda/common.cuh"

/* The discrete Fourier transforms of rows of n real values: out (rows, n / 2 +
 * 1) of in (rows, n). One plan is kept: rows had best be the same each time. */
int fft_real(struct cuda *c, float2 *out, float *in, int n, int rows,
             struct err *err);
void fft_close(struct fft *f); /* NULL is allowed */

#endif
