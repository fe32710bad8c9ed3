/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mel/meldevice.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "mel/melbank.h"
#include "mel/stft.h"

struct mel_device {
    struct mel_config config;
    struct backend *be;
    struct stft *stft; /* its buffer and its window only */
    float mean, scale;
    struct tensor window, filters; /* (n_fft), (bands, n_fft / 2 + 1) */
    struct tensor samples, frames, out;
};

/* Band by band what the filter bank makes of each bin alone. */
static int make_filters(struct mel_device *m, struct err *err)
{
    const struct mel_config *c = &m->config;
    struct melbank_config bank = { c->rate, c->n_fft, c->bands, c->f_min,
                                   c->f_max, MELBANK_HTK };
    size_t bins = (size_t)c->n_fft / 2 + 1, bands = (size_t)c->bands;
    struct melbank *b = NULL;
    float *all, *power, *column;
    int rc;

    TRY(melbank_new(&b, &bank, err));
    all = xcalloc(bands * bins, sizeof(*all));
    power = xcalloc(bins, sizeof(*power));
    column = xcalloc(bands, sizeof(*column));
    for (size_t k = 0; k < bins; k++) {
        power[k] = 1;
        melbank_apply(b, power, column);
        power[k] = 0;
        for (size_t i = 0; i < bands; i++)
            all[i * bins + k] = column[i];
    }
    rc = tensor_reserve(&m->filters, m->be, 2,
                        (int64_t[]){ (int64_t)bands, (int64_t)bins }, err);
    if (!rc)
        rc = tensor_upload(&m->filters, all, err);
    free(all);
    free(power);
    free(column);
    melbank_free(b);
    return rc;
}

int mel_device_new(struct mel_device **out, const struct mel_config *config,
                   float mean, float scale, struct backend *be,
                   struct err *err)
{
    struct stft_config stft = { config->n_fft, config->hop, STFT_REFLECT };
    struct mel_device *m = xcalloc(1, sizeof(*m));
    int64_t n_fft = config->n_fft;
    int rc;

    m->config = *config;
    m->be = be;
    m->mean = mean;
    m->scale = scale;
    rc = stft_new(&m->stft, &stft, err);
    if (!rc)
        rc = make_filters(m, err);
    if (!rc)
        rc = tensor_reserve(&m->window, be, 1, &n_fft, err);
    if (!rc)
        rc = tensor_upload(&m->window, stft_window(m->stft), err);
    if (rc) {
        mel_device_free(m);
        return rc;
    }
    *out = m;
    return 0;
}

void mel_device_free(struct mel_device *m)
{
    struct tensor *all[5];

    if (!m)
        return;
    all[0] = &m->window;
    all[1] = &m->filters;
    all[2] = &m->samples;
    all[3] = &m->frames;
    all[4] = &m->out;
    for (int i = 0; i < 5; i++)
        tensor_release(all[i]);
    stft_free(m->stft);
    free(m);
}

/* n frames from the samples x on, into rows at.. of frames. */
static int make(struct mel_device *m, const float *x, int64_t n, int64_t at,
                struct err *err)
{
    const struct mel_config *c = &m->config;
    int64_t size = (n - 1) * c->hop + c->n_fft;
    struct tensor y = tensor_view(&m->frames, at * c->bands, 2,
                                  (int64_t[]){ n, c->bands });

    TRY(tensor_reserve(&m->samples, m->be, 1, &size, err));
    TRY(tensor_upload(&m->samples, x, err));
    return m->be->ops->mel(m->be, &y, &m->samples, &m->window, &m->filters,
                           c->hop, m->mean, m->scale, err);
}

/* All frames that are ready, but at the end of a recording the last one. */
static int take(struct mel_device *m, int64_t *frames, int end, struct err *err)
{
    const float *x;
    size_t n = stft_ready(m->stft, &x);

    n -= end && n;
    if (n)
        TRY(make(m, x, (int64_t)n, *frames, err));
    stft_skip(m->stft, n);
    *frames += (int64_t)n;
    return 0;
}

static int push(struct mel_device *m, const float *x, size_t n, int64_t *frames,
                struct err *err)
{
    if (!n) {
        stft_finish(m->stft);
        TRY(take(m, frames, 1, err));
        stft_reset(m->stft);
    }
    while (n) {
        size_t took = stft_push(m->stft, x, n);

        x += took;
        n -= took;
        TRY(take(m, frames, 0, err));
    }
    return 0;
}

int mel_device_push(struct mel_device *m, const float *x, size_t n,
                    const struct tensor **out, struct err *err)
{
    const struct mel_config *c = &m->config;
    int64_t room = (int64_t)((n + (size_t)c->n_fft) / (size_t)c->hop + 1);
    int64_t frames = 0;

    TRY(tensor_reserve(&m->frames, m->be, 2, (int64_t[]){ room, c->bands },
                       err));
    TRY(push(m, x, n, &frames, err));
    m->out = tensor_view(&m->frames, 0, 2, (int64_t[]){ frames, c->bands });
    *out = &m->out;
    return 0;
}
