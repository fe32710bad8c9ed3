/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A head in training against its definition in double precision: logits to
 * 1e-5 (sums of up to 8 terms in f32), gradients against central differences of
 * the definition (step 1e-5, tolerance 1e-4 for f32 sums over 40 rows); and the
 * head that streams (head.h) against the one in training. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/xalloc.h"
#include "head/head.h"
#include "head/train.h"

enum { B = 2, T = 12, D = 4, STATES = 3, N = B * T * D, OUT = 3 };

static char *classes[] = { "beat", "downbeat", "none" };
static struct backend *be;
static struct params p;
static struct head_train *h;
static struct tensor state[STATES], dstate[STATES];
static struct tensor *dhidden[STATES];
static const struct tensor *hidden[STATES];
static double x[STATES][N];
static const struct head_train_options plain;

static double uniform(uint64_t stream, uint64_t i)
{
    uint32_t r[4];

    rng_block(r, 11, stream, i);
    return 2 * (r[0] / 4294967296.) - 1;
}

static void setup(void)
{
    ck_assert(!backend_open(&be, "cpu", 1, NULL));
    memset(&p, 0, sizeof(p));
    h = NULL;
    for (int k = 0; k < STATES; k++) {
        const int64_t dim[] = { B, T, D };
        float v[N];

        for (uint64_t i = 0; i < N; i++) {
            v[i] = (float)uniform((uint64_t)k, i);
            x[k][i] = v[i];
        }
        memset(&state[k], 0, sizeof(state[k]));
        memset(&dstate[k], 0, sizeof(dstate[k]));
        ck_assert(!tensor_reserve(&state[k], be, 3, dim, NULL));
        ck_assert(!tensor_upload(&state[k], v, NULL));
        memset(v, 0, sizeof(v));
        ck_assert(!tensor_reserve(&dstate[k], be, 3, dim, NULL));
        ck_assert(!tensor_upload(&dstate[k], v, NULL));
        hidden[k] = &state[k];
        dhidden[k] = &dstate[k];
    }
}

static void teardown(void)
{
    head_train_free(h);
    params_release(&p);
    for (int k = 0; k < STATES; k++) {
        tensor_release(&state[k]);
        tensor_release(&dstate[k]);
    }
    backend_close(be);
}

static void open_head(const struct head_config *c)
{
    struct err err = { 0 };

    head_describe(c, D, STATES - 1, &p);
    ck_assert(!params_alloc(&p, be, &err));
    ck_assert(!params_init(&p, 5, &err));
    if (c->layer == HEAD_MIX) {
        struct tensor mix = params_value(&p, params_index(&p, "head.b.mix"));
        const float v[STATES] = { 0.3f, -0.5f, 1.1f };

        ck_assert(!tensor_upload(&mix, v, NULL));
    }
    ck_assert_msg(!head_train_new(&h, c, D, STATES - 1, 4, &p, &err), "%s",
                  err.msg);
}

/* ---- the definition ---- */

struct reference {
    const struct head_config *c;
    double *value; /* as p.value */
    double (*x)[N];
    int rows;
};

static const double *at(const struct reference *r, const char *name)
{
    char full[64];
    int i;

    snprintf(full, sizeof(full), "head.b.%s", name);
    i = params_index(&p, full);
    ck_assert_int_ge(i, 0);
    return r->value + p.item[i].offset;
}

/* State j of frame t, mixed. */
static double mixed(const struct reference *r, int b, int t, int j)
{
    double sum = 0, total = 0;
    int i = (b * T + t) * D + j;

    if (r->c->layer != HEAD_MIX)
        return r->x[r->c->layer < 0 ? STATES - 1 : r->c->layer][i];
    for (int k = 0; k < STATES; k++) {
        sum += exp(at(r, "mix")[k]) * r->x[k][i];
        total += exp(at(r, "mix")[k]);
    }
    return sum / total;
}

static void pooled(const struct reference *r, double out[D], int b, int row)
{
    int from = row * T / r->rows;
    int to = ((row + 1) * T + r->rows - 1) / r->rows;

    for (int j = 0; j < D; j++) {
        out[j] = 0;
        for (int t = from; t < to; t++)
            out[j] += mixed(r, b, t, j) / (to - from);
    }
}

