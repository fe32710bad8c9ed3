/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "token/kmeans.h"
#include "token/quant.h"
#include "token/rvq.h"
#include "token/tokenizer.h"

enum { RATE = 24000, BANDS = 8, STACK = 2, CODES = 20, DIM = 4, STAGES = 3 };

static void noise(float *x, size_t n, unsigned v)
{
    for (size_t i = 0; i < n; i++) {
        v = v * 1664525u + 1013904223u;
        x[i] = (float)(v >> 8) / (1 << 23) - 1;
    }
}

static float projection[STACK * BANDS * DIM], codebook[CODES * DIM];
static float residual[STAGES * CODES * (STACK + 1) * BANDS]; /* for a bad one */
static float timbre[CODES * 229], harmony[CODES * 12];

/* A token every 320 samples of each kind: 1 + 3 + 1 + 1 streams. */
static struct tokenizer_part parts[] = {
    { TOKENIZER_RANDOM, 0, 0, STACK, DIM, CODES, 1, projection, codebook },
    { TOKENIZER_RVQ, 0, 0, STACK, STACK * BANDS, CODES, STAGES, NULL,
      residual },
    { TOKENIZER_KMEANS, FEATURE_LOGMEL229, 320, 1, 229, CODES, 1, NULL,
      timbre },
    { TOKENIZER_KMEANS, FEATURE_CHROMA12, 320, 1, 12, CODES, 1, NULL,
      harmony },
};

static struct tokenizer_config config(int from, int n)
{
    struct tokenizer_config c = {
        .mel = { RATE, 2048, 160, BANDS, 0, 12000 }, .mean = -20, .std = 10,
        .part = parts + from, .n_parts = n
    };

    quant_draw(projection, codebook, STACK * BANDS, DIM, CODES, 1, 0);
    noise(residual, sizeof(residual) / sizeof(float), 5);
    noise(timbre, sizeof(timbre) / sizeof(float), 6);
    for (size_t i = 0; i < sizeof(timbre) / sizeof(float); i++)
        timbre[i] = 3 * timbre[i] - 4;
    noise(harmony, sizeof(harmony) / sizeof(float), 7);
    return c;
}

static struct tokenizer *make(int from, int n)
{
    struct tokenizer_config c = config(from, n);
    struct tokenizer *t = NULL;
    struct err err = {0};

    ck_assert_msg(!tokenizer_new(&t, &c, &err), "%s", err.msg);
    return t;
}

/* Normalised mel of x (n), (n / 160, BANDS). */
static float *mel_of(const float *x, size_t n)
{
    const struct mel_config c = { RATE, 2048, 160, BANDS, 0, 12000 };
    float *out = malloc((n / 160 + 1) * BANDS * sizeof(*out));
    struct mel *m = NULL;

    ck_assert(!mel_new(&m, &c, NULL));
    mel_clip(m, x, n, out);
    for (size_t i = 0; i < n / 160 * BANDS; i++)
        out[i] = (out[i] + 20) * 0.1f;
    mel_free(m);
    return out;
}

/* Each stream is what its own quantiser gives; three lengths, one of them below
 * a token. */
