/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/draw.h"

#include <math.h>

#include "base/rng.h"

void draw_words(uint32_t out[4], const struct draw *d, enum draw_purpose p,
                uint32_t block)
{
    rng_block(out, d->seed, (uint64_t)p << 56 | d->step,
              (uint64_t)d->sample << 32 | block);
}

double draw_unit(uint32_t high, uint32_t low)
{
    return ldexp((double)high * 0x1p21 + (double)(low >> 11), -53);
}

double draw_uniform(const struct draw *d, enum draw_purpose p, uint32_t i)
{
    uint32_t w[4];

    draw_words(w, d, p, i / 2);
    return draw_unit(w[i % 2 * 2], w[i % 2 * 2 + 1]);
}

/* Two normal values of two words; the half keeps the logarithm finite. */
static void box_muller(float out[2], uint32_t a, uint32_t b)
{
    float r = sqrtf(-2 * logf(((float)a + 0.5f) * 0x1p-32f));
    float angle = (float)b * (float)(2 * M_PI * 0x1p-32);

    out[0] = r * cosf(angle);
    out[1] = r * sinf(angle);
}

void draw_normals(float *out, uint64_t first, size_t n, const struct draw *d,
                  enum draw_purpose p)
{
    for (uint64_t i = first; i < first + n;) {
        uint64_t end = (i | 3) + 1 < first + n ? (i | 3) + 1 : first + n;
        uint32_t w[4];
        float v[4];

        draw_words(w, d, p, (uint32_t)(i / 4));
        box_muller(v, w[0], w[1]);
        box_muller(v + 2, w[2], w[3]);
        for (; i < end; i++)
            out[i - first] = v[i & 3];
    }
}
