/* clip.h - a whole recording in memory, mono, 16 bits: what training cuts its
 * crops from. Rounding to 16 bits adds noise at about -98 dB of full scale. */
#ifndef AUDIO_CLIP_H
#define AUDIO_CLIP_H

#include <stddef.h>
#include <stdint.h>
#include "audio/decode.h"
#include "base/err.h"

enum { CLIP_MAX_S = 8 * 3600 };

/* A zeroed struct can be released. */
struct clip {
    int16_t *x;
    size_t n;
};

/* Decodes all of src at rate (Hz): samples times 32768, rounded, held within
 * the limits of int16. The errors of decode.h; ERR_UNSUPPORTED for more than
 * CLIP_MAX_S. */
int clip_read(struct clip *c, const struct decode_source *src, int rate,
              struct err *err);
void clip_release(struct clip *c);

/* out (n) = x / 32768. */
void clip_floats(float *out, const int16_t *x, size_t n);

#endif
