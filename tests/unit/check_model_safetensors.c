/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "base/file.h"
#include "base/xalloc.h"
#include "model/safetensors.h"

/* A file of that header and n bytes of data 0, 1, 2... */
static void make(struct strbuf *out, const char *header, size_t n)
{
    size_t len = strlen(header);

    for (int i = 0; i < 8; i++)
        strbuf_addch(out, (char)((uint64_t)len >> 8 * i));
    strbuf_addstr(out, header);
    for (size_t i = 0; i < n; i++)
        strbuf_addch(out, (char)i);
}

#define W(shape, from, to)                                             \
    "{\"w\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" \
    from "," to "]}}"

static const struct bad {
    const char *header;
    size_t n;
    int code;
    const char *word;
} bad[] = {
    { "", 0, ERR_FORMAT, "not valid JSON" },
    { "[]", 0, ERR_FORMAT, "no object" },
    { "{\"w\":3}", 0, ERR_FORMAT, "\"w\": no dtype" },
    { "{\"w\":{\"dtype\":\"F31\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
      ERR_FORMAT, "F31" },
    { "{\"w\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, ERR_FORMAT,
      "no shape" },
    { "{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, ERR_FORMAT,
      "data_offsets" },
    { W("[1,1,1,1,1,1,1,1,1]", "0", "4"), 4, ERR_UNSUPPORTED, "dimensions" },
    { W("[2]", "0", "8"), 9, ERR_FORMAT, "end at byte 8 of 9" },
    { W("[2]", "0", "8"), 7, ERR_FORMAT, "7 bytes of data" },
    { W("[2]", "4", "12"), 12, ERR_FORMAT, "hole" },
    { W("[2]", "8", "0"), 8, ERR_FORMAT, "in order" },
    { W("[3]", "0", "8"), 8, ERR_FORMAT, "needs 12 bytes of F32" },
    { W("[-1]", "0", "8"), 8, ERR_FORMAT, "whole number" },
    { W("[1.5]", "0", "8"), 8, ERR_FORMAT, "whole number" },
    { W("[\"2\"]", "0", "8"), 8, ERR_FORMAT, "whole number" },
    { W("[4503599627370496,4503599627370496]", "0", "8"), 8, ERR_FORMAT,
      "too large" },
    { W("[2305843009213693952]", "0", "8"), 8, ERR_FORMAT, "" },
    { "{\"w\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1,
      ERR_FORMAT, "F4" },
    { "{\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
      "\"v\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2,
      ERR_FORMAT, "overlap" },
    { "{\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
      "\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}", 4,
      ERR_FORMAT, "twice" },
    { "{\"__metadata__\":{\"a\":1}}", 0, ERR_FORMAT, "not a string" },
    { "{\"__metadata__\":[]}", 0, ERR_FORMAT, "__metadata__" },
    { "{\"\xff\":1}", 0, ERR_FORMAT, "UTF-8" },
};

START_TEST(safetensors_parse_refuses)
{
    struct strbuf sb = STRBUF_INIT;
    struct safetensors st = {0};
    struct err err = {0};

    make(&sb, bad[_i].header, bad[_i].n);
    ck_assert_int_eq(safetensors_parse(&st, sb.s, sb.len, "x", &err),
                     bad[_i].code);
    ck_assert_msg(strstr(err.msg, "x: ") && strstr(err.msg, bad[_i].word),
                  "%s", err.msg);
    ck_assert(!st.tensor && !st.n);
    strbuf_release(&sb);
}
END_TEST

START_TEST(safetensors_parse_refuses_lengths)
{
    static const unsigned char sizes[][8] = {
        { 3 }, { 255, 255, 255, 255, 255, 255, 255, 255 },
        { 0, 0xe2, 0xf5, 5, 1 } };
    struct safetensors st = {0};
    char data[10] = "........{}";

    for (size_t n = 0; n < 8; n++)
        ck_assert(safetensors_parse(&st, data, n, "x", NULL) == ERR_FORMAT);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        memcpy(data, sizes[i], 8);
        ck_assert(safetensors_parse(&st, data, 10, "x", NULL) == ERR_FORMAT);
    }
    memcpy(data, (unsigned char[8]){ 2 }, 8);
    ck_assert(!safetensors_parse(&st, data, 10, "x", NULL));
    safetensors_release(&st);
}
END_TEST

START_TEST(safetensors_parse_white_space_scalar_empty)
{
    struct strbuf sb = STRBUF_INIT;
    struct safetensors st = {0};
    struct err err = {0};
    float f;

    make(&sb, " \n{\"s\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}"
         ",\"e\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[1,1]},"
         "\"x\":{\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[1,3]}}\t ",
         3);
    ck_assert_msg(!safetensors_parse(&st, sb.s, sb.len, "x", &err), "%s",
                  err.msg);
    ck_assert_int_eq(safetensors_find(&st, "s")->ndim, 0);
    ck_assert_int_eq(stored_bytes(safetensors_find(&st, "e")), 0);
    ck_assert(!stored_floats(safetensors_find(&st, "x"), &f, NULL));
    ck_assert(f == 0x0201);
    ck_assert_ptr_null(safetensors_find(&st, "y"));
    safetensors_release(&st);
    strbuf_release(&sb);
}
END_TEST

