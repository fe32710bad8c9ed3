/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/analyse.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audio/decode.h"
#include "base/json.h"
#include "base/npy.h"
#include "base/xalloc.h"
#include "mel/mel.h"
#include "mel/meldevice.h"
#include "train/modelmel.h"

enum {
    CHUNK = 1 << 16, /* samples decoded at a time */
    STATES = 4096    /* rows of a .npy array pushed at a time */
};

struct analyser {
    struct model *model;
    struct backend *be;
    struct analyser_config config;
    struct encoder *encoder; /* NULL until audio comes */
    struct heads *heads;     /* NULL without tasks */
    double heads_rate;       /* the rate that heads was made for */
    int *layer, n_layers;    /* union of the heads' and the caller's */
    struct mel *mel;
    struct mel_device *mel_device; /* NULL: the backend has none, or no use */
    float *samples, *frames; /* CHUNK; mel_room */
    const float **part;      /* n_layers */
    void (*progress)(void *ctx, double done, double length);
    void *progress_ctx;
};

/* ---- layers ---- */

static void add_layers(struct analyser *a, const int *layer, int n)
{
    for (int i = 0; i < n; i++) {
        int at = 0;

        while (at < a->n_layers && a->layer[at] < layer[i])
            at++;
        if (at < a->n_layers && a->layer[at] == layer[i])
            continue;
        memmove(a->layer + at + 1, a->layer + at,
                (size_t)(a->n_layers - at) * sizeof(*a->layer));
        a->layer[at] = layer[i];
        a->n_layers++;
    }
}

/* The pointers of hidden (by a->layer) that belong to layer[0..n-1]. */
static const float *const *pick(struct analyser *a, const float *const *hidden,
                                const int *layer, int n)
{
    for (int i = 0, at = 0; i < n; i++) {
        while (a->layer[at] != layer[i])
            at++;
        a->part[i] = hidden[at];
    }
    return a->part;
}

static int take_states(void *ctx, const float *const *hidden, int64_t n,
                       struct err *err)
{
    struct analyser *a = ctx;
    const struct analyser_config *c = &a->config;
    int count;

    if (a->heads) {
        const int *layer = heads_layers(a->heads, &count);

        TRY(heads_push(a->heads, pick(a, hidden, layer, count), n, err));
    }
    if (c->emit)
        TRY(c->emit(c->ctx, pick(a, hidden, c->layer, c->n_layers), n, err));
    return 0;
}

/* ---- making one ---- */

static int set_heads(struct analyser *a, double rate, struct err *err)
{
    if (!a->config.n_tasks || (a->heads && a->heads_rate == rate))
        return 0;
    heads_free(a->heads);
    a->heads = NULL;
    a->heads_rate = rate;
    return heads_new(&a->heads, a->model, a->be, a->config.task,
                     a->config.n_tasks, rate, err);
}

static int check_hop(const struct model *m, const struct analyser_config *c,
                     struct err *err)
{
    double window = c->window_s > 0 ? c->window_s : m->config.window;

    if (c->hop_s <= window)
        return 0;
    return err_set(err, ERR_ARG, "--hop: %g s is longer than the window of "
                   "%g s", c->hop_s, window);
}

int analyser_new(struct analyser **out, struct model *m, struct backend *be,
                 const struct analyser_config *c, struct err *err)
{
    struct analyser *a = xcalloc(1, sizeof(*a));
    size_t most = (size_t)m->config.encoder.layers + 2;
    int rc = check_hop(m, c, err), n;

    a->model = m;
    a->be = be;
    a->config = *c;
    a->layer = xcalloc(most, sizeof(*a->layer));
    a->part = xcalloc(most, sizeof(*a->part));
    if (!rc)
        rc = set_heads(a, m->config.encoder.rate, err);
    if (rc) {
        analyser_free(a);
        return rc;
    }
    if (a->heads) {
        const int *layer = heads_layers(a->heads, &n);

        add_layers(a, layer, n);
    }
    add_layers(a, c->layer, c->n_layers);
    *out = a;
    return 0;
}

void analyser_free(struct analyser *a)
{
    if (!a)
        return;
    encoder_free(a->encoder);
    heads_free(a->heads);
    mel_free(a->mel);
    mel_device_free(a->mel_device);
    free(a->layer);
    free(a->part);
    free(a->samples);
    free(a->frames);
    free(a);
}

