/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <stdint.h>

#include "audio/mono.h"

START_TEST(mono_mix_kinds)
{
    /* two interleaved channels: (half scale, 0), (-full scale, -full scale) */
    uint8_t u8[4] = { 192, 128, 0, 0 };
    int16_t s16[4] = { 16384, 0, INT16_MIN, INT16_MIN };
    int32_t s32[4] = { 1 << 30, 0, INT32_MIN, INT32_MIN };
    int64_t s64[4] = { INT64_C(1) << 62, 0, INT64_MIN, INT64_MIN };
    float f32[4] = { 0.5f, 0, -1, -1 };
    double f64[4] = { 0.5, 0, -1, -1 };
    const void *data[] = { u8, s16, s32, s64, f32, f64 };
    float out[2];

    for (int k = 0; k < 6; k++) {
        struct mono_frame f = { MONO_U8 + k, 0, 2, &data[k] };

        mono_mix(&f, 0, 2, out);
        ck_assert_msg(out[0] == 0.25f && out[1] == -1, "kind %d: %g %g", k,
                      out[0], out[1]);
        mono_mix(&f, 1, 1, out);
        ck_assert(out[0] == -1);
    }
}
END_TEST

START_TEST(mono_mix_planar)
{
    float a[3] = { 1, 2, 3 }, b[3] = { 3, 6, 9 }, c[3] = { 5, 1, 0 };
    const void *data[] = { a, b, c };
    struct mono_frame f = { MONO_F32, 1, 3, data };
    float out[2];

    mono_mix(&f, 1, 2, out);
    ck_assert(out[0] == 3 && out[1] == 4);
}
END_TEST

START_TEST(mono_mix_one_channel_is_exact)
{
    int16_t x[3] = { 1, -32768, 32767 };
    const void *data[] = { x };
    struct mono_frame f = { MONO_S16, 0, 1, data };
    float out[3];

    mono_mix(&f, 0, 3, out);
    for (int i = 0; i < 3; i++)
        ck_assert(out[i] == x[i] / 32768.0f);
}
END_TEST

START_TEST(mono_mix_bounds)
{
    float x[4] = { NAN, INFINITY, 1e30f, -1e30f };
    const void *data[] = { x };
    struct mono_frame f = { MONO_F32, 0, 1, data };
    float out[4];

    mono_mix(&f, 0, 4, out);
    ck_assert(out[0] == 0 && out[1] == 0);
    ck_assert(out[2] == 1e6f && out[3] == -1e6f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("audio_mono");
    TCase *t = tcase_create("mono");

    tcase_add_test(t, mono_mix_kinds);
    tcase_add_test(t, mono_mix_planar);
    tcase_add_test(t, mono_mix_one_channel_is_exact);
    tcase_add_test(t, mono_mix_bounds);
    suite_add_tcase(s, t);
    return unit_run(s);
}
