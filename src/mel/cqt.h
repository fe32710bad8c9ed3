/* cqt.h - constant-Q transform of a clip, as nnAudio's CQT (CQT1992v2: Hann
 * window, norm 1, filter_scale 1, zero padding, magnitude times the square root
 * of the filter's length; Brown 1991, J. Acoust. Soc. Am. 89).
 *
 * nnAudio convolves with each filter in the time domain. Here blocks of the
 * signal are multiplied by the filters' spectra, which are known in closed form
 * and narrow (32 zeros of the window on either side are kept: the rest is below
 * 2e-5 of the peak), folded to a rate of 1/64, and brought back by a short
 * transform each, of which the frames are taken. */
#ifndef MEL_CQT_H
#define MEL_CQT_H

#include <stddef.h>
#include "base/err.h"

struct cqt_config {
    int rate;      /* Hz */
    int hop;       /* samples, a multiple of 64 up to 16384 */
    double f_min;  /* Hz, of bin 0 */
    int bins;
    int per_octave; /* 24 and more */
};
/* MERT's: 7 octaves from C1. */
#define CQT_CONFIG_INIT { 24000, 320, 32.7, 336, 48 }

struct cqt; /* one for each thread (18 MB) */

/* ERR_ARG (the longest filter has at most 61440 samples, and the highest stays
 * below half the rate), ERR_NOMEM, or ERR_UNSUPPORTED without libavutil. */
int cqt_new(struct cqt **out, const struct cqt_config *config,
            struct err *err);
void cqt_free(struct cqt *c); /* NULL is allowed */

size_t cqt_frames(const struct cqt *c, size_t n); /* 1 + n / hop; 0 for 0 */

/* x (n) into out (cqt_frames(c, n), bins); frame t is centred on sample
 * t * hop. */
void cqt_clip(struct cqt *c, const float *x, size_t n, float *out);

#endif
