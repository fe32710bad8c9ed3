/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/keytext.h"

#include "annot.h"

/* A text and the keys in it, each with ";". */
static const char *const texts[][2] = {
    { "C minor", "C minor;" },           { "Gb:maj", "Gb major;" },
    { " c# major \t", "C# major;" },     { "E / B / A minor",
                                           "E minor;B minor;A minor;" },
    { "f minor / g# major", "F minor;G# major;" },
    { "A-A# minor", "A minor;A# minor;" },
    { "C major / minor", "C major;C minor;" },
    { "C:dorian", "C other;" },          { "D", "D other;" },
    { "Cb:min", "B minor;" },            { "b minor", "B minor;" },
    { "bb MAJOR", "Bb major;" },         { "-", "" },
    { " ", "" },                         { "N", "" },
    { "Silence", "" },                   { "X", "X;" },
    { "BB minor", "Bb minor;" },         { "G:mixolydian", "G other;" },
};

START_TEST(keytext_parse_reads)
{
    struct tags t = { 0 };
    struct err err;
    char got[100] = "";

    ck_assert_msg(!keytext_parse(&t, texts[_i][0], &err), "%s", err.msg);
    for (size_t i = 0; i < t.n; i++) {
        ck_assert(t.v[i].score == 1);
        sprintf(got + strlen(got), "%s;", t.v[i].label);
    }
    ck_assert_str_eq(got, texts[_i][1]);
    tags_release(&t);
}
END_TEST

static const char *const wrong[] = {
    "H minor", "C what", "minor", "C minor major", "C minor D", "/", "C / ",
    "C##:maj", "A minor / H",
    "A A A A A A A A A A A A A A A A A A A A A A A A A A A minor",
};

START_TEST(keytext_parse_refuses)
{
    struct tags t = { 0 };
    struct err err = { 0 };
    char *longer;

    ck_assert_int_eq(keytext_parse(&t, wrong[_i], &err), ERR_FORMAT);
    ck_assert(t.n == 0 && *err.msg);
    longer = xasprintf("C%300sminor", "");
    ck_assert_int_eq(keytext_parse(&t, longer, &err), ERR_FORMAT);
    free(longer);
    tags_release(&t);
}
END_TEST

START_TEST(keytext_parse_lines_reads)
{
    struct annotation a;

    annot_good(&a, "f minor / g# major\t2\t\n", ".key", ANNOT_KEY);
    ck_assert(a.keys.n == 2 && a.key.confidence == 1 && !a.spans.n);
    ck_assert_str_eq(a.key.label, "F minor");
    annotation_release(&a);
    annot_good(&a, "-\t0\t\n", ".key", ANNOT_KEY);
    ck_assert(a.keys.n == 0 && !a.key.label && a.key.confidence == 0);
    annotation_release(&a);
    annot_good(&a, "N\n", ".key", ANNOT_KEY);
    ck_assert_uint_eq(a.keys.n, 0);
    ck_assert_str_eq(a.key.label, "N");
    annotation_release(&a);
    annot_good(&a, "#@format: key\t0\nkey 0 C minor", ".txt", ANNOT_KEY);
    ck_assert_str_eq(a.key.label, "C minor");
    ck_assert(isnan(a.key.confidence));
    annotation_release(&a);
    annot_good(&a, "D major\t1", ".key", ANNOT_KEY);
    ck_assert(a.key.confidence == 0.5);
    annotation_release(&a);
}
END_TEST

/* POP909 039: E minor holds for 178.3 s, G minor for 89.7 s. */
START_TEST(keytext_parse_lines_reads_spans)
{
    struct annotation a;

    annot_good(&a, "3.5\t59.5\tG:min\n59.5\t121\tE:min\n121\t155\tG:min\n"
                   "155\t271\tE:min\n", ".txt", ANNOT_KEY);
    ck_assert(a.spans.n == 4 && a.keys.n == 2);
    ck_assert_str_eq(a.key.label, "E minor");
    ck_assert_str_eq(a.keys.v[0].label, "E minor");
    ck_assert_str_eq(a.keys.v[1].label, "G minor");
    annot_span(&a.spans.v[2], 121, 155, "G minor");
    annotation_release(&a);
    annot_good(&a, "0 1 Silence\n1 9 Key\tC#:minor\n", ".lab", ANNOT_KEY);
    ck_assert_uint_eq(a.spans.n, 1);
    annot_span(&a.spans.v[0], 1, 9, "C# minor");
    annotation_release(&a);
}
END_TEST

static const struct annot_refused refused[] = {
    { ANNOT_KEY, ".key", "", "no key" },
    { ANNOT_KEY, ".key", "C\n", ":1: " },
    { ANNOT_KEY, ".key", "C major\nD major\n", ":2: " },
    { ANNOT_KEY, ".key", "key C minor\n", ":1: behind 'key'" },
    { ANNOT_KEY, ".txt", "0 1 C:maj\n1 1 D:maj\n", ":2: the end" },
    { ANNOT_KEY, ".txt", "0 1 C:maj\n1 2 H:maj\n", ":2: key 'H major'" },
    { ANNOT_KEY, ".txt", "1 2 C:maj\n0 1 D:maj\n", ":2: starts before" },
    { ANNOT_KEY, ".txt", "0 1 C:maj/D:min\n", ":1: more than one" },
    { ANNOT_KEY, ".txt", "0 1 C:maj\nD major\n", ":2: " },
};

START_TEST(keytext_parse_lines_refuses)
{
    annot_refuses(&refused[_i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_keytext");
    TCase *t = tcase_create("keytext");

    tcase_add_loop_test(t, keytext_parse_reads, 0, ARRAY_LEN(texts));
    tcase_add_loop_test(t, keytext_parse_refuses, 0, ARRAY_LEN(wrong));
    tcase_add_test(t, keytext_parse_lines_reads);
    tcase_add_test(t, keytext_parse_lines_reads_spans);
    tcase_add_loop_test(t, keytext_parse_lines_refuses, 0, ARRAY_LEN(refused));
    suite_add_tcase(s, t);
    return unit_run(s);
}
