/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "annot/annot.h"

START_TEST(annot_append_copies_labels)
{
    struct segments s = {0};
    struct tags t = {0};
    struct key k;
    char label[8] = "verse";

    key_init(&k);
    ck_assert(!k.label && isnan(k.confidence));
    for (int i = 0; i < 100; i++) {
        segments_append(&s, i, i + 1, label, 0.5);
        tags_append(&t, label, i);
    }
    key_set(&k, label, 0.25);
    label[0] = 'X';
    key_set(&k, k.label, 0.5);
    ck_assert_uint_eq(s.n, 100);
    ck_assert_str_eq(s.v[99].label, "verse");
    ck_assert_double_eq(s.v[99].end, 100);
    ck_assert_str_eq(t.v[0].label, "verse");
    ck_assert_str_eq(k.label, "verse");
    ck_assert_double_eq(k.confidence, 0.5);
    segments_release(&s);
    tags_release(&t);
    key_release(&k);
    ck_assert(!s.v && !s.n && !t.v && !t.n && !k.label);
    segments_release(&s);
    tags_release(&t);
    key_release(&k);
}
END_TEST

START_TEST(beats_append_grows)
{
    struct beats b = {0};

    for (int i = 0; i < 100; i++)
        beats_append(&b, i / 2.0, i % 4 + 1, 0.5);
    ck_assert_uint_eq(b.n, 100);
    ck_assert_double_eq(b.v[99].time, 49.5);
    ck_assert_int_eq(b.v[99].position, 4);
    beats_release(&b);
    ck_assert(!b.v && !b.n && !b.cap);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_annot");
    TCase *t = tcase_create("annot");

    tcase_add_test(t, annot_append_copies_labels);
    tcase_add_test(t, beats_append_grows);
    suite_add_tcase(s, t);
    return unit_run(s);
}