/* y = w x + b. */
static void linear(const struct reference *r, double *y, const double *in,
                   const char *part, int m, int k)
{
    char name[32];
    const double *w, *bias;

    snprintf(name, sizeof(name), "%s.weight", part);
    w = at(r, name);
    snprintf(name, sizeof(name), "%s.bias", part);
    bias = at(r, name);
    for (int i = 0; i < m; i++) {
        y[i] = bias[i];
        for (int j = 0; j < k; j++)
            y[i] += w[i * k + j] * in[j];
    }
}

static void logits_of(const struct reference *r, double *out)
{
    for (int i = 0; i < B * r->rows; i++) {
        double in[D], mid[16];

        pooled(r, in, i / r->rows, i % r->rows);
        if (!r->c->hidden) {
            linear(r, out + i * OUT, in, "output", OUT, D);
            continue;
        }
        linear(r, mid, in, "hidden", r->c->hidden, D);
        for (int j = 0; j < r->c->hidden; j++)
            mid[j] = fmax(mid[j], 0);
        linear(r, out + i * OUT, mid, "output", OUT, r->c->hidden);
    }
}

/* sum of logits times g, some fixed numbers. */
static double loss_of(const struct reference *r)
{
    double out[B * 32 * OUT], sum = 0;

    logits_of(r, out);
    for (int i = 0; i < B * r->rows * OUT; i++)
        sum += out[i] * (float)uniform(99, (uint64_t)i);
    return sum;
}

static double difference(const struct reference *r, double *v)
{
    double keep = *v, up;

    *v = keep + 1e-5;
    up = loss_of(r);
    *v = keep - 1e-5;
    up -= loss_of(r);
    *v = keep;
    return up / 2e-5;
}

/* ---- comparison ---- */

static void run(const struct head_train_options *o, float *logits, int n)
{
    struct err err = { 0 };

    ck_assert_msg(!head_train_forward(h, hidden, o, &err), "%s", err.msg);
    ck_assert_int_eq(tensor_count(head_train_logits(h)), n);
    ck_assert(!tensor_download(logits, head_train_logits(h), NULL));
}

static void backward(int n, struct tensor *const *to)
{
    float g[B * 32 * OUT];
    struct err err = { 0 };

    for (int i = 0; i < n; i++)
        g[i] = (float)uniform(99, (uint64_t)i);
    ck_assert_msg(!head_train_backward(h, g, to, &err), "%s", err.msg);
}

static void check_params(const struct reference *r, double times)
{
    float *g = xcalloc((size_t)p.trained, sizeof(*g));

    ck_assert(!tensor_download(g, &p.grad, NULL));
    for (size_t i = 0; i < p.n; i++)
        for (int64_t j = 0; j < p.item[i].count; j++) {
            int64_t k = p.item[i].offset + j;
            double want = times * difference(r, r->value + k);

            ck_assert_msg(fabs(g[k] - want) < 1e-4, "%s[%d]: %g, not %g",
                          p.item[i].name, (int)j, g[k], want);
        }
    free(g);
}

static void check_states(const struct reference *r)
{
    for (int k = 0; k < STATES; k++) {
        float g[N];

        ck_assert(!tensor_download(g, &dstate[k], NULL));
        for (int i = 0; i < N; i++) {
            double want = difference(r, &r->x[k][i]);

            ck_assert_msg(fabs(g[i] - want) < 1e-4, "state %d[%d]: %g, not %g",
                          k, i, g[i], want);
        }
    }
}

