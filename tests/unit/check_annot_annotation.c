/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/annotation.h"

#include <math.h>

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
    tcase_add_test(t, annotation_sort_is_stable);
    suite_add_tcase(s, t);
    return unit_run(s);
}
