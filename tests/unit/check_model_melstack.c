/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mel of some seconds as hidden states: against loops over frames, bands and
 * rows in double, and as a stream against the whole. Tolerance 1e-6 of values
 * around 1: one rounding to float. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "model/encoder.h"
#include "model/melstack.h"
#include "model/net.h"
#include "model/stream.h"

enum { BANDS = 8, TIME = 431 };

static struct backend *be;

static void setup(void)
{
    ck_assert(!backend_open(&be, "cpu", 1, NULL));
}

static void teardown(void)
{
    backend_close(be);
}

/* rate, context, bands, strides */
static int parse(struct model_config *c, double rate, const char *context,
                 int bands, int s0, int s1, struct err *err)
{
    char text[512];

    snprintf(text, sizeof(text),
             "{\"format\": 1, \"name\": \"m\", \"sample_rate\": 24000, \"mel\":"
             "{\"n_fft\": 2048, \"hop\": 240, \"bands\": 8, \"mean\": -5, "
             "\"std\": 18}, \"encoder\": {\"type\": \"mel\", \"rate\": %g, "
             "\"context\": %s, \"bands\": %d, \"time_strides\": [%d, %d]}, "
             "\"window\": 2}", rate, context, bands, s0, s1);
    return config_parse_text(c, text, err);
}

static float *draw(int64_t n)
{
    float *x = xcalloc((size_t)n, sizeof(*x));
    uint32_t r = 1;

    for (int64_t i = 0; i < n; i++) {
        r = r * 1664525u + 1013904223u;
        x[i] = (float)(r >> 8) / (1 << 23) - 1;
    }
    return x;
}

/* Value (row, band) of the state in the middle of which frame 0 of mel lies,
 * straight from the header. */
static double expected(const float *mel, int64_t time, int64_t row, int band,
                       int stride, int group)
{
    double sum = 0;
    int n = 0;

    for (int64_t t = row * stride; t < (row + 1) * stride; t++)
        for (int b = band * group; b < (band + 1) * group; b++)
            if (t >= 0 && t < time) {
                sum += mel[t * BANDS + b];
                n++;
            }
    return n ? sum / n : 0;
}

static const struct shape {
    double rate;
    const char *context;
    int bands, s0, s1, rows; /* rows: of a state */
} shapes[] = {
    { 50, "3", 4, 2, 1, 150 },  { 100, "0.05", 8, 1, 1, 5 },
    { 25, "0.24", 1, 2, 2, 6 }, { 50, "0.02", 2, 1, 2, 1 },
};

START_TEST(states_are_rows_around)
{
    const struct shape *s = &shapes[_i];
    int stride = s->s0 * s->s1, group = BANDS / s->bands;
    struct model m = {0};
    struct encoder *e;
    struct err err = {0};
    float *mel = draw(2 * TIME * BANDS), *got;
    int64_t n = (TIME + stride - 1) / stride, dim = s->rows * s->bands;
    struct encoder_out out = { &got, NULL };

    ck_assert_msg(!parse(&m.config, s->rate, s->context, s->bands, s->s0, s->s1,
                         &err), "%s", err.msg);
    ck_assert_int_eq(m.config.encoder.dim, dim);
    ck_assert_int_eq(m.config.encoder.layers, 0);
    ck_assert(!encoder_new(&e, &m, be, &err));
    ck_assert_int_eq(encoder_frames(e, TIME), n);
    ck_assert_int_eq(encoder_stride(e), stride);
    ck_assert_int_eq(encoder_width(e), BANDS);
    got = xcalloc((size_t)(2 * n * dim), sizeof(*got));
    ck_assert(!encoder_forward(e, &out, mel, 2, TIME, &err));
    for (int64_t b = 0; b < 2; b++)
        for (int64_t t = 0; t < n; t++)
            for (int i = 0; i < dim; i++)
                ck_assert_double_eq_tol(
                    got[(b * n + t) * dim + i],
                    expected(mel + b * TIME * BANDS, TIME,
                             t - s->rows / 2 + i / s->bands, i % s->bands,
                             stride, group), 1e-6);
    out.logits = got;
    ck_assert_int_eq(encoder_forward(e, &out, mel, 1, TIME, &err),
                     ERR_UNSUPPORTED);
    free(got);
    free(mel);
    encoder_free(e);
    config_release(&m.config);
}
END_TEST

/* ---- streams ---- */

struct taken {
    float *v;
    int64_t n, dim;
};

static int take(void *ctx, const float *const *hidden, int64_t n,
                struct err *err)
{
    struct taken *t = ctx;

    (void)err;
    memcpy(t->v + t->n * t->dim, *hidden, (size_t)(n * t->dim) * sizeof(float));
    t->n += n;
    return 0;
}

/* Windows of 2 s that meet 0.5 s from their ends, and a context of 0.4 s to
 * either side: to the bit the states of all of it at once. */
