/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/feed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "mel/mel.h"
#include "train/modelmel.h"

struct feed {
    struct feed_config c;
    struct augment_filter *filter;
    struct mel **mel;   /* by thread; NULL: the encoder hears sound */
    float **x;          /* (2 samples) by thread: ours, then another's */
    int64_t input;      /* floats of an example's input */
    int64_t *at, total; /* of the heads' targets, in floats */
};

static int width_of(const struct head_config *h)
{
    return h->n_classes + (h->boundary ? 1 : 0);
}

static int make_desks(struct feed *f, struct err *err)
{
    const struct model_config *m = f->c.model;
    struct mel_config c = mel_config_of(&m->mel, m->sample_rate);
    size_t n = (size_t)f->c.threads;

    f->x = xcalloc(n, sizeof(*f->x));
    f->mel = xcalloc(n, sizeof(*f->mel));
    for (size_t i = 0; i < n; i++) {
        f->x[i] = malloc(2 * (size_t)f->c.samples * sizeof(**f->x));
        if (!f->x[i])
            return err_set(err, ERR_NOMEM, "no memory for windows of %lld "
                           "samples", (long long)f->c.samples);
        if (m->encoder.type != ENCODER_BERT)
            TRY(mel_new(&f->mel[i], &c, err));
    }
    return augment_filter_new(&f->filter, err);
}

int feed_new(struct feed **out, const struct feed_config *c, struct err *err)
{
    struct feed *f = xcalloc(1, sizeof(*f));
    const struct model_config *m = c->model;
    int rc = 0;

    f->c = *c;
    f->at = xcalloc((size_t)m->n_heads + 1, sizeof(*f->at));
    for (int h = 0; h < m->n_heads; h++) {
        f->at[h] = f->total;
        f->total += 2 * c->rows[h] * width_of(&m->heads[h]);
    }
    if (c->states)
        f->input = states_room(c->states, c->frames);
    else if (m->encoder.type == ENCODER_BERT)
        f->input = c->samples;
    else
        f->input = c->samples / m->mel.hop * m->mel.bands;
    if (!c->states)
        rc = make_desks(f, err);
    if (rc)
        feed_free(f);
    else
        *out = f;
    return rc;
}

void feed_free(struct feed *f)
{
    if (!f)
        return;
    for (int i = 0; f->x && i < f->c.threads; i++) {
        free(f->x[i]);
        mel_free(f->mel[i]);
    }
    augment_filter_free(f->filter);
    free(f->x);
    free(f->mel);
    free(f->at);
    free(f);
}

void feed_parts(const struct feed *f, size_t bytes[LOADER_PARTS])
{
    memset(bytes, 0, LOADER_PARTS * sizeof(*bytes));
    bytes[FEED_INPUT] = (size_t)f->input * sizeof(float);
    bytes[FEED_TARGETS] = (size_t)f->total * sizeof(float);
}

/* ---- targets ---- */

static void fill_targets(const struct feed *f, float *to, const struct song *s,
                         struct excerpt *x)
{
    const struct model_config *m = f->c.model;

    for (int h = 0; h < m->n_heads; h++) {
        const struct head_config *c = &m->heads[h];
        int64_t n = f->c.rows[h] * width_of(c);
        struct target t = { f->c.rows[h], width_of(c), to + f->at[h],
                            to + f->at[h] + n, n };
        int task = target_task(c->task);

        x->sure = s->sure[task];
        x->n_sure = s->n_sure[task];
        target_fill(&t, 0, t.n, c, s->has >> task & 1 ? &s->label[task] : NULL,
                    x, &f->c.target);
    }
}

int feed_target(const struct feed *f, struct target *t, int h,
                const struct batch_data *batch, int64_t first, int64_t n,
                struct err *err)
{
    const struct head_config *c = &f->c.model->heads[h];
    int64_t each = f->c.rows[h] * width_of(c);

    TRY(target_reserve(t, c, n * f->c.rows[h], err));
    for (int64_t i = 0; i < n; i++) {
        const float *from = (const float *)batch->part[FEED_TARGETS] +
                            (first + i) * f->total + f->at[h];

        memcpy(t->yes + i * each, from, (size_t)each * sizeof(float));
        memcpy(t->no + i * each, from + each, (size_t)each * sizeof(float));
    }
    return 0;
}

/* ---- input ---- */

