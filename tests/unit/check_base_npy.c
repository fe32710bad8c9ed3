/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "base/npy.h"

/* Writes bytes to a temporary file, open for reading from its start. */
static FILE *file_of(const void *bytes, size_t n)
{
    FILE *f = tmpfile();

    ck_assert_ptr_nonnull(f);
    fwrite(bytes, 1, n, f);
    rewind(f);
    return f;
}

static FILE *npy_of(const char *header, const void *data, size_t bytes)
{
    unsigned char buf[4096];
    size_t len = strlen(header);

    memcpy(buf, "\x93NUMPY\1\0", 8);
    buf[8] = (unsigned char)len;
    buf[9] = (unsigned char)(len >> 8);
    memcpy(buf + 10, header, len);
    memcpy(buf + 10 + len, data, bytes);
    return file_of(buf, 10 + len + bytes);
}

START_TEST(npy_read_fortran_order)
{
    float data[6] = { 1, 4, 2, 5, 3, 6 }, *f;
    FILE *in = npy_of("{'shape': (2, 3L), 'fortran_order': True, "
                      "'descr': '<f4'}\n", data, sizeof(data));
    struct npy a;
    struct err err = {0};

    ck_assert_msg(!npy_read_stream(&a, in, "x", 0, &err), "%s", err.msg);
    ck_assert_int_eq(a.ndim, 2);
    ck_assert(!npy_floats(&a, &f, &err));
    for (int i = 0; i < 6; i++)
        ck_assert(f[i] == (float)(i + 1));
    free(f);
    npy_release(&a);
    fclose(in);
}
END_TEST

START_TEST(npy_read_big_endian)
{
    unsigned char data[4] = { 0x01, 0x02, 0xff, 0xfe };
    FILE *in = npy_of("{'descr': '>i2', 'fortran_order': False, "
                      "'shape': (2,), }\n", data, sizeof(data));
    struct npy a;
    float *f;

    ck_assert(!npy_read_stream(&a, in, "x", 0, NULL));
    ck_assert(!npy_floats(&a, &f, NULL));
    ck_assert(f[0] == 258 && f[1] == -2);
    free(f);
    npy_release(&a);
    fclose(in);
}
END_TEST

START_TEST(npy_read_half)
{
    uint16_t data[5] = { 0x3c00, 0xc000, 0x0001, 0x7c00, 0x3555 };
    FILE *in = npy_of("{'descr': '<f2', 'fortran_order': False, "
                      "'shape': (5,), }\n", data, sizeof(data));
    struct npy a;
    float *f;

    ck_assert(!npy_read_stream(&a, in, "x", 0, NULL));
    ck_assert(!npy_floats(&a, &f, NULL));
    ck_assert(f[0] == 1 && f[1] == -2 && f[2] == 0x1p-24f);
    ck_assert(f[3] > 1e38f && f[4] == 0x1.554p-2f);
    free(f);
    npy_release(&a);
    fclose(in);
}
END_TEST

static const struct bad {
    const char *header;
    int code;
} bad[] = {
    { "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
      ERR_UNSUPPORTED },
    { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
      ERR_UNSUPPORTED },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (5,)}", ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, "
      "'shape': (281474976710656, 281474976710656)}", ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False}", ERR_FORMAT },
    { "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, "
      "'shape': ()}", ERR_FORMAT },
    { "{'descr': '<f3', 'fortran_order': False, 'shape': ()}",
      ERR_UNSUPPORTED },
    { "{'descr': '<f4', 'fortran_order': Maybe, 'shape': ()}", ERR_FORMAT },
    { "['descr']", ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
      ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967297,)}",
      ERR_FORMAT }, /* more than the limit */
    { "", ERR_FORMAT },
};

START_TEST(npy_read_refuses_bad_headers)
{
    float data[4] = {0};
    FILE *in = npy_of(bad[_i].header, data, sizeof(data));
    struct npy a;
    struct err err = {0};

    ck_assert_int_eq(npy_read_stream(&a, in, "x", 0, &err), bad[_i].code);
    ck_assert_ptr_null(a.data);
    ck_assert_ptr_nonnull(strstr(err.msg, "x:"));
    fclose(in);
}
END_TEST

