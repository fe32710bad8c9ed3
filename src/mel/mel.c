/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mel/mel.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clones.h"
#include "mel/melbank.h"
#include "mel/stft.h"

struct mel {
    struct mel_config config;
    struct stft *stft;
    struct melbank *bank;
    float *power; /* (n_fft / 2 + 1) */
};

int mel_new(struct mel **out, const struct mel_config *config,
            struct err *err)
{
    struct stft_config stft = { config->n_fft, config->hop, STFT_REFLECT };
    struct melbank_config bank = { config->rate, config->n_fft, config->bands,
                                   config->f_min, config->f_max, MELBANK_HTK };
    struct mel *m = calloc(1, sizeof(*m));
    int rc;

    if (!m)
        return err_set(err, ERR_NOMEM, "no memory for mel frames");
    m->config = *config;
    rc = stft_new(&m->stft, &stft, err);
    if (!rc)
        rc = melbank_new(&m->bank, &bank, err);
    if (rc)
        goto out;
    m->power = malloc(((size_t)config->n_fft / 2 + 1) * sizeof(*m->power));
    if (!m->power) {
        rc = err_set(err, ERR_NOMEM, "no memory for mel frames");
        goto out;
    }
    *out = m;
    m = NULL;
out:
    mel_free(m);
    return rc;
}

void mel_free(struct mel *m)
{
    if (!m)
        return;
    stft_free(m->stft);
    melbank_free(m->bank);
    free(m->power);
    free(m);
}

/* Before a push less than n_fft samples wait for their frame. */
size_t mel_room(const struct mel *m, size_t n)
{
    return (n + (size_t)m->config.n_fft) / (size_t)m->config.hop + 1;
}

/* log10(x) = log10(2) (e + log2(f)) with x = 2^e f, f in [sqrt(1/2), sqrt(2)),
 * and log(f) = 2 (s + s^3/3 + s^5/5 + s^7/7 + ..), s = (f - 1) / (f + 1), where
 * |s| < 0.172 leaves less than 3e-8. Written for the vectoriser. */
static inline float to_db(float x)
{
    const float floor_power = 1e-10f;
    const uint32_t sqrt_half = 0x3f3504f3;
    float v = x > floor_power ? x : floor_power, f, s, q, db;
    uint32_t bits;
    int32_t e;

    memcpy(&bits, &v, sizeof(bits));
    e = (int32_t)(bits - sqrt_half) >> 23;
    bits -= (uint32_t)e << 23;
    memcpy(&f, &bits, sizeof(f));
    s = (f - 1) / (f + 1);
    q = s * s;
    s += s * q * (1 / 3.0f + q * (1 / 5.0f + q * (1 / 7.0f)));
    db = (float)e * 3.01029996f + s * 8.68588964f;
    return x > floor_power ? db : -100.0f;
}

CPU_CLONES
void mel_db(float *x, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        x[i] = to_db(x[i]);
}

/* 10^(x / 10) = 2^e exp(t), |t| <= log(2) / 2, of which six terms leave 1.2e-7.
 * Adding 1.5 * 2^23 rounds to a whole number. Written for the vectoriser. */
static inline float to_power(float x)
{
    float y = x < -300 ? -300 : x > 300 ? 300 : x, e, t, v;
    uint32_t bits;

    y *= 0.332192809f;
    e = (y + 0x1.8p23f) - 0x1.8p23f;
    t = (y - e) * 0.693147181f;
    t = 1 + t * (1 + t * (1 / 2.0f + t * (1 / 6.0f + t * (1 / 24.0f +
                 t * (1 / 120.0f + t * (1 / 720.0f))))));
    bits = (uint32_t)((int32_t)e + 127) << 23;
    memcpy(&v, &bits, sizeof(v));
    return v * t;
}

CPU_CLONES
void mel_power(float *x, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        x[i] = to_power(x[i]);
}

static size_t take_frames(struct mel *m, size_t max, float *out)
{
    size_t bands = (size_t)m->config.bands, n = 0;

    while (n < max && stft_next(m->stft, m->power)) {
        melbank_apply(m->bank, m->power, out);
        mel_db(out, bands);
        out += bands;
        n++;
    }
    return n;
}

/* What is ready before the end is never the last frame, because the hop is
 * shorter than the half window behind it. */
size_t mel_push(struct mel *m, const float *x, size_t n, float *out)
{
    size_t frames = 0;

    while (n) {
        size_t took = stft_push(m->stft, x, n);

        x += took;
        n -= took;
        frames += take_frames(m, SIZE_MAX,
                              out + frames * (size_t)m->config.bands);
    }
    return frames;
}

size_t mel_finish(struct mel *m, float *out)
{
    size_t left = stft_finish(m->stft), n;

    n = take_frames(m, left ? left - 1 : 0, out);
    stft_reset(m->stft);
    return n;
}

void mel_clip(struct mel *m, const float *x, size_t n, float *out)
{
    size_t frames;

    stft_reset(m->stft);
    frames = mel_push(m, x, n, out);
    mel_finish(m, out + frames * (size_t)m->config.bands);
}
