/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "token/tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "token/kmeans.h"
#include "token/quant.h"
#include "token/rvq.h"

enum {
    PIECE = 1 << 14, /* samples taken at a time */
    BATCH = 256      /* vectors whose tokens are found at a time */
};

struct part {
    struct tokenizer_part config;
    int width, step; /* values of a vector, samples from one to the next */
    struct quant *quant; /* one of these, by kind */
    struct kmeans *kmeans;
    struct rvq *rvq;
};

struct tokenizer {
    struct mel_config mel;
    float mean, inv_std;
    int streams, step;
    int n_parts;
    struct part part[]; /* (n_parts) */
};

/* ---- making one ---- */

static int refuse(struct err *err, int i, const char *what)
{
    return err_set(err, ERR_ARG, "tokens[%d]: %s", i, what);
}

static int check_part(const struct tokenizer_config *c, int i, struct err *err)
{
    const struct tokenizer_part *p = &c->part[i];
    int is_kmeans = p->kind == TOKENIZER_KMEANS;

    if (p->codes < 1 || p->dim < 1 || !p->centers ||
        (p->kind == TOKENIZER_RANDOM && !p->projection))
        return refuse(err, i, "no codebook");
    if (p->stages < 1 || (p->stages > 1 && p->kind != TOKENIZER_RVQ))
        return refuse(err, i, "only residual quantisation has stages");
    if (is_kmeans ? p->hop < 1 : p->stack < 1)
        return refuse(err, i, "no hop");
    if (is_kmeans && p->dim != feature_dim(p->feature))
        return refuse(err, i, "the centres have another size than the feature");
    if (p->kind == TOKENIZER_RVQ && p->dim != p->stack * c->mel.bands)
        return refuse(err, i, "the centres have another size than the stacked "
                      "mel frames");
    return 0;
}

static int make_part(struct part *p, const struct tokenizer_config *c, int i,
                     struct err *err)
{
    const struct tokenizer_part *from = &c->part[i];

    TRY(check_part(c, i, err));
    p->config = *from;
    p->config.projection = p->config.centers = NULL; /* the caller's */
    p->step = from->stack * c->mel.hop;
    p->width = from->stack * c->mel.bands;
    switch (from->kind) {
    case TOKENIZER_RANDOM:
        return quant_new(&p->quant, from->projection, from->centers, p->width,
                         from->dim, from->codes, err);
    case TOKENIZER_RVQ:
        return rvq_new(&p->rvq, from->centers, from->stages, from->codes,
                       from->dim, err);
    default:
        p->step = from->hop;
        p->width = from->dim;
        return kmeans_new(&p->kmeans, from->centers, from->codes, from->dim,
                          err);
    }
}

int tokenizer_new(struct tokenizer **out, const struct tokenizer_config *config,
                  struct err *err)
{
    struct tokenizer *t;
    int rc = 0;

    if (config->n_parts < 1)
        return err_set(err, ERR_ARG, "no tokens are defined");
    t = xcalloc(1, sizeof(*t) + (size_t)config->n_parts * sizeof(*t->part));
    t->mel = config->mel;
    t->mean = (float)config->mean;
    t->inv_std = (float)(1 / config->std);
    for (; t->n_parts < config->n_parts && !rc; t->n_parts++) {
        struct part *p = &t->part[t->n_parts];

        rc = make_part(p, config, t->n_parts, err);
        t->streams += p->config.stages;
        if (!rc && p->step != t->part[0].step)
            rc = err_set(err, ERR_ARG, "tokens[%d]: a token each %d samples, "
                         "tokens[0] has one each %d", t->n_parts, p->step,
                         t->part[0].step);
    }
    if (rc) {
        tokenizer_free(t);
        return rc;
    }
    t->step = t->part[0].step;
    *out = t;
    return 0;
}

void tokenizer_free(struct tokenizer *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->n_parts; i++) {
        quant_free(t->part[i].quant);
        kmeans_free(t->part[i].kmeans);
        rvq_free(t->part[i].rvq);
    }
    free(t);
}

/* ---- what it is ---- */

int tokenizer_streams(const struct tokenizer *t)
{
    return t->streams;
}

int tokenizer_codes(const struct tokenizer *t, int stream)
{
    int i = 0;

    while (stream >= t->part[i].config.stages)
        stream -= t->part[i++].config.stages;
    return t->part[i].config.codes;
}

double tokenizer_rate(const struct tokenizer *t)
{
    return (double)t->mel.rate / t->step;
}

int tokenizer_step(const struct tokenizer *t)
{
    return t->step;
}

size_t tokenizer_count(const struct tokenizer *t, size_t n)
{
    return n / (size_t)t->step;
}

int tokenizer_is_mel(const struct tokenizer *t)
{
    for (int i = 0; i < t->n_parts; i++)
        if (t->part[i].kmeans)
            return 0;
    return 1;
}

/* ---- vectors to tokens ---- */

