/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/npy.h"
#include "base/xalloc.h"
#include "model/safetensors.h"
#include "model/torchfile.h"

static const char *const files[] = {
    "deflated.pt", "lightning.pt", "manykeys.pt", "newmembers.pt",
    "opaque.pt", "plain.pt", "plain_legacy.pt", "single.pt", "special.pt",
    "special_legacy.pt"
};

/* The first values, as Python prints them, against the bits read. */
static void check_values(const struct stored *t, const cJSON *first)
{
    int64_t n = stored_count(t);
    float *f;
    int i = 0;
    const cJSON *v;

    if (t->type == STORED_C64) {
        float c[2];

        memcpy(c, t->data, sizeof(c));
        ck_assert(c[0] == 1 && c[1] == 0);
        return;
    }
    f = xmalloc((size_t)n * sizeof(*f) + 1);
    ck_assert(!stored_floats(t, f, NULL));
    cJSON_ArrayForEach(v, first) {
        const char *s = v->valuestring;
        float want = !strcmp(s, "True") ? 1 : !strcmp(s, "False") ? 0
                     : (float)strtod(s, NULL);

        ck_assert_msg(f[i] == want, "%s[%d]: %.9g, not %s", t->name, i,
                      (double)f[i], s);
        i++;
    }
    free(f);
}

static void check_tensor(const struct stored *t, const cJSON *want)
{
    const char *dtype =
        cJSON_GetObjectItem(want, "dtype")->valuestring + strlen("torch.");
    const cJSON *shape = cJSON_GetObjectItem(want, "shape");
    const cJSON *stride = cJSON_GetObjectItem(want, "stride");
    static const struct { const char *name; enum stored_type type; } types[] = {
        { "float32", STORED_F32 }, { "float64", STORED_F64 },
        { "float16", STORED_F16 }, { "bfloat16", STORED_BF16 },
        { "int64", STORED_I64 }, { "bool", STORED_BOOL },
        { "uint8", STORED_U8 }, { "int8", STORED_I8 },
        { "int16", STORED_I16 }, { "int32", STORED_I32 },
        { "complex64", STORED_C64 },
    };
    size_t k = 0;

    while (k < ARRAY_LEN(types) && strcmp(types[k].name, dtype))
        k++;
    ck_assert_msg(k < ARRAY_LEN(types), "%s", dtype);
    ck_assert_int_eq(t->type, types[k].type);
    ck_assert_int_eq(t->ndim, cJSON_GetArraySize(shape));
    for (int i = 0; i < t->ndim; i++) {
        ck_assert_int_eq(t->dim[i], cJSON_GetArrayItem(shape, i)->valueint);
        if (stored_count(t) && t->dim[i] > 1)
            ck_assert_int_eq(t->stride[i],
                             cJSON_GetArrayItem(stride, i)->valueint);
    }
}

START_TEST(torchfile_reads_what_torch_wrote)
{
    cJSON *all, *want;
    struct torchfile *tf = NULL;
    struct stored t;
    struct err err = {0};
    char key[300];

    ck_assert(!json_read(&all, unit_data("model_files/EXPECTED.json"), &err));
    want = cJSON_GetObjectItem(all, files[_i]);
    snprintf(key, sizeof(key), "model_files/%s", files[_i]);
    ck_assert_msg(!torchfile_open(&tf, unit_data(key), &err), "%s", err.msg);
    ck_assert_uint_eq(torchfile_count(tf), (size_t)cJSON_GetArraySize(want));
    for (size_t i = 0; i < torchfile_count(tf); i++) {
        const cJSON *w;

        ck_assert_msg(!torchfile_load(tf, i, &t, &err), "%s", err.msg);
        snprintf(key, sizeof(key), "%s%s",
                 torchfile_wrapped(tf) ? "state_dict/" : "", t.name);
        w = cJSON_GetObjectItemCaseSensitive(want, key);
        ck_assert_msg(w != NULL, "%s: not expected", key);
        check_tensor(&t, w);
        check_values(&t, cJSON_GetObjectItem(w, "first"));
    }
    torchfile_free(tf);
    cJSON_Delete(all);
}
END_TEST

/* "t" is the transpose of the numbers 0..23 in rows of 6. */
START_TEST(torchfile_load_transposed)
{
    struct torchfile *tf = NULL;
    struct stored t;
    float f[24];
    size_t i = 0;

    ck_assert(!torchfile_open(&tf, unit_data("model_files/special.pt"), NULL));
    while (strcmp(torchfile_tensor(tf, i)->name, "t"))
        i++;
    ck_assert(!torchfile_load(tf, i, &t, NULL));
    ck_assert(!stored_contiguous(&t));
    ck_assert(!stored_floats(&t, f, NULL));
    for (int k = 0; k < 24; k++)
        ck_assert(f[k] == (float)(k / 4 + k % 4 * 6));
    torchfile_free(tf);
}
END_TEST

