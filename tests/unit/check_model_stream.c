/* SPDX-License-Identifier: GPL-3.0-or-later */
/* States of a stream against windows cut by hand, with the model that ships. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "model/stream.h"

enum { RATE = 100, WINDOW = 200, HOP = 100, STRIDE = 2, BANDS = 128 };

static struct model *model;
static struct backend *be;
static struct encoder *encoder;

struct taken {
    float *v[2];
    int64_t n;
    int layers, dim;
};

static int take(void *ctx, const float *const *hidden, int64_t n,
                struct err *err)
{
    struct taken *t = ctx;
    size_t row = (size_t)t->dim;

    (void)err;
    for (int k = 0; k < t->layers; k++) {
        t->v[k] = realloc(t->v[k], (size_t)(t->n + n) * row * sizeof(float));
        memcpy(t->v[k] + (size_t)t->n * row, hidden[k],
               (size_t)n * row * sizeof(float));
    }
    t->n += n;
    return 0;
}

/* Mel in dB of something like music: bands that swell at different rates. */
static float *make_mel(int64_t n)
{
    float *mel = xcalloc((size_t)n * BANDS + 1, sizeof(*mel));

    for (int64_t t = 0; t < n; t++)
        for (int b = 0; b < BANDS; b++)
            mel[t * BANDS + b] =
                (float)(20 * sin(0.05 * (double)t * (1 + b % 7)) - 0.3 * b);
    return mel;
}

static int on_device; /* push tensors */

/* As mel/meldevice.h would have made them. */
static void push(struct stream *s, const float *mel, int64_t n)
{
    const struct mel_settings *m = &model->config.mel;
    int64_t dim[2] = { n, BANDS };
    struct tensor t = {0};
    float *x;

    if (!on_device) {
        ck_assert(!stream_push(s, mel, n, NULL));
        return;
    }
    x = xcalloc((size_t)n * BANDS + 1, sizeof(*x));
    for (int64_t i = 0; i < n * BANDS; i++)
        x[i] = (mel[i] - (float)m->mean) * (float)(1 / m->std);
    ck_assert(!tensor_reserve(&t, be, 2, dim, NULL));
    ck_assert(!tensor_upload(&t, x, NULL));
    ck_assert(!stream_push_mel(s, &t, NULL));
    tensor_release(&t);
    free(x);
}

static void run_stream(struct taken *out, const float *mel, int64_t n,
                       int64_t chunk)
{
    const int layer[2] = { 0, model->config.encoder.layers };
    struct stream_config c = { WINDOW / (double)RATE, HOP / (double)RATE, layer,
                               2, take, out, on_device };
    struct stream *s;
    struct err err = {0};

    memset(out, 0, sizeof(*out));
    out->layers = 2;
    out->dim = model->config.encoder.dim;
    ck_assert_msg(!stream_new(&s, encoder, model, &c, &err), "%s", err.msg);
    for (int64_t t = 0; t < n; t += chunk)
        push(s, mel + t * BANDS, n - t < chunk ? n - t : chunk);
    ck_assert(!stream_finish(s, &err));
    stream_free(s);
}

static void release(struct taken *t)
{
    free(t->v[0]);
    free(t->v[1]);
}

/* Windows as the header tells: where each begins, and the first state that is
 * not taken from it. */
static void expect(float *out, const float *mel, int64_t n)
{
    int dim = model->config.encoder.dim, layers = model->config.encoder.layers;
    const struct mel_settings *m = &model->config.mel;
    float **hidden = xcalloc((size_t)layers + 1, sizeof(*hidden));
    struct encoder_out o = { hidden, NULL };
    float *x = xcalloc((size_t)n * BANDS + 1, sizeof(*x));
    int64_t done = 0;

    for (int64_t i = 0; i < n * BANDS; i++)
        x[i] = (mel[i] - (float)m->mean) * (float)(1 / m->std);
    for (int64_t from = 0, last = n <= WINDOW;; from += HOP) {
        int64_t len = last ? n - from : WINDOW;
        int64_t end = encoder_frames(encoder, n);
        int64_t next = from + HOP;

        /* the last window reaches back instead of being cut short */
        if (next + WINDOW > n)
            next = (n - WINDOW) / STRIDE * STRIDE;
        if (!last)
            end = (next + (WINDOW - HOP) / 2) / STRIDE;
        hidden[layers] = xcalloc((size_t)(encoder_frames(encoder, len) * dim),
                                 sizeof(float));
        ck_assert(!encoder_forward(encoder, &o, x + from * BANDS, 1, len,
                                   NULL));
        for (; done < end; done++)
            memcpy(out + done * dim,
                   hidden[layers] + (done - from / STRIDE) * dim,
                   (size_t)dim * sizeof(float));
        free(hidden[layers]);
        if (last)
            break;
        last = next + WINDOW + STRIDE > n;
        from = next - HOP;
    }
    free(x);
    free(hidden);
}

