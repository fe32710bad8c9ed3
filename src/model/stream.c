/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/stream.h"

#include <assert.h>
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
    int hops, batch;     /* windows that fit in input; that run at once */
    float *input;        /* (window + hops * hop, width) */
    float *side;         /* (hops, window, width) where hops is not 1 */
    struct tensor mel[2]; /* in place of input, on the device: as long as it;
                             the first is in use */
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

static float *floats(int64_t n, int width)
{
    return malloc((size_t)(n * width) * sizeof(float));
}

static int make_buffers(struct stream *s)
{
    /* the last window may be longer by what is missing to a multiple */
    int64_t states = encoder_frames(s->encoder, s->window + s->stride);

    s->input = s->config.on_device
                   ? NULL : floats(s->window + s->hops * s->hop, s->width);
    if (s->input && s->hops > 1)
        s->side = floats(s->window * s->hops, s->width);
    if (!s->config.on_device && (!s->input || (s->hops > 1 && !s->side)))
        return ERR_NOMEM;
    for (int i = 0; i < s->config.n_layers; i++) {
        float **h = &s->hidden[s->config.layer[i]];

        if (!*h)
            *h = floats(states * s->hops, s->dim);
        if (!*h)
            return ERR_NOMEM;
    }
    return 0;
}

int stream_new(struct stream **out, struct encoder *e, struct model *m,
               const struct stream_config *config, struct err *err)
{
    const struct encoder_config *c = &m->config.encoder;
    struct stream *s = xcalloc(1, sizeof(*s));
    int rc;

    s->encoder = e;
    s->hops = s->batch = encoder_windows(e);
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
    rc = make_buffers(s);
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
    free(s->side);
    free(s->input);
    tensor_release(&s->mel[0]);
    tensor_release(&s->mel[1]);
    free(s);
}

/* Gives out the states that window number b of those that were run, beginning
 * at frame start, has up to index end. */
static int give(struct stream *s, int b, int64_t states, int64_t start,
                int64_t end, struct err *err)
{
    int64_t first = s->emitted;

    if (end <= first)
        return 0;
    for (int i = 0; i < s->config.n_layers; i++)
        s->part[i] = s->hidden[s->config.layer[i]] +
                     (b * states + first - start / s->stride) * s->dim;
    s->emitted = end;
    return s->config.emit(s->config.ctx, s->part, end - first, err);
}

/* ---- the buffer, on the host or on the device ---- */

static int64_t room(const struct stream *s)
{
    return s->window + s->hops * s->hop - s->have;
}

/* The states of n windows of so many frames, which begin at frame `at` of the
 * buffer and a hop apart. */
static int run(struct stream *s, int64_t at, int n, int64_t frames,
               struct err *err)
{
    struct encoder_out out = { s->hidden, NULL };
    int64_t size = frames * s->width;
    const float *input = s->input + at * s->width;

    if (s->config.on_device) {
        struct tensor mel = tensor_view(&s->mel[0], at * s->width, 2,
                                        (int64_t[]){ s->have - at, s->width });

        return encoder_forward_mel(s->encoder, &out, &mel, s->hop, n, frames,
                                   err);
    }
    for (int b = 0; b < n && n > 1; b++)
        memcpy(s->side + b * size, input + b * s->hop * s->width,
               (size_t)size * sizeof(float));
    return encoder_forward(s->encoder, &out, n > 1 ? s->side : input, n, frames,
                           err);
}

/* Rows of mel from `from` on become those of the device's buffer from s->have
 * on. */
static int put(struct stream *s, struct tensor *buffer,
               const struct tensor *mel, int64_t from, int64_t n,
               struct err *err)
{
    int64_t rows[2] = { s->window + s->hops * s->hop, s->width };
    int64_t some[2] = { n, s->width };
    struct tensor x = tensor_view(mel, from * s->width, 2, some), y;

    TRY(tensor_reserve(buffer, mel->be, 2, rows, err));
    y = tensor_view(buffer, s->have * s->width, 2, some);
    return n ? mel->be->ops->axpby(mel->be, &y, 1, &x, 0, err) : 0;
}