/* Copies every tensor of one file into another, written by us. */
static void rewrite(const char *from, const char *to, int wrapped)
{
    struct torchfile *tf;
    struct torchfile_out *out = NULL;
    struct stored t;
    struct err err = {0};

    ck_assert_msg(!torchfile_open(&tf, from, &err), "%s", err.msg);
    ck_assert(!torchfile_create(&out, to, torchfile_tensor(tf, 0),
                                torchfile_count(tf), wrapped, &err));
    for (size_t i = 0; i < torchfile_count(tf); i++) {
        ck_assert(!torchfile_load(tf, i, &t, &err));
        torchfile_begin(out, i);
        stored_emit(&t, t.type, torchfile_put, out);
        torchfile_end(out);
    }
    ck_assert_msg(!torchfile_commit(out, &err), "%s", err.msg);
    torchfile_abort(out);
    torchfile_free(tf);
}

static void put_to_strbuf(void *ctx, const void *data, size_t n)
{
    strbuf_add(ctx, data, n);
}

START_TEST(torchfile_write_reads_back)
{
    struct torchfile *a = NULL, *b = NULL;
    char path[] = "check_model_torchfile.tmp.pt", key[300];
    struct stored x, y;
    struct err err = {0};

    snprintf(key, sizeof(key), "model_files/%s", files[_i]);
    rewrite(unit_data(key), path, _i % 2);
    ck_assert(!torchfile_open(&a, unit_data(key), &err));
    ck_assert_msg(!torchfile_open(&b, path, &err), "%s", err.msg);
    ck_assert_int_eq(torchfile_wrapped(b), _i % 2);
    ck_assert_uint_eq(torchfile_count(a), torchfile_count(b));
    for (size_t i = 0; i < torchfile_count(a); i++) {
        struct strbuf p = STRBUF_INIT, q = STRBUF_INIT;

        ck_assert(!torchfile_load(a, i, &x, &err));
        ck_assert(!torchfile_load(b, i, &y, &err));
        ck_assert_str_eq(x.name, y.name);
        ck_assert(x.type == y.type && x.ndim == y.ndim);
        ck_assert(!memcmp(x.dim, y.dim, sizeof(x.dim)));
        ck_assert(stored_contiguous(&y));
        stored_emit(&x, x.type, put_to_strbuf, &p);
        stored_emit(&y, y.type, put_to_strbuf, &q);
        ck_assert_uint_eq(p.len, q.len);
        ck_assert(!memcmp(p.s, q.s, p.len));
        strbuf_release(&p);
        strbuf_release(&q);
    }
    torchfile_free(a);
    torchfile_free(b);
    unlink(path);
}
END_TEST

/* Every beginning of a file is refused; so is every file with one byte of its
 * structure changed, or it still gives tensors within bounds (ASan watches). */
START_TEST(torchfile_parse_survives_damage)
{
    struct strbuf whole = STRBUF_INIT;
    char key[300];
    unsigned char *copy;

    log_set_level(LOG_ERROR - 1);
    snprintf(key, sizeof(key), "model_files/%s", files[_i]);
    ck_assert(!file_read(&whole, unit_data(key), 1 << 20, NULL));
    for (size_t n = 0; n < whole.len; n += 1 + n / 64) {
        struct torchfile *tf = NULL;

        copy = xmalloc(n + 1);
        memcpy(copy, whole.s, n);
        ck_assert(torchfile_parse(&tf, copy, n, "cut", NULL) < 0);
        free(copy);
    }
    for (size_t n = 0; n < 4000; n++) {
        struct torchfile *tf = NULL;
        struct stored t;

        copy = xmalloc(whole.len);
        memcpy(copy, whole.s, whole.len);
        copy[n * 2654435761u % whole.len] ^= (unsigned char)(1u << n % 8);
        if (!torchfile_parse(&tf, copy, whole.len, "changed", NULL))
            for (size_t i = 0; i < torchfile_count(tf); i++)
                if (!torchfile_load(tf, i, &t, NULL) &&
                    stored_count(&t) < 1000 && t.type != STORED_C64) {
                    float f[1000];

                    ck_assert(!stored_floats(&t, f, NULL));
                }
        torchfile_free(tf);
        free(copy);
    }
    log_set_level(LOG_WARN);
    strbuf_release(&whole);
}
END_TEST

