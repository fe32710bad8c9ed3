/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "base/suggest.h"

START_TEST(suggest_distance_counts)
{
    char a[200], b[200];

    ck_assert_int_eq(suggest_distance("", ""), 0);
    ck_assert_int_eq(suggest_distance("", "abc"), 3);
    ck_assert_int_eq(suggest_distance("abc", ""), 3);
    ck_assert_int_eq(suggest_distance("kitten", "sitting"), 3);
    ck_assert_int_eq(suggest_distance("warmpu", "warmup"), 1);
    ck_assert_int_eq(suggest_distance("ca", "abc"), 3); /* not 2: OSA */
    memset(a, 'a', 199);
    memset(b, 'b', 199);
    a[199] = b[199] = 0;
    ck_assert_int_eq(suggest_distance(a, b), 63);
}
END_TEST

START_TEST(suggest_name_finds)
{
    static const char *const names[] = { "train.lr", "train.lr_floor",
                                         "encoder.layers", "train.warmup" };

    ck_assert_str_eq(suggest_name("lr", names, 4), "train.lr");
    ck_assert_str_eq(suggest_name("warmup", names, 4), "train.warmup");
    ck_assert_str_eq(suggest_name("train.warm_up", names, 4), "train.warmup");
    ck_assert_str_eq(suggest_name("encoder.layer", names, 4),
                     "encoder.layers");
    ck_assert_ptr_null(suggest_name("zzzzzz", names, 4));
    ck_assert_str_eq(suggest_name("jsn", (const char *[]){ "json" }, 1),
                     "json");
    ck_assert_ptr_null(suggest_name("xml", (const char *[]){ "html" }, 1));
    ck_assert_ptr_null(suggest_name("", names, 4));
    ck_assert_ptr_null(suggest_name("lr", names, 0));
}
END_TEST

START_TEST(suggest_error_says)
{
    static const char *const names[] = { "batch" };
    struct err err = {0};

    ck_assert_int_eq(suggest_error(&err, ERR_ARG, "train", "btach", names, 1),
                     ERR_ARG);
    ck_assert_str_eq(err.msg, "train.btach: no such setting (did you mean "
                              "train.batch?)");
    suggest_error(&err, ERR_ARG, "", "xyz", names, 1);
    ck_assert_str_eq(err.msg, "xyz: no such setting");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base/suggest");
    TCase *t = tcase_create("suggest");

    tcase_add_test(t, suggest_distance_counts);
    tcase_add_test(t, suggest_name_finds);
    tcase_add_test(t, suggest_error_says);
    suite_add_tcase(s, t);
    return unit_run(s);
}
