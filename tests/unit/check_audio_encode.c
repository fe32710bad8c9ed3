/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "audio/clip.h"
#include "audio/encode.h"

/* Lengths about FFmpeg's frames of FLAC (2304 at 24 kHz, 4608 and so on) and
 * the least. */
START_TEST(encode_flac_and_back)
{
    static const size_t lengths[] = { 1, 2, 2304, 2305, 4608, 9215, 100003 };
    size_t n = lengths[_i];
    int16_t *x = calloc(n, sizeof(*x));
    struct strbuf sb = STRBUF_INIT;
    struct err err = {0};
    struct clip c;

    for (size_t i = 0; i < n; i++)
        x[i] = (int16_t)(uint16_t)((uint32_t)i * 2654435761u >> 16);
    strbuf_addstr(&sb, "before");
    ck_assert_msg(!encode_flac(&sb, x, n, 24000, &err), "%s", err.msg);
    ck_assert(!memcmp(sb.s, "beforefLaC", 10));
    ck_assert_msg(!clip_read(&c, &(struct decode_source){
        .path = "x", .memory = sb.s + 6, .memory_len = sb.len - 6
    }, 24000, &err), "%s", err.msg);
    ck_assert_uint_eq(c.n, n);
    ck_assert_mem_eq(c.x, x, n * sizeof(*x));
    clip_release(&c);
    strbuf_release(&sb);
    free(x);
}
END_TEST

/* Music-like samples take less room than 16 bits. */
START_TEST(encode_flac_is_smaller)
{
    enum { N = 48000 };
    static int16_t x[N];
    struct strbuf sb = STRBUF_INIT;

    for (int i = 0; i < N; i++)
        x[i] = (int16_t)(abs(i % 400 - 200) * 100);
    ck_assert(!encode_flac(&sb, x, N, 24000, NULL));
    ck_assert_uint_lt(sb.len, N);
    strbuf_release(&sb);
}
END_TEST

START_TEST(encode_flac_refuses_rates)
{
    const int16_t x[4] = { 0 };
    struct strbuf sb = STRBUF_INIT;
    struct err err = {0};

    ck_assert_int_eq(encode_flac(&sb, x, 4, 0, &err), ERR_ARG);
    ck_assert_str_ne(err.msg, "");
    strbuf_release(&sb);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("audio_encode");
    TCase *t = tcase_create("encode");

    tcase_add_loop_test(t, encode_flac_and_back, 0, 7);
    tcase_add_test(t, encode_flac_is_smaller);
    tcase_add_test(t, encode_flac_refuses_rates);
    suite_add_tcase(s, t);
    return unit_run(s);
}