START_TEST(torchfile_refuses_by_name)
{
    static const struct { const char *bytes; size_t n; const char *word; }
    cases[] = {
        { "hello", 5, "not a PyTorch file" },
        { "", 0, "not a PyTorch file" },
        { "PK\3\4", 4, "cut-off" },
    };
    struct torchfile *tf = NULL;
    struct err err = {0};
    char tar[512] = "data";

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_int_eq(torchfile_parse(&tf, cases[i].bytes, cases[i].n, "x",
                                         &err), ERR_FORMAT);
        ck_assert_msg(strstr(err.msg, cases[i].word) != NULL, "%s", err.msg);
    }
    memcpy(tar + 257, "ustar", 5);
    ck_assert_int_eq(torchfile_parse(&tf, tar, sizeof(tar), "x", &err),
                     ERR_UNSUPPORTED);
    ck_assert(strstr(err.msg, "tar archive") != NULL);
}
END_TEST

/* Files that are damaged, hostile, or beyond what mfm reads. */
static const struct bad {
    const char *file;
    int code;
    const char *word;
} bad[] = {
    { "bad-pt/bigendian.pt", ERR_UNSUPPORTED, "big-endian" },
    { "bad-pt/class.pt", ERR_UNSUPPORTED, "EvilStorage" },
    { "bad-pt/cycle.pt", ERR_FORMAT, "nested too deeply" },
    { "bad-pt/dims.pt", ERR_UNSUPPORTED, "9 dimensions" },
    { "bad-pt/expanded.pt", ERR_UNSUPPORTED, "repeats elements" },
    { "bad-pt/laughs.pt", ERR_FORMAT, "nested too deeply" },
    { "bad-pt/missing-storage.pt", ERR_FORMAT, "missing" },
    { "bad-pt/name.pt", ERR_UNSUPPORTED, "zero byte" },
    { "bad-pt/negative.pt", ERR_FORMAT, "unknown way" },
    { "bad-pt/no-pickle.pt", ERR_FORMAT, "no data.pkl" },
    { "bad-pt/numel.pt", ERR_FORMAT, "unknown way" },
    { "bad-pt/quantized.pt", ERR_UNSUPPORTED, "kind that mfm does not read" },
    { "bad-pt/reach.pt", ERR_FORMAT, "reaches beyond its storage" },
    { "bad-pt/shape-overflow.pt", ERR_FORMAT, "reaches beyond" },
    { "bad-pt/size.pt", ERR_FORMAT, "16 bytes, 20 are due" },
    { "bad-pt/sparse.pt", ERR_UNSUPPORTED, "_rebuild_sparse_tensor" },
    { "bad-pt/stride-overflow.pt", ERR_FORMAT, "reaches beyond" },
    { "bad-pt/tar.pt", ERR_UNSUPPORTED, "tar archive" },
    { "bad-pt/torchscript.pt", ERR_UNSUPPORTED, "TorchScript" },
    { "bad-pt/two-classes.pt", ERR_FORMAT, "two ways" },
};

START_TEST(torchfile_open_refuses)
{
    struct torchfile *tf = NULL;
    struct err err = {0};

    ck_assert_int_eq(torchfile_open(&tf, unit_data(bad[_i].file), &err),
                     bad[_i].code);
    ck_assert_msg(strstr(err.msg, bad[_i].word) && strstr(err.msg, ".pt: "),
                  "%s", err.msg);
}
END_TEST

START_TEST(safetensors_and_npy_of_the_same_set)
{
    struct safetensors st = {0};
    const struct stored *t;
    struct npy a;
    float f[6];

    ck_assert(!safetensors_open(&st, unit_data("model_files/tiny.safetensors"),
                                NULL));
    ck_assert_uint_eq(st.n, 5);
    ck_assert_str_eq(safetensors_meta(&st, "format"), "pt");
    t = safetensors_find(&st, "w");
    ck_assert(t->ndim == 2 && t->dim[0] == 2 && t->dim[1] == 3);
    ck_assert(!stored_floats(t, f, NULL));
    for (int i = 0; i < 6; i++)
        ck_assert(f[i] == (float)i);
    ck_assert(!stored_floats(safetensors_find(&st, "n"), f, NULL));
    ck_assert(f[0] == 7);
    safetensors_release(&st);
    ck_assert(!npy_read(&a, unit_data("model_files/f4.npy"), NULL));
    ck_assert_int_eq(a.type, 'f');
    npy_release(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_torchfile");
    TCase *t = tcase_create("torchfile");
    int n = (int)ARRAY_LEN(files);

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, torchfile_reads_what_torch_wrote, 0, n);
    tcase_add_test(t, torchfile_load_transposed);
    tcase_add_loop_test(t, torchfile_write_reads_back, 0, n);
    tcase_add_loop_test(t, torchfile_parse_survives_damage, 0, n);
    tcase_add_test(t, torchfile_refuses_by_name);
    tcase_add_loop_test(t, torchfile_open_refuses, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(t, safetensors_and_npy_of_the_same_set);
    suite_add_tcase(s, t);
    return unit_run(s);
}
