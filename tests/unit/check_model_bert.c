/* SPDX-License-Identifier: GPL-3.0-or-later */
/* BERT at work, with a small net whose weights are drawn: the encoder, which
 * cuts the sound in pieces, against the net, which does not; streams against
 * windows cut by hand. In training: check_model_net.c. That both compute what
 * Hugging Face does, golden_bert.c checks. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/xalloc.h"
#include "model/bert.h"
#include "model/encoder.h"
#include "model/net.h"
#include "model/stream.h"
#include "nets.h"

enum { RATE = 1200, HOP = 12, DIM = 12, LAYERS = 2 };

static struct backend *be;
static struct model_config config;
static struct params params;
static char path[64];

static float noise(uint64_t stream, int64_t i)
{
    uint32_t r[4];

    rng_block(r, 99, stream, (uint64_t)i);
    return (float)(r[0] * 0x1p-31 - 1);
}

static float *make_noise(uint64_t stream, int64_t n)
{
    float *x = xcalloc((size_t)n + 1, sizeof(*x));

    for (int64_t i = 0; i < n; i++)
        x[i] = noise(stream, i);
    return x;
}

static void tear_down(void)
{
    params_release(&params);
    config_release(&config);
}

static void open_backend(void)
{
    ck_assert(!backend_open(&be, "cpu", 1, NULL));
    snprintf(path, sizeof(path), "bert-%d.safetensors", (int)getpid());
}

static void close_backend(void)
{
    backend_close(be);
    unlink(path);
}

static double norm_of(const float *x, int64_t n)
{
    double s = 0;

    for (int64_t i = 0; i < n; i++)
        s += (double)x[i] * x[i];
    return sqrt(s);
}

/* ---- at work ---- */

/* The weights as a model file, opened. */
static struct encoder *open_encoder(struct model **m)
{
    struct strbuf json = STRBUF_INIT;
    struct encoder *e = NULL;
    struct err err = {0};

    config_print(&config, &json);
    ck_assert(!params_write(&params, NULL, 0, NULL, NULL, path,
                            &(struct safetensors_meta){ (char *)"mfm", json.s },
                            1, &err));
    ck_assert_msg(!model_open(m, path, &err), "%s", err.msg);
    ck_assert_msg(!encoder_new(&e, *m, be, &err), "%s", err.msg);
    strbuf_release(&json);
    return e;
}

START_TEST(bert_frames_published)
{
    static const int64_t cases[][2] = { { 0, 0 }, { 399, 0 }, { 400, 1 },
                                        { 719, 1 }, { 720, 2 },
                                        { 72000, 224 }, { 120000, 374 } };
    struct bert_config c;

    config_bert_defaults(&c, 512);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_int_eq(bert_frames(&c, cases[i][0]), cases[i][1]);
}
END_TEST

/* 307 states: three pieces of the extractor. Between the two only the order of
 * f32 sums differs. */
START_TEST(encoder_forward_as_net)
{
    enum { N = 307 * HOP + 5 };
    struct net_options o = {0};
    struct model *m = NULL;
    struct net *net = NULL;
    struct encoder *e;
    float *x = make_noise(8, 2 * N), *hidden[LAYERS + 1], *logits;
    struct encoder_out out = { hidden, NULL };
    int64_t frames;

    nets_bert_begin(&config, &params, be, _i);
    e = open_encoder(&m);
    frames = encoder_frames(e, N);
    ck_assert(encoder_hears_sound(e) && encoder_width(e) == 1);
    ck_assert_int_eq(encoder_stride(e), HOP);
    ck_assert(!net_new(&net, &config, &params, &o, NULL));
    ck_assert(frames > 256 && net_frames(net, N) == frames);
    /* a level that changes: the group norm's moments are those of all */
    for (int i = 0; i < N; i++)
        x[i] = x[i] * 0.01f * (float)(1 + i / 100) + 0.1f;
    ck_assert(!net_forward(net, x, 2, N, 1, 1, NULL));
    for (int k = 0; k <= LAYERS; k++)
        hidden[k] = xcalloc((size_t)(2 * frames * DIM), sizeof(float));
    logits = out.logits = xcalloc((size_t)(2 * frames * 8), sizeof(float));
    ck_assert(!encoder_forward(e, &out, x, 2, N, NULL));
    for (int k = 0; k <= LAYERS; k++) {
        const float *want = net_hidden(net, k)->data;
        double diff = 0;

        for (int64_t i = 0; i < 2 * frames * DIM; i++)
            diff = hypot(diff, (double)hidden[k][i] - want[i]);
        ck_assert_msg(diff <= 2e-6 * norm_of(want, 2 * frames * DIM),
                      "state %d: %g", k, diff);
        free(hidden[k]);
    }
    ck_assert(norm_of(logits, 2 * frames * 8) > 0);
    free(logits);
    free(x);
    net_free(net);
    encoder_free(e);
    model_free(m);
    tear_down();
}
END_TEST

