/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mel frames made on the device against those of mel.h: 1e-3 dB where a band is
 * within 60 dB of its frame's peak (f32 spectra of the two differ below that),
 * as many frames, however the samples are cut. */
#include "parity.h"

#include "mel/meldevice.h"

enum { BANDS = 20 };

static const struct mel_config config = { 24000, 256, 60, BANDS, 0, 12000 };

/* A falling tone and noise. */
static float *sound(size_t n)
{
    float *x = malloc((n + 1) * sizeof(*x));
    uint32_t seed = 7;

    for (size_t i = 0; i < n; i++)
        x[i] = 0.3f * sinf(0.3f * (float)i / (1 + (float)i / 8000)) +
               0.01f * noise(&seed);
    return x;
}

/* All frames, through pushes of chunk samples; returns how many. */
static size_t on_device(float *out, const float *x, size_t n, size_t chunk,
                        float mean, float scale)
{
    const struct tensor *y = NULL;
    struct mel_device *m = NULL;
    size_t at = 0, done = 0;

    OK(mel_device_new(&m, &config, mean, scale, two[CUDA], &err));
    for (;;) {
        size_t some = n - at < chunk ? n - at : chunk;

        OK(mel_device_push(m, x + at, some, &y, &err));
        OK(tensor_download(out + done * BANDS, y, &err));
        done += (size_t)y->dim[0];
        at += some;
        if (!some)
            break;
    }
    mel_device_free(m);
    return done;
}

static const size_t lengths[] = { 1, 59, 60, 100, 128, 129, 1000, 40000 };

START_TEST(frames_as_on_the_host)
{
    size_t n = lengths[_i], frames = n / 60;
    float *x = sound(n), *want = malloc((frames + 1) * BANDS * sizeof(*want));
    float *got = malloc((frames + 20) * BANDS * sizeof(*got));
    struct mel *m = NULL;

    OK(mel_new(&m, &config, &err));
    mel_clip(m, x, n, want);
    mel_free(m);
    ck_assert_int_eq(on_device(got, x, n, 7777, 2, 0.5f), frames);
    for (size_t t = 0; t < frames; t++) {
        float peak = -100;

        for (int b = 0; b < BANDS; b++)
            peak = fmaxf(peak, want[t * BANDS + b]);
        for (int b = 0; b < BANDS; b++) {
            float v = want[t * BANDS + b], g = got[t * BANDS + b] * 2 + 2;

            ck_assert_msg(fabsf(g - v) < (v > peak - 60 ? 1e-3f : 0.1f),
                          "frame %d band %d: %g, not %g", (int)t, b,
                          (double)g, (double)v);
        }
    }
    free(x);
    free(want);
    free(got);
}
END_TEST

START_TEST(chunks_do_not_show)
{
    enum { N = 3001 };
    float *x = sound(N), a[50 * BANDS], b[70 * BANDS];

    ck_assert_int_eq(on_device(a, x, N, N, 0, 1), 50);
    ck_assert_int_eq(on_device(b, x, N, 13, 0, 1), 50);
    /* cuFFT takes other kernels for other numbers of frames */
    for (int i = 0; i < 50 * BANDS; i++)
        ck_assert_msg(fabsf(a[i] - b[i]) < 1e-3f, "%d: %g and %g", i,
                      (double)a[i], (double)b[i]);
    free(x);
}
END_TEST

START_TEST(silence)
{
    static const float x[1200];
    float a[30 * BANDS];

    ck_assert_int_eq(on_device(a, x, 1200, 1200, 0, 1), 20);
    for (int i = 0; i < 20 * BANDS; i++)
        ck_assert(a[i] == -100.0f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parity_mel");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, frames_as_on_the_host, 0, 8);
    tcase_add_test(tc, chunks_do_not_show);
    tcase_add_test(tc, silence);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