static const int64_t lengths[] = { 1, 2, 3, 150, 200, 201, 299, 300, 301, 400,
                                   533, 733 };

/* One at a time, and four: as many as fit in the buffer, and a rest; from the
 * host, and as tensors. */
START_TEST(stream_takes_the_middle_of_windows)
{
    int64_t n = lengths[_i / 4], frames = encoder_frames(encoder, n);
    int dim = model->config.encoder.dim;
    float *mel = make_mel(n);
    float *want = xcalloc((size_t)(frames * dim), sizeof(*want));
    struct taken got;

    expect(want, mel, n);
    be->windows = _i % 2 ? 4 : 1;
    on_device = _i / 2 % 2;
    run_stream(&got, mel, n, n);
    ck_assert_int_eq(got.n, frames);
    for (int64_t i = 0; i < frames * dim; i++)
        ck_assert_msg(got.v[1][i] == want[i], "state %d of %d differs",
                      (int)(i / dim), (int)frames);
    release(&got);
    free(mel);
    free(want);
}
END_TEST

START_TEST(stream_does_not_see_chunks)
{
    enum { N = 433 };
    float *mel = make_mel(N);
    struct taken a, b;

    on_device = _i;
    run_stream(&a, mel, N, N);
    for (int64_t chunk = 1; chunk < 400; chunk = chunk * 7 + 1) {
        run_stream(&b, mel, N, chunk);
        ck_assert_int_eq(a.n, b.n);
        for (int k = 0; k < 2; k++)
            ck_assert(!memcmp(a.v[k], b.v[k], (size_t)(a.n * a.dim) *
                                                  sizeof(float)));
        release(&b);
    }
    release(&a);
    free(mel);
}
END_TEST

static int (*real_matmul)(struct backend *b, struct tensor *y,
                          const struct tensor *x, const struct tensor *w,
                          const struct tensor *bias, struct matmul_opts opts,
                          struct err *err);
static int refused;

static int small_matmul(struct backend *b, struct tensor *y,
                        const struct tensor *x, const struct tensor *w,
                        const struct tensor *bias, struct matmul_opts opts,
                        struct err *err)
{
    if (tensor_rows(x) > WINDOW / STRIDE + 1) {
        refused++;
        return err_set(err, ERR_NOMEM, "too many");
    }
    return real_matmul(b, y, x, w, bias, opts, err);
}

/* A device without memory for four windows, nor two, runs them one by one. */
START_TEST(stream_with_little_memory)
{
    enum { N = 833 };
    const struct backend_ops *ops = be->ops;
    struct backend_ops little = *ops;
    float *mel = make_mel(N);
    struct taken a, b;

    run_stream(&a, mel, N, N);
    real_matmul = ops->matmul;
    little.matmul = small_matmul;
    be->ops = &little;
    be->windows = 4;
    run_stream(&b, mel, N, N);
    be->ops = ops;
    ck_assert_int_eq(refused, 2);
    ck_assert_int_eq(a.n, b.n);
    ck_assert(!memcmp(a.v[1], b.v[1], (size_t)(a.n * a.dim) * sizeof(float)));
    release(&a);
    release(&b);
    free(mel);
}
END_TEST

START_TEST(stream_of_nothing)
{
    struct taken t;

    run_stream(&t, NULL, 0, 1);
    ck_assert_int_eq(t.n, 0);
    release(&t);
}
END_TEST

START_TEST(stream_refuses_windows)
{
    struct stream_config c = { 0.5, 0, NULL, 0, take, NULL, 0 };
    struct stream *s = NULL;
    struct err err = {0};

    ck_assert_int_eq(stream_new(&s, encoder, model, &c, &err), ERR_ARG);
    c.window_s = 1e6;
    ck_assert_int_eq(stream_new(&s, encoder, model, &c, &err), ERR_ARG);
    c.window_s = 2;
    c.hop_s = 3;
    ck_assert_int_eq(stream_new(&s, encoder, model, &c, &err), ERR_ARG);
    ck_assert_ptr_null(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_stream");
    TCase *t = tcase_create("stream");
    struct err err = {0};
    int rc;

    /* one thread: Check forks, and OpenMP's threads do not */
    if (model_open(&model, unit_path("", "data/models/default.safetensors"),
                   &err) ||
        backend_open(&be, "cpu", 1, &err) ||
        encoder_new(&encoder, model, be, &err)) {
        printf("%s\n", err.msg);
        return 1;
    }
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, stream_takes_the_middle_of_windows, 0,
                        4 * (int)(sizeof(lengths) / sizeof(*lengths)));
    tcase_add_test(t, stream_with_little_memory);
    tcase_add_loop_test(t, stream_does_not_see_chunks, 0, 2);
    tcase_add_test(t, stream_of_nothing);
    tcase_add_test(t, stream_refuses_windows);
    suite_add_tcase(s, t);
    rc = unit_run(s);
    encoder_free(encoder);
    backend_close(be);
    model_free(model);
    return rc;
}
