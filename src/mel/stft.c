/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mel/stft.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clones.h"
#include "mel/fft.h"

/* buf holds the padded signal (half samples of padding, the samples, padding)
 * from position base on. */
struct stft {
    struct stft_config config;
    struct fft *fft;
    float *window;   /* (n_fft) */
    float *work;     /* (n_fft) */
    float *spectrum; /* (n_fft / 2 + 1, 2) */
    float *buf;      /* (cap) */
    size_t cap, len;
    size_t at;       /* in buf: where the next frame begins */
    int64_t base;
    int64_t samples; /* pushed */
    int64_t frames;  /* fetched */
    int padded;      /* the front padding is filled in */
    int finished;
};

static float *floats(size_t n)
{
    size_t bytes = (n * sizeof(float) + FFT_ALIGN - 1) / FFT_ALIGN * FFT_ALIGN;

    return aligned_alloc(FFT_ALIGN, bytes);
}

int stft_new(struct stft **out, const struct stft_config *config,
             struct err *err)
{
    int n = config->n_fft;
    struct fft *fft = NULL;
    struct stft *s;

    TRY(fft_new(&fft, n, err));
    if (config->hop < 1 || config->hop >= n / 2) {
        fft_free(fft);
        return err_set(err, ERR_ARG, "a hop of %d samples, not 1 to %d",
                       config->hop, n / 2 - 1);
    }
    s = calloc(1, sizeof(*s));
    if (s) {
        s->config = *config;
        s->fft = fft;
        s->cap = 4 * (size_t)n;
        s->window = floats((size_t)n);
        s->work = floats((size_t)n);
        s->spectrum = floats((size_t)n + 2);
        s->buf = floats(s->cap);
    }
    if (!s || !s->window || !s->work || !s->spectrum || !s->buf) {
        if (s)
            stft_free(s);
        else
            fft_free(fft);
        return err_set(err, ERR_NOMEM, "no memory for spectra of %d samples",
                       n);
    }
    for (int i = 0; i < n; i++)
        s->window[i] = (float)(0.5 - 0.5 * cos(2 * M_PI * i / n));
    stft_reset(s);
    *out = s;
    return 0;
}

void stft_free(struct stft *s)
{
    if (!s)
        return;
    fft_free(s->fft);
    free(s->window);
    free(s->work);
    free(s->spectrum);
    free(s->buf);
    free(s);
}

void stft_reset(struct stft *s)
{
    s->at = 0;
    s->base = s->samples = s->frames = 0;
    s->finished = 0;
    s->len = (size_t)s->config.n_fft / 2;
    s->padded = s->config.pad == STFT_ZERO;
    memset(s->buf, 0, s->len * sizeof(*s->buf));
}

/* The sample that stands for sample i of n samples. */
static int64_t reflect(int64_t i, int64_t n)
{
    int64_t period = 2 * (n - 1);

    if (n == 1)
        return 0;
    i %= period;
    if (i < 0)
        i += period;
    return i < n ? i : period - i;
}

/* Fills in the front padding from the first n samples. */
static void pad_front(struct stft *s, int64_t n)
{
    int64_t half = s->config.n_fft / 2;

    for (int64_t i = 0; i < half; i++)
        s->buf[i] = s->buf[half + reflect(i - half, n)];
    s->padded = 1;
}

static void make_room(struct stft *s)
{
    memmove(s->buf, s->buf + s->at, (s->len - s->at) * sizeof(*s->buf));
    s->len -= s->at;
    s->base += (int64_t)s->at;
    s->at = 0;
}

size_t stft_push(struct stft *s, const float *x, size_t n)
{
    int64_t half = s->config.n_fft / 2;

    if (s->cap - s->len < n)
        make_room(s);
    if (n > s->cap - s->len)
        n = s->cap - s->len;
    memcpy(s->buf + s->len, x, n * sizeof(*x));
    s->len += n;
    s->samples += (int64_t)n;
    if (!s->padded && s->samples > half)
        pad_front(s, half + 1);
    return n;
}

/* The samples that the end padding mirrors are still in buf, because less than
 * a frame is left and the hop is shorter than half of it. */
size_t stft_finish(struct stft *s)
{
    int64_t half = s->config.n_fft / 2, n = s->samples;
    int64_t origin;

    s->finished = 1;
    if (!n)
        return 0;
    if (!s->padded)
        pad_front(s, n);
    make_room(s);
    origin = half - s->base; /* sample 0 in buf */
    for (int64_t i = 0; i < half; i++)
        s->buf[s->len++] = s->config.pad == STFT_ZERO
                               ? 0 : s->buf[origin + reflect(n + i, n)];
    return (size_t)(1 + n / s->config.hop - s->frames);
}

static int ready(const struct stft *s)
{
    if (!s->padded || s->len - s->at < (size_t)s->config.n_fft)
        return 0;
    return !s->finished || s->frames * s->config.hop <= s->samples;
}

CPU_CLONES
int stft_next(struct stft *s, float *power)
{
    int n = s->config.n_fft;
    const float *x = s->buf + s->at, *z = s->spectrum;

    if (!ready(s))
        return 0;
#pragma omp simd
    for (int i = 0; i < n; i++)
        s->work[i] = s->window[i] * x[i];
    fft_real(s->fft, s->spectrum, s->work);
#pragma omp simd
    for (int k = 0; k <= n / 2; k++)
        power[k] = z[2 * k] * z[2 * k] + z[2 * k + 1] * z[2 * k + 1];
    s->at += (size_t)s->config.hop;
    s->frames++;
    return 1;
}

size_t stft_ready(struct stft *s, const float **x)
{
    size_t n_fft = (size_t)s->config.n_fft, hop = (size_t)s->config.hop, n;

    *x = s->buf + s->at;
    if (!ready(s))
        return 0;
    n = (s->len - s->at - n_fft) / hop + 1;
    if (s->finished && (int64_t)n > s->samples / s->config.hop + 1 - s->frames)
        n = (size_t)(s->samples / s->config.hop + 1 - s->frames);
    return n;
}

void stft_skip(struct stft *s, size_t n)
{
    s->at += n * (size_t)s->config.hop;
    s->frames += (int64_t)n;
}

const float *stft_window(const struct stft *s)
{
    return s->window;
}
