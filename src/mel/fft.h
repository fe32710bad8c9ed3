/* fft.h - discrete Fourier transforms of floats, by av_tx of libavutil,
 * which is loaded when the first one is made. */
#ifndef MEL_FFT_H
#define MEL_FFT_H

#include "base/err.h"

struct fft; /* holds scratch memory: one for each thread */

enum { FFT_ALIGN = 64 }; /* bytes: of the arrays of transforms */

/* A transform of n real samples; n is a power of two from 16 to 2^20. ERR_ARG,
 * ERR_UNSUPPORTED where libavutil is missing, ERR_NOMEM. */
int fft_new(struct fft **out, int n, struct err *err);
/* The same for n complex samples. */
int fft_new_complex(struct fft **out, int n, struct err *err);
void fft_free(struct fft *f); /* NULL is allowed */

/* out (n/2 + 1 pairs re, im) = sum_t in[t] exp(-2 pi i k t / n), not scaled.
 * in (n) is overwritten. Both are aligned to FFT_ALIGN and do not overlap. */
void fft_real(struct fft *f, float *out, float *in);

/* out (n pairs re, im) likewise of in (n pairs), of fft_new_complex. */
void fft_complex(struct fft *f, float *out, float *in);

#endif