static void check_head(const struct head_config *c, int rows)
{
    struct reference r = { c, NULL, x, rows };
    float got[B * 32 * OUT], *v;
    double want[B * 32 * OUT];
    int n = B * rows * OUT;

    open_head(c);
    ck_assert_int_eq(head_train_rows(h, T), rows);
    v = xcalloc((size_t)p.all, sizeof(*v));
    r.value = xcalloc((size_t)p.all, sizeof(*r.value));
    ck_assert(!tensor_download(v, &p.value, NULL));
    for (int64_t i = 0; i < p.all; i++)
        r.value[i] = v[i];
    run(&plain, got, n);
    logits_of(&r, want);
    for (int i = 0; i < n; i++)
        ck_assert_double_eq_tol(got[i], want[i], 1e-5);
    backward(n, dhidden);
    check_params(&r, 1);
    check_states(&r);
    backward(n, NULL); /* a frozen encoder: parameters alone, and they add */
    check_params(&r, 2);
    check_states(&r);
    free(v);
    free(r.value);
}

#define HEAD .task = "b", .classes = classes, .n_classes = OUT

START_TEST(head_train_last)
{
    const struct head_config c = { HEAD, .hidden = 5, .rate = 4, .layer = -1 };

    check_head(&c, T);
}
END_TEST

START_TEST(head_train_mix)
{
    /* 12 states are 3 s: 8 rows, of one or two states each */
    const struct head_config c = { HEAD, .hidden = 5, .rate = 2.6,
                                   .layer = HEAD_MIX };

    check_head(&c, 8);
}
END_TEST

START_TEST(head_train_no_hidden)
{
    const struct head_config c = { HEAD, .rate = 7, .layer = 1 };

    check_head(&c, 21);
}
END_TEST

START_TEST(head_train_clip)
{
    const struct head_config c = { HEAD, .hidden = 9, .layer = HEAD_MIX };

    check_head(&c, 1);
}
END_TEST

/* Dropout is a fixed mask in a step, so that the loss is piecewise linear in
 * the output layer's weights and the hidden layer's: differences of the f32
 * loss with step 1e-2. */
START_TEST(head_train_dropout)
{
    const struct head_config c = { HEAD, .hidden = 16, .rate = 4, .layer = -1 };
    const struct head_train_options o = { 0.4f, 3, 8 };
    float got[B * T * OUT], again[B * T * OUT];
    float *v, *g;
    int n = B * T * OUT, zeros = 0;

    open_head(&c);
    v = xcalloc((size_t)p.all, sizeof(*v));
    g = xcalloc((size_t)p.all, sizeof(*g));
    ck_assert(!tensor_download(v, &p.value, NULL));
    run(&plain, again, n);
    run(&o, got, n);
    ck_assert(memcmp(got, again, sizeof(got)));
    backward(n, NULL);
    ck_assert(!tensor_download(g, &p.grad, NULL));
    for (int64_t i = 0; i < p.item[1].offset; i += 7) {
        double want = 0, keep = v[i];

        for (int sign = -1; sign <= 1; sign += 2) {
            v[i] = (float)(keep + sign * 1e-3);
            ck_assert(!tensor_upload(&p.value, v, NULL));
            run(&o, again, n);
            for (int j = 0; j < n; j++)
                want += sign * again[j] * uniform(99, (uint64_t)j) / 2e-3;
        }
        v[i] = (float)keep;
        zeros += g[i] == 0;
        ck_assert_double_eq_tol(g[i], want, 2e-2);
    }
    ck_assert_int_lt(zeros, 8);
    free(v);
    free(g);
}
END_TEST

START_TEST(head_describe_first_values)
{
    const struct head_config c = { HEAD, .hidden = 16, .layer = HEAD_MIX,
                                   .boundary = 1 };
    const struct param *q;

    head_describe(&c, D, STATES - 1, &p);
    ck_assert_uint_eq(p.n, 5);
    for (size_t i = 0; i < p.n; i++)
        ck_assert_int_eq(p.item[i].group, PARAM_GROUP_HEAD);
    q = &p.item[params_index(&p, "head.b.hidden.bias")];
    ck_assert_float_eq(q->value, 0.5f);
    q = &p.item[params_index(&p, "head.b.output.weight")];
    ck_assert_float_eq(q->value, 0.25f);
    ck_assert_int_eq(q->dim[0], OUT + 1);
    ck_assert_int_eq(q->dim[1], 16);
}
END_TEST