START_TEST(tokenizer_clip_streams)
{
    static const size_t sizes[] = { 100, 320 * 30, 320 * 300 + 319 };
    size_t n = sizes[_i], count = n / 320;
    struct tokenizer *t = make(0, 4);
    struct tokenizer_run *r = NULL;
    float *x = malloc(n * sizeof(*x)), *mel, *frames;
    int32_t *token = malloc((count * 6 + 1) * sizeof(*token));
    int32_t *one = malloc((count + 1) * STAGES * sizeof(*one));
    struct quant *q = NULL;
    struct rvq *v = NULL;
    struct kmeans *k = NULL;
    struct features *f = NULL;

    ck_assert_int_eq(tokenizer_streams(t), 6);
    ck_assert_int_eq(tokenizer_codes(t, 5), CODES);
    ck_assert_double_eq(tokenizer_rate(t), 75);
    ck_assert(!tokenizer_is_mel(t));
    ck_assert_uint_eq(tokenizer_count(t, n), count);
    noise(x, n, 2);
    ck_assert(!tokenizer_run_new(&r, t, NULL));
    ck_assert(!tokenizer_clip(r, x, n, token, NULL));
    mel = mel_of(x, n);
    ck_assert(!quant_new(&q, projection, codebook, STACK * BANDS, DIM, CODES,
                         NULL));
    quant_tokens(q, one, mel, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(token[6 * i], one[i]);
    ck_assert(!rvq_new(&v, residual, STAGES, CODES, STACK * BANDS, NULL));
    rvq_tokens(v, one, mel, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        ck_assert(!memcmp(token + 6 * i + 1, one + STAGES * i,
                          STAGES * sizeof(*one)));
    frames = malloc((count + 1) * 229 * sizeof(*frames));
    for (int kind = 0; kind < 2; kind++) {
        ck_assert(!features_new(&f, kind ? FEATURE_CHROMA12
                                         : FEATURE_LOGMEL229, RATE, 320,
                                NULL));
        features_clip(f, x, n, frames);
        ck_assert(!kmeans_new(&k, kind ? harmony : timbre, CODES,
                              kind ? 12 : 229, NULL));
        kmeans_tokens(k, one, frames, (int64_t)count);
        for (size_t i = 0; i < count; i++)
            ck_assert_int_eq(token[6 * i + 4 + (size_t)kind], one[i]);
        features_free(f);
        kmeans_free(k);
    }
    quant_free(q);
    rvq_free(v);
    tokenizer_run_free(r);
    tokenizer_free(t);
    free(x);
    free(mel);
    free(frames);
    free(token);
    free(one);
}
END_TEST

/* In pieces, and behind a recording that was broken off. */
START_TEST(tokenizer_push_pieces)
{
    enum { N = 320 * 40 + 7 };
    static float x[N];
    static int32_t want[40 * 6];
    struct tokenizer *t = make(0, 4);
    struct tokenizer_run *r = NULL;
    const int32_t *got;
    size_t count;

    noise(x, N, 3);
    ck_assert(!tokenizer_run_new(&r, t, NULL));
    ck_assert(!tokenizer_clip(r, x, N, want, NULL));
    ck_assert(!tokenizer_push(r, x + 50, 5000, NULL));
    tokenizer_reset(r);
    for (size_t at = 0; at < N; at += 997)
        ck_assert(!tokenizer_push(r, x + at, N - at < 997 ? N - at : 997,
                                  NULL));
    ck_assert(!tokenizer_finish(r, &got, &count, NULL));
    ck_assert_uint_eq(count, 40);
    ck_assert(!memcmp(got, want, sizeof(want)));
    ck_assert(!tokenizer_finish(r, &got, &count, NULL));
    ck_assert_uint_eq(count, 0);
    tokenizer_run_free(r);
    tokenizer_free(t);
}
END_TEST

START_TEST(tokenizer_mel_is_clip)
{
    enum { N = 320 * 50 + 200 };
    static float x[N];
    static int32_t want[50 * 4], got[50 * 4];
    struct tokenizer *t = make(0, 2), *other = make(2, 1);
    struct tokenizer_run *r = NULL;
    float *mel;

    noise(x, N, 4);
    ck_assert(tokenizer_is_mel(t));
    ck_assert(!tokenizer_run_new(&r, t, NULL));
    ck_assert(!tokenizer_clip(r, x, N, want, NULL));
    mel = mel_of(x, N);
    ck_assert(!tokenizer_mel(t, mel, N / 160, got, NULL));
    ck_assert(!memcmp(got, want, sizeof(want)));
    ck_assert_int_eq(tokenizer_mel(other, mel, 4, got, NULL), ERR_ARG);
    free(mel);
    tokenizer_run_free(r);
    tokenizer_free(t);
    tokenizer_free(other);
}
END_TEST

START_TEST(tokenizer_usage_counts)
{
    const int32_t token[] = { 0, 1, 0, 5, 3, 5, 3, 1 };
    struct tokenizer_config c = config(2, 2);
    struct tokenizer *t = NULL;
    double perplexity;

    ck_assert(!tokenizer_new(&t, &c, NULL));
    ck_assert_int_eq(tokenizer_usage(t, 0, token, 4, &perplexity), 2);
    ck_assert_double_eq_tol(perplexity, 2, 1e-12);
    ck_assert_int_eq(tokenizer_usage(t, 1, token, 3, &perplexity), 2);
    ck_assert_double_eq_tol(perplexity, exp(log(3) / 3 + log(1.5) * 2 / 3),
                            1e-12);
    ck_assert_int_eq(tokenizer_usage(t, 0, token, 0, &perplexity), 0);
    ck_assert(perplexity == 0);
    tokenizer_free(t);
}
END_TEST

START_TEST(tokenizer_new_refuses)
{
    struct tokenizer_config c = config(0, 4);
    struct tokenizer_part bad[2];
    struct tokenizer *t = NULL;
    struct err err = {0};

    c.part = bad;
    for (int i = 0; i < 7; i++) {
        bad[0] = parts[0];
        bad[1] = parts[1];
        c.n_parts = 2;
        switch (i) {
        case 0: c.n_parts = 0; break;
        case 1: bad[1].dim = 5; break;
        case 2: bad[0].stages = 2; break;
        case 3: bad[1].stack = 3; bad[1].dim = 3 * BANDS; break; /* the rate */
        case 4: bad[0].projection = NULL; break;
        case 5: bad[0].codes = 0; break;
        case 6: bad[1] = parts[2]; bad[1].hop = 160; break;
        }
        ck_assert_msg(tokenizer_new(&t, &c, &err) == ERR_ARG, "case %d", i);
    }
    ck_assert_ptr_null(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token_tokenizer");
    TCase *t = tcase_create("tokenizer");

    tcase_add_loop_test(t, tokenizer_clip_streams, 0, 3);
    tcase_add_test(t, tokenizer_push_pieces);
    tcase_add_test(t, tokenizer_mel_is_clip);
    tcase_add_test(t, tokenizer_usage_counts);
    tcase_add_test(t, tokenizer_new_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
