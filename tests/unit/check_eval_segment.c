/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/segment.h"

#include "golden.h"

START_TEST(eval_segment_golden)
{
    cJSON *all = golden_read("golden/metrics/segment.json");
    const cJSON *x;
    int i = 0;

    cJSON_ArrayForEach(x, all) {
        const cJSON *want = GOLDEN_ITEM(x, "scores");
        struct golden_spans ref, est;
        double got[EVAL_SEGMENT_COUNT];
        struct err err = { 0 };

        golden_spans_init(&ref, GOLDEN_ITEM(x, "reference"));
        golden_spans_init(&est, GOLDEN_ITEM(x, "estimate"));
        ck_assert_msg(!eval_segment(got, &ref.view, &est.view, &err), "%s",
                      err.msg);
        /* the last four are not in the golden file */
        for (int k = 0; k < EVAL_SEGMENT_P3_TRIMMED; k++)
            golden_compare(GOLDEN_ITEM(want, eval_segment_names[k]), got[k], i,
                           eval_segment_names[k]);
        golden_spans_release(&ref);
        golden_spans_release(&est);
        i++;
    }
    ck_assert_int_eq(i, 80);
    cJSON_Delete(all);
}
END_TEST

static const char *const ab[] = { "a", "B", "A" };
static const double start[] = { 0, 1, 2 }, end[] = { 1, 2, 3 };

START_TEST(eval_segment_accuracy)
{
    static const double est_end[] = { 1.5, 3 }, est_start[] = { 0, 1.5 };
    struct eval_spans ref = { start, end, ab, 3 };
    struct eval_spans est = { est_start, est_end, ab, 2 };
    double got[EVAL_SEGMENT_COUNT];

    /* 15 frames; a up to 1 s, B from 1.6 s; the frame at 1.0 is B's already */
    ck_assert(!eval_segment(got, &ref, &est, NULL));
    ck_assert_double_eq_tol(got[EVAL_SEGMENT_ACCURACY], 7 / 15.0, 1e-15);
    ck_assert(got[EVAL_SEGMENT_P3_TRIMMED] == 1);
    ck_assert(got[EVAL_SEGMENT_R3_TRIMMED] == 0.5);
}
END_TEST

/* Boundaries less than 1e-5 s apart are one: 3 of them, 2 found. */
START_TEST(eval_segment_rounds_boundaries)
{
    static const double s2[] = { 0, 1.000001 }, e2[] = { 1, 2 }, two[] = { 2 };
    struct eval_spans ref = { s2, e2, ab, 2 }, est = { start, two, ab, 1 };
    double got[EVAL_SEGMENT_COUNT];

    ck_assert(!eval_segment(got, &ref, &est, NULL));
    ck_assert(got[EVAL_SEGMENT_R05] == 2 / 3.0);
}
END_TEST

/* What mir_eval 0.8.2 gives for a piece shorter than a frame. */
START_TEST(eval_segment_without_frames)
{
    const double tiny[] = { 0.05 };
    struct eval_spans ref = { start, tiny, ab, 1 };
    double got[EVAL_SEGMENT_COUNT];

    ck_assert(!eval_segment(got, &ref, &ref, NULL));
    ck_assert(got[EVAL_SEGMENT_F05] == 1);
    ck_assert(got[EVAL_SEGMENT_F05_TRIMMED] == 0);
    ck_assert(isnan(got[EVAL_SEGMENT_PAIR_F]));
    ck_assert(isnan(got[EVAL_SEGMENT_RAND]));
    ck_assert(got[EVAL_SEGMENT_ARI] == 1 && got[EVAL_SEGMENT_MI] == 0);
    ck_assert(got[EVAL_SEGMENT_AMI] == 1 && got[EVAL_SEGMENT_NMI] == 1);
    ck_assert(got[EVAL_SEGMENT_V_F] == 0);
    ck_assert(isnan(got[EVAL_SEGMENT_ACCURACY]));
}
END_TEST

START_TEST(eval_segment_refuses)
{
    static char text[1100][12];
    static const char *label[1100];
    static double s[1100], e[1100];
    struct eval_spans ref = { start, end, ab, 3 }, none = { 0 };
    struct eval_spans back = { end, start, ab, 3 };
    struct eval_spans many = { s, e, label, 1100 };
    double got[EVAL_SEGMENT_COUNT];
    struct err err = { 0 };

    ck_assert_int_eq(eval_segment(got, &none, &ref, &err), ERR_ARG);
    ck_assert_int_eq(eval_segment(got, &ref, &none, &err), 0);
    ck_assert_int_eq(eval_segment(got, &ref, &back, &err), ERR_ARG);
    ck_assert(strstr(err.msg, "estimated segments"));
    for (int i = 0; i < 1100; i++) {
        snprintf(text[i], sizeof(text[i]), "%d", i);
        label[i] = text[i];
        s[i] = i;
        e[i] = i + 1;
    }
    ck_assert_int_eq(eval_segment(got, &many, &many, &err), ERR_ARG);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_segment");
    TCase *t = tcase_create("segment");

    tcase_add_test(t, eval_segment_golden);
    tcase_add_test(t, eval_segment_accuracy);
    tcase_add_test(t, eval_segment_rounds_boundaries);
    tcase_add_test(t, eval_segment_without_frames);
    tcase_add_test(t, eval_segment_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
