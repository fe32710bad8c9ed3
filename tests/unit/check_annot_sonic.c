/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/sonic.h"

#include "annot.h"

static struct annotation a;
static struct err err;

START_TEST(sonic_parse_instants)
{
    ck_assert(!annot_read(&a, unit_data("annot/sv_instants.csv"), ANNOT_BEATS,
                          &err));
    ck_assert_uint_eq(a.beats.n, 3);
    ck_assert(a.beats.v[0].time == 0.5 && a.beats.v[0].position == 1);
    ck_assert(a.beats.v[1].position == 2);
    ck_assert(a.beats.v[2].time == 1.5 && a.beats.v[2].position == 0);
    annotation_release(&a);
    annot_good(&a, "0.5,\"N\"\n1,C:maj\n2,End\n", ".csv", ANNOT_CHORDS);
    ck_assert_uint_eq(a.spans.n, 2);
    annot_span(&a.spans.v[1], 1, 2, "C:maj");
    annotation_release(&a);
    /* without its name, and open at the end */
    annot_good(&a, "0.5,A\n1,B\n", ".txt", ANNOT_STRUCTURE);
    annot_span(&a.spans.v[1], 1, INFINITY, "B");
    annotation_release(&a);
}
END_TEST

START_TEST(sonic_parse_regions)
{
    ck_assert(!annot_read(&a, unit_data("annot/sv_regions.csv"),
                          ANNOT_STRUCTURE, &err));
    ck_assert_uint_eq(a.spans.n, 2);
    annot_span(&a.spans.v[0], 0.5, 2.5, "intro");
    annot_span(&a.spans.v[1], 2.5, 9, "verse, one");
    annotation_release(&a);
    /* no header, a level: the fourth column is the level throughout */
    annot_good(&a, "0,0,1,0.9,A\n1,0,2,0.8\n", ".csv", ANNOT_STRUCTURE);
    annot_span(&a.spans.v[0], 0, 1, "A");
    annot_span(&a.spans.v[1], 1, 3, "");
    annotation_release(&a);
    annot_good(&a, "0,0,1,A\n1,0,2\n", ".csv", ANNOT_STRUCTURE);
    annot_span(&a.spans.v[0], 0, 1, "A");
    annotation_release(&a);
    annot_good(&a, "start,end,label\n0,1,C minor\n1,5,F:maj\n5,6,N\n", ".csv",
               ANNOT_KEY);
    ck_assert_str_eq(a.key.label, "F major");
    ck_assert_uint_eq(a.spans.n, 2);
    annotation_release(&a);
    annot_good(&a, "time,position\n1,4\n2,1\n", ".csv", ANNOT_BEATS);
    ck_assert(a.beats.n == 2 && a.beats.v[0].position == 4);
    annotation_release(&a);
}
END_TEST

static const struct annot_refused refused[] = {
    { ANNOT_BEATS, ".csv", "hello,1\n", ":1: neither" },
    { ANNOT_BEATS, ".csv", "1,1\nx,1\n", ":2: the time" },
    { ANNOT_BEATS, ".csv", "1\n0.5\n", ":2: earlier" },
    { ANNOT_CHORDS, ".csv", "TIME,VALUE,DURATION\n1,0,x\n", ":2: the dur" },
    { ANNOT_CHORDS, ".csv", "start,end\n1,\n", ":2: the end" },
    { ANNOT_CHORDS, ".csv", "0,0,1,C\n0,0,0,D\n", ":2: the end" },
    { ANNOT_CHORDS, ".csv", "1,0,1,C\n0,0,1,D\n", ":2: not later" },
    { ANNOT_CHORDS, ".csv", "1,C\n1,D\n", ":2: not later" },
    { ANNOT_CHORDS, ".csv", "1,\"C\n", ":1: a \"" },
    { ANNOT_KEY, ".csv", "0,0,1,H\n", ":1: key 'H other'" },
    { ANNOT_TAGS, ".csv", "0,0,1,H\n", "no tags" },
};

START_TEST(sonic_parse_refuses)
{
    annot_refuses(&refused[_i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_sonic");
    TCase *t = tcase_create("sonic");

    tcase_add_test(t, sonic_parse_instants);
    tcase_add_test(t, sonic_parse_regions);
    tcase_add_loop_test(t, sonic_parse_refuses, 0, ARRAY_LEN(refused));
    suite_add_tcase(s, t);
    return unit_run(s);
}
