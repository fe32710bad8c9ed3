/* SPDX-License-Identifier: GPL-3.0-or-later */
/* BERT in training and at work, with a small net whose weights are drawn:
 * gradients against central differences of the loss; the encoder, which cuts
 * the sound in pieces, against the net, which does not; streams against windows
 * cut by hand. That both compute what Hugging Face does, golden_bert.c
 * checks. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/xalloc.h"
#include "model/bert.h"
#include "model/encoder.h"
#include "model/net.h"
#include "model/stream.h"

/* 100 states of 12 samples a second */
static const char config_format[] =
    "{\"format\":1,\"name\":\"t\",\"sample_rate\":1200,\"mel\":{\"n_fft\":64,"
    "\"hop\":12,\"bands\":4,\"mean\":0,\"std\":1},\"encoder\":{\"type\":"
    "\"bert\",\"rate\":100,\"dim\":12,\"layers\":2,\"heads\":3,\"ffn\":10,"
    "\"norm\":\"%s\",\"conv_dim\":[6,5,7],\"conv_kernel\":[4,3,2],"
    "\"conv_stride\":[3,2,2],\"pos_kernel\":6,\"pos_groups\":3},\"tokens\":[{"
    "\"type\":\"random\",\"stack\":1,\"dim\":3,\"codes\":8}],\"window\":1,"
    "\"heads\":{}}";

enum { RATE = 1200, HOP = 12, DIM = 12, LAYERS = 2 };
static const char *const norms[] = { "pre", "post" };

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

