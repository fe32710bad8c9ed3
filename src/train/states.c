/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/states.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audio/clip.h"
#include "base/xalloc.h"
#include "model/encoder.h"

enum { CHUNK = 1 << 16 };

struct states {
    int layers, dim;
    size_t n;
    int64_t *at, *frames; /* by song: first state in the file; how many */
    double *duration;
    float *map;           /* (all states, layers, D) */
    size_t size;          /* bytes */
};

/* ---- one recording ---- */

int states_stream(struct stream *stream, struct model *m, struct mel *mel,
                  const int16_t *pcm, int64_t n, struct err *err)
{
    float *x = xmalloc(CHUNK * sizeof(*x)), *frames = NULL;
    int rc = 0;

    if (mel)
        frames = xmalloc((mel_room(mel, CHUNK) + mel_room(mel, 0)) *
                         (size_t)m->config.mel.bands * sizeof(*frames));
    for (int64_t i = 0; i < n && !rc; i += CHUNK) {
        size_t count = (size_t)(n - i < CHUNK ? n - i : CHUNK);

        clip_floats(x, pcm + i, count);
        rc = mel ? stream_push(stream, frames,
                               (int64_t)mel_push(mel, x, count, frames), err)
                 : stream_push(stream, x, (int64_t)count, err);
    }
    if (mel && !rc)
        rc = stream_push(stream, frames, (int64_t)mel_finish(mel, frames), err);
    free(x);
    free(frames);
    return rc ? rc : stream_finish(stream, err);
}

/* ---- all of them ---- */

struct writer {
    struct states *s;
    FILE *f;
    int64_t count; /* states of this song */
};

/* hidden[l] (n, D) -> (n, layers, D) */
static int write_states(void *ctx, const float *const *hidden, int64_t n,
                        struct err *err)
{
    struct writer *w = ctx;
    size_t dim = (size_t)w->s->dim;

    for (int64_t t = 0; t < n; t++)
        for (int l = 0; l < w->s->layers; l++)
            if (fwrite(hidden[l] + t * w->s->dim, sizeof(float), dim, w->f) !=
                dim)
                return err_sys(err, "the states of the songs");
    w->count += n;
    return 0;
}

static int one_song(const struct states_config *c, struct writer *w,
                    struct encoder *e, struct mel *mel, size_t i,
                    struct err *err)
{
    struct stream_config sc = { 0, 0, c->layer, c->n_layers, write_states, w };
    struct stream *stream = NULL;
    struct err why = {0};
    const int16_t *pcm;
    int64_t n;
    int rc = corpus_hold(c->corpus, i, &why);

    w->s->at[i] = i ? w->s->at[i - 1] + w->s->frames[i - 1] : 0;
    if (rc)
        return rc == ERR_NOMEM ? err_set(err, rc, "%s", why.msg) : 0;
    pcm = corpus_pcm(c->corpus, i, &n);
    w->count = 0;
    w->s->duration[i] = (double)n / c->model->config.sample_rate;
    rc = stream_new(&stream, e, c->model, &sc, err);
    if (!rc)
        rc = states_stream(stream, c->model, mel, pcm, n, err);
    stream_free(stream);
    corpus_let_go(c->corpus, i);
    w->s->frames[i] = w->count;
    if (c->progress)
        c->progress(c->ctx, i + 1, c->n);
    return rc;
}

static int write_all(const struct states_config *c, struct writer *w,
                     struct err *err)
{
    const struct model_config *m = &c->model->config;
    struct mel_config mc = { m->sample_rate, m->mel.n_fft, m->mel.hop,
                             m->mel.bands, 0, m->sample_rate / 2.0 };
    struct encoder *e = NULL;
    struct mel *mel = NULL;
    int rc = encoder_new(&e, c->model, c->be, err);

    if (!rc && !encoder_hears_sound(e))
        rc = mel_new(&mel, &mc, err);
    for (size_t i = 0; i < c->n && !rc; i++)
        rc = one_song(c, w, e, mel, i, err);
    mel_free(mel);
    encoder_free(e);
    return rc;
}

static int map_file(struct states *s, FILE *f, const char *path,
                    struct err *err)
{
    int64_t all = s->n ? s->at[s->n - 1] + s->frames[s->n - 1] : 0;

    s->size = (size_t)(all * s->layers * s->dim) * sizeof(float);
    if (fflush(f))
        return err_sys(err, "%s: cannot write", path);
    if (!s->size)
        return err_set(err, ERR_FORMAT, "no song can be decoded");
    s->map = mmap(NULL, s->size, PROT_READ, MAP_SHARED, fileno(f), 0);
    if (s->map != MAP_FAILED)
        return 0;
    s->map = NULL;
    return err_sys(err, "%s: cannot map", path);
}

int states_new(struct states **out, const struct states_config *c,
               struct err *err)
{
    struct states *s = xcalloc(1, sizeof(*s));
    struct writer w = { .s = s, .f = fopen(c->path, "w+b") };
    int rc = w.f ? 0 : err_sys(err, "%s: cannot create", c->path);

    if (w.f)
        unlink(c->path);
    s->layers = c->n_layers;
    s->dim = c->model->config.encoder.dim;
    s->n = c->n;
    s->at = xcalloc(c->n + 1, sizeof(*s->at));
    s->frames = xcalloc(c->n + 1, sizeof(*s->frames));
    s->duration = xcalloc(c->n + 1, sizeof(*s->duration));
    if (!rc)
        rc = write_all(c, &w, err);
    if (!rc)
        rc = map_file(s, w.f, c->path, err);
    if (w.f)
        fclose(w.f);
    if (rc)
        states_free(s);
    else
        *out = s;
    return rc;
}

void states_free(struct states *s)
{
    if (!s)
        return;
    if (s->map)
        munmap(s->map, s->size);
    free(s->at);
    free(s->frames);
    free(s->duration);
    free(s);
}

int states_layers(const struct states *s)
{
    return s->layers;
}

double states_duration(const struct states *s, size_t song)
{
    return s->duration[song];
}

void states_window(const struct states *s, size_t song, int64_t first,
                   int64_t n, float *out)
{
    size_t row = (size_t)s->dim * sizeof(float);

    for (int l = 0; l < s->layers; l++)
        for (int64_t i = 0; i < n; i++) {
            float *to = out + (l * n + i) * s->dim;
            int64_t t = first + i;

            if (t >= 0 && t < s->frames[song])
                memcpy(to, s->map + ((s->at[song] + t) * s->layers + l) *
                                        s->dim, row);
            else
                memset(to, 0, row);
        }
}
