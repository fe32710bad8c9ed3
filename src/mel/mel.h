/* mel.h - samples -> frames of mel energies in dB, what the encoders see before
 * normalisation (torchaudio's MelSpectrogram and AmplitudeToDB as the published
 * MusicFM uses them).
 *
 * Frame t is centred on sample t * hop (stft.h, STFT_REFLECT); band energies
 * of |X|^2 (melbank.h); 10 log10(max(x, 1e-10)), so that silence is exactly
 * -100. N samples give floor(N / hop) frames: the last of the STFT is dropped.
 * The result does not depend, in any bit, on how the samples were cut. */
#ifndef MEL_MEL_H
#define MEL_MEL_H

#include <stddef.h>
#include "base/err.h"

struct mel_config {
    int rate;            /* Hz */
    int n_fft, hop;      /* samples: stft.h */
    int bands;           /* melbank.h */
    double f_min, f_max; /* Hz */
};
/* The published models: 100 frames a second. */
#define MEL_CONFIG_INIT { 24000, 2048, 240, 128, 0, 12000 }

struct mel; /* one for each thread */

/* ERR_ARG, ERR_NOMEM, or ERR_UNSUPPORTED without libavutil. */
int mel_new(struct mel **out, const struct mel_config *config,
            struct err *err);
void mel_free(struct mel *m); /* NULL is allowed */

/* The most frames that mel_push of n samples, or with n 0 mel_finish, can
 * give. */
size_t mel_room(const struct mel *m, size_t n);

/* Takes n samples and writes the frames they complete to out (mel_room(m, n),
 * bands); returns how many. */
size_t mel_push(struct mel *m, const float *x, size_t n, float *out);

/* The end of the samples: writes the remaining frames to out (mel_room(m, 0),
 * bands), returns how many, and starts anew for the next recording. */
size_t mel_finish(struct mel *m, float *out);

/* A whole recording x (n) into out (n / hop, bands). */
void mel_clip(struct mel *m, const float *x, size_t n, float *out);

/* x (n) = 10 log10(max(x, 1e-10)), within 2e-5 dB up to 1e12; NaN becomes
 * -100. */
void mel_db(float *x, size_t n);

/* x (n) = 10^(x / 10), within 5e-6 of it, from -300 to 300 dB; beyond them as
 * there. */
void mel_power(float *x, size_t n);

#endif
