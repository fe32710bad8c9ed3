/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/score.h"

#include <math.h>

#include "eval/beat.h"
#include "eval/segment.h"
#include "unit.h"

enum { DOWNBEAT = EVAL_BEAT_COUNT };

/* n beats half a second apart in bars of `bar` (0: positions not known). */
static struct annotation beats(int n, int bar, int first)
{
    struct annotation l = { 0 };

    for (int i = 0; i < n; i++)
        beats_append(&l.beats, 0.5 * i, bar ? (i + first) % bar + 1 : 0, NAN);
    return l;
}

START_TEST(pair_beats)
{
    struct annotation ref = beats(40, 4, 0), same = beats(40, 4, 0);
    struct annotation shifted = beats(40, 4, 1), unknown = beats(40, 0, 0);
    struct annotation none = { 0 };
    double s[SCORE_MOST];
    struct err err = { 0 };

    ck_assert(!score_pair(s, ANNOT_BEATS, &ref, &same, 5, &err));
    ck_assert(s[EVAL_BEAT_F] == 1 && s[DOWNBEAT] == 1);
    ck_assert(!score_pair(s, ANNOT_BEATS, &ref, &shifted, 5, &err));
    ck_assert(s[EVAL_BEAT_F] == 1 && s[DOWNBEAT] == 0);
    ck_assert(!score_pair(s, ANNOT_BEATS, &ref, &unknown, 5, &err));
    ck_assert(s[EVAL_BEAT_F] == 1 && isnan(s[DOWNBEAT]));
    ck_assert(!score_pair(s, ANNOT_BEATS, &ref, &none, 5, &err));
    ck_assert(s[EVAL_BEAT_F] == 0 && s[DOWNBEAT] == 0);
    /* the other positions do not matter */
    for (size_t i = 0; i < same.beats.n; i++)
        if (same.beats.v[i].position > 1)
            same.beats.v[i].position = 3;
    ck_assert(!score_pair(s, ANNOT_BEATS, &ref, &same, 5, &err));
    ck_assert(s[DOWNBEAT] == 1);
    /* the trim applies to downbeats, too */
    beats_release(&same.beats);
    for (int i = 10; i < 40; i++)
        beats_append(&same.beats, 0.5 * i, i % 4 + 1, NAN);
    ck_assert(!score_pair(s, ANNOT_BEATS, &ref, &same, 5, &err));
    ck_assert(s[EVAL_BEAT_F] == 1 && s[DOWNBEAT] == 1);
    ck_assert(!score_pair(s, ANNOT_BEATS, &ref, &same, -INFINITY, &err));
    ck_assert(s[EVAL_BEAT_F] < 1 && s[DOWNBEAT] < 1);
    beats_append(&same.beats, 0, 1, NAN);
    ck_assert_int_eq(score_pair(s, ANNOT_BEATS, &ref, &same, 5, &err),
                     ERR_ARG);
    annotation_release(&ref);
    annotation_release(&same);
    annotation_release(&shifted);
    annotation_release(&unknown);
}
END_TEST

START_TEST(pair_spans)
{
    struct annotation ref = { 0 }, est = { 0 }, bare = { 0 };
    double s[SCORE_MOST];
    struct err err = { 0 };

    segments_append(&ref.spans, 0, 10, "C:maj", NAN);
    segments_append(&ref.spans, 10, 20, "A:min", NAN);
    segments_append(&est.spans, 0, 10, "C", NAN);
    segments_append(&est.spans, 10, 20, "A:maj", NAN);
    segments_append(&bare.spans, 0, 10, "", NAN);
    segments_append(&bare.spans, 10, 20, "", NAN);
    ck_assert(!score_pair(s, ANNOT_CHORDS, &ref, &est, 5, &err));
    ck_assert_double_eq(s[score_names[ANNOT_CHORDS].lead], 0.5);
    ck_assert_int_ne(score_pair(s, ANNOT_CHORDS, &ref, &bare, 5, &err), 0);
    ck_assert(!score_pair(s, ANNOT_STRUCTURE, &ref, &est, 5, &err));
    ck_assert(s[EVAL_SEGMENT_F05] == 1 && isnan(s[EVAL_SEGMENT_ACCURACY]) &&
              s[EVAL_SEGMENT_PAIR_F] == 1);
    /* boundaries alone: scores of labels are not defined */
    for (int side = 0; side < 2; side++) {
        ck_assert(!score_pair(s, ANNOT_STRUCTURE, side ? &bare : &ref,
                              side ? &ref : &bare, 5, &err));
        ck_assert(s[EVAL_SEGMENT_F05] == 1 &&
                  s[EVAL_SEGMENT_F3_TRIMMED] == 1 &&
                  s[EVAL_SEGMENT_EST_TO_REF] == 0);
        ck_assert(isnan(s[EVAL_SEGMENT_PAIR_P]) &&
                  isnan(s[EVAL_SEGMENT_V_F]) &&
                  isnan(s[EVAL_SEGMENT_ACCURACY]));
    }
    annotation_release(&ref);
    annotation_release(&est);
    annotation_release(&bare);
}
END_TEST

