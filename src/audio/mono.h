/* mono.h - samples of any kind and number of channels -> the mean as floats. */
#ifndef AUDIO_MONO_H
#define AUDIO_MONO_H

#include <stddef.h>

enum mono_kind {
    MONO_NONE, /* unknown: gives zeros */
    MONO_U8, MONO_S16, MONO_S32, MONO_S64, /* full scale is [-1, 1) */
    MONO_F32, MONO_F64
};

/* Decoded audio, borrowed: planar, data[c] is channel c; else data[0] holds the
 * channels interleaved. In the machine's byte order and aligned. */
struct mono_frame {
    enum mono_kind kind;
    int planar;
    int channels; /* 1 or more */
    const void *const *data;
};

/* out (n) = the mean over the channels of samples at .. at + n - 1. One 16-bit
 * channel gives int16 / 32768 exactly. NaN and infinities become 0, and values
 * are held within +-1e6. */
void mono_mix(const struct mono_frame *f, size_t at, size_t n, float *out);

#endif
