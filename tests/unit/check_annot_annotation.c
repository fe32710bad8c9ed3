/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/annotation.h"

#include <math.h>

#include "base/xalloc.h"
#include "unit.h"

static struct annotation a;

static void setup(void)
{
    annotation_init(&a);
}

static void teardown(void)
{
    annotation_release(&a);
    ck_assert(!a.beats.v && !a.spans.v && !a.error && isnan(a.duration));
}

START_TEST(annotation_close_ends)
{
    annotation_close(&a, 5);
    segments_append(&a.spans, 0, 1, "a", NAN);
    annotation_close(&a, 5);
    ck_assert(a.spans.v[0].end == 1);
    segments_append(&a.spans, 1, INFINITY, "b", NAN);
    annotation_close(&a, 5);
    ck_assert(a.spans.n == 2 && a.spans.v[1].end == 5);
}
END_TEST

START_TEST(annotation_close_removes)
{
    const double ends[] = { NAN, 1, 0.5, INFINITY };

    for (int i = 0; i < 4; i++) {
        segments_append(&a.spans, 1, INFINITY, "b", NAN);
        annotation_close(&a, ends[i]);
        ck_assert_uint_eq(a.spans.n, 0);
    }
}
END_TEST

START_TEST(annotation_copy_all)
{
    struct annotation b;

    beats_append(&a.beats, 1.5, 2, 0.25);
    segments_append(&a.spans, 1, INFINITY, "b", 0.5);
    key_set(&a.key, "C major", 0.75);
    tags_append(&a.keys, "C major", 1);
    tags_append(&a.tags, "rock", 0.125);
    a.tempo = (struct tempi){ { 60, 120 }, 0.25 };
    a.duration = 7;
    a.error = xstrdup("why");
    annotation_copy(&b, &a);
    ck_assert(b.beats.n == 1 && b.beats.v[0].time == 1.5 &&
              b.beats.v[0].position == 2 && b.beats.v[0].confidence == 0.25);
    ck_assert(b.spans.n == 1 && b.spans.v[0].start == 1 &&
              isinf(b.spans.v[0].end) && b.spans.v[0].confidence == 0.5);
    ck_assert(b.spans.v[0].label != a.spans.v[0].label);
    ck_assert_str_eq(b.spans.v[0].label, "b");
    ck_assert_str_eq(b.key.label, "C major");
    ck_assert(b.key.confidence == 0.75 && b.keys.n == 1 && b.tags.n == 1);
    ck_assert_str_eq(b.tags.v[0].label, "rock");
    ck_assert(b.tags.v[0].score == 0.125 && b.tempo.bpm[1] == 120 &&
              b.tempo.weight == 0.25 && b.duration == 7);
    ck_assert_str_eq(b.error, "why");
    annotation_release(&b);
}
END_TEST

START_TEST(annotation_sort_is_stable)
{
    for (int i = 0; i < 200; i++) {
        beats_append(&a.beats, i * 7 % 10, i, NAN);
        segments_append(&a.spans, i * 7 % 10, 20 + i, "x", NAN);
    }
    annotation_sort(&a);
    for (int i = 1; i < 200; i++) {
        struct beat *b = &a.beats.v[i];
        struct segment *s = &a.spans.v[i];

        ck_assert(b[-1].time < b->time || (b[-1].time == b->time &&
                                           b[-1].position < b->position));
        ck_assert(s[-1].start < s->start ||
                  (s[-1].start == s->start && s[-1].end < s->end));
    }
    beats_append(&a.beats, 11, 1, NAN); /* room is counted right */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_annotation");
    TCase *t = tcase_create("annotation");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, annotation_close_ends);
    tcase_add_test(t, annotation_close_removes);
    tcase_add_test(t, annotation_copy_all);
    tcase_add_test(t, annotation_sort_is_stable);
    suite_add_tcase(s, t);
    return unit_run(s);
}
