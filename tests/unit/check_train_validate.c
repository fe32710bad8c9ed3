/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Loss, accuracy and what is known without a model, of two streams, against
 * plain loops in double over hidden states and weights. Tolerance 1e-5: logits
 * are f32. */
#include "unit.h"

#include <math.h>

#include "model/encoder.h"
#include "model/net.h"
#include "music.h"
#include "train.h"
#include "train/preset.h"
#include "train/validate.h"

enum { CROP = 28800, TIME = 120, FRAMES = 60, BANDS = 16, D = 8,
       C0 = 9, C1 = 5, ALL = C0 + C1, N = VALIDATE_CROPS };

static const char text[] =
    "{\"format\":1,\"name\":\"t\",\"sample_rate\":24000,"
    "\"mel\":{\"n_fft\":2048,\"hop\":240,\"bands\":16,\"mean\":-8,\"std\":12},"
    "\"encoder\":{\"type\":\"conformer\",\"rate\":50,\"dim\":8,\"layers\":1,"
    "\"heads\":2,\"ffn\":16,\"kernel\":5,\"conv_dim\":4,"
    "\"time_strides\":[2,1]},"
    "\"tokens\":[{\"type\":\"random\",\"stack\":2,\"dim\":4,\"codes\":9},"
    "{\"type\":\"random\",\"stack\":2,\"dim\":4,\"codes\":5}],\"window\":5}";
static const int codes[2] = { C0, C1 };

static struct tree tree;
static struct manifest music;
static struct corpus *corpus;
static struct backend *be;
static struct sampler *sampler;
static char *path;

/* One token is common, the others are rare. */
static int tokenize(void *ctx, const struct sample_clean *c, int32_t *token,
                    struct err *err)
{
    (void)ctx, (void)err;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < FRAMES; i++) {
            int v = abs((int)(c->x[i * 480 + k] * 32768)) % 40;

            token[k * FRAMES + i] = v < codes[k] ? v : k;
        }
    return 0;
}

/* A model of random weights, as training writes it. */
static void write_model(void)
{
    struct preset preset;
    struct params p = {0};
    struct strbuf json = STRBUF_INIT;
    struct err err = {0};

    ck_assert_msg(!preset_parse(&preset, text, "t", NULL, 0, &err), "%s",
                  err.msg);
    net_describe(&preset.model, &p);
    ck_assert(!params_alloc(&p, be, &err) && !params_init(&p, 8, &err));
    config_print(&preset.model, &json);
    path = xstrdup(tree_path(&tree, "model.safetensors"));
    ck_assert_msg(!params_write(&p, NULL, 0, NULL, NULL, path,
                                (struct safetensors_meta[]){
                                    { (char *)"mfm", json.s } }, 1, &err),
                  "%s", err.msg);
    strbuf_release(&json);
    params_release(&p);
    preset_release(&preset);
}

static void setup(void)
{
    struct sampler_config c = {
        .threads = 3, .samples = CROP, .mel = MEL_CONFIG_INIT, .mean = -8,
        .std = 12, .p = 0.6, .block = 9600, .noise = 0.1f, .span = 5,
        .streams = 2, .tokens = FRAMES, .token_samples = 480,
        .tokenize = tokenize
    };
    struct err err = {0};

    music_make(&tree, &music);
    ck_assert(!corpus_new(&corpus, &music, 0, NULL));
    be = train_open();
    c.mel.bands = BANDS;
    ck_assert_msg(!sampler_new(&sampler, &c, &err), "%s", err.msg);
    write_model();
}

static void teardown(void)
{
    sampler_free(sampler);
    backend_close(be);
    corpus_free(corpus);
    manifest_release(&music);
    tree_remove(&tree);
    free(path);
}

static void make(struct validate *v, int threads)
{
    struct validate_config c = {
        .corpus = corpus, .sampler = sampler, .crop = CROP, .time = TIME,
        .frames = FRAMES, .streams = 2, .codes = codes, .threads = threads
    };
    struct err err = {0};

    ck_assert_msg(!validate_init(v, &c, &err), "%s", err.msg);
}

