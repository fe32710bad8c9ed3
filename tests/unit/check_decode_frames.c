/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "decode/frames.h"

START_TEST(frames_used_ends_with_the_song)
{
    struct frames f = { 10, 2.5, 4 };

    ck_assert_uint_eq(frames_used(&f), 10);
    ck_assert_double_eq(frames_time(&f, 9), 3.6);
    ck_assert_double_eq(frames_time(&f, 10), 4);
    f.duration = 100; /* the last frame lasts to the end */
    ck_assert_uint_eq(frames_used(&f), 10);
    ck_assert_double_eq(frames_time(&f, 10), 100);
    f.duration = 3.61; /* frame 9 begins just before */
    ck_assert_uint_eq(frames_used(&f), 10);
    f.duration = 3.6;
    ck_assert_uint_eq(frames_used(&f), 9);
    ck_assert_double_eq(frames_time(&f, 9), 3.6);
    f.duration = 0;
    ck_assert_uint_eq(frames_used(&f), 0);
    f.duration = 1e300;
    f.rate = 1e300;
    ck_assert_uint_eq(frames_used(&f), 10);
}
END_TEST

/* No frame begins at the end, whatever the rounding of rate and duration. */
START_TEST(frames_used_leaves_no_empty_frame)
{
    for (int n = 1; n < 300; n++)
        for (int d = 1; d < 20; d++) {
            struct frames f = { 1000, 1 + d / 7.0, 0 };

            f.duration = n / f.rate;
            ck_assert_uint_eq(frames_used(&f), (size_t)n);
        }
}
END_TEST

START_TEST(frames_check_refuses)
{
    float p[6] = { 0, 1, 0, 0, 1, NAN };
    struct frames f = { 2, 5, 1 };
    struct err err = {0};

    ck_assert_int_eq(frames_check(&f, p, 2, "x", &err), 0);
    ck_assert_int_eq(frames_check(&f, p, 3, "x", &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "x: a probability of frame 1"));
    ck_assert_int_eq(frames_check(&f, p, 0, "x", &err), ERR_ARG);
    f.rate = 0;
    ck_assert_int_eq(frames_check(&f, p, 2, "x", &err), ERR_ARG);
    f.rate = 5;
    f.duration = -1;
    ck_assert_int_eq(frames_check(&f, p, 2, "x", &err), ERR_ARG);
    f.duration = NAN;
    ck_assert_int_eq(frames_check(&f, p, 2, "x", &err), ERR_ARG);
}
END_TEST

START_TEST(frames_mean_of_a_column)
{
    float p[6] = { 1, 10, 2, 20, 6, 60 };

    ck_assert_double_eq(frames_mean(p, 2, 1, 0, 3), 30);
    ck_assert_double_eq(frames_mean(p, 2, 0, 1, 3), 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_frames");
    TCase *t = tcase_create("frames");

    tcase_add_test(t, frames_used_ends_with_the_song);
    tcase_add_test(t, frames_used_leaves_no_empty_frame);
    tcase_add_test(t, frames_check_refuses);
    tcase_add_test(t, frames_mean_of_a_column);
    suite_add_tcase(s, t);
    return unit_run(s);
}