static void make_mel(const struct feed *f, const struct augment *a, int thread,
                     float *out)
{
    const struct mel_settings *s = &f->c.model->mel;
    int64_t frames = f->c.samples / s->hop;
    float mean = (float)s->mean, scale = (float)(1 / s->std);

    mel_clip(f->mel[thread], f->x[thread], (size_t)f->c.samples, out);
    augment_mel(out, frames, s->bands, a, s->mean, s->std);
    for (int64_t i = 0; i < frames * s->bands; i++)
        out[i] = (out[i] - mean) * scale;
}

/* Sound: the level is the one part of augment_mel that applies to it. */
static void make_wave(const struct feed *f, const struct augment *a,
                      int thread, float *out)
{
    float gain = (float)pow(10, a->level / 20);

    for (int64_t i = 0; i < f->c.samples; i++)
        out[i] = gain * f->x[thread][i];
}

/* Another song behind the window of ours; one that cannot be decoded adds
 * nothing. */
static void mix(const struct feed *f, size_t song, const struct augment *a,
                int thread)
{
    float *ours = f->x[thread], *other = ours + f->c.samples;
    size_t rest = f->c.songs->n - 1, which;
    const int16_t *pcm;
    int64_t n, room;

    if (!rest)
        return;
    which = (size_t)(a->mix_song * (double)rest);
    which += which >= song;
    if (corpus_hold(f->c.corpus, which, &(struct err){0}))
        return;
    pcm = corpus_pcm(f->c.corpus, which, &n);
    room = n > f->c.samples ? n - f->c.samples : 0;
    if (!augment_samples(f->filter, other, f->c.samples, pcm, n,
                         a->mix_place * (double)room, 1, NULL))
        augment_mix(ours, other, f->c.samples, a);
    corpus_let_go(f->c.corpus, which);
}

/* A song that can be decoded: this one or the first behind it. */
static int hold(const struct feed *f, size_t *song, struct err *err)
{
    size_t n = f->c.songs->n, tried = 0;
    int rc;

    do {
        rc = corpus_hold(f->c.corpus, *song, err);
        if (!rc || rc == ERR_NOMEM)
            return rc;
        *song = (*song + 1) % n;
    } while (++tried < n);
    return rc;
}

static int from_audio(const struct feed *f, size_t *song, uint64_t seed,
                      uint64_t k, int thread, float *input,
                      struct excerpt *x, struct err *err)
{
    const struct song *s;
    double rate = f->c.model->sample_rate, duration;
    const int16_t *pcm;
    struct augment a;
    int64_t n;
    int rc;

    TRY(hold(f, song, err));
    s = &f->c.songs->v[*song];
    pcm = corpus_pcm(f->c.corpus, *song, &n);
    duration = (double)n / rate;
    augment_draw(&a, &f->c.augment, seed, k);
    x->start = songs_start(s, duration, (double)f->c.samples / rate * a.speed,
                           rate, seed, k);
    x->speed = a.speed;
    x->transpose = a.transpose;
    x->from = s->from;
    x->to = fmin(s->to, duration);
    rc = augment_samples(f->filter, f->x[thread], f->c.samples, pcm, n,
                         x->start * rate, a.speed, err);
    corpus_let_go(f->c.corpus, *song);
    if (rc)
        return rc;
    if (a.mix)
        mix(f, *song, &a, thread);
    if (f->mel[thread])
        make_mel(f, &a, thread, input);
    else
        make_wave(f, &a, thread, input);
    return 0;
}

/* A window of states begins with one of them. */
static void from_states(const struct feed *f, size_t song, uint64_t seed,
                        uint64_t k, float *input, struct excerpt *x)
{
    const struct song *s = &f->c.songs->v[song];
    double rate = f->c.model->encoder.rate;
    double duration = states_duration(f->c.states, song);
    double start = songs_start(s, duration, (double)f->c.frames / rate, rate,
                               seed, k);

    x->start = llround(start * rate) / rate;
    x->speed = 1;
    x->transpose = 0;
    x->from = s->from;
    x->to = fmin(s->to, duration);
    states_window(f->c.states, song, llround(start * rate), f->c.frames,
                  input);
}

int feed_prepare(void *ctx, const struct loader_sample *in, void *const *part,
                 struct err *err)
{
    const struct feed *f = ctx;
    uint64_t k = in->draw.step * (uint64_t)f->c.batch + in->draw.sample;
    size_t song = songs_pick(f->c.songs->n, in->draw.seed, k);
    struct excerpt x = {0};

    if (f->c.states)
        from_states(f, song, in->draw.seed, k, part[FEED_INPUT], &x);
    else
        TRY(from_audio(f, &song, in->draw.seed, k, in->thread, part[FEED_INPUT],
                       &x, err));
    fill_targets(f, part[FEED_TARGETS], &f->c.songs->v[song], &x);
    return 0;
}
