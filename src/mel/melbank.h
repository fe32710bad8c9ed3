/* melbank.h - triangular filters on a mel scale over a power spectrum, as
 * torchaudio.functional.melscale_fbanks(norm=None, mel_scale="htk") or
 * librosa.filters.mel. */
#ifndef MEL_MELBANK_H
#define MEL_MELBANK_H

#include "base/err.h"

struct melbank; /* immutable once made: threads may share one */

enum melbank_scale {
    MELBANK_HTK,   /* mel = 2595 log10(1 + f/700) */
    MELBANK_SLANEY /* linear up to 1 kHz, logarithmic above (Slaney's Auditory
                      Toolbox); a triangle's area is 1, its height 2 / width */
};

struct melbank_config {
    int rate;            /* Hz */
    int n_fft;           /* the spectrum has n_fft / 2 + 1 bins */
    int bands;           /* 1 to 4096 */
    double f_min, f_max; /* Hz; 0 <= f_min < f_max */
    enum melbank_scale scale;
};

/* Band b rises from point b to its height at point b + 1 and falls to 0 at
 * point b + 2, where the bands + 2 points are equally spaced in mel from f_min
 * to f_max; the height is 1 (HTK) or makes the area 1 (Slaney). A band between
 * two bins has no weight and is always 0. ERR_ARG or ERR_NOMEM. */
int melbank_new(struct melbank **out, const struct melbank_config *config,
                struct err *err);
void melbank_free(struct melbank *m); /* NULL is allowed */

/* out (bands) = the filters times power (n_fft / 2 + 1). */
void melbank_apply(const struct melbank *m, const float *power, float *out);

#endif
