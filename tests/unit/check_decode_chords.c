/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "decode/chords.h"

enum { C = 3, T = 7 };

static const char *const names[] = { "A", "B", "N" };
static const struct classes three = { names, C };

static double path_score(const float *p, const int *path, double stay)
{
    double s = log(1.0 / C) + log(p[path[0]]);

    for (int t = 1; t < T; t++)
        s += log(path[t] == path[t - 1] ? stay : (1 - stay) / (C - 1)) +
             log(p[t * C + path[t]]);
    return s;
}

/* All 3^7 paths, the best of them spelled out. */
static void best_path(int *best, const float *p, double stay)
{
    double best_score = -INFINITY;

    for (int code = 0; code < 2187; code++) {
        int path[T], rest = code;
        double s;

        for (int t = 0; t < T; t++, rest /= C)
            path[t] = rest % C;
        s = path_score(p, path, stay);
        if (s > best_score) {
            best_score = s;
            memcpy(best, path, sizeof(path));
        }
    }
}

START_TEST(chords_decode_equals_all_paths)
{
    static const double stays[] = { 0.34, 0.6, 0.9 };
    unsigned int seed = (unsigned int)_i + 1;
    struct frames f = { T, 2, 3.7 };
    struct segments got = {0};
    float p[T * C];
    int best[T];

    for (int i = 0; i < T * C; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (float)((seed >> 9) + 1) * 0x1p-23f;
    }
    best_path(best, p, stays[_i % 3]);
    ck_assert(!chords_decode(&got, p, &f, &three, stays[_i % 3], 1, NULL));
    ck_assert_double_eq(got.v[0].start, 0);
    ck_assert_double_eq(got.v[got.n - 1].end, 3.7);
    for (size_t i = 0, t = 0; i < got.n; i++) {
        struct segment *s = &got.v[i];
        double sum = 0;
        size_t from = t;

        if (i) {
            ck_assert_double_eq(s->start, s[-1].end);
            ck_assert_str_ne(s->label, s[-1].label);
        }
        for (; t < T && (double)t / 2 < s->end; t++) {
            ck_assert_str_eq(s->label, names[best[t]]);
            sum += p[t * C + (size_t)best[t]];
        }
        ck_assert_double_eq_tol(s->confidence, sum / (double)(t - from),
                                1e-12);
    }
    segments_release(&got);
}
END_TEST

START_TEST(chords_decode_smooths)
{
    float p[] = { .8f, .1f, .1f, .3f, .6f, .1f, .8f, .1f, .1f };
    struct frames f = { 3, 8, 0.375 };
    struct segments got = {0};

    ck_assert(!chords_decode(&got, p, &f, &three, CHORDS_STAY, 1, NULL));
    ck_assert_uint_eq(got.n, 1);
    ck_assert_str_eq(got.v[0].label, "A");
    ck_assert_double_eq_tol(got.v[0].confidence, 1.9 / 3, 1e-6);
    segments_release(&got);
    ck_assert(!chords_decode(&got, p, &f, &three, 1.0 / 3, 1, NULL));
    ck_assert_uint_eq(got.n, 3);
    segments_release(&got);
}
END_TEST

START_TEST(chords_decode_edges)
{
    float p[] = { 0, 0, 0, 1, 0, 0 };
    struct frames f = { 0, 8, 10 };
    struct classes one = { names, 1 };
    struct segments got = {0};

    ck_assert(!chords_decode(&got, p, &f, &three, 0.9, 1, NULL));
    f = (struct frames){ 2, 8, 0 };
    ck_assert(!chords_decode(&got, p, &f, &three, 0.9, 1, NULL));
    ck_assert_uint_eq(got.n, 0);
    f.duration = 0.1;
    ck_assert(!chords_decode(&got, p, &f, &three, 0.9, 1, NULL));
    ck_assert_uint_eq(got.n, 1);
    ck_assert_double_eq(got.v[0].end, 0.1);
    ck_assert(!chords_decode(&got, p, &f, &one, 1, 1, NULL));
    ck_assert_uint_eq(got.n, 2);
    segments_release(&got);
    ck_assert_int_eq(chords_decode(&got, p, &f, &three, 0.2, 1, NULL), ERR_ARG);
    ck_assert_int_eq(chords_decode(&got, p, &f, &three, NAN, 1, NULL), ERR_ARG);
    p[1] = NAN;
    ck_assert_int_eq(chords_decode(&got, p, &f, &three, 0.9, 1, NULL), ERR_ARG);
}
END_TEST

static void append(struct segments *s, double start, double end,
                   const char *label)
{
    segments_append(s, start, end, label, start < 1 ? 0.5 : 0.9);
}

START_TEST(chords_snap_to_beats)
{
    struct segments s = {0};
    struct beats b = {0};

    chords_snap(&s, &b);
    for (int i = 0; i < 6; i++)
        beats_append(&b, 0.05 + 0.5 * i, 0, 1);
    append(&s, 0, 0.5, "C");
    append(&s, 0.5, 0.625, "F"); /* nothing of it is left: C goes on */
    append(&s, 0.625, 1, "C");
    append(&s, 1, 1.3, "G");
    append(&s, 1.3, 2.5, "D"); /* between beats */
    append(&s, 2.5, 2.52, "A"); /* the beat is behind the end */
    chords_snap(&s, &b);
    ck_assert_uint_eq(s.n, 3);
    ck_assert_double_eq(s.v[0].start, 0);
    ck_assert_double_eq(s.v[0].end, 1.05);
    ck_assert_double_eq_tol(s.v[0].confidence, 0.5, 1e-9);
    ck_assert_str_eq(s.v[1].label, "G");
    ck_assert_double_eq(s.v[1].end, 1.3);
    ck_assert_str_eq(s.v[2].label, "D");
    ck_assert_double_eq(s.v[2].end, 2.52);
    b.n = 0;
    chords_snap(&s, &b);
    ck_assert_uint_eq(s.n, 3);
    segments_release(&s);
    beats_release(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_chords");
    TCase *t = tcase_create("chords");

    tcase_add_loop_test(t, chords_decode_equals_all_paths, 0, 60);
    tcase_add_test(t, chords_decode_smooths);
    tcase_add_test(t, chords_decode_edges);
    tcase_add_test(t, chords_snap_to_beats);
    suite_add_tcase(s, t);
    return unit_run(s);
}