/* What annotators wrote is scored as it is, but for the frame accuracy. */
START_TEST(pair_functions)
{
    struct annotation ref = { 0 }, est = { 0 };
    double s[SCORE_MOST];
    struct err err = { 0 };

    segments_append(&ref.spans, 0, 10, "Verse 1", NAN);
    segments_append(&ref.spans, 10, 20, "prechorus", NAN);
    segments_append(&ref.spans, 20, 30, "Solo (guitar)", NAN);
    segments_append(&ref.spans, 30, 32, "end", NAN);
    segments_append(&est.spans, 0, 20, "verse", NAN);
    segments_append(&est.spans, 20, 32, "inst", NAN);
    ck_assert(!score_pair(s, ANNOT_STRUCTURE, &ref, &est, 5, &err));
    /* 150 frames of 0.2 s, 0 to 30 s, in which both agree; mir_eval's scores
     * see three labels and "end" */
    ck_assert_double_eq(s[EVAL_SEGMENT_ACCURACY], 1);
    ck_assert_double_eq_tol(s[EVAL_SEGMENT_F05], 0.75, 1e-15);
    ck_assert_double_lt(s[EVAL_SEGMENT_V_F], 1);
    annotation_release(&est);
    segments_append(&est.spans, 0, 32, "chorus", NAN);
    ck_assert(!score_pair(s, ANNOT_STRUCTURE, &ref, &est, 5, &err));
    ck_assert_double_eq(s[EVAL_SEGMENT_ACCURACY], 0);
    annotation_release(&ref);
    annotation_release(&est);
}
END_TEST

START_TEST(close_spans)
{
    struct annotation ref, est;

    annotation_init(&ref);
    annotation_init(&est);
    segments_append(&ref.spans, 0, INFINITY, "verse", NAN);
    segments_append(&est.spans, 0, INFINITY, "verse", NAN);
    est.duration = 12;
    score_close(&ref, &est);
    ck_assert(ref.spans.v[0].end == 12 && est.spans.v[0].end == 12);
    ref.spans.v[0].end = 30;
    est.spans.v[0].end = INFINITY;
    est.duration = NAN;
    score_close(&ref, &est);
    ck_assert(ref.spans.v[0].end == 30 && est.spans.v[0].end == 30);
    ref.spans.v[0].end = INFINITY;
    score_close(&ref, &est); /* nobody knows */
    ck_assert(ref.spans.n == 0 && est.spans.n == 1);
    annotation_release(&ref);
    annotation_release(&est);
}
END_TEST

START_TEST(pair_key_tempo)
{
    struct annotation ref = { 0 }, est = { 0 }, none = { 0 };
    double s[SCORE_MOST];
    struct err err = { 0 };

    key_set(&ref.key, "C major", NAN);
    key_set(&est.key, "A minor", NAN);
    ck_assert(!score_pair(s, ANNOT_KEY, &ref, &est, 5, &err));
    ck_assert(s[0] == 0.3 && s[1] == 0);
    ck_assert(!score_pair(s, ANNOT_KEY, &ref, &ref, 5, &err));
    ck_assert(s[0] == 1 && s[1] == 1);
    ck_assert(!score_pair(s, ANNOT_KEY, &ref, &none, 5, &err));
    ck_assert(s[0] == 0 && s[1] == 0);
    ck_assert_int_eq(score_pair(s, ANNOT_KEY, &none, &est, 5, &err), ERR_ARG);
    ref.tempo.bpm[0] = 60;
    ref.tempo.bpm[1] = 120;
    ref.tempo.weight = 0.25;
    est.tempo.bpm[0] = 121;
    ck_assert(!score_pair(s, ANNOT_TEMPO, &ref, &est, 5, &err));
    ck_assert(s[0] == 0.75 && s[1] == 1 && s[2] == 0);
    ck_assert_int_eq(score_pair(s, ANNOT_TAGS, &ref, &est, 5, &err), ERR_ARG);
    annotation_release(&ref);
    annotation_release(&est);
}
END_TEST

START_TEST(names_fit)
{
    for (int t = 0; t < SCORE_TASKS; t++) {
        ck_assert(score_names[t].k <= SCORE_MOST);
        ck_assert(score_names[t].lead < score_names[t].k);
    }
    /* beats: the same names as the metric's, and one more */
    ck_assert_uint_eq(score_names[ANNOT_BEATS].k, EVAL_BEAT_COUNT + 1);
    for (int i = 0; i < EVAL_BEAT_COUNT; i++)
        ck_assert_str_eq(score_names[ANNOT_BEATS].names[i],
                         eval_beat_names[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_score");
    TCase *t = tcase_create("score");

    tcase_add_test(t, pair_beats);
    tcase_add_test(t, pair_spans);
    tcase_add_test(t, pair_functions);
    tcase_add_test(t, close_spans);
    tcase_add_test(t, pair_key_tempo);
    tcase_add_test(t, names_fit);
    suite_add_tcase(s, t);
    return unit_run(s);
}
