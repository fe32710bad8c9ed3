/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/beat.h"

#include "golden.h"

START_TEST(eval_beat_golden)
{
    cJSON *all = golden_read("golden/metrics/beat.json");
    const cJSON *x;
    int i = 0;

    cJSON_ArrayForEach(x, all) {
        const cJSON *want = GOLDEN_ITEM(x, "scores");
        size_t n, m;
        double *ref = golden_numbers(GOLDEN_ITEM(x, "reference"), &n);
        double *est = golden_numbers(GOLDEN_ITEM(x, "estimate"), &m);
        double got[EVAL_BEAT_COUNT], f;
        struct err err = { 0 };

        ck_assert_msg(!eval_beat(got, ref, n, est, m, EVAL_BEAT_TRIM_S, &err),
                      "%s", err.msg);
        for (int k = 0; k < EVAL_BEAT_COUNT; k++)
            golden_compare(GOLDEN_ITEM(want, eval_beat_names[k]), got[k], i,
                           eval_beat_names[k]);
        ck_assert(!eval_beat_f(&f, NULL, NULL, ref, n, est, m, -INFINITY,
                               &err));
        golden_compare(GOLDEN_ITEM(want, "F-measure (untrimmed)"), f, i,
                       "F-measure (untrimmed)");
        free(ref);
        free(est);
        i++;
    }
    ck_assert_int_eq(i, 120);
    cJSON_Delete(all);
}
END_TEST

static const double four[] = { 6, 6.5, 7, 7.5 };

/* Few events or equal ones, by mir_eval 0.8.2; NaN where it raises. */
static const struct {
    size_t n, m;
    double ref[6], est[6];
    double want[EVAL_BEAT_COUNT];
} odd[] = {
    { 0, 0, { 0 }, { 0 }, { 0 } },
    { 1, 1, { 6 }, { 6 }, { 1, 1, 1, 0, 0, 0, 0, 0, 0, 0 } },
    { 1, 1, { 6 }, { 6.02 },
      { 1, 0.8824969025846001, 0.8824969025846001, 0, 0, 0, 0, 0, 0, 0 } },
    { 2, 2, { 6, 6.5 }, { 6, 6.5 },
      { 1, 1, 1, 0, 1, 1, 1, 1, 1, 1 } },
    { 3, 3, { 6, 6.5, 7 }, { 6.01, 6.49, 7.02 },
      { 1, 0.9403211238457635, 0.9403211238457635, 0, 1,
        1, 1, 1, 1, 0.7041629275170908 } },
    { 1, 2, { 6 }, { 6, 6.5 },
      { 0.6666666666666666, 0.6666666666666666, 0.6666666666666666, 0, 0,
        0, 0, 0, 0, 0 } },
    { 3, 3, { 6, 6, 6 }, { 6, 6.5, 7 },
      { 0.3333333333333333, 1, 1.25, 0, NAN, 0, 0, 0, 0, 1 } },
    { 4, 4, { 6, 6.5, 6.5, 7 }, { 6, 6.5, 6.5, 7 },
      { 1, 1, 1, 0, 0.75, 0.5, 0.75, 0.5, 0.75, 1 } },
    { 4, 4, { 6, 6.5, 7, 7.5 }, { 5.9, 6.4, 6.9, 7.4 },
      { 0, 0.04393693362340839, 0.04393693362340839, 0, 1,
        0, 0, 0, 0, 0.8485729818842953 } },
    { 5, 3, { 6, 6.5, 7, 7.5, 8 }, { 6, 6, 6 },
      { 0.25, 0.25, 0.3333333333333333, 0, 0.2, 0, 0, 0, 0, NAN } },
    { 6, 6, { 6, 6.5, 7, 7.5, 8, 8.5 }, { 6, 6.5, 7, 7.5, 8, 8.5 },
      { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
};

START_TEST(eval_beat_few_events)
{
    double got[EVAL_BEAT_COUNT];
    struct err err = { 0 };

    ck_assert(!eval_beat(got, odd[_i].ref, odd[_i].n, odd[_i].est, odd[_i].m,
                         EVAL_BEAT_TRIM_S, &err));
    for (int k = 0; k < EVAL_BEAT_COUNT; k++)
        ck_assert_msg(isnan(odd[_i].want[k])
                          ? isnan(got[k])
                          : fabs(got[k] - odd[_i].want[k]) <= GOLDEN_TOLERANCE,
                      "case %d: %s is %.17g, not %.17g", _i, eval_beat_names[k],
                      got[k], odd[_i].want[k]);
}
END_TEST

/* One beat missed: the track counts with its wrong ends, too many for 60 beats
 * and few enough for 100 (as mir_eval finds). */
START_TEST(eval_beat_goto_track)
{
    double ref[100], est[100], got[EVAL_BEAT_COUNT];
    int n = _i ? 100 : 60, m = 0;

    for (int i = 0; i < n; i++) {
        ref[i] = 6 + 0.5 * i;
        if (i != n * 7 / 10 - 2)
            est[m++] = ref[i];
    }
    ck_assert(!eval_beat(got, ref, (size_t)n, est, (size_t)m, 5, NULL));
    ck_assert(got[EVAL_BEAT_GOTO] == _i);
}
END_TEST

START_TEST(eval_beat_f_trims)
{
    static const double early[] = { 1, 5, 6.07 };
    double f, p, r;
    struct err err = { 0 };

    ck_assert(!eval_beat_f(&f, &p, &r, four, 4, early, 3, 5, &err));
    ck_assert(p == 0.5 && r == 0.25);
    ck_assert(!eval_beat_f(&f, &p, &r, four, 4, early, 3, 0, &err));
    ck_assert(p == 1 / 3.0 && r == 0.25);
}
END_TEST

START_TEST(eval_beat_refuses)
{
    static const double bad[] = { 2, 1 };
    double out[EVAL_BEAT_COUNT], f;
    struct err err = { 0 };

    ck_assert_int_eq(eval_beat(out, bad, 2, four, 4, 5, &err), ERR_ARG);
    ck_assert(strstr(err.msg, "reference"));
    ck_assert_int_eq(eval_beat_f(&f, NULL, NULL, four, 4, bad, 2, 5, &err),
                     ERR_ARG);
    ck_assert(strstr(err.msg, "estimated"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_beat");
    TCase *t = tcase_create("beat");

    tcase_add_test(t, eval_beat_golden);
    tcase_add_loop_test(t, eval_beat_few_events, 0, ARRAY_LEN(odd));
    tcase_add_loop_test(t, eval_beat_goto_track, 0, 2);
    tcase_add_test(t, eval_beat_f_trims);
    tcase_add_test(t, eval_beat_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
