/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/key.h"

#include "golden.h"

START_TEST(eval_key_golden)
{
    cJSON *all = golden_read("golden/metrics/key.json");
    const cJSON *x;
    int i = 0;

    cJSON_ArrayForEach(x, all) {
        double got;
        struct err err = { 0 };

        ck_assert_msg(!eval_key(&got, GOLDEN_ITEM(x, "reference")->valuestring,
                                GOLDEN_ITEM(x, "estimate")->valuestring, &err),
                      "%s", err.msg);
        golden_compare(GOLDEN_ITEM(x, "score"), got, i++, "score");
    }
    ck_assert_int_eq(i, 88);
    cJSON_Delete(all);
}
END_TEST

/* The golden pairs lack some of these. */
static const struct {
    const char *ref, *est;
    double want;
} pairs[] = {
    { "C major", "G major", 0.5 }, { "C major", "F major", 0 },
    { "C major", "A minor", 0.3 }, { "A minor", "C major", 0.3 },
    { "C major", "c minor", 0.2 }, { "C major", "A other", 0.3 },
    { "C other", "A minor", 0 },   { "Db major", "C# major", 1 },
    { "X", "x", 1 },               { "X", "C major", 0 },
    { "C other", "X", 0 },
};

START_TEST(eval_key_relations)
{
    double got;

    ck_assert(!eval_key(&got, pairs[_i].ref, pairs[_i].est, NULL));
    ck_assert_msg(got == pairs[_i].want, "%s against %s: %g", pairs[_i].ref,
                  pairs[_i].est, got);
}
END_TEST

START_TEST(eval_key_refuses)
{
    double got;
    struct err err = { 0 };

    ck_assert_int_eq(eval_key(&got, "C major", "C", &err), ERR_FORMAT);
    ck_assert(strstr(err.msg, "estimate"));
    ck_assert_int_eq(eval_key(&got, "H major", "C major", &err), ERR_FORMAT);
    ck_assert(strstr(err.msg, "reference"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_key");
    TCase *t = tcase_create("key");

    tcase_add_test(t, eval_key_golden);
    tcase_add_loop_test(t, eval_key_relations, 0, ARRAY_LEN(pairs));
    tcase_add_test(t, eval_key_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
