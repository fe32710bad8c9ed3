/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against torchaudio: tests/golden_check on golden/mel. Here: chunks and
 * limits. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "mel/mel.h"

static const struct mel_config published = MEL_CONFIG_INIT;
enum { BANDS = 128 };

/* The result of pushing chunk samples at a time; the caller frees. */
static float *frames_of(const struct mel_config *config, const float *x,
                        size_t n, size_t chunk, size_t *frames)
{
    struct mel *m;
    float *out;

    ck_assert(!mel_new(&m, config, NULL));
    out = malloc((n / (size_t)config->hop + mel_room(m, chunk)) * BANDS *
                 sizeof(*out));
    *frames = 0;
    for (size_t at = 0; at < n; at += chunk) {
        size_t len = n - at < chunk ? n - at : chunk;
        size_t got = mel_push(m, x + at, len, out + *frames * BANDS);

        ck_assert_uint_le(got, mel_room(m, len));
        *frames += got;
    }
    *frames += mel_finish(m, out + *frames * BANDS);
    mel_free(m);
    return out;
}

START_TEST(mel_silence_is_minus_100)
{
    static const float x[4800];
    size_t frames;
    float *out = frames_of(&published, x, 4800, 4800, &frames);

    ck_assert_uint_eq(frames, 20);
    for (size_t i = 0; i < frames * BANDS; i++)
        ck_assert(out[i] == -100);
    free(out);
}
END_TEST

/* Bit for bit, and for every length near the limits of the padding. */
START_TEST(mel_ignores_chunks)
{
    static const size_t chunks[] = { 1, 7, 240, 4096 };
    static const size_t lengths[] = { 0, 1, 239, 240, 1023, 1024, 1025, 1026,
                                      2399, 2400, 9000, 20011 };
    size_t n = lengths[_i], frames, all;
    float *x = malloc((n + 1) * sizeof(*x)), *one, *out;

    for (size_t i = 0; i < n; i++)
        x[i] = sinf((float)(i * i % 1009)) * 0.3f;
    one = frames_of(&published, x, n, n + 1, &all);
    ck_assert_uint_eq(all, n / 240);
    for (int c = 0; c < 4; c++) {
        out = frames_of(&published, x, n, chunks[c], &frames);
        ck_assert_uint_eq(frames, all);
        ck_assert(!memcmp(out, one, all * BANDS * sizeof(*out)));
        free(out);
    }
    for (size_t i = 0; i < all * BANDS; i++)
        ck_assert(isfinite(one[i]) && one[i] >= -100);
    free(one);
    free(x);
}
END_TEST

/* One object serves one recording after the other. */
START_TEST(mel_clip_again)
{
    float x[5000], a[20 * BANDS], b[20 * BANDS];
    struct mel *m;

    for (int i = 0; i < 5000; i++)
        x[i] = cosf((float)i);
    ck_assert(!mel_new(&m, &published, NULL));
    mel_clip(m, x, 5000, a);
    mel_clip(m, x, 700, b);
    mel_clip(m, x, 5000, b);
    ck_assert(!memcmp(a, b, sizeof(a)));
    mel_free(m);
}
END_TEST

START_TEST(mel_db_is_log10)
{
    float special[3] = { 0, -1, 1e-10f };

    for (double x = 1.01e-10; x < 1e12; x *= 1.0137) {
        float y = (float)x;

        mel_db(&y, 1);
        ck_assert_double_eq_tol(y, 10 * log10((double)(float)x), 2e-5);
    }
    mel_db(special, 3);
    for (int i = 0; i < 3; i++)
        ck_assert(special[i] == -100);
}
END_TEST

START_TEST(mel_power_undoes_db)
{
    float x[] = { 1e30f, -1e30f };

    for (double db = -300; db <= 300; db += 0.37) {
        float y = (float)db, want = y;

        mel_power(&y, 1);
        ck_assert_double_eq_tol(y / pow(10, want / 10.), 1, 5e-6);
    }
    mel_power(x, 2);
    ck_assert(fabs(x[0] * 1e-30 - 1) < 1e-5 && fabs(x[1] * 1e30 - 1) < 1e-5);
}
END_TEST

START_TEST(mel_new_refuses)
{
    struct mel_config bad[] = { published, published, published };
    struct mel *m = NULL;

    bad[0].hop = 1024;
    bad[1].n_fft = 2000;
    bad[2].bands = 0;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mel_new(&m, &bad[i], NULL), ERR_ARG);
    ck_assert_ptr_null(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mel_mel");
    TCase *t = tcase_create("mel");

    tcase_add_test(t, mel_silence_is_minus_100);
    tcase_add_loop_test(t, mel_ignores_chunks, 0, 12);
    tcase_add_test(t, mel_clip_again);
    tcase_add_test(t, mel_db_is_log10);
    tcase_add_test(t, mel_power_undoes_db);
    tcase_add_test(t, mel_new_refuses);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return unit_run(s);
}