void analyser_progress(struct analyser *a,
                       void (*progress)(void *ctx, double done, double length),
                       void *ctx)
{
    a->progress = progress;
    a->progress_ctx = ctx;
}

/* What audio needs and hidden states do not. */
static int prepare_audio(struct analyser *a, struct err *err)
{
    const struct model_config *c = &a->model->config;
    struct mel_config mel = mel_config_of(&c->mel, c->sample_rate);

    if (!a->encoder && a->n_layers)
        TRY(encoder_new(&a->encoder, a->model, a->be, err));
    /* hidden states of another rate may have come before */
    TRY(set_heads(a, c->encoder.rate, err));
    if (a->mel)
        return 0;
    if (a->encoder && c->encoder.type == ENCODER_CONFORMER && a->be->ops->mel &&
        !a->mel_device)
        TRY(mel_device_new(&a->mel_device, &mel, (float)c->mel.mean,
                           (float)(1 / c->mel.std), a->be, err));
    TRY(mel_new(&a->mel, &mel, err));
    a->samples = xmalloc(CHUNK * sizeof(*a->samples));
    a->frames = xmalloc((mel_room(a->mel, CHUNK) + mel_room(a->mel, 0)) *
                        (size_t)mel.bands * sizeof(*a->frames));
    return 0;
}

/* ---- audio ---- */

/* n samples, or with n 0 the end. Mel is made only for who wants it. */
static int take_samples(struct analyser *a, struct stream *s, size_t n,
                        struct err *err)
{
    int sound = s && encoder_hears_sound(a->encoder);
    size_t frames;

    if (a->config.emit_samples && n)
        TRY(a->config.emit_samples(a->config.ctx, a->samples, (int64_t)n, err));
    if (sound && n)
        TRY(stream_push(s, a->samples, (int64_t)n, err));
    if (s && a->mel_device) {
        const struct tensor *mel;

        TRY(mel_device_push(a->mel_device, a->samples, n, &mel, err));
        TRY(stream_push_mel(s, mel, err));
    }
    if ((!s || sound || a->mel_device) && !a->config.emit_mel)
        return 0;
    frames = n ? mel_push(a->mel, a->samples, n, a->frames)
               : mel_finish(a->mel, a->frames);
    if (a->config.emit_mel)
        TRY(a->config.emit_mel(a->config.ctx, a->frames, (int64_t)frames,
                               err));
    return s && !sound && !a->mel_device
               ? stream_push(s, a->frames, (int64_t)frames, err) : 0;
}

/* Samples of the part that is wanted. */
struct part {
    int64_t from, to;
};

static struct part part_of(const struct cmd_common *c, double rate)
{
    const double most = 9e15;

    return (struct part){ (int64_t)round(c->from * rate),
                          c->to * rate < most ? (int64_t)round(c->to * rate)
                                              : INT64_MAX };
}

/* *n samples from number at on: those of the part move to the front. */
static void cut(const struct part *p, int64_t at, float *x, size_t *n)
{
    int64_t end = at + (int64_t)*n;
    int64_t first = p->from > at ? p->from : at;
    int64_t last = p->to < end ? p->to : end;

    *n = first < last ? (size_t)(last - first) : 0;
    if (*n && first > at)
        memmove(x, x + (first - at), *n * sizeof(*x));
}

static int pump(struct analyser *a, struct decoder *d, struct stream *s,
                const char *path, double *duration, struct err *err)
{
    double rate = a->model->config.sample_rate;
    struct part part = part_of(a->config.common, rate);
    int64_t read = 0, total = 0;
    size_t got, n;

    do {
        TRY(decoder_read(d, a->samples, CHUNK, &got, err));
        n = got;
        cut(&part, read, a->samples, &n);
        read += (int64_t)got;
        total += (int64_t)n;
        if (n)
            TRY(take_samples(a, s, n, err));
        if (a->progress)
            a->progress(a->progress_ctx, (double)read / rate,
                        fmin(decoder_duration_hint(d), a->config.common->to));
    } while (got == CHUNK && read < part.to);
    if (!total)
        return err_set(err, ERR_ARG, "%s: --from %g is past its end, at %.6g s",
                       path, a->config.common->from, (double)read / rate);
    TRY(take_samples(a, s, 0, err));
    *duration = (double)total / rate;
    return s ? stream_finish(s, err) : 0;
}