/* Adds the loss of one row of stream k, and whether it is right. */
static void plain_row(struct validate_result *r, const float *h,
                      const float *w, const float *b, int k, int want)
{
    double z[C0] = {0}, sum = 0;
    int first = k ? C0 : 0, best = 0;

    for (int c = 0; c < codes[k]; c++) {
        z[c] = b[first + c];
        for (int d = 0; d < D; d++)
            z[c] += (double)w[(first + c) * D + d] * h[d];
        best = z[c] > z[best] ? c : best;
        sum += exp(z[c]);
    }
    r->loss += log(sum) - z[want];
    r->accuracy += best == want;
}

static struct validate_result plain(const struct validate *v)
{
    struct validate_result r = {0};
    struct model *m = NULL;
    struct encoder *e = NULL;
    const float *w, *b;
    float h0[FRAMES * D], h1[FRAMES * D];
    double count[2][C0] = {0}, rows[2] = {0};
    struct err err = {0};

    ck_assert(!model_open(&m, path, &err) && !encoder_new(&e, m, be, &err));
    ck_assert(!model_tensor(m, "linear.weight", (int64_t[]){ ALL, D }, 2, &w,
                            &err));
    ck_assert(!model_tensor(m, "linear.bias", (int64_t[]){ ALL }, 1, &b,
                            &err));
    for (int i = 0; i < N; i++) {
        struct encoder_out out = { (float *[]){ h0, h1 }, NULL };

        ck_assert(!encoder_forward(e, &out, v->input + i * TIME * BANDS, 1,
                                   TIME, &err));
        for (int j = 0; j < 2 * FRAMES; j++) {
            int k = j / FRAMES;
            int32_t want = v->target[i * 2 * FRAMES + j];

            if (want < 0)
                continue;
            plain_row(&r, h1 + j % FRAMES * D, w, b, k, want);
            count[k][want]++;
            rows[k]++;
        }
    }
    r.loss /= rows[0] + rows[1];
    r.accuracy /= rows[0] + rows[1];
    for (int k = 0; k < 2; k++) {
        double most = 0;

        for (int c = 0; c < codes[k]; c++) {
            double p = count[k][c] / rows[k];

            r.unigram -= p > 0 ? p * log(p) / 2 : 0;
            most = p > most ? p : most;
        }
        r.commonest += most / 2;
    }
    encoder_free(e);
    model_free(m);
    return r;
}

START_TEST(validate_run_of_two_streams)
{
    struct validate v;
    struct validate_result got, want;
    struct err err = {0};

    make(&v, 2);
    want = plain(&v);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(!validate_run(&v, path, be, &got, &err), "%s", err.msg);
        ck_assert_double_eq_tol(got.loss, want.loss, 1e-5 * want.loss);
        ck_assert_double_eq_tol(got.accuracy, want.accuracy, 1e-3); /* ties */
        ck_assert_double_eq_tol(got.unigram, want.unigram, 1e-9);
        ck_assert_double_eq_tol(got.commonest, want.commonest, 1e-9);
    }
    ck_assert_int_eq(validate_run(&v, "nowhere", be, &got, &err), ERR_IO);
    validate_release(&v);
}
END_TEST

/* Always the same crops, parts of them hidden. */
START_TEST(validate_init_on_any_threads)
{
    struct validate a, b;
    int hidden = 0;

    make(&a, 1);
    make(&b, 3);
    ck_assert_int_eq(a.values, TIME * BANDS);
    ck_assert_mem_eq(a.input, b.input, N * TIME * BANDS * sizeof(float));
    ck_assert_mem_eq(a.target, b.target, N * 2 * FRAMES * sizeof(int32_t));
    for (int i = 0; i < N * 2 * FRAMES; i++)
        hidden += a.target[i] >= 0;
    ck_assert_int_gt(hidden, N * FRAMES * 2 / 2);
    ck_assert_int_lt(hidden, N * FRAMES * 2 * 7 / 10);
    ck_assert_mem_ne(a.input, a.input + TIME * BANDS,
                     TIME * BANDS * sizeof(float));
    validate_release(&a);
    validate_release(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_validate");
    TCase *t = tcase_create("validate");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, validate_run_of_two_streams);
    tcase_add_test(t, validate_init_on_any_threads);
    suite_add_tcase(s, t);
    return unit_run(s);
}
