/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mel/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mel/chroma.h"
#include "mel/melbank.h"
#include "mel/stft.h"

enum { N_FFT = 2048 };

static const struct {
    const char *name;
    int dim;
} kinds[FEATURE_KINDS] = {
    [FEATURE_LOGMEL229] = { "logmel229", 229 },
    [FEATURE_CHROMA264] = { "chroma264", 264 },
    [FEATURE_CHROMA12] = { "chroma12", 12 },
};

struct features {
    enum feature kind;
    int hop;
    struct stft *stft;
    struct melbank *bank;  /* or */
    struct chroma *chroma;
    float power[N_FFT / 2 + 1];
};

const char *feature_name(enum feature kind)
{
    return kinds[kind].name;
}

int feature_dim(enum feature kind)
{
    return kinds[kind].dim;
}

int feature_by_name(const char *name)
{
    for (int i = 0; i < FEATURE_KINDS; i++)
        if (!strcmp(kinds[i].name, name))
            return i;
    return -1;
}

int features_new(struct features **out, enum feature kind, int rate, int hop,
                 struct err *err)
{
    struct stft_config stft = { N_FFT, hop, STFT_ZERO };
    struct melbank_config bank = { rate, N_FFT, feature_dim(kind), 0,
                                   rate / 2.0, MELBANK_SLANEY };
    struct features *f = calloc(1, sizeof(*f));
    int rc;

    if (!f)
        return err_set(err, ERR_NOMEM, "no memory for features");
    f->kind = kind;
    f->hop = hop;
    rc = stft_new(&f->stft, &stft, err);
    if (!rc && kind == FEATURE_LOGMEL229)
        rc = melbank_new(&f->bank, &bank, err);
    else if (!rc)
        rc = chroma_new(&f->chroma, rate, N_FFT, feature_dim(kind), err);
    if (rc) {
        features_free(f);
        return rc;
    }
    *out = f;
    return 0;
}

void features_free(struct features *f)
{
    if (!f)
        return;
    stft_free(f->stft);
    melbank_free(f->bank);
    chroma_free(f->chroma);
    free(f);
}

/* Before a push less than N_FFT samples wait for their frame. */
size_t features_room(const struct features *f, size_t n)
{
    return (n + N_FFT) / (size_t)f->hop + 1;
}

static size_t take_frames(struct features *f, float *out)
{
    size_t dim = (size_t)feature_dim(f->kind), n = 0;

    while (stft_next(f->stft, f->power)) {
        if (f->bank) {
            melbank_apply(f->bank, f->power, out);
            for (size_t i = 0; i < dim; i++)
                out[i] = logf(out[i] + 1e-6f);
        } else {
            chroma_apply(f->chroma, f->power, out);
        }
        out += dim;
        n++;
    }
    return n;
}

size_t features_push(struct features *f, const float *x, size_t n, float *out)
{
    size_t dim = (size_t)feature_dim(f->kind), frames = 0;

    while (n) {
        size_t took = stft_push(f->stft, x, n);

        x += took;
        n -= took;
        frames += take_frames(f, out + frames * dim);
    }
    return frames;
}

size_t features_finish(struct features *f, float *out)
{
    size_t n = 0;

    if (stft_finish(f->stft))
        n = take_frames(f, out);
    stft_reset(f->stft);
    return n;
}

void features_clip(struct features *f, const float *x, size_t n, float *out)
{
    size_t frames;

    stft_reset(f->stft);
    frames = features_push(f, x, n, out);
    features_finish(f, out + frames * (size_t)feature_dim(f->kind));
}