/* What the reference writer makes of the same tensors (safetensors 0.8.0,
 * its Python torch interface), byte for byte. */
START_TEST(safetensors_create_as_the_reference)
{
    static const char want[] =
        "{\"__metadata__\":{\"k\":\"v\\n\"},"
        "\"c\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,16]},"
        "\"d\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[16,20]},"
        "\"a\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[20,26]}}";
    struct stored t[4] = {
        { .name = (char *)"a", .type = STORED_BF16, .ndim = 1, .dim = { 3 } },
        { .name = (char *)"b", .type = STORED_F32, .ndim = 2,
          .dim = { 1, 2 } },
        { .name = (char *)"c", .type = STORED_I64 },
        { .name = (char *)"d", .type = STORED_F32, .ndim = 1, .dim = { 1 } }
    };
    struct safetensors_meta meta = { (char *)"k", (char *)"v\n" };
    const char path[] = "check_model_safetensors.tmp";
    struct safetensors_out out = {0};
    struct safetensors st = {0};
    struct strbuf sb = STRBUF_INIT;
    struct err err = {0};

    ck_assert(!safetensors_create(&out, path, t, 4, &meta, 1, &err));
    for (size_t i = 0; i < 4; i++)
        safetensors_put(&out, "\0\0\0\0\0\0\0",
                        (size_t)stored_bytes(out.tensor[i]));
    ck_assert_msg(!safetensors_commit(&out, &err), "%s", err.msg);
    safetensors_abort(&out);
    ck_assert(!file_read(&sb, path, 4096, &err));
    ck_assert_int_eq((unsigned char)sb.s[0] % 8, 0);
    ck_assert(!strncmp(sb.s + 8, want, strlen(want)));
    ck_assert_uint_eq(sb.len, 8 + (unsigned char)sb.s[0] + 256u *
                      (unsigned char)sb.s[1] + 26);
    ck_assert_msg(!safetensors_open(&st, path, &err), "%s", err.msg);
    ck_assert_str_eq(safetensors_meta(&st, "k"), "v\n");
    safetensors_release(&st);
    strbuf_release(&sb);
    unlink(path);
}
END_TEST

START_TEST(safetensors_create_refuses)
{
    struct stored t[2] = { { .name = (char *)"a", .type = STORED_F32 },
                           { .name = (char *)"a", .type = STORED_I64 } };
    struct safetensors_out out = {0};
    struct err err = {0};

    ck_assert_int_eq(safetensors_create(&out, "never", t, 2, NULL, 0, &err),
                     ERR_ARG);
    ck_assert(!safetensors_create(&out, "never", t, 1, NULL, 0, &err));
    safetensors_put(&out, "abc", 3);
    ck_assert_int_eq(safetensors_commit(&out, &err), ERR_ARG);
    safetensors_abort(&out);
    ck_assert(access("never", F_OK) != 0);
}
END_TEST

static void put_to_strbuf(void *ctx, const void *data, size_t n)
{
    strbuf_add(ctx, data, n);
}

/* Rounding to BF16: to nearest, ties to even, NaN stays NaN. */
START_TEST(stored_emit_bf16)
{
    static const uint32_t in[] = { 0x3f800000, 0x3f808000, 0x3f818000,
                                   0x3f808001, 0x7f7fffff, 0x7f800001,
                                   0xff800000, 0x80000000 };
    static const uint16_t want[] = { 0x3f80, 0x3f80, 0x3f82, 0x3f81, 0x7f80,
                                     0x7fc0, 0xff80, 0x8000 };
    struct stored t = { .type = STORED_F32, .ndim = 1, .dim = { 8 },
                        .stride = { 1 },
                        .data = (const unsigned char *)in };
    struct strbuf sb = STRBUF_INIT;

    stored_emit(&t, STORED_BF16, put_to_strbuf, &sb);
    ck_assert_uint_eq(sb.len, sizeof(want));
    ck_assert(!memcmp(sb.s, want, sizeof(want)));
    strbuf_release(&sb);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_safetensors");
    TCase *t = tcase_create("safetensors");

    tcase_add_loop_test(t, safetensors_parse_refuses, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(t, safetensors_parse_refuses_lengths);
    tcase_add_test(t, safetensors_parse_white_space_scalar_empty);
    tcase_add_test(t, safetensors_create_as_the_reference);
    tcase_add_test(t, safetensors_create_refuses);
    tcase_add_test(t, stored_emit_bf16);
    suite_add_tcase(s, t);
    return unit_run(s);
}
