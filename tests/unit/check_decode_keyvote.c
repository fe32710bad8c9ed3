/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "decode/keyvote.h"

static const char *const names[] = { "C major", "A minor", "N" };
static const struct classes keys = { names, 3 };
static const struct frames two_frames = { 2, 0.5, 4 };

START_TEST(key_vote_takes_the_mean)
{
    /* A minor wins one frame clearly, C major the other narrowly */
    float p[6] = { .4f, .35f, .25f, .1f, .7f, .2f };
    struct key k = {0};

    ck_assert(!key_vote(&k, p, &two_frames, &keys, NULL, NULL));
    ck_assert_str_eq(k.label, "A minor");
    ck_assert_double_eq_tol(k.confidence, 0.525, 1e-6);
    key_release(&k);
}
END_TEST

START_TEST(key_vote_no_key)
{
    float p[6] = { .1f, .2f, .7f, .1f, .2f, .7f };
    struct key k = {0};
    struct frames none = { 2, 0.5, 0 };

    ck_assert(!key_vote(&k, p, &none, &keys, NULL, NULL));
    ck_assert_ptr_null(k.label);
    ck_assert(!key_vote(&k, p, &two_frames, &keys, NULL, NULL));
    ck_assert_str_eq(k.label, "N");
    p[4] = .9f;
    ck_assert(!key_vote(&k, p, &two_frames, &keys, NULL, NULL));
    ck_assert_str_eq(k.label, "A minor");
    p[0] = NAN;
    ck_assert_int_eq(key_vote(&k, p, &two_frames, &keys, NULL, NULL), ERR_ARG);
    key_release(&k);
}
END_TEST

/* The head is undecided; C F G is C major, A:min D:min E is A minor. */
START_TEST(key_vote_hears_chords)
{
    static const char *const labels[] = { "C:maj", "F:maj", "G:7", "A:min",
                                          "D:min7", "E:maj", "N", "X" };
    float p[6] = { .45f, .45f, .1f, .45f, .45f, .1f };
    float major[16] = { .9f, .1f, 0, 0, 0, 0, 0, 0, 0, .5f, .5f };
    float minor[16] = { 0, 0, 0, .9f, .1f, 0, 0, 0, 0, 0, 0, 0, .5f, .5f };
    float none[16] = { 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
    struct posterior chords = { major, { 2, 8, 0.25 }, { labels, 8 } };
    struct key k = {0};

    ck_assert(!key_vote(&k, p, &two_frames, &keys, &chords, NULL));
    ck_assert_str_eq(k.label, "C major");
    ck_assert_double_gt(k.confidence, 0.6);
    chords.prob = minor;
    ck_assert(!key_vote(&k, p, &two_frames, &keys, &chords, NULL));
    ck_assert_str_eq(k.label, "A minor");
    ck_assert_double_gt(k.confidence, 0.6);
    chords.prob = none; /* nothing is known of them */
    ck_assert(!key_vote(&k, p, &two_frames, &keys, &chords, NULL));
    ck_assert_str_eq(k.label, "C major");
    ck_assert_double_eq_tol(k.confidence, 0.5, 1e-6);
    minor[5] = NAN;
    chords.prob = minor;
    ck_assert_int_eq(key_vote(&k, p, &two_frames, &keys, &chords, NULL),
                     ERR_ARG);
    key_release(&k);
}
END_TEST

/* A:min and C:maj say nothing; the song is in the key that it begins in. */
START_TEST(key_vote_hears_the_first)
{
    static const char *const labels[] = { "C:maj", "A:min", "N" };
    float p[6] = { .45f, .45f, .1f, .45f, .45f, .1f };
    float silence_first[12] = { 0, .1f, .9f, 0, 1, 0, 1, 0, 0, 0, 0, 1 };
    struct posterior chords = { silence_first, { 4, 0.5, 8 }, { labels, 3 } };
    struct key k = {0};

    ck_assert(!key_vote(&k, p, &two_frames, &keys, &chords, NULL));
    ck_assert_str_eq(k.label, "A minor");
    silence_first[3] = 1;
    silence_first[4] = 0;
    silence_first[6] = 0;
    silence_first[7] = 1;
    ck_assert(!key_vote(&k, p, &two_frames, &keys, &chords, NULL));
    ck_assert_str_eq(k.label, "C major");
    key_release(&k);
}
END_TEST

START_TEST(key_over_time_segments)
{
    float p[6] = { .999f, .0005f, .0005f, .0005f, .999f, .0005f };
    struct segments s = {0};

    ck_assert(!key_over_time(&s, p, &two_frames, &keys, NULL));
    ck_assert_uint_eq(s.n, 2);
    ck_assert_str_eq(s.v[1].label, "A minor");
    ck_assert_double_eq(s.v[1].start, 2);
    ck_assert_double_eq(s.v[1].end, 4);
    segments_release(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_keyvote");
    TCase *t = tcase_create("keyvote");

    tcase_add_test(t, key_vote_takes_the_mean);
    tcase_add_test(t, key_vote_no_key);
    tcase_add_test(t, key_vote_hears_chords);
    tcase_add_test(t, key_vote_hears_the_first);
    tcase_add_test(t, key_over_time_segments);
    suite_add_tcase(s, t);
    return unit_run(s);
}