/* The first n frames of the buffer go. */
static int drop(struct stream *s, int64_t n, struct err *err)
{
    int64_t left = s->have - n;
    struct tensor old = s->mel[0];

    if (!s->config.on_device) {
        memmove(s->input, s->input + n * s->width,
                (size_t)(left * s->width) * sizeof(float));
        s->have = left;
        return 0;
    }
    s->have = 0;
    TRY(put(s, &s->mel[1], &old, n, left, err));
    s->mel[0] = s->mel[1];
    s->mel[1] = old;
    s->have = left;
    return 0;
}

/* ---- windows ---- */

/* Runs a window of the frames from `at` of the buffer on, which is frame
 * s->start of the recording; gives out states up to index end. */
static int run_window(struct stream *s, int64_t at, int64_t frames, int64_t end,
                      struct err *err)
{
    if (end <= s->emitted)
        return 0;
    TRY(run(s, at, 1, frames, err));
    return give(s, 0, 0, s->start, end, err);
}

/* Windows at s->start and n - 1 hops behind it, frame `at` of the buffer; each
 * gives out its states up to the middle of what it shares with the next. */
static int run_side_by_side(struct stream *s, int64_t at, int n,
                            struct err *err)
{
    TRY(run(s, at, n, s->window, err));
    for (int b = 0; b < n; b++) {
        int64_t start = s->start + b * s->hop;

        TRY(give(s, b, s->states, start,
                 start / s->stride + (s->states + s->step) / 2, err));
    }
    return 0;
}

/* n windows at the start of the buffer, which has a hop more than they need:
 * none is the last one, and whatever follows begins a hop later or after. Where
 * the device has no memory for so many, half as many run from then on. */
static int advance(struct stream *s, int64_t n, struct err *err)
{
    int64_t done = 0;

    while (done < n) {
        int some = n - done < s->batch ? (int)(n - done) : s->batch;
        int rc = run_side_by_side(s, done * s->hop, some, err);

        if (rc == ERR_NOMEM && some > 1) {
            s->batch = some / 2;
            continue;
        }
        if (rc)
            return rc;
        done += some;
        s->start += some * s->hop;
    }
    return drop(s, n * s->hop, err);
}

int stream_push(struct stream *s, const float *input, int64_t n,
                struct err *err)
{
    assert(!s->config.on_device);
    while (n > 0) {
        int64_t m = n < room(s) ? n : room(s);
        float *to = s->input + s->have * s->width;

        for (int64_t i = 0; i < m * s->width; i++)
            to[i] = (input[i] - s->mean) * s->inv_std;
        s->have += m;
        input += m * s->width;
        n -= m;
        if (!room(s))
            TRY(advance(s, s->hops, err));
    }
    return 0;
}

int stream_push_mel(struct stream *s, const struct tensor *mel,
                    struct err *err)
{
    int64_t n = mel->dim[0];

    assert(s->config.on_device && mel->dim[1] == s->width);
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < room(s) ? n - i : room(s);
        TRY(put(s, &s->mel[0], mel, i, m, err));
        s->have += m;
        if (!room(s))
            TRY(advance(s, s->hops, err));
    }
    return 0;
}

/* The window at the start of the buffer is not the last one if there is more.
 * The last one serves from its own middle on, where both could. */
int stream_finish(struct stream *s, struct err *err)
{
    int64_t over, back = 0;

    if (s->have >= s->window + s->hop)
        TRY(advance(s, (s->have - s->window) / s->hop, err));
    over = s->have - s->window;
    if (!s->have)
        return 0;
    if (over > 0) {
        int64_t first = s->start / s->stride;
        int64_t own = first + (s->states + s->step) / 2, next;

        back = over / s->stride * s->stride;
        next = first + back / s->stride + (s->states - s->step) / 2;
        TRY(run_window(s, 0, s->window, next < own ? next : own, err));
    }
    s->start += back;
    return run_window(s, back, s->have - back,
                      s->start / s->stride +
                          encoder_frames(s->encoder, s->have - back), err);
}
