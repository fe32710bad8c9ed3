/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/compare.h"

#include <math.h>
#include <string.h>

#include "unit.h"

static const char *const names[] = { "F", "G" };

/* Songs b, c, d, e are in both; G is undefined once on each side. */
static void two(struct report *a, struct report *b)
{
    report_init(a, names, 2);
    report_init(b, names, 2);
    report_add(a, "a", (double[]){ 0, 0 });
    report_add(a, "b", (double[]){ 0.5, 1 });
    report_add(b, "b", (double[]){ 0.75, NAN });
    report_add(a, "c", (double[]){ 0.5, NAN });
    report_add(b, "c", (double[]){ 1, 1 });
    report_add(a, "d", (double[]){ 0.25, 0.5 });
    report_add(b, "d", (double[]){ 0, 0.5 });
    report_add(a, "e", (double[]){ 0.5, 0.5 });
    report_add(b, "e", (double[]){ 0.5, 1 });
    report_add(b, "f", (double[]){ 1, 1 });
}

START_TEST(init_numbers)
{
    struct report a, b;
    struct compare c;

    two(&a, &b);
    compare_init(&c, &a, &b, 0, 2);
    ck_assert_uint_eq(c.n, 4);
    ck_assert(c.score[0].n == 4 && c.score[0].mean_a == 0.4375 &&
              c.score[0].mean_b == 0.5625 && c.score[0].difference == 0.125);
    ck_assert(c.score[0].better == 2 && c.score[0].worse == 1);
    /* differences 0.25 0.5 -0.25: ranks 1.5 3 1.5 */
    ck_assert(c.score[0].test.n == 3 && c.score[0].test.statistic == 1.5);
    ck_assert(c.score[0].low >= -0.25 && c.score[0].high <= 0.5 &&
              c.score[0].low < 0.125 && c.score[0].high > 0.125);
    ck_assert(c.score[1].n == 2 && c.score[1].difference == 0.25);
    ck_assert_uint_eq(c.n_most, 2);
    ck_assert_str_eq(c.most[0].name, "c");
    ck_assert_str_eq(c.most[1].name, "b"); /* as far as d: by name */
    compare_release(&c);
    compare_init(&c, &a, &b, 1, 10);
    ck_assert(c.n_most == 1 && c.most[0].a == 0.5 && c.most[0].b == 1);
    compare_release(&c);
    report_release(&a);
    report_release(&b);
}
END_TEST

START_TEST(text_prints)
{
    struct report a, b;
    struct compare c;
    struct strbuf out = STRBUF_INIT;
    cJSON *top = cJSON_CreateObject();
    const cJSON *item;

    two(&a, &b);
    compare_init(&c, &a, &b, 0, 10);
    compare_tsv(&out, &c);
    ck_assert_ptr_nonnull(strstr(out.s, "\nF\t4\t0.4375\t0.5625\t0.125\t"));
    ck_assert_ptr_nonnull(strstr(out.s, "\nG\t2\t0.5\t0.75\t0.25\t"));
    strbuf_reset(&out);
    compare_table(&out, &c);
    ck_assert_ptr_nonnull(strstr(out.s, "largest differences of F\n"
                                        "    0.5000    1.0000    0.5000  c\n"));
    compare_json(top, &c);
    item = cJSON_GetObjectItem(cJSON_GetObjectItem(top, "comparison"), "F");
    ck_assert(cJSON_GetObjectItem(item, "difference")->valuedouble == 0.125);
    ck_assert(cJSON_GetObjectItem(item, "statistic")->valuedouble == 1.5);
    item = cJSON_GetArrayItem(cJSON_GetObjectItem(top, "largest"), 0);
    ck_assert_str_eq(cJSON_GetObjectItem(item, "file")->valuestring, "c");
    cJSON_Delete(top);
    compare_release(&c);
    strbuf_release(&out);
    report_release(&a);
    report_release(&b);
}
END_TEST

START_TEST(init_nothing)
{
    struct report a, b;
    struct compare c;

    report_init(&a, names, 2);
    report_init(&b, names, 2);
    report_add(&a, "a", (double[]){ 0, 0 });
    compare_init(&c, &a, &b, 0, 10);
    ck_assert(c.n == 0 && isnan(c.score[0].mean_a) && c.n_most == 0 &&
              isnan(c.score[0].low));
    compare_release(&c);
    report_release(&a);
    report_release(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_compare");
    TCase *t = tcase_create("compare");

    tcase_add_test(t, init_numbers);
    tcase_add_test(t, text_prints);
    tcase_add_test(t, init_nothing);
    suite_add_tcase(s, t);
    return unit_run(s);
}
