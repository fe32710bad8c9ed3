/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "decode/section.h"

static const char *const names[] = { "verse", "chorus" };
static const struct classes two = { names, 2 };
static const float boundary[8] = { .9f, 0, 0, .5f, 0, .4f, 0, 0 };
static const float function[16] = {
    .6f, .4f, .2f, .8f, .8f, .2f, /* verse, 1.6 of 3 */
    .5f, .5f, .5f, .5f,           /* a tie: the first */
    .1f, .9f, .1f, .9f, .9f, .1f,
};

static const struct boundary_config narrow = { 0.2, 0.3 };

static int decode(struct segments *out, const struct frames *f)
{
    return section_decode(out, function, boundary, f, &two, &narrow, NULL,
                          NULL);
}

START_TEST(section_decode_labels_parts)
{
    struct frames f = { 8, 5, 1.75 };
    struct segments got = {0};

    ck_assert(!decode(&got, &f));
    ck_assert_uint_eq(got.n, 3);
    ck_assert_double_eq(got.v[0].start, 0);
    ck_assert_double_eq(got.v[1].start, 0.6);
    ck_assert_double_eq(got.v[2].start, 1);
    ck_assert_double_eq(got.v[2].end, 1.75);
    ck_assert_double_eq(got.v[0].end, got.v[1].start);
    ck_assert_str_eq(got.v[0].label, "verse");
    ck_assert_str_eq(got.v[1].label, "verse");
    ck_assert_str_eq(got.v[2].label, "chorus");
    ck_assert_double_eq_tol(got.v[0].confidence, 1.6 / 3, 1e-6);
    ck_assert_double_eq_tol(got.v[2].confidence, 1.9 / 3, 1e-6);
    segments_release(&got);
}
END_TEST

START_TEST(section_decode_boundaries_only)
{
    struct frames f = { 8, 5, 1.75 };
    struct segments got = {0};

    ck_assert(!section_decode(&got, NULL, boundary, &f, NULL, &narrow, NULL,
                              NULL));
    ck_assert_uint_eq(got.n, 3);
    ck_assert_str_eq(got.v[1].label, "");
    ck_assert(isnan(got.v[0].confidence));
    ck_assert_double_eq_tol(got.v[1].confidence, 0.5, 1e-6);
    segments_release(&got);
}
END_TEST

START_TEST(section_decode_edges)
{
    struct frames f = { 8, 5, 0 };
    struct segments got = {0};
    float bad[2] = { 0, INFINITY };

    ck_assert(!decode(&got, &f));
    f = (struct frames){ 0, 5, 3 };
    ck_assert(!decode(&got, &f));
    ck_assert_uint_eq(got.n, 0);
    /* the song ends before the second and the third part */
    f = (struct frames){ 8, 5, 0.6 };
    ck_assert(!decode(&got, &f));
    ck_assert_uint_eq(got.n, 1);
    ck_assert_double_eq(got.v[0].end, 0.6);
    segments_release(&got);
    f = (struct frames){ 2, 5, 0.6 };
    ck_assert_int_eq(section_decode(&got, NULL, bad, &f, NULL, &narrow, NULL,
                                    NULL), ERR_ARG);
}
END_TEST

/* Bars of 2 s from 0.5 s on, and a part at the 9th bar line: exactly there. */
START_TEST(section_decode_at_bars)
{
    static float heard[400 * 2], edge[200], said[200 * 2];
    struct frames f = { 200, 5, 39.9 };
    struct posterior chords = { heard, { 400, 10, 39.9 }, two };
    struct beats beats = {0};
    struct section_context context = { &beats, &chords };
    struct segments got = {0};

    for (int i = 0; i < 400; i++)
        heard[2 * i + (i >= 165)] = 1;
    for (int i = 0; i < 200; i++)
        said[2 * i + (i >= 82)] = 1;
    edge[83] = 0.9f;
    for (int i = 0; i < 30; i++)
        beats_append(&beats, 0.5 + i, 1 + i % 2, 0.9);
    ck_assert(!section_decode(&got, said, edge, &f, &two, &narrow,
                              &context, NULL));
    ck_assert_uint_eq(got.n, 2);
    ck_assert_double_eq(got.v[1].start, 16.5);
    ck_assert_double_eq(got.v[1].end, 39.9);
    ck_assert_str_eq(got.v[0].label, "verse");
    ck_assert_str_eq(got.v[1].label, "chorus");
    segments_release(&got);
    beats.n = 14; /* 7 bars: peaks, as without a context */
    ck_assert(!section_decode(&got, said, edge, &f, &two, &narrow,
                              &context, NULL));
    ck_assert_uint_eq(got.n, 2);
    ck_assert_double_eq(got.v[1].start, 16.6);
    segments_release(&got);
    beats_release(&beats);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_section");
    TCase *t = tcase_create("section");

    tcase_add_test(t, section_decode_labels_parts);
    tcase_add_test(t, section_decode_boundaries_only);
    tcase_add_test(t, section_decode_edges);
    tcase_add_test(t, section_decode_at_bars);
    suite_add_tcase(s, t);
    return unit_run(s);
}
