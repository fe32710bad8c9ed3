/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "mel/stft.h"

enum { FFT = 16, BINS = FFT / 2 + 1, MAX = 200 };

/* Sample i of x (n) with the padding, straight from its description. */
static double padded(const float *x, int n, int i, enum stft_pad pad)
{
    if (pad == STFT_ZERO)
        return i < 0 || i >= n ? 0 : x[i];
    while (i < 0 || i >= n) {
        if (n == 1)
            return x[0];
        i = i < 0 ? -i : 2 * (n - 1) - i;
    }
    return x[i];
}

static double slow_power(const float *x, int n, int hop, int t, int k,
                         enum stft_pad pad)
{
    double re = 0, im = 0;

    for (int j = 0; j < FFT; j++) {
        double a = 2 * M_PI * j / FFT;
        double v = padded(x, n, t * hop + j - FFT / 2, pad) *
                   (0.5 - 0.5 * cos(a));

        re += v * cos(k * a);
        im += v * sin(k * a);
    }
    return re * re + im * im;
}

static int run(struct stft *s, const float *x, int n, int chunk, float *out)
{
    int frames = 0;

    for (int at = 0; at < n; at += chunk) {
        size_t left = (size_t)(n - at < chunk ? n - at : chunk);

        for (const float *p = x + at; left;) {
            size_t took = stft_push(s, p, left);

            ck_assert(took > 0);
            p += took;
            left -= took;
            while (stft_next(s, out + frames * BINS))
                frames++;
        }
    }
    ck_assert_uint_eq(stft_finish(s), (size_t)(n ? 1 + n / 3 - frames : 0));
    while (stft_next(s, out + frames * BINS))
        frames++;
    return frames;
}

/* Every length from nothing to several buffers, both paddings, some ways of
 * cutting; 1e-5 is float rounding of values up to about 60. */
START_TEST(stft_is_the_definition)
{
    static const int chunks[] = { 1, 5, MAX };
    static float out[MAX * BINS], first[MAX * BINS];
    enum stft_pad pad = _i ? STFT_REFLECT : STFT_ZERO;
    struct stft_config config = { FFT, 3, pad };
    struct stft *s;
    float x[MAX];

    for (int i = 0; i < MAX; i++)
        x[i] = sinf((float)(i * i)) + 0.3f;
    ck_assert(!stft_new(&s, &config, NULL));
    for (int n = 0; n < MAX; n++) {
        for (int c = 0; c < 3; c++) {
            int frames = run(s, x, n, chunks[c], c ? out : first);

            ck_assert_int_eq(frames, n ? 1 + n / 3 : 0);
            ck_assert(!c || !memcmp(out, first, sizeof(*out) * BINS *
                                    (size_t)frames));
            stft_reset(s);
        }
        for (int t = 0; n && t < 1 + n / 3; t++)
            for (int k = 0; k < BINS; k++)
                ck_assert_double_eq_tol(first[t * BINS + k],
                                        slow_power(x, n, 3, t, k, pad),
                                        1e-5 * 60);
    }
    stft_free(s);
}
END_TEST

START_TEST(stft_new_refuses)
{
    struct stft_config bad[] = { { 1000, 100, STFT_ZERO },
                                 { 1024, 0, STFT_ZERO },
                                 { 1024, 512, STFT_ZERO } };
    struct stft *s = NULL;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(stft_new(&s, &bad[i], NULL), ERR_ARG);
    ck_assert_ptr_null(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mel_stft");
    TCase *t = tcase_create("stft");

    tcase_add_loop_test(t, stft_is_the_definition, 0, 2);
    tcase_add_test(t, stft_new_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
