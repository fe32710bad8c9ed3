/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "model/safetensors.h"
#include "music.h"
#include "token/mask.h"
#include "train/sample.h"

enum { CROP = 24000, BLOCK = 9600, TOKEN = 960, TOKENS = 25, BATCH = 12 };

static struct tree tree;
static struct manifest music;
static struct corpus *corpus;

static void setup(void)
{
    music_make(&tree, &music);
    ck_assert(!corpus_new(&corpus, &music, 0, NULL));
}

static void teardown(void)
{
    corpus_free(corpus);
    manifest_release(&music);
    tree_remove(&tree);
}

/* A token that tells of the clean audio and mel at its place, and its stream.
 * A second of music has at least a sample that is not 0. */
static int32_t token_of(const float *x, int64_t t, int stream)
{
    return abs((int32_t)(x[t * TOKEN] * 32768)) * 2 + stream;
}

static int tokenize(void *ctx, const struct sample_clean *c, int32_t *token,
                    struct err *err)
{
    int streams = *(int *)ctx;

    if (streams > 2)
        return err_set(err, ERR_DEVICE, "too many streams");
    for (int s = 0; s < streams; s++)
        for (int64_t t = 0; t < TOKENS; t++)
            token[s * TOKENS + t] = token_of(c->x, t, s);
    return 0;
}

static int energy(void *ctx, const struct sample_clean *c, void *out,
                  struct err *err)
{
    double *sum = out;

    (void)ctx, (void)err;
    *sum = 0;
    for (int64_t i = 0; i < c->n; i++)
        *sum += c->x[i] * c->x[i];
    return 0;
}

static int streams = 2;

static struct sampler_config config_of(int threads)
{
    return (struct sampler_config){
        .threads = threads, .samples = CROP, .mel = MEL_CONFIG_INIT,
        .mean = -3, .std = 15, .p = 0.6, .block = BLOCK, .noise = 0.1f,
        .span = 5, .streams = streams, .tokens = TOKENS,
        .token_samples = TOKEN, .tokenize = tokenize, .extra = energy,
        .extra_bytes = sizeof(double), .ctx = &streams
    };
}

/* One batch, and what it was made with. */
struct made {
    struct sampler *s;
    struct loader *l;
    struct batch_data b;
};

static struct made make(const struct sampler_config *c, struct corpus *from,
                        uint64_t step)
{
    struct loader_config lc = { .corpus = from, .seed = 1, .step = step,
                                .batch = BATCH, .count = BATCH,
                                .crop = c->samples, .threads = c->threads,
                                .prepare = sampler_prepare };
    struct made m;
    struct err err = {0};

    ck_assert_msg(!sampler_new(&m.s, c, &err), "%s", err.msg);
    lc.ctx = m.s;
    sampler_parts(m.s, lc.part_bytes);
    ck_assert_msg(!loader_new(&m.l, &lc, &err), "%s", err.msg);
    ck_assert_msg(!loader_next(m.l, step, &m.b, &err), "%s", err.msg);
    return m;
}

static void drop(struct made *m)
{
    loader_free(m->l);
    sampler_free(m->s);
}

/* Sample i of the batch of a step, clean. */
static void clean_of(uint64_t step, uint32_t i, float *x)
{
    const struct draw d = { 1, step, i };
    struct crop crop;

    ck_assert(!corpus_crop(corpus, &d, x, CROP, &crop, NULL));
}

/* Targets, hidden tokens and the waveform agree with each other, with mask.h
 * and with the clean audio; 24000 samples are two blocks and a rest. */
START_TEST(sampler_prepare_blocks)
{
    struct sampler_config c = config_of(2);
    static float clean[CROP];
    int hidden_blocks = 0;
    struct made m;

    c.input = SAMPLE_WAVE;
    c.mel.bands = 0;
    m = make(&c, corpus, 4);
    for (uint32_t i = 0; i < BATCH; i++) {
        const struct draw d = { 1, 4, i };
        const float *x = (float *)m.b.part[SAMPLE_INPUT] + i * CROP;
        const int32_t *target = (int32_t *)m.b.part[SAMPLE_TARGETS] +
                                i * 2 * TOKENS;
        const uint8_t *hidden = (uint8_t *)m.b.part[SAMPLE_HIDDEN] +
                                i * TOKENS;
        uint8_t block[2];
        double sum = 0;

        clean_of(4, i, clean);
        mask_blocks(block, 2, 0.6, &d);
        hidden_blocks += block[0] + block[1];
        for (int t = 0; t < TOKENS; t++) {
            int is = t < 20 && block[t / 10];

            ck_assert_int_eq(hidden[t], is);
            for (int s = 0; s < 2; s++)
                ck_assert_int_eq(target[s * TOKENS + t],
                                 is ? token_of(clean, t, s) : -1);
        }
        for (int j = 0; j < CROP; j++) {
            int is = j < 2 * BLOCK && block[j / BLOCK];

            sum += clean[j] * clean[j];
            if (!is)
                ck_assert(x[j] == clean[j]);
        }
        mask_noise(clean, block, 2, BLOCK, 0.1f, &d);
        ck_assert_mem_eq(x, clean, sizeof(clean));
        ck_assert(((double *)m.b.part[SAMPLE_EXTRA])[i] == sum);
    }
    ck_assert_int_gt(hidden_blocks, 0);
    ck_assert_int_lt(hidden_blocks, 2 * BATCH);
    drop(&m);
}
END_TEST

