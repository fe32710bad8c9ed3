/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "token/mask.h"

enum { MIX_MIN = 8000, MIX_MAX = 24000, MIX_PIECES = 3 };

/* What one thread works with. */
struct desk {
    struct mel *mel;
    float *clean;    /* (frames, bands) */
    float *x;        /* (samples) the audio that the encoder gets */
    float *other;    /* (samples) another one to mix with */
    uint8_t *blocks; /* (samples / block) */
};

struct sampler {
    struct sampler_config config;
    int64_t frames, n_blocks;
    struct desk desk[];
};

static int check(const struct sampler_config *c, struct err *err)
{
    if (c->threads < 1 || c->samples < 1 || c->tokens < 1 || c->streams < 1 ||
        c->token_samples < 1)
        return err_set(err, ERR_ARG, "a sample of nothing");
    if (c->tokens > c->samples / c->token_samples)
        return err_set(err, ERR_ARG, "%lld tokens of %lld samples do not fit "
                       "into a crop of %lld", (long long)c->tokens,
                       (long long)c->token_samples, (long long)c->samples);
    if (c->hide == HIDE_BLOCKS &&
        (c->block < 1 || c->block % c->token_samples))
        return err_set(err, ERR_ARG, "blocks of %lld samples are not whole "
                       "tokens of %lld", (long long)c->block,
                       (long long)c->token_samples);
    if (c->hide == HIDE_SPANS && c->span < 1)
        return err_set(err, ERR_ARG, "spans of %d frames", c->span);
    if (c->mel.bands < 1 && c->input == SAMPLE_MEL)
        return err_set(err, ERR_ARG, "mel input needs bands");
    if (c->mel.bands > 0 && !(c->std > 0))
        return err_set(err, ERR_ARG, "mel of standard deviation %g", c->std);
    return 0;
}

static int make_desk(const struct sampler *s, struct desk *d, struct err *err)
{
    const struct sampler_config *c = &s->config;
    size_t n = (size_t)c->samples, frames = (size_t)s->frames;

    if (c->mel.bands > 0) {
        TRY(mel_new(&d->mel, &c->mel, err));
        d->clean = calloc(frames + 1, (size_t)c->mel.bands * sizeof(float));
    }
    d->x = calloc(n, sizeof(*d->x));
    d->other = c->mix > 0 ? calloc(n, sizeof(*d->other)) : NULL;
    d->blocks = xcalloc((size_t)s->n_blocks + 1, 1);
    if (!d->x || (c->mix > 0 && !d->other) || (d->mel && !d->clean))
        return err_set(err, ERR_NOMEM, "no memory for crops of %zu samples", n);
    return 0;
}

int sampler_new(struct sampler **out, const struct sampler_config *config,
                struct err *err)
{
    struct sampler *s;
    int rc;

    TRY(check(config, err));
    s = xcalloc(1, sizeof(*s) + (size_t)config->threads * sizeof(*s->desk));
    s->config = *config;
    if (config->mel.bands > 0)
        s->frames = config->samples / config->mel.hop;
    if (config->hide == HIDE_BLOCKS)
        s->n_blocks = config->samples / config->block;
    for (int i = rc = 0; !rc && i < config->threads; i++)
        rc = make_desk(s, &s->desk[i], err);
    if (rc)
        sampler_free(s);
    else
        *out = s;
    return rc;
}

void sampler_free(struct sampler *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->config.threads; i++) {
        mel_free(s->desk[i].mel);
        free(s->desk[i].clean);
        free(s->desk[i].x);
        free(s->desk[i].other);
        free(s->desk[i].blocks);
    }
    free(s);
}

void sampler_parts(const struct sampler *s, size_t bytes[LOADER_PARTS])
{
    const struct sampler_config *c = &s->config;
    int64_t values = c->input == SAMPLE_MEL ? s->frames * c->mel.bands
                                            : c->samples;

    bytes[SAMPLE_INPUT] = (size_t)values * sizeof(float);
    bytes[SAMPLE_TARGETS] = (size_t)(c->streams * c->tokens) * sizeof(int32_t);
    bytes[SAMPLE_HIDDEN] = (size_t)c->tokens;
    bytes[SAMPLE_EXTRA] = c->extra ? c->extra_bytes : 0;
}