static int run_audio(struct analyser *a, const struct decode_source *src,
                     double *duration, struct err *err)
{
    struct stream_config c = { .window_s = a->config.window_s,
                               .hop_s = a->config.hop_s, .layer = a->layer,
                               .n_layers = a->n_layers, .emit = take_states,
                               .ctx = a };
    struct decoder *d = NULL;
    struct stream *s = NULL;
    int rc = decoder_open(&d, src, a->model->config.sample_rate, err);

    if (!rc)
        rc = prepare_audio(a, err);
    c.on_device = a->mel_device != NULL;
    if (!rc && a->n_layers)
        rc = stream_new(&s, a->encoder, a->model, &c, err);
    if (!rc)
        rc = pump(a, d, s, strcmp(src->path, "-") ? src->path : "stdin",
                  duration, err);
    stream_free(s);
    decoder_free(d);
    return rc;
}

/* ---- hidden states ---- */

/* What embed wrote beside the file, as far as it is there. */
struct sidecar {
    double rate;  /* of rows; 0: not known */
    double start; /* of the first, which embed --from wrote there */
    int layer;    /* -1: not known, or several */
};

static void read_sidecar(struct sidecar *s, const char *path)
{
    char *name = xasprintf("%s.json", path);
    cJSON *json = NULL;

    *s = (struct sidecar){ .layer = -1 };
    if (strcmp(path, "-") && !json_read(&json, name, NULL)) {
        json_double(json, "", "rate", 0, 1e-3, 1e5, &s->rate, NULL);
        json_double(json, "", "start", 0, 0, 1e9, &s->start, NULL);
        json_int(json, "", "layer", 0, 0, 65536, &s->layer, NULL);
        cJSON_Delete(json);
    }
    free(name);
}

/* --rate, else the sidecar's, else the encoder's. */
static double states_rate(const struct analyser *a, const struct sidecar *s)
{
    return a->config.rate > 0 ? a->config.rate
           : s->rate > 0 ? s->rate : a->model->config.encoder.rate;
}

static int check_shape(const struct analyser *a, const struct npy *x, int layer,
                       const char *path, struct err *err)
{
    const struct encoder_config *e = &a->model->config.encoder;
    int all = x->ndim == 3;

    if (x->type != 'f' || (x->ndim != 2 && !all))
        return err_set(err, ERR_FORMAT, "%s: not hidden states: an array of "
                       "floats (T, D) is needed", path);
    if (x->dim[x->ndim - 1] != e->dim)
        return err_set(err, ERR_FORMAT, "%s: %lld values a frame, the model "
                       "has %d: give the model that made it with -m", path,
                       (long long)x->dim[x->ndim - 1], e->dim);
    if (all && x->dim[0] != e->layers + 1)
        return err_set(err, ERR_FORMAT, "%s: %lld layers, the model has %d",
                       path, (long long)x->dim[0], e->layers + 1);
    if (!all && a->n_layers > 1)
        return err_set(err, ERR_FORMAT, "%s: the heads read %d layers: write "
                       "it with mfm embed --layer all", path, a->n_layers);
    if (!all && layer >= 0 && a->n_layers && layer != a->layer[0])
        return err_set(err, ERR_FORMAT, "%s: holds layer %d, but the heads "
                       "read %d: write it with mfm embed --layer %d", path,
                       layer, a->layer[0], a->layer[0]);
    return 0;
}

/* The rows of part alone. */
static int push_states(struct analyser *a, const struct npy *x, const float *v,
                       const struct part *part, struct err *err)
{
    int64_t time = x->dim[x->ndim - 2], dim = x->dim[x->ndim - 1];
    const float **hidden = xcalloc((size_t)a->n_layers + 1, sizeof(*hidden));
    int rc = 0;

    for (int64_t t = part->from; t < part->to && !rc; t += STATES) {
        int64_t n = part->to - t < STATES ? part->to - t : STATES;

        for (int i = 0; i < a->n_layers; i++)
            hidden[i] = v + ((x->ndim == 3 ? a->layer[i] * time : 0) + t) * dim;
        rc = take_states(a, hidden, n, err);
    }
    free(hidden);
    return rc;
}

/* Which of n rows, the first at *start, are wanted; *start becomes that of the
 * first of these. */
static int cut_states(const struct cmd_common *c, const char *name, int64_t n,
                      double rate, double *start, struct part *part,
                      struct err *err)
{
    struct part all = part_of(c, rate);
    int64_t first = (int64_t)round(*start * rate);