/* The mel of what the waveform test above has checked. */
START_TEST(sampler_prepare_mel)
{
    enum { FRAMES = 100, BANDS = 128 };
    struct sampler_config c = config_of(1), wave = c;
    static float want[FRAMES * BANDS];
    const struct mel_config config = MEL_CONFIG_INIT;
    struct mel *mel;
    struct made a, b;

    wave.input = SAMPLE_WAVE;
    a = make(&c, corpus, 0);
    b = make(&wave, corpus, 0);
    ck_assert(!mel_new(&mel, &config, NULL));
    for (int i = 0; i < BATCH; i++) {
        const float *got = (float *)a.b.part[SAMPLE_INPUT] +
                           i * FRAMES * BANDS;

        mel_clip(mel, (float *)b.b.part[SAMPLE_INPUT] + i * CROP, CROP, want);
        for (int j = 0; j < FRAMES * BANDS; j++)
            ck_assert_double_eq_tol(got[j], (want[j] + 3) / 15, 1e-5);
    }
    ck_assert_mem_eq(a.b.part[SAMPLE_TARGETS], b.b.part[SAMPLE_TARGETS],
                     BATCH * 2 * TOKENS * sizeof(int32_t));
    mel_free(mel);
    drop(&a);
    drop(&b);
}
END_TEST

START_TEST(sampler_prepare_spans)
{
    struct sampler_config c = config_of(1);
    static float clean[CROP];
    struct made m;

    c.input = SAMPLE_WAVE;
    c.hide = HIDE_SPANS;
    c.p = 0.8;
    m = make(&c, corpus, 2);
    for (uint32_t i = 0; i < BATCH; i++) {
        const struct draw d = { 1, 2, i };
        uint8_t want[TOKENS];

        clean_of(2, i, clean);
        mask_spans(want, TOKENS, 0.8, 5, &d);
        ck_assert_mem_eq((uint8_t *)m.b.part[SAMPLE_HIDDEN] + i * TOKENS, want,
                         TOKENS);
        /* the encoder hides what is to be hidden */
        ck_assert_mem_eq((float *)m.b.part[SAMPLE_INPUT] + i * CROP, clean,
                         sizeof(clean));
    }
    drop(&m);
}
END_TEST

/* Half of the samples get pieces of others; targets stay. */
START_TEST(sampler_prepare_mixes)
{
    enum { STEPS = 20 };
    struct sampler_config c = config_of(1);
    static float clean[CROP];
    int mixed = 0, longest = 0;

    c.input = SAMPLE_WAVE;
    c.mel.bands = 0;
    c.p = 0;
    c.mix = 0.5;
    for (uint64_t step = 0; step < STEPS; step++) {
        struct made m = make(&c, corpus, step);

        for (uint32_t i = 0; i < BATCH; i++) {
            const float *x = (float *)m.b.part[SAMPLE_INPUT] + i * CROP;
            int first = -1, last = -2;

            clean_of(step, i, clean);
            for (int j = 0; j < CROP; j++)
                if (x[j] != clean[j]) {
                    first = first < 0 ? j : first;
                    last = j;
                }
            mixed += last > 0;
            longest = last - first + 1 > longest ? last - first + 1 : longest;
            ck_assert(last < 0 || last - first + 1 > 100);
        }
        drop(&m);
    }
    /* 5 standard deviations of 240 throws; pieces of zeros do not show */
    ck_assert_int_gt(mixed, 120 - 39);
    ck_assert_int_lt(mixed, 120 + 39);
    ck_assert_int_gt(longest, 8000);
}
END_TEST

