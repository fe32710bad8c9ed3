/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/hookchord.h"

#include "annot.h"
#include "annot/chordname.h"

/* Root, steps, inversion; the label. */
static const struct {
    int root;
    const char *steps;
    int inversion;
    const char *label;
} chords[] = {
    { 0, "43", 0, "C:maj" },      { 9, "34", 0, "A:min" },
    { 7, "433", 1, "G:7/3" },     { 2, "52", 0, "D:sus4" },
    { 11, "334", 2, "B:hdim7/b5" }, { 5, "437", 3, "F:maj(9)/2" },
    { 1, "44", 0, "Db:aug" },     { 6, "433", 3, "F#:7/b7" },
    { 4, "232", 0, "E:sus4(2)" }, { 3, "25", 1, "Eb:sus2/2" },
    { 0, "61", 0, "C:(b5,5)" },   { 0, "4336", 0, "C:(3,5,b7,10)" },
    { 0, "", 0, "C:1" },          { 0, "43", 9, "C:maj" },
};

START_TEST(hook_chord_names)
{
    int step[12], n = 0;
    struct chordname c;
    struct err err;
    unsigned bits = 1;
    int above = 0;
    char *label;

    for (const char *s = chords[_i].steps; *s; s++)
        step[n++] = *s - '0';
    label = hook_chord(chords[_i].root, step, n, chords[_i].inversion);
    ck_assert_str_eq(label, chords[_i].label);
    /* the label's notes are those of the steps, less those above an octave */
    ck_assert_msg(!chordname_parse(&c, label, false, &err), "%s", err.msg);
    ck_assert_int_eq(c.root, chords[_i].root);
    for (int i = 0; i < n; i++)
        if ((above += step[i]) < 12)
            bits |= 1u << above;
    ck_assert_uint_eq(c.bits | 1u << c.bass, bits | 1u << c.bass);
    free(label);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_hookchord");
    TCase *t = tcase_create("hookchord");

    tcase_add_loop_test(t, hook_chord_names, 0, ARRAY_LEN(chords));
    suite_add_tcase(s, t);
    return unit_run(s);
}
