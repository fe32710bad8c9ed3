/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/tempo.h"

#include "golden.h"

START_TEST(eval_tempo_golden)
{
    cJSON *all = golden_read("golden/metrics/tempo.json");
    const cJSON *x;
    int i = 0;

    cJSON_ArrayForEach(x, all) {
        size_t n;
        double *ref = golden_numbers(GOLDEN_ITEM(x, "reference"), &n);
        double *est = golden_numbers(GOLDEN_ITEM(x, "estimate"), &n);
        double got[EVAL_TEMPO_COUNT];
        struct err err = { 0 };

        ck_assert_msg(!eval_tempo(got, ref,
                                  GOLDEN_ITEM(x, "weight")->valuedouble, est,
                                  &err), "%s", err.msg);
        for (int k = 0; k < EVAL_TEMPO_COUNT; k++)
            golden_compare(GOLDEN_ITEM(GOLDEN_ITEM(x, "scores"),
                                       eval_tempo_names[k]),
                           got[k], i, eval_tempo_names[k]);
        free(ref);
        free(est);
        i++;
    }
    ck_assert_int_eq(i, 30);
    cJSON_Delete(all);
}
END_TEST

START_TEST(eval_tempo_refuses)
{
    static const double good[] = { 60, 120 }, zero[] = { 0, 0 };
    static const double bad[][2] = { { -1, 60 }, { 60, NAN }, { INFINITY, 1 } };
    double out[EVAL_TEMPO_COUNT];
    struct err err = { 0 };

    ck_assert_int_eq(eval_tempo(out, zero, 0.5, good, &err), ERR_ARG);
    ck_assert_int_eq(eval_tempo(out, good, 0.5, zero, &err), 0);
    ck_assert(out[EVAL_TEMPO_P_SCORE] == 0);
    ck_assert_int_eq(eval_tempo(out, good, 1.5, good, &err), ERR_ARG);
    ck_assert_int_eq(eval_tempo(out, good, NAN, good, &err), ERR_ARG);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(eval_tempo(out, bad[i], 0.5, good, &err), ERR_ARG);
        ck_assert_int_eq(eval_tempo(out, good, 0.5, bad[i], &err), ERR_ARG);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_tempo");
    TCase *t = tcase_create("tempo");

    tcase_add_test(t, eval_tempo_golden);
    tcase_add_test(t, eval_tempo_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