static void mel_of(const struct sampler *s, struct mel *mel, const float *x,
                   float *out)
{
    const struct sampler_config *c = &s->config;
    const float mean = (float)c->mean, scale = (float)(1 / c->std);

    mel_clip(mel, x, (size_t)c->samples, out);
    for (int64_t i = 0; i < s->frames * c->mel.bands; i++)
        out[i] = (out[i] - mean) * scale;
}

/* ---- mixing ---- */

/* Number i of the sample's numbers for mixing, 0 .. n - 1. */
static int64_t mix_below(const struct draw *d, uint32_t i, int64_t n)
{
    int64_t v = (int64_t)(draw_uniform(d, DRAW_MIX, i) * (double)n);

    return v < n ? v : n - 1;
}

static int mix_piece(const struct sampler *s, struct desk *desk,
                     const struct loader_sample *in, uint32_t piece,
                     struct err *err)
{
    const struct draw *d = &in->draw;
    uint32_t batch = loader_batch(in->loader), other, u = 2 + 4 * piece;
    int64_t n = MIX_MIN + mix_below(d, u, MIX_MAX - MIX_MIN + 1), from, to;

    n = n < s->config.samples ? n : s->config.samples;
    from = mix_below(d, u + 1, s->config.samples - n + 1);
    to = mix_below(d, u + 2, s->config.samples - n + 1);
    other = (uint32_t)mix_below(d, u + 3, batch - 1);
    other += other >= d->sample;
    TRY(loader_other(in, other, desk->other, err));
    for (int64_t i = 0; i < n; i++)
        desk->x[to + i] += desk->other[from + i];
    return 0;
}

static int mix(const struct sampler *s, struct desk *desk,
               const struct loader_sample *in, struct err *err)
{
    uint32_t pieces;

    if (draw_uniform(&in->draw, DRAW_MIX, 0) >= s->config.mix ||
        loader_batch(in->loader) < 2)
        return 0;
    pieces = 1 + (uint32_t)mix_below(&in->draw, 1, MIX_PIECES);
    for (uint32_t i = 0; i < pieces; i++)
        TRY(mix_piece(s, desk, in, i, err));
    return 0;
}

/* ---- preparing ---- */

/* Hides parts of the audio of the desk; hidden (tokens). */
static void hide(const struct sampler *s, struct desk *desk,
                 const struct draw *d, uint8_t *hidden)
{
    const struct sampler_config *c = &s->config;

    if (c->hide == HIDE_SPANS) {
        mask_spans(hidden, c->tokens, c->p, c->span, d);
        return;
    }
    mask_blocks(desk->blocks, s->n_blocks, c->p, d);
    mask_noise(desk->x, desk->blocks, s->n_blocks, c->block, c->noise, d);
    mask_tokens(hidden, c->tokens, desk->blocks, s->n_blocks,
                c->block / c->token_samples);
}

int sampler_prepare(void *ctx, const struct loader_sample *in,
                    void *const *part, struct err *err)
{
    struct sampler *s = ctx;
    const struct sampler_config *c = &s->config;
    struct desk *desk = &s->desk[in->thread];
    const struct sample_clean clean = { in->x, c->samples, desk->clean,
                                        s->frames, &in->crop, in->thread };
    uint8_t *hidden = part[SAMPLE_HIDDEN];
    int32_t *target = part[SAMPLE_TARGETS];

    if (desk->mel)
        mel_of(s, desk->mel, in->x, desk->clean);
    TRY(c->tokenize(c->ctx, &clean, target, err));
    if (c->extra)
        TRY(c->extra(c->ctx, &clean, part[SAMPLE_EXTRA], err));
    memcpy(desk->x, in->x, (size_t)c->samples * sizeof(*desk->x));
    if (c->mix > 0)
        TRY(mix(s, desk, in, err));
    hide(s, desk, &in->draw, hidden);
    for (int64_t i = 0; i < c->streams * c->tokens; i++)
        if (!hidden[i % c->tokens])
            target[i] = -1;
    if (c->input == SAMPLE_MEL)
        mel_of(s, desk->mel, desk->x, part[SAMPLE_INPUT]);
    else
        memcpy(part[SAMPLE_INPUT], desk->x,
               (size_t)c->samples * sizeof(*desk->x));
    return 0;
}