/* Weights as drawn, and noise on all of them: no bias is 0. */
static void set_up(const char *norm)
{
    struct err err = {0};
    char *json = xasprintf(config_format, norm);

    ck_assert_msg(!config_parse_text(&config, json, &err), "%s", err.msg);
    free(json);
    memset(&params, 0, sizeof(params));
    net_describe(&config, &params);
    ck_assert(!params_alloc(&params, be, &err));
    ck_assert(!params_init(&params, 3, &err));
    for (int64_t i = 0; i < params.trained; i++)
        params.value.data[i] += 0.1f * noise(1, i);
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

/* ---- training ---- */

enum { BATCH = 2, TIME = 170 };

/* A net and a pass over fixed sound; L = sum over all states of r * state. */
struct pass {
    struct net *net;
    uint64_t step;
    float *sound;
    float *r[LAYERS + 1]; /* NULL: the state does not count */
};

static void pass_new(struct pass *p, struct net_options o)
{
    struct err err = {0};

    memset(p, 0, sizeof(*p));
    p->step = 1;
    ck_assert_msg(!net_new(&p->net, &config, &params, &o, &err), "%s", err.msg);
    p->sound = make_noise(2, BATCH * TIME);
    for (int k = 0; k <= LAYERS; k++)
        p->r[k] = make_noise(3 + (uint64_t)k,
                             BATCH * net_frames(p->net, TIME) * DIM);
}

static void pass_free(struct pass *p)
{
    net_free(p->net);
    free(p->sound);
    for (int k = 0; k <= LAYERS; k++)
        free(p->r[k]);
}

static double loss(struct pass *p)
{
    double sum = 0;

    be->ops->weights_changed(be);
    ck_assert(!net_forward(p->net, p->sound, BATCH, TIME, 5, p->step,
                           NULL));
    for (int k = 0; k <= LAYERS && p->r[k]; k++) {
        const struct tensor *h = net_hidden(p->net, k);

        for (int64_t i = 0; i < tensor_count(h); i++)
            sum += (double)h->data[i] * p->r[k][i];
    }
    return sum;
}

/* The gradients of it in params.grad. */
static void backward(struct pass *p)
{
    struct tensor d[LAYERS + 1], *dhidden[LAYERS + 1] = { NULL };
    int64_t dim[3] = { BATCH, net_frames(p->net, TIME), DIM };

    memset(d, 0, sizeof(d));
    ck_assert(!params_zero_grad(&params, NULL));
    loss(p);
    for (int k = 0; k <= LAYERS; k++) {
        if (!p->r[k])
            continue;
        ck_assert(!tensor_reserve(&d[k], be, 3, dim, NULL));
        ck_assert(!tensor_upload(&d[k], p->r[k], NULL));
        dhidden[k] = &d[k];
    }
    ck_assert(!net_backward(p->net, dhidden, NULL));
    for (int k = 0; k <= LAYERS; k++)
        tensor_release(&d[k]);
}

static double norm_of(const float *x, int64_t n)
{
    double s = 0;

    for (int64_t i = 0; i < n; i++)
        s += (double)x[i] * x[i];
    return sqrt(s);
}

/* Some frames that are hidden. */
static const uint8_t hidden_frames[BATCH * 64] = { 0, 1, 1, 0, 1, [20] = 1 };

/* Each tensor is moved in a direction drawn for it. A step of 2e-3 of a value's
 * size leaves 1e-5 of the second order and some 1e-4 of the f32 rounding of the
 * loss. The biases of keys have a gradient of 0: hence the second term. */
START_TEST(net_backward_central_differences)
{
    static const double h = 2e-3;
    struct net_options o = { .dropout = _i >= 2 ? 0.2f : 0 };
    struct pass p;
    float *grad;
    double all;

    set_up(norms[_i % 2]);
    pass_new(&p, o);
    ck_assert(net_frames(p.net, TIME) <= 64);
    net_set_mask(p.net, _i >= 2 ? hidden_frames : NULL);
    backward(&p);
    all = norm_of(params.grad.data, params.trained);
    grad = xcalloc((size_t)params.trained, sizeof(*grad));
    memcpy(grad, params.grad.data, (size_t)params.trained * sizeof(*grad));
    for (size_t i = 0; i < params.n; i++) {
        const struct param *q = &params.item[i];
        float *v = params.value.data + q->offset, *was, *way;
        double side[2], want, got = 0, length;

        if (q->kind != PARAM_TRAINED || !strncmp(q->name, "linear.", 7))
            continue;
        was = xcalloc((size_t)q->count, sizeof(*was));
        memcpy(was, v, (size_t)q->count * sizeof(*was));
        way = make_noise(20 + i, q->count);
        length = norm_of(way, q->count);
        for (int s = 0; s < 2; s++) {
            for (int64_t j = 0; j < q->count; j++)
                v[j] = was[j] + (float)((s ? -h : h) * way[j]);
            side[s] = loss(&p);
        }
        memcpy(v, was, (size_t)q->count * sizeof(*was));
        want = (side[0] - side[1]) / (2 * h);
        /* unused without hidden frames */
        ck_assert(norm_of(grad + q->offset, q->count) > 1e-9 * all ||
                  (_i < 2 && !strcmp(q->name, "masked_spec_embed")) ||
                  strstr(q->name, "k_proj.bias"));
        for (int64_t j = 0; j < q->count; j++)
            got += (double)grad[q->offset + j] * way[j];
        ck_assert_msg(fabs(got - want) <=
                          2e-3 * norm_of(grad + q->offset, q->count) * length +
                              1e-4 * all,
                      "%s: %g, but the loss moves by %g", q->name, got, want);
        free(was);
        free(way);
    }
    free(grad);
    pass_free(&p);
    tear_down();
}
END_TEST

static int dropped(struct pass *p, int layer)
{
    const struct tensor *x = net_hidden(p->net, layer);

    return !memcmp(x->data, net_hidden(p->net, layer + 1)->data,
                   (size_t)tensor_count(x) * sizeof(float));
}

/* In a step that passes over the first layer and not the second. */
START_TEST(net_checkpoint_same_bits)
{
    struct net_options o = { .dropout = 0.1f, .layer_drop = 0.5f };
    struct pass p;
    uint64_t step;
    float *grad;

    set_up(norms[_i]);
    pass_new(&p, o);
    for (loss(&p); !dropped(&p, 0) || dropped(&p, 1); loss(&p))
        ck_assert_int_lt((int)++p.step, 40);
    step = p.step;
    backward(&p);
    grad = xcalloc((size_t)params.trained, sizeof(*grad));
    memcpy(grad, params.grad.data, (size_t)params.trained * sizeof(*grad));
    pass_free(&p);
    o.checkpoint = 1;
    pass_new(&p, o);
    p.step = step;
    backward(&p);
    ck_assert(norm_of(grad, params.trained) > 0);
    ck_assert(!memcmp(grad, params.grad.data,
                      (size_t)params.trained * sizeof(*grad)));
    free(grad);
    pass_free(&p);
    tear_down();
}
END_TEST

/* In bf16, where the processor has it, the gradients are those of f32 but for
 * rounding (8 bits, some ten products deep): also in a second pass with other
 * weights, of which no copy in 16 bits may be left. */
START_TEST(net_backward_bf16)
{
    struct net_options o = {0};
    struct pass p;
    float *grad;

    set_up(norms[_i]);
    pass_new(&p, o);
    grad = xcalloc((size_t)params.trained, sizeof(*grad));
    for (int round = 0; round < 2; round++) {
        double diff = 0;

        for (int64_t i = 0; i < params.trained; i++)
            params.value.data[i] *= 1 + 0.5f * (float)round;
        backward(&p);
        memcpy(grad, params.grad.data, (size_t)params.trained * sizeof(*grad));
        if (backend_set_precision(be, PRECISION_BF16, NULL))
            break;
        backward(&p);
        ck_assert(!backend_set_precision(be, PRECISION_F32, NULL));
        for (int64_t i = 0; i < params.trained; i++)
            diff = hypot(diff, (double)params.grad.data[i] - grad[i]);
        ck_assert_msg(diff > 0 && diff <= 0.05 * norm_of(grad, params.trained),
                      "round %d: %g of %g", round, diff,
                      norm_of(grad, params.trained));
    }
    free(grad);
    pass_free(&p);
    tear_down();
}
END_TEST

/* A net of the first layer only: its state is that of the whole one, without
 * the final norm, which gets no gradient. */
START_TEST(net_first_layers)
{
    struct net_options o = {0};
    struct pass whole, part;
    struct tensor top;
    int64_t n;

    set_up("pre");
    pass_new(&whole, o);
    loss(&whole);
    o.layers = 1;
    pass_new(&part, o);
    free(part.r[LAYERS]);
    part.r[LAYERS] = NULL;
    ck_assert(!net_forward(part.net, part.sound, BATCH, TIME, 1, 1, NULL));
    n = tensor_count(net_hidden(whole.net, 1));
    ck_assert(!memcmp(net_hidden(part.net, 1)->data,
                      net_hidden(whole.net, 1)->data,
                      (size_t)n * sizeof(float)));
    ck_assert(params_zero_grad(&params, NULL) == 0);
    backward(&part);
    top = params_grad(&params, params_index(&params,
                                            "encoder.layer_norm.weight"));
    ck_assert(norm_of(top.data, DIM) == 0);
    pass_free(&whole);
    pass_free(&part);
    tear_down();
}
END_TEST

START_TEST(net_too_few_samples)
{
    struct net_options o = {0};
    struct net *net = NULL;
    float x[13] = { 0 };
    struct err err = {0};

    set_up("pre");
    ck_assert(!net_new(&net, &config, &params, &o, &err));
    ck_assert_int_eq(net_frames(net, 13), 0);
    ck_assert_int_eq(net_forward(net, x, 1, 13, 1, 1, &err), ERR_ARG);
    ck_assert(strstr(err.msg, "13 samples"));
    net_free(net);
    tear_down();
}
END_TEST

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

    set_up(norms[_i]);
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
    struct stream_config c = { 1, hop_s, &layer, 1, take, &t };
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

    set_up("pre");
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
    tcase_add_loop_test(t, net_backward_central_differences, 0, 4);
    tcase_add_loop_test(t, net_checkpoint_same_bits, 0, 2);
    tcase_add_loop_test(t, net_backward_bf16, 0, 2);
    tcase_add_test(t, net_first_layers);
    tcase_add_test(t, net_too_few_samples);
    tcase_add_test(t, bert_frames_published);
    tcase_add_loop_test(t, encoder_forward_as_net, 0, 2);
    tcase_add_loop_test(t, stream_of_sound, 0, (int)ARRAY_LEN(lengths));
    suite_add_tcase(s, t);
    return unit_run(s);
}