START_TEST(head_train_new_refuses)
{
    const struct head_config c = { HEAD, .hidden = 5, .rate = 4, .layer = -1 };
    struct err err = { 0 };

    p.be = be;
    ck_assert_int_eq(head_train_new(&h, &c, D, 2, 4, &p, &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "head.b.hidden.weight"));
    ck_assert_ptr_null(h);
}
END_TEST

/* ---- the head that streams, from a file of the trained weights ---- */

static const char config[] =
    "{\"format\":1,\"name\":\"t\",\"sample_rate\":1600,\"mel\":{\"n_fft\":64,"
    "\"hop\":100,\"bands\":8,\"mean\":0,\"std\":1},\"encoder\":{\"type\":"
    "\"conformer\",\"rate\":4,\"dim\":4,\"layers\":2,\"heads\":2,\"ffn\":8,"
    "\"kernel\":3,\"conv_dim\":4,\"time_strides\":[2,2]},\"window\":3,"
    "\"heads\":{\"b\":{\"hidden\":5,\"rate\":%s,\"activation\":\"softmax\","
    "\"layer\":\"mix\",\"classes\":[\"beat\",\"downbeat\",\"none\"]}}}";

static void stream_file(const char *path, const float *want, int rows)
{
    const char *const task = "b";
    const struct scores *s;
    struct heads *heads;
    struct model *m;
    struct err err = { 0 };
    float v[STATES][N];
    int n;

    ck_assert_msg(!model_open(&m, path, &err), "%s", err.msg);
    ck_assert_msg(!heads_new(&heads, m, be, &task, 1, 4, &err), "%s", err.msg);
    ck_assert_int_eq(heads_layers(heads, &n)[2], 2);
    ck_assert_int_eq(n, STATES);
    for (int i = 0; i < STATES; i++)
        ck_assert(!tensor_download(v[i], &state[i], NULL));
    for (int b = 0; b < B; b++) {
        for (int t = 0; t < T; t += 5) {
            const float *part[STATES];

            for (int i = 0; i < STATES; i++)
                part[i] = v[i] + (b * T + t) * D;
            ck_assert(!heads_push(heads, part, T - t < 5 ? T - t : 5, NULL));
        }
        ck_assert(!heads_finish(heads, 1, &s, NULL));
        ck_assert_int_eq(s->n, rows);
        for (int i = 0; i < rows * OUT; i++)
            ck_assert_float_eq_tol(s->v[i], want[b * rows * OUT + i], 1e-5);
    }
    heads_free(heads);
    model_free(m);
}

static void check_stream(const char *rate, int rows)
{
    char *json = xasprintf(config, rate), path[] = "/tmp/mfm_head_XXXXXX";
    struct safetensors_meta meta = { xstrdup("mfm"), json };
    struct model_config c;
    struct err err = { 0 };
    float want[B * 32 * OUT];
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_msg(!config_parse_text(&c, json, &err), "%s", err.msg);
    ck_assert_int_eq(c.heads[0].layer, HEAD_MIX);
    open_head(&c.heads[0]);
    run(&plain, want, B * rows * OUT);
    ck_assert_msg(!params_write(&p, NULL, 0, NULL, NULL, path, &meta, 1, &err),
                  "%s", err.msg);
    stream_file(path, want, rows);
    unlink(path);
    config_release(&c);
    free(meta.key);
    free(json);
}

START_TEST(heads_push_mix)
{
    check_stream("2", 6);
}
END_TEST

START_TEST(heads_push_mix_clip)
{
    check_stream("\"clip\"", 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("head_train");
    TCase *t = tcase_create("heads");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, head_train_last);
    tcase_add_test(t, head_train_mix);
    tcase_add_test(t, head_train_no_hidden);
    tcase_add_test(t, head_train_clip);
    tcase_add_test(t, head_train_dropout);
    tcase_add_test(t, head_describe_first_values);
    tcase_add_test(t, head_train_new_refuses);
    tcase_add_test(t, heads_push_mix);
    tcase_add_test(t, heads_push_mix_clip);
    suite_add_tcase(s, t);
    return unit_run(s);
}