START_TEST(stream_is_the_whole)
{
    const int layer = 0;
    struct model m = {0};
    struct encoder *e;
    struct stream *s;
    struct err err = {0};
    float *db = draw(TIME * BANDS), *mel, *want;
    struct encoder_out out = { &want, NULL };
    struct taken got = {0};
    struct stream_config c = { 0, 1, &layer, 1, take, &got, 0 };
    int64_t n = (TIME + 1) / 2;

    ck_assert(!parse(&m.config, 50, "0.8", 4, 2, 1, &err));
    ck_assert(!encoder_new(&e, &m, be, &err));
    got.dim = m.config.encoder.dim;
    got.v = xcalloc((size_t)(n * got.dim), sizeof(float));
    want = xcalloc((size_t)(n * got.dim), sizeof(float));
    mel = xcalloc(TIME * BANDS, sizeof(*mel));
    for (int i = 0; i < TIME * BANDS; i++)
        mel[i] = (db[i] - -5.0f) * (float)(1 / 18.0);
    ck_assert(!encoder_forward(e, &out, mel, 1, TIME, &err));
    ck_assert_msg(!stream_new(&s, e, &m, &c, &err), "%s", err.msg);
    for (int64_t t = 0; t < TIME; t += 37)
        ck_assert(!stream_push(s, db + t * BANDS, TIME - t < 37 ? TIME - t : 37,
                               &err));
    ck_assert(!stream_finish(s, &err));
    ck_assert_int_eq(got.n, n);
    ck_assert_mem_eq(got.v, want, (size_t)(n * got.dim) * sizeof(float));
    stream_free(s);
    encoder_free(e);
    config_release(&m.config);
    free(db);
    free(mel);
    free(want);
    free(got.v);
}
END_TEST

/* ---- configuration ---- */

START_TEST(config_comes_back)
{
    struct model_config a, b;
    struct strbuf text = STRBUF_INIT;
    struct encoder_config one;

    ck_assert(!parse(&a, 50, "1.5", 4, 1, 2, NULL));
    config_print(&a, &text);
    ck_assert(!config_parse_text(&b, text.s, NULL));
    ck_assert_int_eq(b.encoder.type, ENCODER_MEL);
    ck_assert_double_eq(b.encoder.context, 1.5);
    ck_assert_int_eq(b.encoder.dim, 75 * 4);
    ck_assert_int_eq(b.encoder.bands, 4);
    ck_assert_int_eq(b.encoder.time_strides[1], 2);
    ck_assert_int_eq(config_hop(&b), 480);
    one = melstack_narrow(&b.encoder);
    ck_assert_int_eq(melstack_context(&one), 1);
    ck_assert_int_eq(one.dim, 4);
    strbuf_release(&text);
    config_release(&a);
    config_release(&b);
}
END_TEST

static const struct bad {
    double rate;
    const char *context;
    int bands, s0, s1;
    const char *field;
} bad[] = {
    { 50, "3", 4, 2, 2, "encoder.rate" },
    { 50, "3", 3, 2, 1, "encoder.bands" },
    { 50, "3", 16, 2, 1, "encoder.bands" },
    { 50, "61", 4, 2, 1, "encoder.context" },
    { 50, "0", 4, 2, 1, "encoder.context" },
    { 50, "\"3 s\"", 4, 2, 1, "encoder.context" },
    { 50, "0.02", 1, 2, 1, "encoder.context" }, /* a single value */
    { 50, "3", 4, 2, 3, "encoder.time_strides" },
};

START_TEST(config_refuses)
{
    const struct bad *b = &bad[_i];
    struct model_config c;
    struct err err = {0};

    ck_assert_int_eq(parse(&c, b->rate, b->context, b->bands, b->s0, b->s1,
                           &err), ERR_FORMAT);
    ck_assert_msg(strstr(err.msg, b->field) != NULL, "%s", err.msg);
}
END_TEST

/* Nothing in it learns. */
START_TEST(net_refuses)
{
    struct net_options o = {0};
    struct params p = {0};
    struct net *n = NULL;
    struct model_config c;
    struct err err = {0};

    ck_assert(!parse(&c, 50, "3", 4, 2, 1, &err));
    net_describe(&c, &p);
    ck_assert_uint_eq(p.n, 0);
    ck_assert_int_eq(net_new(&n, &c, &p, &o, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_null(n);
    config_release(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model/melstack");
    TCase *t = tcase_create("melstack");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, states_are_rows_around, 0,
                        sizeof(shapes) / sizeof(*shapes));
    tcase_add_test(t, stream_is_the_whole);
    tcase_add_test(t, config_comes_back);
    tcase_add_loop_test(t, config_refuses, 0, sizeof(bad) / sizeof(*bad));
    tcase_add_test(t, net_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
