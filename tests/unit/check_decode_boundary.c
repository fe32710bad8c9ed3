/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include "decode/boundary.h"

static size_t peaks(size_t *out, const float *p, size_t n, double window)
{
    struct boundary_config c;

    boundary_config_init(&c);
    ck_assert_double_eq(c.window, 6);
    c.window = window;
    return boundary_peaks(out, p, n, 5, &c);
}

START_TEST(boundary_peaks_in_a_window)
{
    /*                 0   1    2    3   4    5    6   7    8 */
    float p[9] = { .5f, 0, .29f, .4f, 0, .41f, .9f, 0, .3f };
    size_t out[9];

    ck_assert_uint_eq(peaks(out, p, 9, 0.2), 4);
    ck_assert(out[0] == 0 && out[1] == 3 && out[2] == 6 && out[3] == 8);
    ck_assert_uint_eq(peaks(out, p, 9, 0.4), 2);
    ck_assert(out[0] == 0 && out[1] == 6);
    /* 3 frames: 6 counts for 3, which 0.6 * 5 as doubles must not miss */
    ck_assert_uint_eq(peaks(out, p, 9, 0.6), 2);
    ck_assert_uint_eq(peaks(out, p, 9, 1.2), 1);
    ck_assert_uint_eq(out[0], 6);
    ck_assert_uint_eq(peaks(out, p, 9, 1e300), 1);
    ck_assert_uint_eq(peaks(out, p, 0, 6), 0);
}
END_TEST

START_TEST(boundary_peaks_first_of_equals)
{
    float flat[100];
    size_t out[100];

    for (int i = 0; i < 100; i++)
        flat[i] = 0.5f;
    ck_assert_uint_eq(peaks(out, flat, 100, 6), 1);
    ck_assert_uint_eq(out[0], 0);
    flat[40] = flat[41] = 0.7f;
    ck_assert_uint_eq(peaks(out, flat, 100, 6), 2);
    ck_assert(out[0] == 0 && out[1] == 40);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_boundary");
    TCase *t = tcase_create("boundary");

    tcase_add_test(t, boundary_peaks_in_a_window);
    tcase_add_test(t, boundary_peaks_first_of_equals);
    suite_add_tcase(s, t);
    return unit_run(s);
}