START_TEST(npy_write_header_reads_back)
{
    int64_t shape[2] = { 2, 1 };
    float data[2] = { 1.5f, -3 };
    struct npy a;
    FILE *f = tmpfile();

    npy_write_header(f, "<f4", shape, 2);
    ck_assert_int_eq(ftell(f) % 64, 0);
    fwrite(data, 4, 2, f);
    rewind(f);
    ck_assert(!npy_read_stream(&a, f, "x", 0, NULL));
    ck_assert(a.ndim == 2 && a.dim[0] == 2 && a.dim[1] == 1);
    ck_assert(!memcmp(a.data, data, sizeof(data)));
    npy_release(&a);
    fclose(f);
}
END_TEST

/* Text as one to four bytes of UTF-8, and bytes as they are. */
START_TEST(npy_strings_reads)
{
    static const uint32_t text[6] = { 'a', 0xfc, 0, 0x20ac, 0x1f3b5, 0 };
    FILE *in = npy_of("{'descr': '<U3', 'fortran_order': False, "
                      "'shape': (2,), }\n", text, sizeof(text));
    struct npy a;
    struct err err = {0};
    char **v;

    ck_assert(!npy_read_stream(&a, in, "x", 0, &err));
    ck_assert_msg(!npy_strings(&a, &v, "x", &err), "%s", err.msg);
    ck_assert_str_eq(v[0], "a\xc3\xbc");
    ck_assert_str_eq(v[1], "\xe2\x82\xac\xf0\x9f\x8e\xb5");
    free(v[0]);
    free(v[1]);
    free(v);
    npy_release(&a);
    fclose(in);
    in = npy_of("{'descr': '|S2', 'fortran_order': False, 'shape': (2,), }\n",
                "abc\0", 4);
    ck_assert(!npy_read_stream(&a, in, "x", 0, &err));
    ck_assert(!npy_strings(&a, &v, "x", &err));
    ck_assert_str_eq(v[0], "ab");
    ck_assert_str_eq(v[1], "c");
    free(v[0]);
    free(v[1]);
    free(v);
    npy_release(&a);
    fclose(in);
}
END_TEST

START_TEST(npy_strings_refuses)
{
    static const uint32_t wrong[3] = { 'a', 0xd800, 0x110000 };
    struct npy a;
    struct err err = {0};
    char **v;

    for (int i = 1; i < 3; i++) {
        uint32_t text[2] = { 'a', wrong[i] };
        FILE *in = npy_of("{'descr': '<U1', 'fortran_order': False, "
                          "'shape': (2,), }\n", text, sizeof(text));

        ck_assert(!npy_read_stream(&a, in, "x", 0, &err));
        ck_assert_int_eq(npy_strings(&a, &v, "x", &err), ERR_FORMAT);
        a.type = 'f';
        ck_assert_int_eq(npy_strings(&a, &v, "x", &err), ERR_UNSUPPORTED);
        npy_release(&a);
        fclose(in);
    }
}
END_TEST

/* Text of no length takes no bytes: the file does not bound the count. */
START_TEST(npy_strings_without_length)
{
    FILE *in = npy_of("{'descr': '<U0', 'fortran_order': False, "
                      "'shape': (67108864,), }\n", "", 0);
    struct npy a;
    struct err err = {0};
    float *f;
    char **v;

    ck_assert_msg(!npy_read_stream(&a, in, "x", 0, &err), "%s", err.msg);
    ck_assert_int_eq(npy_strings(&a, &v, "x", &err), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "4194304 strings"));
    a.count = INT64_MAX / 16; /* no memory is asked for */
    ck_assert_int_eq(npy_floats(&a, &f, &err), ERR_UNSUPPORTED);
    npy_release(&a);
    fclose(in);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_npy");
    TCase *t = tcase_create("npy");

    tcase_add_test(t, npy_read_fortran_order);
    tcase_add_test(t, npy_read_big_endian);
    tcase_add_test(t, npy_read_half);
    tcase_add_loop_test(t, npy_read_refuses_bad_headers, 0,
                        sizeof(bad) / sizeof(*bad));
    tcase_add_test(t, npy_write_header_reads_back);
    tcase_add_test(t, npy_strings_reads);
    tcase_add_test(t, npy_strings_refuses);
    tcase_add_test(t, npy_strings_without_length);
    suite_add_tcase(s, t);
    return unit_run(s);
}
