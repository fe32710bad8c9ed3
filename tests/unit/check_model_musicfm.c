/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "base/file.h"
#include "base/xalloc.h"
#include "model/convert.h"
#include "model/find.h"
#include "model/model.h"
#include "model/musicfm.h"
#include "model/torchfile.h"

static char out_path[64];  /* of the test process, removed by it */
static char back_path[64];

static void setup(void)
{
    snprintf(out_path, sizeof(out_path), "musicfm-%d.safetensors",
             (int)getpid());
    snprintf(back_path, sizeof(back_path), "musicfm-%d.pt", (int)getpid());
}

static void teardown(void)
{
    unlink(out_path);
    unlink(back_path);
}

/* The published model's counts, as listed by others from the file itself. */
START_TEST(musicfm_layout_published)
{
    struct token_config token = { .type = TOKENS_RANDOM, .stack = 4, .dim = 16,
                                  .codes = 4096, .stages = 1 };
    struct model_config c = {
        .sample_rate = 24000, .mel = { 2048, 240, 128, 0, 1 },
        .encoder = { ENCODER_CONFORMER, 25, 1024, 12, 16, 4096, 31, 512,
                     { 2, 2 } },
        .tokens = &token, .n_tokens = 1
    };
    struct layout l;
    int64_t values = 0, counters = 0;

    musicfm_layout(&l, &c);
    for (size_t i = 0; i < l.n; i++) {
        values += stored_count(&l.tensor[i].t);
        counters += l.tensor[i].t.type == STORED_I64;
    }
    ck_assert_uint_eq(l.n, 465);
    ck_assert_int_eq(values, 329170226);
    ck_assert_int_eq(counters, 18);
    layout_free(&l);
}
END_TEST