START_TEST(sampler_gives_the_same_on_any_threads)
{
    struct sampler_config one = config_of(1), many = config_of(_i);
    struct made a, b;
    size_t bytes[LOADER_PARTS];

    one.mix = many.mix = 0.5;
    a = make(&one, corpus, 9);
    b = make(&many, corpus, 9);
    sampler_parts(a.s, bytes);
    for (int k = 0; k < LOADER_PARTS; k++)
        ck_assert_mem_eq(a.b.part[k], b.b.part[k], BATCH * bytes[k]);
    drop(&a);
    drop(&b);
}
END_TEST

static void refused(const struct sampler_config *c)
{
    struct sampler *s = NULL;
    struct err err = {0};

    ck_assert_int_eq(sampler_new(&s, c, &err), ERR_ARG);
    ck_assert_ptr_null(s);
    ck_assert_str_ne(err.msg, "");
}

START_TEST(sampler_new_refuses)
{
    struct sampler_config c = config_of(1);

    c.tokens = TOKENS + 1;
    refused(&c);
    c = config_of(1);
    c.block = BLOCK + 1;
    refused(&c);
    c = config_of(1);
    c.mel.bands = 0;
    refused(&c);
    c = config_of(1);
    c.std = 0;
    refused(&c);
    c = config_of(0);
    refused(&c);
    c = config_of(1);
    c.hide = HIDE_SPANS;
    c.span = 0;
    refused(&c);
}
END_TEST

START_TEST(sampler_passes_failures_on)
{
    struct sampler_config c = config_of(1);
    struct loader_config lc = { .corpus = corpus, .batch = 1, .count = 1,
                                .crop = CROP, .threads = 1,
                                .prepare = sampler_prepare };
    struct batch_data b;
    struct sampler *s;
    struct loader *l;
    struct err err = {0};

    streams = c.streams = 3;
    ck_assert(!sampler_new(&s, &c, NULL));
    lc.ctx = s;
    sampler_parts(s, lc.part_bytes);
    ck_assert(!loader_new(&l, &lc, NULL));
    ck_assert_int_eq(loader_next(l, 0, &b, &err), ERR_DEVICE);
    loader_free(l);
    sampler_free(s);
}
END_TEST

/* torchaudio's mel of a recording that is as long as the crop; f32 there and
 * here, 2e-3 dB of 15 dB. */
START_TEST(sampler_golden_mel)
{
    const char *dir = unit_shared("fixtures/golden/conformer25");
    enum { N = 96000, VALUES = 400 * 128 };
    struct sampler_config c = config_of(1);
    struct manifest m = { .rate = MUSIC_RATE };
    struct safetensors st = {0};
    const struct stored *want;
    struct corpus *golden;
    struct made made;
    char path[4096];
    float v;

    if (!dir)
        return;
    snprintf(path, sizeof(path), "%s/in0.wav", dir);
    ck_assert(!manifest_add(&m, path, NULL));
    ck_assert(!manifest_probe(&m, 1, NULL, NULL));
    ck_assert_int_eq(m.item[0].samples, N);
    ck_assert(!corpus_new(&golden, &m, 0, NULL));
    c.samples = N;
    c.mean = -2.2549500465393066;
    c.std = 15.003335952758789;
    c.p = 0;
    made = make(&c, golden, 0);
    snprintf(path, sizeof(path), "%s/forward.safetensors", dir);
    ck_assert(!safetensors_open(&st, path, NULL));
    want = safetensors_find(&st, "mel_normalised");
    ck_assert_ptr_nonnull(want);
    for (int i = 0; i < VALUES; i++) {
        memcpy(&v, (const char *)want->data + 4 * i, 4);
        ck_assert_double_eq_tol(((float *)made.b.part[0])[i], v, 2e-3 / 15);
    }
    drop(&made);
    safetensors_release(&st);
    corpus_free(golden);
    manifest_release(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_sample");
    TCase *t = tcase_create("sample");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, sampler_prepare_blocks);
    tcase_add_test(t, sampler_prepare_mel);
    tcase_add_test(t, sampler_prepare_spans);
    tcase_add_test(t, sampler_prepare_mixes);
    tcase_add_loop_test(t, sampler_gives_the_same_on_any_threads, 2, 4);
    tcase_add_test(t, sampler_new_refuses);
    tcase_add_test(t, sampler_passes_failures_on);
    tcase_add_test(t, sampler_golden_mel);
    suite_add_tcase(s, t);
    return unit_run_shared(s, "fixtures/golden/conformer25");
}
