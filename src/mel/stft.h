/* stft.h - power spectra of a stream of samples, frame by frame.
 *
 * Frame t is centred on sample t * hop, as torch.stft and librosa.stft with
 * center=True; the periodic Hann window spans n_fft samples; |X|^2 without
 * normalisation. N samples give 1 + floor(N / hop) frames, none if N is 0.
 * A frame does not depend on how the samples were cut into pushes.
 *
 *     while (n) {
 *         size_t took = stft_push(s, x, n);
 *         x += took, n -= took;
 *         while (stft_next(s, power))
 *             use(power);
 *     }
 *     stft_finish(s);
 *     while (stft_next(s, power))
 *         use(power); */
#ifndef MEL_STFT_H
#define MEL_STFT_H

#include <stddef.h>
#include "base/err.h"

/* What stands for the n_fft / 2 samples before the start and behind the end. */
enum stft_pad {
    STFT_ZERO,
    STFT_REFLECT /* mirrored, the edge not repeated; where N <= n_fft / 2,
                  * which torch refuses, to and fro as numpy.pad does; a
                  * single sample stands for itself */
};

struct stft_config {
    int n_fft;         /* a power of two from 16 to 2^20 */
    int hop;           /* 1 to n_fft / 2 - 1 */
    enum stft_pad pad;
};

struct stft;

/* ERR_ARG, ERR_NOMEM, or ERR_UNSUPPORTED without libavutil. */
int stft_new(struct stft **out, const struct stft_config *config,
             struct err *err);
void stft_free(struct stft *s); /* NULL is allowed */

/* Takes up to n samples and returns how many: at least one if every frame that
 * was ready has been fetched. */
size_t stft_push(struct stft *s, const float *x, size_t n);

/* No more samples will come; call once, after fetching what is ready. Returns
 * how many frames are still to be fetched. */
size_t stft_finish(struct stft *s);

/* The next frame into power (n_fft / 2 + 1) and 1, or 0 if it is not ready. */
int stft_next(struct stft *s, float *power);

/* The samples of the frames that are ready, for who transforms them elsewhere:
 * frame i are n_fft samples from (*x)[i * hop] on, before the window. Returns
 * how many; they are not fetched until stft_skip. */
size_t stft_ready(struct stft *s, const float **x);
void stft_skip(struct stft *s, size_t n);
/* The window, (n_fft). */
const float *stft_window(const struct stft *s);

/* Forgets all samples: ready for the next recording. */
void stft_reset(struct stft *s);

#endif
