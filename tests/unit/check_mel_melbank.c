/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/npy.h"
#include "mel/melbank.h"

enum { BINS = 1025, BANDS = 128 };

static const struct melbank_config published = { 24000, 2048, BANDS, 0,
                                                 12000, MELBANK_HTK };

/* Row k of the bank, (bins, bands). */
static void respond(const struct melbank *m, int k, float *out)
{
    float power[BINS] = {0};

    power[k] = 1;
    melbank_apply(m, power, out);
}

/* The golden weights are float32 arithmetic on frequencies up to 12,000 Hz,
 * whose rounding (up to 5e-4 Hz) is divided by widths from 20 Hz on. */
START_TEST(melbank_golden)
{
    const char *path =
        unit_shared("fixtures/golden/mel/filterbank_1025x128.npy");
    struct melbank *m;
    struct npy want;
    float *w, row[BANDS];

    if (!path) {
        printf("skipped: no ../shared/fixtures/golden/mel\n");
        return;
    }
    ck_assert(!npy_read(&want, path, NULL));
    ck_assert(want.dim[0] == BINS && want.dim[1] == BANDS);
    ck_assert(!npy_floats(&want, &w, NULL));
    ck_assert(!melbank_new(&m, &published, NULL));
    for (int k = 0; k < BINS; k++) {
        respond(m, k, row);
        for (int b = 0; b < BANDS; b++)
            ck_assert_float_eq_tol(row[b], w[k * BANDS + b], 3e-5f);
    }
    free(w);
    npy_release(&want);
    melbank_free(m);
}
END_TEST

/* Between the first and the last peak neighbouring triangles add up to 1. */
START_TEST(melbank_partition)
{
    struct melbank *m;
    float row[BANDS];

    ck_assert(!melbank_new(&m, &published, NULL));
    for (int k = 3; k < 1000; k++) {
        float sum = 0;

        respond(m, k, row);
        for (int b = 0; b < BANDS; b++)
            sum += row[b];
        ck_assert_float_eq_tol(sum, 1, 1e-5f);
    }
    melbank_free(m);
}
END_TEST

/* Slaney's triangles have area 1 (their bins are 11.7 Hz apart, so that a sum
 * of their weights is near only for wide ones), peaks at 200/3 Hz a mel below
 * 1 kHz; against librosa: tests/golden_check on golden/features. */
START_TEST(melbank_slaney)
{
    struct melbank_config c = { 24000, 2048, 40, 0, 12000, MELBANK_SLANEY };
    struct melbank *m = NULL;
    double area[40] = {0}, peak[40] = {0};
    float row[40];
    int top[40] = {0};

    ck_assert(!melbank_new(&m, &c, NULL));
    for (int k = 0; k < BINS; k++) {
        respond(m, k, row);
        for (int b = 0; b < 40; b++) {
            area[b] += row[b] * 24000.0 / 2048;
            if (row[b] > peak[b]) {
                peak[b] = row[b];
                top[b] = k;
            }
        }
    }
    for (int b = 0; b < 40; b++)
        ck_assert_double_eq_tol(area[b], 1, 0.01);
    /* 12 kHz is 51.143 mel: band b is centred on (b + 1) * 51.143 / 41 */
    ck_assert_int_eq(top[0], 7);
    ck_assert_int_eq(top[9], 71);
    ck_assert_int_eq(top[39], 940);
    melbank_free(m);
}
END_TEST

START_TEST(melbank_new_refuses)
{
    struct melbank_config bad[] = {
        { 24000, 2048, 0, 0, 12000, 0 },   { 24000, 2048, 128, 100, 100, 0 },
        { 24000, 2048, 128, -1, 100, 0 },  { 24000, 2048, 128, 0, NAN, 0 },
        { 0, 2048, 128, 0, 12000, 0 },  { 24000, 1 << 21, 128, 0, 12000, 0 },
        { 24000, 2048, 5000, 0, 12000, 0 }
    };
    struct melbank *m = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_int_eq(melbank_new(&m, &bad[i], NULL), ERR_ARG);
    ck_assert_ptr_null(m);
}
END_TEST

/* More bands than bins, and a range in which all points round to one. */
START_TEST(melbank_degenerate)
{
    struct melbank_config c[] = { { 24000, 32, 4096, 0, 12000, 0 },
                                  { 24000, 32, 4096, 5250, 5250.0000000001,
                                    0 } };

    for (int i = 0; i < 2; i++) {
        static float out[4096];
        float power[17];
        struct melbank *m;

        for (int k = 0; k < 17; k++)
            power[k] = 1;
        ck_assert(!melbank_new(&m, &c[i], NULL));
        melbank_apply(m, power, out);
        for (int b = 0; b < 4096; b++)
            ck_assert(out[b] >= 0 && out[b] <= 2);
        melbank_free(m);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mel_melbank");
    TCase *t = tcase_create("melbank");

    tcase_add_test(t, melbank_golden);
    tcase_add_test(t, melbank_partition);
    tcase_add_test(t, melbank_slaney);
    tcase_add_test(t, melbank_new_refuses);
    tcase_add_test(t, melbank_degenerate);
    suite_add_tcase(s, t);
    return unit_run(s);
}
