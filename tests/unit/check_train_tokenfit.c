/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <omp.h>

#include "audio/decode.h"
#include "base/file.h"
#include "base/log.h"
#include "mel/mel.h"
#include "train/tokenfit.h"
#include "train/tokens.h"
#include "tree.h"

enum { FILES = 4, RATE = 24000 };

static struct tree tree;
static char *path[FILES + 1];

/* n samples of a chord and noise that file number file has, as 16-bit WAV. */
static void write_wav(const char *name, int file, int n)
{
    unsigned char *w = calloc(1, 44 + 2 * (size_t)n);
    unsigned v = (unsigned)file + 1;
    const uint32_t head[11] = { 0x46464952, 36 + 2 * (uint32_t)n, 0x45564157,
                                0x20746d66, 16, 0x00010001, RATE, 2 * RATE,
                                0x00100002, 0x61746164, 2 * (uint32_t)n };

    memcpy(w, head, 44);
    for (int i = 0; i < n; i++) {
        double x = 4000 * sin(i * 0.05 * (file + 1)) + 3000 * sin(i * 0.111);
        int16_t s;

        v = v * 1664525u + 1013904223u;
        s = (int16_t)(x + (double)(v >> 8) / (1 << 24) * 2000 *
                              (i / 4800 % 3));
        memcpy(w + 44 + 2 * i, &s, 2);
    }
    tree_write(&tree, name, w, 44 + 2 * (size_t)n);
    free(w);
}

static void setup(void)
{
    char name[16];

    log_set_level(LOG_ERROR);
    tree_make(&tree);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "%d.wav", i);
        write_wav(name, i, 24000 + 7000 * i);
        path[i] = xstrdup(tree_path(&tree, name));
    }
    tree_put(&tree, "bad.wav", "no sound");
    path[FILES] = xstrdup(tree_path(&tree, "bad.wav"));
}

static void stop(void)
{
    for (int i = 0; i <= FILES; i++)
        free(path[i]);
    tree_remove(&tree);
}

static void done(void *ctx, const char *name, const struct err *failure)
{
    int *count = ctx;

    (void)name;
    count[failure != NULL]++;
}

/* All kinds at once, at 75 Hz. */
static void want(struct model_config *c)
{
    const struct token_config t[] = {
        { .type = TOKENS_RANDOM, .stack = 2, .dim = 4, .codes = 64,
          .stages = 1 },
        { .type = TOKENS_RVQ, .stack = 2, .dim = 256, .codes = 8,
          .stages = 3 },
        { .type = TOKENS_KMEANS, .feature = TOKENS_LOGMEL229, .hop = 320,
          .stack = 1, .dim = 229, .codes = 12, .stages = 1 },
        { .type = TOKENS_KMEANS, .feature = TOKENS_CHROMA264, .hop = 320,
          .stack = 1, .dim = 264, .codes = 5, .stages = 1 },
    };

    memset(c, 0, sizeof(*c));
    c->name = xstrdup("t");
    c->provenance = xstrdup("");
    c->license = xstrdup("");
    c->sample_rate = RATE;
    c->mel = (struct mel_settings){ 2048, 160, 128, 0, 1 };
    c->encoder.type = ENCODER_NONE;
    c->window = 30;
    c->n_tokens = 4;
    c->tokens = xcalloc(4, sizeof(*c->tokens));
    memcpy(c->tokens, t, sizeof(t));
    ck_assert(!config_check(c, NULL));
}

static void fit(struct tokenfit *f, struct model_config *c, int jobs, int files,
                int64_t sample)
{
    int count[2] = {0};
    struct tokenfit_config config = { jobs, 3, sample, done, count };
    struct err err = {0};

    want(c);
    omp_set_num_threads(jobs);
    ck_assert_msg(!tokenfit_run(f, c, path, (size_t)files, &config, &err),
                  "%s", err.msg);
    ck_assert_int_eq(count[0], FILES);
    ck_assert_int_eq(count[1], files - FILES);
}

/* Mean and deviation of all the mel, made another way: each file as a whole,
 * then twice over the values in double. */
