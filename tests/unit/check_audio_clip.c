/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "audio/clip.h"
#include "tree.h"

static struct tree tree;

static void setup(void)
{
    tree_make(&tree);
}

static void teardown(void)
{
    tree_remove(&tree);
}

START_TEST(clip_read_keeps_16_bits)
{
    enum { N = 70001 };
    static int16_t x[N];
    static float back[N];
    struct decode_source src = {0};
    struct clip c;
    struct err err = {0};

    for (uint32_t i = 0; i < N; i++)
        x[i] = (int16_t)(uint16_t)(i * 40503u >> 2);
    tree_wav16(&tree, "a.wav", x, N, 24000);
    src.path = tree_path(&tree, "a.wav");
    ck_assert_msg(!clip_read(&c, &src, 24000, &err), "%s", err.msg);
    ck_assert_uint_eq(c.n, N);
    ck_assert_mem_eq(c.x, x, sizeof(x));
    clip_floats(back, c.x, N);
    for (int i = 0; i < N; i++)
        ck_assert(back[i] * 32768 == x[i]);
    clip_release(&c);
    clip_release(&c);
}
END_TEST

/* Floats beyond full scale are held, others rounded to the nearest. */
START_TEST(clip_read_rounds_and_holds)
{
    static const float x[] = { 2, -2, 1, -1, 0.4999f / 32768, 0.51f / 32768,
                               -1.4f / 32768, -1.6f / 32768 };
    static const int16_t want[] = { 32767, -32768, 32767, -32768, 0, 1, -1,
                                    -2 };
    struct decode_source src = { .raw = DECODE_F32LE, .raw_rate = 24000,
                                 .raw_channels = 1 };
    struct clip c;

    tree_write(&tree, "a.raw", x, sizeof(x));
    src.path = tree_path(&tree, "a.raw");
    ck_assert(!clip_read(&c, &src, 24000, NULL));
    ck_assert_uint_eq(c.n, 8);
    ck_assert_mem_eq(c.x, want, sizeof(want));
    clip_release(&c);
}
END_TEST

START_TEST(clip_read_of_memory)
{
    unsigned char wav[44 + 8000];
    struct decode_source src = { .path = "named", .memory = wav,
                                 .memory_len = sizeof(wav) };
    struct clip c;
    struct err err = {0};
    FILE *f;

    tree_wav(&tree, "a.wav");
    f = fopen(tree_path(&tree, "a.wav"), "rb");
    ck_assert_uint_eq(fread(wav, 1, sizeof(wav), f), sizeof(wav));
    fclose(f);
    ck_assert(!clip_read(&c, &src, 8000, NULL));
    ck_assert_uint_eq(c.n, 8000);
    clip_release(&c);
    src.memory_len = 20; /* cut off */
    ck_assert_int_eq(clip_read(&c, &src, 8000, &err), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "named"));
    src.memory_len = 0;
    ck_assert_int_eq(clip_read(&c, &src, 8000, &err), ERR_FORMAT);
    clip_release(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("audio_clip");
    TCase *t = tcase_create("clip");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, clip_read_keeps_16_bits);
    tcase_add_test(t, clip_read_rounds_and_holds);
    tcase_add_test(t, clip_read_of_memory);
    suite_add_tcase(s, t);
    return unit_run(s);
}
