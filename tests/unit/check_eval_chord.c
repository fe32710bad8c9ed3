/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/chord.h"

#include "golden.h"

START_TEST(eval_chord_golden)
{
    cJSON *all = golden_read("golden/metrics/chord.json");
    const cJSON *x;
    int i = 0;

    cJSON_ArrayForEach(x, all) {
        struct golden_spans ref, est;
        double got[EVAL_CHORD_COUNT];
        struct err err = { 0 };

        golden_spans_init(&ref, GOLDEN_ITEM(x, "reference"));
        golden_spans_init(&est, GOLDEN_ITEM(x, "estimate"));
        ck_assert_msg(!eval_chord(got, &ref.view, &est.view, &err), "%s",
                      err.msg);
        for (int k = 0; k < EVAL_CHORD_COUNT; k++)
            golden_compare(GOLDEN_ITEM(GOLDEN_ITEM(x, "scores"),
                                       eval_chord_names[k]),
                           got[k], i, eval_chord_names[k]);
        golden_spans_release(&ref);
        golden_spans_release(&est);
        i++;
    }
    ck_assert_int_eq(i, 80);
    cJSON_Delete(all);
}
END_TEST

static const double start[] = { 0, 1, 2 }, end[] = { 1, 2, 3 };

/* One second each: what a rule makes of a pair, chosen where rules part. */
static const struct {
    const char *ref, *est;
    int want[EVAL_CHORD_LABELS];
} pairs[] = {
    /* thirds triads tetrads (each with _inv), root mirex, majmin sevenths */
    { "N", "X", { 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0 } },
    { "C", "X", { 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0 } },
    { "X", "C", { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 } },
    { "C:maj/3", "C", { 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0 } },
    { "C:sus4", "C:sus4", { 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1 } },
    { "C:5", "C", { 1, 1, 0, 0, 0, 0, 1, -1, -1, -1, -1, -1 } },
    { "C:maj6", "A:min7", { 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, -1, -1 } },
    { "C:7", "C", { 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0 } },
};

START_TEST(eval_chord_compare_rules)
{
    struct chordname r, e;

    ck_assert(!chordname_parse(&r, pairs[_i].ref, false, NULL));
    ck_assert(!chordname_parse(&e, pairs[_i].est, false, NULL));
    for (int k = 0; k < EVAL_CHORD_LABELS; k++)
        ck_assert_msg(eval_chord_compare(k, &r, &e) == pairs[_i].want[k],
                      "%s against %s: %s", pairs[_i].ref, pairs[_i].est,
                      eval_chord_names[k]);
}
END_TEST

START_TEST(eval_chord_empty_estimate)
{
    const char *label[] = { "C", "N", "C:13" };
    struct eval_spans ref = { start, end, label, 3 };
    struct eval_spans est = { NULL, NULL, NULL, 0 };
    double got[EVAL_CHORD_COUNT];
    struct err err = { 0 };

    ck_assert(!eval_chord(got, &ref, &est, &err));
    ck_assert_double_eq_tol(got[EVAL_CHORD_ROOT], 1 / 3.0, 1e-15);
    ck_assert(got[EVAL_CHORD_OVERSEG] == 1);
    ck_assert_double_eq_tol(got[EVAL_CHORD_UNDERSEG], 1 / 3.0, 1e-15);
}
END_TEST

/* mir_eval raises where cutting leaves an interval without length */
START_TEST(eval_chord_estimate_ends_late)
{
    const char *label[] = { "C", "D", "E" };
    struct eval_spans ref = { start, end, label, 2 };
    struct eval_spans est = { start, end, label, 3 };
    double got[EVAL_CHORD_COUNT];
    struct err err = { 0 };

    ck_assert(!eval_chord(got, &ref, &est, &err));
    ck_assert(got[EVAL_CHORD_TETRADS] == 1 && got[EVAL_CHORD_SEG] == 1);
}
END_TEST

START_TEST(eval_chord_refuses)
{
    const char *label[] = { "C", "H", "C:aug7" };
    const double late[] = { 1.5, 2, 3 };
    struct eval_spans good = { start, end, label, 1 };
    struct eval_spans bad_label = { start, end, label, 2 };
    struct eval_spans unknown = { start + 2, end + 2, label + 2, 1 };
    struct eval_spans empty = { NULL, NULL, NULL, 0 };
    struct eval_spans overlap = { start, late, (const char *[]){ "C", "D" },
                                  2 };
    double got[EVAL_CHORD_COUNT];
    struct err err = { 0 };

    ck_assert_int_eq(eval_chord(got, &empty, &good, &err), ERR_ARG);
    ck_assert_int_eq(eval_chord(got, &bad_label, &good, &err), ERR_FORMAT);
    ck_assert(strstr(err.msg, "reference chords at 1 s"));
    ck_assert_int_eq(eval_chord(got, &overlap, &good, &err), ERR_ARG);
    ck_assert_int_eq(eval_chord(got, &good, &overlap, &err), 0);
    ck_assert_int_eq(eval_chord(got, &unknown, &unknown, &err), 0);
    ck_assert(got[EVAL_CHORD_ROOT] == 0); /* X: nothing to judge */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_chord");
    TCase *t = tcase_create("chord");

    tcase_add_test(t, eval_chord_golden);
    tcase_add_loop_test(t, eval_chord_compare_rules, 0, ARRAY_LEN(pairs));
    tcase_add_test(t, eval_chord_empty_estimate);
    tcase_add_test(t, eval_chord_estimate_ends_late);
    tcase_add_test(t, eval_chord_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
