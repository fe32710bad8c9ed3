/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/billboard.h"

#include "annot.h"

static struct err err;

/* By hand: 5 to 7 s is one bar of 4/4, twice; in the line at 7 s 6/4 lasts
 * twice as long as 3/4; a line of 3/4 bars alone would be the same. */
START_TEST(billboard_parse_chords)
{
    static const struct {
        double start, end;
        const char *label;
    } want[] = {
        { 0, 1, "N" },        { 1, 3, "C:maj" },
        { 3, 4, "F:maj" },    { 4, 4.5, "G:7" },
        { 4.5, 5, "X" },      { 5, 6, "C:maj" },
        { 6, 7, "C:maj" },    { 7, 8, "C:maj" },
        { 8, 9, "G:maj" },    { 9, 10, "A:min" },
        { 10, 11, "N" },
    };
    struct annotation a;

    ck_assert_msg(!annot_read(&a, unit_data("annot/salami_chords.txt"),
                              ANNOT_CHORDS, &err), "%s", err.msg);
    ck_assert_uint_eq(a.spans.n, ARRAY_LEN(want));
    for (size_t i = 0; i < a.spans.n; i++)
        annot_span(&a.spans.v[i], want[i].start, want[i].end, want[i].label);
    annotation_release(&a);
}
END_TEST

START_TEST(billboard_parse_structure)
{
    struct annotation a;

    ck_assert(!annot_read(&a, unit_data("annot/salami_chords.txt"),
                          ANNOT_STRUCTURE, &err));
    ck_assert_uint_eq(a.spans.n, 4);
    annot_span(&a.spans.v[0], 0, 1, "silence");
    annot_span(&a.spans.v[1], 1, 7, "intro");
    annot_span(&a.spans.v[2], 7, 10, "B'");
    annot_span(&a.spans.v[3], 10, 11, "fadeout");
    annotation_release(&a);
}
END_TEST

/* What sounds at a time, or "". */
static const char *at(const struct segments *s, double t)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].start <= t && t < s->v[i].end)
            return s->v[i].label;
    return "";
}

/* The annotators' own derivation, full.lab, says the same every 10 ms up to
 * 248.7 s; it writes C:1 as C:1/1. From there on full.lab has a bar more than
 * the line shows, and its last chords on a line end half a beat early. */
START_TEST(billboard_parse_equals_full_lab)
{
    const char *lab = unit_shared("fixtures/formats/billboard/0035_full.lab");
    struct annotation a, full;

    if (!lab)
        return;
    ck_assert(!annot_read(&full, lab, ANNOT_CHORDS, &err));
    ck_assert_uint_eq(full.spans.n, 179); /* lines of the file */
    ck_assert_msg(!annot_read(&a, unit_shared("fixtures/formats/billboard/"
                                              "0035_salami_chords.txt"),
                              ANNOT_CHORDS, &err), "%s", err.msg);
    for (int i = 0; i < 24870; i++) {
        const char *x = at(&a.spans, i / 100.0), *y = at(&full.spans,
                                                         i / 100.0);

        ck_assert_msg(!strcmp(x, y) ||
                      (!strcmp(x, "C:1") && !strcmp(y, "C:1/1")),
                      "at %.2f s %s is not %s", i / 100.0, x, y);
    }
    annotation_release(&a);
    annotation_release(&full);
}
END_TEST

#define TASK ANNOT_CHORDS, "salami_chords.txt"

static const struct annot_refused refused[] = {
    { TASK, "0\t| C |\n", "no line 'TIME end'" },
    { TASK, "0\t| C |\nx\tend\n", ":2: the first column" },
    { TASK, "1\t| C |\n1\tend\n", ":2: does not come" },
    { TASK, "0\t| C | H |\n1\tend\n", ":1: chord 'H'" },
    { TASK, "0\t| . |\n1\tend\n", ":1: '.'" },
    { TASK, "0\t| (4/4) |\n1\tend\n", ":1: a bar without" },
    { TASK, "0\t| (4/0) C |\n1\tend\n", ":1: not a metre" },
    { TASK, "0\t| C | x0\n1\tend\n", ":1: repeated" },
    { TASK, "0\t| C | x101\n1\tend\n", ":1: repeated" },
    { TASK, "0\t| C\n1\tend\n", ":1: no bar" },
};

START_TEST(billboard_parse_refuses)
{
    annot_refuses(&refused[_i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_billboard");
    TCase *t = tcase_create("billboard");

    tcase_add_test(t, billboard_parse_chords);
    tcase_add_test(t, billboard_parse_structure);
    tcase_add_test(t, billboard_parse_equals_full_lab);
    tcase_add_loop_test(t, billboard_parse_refuses, 0, ARRAY_LEN(refused));
    suite_add_tcase(s, t);
    return unit_run_shared(s, "fixtures/formats");
}