/* token (n, stages) of x (n, width), which may be overwritten. */
static void find(const struct part *p, int32_t *token, float *x, int64_t n)
{
    if (p->quant)
        quant_tokens(p->quant, token, x, n);
    else if (p->kmeans)
        kmeans_tokens(p->kmeans, token, x, n);
    else
        rvq_tokens(p->rvq, token, x, n);
}

void tokenizer_vectors(const struct tokenizer *t, int i, float *x, int64_t n,
                       int32_t *token)
{
    find(&t->part[i], token, x, n);
}

/* Puts from (n, stages) into columns at.. of to (n, streams). */
static void place(const struct tokenizer *t, int32_t *to, int at,
                  const int32_t *from, int stages, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * (size_t)t->streams + at, from + i * (size_t)stages,
               (size_t)stages * sizeof(*to));
}

int tokenizer_mel(const struct tokenizer *t, const float *mel, int64_t frames,
                  int32_t *token, struct err *err)
{
    int64_t n = frames / t->part[0].config.stack;
    int at = 0;

    if (!tokenizer_is_mel(t))
        return err_set(err, ERR_ARG, "these tokens are not made of mel");
    for (int i = 0; i < t->n_parts; i++) {
        const struct part *p = &t->part[i];
        int stages = p->config.stages;
        size_t bytes = (size_t)n * (size_t)p->width * sizeof(*mel);
        int32_t *one = malloc((size_t)(n * stages + 1) * sizeof(*one));
        float *copy = malloc(bytes + 1);

        if (one && copy) {
            memcpy(copy, mel, bytes);
            find(p, one, copy, n);
            place(t, token, at, one, stages, (size_t)n);
        }
        free(copy);
        free(one);
        if (!one || !copy)
            return err_set(err, ERR_NOMEM, "no memory for %lld tokens",
                           (long long)n);
        at += stages;
    }
    return 0;
}

/* ---- recordings ---- */

/* What a part has of the recording. */
struct state {
    struct features *features; /* NULL: mel */
    float *pending;            /* (BATCH, width) */
    int rows, frames;          /* whole vectors, frames of the next */
    int32_t *token;            /* (n, stages) */
    size_t n, cap;
};

struct tokenizer_run {
    const struct tokenizer *t;
    struct mel *mel;           /* NULL if no part needs it */
    float *frame;              /* frames of mel or of a feature, of one piece */
    int32_t *result;           /* (count, streams) */
    struct state state[];      /* (n_parts) */
};

static int make_state(struct tokenizer_run *r, int i, size_t *room,
                      struct err *err)
{
    const struct part *p = &r->t->part[i];
    const struct mel_config *mel = &r->t->mel;
    struct state *s = &r->state[i];
    size_t need;

    if (p->kmeans) {
        TRY(features_new(&s->features, p->config.feature, mel->rate,
                         p->config.hop, err));
        need = features_room(s->features, PIECE) * (size_t)p->width;
    } else {
        if (!r->mel)
            TRY(mel_new(&r->mel, mel, err));
        need = mel_room(r->mel, PIECE) * (size_t)mel->bands;
    }
    *room = need > *room ? need : *room;
    s->pending = malloc(BATCH * (size_t)p->width * sizeof(*s->pending));
    return s->pending ? 0 : err_set(err, ERR_NOMEM, "no memory for tokens");
}

int tokenizer_run_new(struct tokenizer_run **out, const struct tokenizer *t,
                      struct err *err)
{
    struct tokenizer_run *r =
        xcalloc(1, sizeof(*r) + (size_t)t->n_parts * sizeof(*r->state));
    size_t room = 0;
    int rc = 0;

    r->t = t;
    for (int i = 0; i < t->n_parts && !rc; i++)
        rc = make_state(r, i, &room, err);
    if (!rc && !(r->frame = malloc(room * sizeof(*r->frame))))
        rc = err_set(err, ERR_NOMEM, "no memory for tokens");
    if (rc) {
        tokenizer_run_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void tokenizer_run_free(struct tokenizer_run *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->t->n_parts; i++) {
        features_free(r->state[i].features);
        free(r->state[i].pending);
        free(r->state[i].token);
    }
    mel_free(r->mel);
    free(r->frame);
    free(r->result);
    free(r);
}

/* Tokens of the whole vectors that are pending. */
static int flush(const struct part *p, struct state *s, struct err *err)
{
    size_t stages = (size_t)p->config.stages;

    if (s->n + BATCH > s->cap) {
        size_t cap = 2 * s->cap + BATCH;
        int32_t *more = realloc(s->token, cap * stages * sizeof(*more));

        if (!more)
            return err_set(err, ERR_NOMEM, "no memory for %zu tokens", cap);
        s->token = more;
        s->cap = cap;
    }
    find(p, s->token + s->n * stages, s->pending, s->rows);
    s->n += (size_t)s->rows;
    s->rows = 0;
    return 0;
}

static int take_mel(struct tokenizer_run *r, int i, size_t frames,
                    struct err *err)
{
    const struct part *p = &r->t->part[i];
    struct state *s = &r->state[i];
    int bands = r->t->mel.bands;