/* ---- streams ---- */

struct taken {
    float *v;
    int64_t n;
};

static int take(void *ctx, const float *const *hidden, int64_t n,
                struct err *err)
{
    struct taken *t = ctx;

    (void)err;
    t->v = realloc(t->v, (size_t)(t->n + n) * DIM * sizeof(float));
    memcpy(t->v + t->n * DIM, hidden[0], (size_t)n * DIM * sizeof(float));
    t->n += n;
    return 0;
}

static struct taken run_stream(struct encoder *e, struct model *m,
                               const float *x, int64_t n, double hop_s,
                               int64_t chunk)
{
    const int layer = LAYERS;
    struct taken t = { NULL, 0 };
    struct stream_config c = { 1, hop_s, &layer, 1, take, &t, 0 };
    struct stream *s;

    ck_assert(!stream_new(&s, e, m, &c, NULL));
    for (int64_t i = 0; i < n; i += chunk)
        ck_assert(!stream_push(s, x + i, n - i < chunk ? n - i : chunk, NULL));
    ck_assert(!stream_finish(s, NULL));
    stream_free(s);
    return t;
}

/* Windows of RATE samples, hop apart, as the header tells. */
static float *expect(struct encoder *e, const float *x, int64_t n, int64_t hop)
{
    int64_t frames = encoder_frames(e, n), states = encoder_frames(e, RATE);
    float *out = xcalloc((size_t)(frames * DIM) + 1, sizeof(*out)), *h;
    float *hidden[LAYERS + 1] = { NULL };
    struct encoder_out o = { hidden, NULL };
    int64_t done = 0;

    h = hidden[LAYERS] = xcalloc((size_t)((states + 2) * DIM), sizeof(*h));
    for (int64_t from = 0, last = n <= RATE; frames; last = n < from + RATE +
         HOP) {
        int64_t next = from + hop, end = frames;

        if (next + RATE > n)
            next = (n - RATE) / HOP * HOP;
        if (!last)
            end = next / HOP + (states - hop / HOP) / 2;
        ck_assert(!encoder_forward(e, &o, x + from, 1, last ? n - from : RATE,
                                   NULL));
        for (; done < end; done++)
            memcpy(out + done * DIM, h + (done - from / HOP) * DIM,
                   DIM * sizeof(float));
        if (last)
            break;
        from = next;
    }
    free(h);
    return out;
}

static const int64_t lengths[] = { 0, 13, 22, 700, 1200, 1201, 1211, 1212, 1799,
                                   1800, 2400, 3333 };

START_TEST(stream_of_sound)
{
    int64_t n = lengths[_i], frames;
    struct model *m = NULL;
    struct encoder *e;
    float *x = make_noise(9, n), *want;

    nets_bert_begin(&config, &params, be, 1);
    e = open_encoder(&m);
    frames = encoder_frames(e, n);
    /* windows that would only touch overlap by one state */
    for (int touch = 0; touch < 2; touch++) {
        struct taken all = run_stream(e, m, x, n, touch ? 1 : 0.5, n ? n : 1);
        struct taken few = run_stream(e, m, x, n, touch ? 1 : 0.5, 57);

        want = expect(e, x, n, touch ? RATE - HOP : RATE / 2);
        ck_assert_int_eq(all.n, frames);
        ck_assert_int_eq(few.n, frames);
        if (frames) {
            ck_assert(!memcmp(all.v, want, (size_t)(frames * DIM) * 4));
            ck_assert(!memcmp(few.v, want, (size_t)(frames * DIM) * 4));
        }
        free(all.v);
        free(few.v);
        free(want);
    }
    free(x);
    encoder_free(e);
    model_free(m);
    tear_down();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_bert");
    TCase *t = tcase_create("bert");

    tcase_add_checked_fixture(t, open_backend, close_backend);
    tcase_add_test(t, bert_frames_published);
    tcase_add_loop_test(t, encoder_forward_as_net, 0, 2);
    tcase_add_loop_test(t, stream_of_sound, 0, (int)ARRAY_LEN(lengths));
    suite_add_tcase(s, t);
    return unit_run(s);
}