    part->from = all.from > first ? all.from - first : 0;
    part->to = all.to < first + n ? all.to - first : n;
    if (n && part->from >= part->to)
        return err_set(err, ERR_ARG, "%s: holds %g to %g s: nothing of what "
                       "--from and --to ask for", name, *start,
                       *start + (double)n / rate);
    *start += (double)part->from / rate;
    return 0;
}

static int check_values(const struct npy *x, const float *v, const char *path,
                        struct err *err)
{
    int64_t frames = x->dim[x->ndim - 2], dim = x->dim[x->ndim - 1];
    int64_t n = frames * dim * (x->ndim == 3 ? x->dim[0] : 1);

    for (int64_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return err_set(err, ERR_FORMAT, "%s: a value of frame %lld is not "
                           "a finite number", path,
                           (long long)(i / dim % frames));
    return 0;
}

static int run_states(struct analyser *a, FILE *f, const char *path,
                      struct analysis *out, struct err *err)
{
    const char *name = strcmp(path, "-") ? path : "stdin";
    struct sidecar beside;
    double rate;
    struct part part;
    struct npy x;
    float *v = NULL;
    int rc;

    if (!a->config.n_tasks)
        return err_set(err, ERR_ARG, "%s: holds hidden states: audio is needed "
                       "here", name);
    read_sidecar(&beside, path);
    rate = states_rate(a, &beside);
    out->start = beside.start;
    TRY(npy_read_stream(&x, f, name, 1, err));
    rc = check_shape(a, &x, beside.layer, name, err);
    if (!rc)
        rc = cut_states(a->config.common, name, x.dim[x.ndim - 2], rate,
                        &out->start, &part, err);
    if (!rc)
        rc = npy_floats(&x, &v, err);
    if (!rc)
        rc = check_values(&x, v, name, err);
    if (!rc)
        rc = set_heads(a, rate, err);
    if (!rc)
        rc = push_states(a, &x, v, &part, err);
    if (!rc)
        out->duration = (double)(part.to - part.from) / rate;
    free(v);
    npy_release(&x);
    return rc;
}

/* ---- both ---- */

/* The first bytes of a file or stream, to tell arrays from audio; less than n
 * at its end. */
static ssize_t read_start(int fd, unsigned char *buf, size_t n)
{
    size_t have = 0;

    while (have < n) {
        ssize_t got = read(fd, buf + have, n - have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

static int run(struct analyser *a, const char *path, struct analysis *out,
               struct err *err)
{
    const struct cmd_pcm *pcm = &a->config.common->pcm;
    struct decode_source src = { .path = path, .raw = pcm->kind,
                                 .raw_rate = pcm->rate,
                                 .raw_channels = pcm->channels };
    int is_stdin = !strcmp(path, "-");
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    unsigned char magic[6];
    FILE *f = NULL;
    int rc;

    out->start = a->config.common->from;
    out->is_states = 0;
    /* what cannot be opened or read, the decoder says in its words */
    src.prefix = magic;
    src.prefix_len = fd < 0 ? 0 : (size_t)read_start(fd, magic, sizeof(magic));
    if (src.prefix_len == 6 && !pcm->kind &&
        !memcmp(magic, "\x93NUMPY", 6)) {
        out->is_states = 1;
        f = is_stdin ? stdin : fdopen(fd, "rb");
        rc = f ? run_states(a, f, path, out, err)
               : err_sys(err, "%s: cannot open", path);
        if (f && !is_stdin)
            fclose(f);
        return rc;
    }
    src.fd = is_stdin ? 0 : fd; /* a pipe cannot be opened twice */
    rc = run_audio(a, &src, &out->duration, err);
    if (!is_stdin && fd >= 0)
        close(fd);
    return rc;
}

int analyser_run(struct analyser *a, const char *path, struct analysis *out,
                 struct err *err)
{
    const struct scores *unused;
    int rc = run(a, path, out, err);

    out->scores = NULL;
    if (rc) {
        /* forget the half of it */
        if (a->heads)
            heads_finish(a->heads, 1, &unused, NULL);
        mel_free(a->mel);
        mel_device_free(a->mel_device);
        a->mel = NULL;
        a->mel_device = NULL;
        free(a->samples);
        free(a->frames);
        a->samples = a->frames = NULL;
        return rc;
    }
    return a->heads ? heads_finish(a->heads, 0, &out->scores, err) : 0;
}
