/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct stream {
    struct encoder *encoder;
    struct stream_config config;
    int layers, dim, width, stride; /* stride: frames of input a state */
    float mean, inv_std;
    int64_t window, hop; /* frames of input, multiples of stride */
    int64_t states, step; /* of a window; from one to the next */
    float *input;        /* (window + hop, width) */
    int64_t have;        /* frames in input */
    int64_t start;       /* index of input[0] in the recording */
    int64_t emitted;     /* states given out */
    float **hidden;      /* layers + 1, NULL where not wanted */
    const float **part;  /* n_layers, for emit */
};

static int64_t to_frames(double seconds, double rate, int stride)
{
    return (int64_t)ceil(seconds * rate / stride - 1e-9) * stride;
}

/* A window of sound gives a state less than it has strides: where windows would
 * only touch, they overlap by that one. */
static int set_sizes(struct stream *s, struct model *m, struct err *err)
{
    double rate = m->config.encoder.rate * s->stride;
    double window = s->config.window_s, hop;

    if (!(window > 0))
        window = m->config.window;
    hop = s->config.hop_s > 0 ? s->config.hop_s : window / 2;
    if (!(window >= 1) || !(window <= 600))
        return err_set(err, ERR_ARG, "--window: %g s is not in 1..600", window);
    if (!(hop <= window))
        return err_set(err, ERR_ARG, "--hop: %g s is longer than the window of "
                       "%g s", hop, window);
    s->window = to_frames(window, rate, s->stride);
    s->hop = to_frames(hop, rate, s->stride);
    s->states = encoder_frames(s->encoder, s->window);
    if (!s->states)
        return err_set(err, ERR_ARG, "--window: %g s are too few for one state "
                       "of the encoder", window);
    if (s->hop > s->states * s->stride)
        s->hop = s->states * s->stride;
    s->step = s->hop / s->stride;
    return 0;
}

int stream_new(struct stream **out, struct encoder *e, struct model *m,
               const struct stream_config *config, struct err *err)
{
    const struct encoder_config *c = &m->config.encoder;
    struct stream *s = xcalloc(1, sizeof(*s));
    int64_t states;
    int rc;

    s->encoder = e;
    s->config = *config;
    s->layers = c->layers;
    s->dim = c->dim;
    s->width = encoder_width(e);
    s->stride = encoder_stride(e);
    s->inv_std = 1;
    if (!encoder_hears_sound(e)) {
        s->mean = (float)m->config.mel.mean;
        s->inv_std = (float)(1 / m->config.mel.std);
    }
    s->part = xcalloc((size_t)config->n_layers + 1, sizeof(*s->part));
    s->hidden = xcalloc((size_t)c->layers + 1, sizeof(*s->hidden));
    rc = set_sizes(s, m, err);
    if (rc)
        goto fail;
    /* the last window may be longer by what is missing to a multiple */
    states = encoder_frames(e, s->window + s->stride);
    s->input = malloc((size_t)((s->window + s->hop) * s->width) *
                      sizeof(float));
    if (!s->input)
        rc = ERR_NOMEM;
    for (int i = 0; i < config->n_layers && !rc; i++) {
        float **h = &s->hidden[config->layer[i]];

        if (!*h)
            *h = malloc((size_t)(states * s->dim) * sizeof(float));
        if (!*h)
            rc = ERR_NOMEM;
    }
    if (!rc) {
        *out = s;
        return 0;
    }
    err_set(err, ERR_NOMEM, "no memory for a window of %lld %s",
            (long long)s->window, s->width == 1 ? "samples" : "frames");
fail:
    stream_free(s);
    return rc;
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    for (int k = 0; k <= s->layers; k++)
        free(s->hidden[k]);
    free(s->hidden);
    free(s->part);
    free(s->input);
    free(s);
}

/* Runs a window that begins at s->start; gives out states up to index end. */
static int run_window(struct stream *s, const float *input, int64_t frames,
                      int64_t end, struct err *err)
{
    struct encoder_out out = { s->hidden, NULL };
    int64_t first = s->emitted - s->start / s->stride;

    if (end <= s->emitted)
        return 0;
    TRY(encoder_forward(s->encoder, &out, input, 1, frames, err));
    for (int i = 0; i < s->config.n_layers; i++)
        s->part[i] = s->hidden[s->config.layer[i]] + first * s->dim;
    first = s->emitted;
    s->emitted = end;
    return s->config.emit(s->config.ctx, s->part, end - first, err);
}

/* A full buffer holds a window and a hop: the window at its start is not the
 * last one, and whatever follows begins a hop later or after. */
static int advance(struct stream *s, struct err *err)
{
    int64_t middle = s->start / s->stride + (s->states + s->step) / 2;

    TRY(run_window(s, s->input, s->window, middle, err));
    s->have -= s->hop;
    s->start += s->hop;
    memmove(s->input, s->input + s->hop * s->width,
            (size_t)(s->have * s->width) * sizeof(float));
    return 0;
}

int stream_push(struct stream *s, const float *input, int64_t n,
                struct err *err)
{
    while (n > 0) {
        int64_t room = s->window + s->hop - s->have, m = n < room ? n : room;
        float *to = s->input + s->have * s->width;

        for (int64_t i = 0; i < m * s->width; i++)
            to[i] = (input[i] - s->mean) * s->inv_std;
        s->have += m;
        input += m * s->width;
        n -= m;
        if (m == room)
            TRY(advance(s, err));
    }
    return 0;
}

/* The window at the start of the buffer is not the last one if there is more.
 * The last one serves from its own middle on, where both could. */
int stream_finish(struct stream *s, struct err *err)
{
    int64_t over = s->have - s->window, back = 0;

    if (!s->have)
        return 0;
    if (over > 0) {
        int64_t first = s->start / s->stride;
        int64_t own = first + (s->states + s->step) / 2, next;

        back = over / s->stride * s->stride;
        next = first + back / s->stride + (s->states - s->step) / 2;
        TRY(run_window(s, s->input, s->window, next < own ? next : own, err));
    }
    s->start += back;
    return run_window(s, s->input + back * s->width, s->have - back,
                      s->start / s->stride +
                          encoder_frames(s->encoder, s->have - back), err);
}