static void statistics(double *mean, double *std)
{
    const struct mel_config config = { RATE, 2048, 160, 128, 0, 12000 };
    struct mel *m = NULL;
    float *x = malloc(60000 * sizeof(*x));
    float *mel = malloc(FILES * 375 * 128 * sizeof(*mel));
    size_t n = 0, got;
    double sum = 0, squares = 0;

    ck_assert(!mel_new(&m, &config, NULL));
    for (int i = 0; i < FILES; i++) {
        struct decode_source s = { .path = path[i] };
        struct decoder *d = NULL;

        ck_assert(!decoder_open(&d, &s, RATE, NULL));
        ck_assert(!decoder_read(d, x, 60000, &got, NULL));
        mel_clip(m, x, got, mel + n);
        n += got / 160 * 128;
        decoder_free(d);
    }
    for (size_t i = 0; i < n; i++)
        sum += mel[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (mel[i] - *mean) * (mel[i] - *mean);
    *std = sqrt(squares / (double)n);
    mel_free(m);
    free(x);
    free(mel);
}

START_TEST(tokenfit_run_statistics)
{
    struct tokenfit f;
    struct model_config c;
    double mean, std;

    statistics(&mean, &std);
    fit(&f, &c, 2, FILES, 0);
    ck_assert_double_eq_tol(c.mel.mean, mean, 1e-9);
    ck_assert_double_eq_tol(c.mel.std, std, 1e-9);
    ck_assert_uint_eq(f.files, FILES);
    ck_assert_double_eq_tol(f.seconds, 4 + 6 * 7000.0 / RATE, 1e-9);
    ck_assert_int_eq(f.streams, 6);
    for (int k = 1; k < 6; k++) { /* all centres of a fit are in use */
        ck_assert(f.usage[k].used > 0.9 && f.usage[k].used <= 1);
        ck_assert(f.usage[k].perplexity > 1 &&
                  f.usage[k].perplexity <= f.usage[k].codes + 1e-9);
    }
    tokenfit_release(&f);
    config_release(&c);
}
END_TEST

static int same(const char *a, const char *b)
{
    struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;
    int equal;

    ck_assert(!file_read(&x, a, 1 << 24, NULL));
    ck_assert(!file_read(&y, b, 1 << 24, NULL));
    equal = x.len == y.len && !memcmp(x.s, y.s, x.len);
    strbuf_release(&x);
    strbuf_release(&y);
    return equal;
}

/* The file is the same for one job and three, and with a bad recording more;
 * a small sample is another. It opens as a tokenizer of six streams. */
START_TEST(tokenfit_write_same)
{
    static const struct {
        int jobs, files;
        int64_t sample;
    } all[] = { { 1, FILES, 0 }, { 3, FILES, 0 }, { 2, FILES + 1, 0 },
                { 2, FILES, 100 } };
    char *name[4];
    struct model *m = NULL;
    struct tokenizer *t = NULL;
    struct model_config c;
    struct tokenfit f;
    struct err err = {0};

    for (int i = 0; i < 4; i++) {
        name[i] = xasprintf("%s/%d.st", tree.root, i);
        fit(&f, &c, all[i].jobs, all[i].files, all[i].sample);
        ck_assert_msg(!tokenfit_write(&f, &c, name[i], &err), "%s", err.msg);
        ck_assert_uint_eq(f.failed, all[i].files - FILES);
        tokenfit_release(&f);
        config_release(&c);
    }
    ck_assert(same(name[0], name[1]));
    ck_assert(same(name[0], name[2]));
    ck_assert(!same(name[0], name[3]));
    ck_assert_msg(!model_open(&m, name[0], &err), "%s", err.msg);
    ck_assert_msg(!tokens_from_model(&t, m, &err), "%s", err.msg);
    ck_assert_int_eq(tokenizer_streams(t), 6);
    ck_assert_int_eq(tokenizer_codes(t, 0), 64);
    ck_assert_int_eq(tokenizer_codes(t, 4), 12);
    tokenizer_free(t);
    model_free(m);
    for (int i = 0; i < 4; i++)
        free(name[i]);
}
END_TEST

/* Nothing to read, silence only, fewer vectors than codes. */
START_TEST(tokenfit_run_refuses)
{
    int count[2] = {0};
    const struct tokenfit_config config = { 1, 3, 0, done, count };
    unsigned char silence[44 + 2 * 9600] = {0};
    struct tokenfit f;
    struct model_config c;
    struct err err = {0};

    want(&c);
    ck_assert_int_eq(tokenfit_run(&f, &c, path + FILES, 1, &config, &err),
                     ERR_FORMAT);
    tokenfit_release(&f);
    c.tokens[2].codes = 5000;
    ck_assert_int_eq(tokenfit_run(&f, &c, path, FILES, &config, &err), ERR_ARG);
    ck_assert_msg(strstr(err.msg, "--codes"), "%s", err.msg);
    tokenfit_release(&f);
    write_wav("4.wav", 0, 9600);
    free(path[0]);
    path[0] = xstrdup(tree_path(&tree, "4.wav"));
    {
        FILE *w = fopen(path[0], "r+b");

        ck_assert_uint_eq(fread(silence, 1, 44, w), 44);
        rewind(w);
        ck_assert_uint_eq(fwrite(silence, 1, sizeof(silence), w),
                          sizeof(silence));
        fclose(w);
    }
    ck_assert_int_eq(tokenfit_run(&f, &c, path, 1, &config, &err), ERR_ARG);
    ck_assert_msg(strstr(err.msg, "silent"), "%s", err.msg);
    tokenfit_release(&f);
    config_release(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_tokenfit");
    TCase *t = tcase_create("tokenfit");

    tcase_add_checked_fixture(t, setup, stop);
    tcase_add_test(t, tokenfit_run_statistics);
    tcase_add_test(t, tokenfit_write_same);
    tcase_add_test(t, tokenfit_run_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