START_TEST(musicfm_name_cases)
{
    static const char *const cases[][2] = {
        { "model.linear.bias", "linear.bias" },
        { "quantizer_melspec_2048.codebook",
          "quantizer_melspec_2048_0.codebook" },
        { "model.quantizer_melspec_2048_0.codebook",
          "quantizer_melspec_2048_0.codebook" },
        { "model.conformer.pos_conv_embed.conv.parametrizations.weight."
          "original1", "conformer.pos_conv_embed.conv.weight_v" },
        { "a", "a" }, { "", "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *name = musicfm_name(cases[i][0]);

        ck_assert_str_eq(name, cases[i][1]);
        free(name);
    }
}
END_TEST

static const struct golden {
    const char *folder;
    int needs_config;
    double rate;
    int dim, layers, heads, ffn, kernel, conv_dim, stack, codes, hop;
    double mean, std;
} golden[] = {
    { "conformer25", 0, 25, 64, 3, 2, 128, 31, 8, 4, 96, 240,
      -2.2549500465393066, 15.003335952758789 },
    { "conformer50", 0, 50, 128, 2, 4, 192, 15, 16, 2, 256, 240,
      3.338869571685791, 11.024779319763184 },
    { "conformer75", 1, 75, 64, 2, 2, 128, 31, 8, 2, 128, 160,
      2.047154664993286, 11.69674015045166 },
};

static char *shared_file(const char *folder, const char *file)
{
    char path[200];

    snprintf(path, sizeof(path), "fixtures/golden/%s/%s", folder, file);
    return xstrdup(unit_shared(path));
}

static void put_to_strbuf(void *ctx, const void *data, size_t n)
{
    strbuf_add(ctx, data, n);
}

static void check_same(struct torchfile *a, struct torchfile *b)
{
    struct stored x, y;
    size_t j;

    ck_assert_uint_eq(torchfile_count(a), torchfile_count(b));
    for (size_t i = 0; i < torchfile_count(a); i++) {
        struct strbuf p = STRBUF_INIT, q = STRBUF_INIT;

        ck_assert(!torchfile_load(a, i, &x, NULL));
        for (j = 0; j < torchfile_count(b); j++)
            if (!strcmp(torchfile_tensor(b, j)->name, x.name))
                break;
        ck_assert_msg(j < torchfile_count(b), "%s", x.name);
        ck_assert(!torchfile_load(b, j, &y, NULL));
        ck_assert(x.type == y.type && x.ndim == y.ndim);
        ck_assert(!memcmp(x.dim, y.dim, sizeof(x.dim)));
        stored_emit(&x, x.type, put_to_strbuf, &p);
        stored_emit(&y, y.type, put_to_strbuf, &q);
        ck_assert(p.len == q.len && !memcmp(p.s, q.s, p.len));
        strbuf_release(&p);
        strbuf_release(&q);
    }
}

static void convert(const char *in, const char *stats, const char *config,
                    enum convert_precision precision)
{
    struct convert job = { .in = in, .out = out_path, .name = "golden",
                           .stats = stats, .config = config,
                           .precision = precision };
    struct err err = {0};

    ck_assert_msg(!convert_run(&job, &err), "%s", err.msg);
}

START_TEST(convert_golden_and_back)
{
    const struct golden *g = &golden[_i];
    char *in = shared_file(g->folder, "model.pt");
    char *stats = shared_file(g->folder, "stats.json");
    char *config = shared_file(g->folder, "config.json");
    struct convert back = { .in = out_path, .out = back_path, .to_pt = 1 };
    struct model *m = NULL;
    const struct encoder_config *e;
    struct torchfile *a = NULL, *b = NULL;
    struct err err = {0};
    const float *f = NULL;

    convert(in, stats, g->needs_config ? config : NULL, CONVERT_KEEP);
    ck_assert_msg(!model_open(&m, out_path, &err), "%s", err.msg);
    e = &m->config.encoder;
    ck_assert(e->rate == g->rate && e->dim == g->dim);
    ck_assert(e->layers == g->layers && e->heads == g->heads);
    ck_assert(e->ffn == g->ffn && e->kernel == g->kernel);
    ck_assert(e->conv_dim == g->conv_dim && m->config.mel.hop == g->hop);
    ck_assert(m->config.mel.mean == g->mean && m->config.mel.std == g->std);
    ck_assert(m->config.n_tokens == 1 && m->config.tokens[0].dim == 16);
    ck_assert(m->config.tokens[0].stack == g->stack);
    ck_assert(m->config.tokens[0].codes == g->codes);
    ck_assert(!model_tensor(m, "conv.linear.bias", (int64_t[]){ g->dim }, 1,
                            &f, &err));
    ck_assert_int_eq(model_tensor(m, "conv.linear.bias",
                                  (int64_t[]){ g->dim, 1 }, 2, &f, &err),
                     ERR_FORMAT);
    ck_assert_msg(strstr(err.msg, "conv.linear.bias") != NULL, "%s", err.msg);
    ck_assert_int_eq(model_tensor(m, "none", NULL, 0, &f, &err), ERR_FORMAT);
    model_free(m);
    ck_assert_msg(!convert_run(&back, &err), "%s", err.msg);
    ck_assert(!torchfile_open(&a, in, &err));
    ck_assert(!torchfile_open(&b, back_path, &err));
    ck_assert_int_eq(torchfile_wrapped(a), torchfile_wrapped(b));
    check_same(a, b);
    torchfile_free(a);
    torchfile_free(b);
    free(in);
    free(stats);
    free(config);
}
END_TEST

START_TEST(convert_bf16)
{
    char *in = shared_file("conformer25", "model.pt");
    char *stats = shared_file("conformer25", "stats.json");
    struct model *m = NULL;
    const struct stored *t = NULL;
    const float *w = NULL, *again = NULL;
    uint32_t bits;

    convert(in, stats, NULL, CONVERT_BF16);
    ck_assert(!model_open(&m, out_path, NULL));
    ck_assert(!model_stored(m, "conv.linear.weight", (int64_t[]){ 64, -1 }, 2,
                            &t, NULL));
    ck_assert_int_eq(t->type, STORED_BF16);
    ck_assert(!model_tensor(m, "conv.linear.weight", (int64_t[]){ 64, 256 }, 2,
                            &w, NULL));
    ck_assert(!model_tensor(m, "conv.linear.weight", (int64_t[]){ 64, 256 }, 2,
                            &again, NULL));
    ck_assert(w == again);
    memcpy(&bits, w + 5, 4);
    ck_assert((bits & 0xffff) == 0 && bits >> 16 ==
              (unsigned)(t->data[10] | t->data[11] << 8));
    ck_assert_int_eq(safetensors_find(&m->weights, "conv.linear.bias")->type,
                     STORED_F32);
    ck_assert_int_eq(safetensors_find(
        &m->weights, "quantizer_melspec_2048_0.codebook")->type, STORED_F32);
    model_release_pages(m);
    ck_assert(!model_tensor(m, "conv.linear.weight", (int64_t[]){ 64, 256 }, 2,
                            &w, NULL));
    model_free(m);
    free(in);
    free(stats);
}
END_TEST

START_TEST(convert_refuses)
{
    char *in = shared_file("conformer25", "model.pt");
    char *stats = shared_file("conformer25", "stats.json");
    char *other = shared_file("conformer50", "config.json");
    char *mert = shared_file("bert_prenorm", "pytorch_model.bin");
    const struct {
        struct convert job;
        int code;
        const char *word;
    } cases[] = {
        { { .in = in, .name = "x" }, ERR_ARG, "--stats" },
        { { .in = in, .name = "x", .stats = stats, .config = other },
          ERR_FORMAT, "dim is 128 in the options, but the tensors say 64" },
        { { .in = mert, .name = "x", .config = other }, ERR_FORMAT,
          "conv_dim" },
        { { .in = stats, .name = "x" }, ERR_FORMAT, "not a PyTorch file" },
        { { .in = "missing.pt", .name = "x" }, ERR_IO, "missing.pt" },
        { { .in = unit_data("model_files/plain.pt"), .name = "x" }, ERR_FORMAT,
          "not a MusicFM checkpoint" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct convert job = cases[i].job;
        struct err err = {0};

        job.out = out_path;
        ck_assert_int_eq(convert_run(&job, &err), cases[i].code);
        ck_assert_msg(strstr(err.msg, cases[i].word) != NULL, "%s", err.msg);
        ck_assert(access(out_path, F_OK) != 0);
    }
    free(in);
    free(stats);
    free(other);
    free(mert);
}
END_TEST

START_TEST(model_open_trained)
{
    struct model *m = NULL;
    struct err err = {0};
    const char *path = unit_shared("fixtures/model/small.safetensors");

    ck_assert_ptr_nonnull(path);
    ck_assert_msg(!model_open(&m, path, &err), "%s", err.msg);
    ck_assert_str_eq(m->config.name, "small-fixture");
    ck_assert_int_eq(m->config.n_heads, 5);
    ck_assert_int_eq(config_head(&m->config, "structure")->boundary, 1);
    ck_assert(!musicfm_check(&m->config, m->weights.tensor, m->weights.n,
                             &err));
    ck_assert(model_sha256(m) == model_sha256(m));
    ck_assert_uint_eq(strlen(model_sha256(m)), 64);
    /* sha256sum */
    ck_assert_str_eq(model_sha256(m),
                     "8169fe2aeea402f42ce1827ff8d294c8"
                     "129685957f1f582cd195d89e175a5f9e");
    model_free(m);
    path = unit_data("model_files/tiny.safetensors");
    ck_assert_int_eq(model_open(&m, path, &err), ERR_FORMAT);
    ck_assert_msg(strstr(err.msg, "mfm convert") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(model_find_order)
{
    char *path = NULL;
    char dir[] = "find-XXXXXX", list[200], file[64];
    struct err err = {0};

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(list, sizeof(list), "/nowhere::%s", dir);
    setenv("MFM_MODELS", list, 1);
    setenv("XDG_DATA_HOME", "/nowhere2", 1);
    ck_assert_int_eq(model_find(&path, "m", &err), ERR_IO);
    ck_assert_msg(strstr(err.msg, "/nowhere, find-") &&
                  strstr(err.msg, "/nowhere2/mfm/models"), "%s", err.msg);
    snprintf(file, sizeof(file), "%s/m.safetensors", dir);
    fclose(fopen(file, "w"));
    ck_assert(!model_find(&path, "m", &err));
    ck_assert_str_eq(path, file);
    free(path);
    ck_assert(!model_find(&path, "x/m", &err));
    ck_assert_str_eq(path, "x/m");
    free(path);
    ck_assert(!model_find(&path, "y.safetensors", &err));
    ck_assert_str_eq(path, "y.safetensors");
    free(path);
    unlink(file);
    rmdir(dir);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_musicfm");
    TCase *t = tcase_create("musicfm");

    UNIT_NEED_SHARED("fixtures/golden/conformer25/model.pt");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, musicfm_layout_published);
    tcase_add_test(t, musicfm_name_cases);
    tcase_add_loop_test(t, convert_golden_and_back, 0,
                        (int)ARRAY_LEN(golden));
    tcase_add_test(t, convert_bf16);
    tcase_add_test(t, convert_refuses);
    tcase_add_test(t, model_open_trained);
    tcase_add_test(t, model_find_order);
    suite_add_tcase(s, t);
    return unit_run(s);
}