    for (size_t f = 0; f < frames; f++) {
        const float *from = r->frame + f * (size_t)bands;
        float *to = s->pending + (size_t)s->rows * (size_t)p->width +
                    s->frames * bands;

        for (int b = 0; b < bands; b++)
            to[b] = (from[b] - r->t->mean) * r->t->inv_std;
        if (++s->frames < p->config.stack)
            continue;
        s->frames = 0;
        if (++s->rows == BATCH)
            TRY(flush(p, s, err));
    }
    return 0;
}

static int take_feature(struct tokenizer_run *r, int i, size_t frames,
                        struct err *err)
{
    const struct part *p = &r->t->part[i];
    struct state *s = &r->state[i];
    size_t width = (size_t)p->width;

    for (size_t f = 0; f < frames; f++) {
        memcpy(s->pending + (size_t)s->rows * width, r->frame + f * width,
               width * sizeof(float));
        if (++s->rows == BATCH)
            TRY(flush(p, s, err));
    }
    return 0;
}

/* n samples, or with n 0 the end. */
static int take(struct tokenizer_run *r, const float *x, size_t n,
                struct err *err)
{
    size_t frames = 0;
    int rc = 0;

    if (r->mel)
        frames = n ? mel_push(r->mel, x, n, r->frame)
                   : mel_finish(r->mel, r->frame);
    for (int i = 0; i < r->t->n_parts && !rc; i++)
        if (!r->state[i].features)
            rc = take_mel(r, i, frames, err);
    for (int i = 0; i < r->t->n_parts && !rc; i++) {
        struct features *f = r->state[i].features;

        if (!f)
            continue;
        frames = n ? features_push(f, x, n, r->frame)
                   : features_finish(f, r->frame);
        rc = take_feature(r, i, frames, err);
    }
    return rc;
}

int tokenizer_push(struct tokenizer_run *r, const float *x, size_t n,
                   struct err *err)
{
    while (n) {
        size_t m = n < PIECE ? n : PIECE;

        TRY(take(r, x, m, err));
        x += m;
        n -= m;
    }
    return 0;
}

void tokenizer_reset(struct tokenizer_run *r)
{
    /* the buffers' frames are dropped with the end of what was pushed */
    if (r->mel)
        mel_finish(r->mel, r->frame);
    for (int i = 0; i < r->t->n_parts; i++) {
        struct state *s = &r->state[i];

        if (s->features)
            features_finish(s->features, r->frame);
        s->rows = s->frames = 0;
        s->n = 0;
    }
}

/* The frame of a feature behind the last whole hop has no token. */
static size_t whole(const struct tokenizer_run *r, int i)
{
    const struct state *s = &r->state[i];

    return s->n && s->features ? s->n - 1 : s->n;
}

static int finish(struct tokenizer_run *r, size_t *count, struct err *err)
{
    TRY(take(r, NULL, 0, err));
    *count = SIZE_MAX;
    for (int i = 0; i < r->t->n_parts; i++) {
        TRY(flush(&r->t->part[i], &r->state[i], err));
        if (whole(r, i) < *count)
            *count = whole(r, i);
    }
    return 0;
}

int tokenizer_finish(struct tokenizer_run *r, const int32_t **token,
                     size_t *count, struct err *err)
{
    size_t streams = (size_t)r->t->streams;
    int rc = finish(r, count, err), at = 0;

    if (!rc) {
        free(r->result);
        r->result = malloc((*count * streams + 1) * sizeof(*r->result));
        if (!r->result)
            rc = err_set(err, ERR_NOMEM, "no memory for %zu tokens", *count);
    }
    for (int i = 0; i < r->t->n_parts && !rc; i++) {
        int stages = r->t->part[i].config.stages;

        place(r->t, r->result, at, r->state[i].token, stages, *count);
        at += stages;
    }
    tokenizer_reset(r);
    *token = r->result;
    return rc;
}

int tokenizer_clip(struct tokenizer_run *r, const float *x, size_t n,
                   int32_t *token, struct err *err)
{
    const int32_t *made = NULL;
    size_t count = 0;

    tokenizer_reset(r);
    TRY(tokenizer_push(r, x, n, err));
    TRY(tokenizer_finish(r, &made, &count, err));
    memcpy(token, made, count * (size_t)r->t->streams * sizeof(*token));
    return 0;
}

int tokenizer_usage(const struct tokenizer *t, int k, const int32_t *token,
                    size_t n, double *perplexity)
{
    int codes = tokenizer_codes(t, k), used = 0;
    size_t *times = xcalloc((size_t)codes, sizeof(*times));
    double h = 0;

    for (size_t i = 0; i < n; i++)
        times[token[i * (size_t)t->streams + (size_t)k]]++;
    for (int c = 0; c < codes; c++)
        if (times[c]) {
            double p = (double)times[c] / (double)n;

            used++;
            h -= p * log(p);
        }
    free(times);
    *perplexity = n ? exp(h) : 0;
    return used;
}
