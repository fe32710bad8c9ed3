/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/labels.h"

#include "unit.h"

START_TEST(rank_names)
{
    ck_assert_int_eq(labels_rank(ANNOT_CHORDS, "a.chords.lab"), 1);
    ck_assert_int_eq(labels_rank(ANNOT_CHORDS, "a.LAB"), 2);
    ck_assert_int_eq(labels_rank(ANNOT_CHORDS, "a.structure.lab"), 0);
    ck_assert_int_eq(labels_rank(ANNOT_STRUCTURE, "a.chords.lab"), 0);
    ck_assert_int_eq(labels_rank(ANNOT_STRUCTURE, "a.structure.lab"), 1);
    ck_assert_int_eq(labels_rank(ANNOT_STRUCTURE, "a.seg"), 2);
    ck_assert_int_gt(labels_rank(ANNOT_STRUCTURE, "a.lab"), LABELS_SPECIFIC);
    ck_assert_int_gt(labels_rank(ANNOT_BEATS, "a.txt"),
                     labels_rank(ANNOT_BEATS, "a.json"));
    ck_assert_int_gt(labels_rank(ANNOT_KEY, "a.JAMS"), LABELS_SPECIFIC);
    ck_assert_int_gt(labels_rank(ANNOT_TEMPO, "a.jamz"), LABELS_SPECIFIC);
    ck_assert_int_eq(labels_rank(ANNOT_TEMPO, "a.tempo"), 1);
    ck_assert_int_eq(labels_rank(ANNOT_BEATS, "a.wav"), 0);
    ck_assert_int_eq(labels_rank(ANNOT_BEATS, ".beats"), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd_labels");
    TCase *t = tcase_create("labels");

    tcase_add_test(t, rank_names);
    suite_add_tcase(s, t);
    return unit_run(s);
}
