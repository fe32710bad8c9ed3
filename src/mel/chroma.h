/* chroma.h - energy by pitch class of a power spectrum, as
 * librosa.feature.chroma_stft with librosa.filters.chroma(tuning=0, norm=2,
 * ctroct=5, octwidth=2, base_c=True) and norm=inf. */
#ifndef MEL_CHROMA_H
#define MEL_CHROMA_H

#include "base/err.h"

struct chroma; /* one for each thread: holds scratch memory */

/* Classes: 1 to 4096 parts of an octave, class 0 is C (A = 440 Hz). The
 * spectrum has n_fft / 2 + 1 bins of rate Hz. Each bin is spread over the
 * classes by a Gaussian as wide as the bin, of which what is below 1e-9 of its
 * peak is left out. ERR_ARG or ERR_NOMEM. */
int chroma_new(struct chroma **out, int rate, int n_fft, int classes,
               struct err *err);
void chroma_free(struct chroma *c); /* NULL is allowed */

/* out (classes) from power (n_fft / 2 + 1), divided by its largest value; zeros
 * where there is no energy. */
void chroma_apply(struct chroma *c, const float *power, float *out);

#endif
