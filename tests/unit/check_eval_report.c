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
    struct report_stats s = report_stats(&r, 0);

    ck_assert(s.n == 3 && s.mean == 0.5 && s.median == 0.5 && s.std == 0.5);
    s = report_stats(&r, 1);
    ck_assert(s.n == 1 && s.mean == 1 && s.median == 1 && isnan(s.std));
    report_release(&r);
    report_init(&r, names, 2);
    s = report_stats(&r, 0);
    ck_assert(s.n == 0 && isnan(s.mean) && isnan(s.median) && isnan(s.std));
    report_release(&r);
}
END_TEST

START_TEST(report_json_prints)
{
    struct report r = three_files();
    struct strbuf out = STRBUF_INIT;
    cJSON *v = report_json(&r, true);

    json_print(&out, v);
    ck_assert_str_eq(
        out.s,
        "{\"files\":3,\"mean\":{\"F-measure\":0.5,\"Goto\":1},"
        "\"median\":{\"F-measure\":0.5,\"Goto\":1},"
        "\"std\":{\"F-measure\":0.5,\"Goto\":null},"
        "\"defined\":{\"F-measure\":3,\"Goto\":1},\"scores\":["
        "{\"file\":\"a\",\"F-measure\":0.5,\"Goto\":null},"
        "{\"file\":\"b\\t\",\"F-measure\":1,\"Goto\":1},"
        "{\"file\":\"c\",\"F-measure\":0,\"Goto\":null}]}");
    cJSON_Delete(v);
    v = report_json(&r, false);
    ck_assert_ptr_null(cJSON_GetObjectItem(v, "scores"));
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
    ck_assert_str_eq(out.s,
                     "score          mean    median       std   files\n"
                     "F-measure    0.5000    0.5000    0.5000       3\n"
                     "Goto         1.0000    1.0000       nan       1\n");
    strbuf_reset(&out);
    report_tsv(&out, &r, true);
    ck_assert_str_eq(out.s, "file\tF-measure\tGoto\n"
                            "a\t0.500000\tnan\n"
                            "b?\t1.000000\t1.000000\n"
                            "c\t0.000000\tnan\n"
                            "mean\t0.500000\t1.000000\n"
                            "median\t0.500000\t1.000000\n"
                            "std\t0.500000\tnan\n");
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
