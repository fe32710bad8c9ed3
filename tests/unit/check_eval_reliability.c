/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "eval/reliability.h"

static void expect(const struct reliability *r, int i, double weight,
                   double confidence, double right)
{
    ck_assert_double_eq_tol(r->bin[i].weight, weight, 1e-9);
    ck_assert_double_eq_tol(r->bin[i].confidence, confidence, 1e-9);
    ck_assert_double_eq_tol(r->bin[i].right, right, 1e-9);
}

START_TEST(reliability_bins)
{
    struct reliability r = {0}, all = {0};

    ck_assert_double_nan(reliability_error(&r));
    reliability_add(&r, 0, 0, 1);
    reliability_add(&r, 0.55, 1, 2);
    reliability_add(&r, 1, 1, 1);
    reliability_add(&r, NAN, 1, 1);
    expect(&r, 0, 1, 0, 0);
    expect(&r, 5, 2, 1.1, 2);
    expect(&r, 9, 1, 1, 1);
    ck_assert_double_eq_tol(reliability_error(&r), 0.9 / 4, 1e-9);
    reliability_merge(&all, &r);
    reliability_merge(&all, &r);
    expect(&all, 5, 4, 2.2, 4);
    ck_assert_double_eq_tol(reliability_error(&all), 0.9 / 4, 1e-9);
}
END_TEST

START_TEST(reliability_of_beats_and_tags)
{
    struct annotation ref, est;
    struct reliability r = {0}, tags = {0};

    annotation_init(&ref);
    annotation_init(&est);
    for (int i = 0; i < 4; i++)
        beats_append(&ref.beats, i, 1, NAN);
    beats_append(&est.beats, 0.06, 1, 0.95);
    beats_append(&est.beats, 1.08, 1, 0.95);
    beats_append(&est.beats, 1.94, 1, 0.15);
    beats_append(&est.beats, 9, 1, 0.15);
    ck_assert(!reliability_take(&r, ANNOT_BEATS, &ref, &est, NULL));
    expect(&r, 9, 2, 1.9, 1);
    expect(&r, 1, 2, 0.3, 1);
    tags_append(&ref.tags, "rock", 1);
    tags_append(&ref.tags, "jazz", 0);
    tags_append(&est.tags, "rock", 0.65);
    tags_append(&est.tags, "jazz", 0.65);
    ck_assert(!reliability_take(&tags, ANNOT_TAGS, &ref, &est, NULL));
    expect(&tags, 6, 2, 1.3, 1);
    ck_assert_int_eq(reliability_take(&r, ANNOT_TEMPO, &ref, &est, NULL),
                     ERR_UNSUPPORTED);
    annotation_release(&ref);
    annotation_release(&est);
}
END_TEST

START_TEST(reliability_of_spans_and_key)
{
    struct annotation ref, est;
    struct reliability r = {0}, parts = {0}, key = {0};

    annotation_init(&ref);
    annotation_init(&est);
    segments_append(&ref.spans, 0, 4, "C:maj7", NAN);
    segments_append(&ref.spans, 4, 8, "C:sus4", NAN); /* not judged */
    segments_append(&ref.spans, 8, 10, "N", NAN);
    segments_append(&est.spans, 0, 6, "C:maj", 0.85);
    segments_append(&est.spans, 6, 10, "A:min", 0.25);
    ck_assert(!reliability_take(&r, ANNOT_CHORDS, &ref, &est, NULL));
    expect(&r, 8, 4, 3.4, 4);
    expect(&r, 2, 2, 0.5, 0);
    segments_release(&ref.spans);
    segments_release(&est.spans);
    segments_append(&ref.spans, 0, 4, "Verse 1", NAN);
    segments_append(&ref.spans, 4, 8, "refrain", NAN);
    segments_append(&est.spans, 0, 8, "verse", 0.5);
    ck_assert(!reliability_take(&parts, ANNOT_STRUCTURE, &ref, &est, NULL));
    expect(&parts, 5, 8, 4, 4);
    key_set(&est.key, "C major", 0.7);
    ck_assert(!reliability_take(&key, ANNOT_KEY, &ref, &est, NULL));
    expect(&key, 7, 0, 0, 0);
    key_set(&ref.key, "C major", NAN);
    ck_assert(!reliability_take(&key, ANNOT_KEY, &ref, &est, NULL));
    expect(&key, 7, 1, 0.7, 1);
    annotation_release(&ref);
    annotation_release(&est);
}
END_TEST

/* What is right with probability sigmoid(0.5 logit + 0.3). */
START_TEST(reliability_fits)
{
    struct reliability r = {0}, after = {0};
    double slope, offset;

    reliability_fit(&r, &slope, &offset);
    ck_assert_double_eq_tol(slope, 1, 1e-6);
    ck_assert_double_eq_tol(offset, 0, 1e-6);
    for (double x = -4; x <= 4; x += 0.01)
        reliability_add(&r, 1 / (1 + exp(-x)), 1 / (1 + exp(-0.5 * x - 0.3)),
                        100);
    reliability_fit(&r, &slope, &offset);
    ck_assert_double_eq_tol(slope, 0.5, 1e-3);
    ck_assert_double_eq_tol(offset, 0.3, 1e-3);
    ck_assert_double_gt(reliability_error(&r), 0.05);
    reliability_refit(&after, &r, slope, offset);
    ck_assert_double_lt(reliability_error(&after), 1e-3);
    reliability_fit(&after, &slope, &offset);
    ck_assert_double_eq_tol(slope, 1, 1e-2);
    ck_assert_double_eq_tol(offset, 0, 1e-2);
    /* the surer, the worse: the share of what is right is all that is left */
    r = after = (struct reliability){0};
    for (int i = 0; i < 400; i++)
        reliability_add(&r, 1 / (1 + exp(-3 - i / 150.)), i < 30, 10);
    reliability_fit(&r, &slope, &offset);
    reliability_refit(&after, &r, slope, offset);
    ck_assert_double_gt(slope, 0);
    ck_assert_double_lt(reliability_error(&after), 0.01);
}
END_TEST

/* However it looks, more confidence is not less. */
START_TEST(reliability_fit_is_sane)
{
    struct reliability r = {0};
    double slope, offset;

    for (int i = 0; i < 50; i++) {
        reliability_add(&r, 0.999, 0, 1);
        reliability_add(&r, 0.001, 1, 1);
    }
    reliability_fit(&r, &slope, &offset);
    ck_assert_double_gt(slope, 0);
    ck_assert_double_lt(slope, 0.1);
    ck_assert_double_eq_tol(offset, 0, 0.1);
    memset(&r, 0, sizeof(r));
    reliability_add(&r, 1, 1, 3); /* few: little changes */
    reliability_fit(&r, &slope, &offset);
    ck_assert_double_gt(slope, 0.9);
    ck_assert_double_lt(slope, 1.1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_reliability");
    TCase *t = tcase_create("reliability");

    tcase_add_test(t, reliability_bins);
    tcase_add_test(t, reliability_of_beats_and_tags);
    tcase_add_test(t, reliability_of_spans_and_key);
    tcase_add_test(t, reliability_fits);
    tcase_add_test(t, reliability_fit_is_sane);
    suite_add_tcase(s, t);
    return unit_run(s);
}
