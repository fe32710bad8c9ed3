/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "folder.h"
#include "unit.h"

#include <stdint.h>
#include <string.h>

#include "base/file.h"
#include "cmd/click.h"

/* A second of x at 8 kHz from start 10 s on, with two beats. */
static void write_wav(float x, struct strbuf *wav)
{
    struct beats beats = {0};
    struct click *c;

    beats_append(&beats, 10.25, 2, 1);
    beats_append(&beats, 10.5, 1, 1);
    ck_assert(!click_new(&c, 8000, NULL));
    for (int i = 0; i < 8000; i++)
        ck_assert(!click_push(c, &x, 1, NULL));
    ck_assert(!click_write(c, "out.wav", 0, &beats, 10, NULL));
    click_free(c);
    beats_release(&beats);
    ck_assert(!file_read(wav, "out.wav", 100000, NULL));
    ck_assert_uint_gt(wav->len, 16000);
}

/* Sample i of the last 8000. */
static int sample(const struct strbuf *wav, int i)
{
    const unsigned char *p = (const unsigned char *)wav->s + wav->len - 16000;

    return (int16_t)(p[2 * i] | p[2 * i + 1] << 8);
}

/* Changes of sign in n samples from i on. */
static int crossings(const struct strbuf *wav, int i, int n)
{
    int count = 0;

    for (int k = i + 1; k < i + n; k++)
        count += (sample(wav, k) < 0) != (sample(wav, k - 1) < 0);
    return count;
}

START_TEST(click_write_beats)
{
    struct strbuf wav = STRBUF_INIT;
    uint32_t riff, data;

    write_wav(0, &wav);
    memcpy(&riff, wav.s + 4, 4); /* little-endian, as the tests' machines */
    memcpy(&data, wav.s + wav.len - 16004, 4);
    ck_assert_uint_eq(riff, wav.len - 8);
    ck_assert_uint_eq(data, 16000);
    for (int i = 0; i < 8000; i++)
        if (i <= 2000 || (i >= 2240 && i <= 4000) || i >= 4240)
            ck_assert_int_eq(sample(&wav, i), 0);
    /* 20 ms of 1 kHz, of 2 kHz */
    ck_assert_int_ge(crossings(&wav, 2000, 160), 38);
    ck_assert_int_le(crossings(&wav, 2000, 160), 42);
    ck_assert_int_ge(crossings(&wav, 4000, 160), 76);
    strbuf_release(&wav);
}
END_TEST

START_TEST(click_write_sound)
{
    struct strbuf wav = STRBUF_INIT;

    write_wav(0.5f, &wav);
    ck_assert_int_eq(sample(&wav, 0), 8192);
    strbuf_reset(&wav);
    write_wav(-3, &wav); /* its own file is replaced */
    ck_assert_int_eq(sample(&wav, 0), -32767);
    strbuf_release(&wav);
}
END_TEST

START_TEST(click_write_refuses)
{
    struct beats beats = {0};
    struct click *c;
    struct err err = {0};
    FILE *f = fopen("theirs.wav", "wb");
    float x = 0;

    ck_assert_ptr_nonnull(f);
    fputs("RIFF", f);
    fclose(f);
    ck_assert(!click_new(&c, 8000, NULL));
    ck_assert_int_eq(click_write(c, "a.wav", 0, &beats, 0, &err), ERR_ARG);
    ck_assert(!click_push(c, &x, 1, NULL));
    ck_assert_int_eq(click_write(c, "theirs.wav", 0, &beats, 0, &err),
                     ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "--force"));
    click_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd_click");
    TCase *t = tcase_create("click");

    tcase_add_checked_fixture(t, folder_enter, folder_leave);
    tcase_add_test(t, click_write_beats);
    tcase_add_test(t, click_write_sound);
    tcase_add_test(t, click_write_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
