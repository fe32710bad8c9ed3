/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include "base/npy.h"
#include "model/config.h"
#include "train/tokens.h"
#include "tree.h"

static struct tree tree;

static void setup(void)
{
    tree_make(&tree);
}

static void stop(void)
{
    tree_remove(&tree);
}

/* Two streams of 10 codes and one of 300. */
static struct token_config token[] = {
    { .type = TOKENS_RVQ, .stack = 1, .dim = 4, .codes = 10, .stages = 2 },
    { .type = TOKENS_RANDOM, .stack = 1, .dim = 2, .codes = 300, .stages = 1 }
};
static const struct model_config config = {
    .sample_rate = 24000, .mel = { 2048, 240, 4, 0, 1 },
    .encoder = { .type = ENCODER_NONE }, .tokens = token, .n_tokens = 2
};

static const char *write_npy(const char *descr, const void *data, size_t bytes,
                             int64_t rows, int64_t cols)
{
    const char *path = tree_path(&tree, "a.npy");
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    npy_write_header(f, descr, (int64_t[]){ rows, cols }, cols ? 2 : 1);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

static void check_good(const char *descr, const void *data, size_t bytes)
{
    const char *path = write_npy(descr, data, bytes, 2, 3);
    const int32_t want[] = { 9, 0, 45, 3, 7, 0 };
    struct err err = {0};
    int32_t *got = NULL;
    int64_t n = 0;

    ck_assert_msg(!tokens_read_npy(&got, &n, path, &config, &err), "%s",
                  err.msg);
    ck_assert_int_eq(n, 2);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(got[i], want[i]);
    free(got);
}

START_TEST(tokens_read_npy_types)
{
    const unsigned char u1[] = { 9, 0, 45, 3, 7, 0 };
    const int16_t i2[] = { 9, 0, 45, 3, 7, 0 };
    const uint32_t u4[] = { 9, 0, 45, 3, 7, 0 };
    const int64_t i8[] = { 9, 0, 45, 3, 7, 0 };

    check_good("|u1", u1, sizeof(u1));
    check_good("|i1", u1, sizeof(u1));
    check_good("<i2", i2, sizeof(i2));
    check_good("<u2", i2, sizeof(i2));
    check_good("<u4", u4, sizeof(u4));
    check_good("<i8", i8, sizeof(i8));
}
END_TEST

static void check_bad(const char *path, const char *word)
{
    struct err err = {0};
    int32_t *got = NULL;
    int64_t n = 0;

    ck_assert_int_eq(tokens_read_npy(&got, &n, path, &config, &err),
                     ERR_FORMAT);
    ck_assert_msg(strstr(err.msg, word) && strstr(err.msg, "a.npy"), "%s",
                  err.msg);
    ck_assert_ptr_null(got);
}

START_TEST(tokens_read_npy_refuses)
{
    const float f4[6] = {0};
    const int32_t high[] = { 9, 0, 45, 3, 10, 0 };
    const int8_t low[] = { 9, 0, 45, 3, 7, -1 };
    const uint64_t huge[] = { UINT64_MAX, 0, 0, 0, 0, 0 };

    check_bad(write_npy("<f4", f4, sizeof(f4), 2, 3), "floats");
    check_bad(write_npy("<i4", high, sizeof(high), 2, 3),
              "frame 1, stream 1: token 10, not 0 to 9");
    check_bad(write_npy("|i1", low, sizeof(low), 2, 3),
              "frame 1, stream 2: token -1, not 0 to 299");
    check_bad(write_npy("<u8", huge, sizeof(huge), 2, 3), "frame 0, stream 0");
    check_bad(write_npy("<i4", high, sizeof(high), 3, 2), "transpose");
    check_bad(write_npy("<i4", high, sizeof(high), 6, 0), "(T, 3) is due");
    check_bad(write_npy("<i4", high, 8, 2, 3), "a.npy");
}
END_TEST

/* A single stream may be flat. */
START_TEST(tokens_read_npy_flat)
{
    struct model_config one = config;
    const int32_t v[] = { 299, 0, 5 };
    int32_t *got = NULL;
    int64_t n = 0;

    one.tokens = token + 1;
    one.n_tokens = 1;
    ck_assert(!tokens_read_npy(&got, &n, write_npy("<i4", v, 12, 3, 0), &one,
                               NULL));
    ck_assert(n == 3 && got[0] == 299 && got[2] == 5);
    free(got);
}
END_TEST

START_TEST(tokens_npy_path_names)
{
    static const struct {
        const char *audio, *dir, *want;
    } all[] = {
        { "a/song.mp3", NULL, "a/song.npy" },
        { "a.b/song", NULL, "a.b/song.npy" },
        { "song.tar.ogg", NULL, "song.tar.npy" },
        { ".mp3", NULL, ".mp3.npy" },
        { "a/song.mp3", "codes", "codes/song.npy" },
        { "a/song.mp3", "codes/", "codes/song.npy" },
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char *s = tokens_npy_path(all[i].audio, all[i].dir);

        ck_assert_str_eq(s, all[i].want);
        free(s);
    }
}
END_TEST

/* A tensor of each name that is asked for, with its shape. */
static int lookup(void *ctx, const char *name, const int64_t *shape, int ndim,
                  const float **out, struct err *err)
{
    static float values[2 * 10 * 4 + 300 * 2];
    int *asked = ctx;

    (void)err;
    if (!strcmp(name, "tokens.0.centers"))
        *asked |= ndim == 3 && shape[0] == 2 && shape[1] == 10 && shape[2] == 4;
    if (!strcmp(name, "quantizer_melspec_2048_1.random_projection"))
        *asked |= 2 * (ndim == 2 && shape[0] == 4 && shape[1] == 2);
    if (!strcmp(name, "quantizer_melspec_2048_1.codebook"))
        *asked |= 4 * (ndim == 2 && shape[0] == 300 && shape[1] == 2);
    *out = values;
    return 0;
}

START_TEST(tokens_build_asks)
{
    struct model_config empty = config;
    struct tokenizer *t = NULL;
    struct err err = {0};
    int asked = 0;

    ck_assert_msg(!tokens_build(&t, &config, lookup, &asked, &err), "%s",
                  err.msg);
    ck_assert_int_eq(asked, 7);
    ck_assert_int_eq(tokenizer_streams(t), 3);
    ck_assert_int_eq(tokenizer_codes(t, 2), 300);
    ck_assert_int_eq(tokenizer_step(t), 240);
    tokenizer_free(t);
    empty.n_tokens = 0;
    ck_assert_int_eq(tokens_build(&t, &empty, lookup, &asked, &err),
                     ERR_FORMAT);
}
END_TEST

/* The model that mfm comes with: its tokens and its statistics. */
START_TEST(tokens_from_model_default)
{
    const char *path = unit_path("data/models/", "default.safetensors");
    struct model *m = NULL;
    struct tokenizer *t = NULL;
    struct err err = {0};

    ck_assert_msg(!model_open(&m, path, &err), "%s", err.msg);
    ck_assert_msg(!tokens_from_model(&t, m, &err), "%s", err.msg);
    ck_assert_int_eq(tokenizer_streams(t), config_streams(&m->config));
    ck_assert_int_eq(tokenizer_step(t), config_hop(&m->config));
    tokenizer_free(t);
    model_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_tokens");
    TCase *t = tcase_create("tokens");

    tcase_add_checked_fixture(t, setup, stop);
    tcase_add_test(t, tokens_read_npy_types);
    tcase_add_test(t, tokens_read_npy_refuses);
    tcase_add_test(t, tokens_read_npy_flat);
    tcase_add_test(t, tokens_npy_path_names);
    tcase_add_test(t, tokens_build_asks);
    tcase_add_test(t, tokens_from_model_default);
    suite_add_tcase(s, t);
    return unit_run(s);
}
