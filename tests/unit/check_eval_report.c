/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/report.h"

#include <math.h>

#include "base/xalloc.h"
#include "unit.h"

static const char *const names[] = { "F-measure", "Goto" };

/* The caller releases it. */
static struct report three_files(void)
{
    struct report r;

    report_init(&r, names, 2);
    report_add(&r, "a", (double[]){ 0.5, NAN });
    report_add(&r, "b\t", (double[]){ 1, 1 });
    report_add(&r, "c", (double[]){ 0, NAN });
    return r;
}

START_TEST(report_stats_skips_undefined)
{
    struct report r = three_files();
    struct report_stats *s = report_stats(&r);

    ck_assert(s[0].n == 3 && s[0].mean == 0.5 && s[0].median == 0.5 &&
              s[0].std == 0.5);
    ck_assert(s[0].low == 0 && s[0].high == 1); /* 3 of 3 alike: 1 in 27 */
    ck_assert(s[1].n == 1 && s[1].mean == 1 && s[1].median == 1 &&
              isnan(s[1].std) && isnan(s[1].low) && isnan(s[1].high));
    free(s);
    report_release(&r);
    report_init(&r, names, 2);
    s = report_stats(&r);
    ck_assert(s[0].n == 0 && isnan(s[0].mean) && isnan(s[0].median) &&
              isnan(s[0].std) && isnan(s[0].low));
    free(s);
    report_release(&r);
}
END_TEST

START_TEST(report_json_prints)
{
    struct report r = three_files();
    struct strbuf out = STRBUF_INIT;
    cJSON *v = cJSON_CreateObject();

    report_json(v, &r, true);
    json_print(&out, v);
    ck_assert_str_eq(
        out.s,
        "{\"files\":3,\"mean\":{\"F-measure\":0.5,\"Goto\":1},"
        "\"median\":{\"F-measure\":0.5,\"Goto\":1},"
        "\"std\":{\"F-measure\":0.5,\"Goto\":null},"
        "\"interval\":{\"F-measure\":[0,1],\"Goto\":[null,null]},"
        "\"defined\":{\"F-measure\":3,\"Goto\":1},"
        "\"undefined\":{\"F-measure\":0,\"Goto\":2},\"scores\":["
        "{\"file\":\"a\",\"F-measure\":0.5,\"Goto\":null},"
        "{\"file\":\"b\\t\",\"F-measure\":1,\"Goto\":1},"
        "{\"file\":\"c\",\"F-measure\":0,\"Goto\":null}]}");
    cJSON_Delete(v);
    v = cJSON_CreateObject();
    r.unit = "tags";
    report_json(v, &r, false);
    ck_assert_ptr_null(cJSON_GetObjectItem(v, "scores"));
    ck_assert_int_eq(cJSON_GetObjectItem(v, "tags")->valueint, 3);
    cJSON_Delete(v);
    strbuf_release(&out);
    report_release(&r);
}
END_TEST

START_TEST(report_text_prints)
{
    struct report r = three_files();
    struct strbuf out = STRBUF_INIT;

    report_table(&out, &r);
    ck_assert_str_eq(
        out.s,
        "score          mean       low      high    median       std    files"
        "  undefined\n"
        "F-measure    0.5000    0.0000    1.0000    0.5000    0.5000        3"
        "          0\n"
        "Goto         1.0000         -         -    1.0000         -        1"
        "          2\n");
    strbuf_reset(&out);
    report_tsv(&out, &r, true);
    ck_assert_str_eq(out.s, "file\tF-measure\tGoto\n"
                            "a\t0.500000\t-\n"
                            "b?\t1.000000\t1.000000\n"
                            "c\t0.000000\t-\n"
                            "mean\t0.500000\t1.000000\n"
                            "median\t0.500000\t1.000000\n"
                            "std\t0.500000\t-\n"
                            "low\t0.000000\t-\n"
                            "high\t1.000000\t-\n"
                            "undefined\t0\t2\n");
    strbuf_release(&out);
    report_release(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_report");
    TCase *t = tcase_create("report");

    tcase_add_test(t, report_stats_skips_undefined);
    tcase_add_test(t, report_json_prints);
    tcase_add_test(t, report_text_prints);
    suite_add_tcase(s, t);
    return unit_run(s);
}
