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
#include "model/melstack.h"
#include "train/modelmel.h"

enum { CHUNK = 1 << 16 };

struct states {
    int layers;
    struct encoder_config encoder;
    int width;            /* D; of stacked mel: of a row */
    int64_t before, more; /* rows of a window before its states; more than
                             states: 0 but for stacked mel */
    size_t n;
    int64_t *at, *frames; /* by song: first row in the file; how many */
    double *duration;
    float *map;           /* (all rows, layers, width) */
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
    struct model *model;
    int64_t count; /* rows of this song */
};

/* hidden[l] (n, width) -> (n, layers, width) */
static int write_states(void *ctx, const float *const *hidden, int64_t n,
                        struct err *err)
{
    struct writer *w = ctx;
    size_t width = (size_t)w->s->width;

    for (int64_t t = 0; t < n; t++)
        for (int l = 0; l < w->s->layers; l++)
            if (fwrite(hidden[l] + (size_t)t * width, sizeof(float), width,
                       w->f) != width)
                return err_sys(err, "the states of the songs");
    w->count += n;
    return 0;
}

static int one_song(const struct states_config *c, struct writer *w,
                    struct encoder *e, struct mel *mel, size_t i,
                    struct err *err)
{
    struct stream_config sc = { .layer = c->layer, .n_layers = c->n_layers,
                                .emit = write_states, .ctx = w };
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
    rc = stream_new(&stream, e, w->model, &sc, err);
    if (!rc)
        rc = states_stream(stream, w->model, mel, pcm, n, err);
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
    struct mel_config mc = mel_config_of(&m->mel, m->sample_rate);
    struct encoder *e = NULL;
    struct mel *mel = NULL;
    int rc = encoder_new(&e, w->model, c->be, err);

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

    s->size = (size_t)(all * s->layers * s->width) * sizeof(float);
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

/* narrow becomes a model, without weights of its own, whose states are the rows
 * of m's. */
static void set_rows(struct states *s, const struct model *m,
                     struct model *narrow)
{
    const struct encoder_config *e = &m->config.encoder;

    s->encoder = *e;
    s->width = e->dim;
    *narrow = *m;
    if (e->type != ENCODER_MEL)
        return;
    s->width = e->bands;
    s->before = melstack_before(e);
    s->more = melstack_context(e) - 1;
    narrow->config.encoder = melstack_narrow(e);
}

int states_new(struct states **out, const struct states_config *c,
               struct err *err)
{
    struct states *s = xcalloc(1, sizeof(*s));
    struct model narrow;
    struct writer w = { s, fopen(c->path, "w+b"), &narrow, 0 };
    int rc = w.f ? 0 : err_sys(err, "%s: cannot create", c->path);

    if (w.f)
        unlink(c->path);
    s->layers = c->n_layers;
    set_rows(s, c->model, &narrow);
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

double states_duration(const struct states *s, size_t song)
{
    return s->duration[song];
}

int64_t states_room(const struct states *s, int64_t n)
{
    return s->layers * (n + s->more) * s->width;
}

void states_window(const struct states *s, size_t song, int64_t first,
                   int64_t n, float *window)
{
    size_t row = (size_t)s->width * sizeof(float);
    int64_t rows = n + s->more;

    for (int l = 0; l < s->layers; l++)
        for (int64_t i = 0; i < rows; i++) {
            float *to = window + (l * rows + i) * s->width;
            int64_t t = first - s->before + i;

            if (t >= 0 && t < s->frames[song])
                memcpy(to, s->map + ((s->at[song] + t) * s->layers + l) *
                                        s->width, row);
            else
                memset(to, 0, row);
        }
}

int states_stacked(const struct states *s)
{
    return s->encoder.type == ENCODER_MEL;
}

const float *states_of(const struct states *s, const float *window, int i,
                       int64_t n, float *room)
{
    const float *rows = window + i * (n + s->more) * s->width;

    if (!states_stacked(s))
        return rows;
    melstack_stack(room, &s->encoder, rows, n);
    return room;
}
