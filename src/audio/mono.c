/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "audio/mono.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const float max_sample = 1e6f;

/* out (n) += channel c, scaled to [-1, 1]. */
#define ADD(type, bias, scale)                                           \
    do {                                                                 \
        const type *p = f->planar ? (const type *)f->data[c] + at        \
                                  : (const type *)f->data[0] +           \
                                        at * step + (size_t)c;           \
        for (size_t i = 0; i < n; i++)                                   \
            out[i] += (float)(p[i * step] - (bias)) * (float)(scale);    \
    } while (0)

static void add_channel(const struct mono_frame *f, int c, size_t at,
                        size_t n, float *out)
{
    size_t step = f->planar ? 1 : (size_t)f->channels;

    switch (f->kind) {
    case MONO_U8:
        ADD(uint8_t, 128, 0x1p-7);
        break;
    case MONO_S16:
        ADD(int16_t, 0, 0x1p-15);
        break;
    case MONO_S32:
        ADD(int32_t, 0, 0x1p-31);
        break;
    case MONO_S64:
        ADD(int64_t, 0, 0x1p-63);
        break;
    case MONO_F32:
        ADD(float, 0, 1);
        break;
    case MONO_F64:
        ADD(double, 0, 1);
        break;
    case MONO_NONE:
        break;
    }
}

static float bounded(float x)
{
    if (!isfinite(x))
        return 0;
    return fminf(fmaxf(x, -max_sample), max_sample);
}

void mono_mix(const struct mono_frame *f, size_t at, size_t n, float *out)
{
    float scale = 1.0f / (float)f->channels;

    memset(out, 0, n * sizeof(*out));
    for (int c = 0; c < f->channels; c++)
        add_channel(f, c, at, n, out);
    for (size_t i = 0; i < n; i++)
        out[i] = bounded(out[i] * scale);
}
