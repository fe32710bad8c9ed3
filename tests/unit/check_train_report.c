/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report.html: what is in it, that nothing gets out of its place, and the
 * geometry of the curves. */
#include "unit.h"

#include <math.h>

#include <string.h>

#include "base/file.h"
#include "train/chart.h"
#include "train/report.h"
#include "tree.h"

static struct tree tree;
static struct err err;
static struct strbuf html;

static void setup(void)
{
    tree_make(&tree);
    strbuf_init(&html);
}

static void stop(void)
{
    strbuf_release(&html);
    tree_remove(&tree);
}

static void make(const char *title, const char *note)
{
    char out[128];

    strcpy(out, tree_path(&tree, "report.html"));
    ck_assert_msg(!report_write(out, tree_path(&tree, "m"), title, note, &err),
                  "%s", err.msg);
    ck_assert(!file_read(&html, out, 1 << 24, &err));
}

static int count(const char *what)
{
    int n = 0;

    for (const char *s = html.s; (s = strstr(s, what)); s++)
        n++;
    return n;
}

START_TEST(report_write_groups)
{
    tree_put(&tree, "m", "{\"step\":1,\"zebra\":1,\"lr\":1e-4,\"lr_head\":1e-3,"
                         "\"loss\":9.5}\n{\"step\":1,\"valid_loss\":9.75}\n"
                         "{\"step\":2,\"loss\":8.125,\"loss_1\":7}\n");
    make("RUN", "{\"dim\": 64}");
    ck_assert_int_eq(count("<section>"), 3); /* loss, lr, zebra */
    ck_assert_int_eq(count("<h2>Loss</h2>"), 1);
    ck_assert_int_eq(count("<h2>zebra</h2>"), 1);
    ck_assert(strstr(html.s, "Loss</h2>") < strstr(html.s, "rate</h2>"));
    ck_assert(strstr(html.s, "rate</h2>") < strstr(html.s, "zebra</h2>"));
    ck_assert_int_eq(count("valid_loss <b>9.75</b>"), 1);
    ck_assert_int_eq(count("loss <b>8.125</b>"), 1);
    ck_assert_int_eq(count("<p class=\"sub\">Step 2</p>"), 1);
    ck_assert_int_eq(count("{&quot;dim&quot;: 64}"), 1);
    ck_assert_int_eq(count("http"), 0); /* nothing from a network */
    ck_assert_int_eq(count("src="), 0);
    ck_assert_int_eq(count("url("), 0);
}
END_TEST

START_TEST(report_write_escapes)
{
    tree_put(&tree, "m",
             "{\"step\":1,\"<script>alert(1)</script>&'\\\"\":1}\n");
    make("a<b>&\"'\001", "</pre><script>");
    ck_assert_int_eq(count("<script"), 0);
    ck_assert_int_eq(count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#39;"
                           "&quot;"), 2);
    ck_assert_int_eq(count("<title>a&lt;b&gt;&amp;&quot;&#39;&#xfffd;"
                           "</title>"), 1);
    ck_assert_int_eq(count("</pre>"), 1);
}
END_TEST

START_TEST(report_write_of_nothing)
{
    tree_put(&tree, "m", "");
    make("RUN", NULL);
    ck_assert_int_eq(count("No steps yet"), 1);
    ck_assert_int_eq(count("<section>"), 0);
    ck_assert_int_eq(count("<details>"), 0);
    ck_assert_int_eq(report_write(tree_path(&tree, "x"), "/no/such", "", NULL,
                                  &err), ERR_IO);
    ck_assert(access(tree_path(&tree, "x"), F_OK));
}
END_TEST

/* Values that have no width, no number, or no end. */
START_TEST(report_write_odd_values)
{
    tree_put(&tree, "m",
             "{\"step\":1,\"a\":null,\"b\":0,\"c\":1e300,\"d\":5,"
             "\"e\":1e-300}\n{\"step\":2,\"a\":null,\"b\":0,"
             "\"c\":-1.7e308,\"d\":5,\"e\":2e-300}\n"
             "{\"step\":3,\"b\":0,\"c\":1.7e308,\"d\":5.0000000000000001}\n");
    make("RUN", NULL);
    ck_assert_int_eq(count("<section>"), 5);
    ck_assert_int_eq(count("nan"), 0);
    ck_assert_int_eq(count("no number"), 1);
    ck_assert_int_eq(count(" inf") + count("-inf") + count("Linf"), 0);
    ck_assert_uint_lt(html.len, 20000);
}
END_TEST

START_TEST(chart_tick_is_round)
{
    ck_assert_double_eq(chart_tick(10, 5), 2);
    ck_assert_double_eq(chart_tick(9.9, 4), 2);
    ck_assert_double_eq(chart_tick(1000, 6), 200);
    ck_assert_double_eq_tol(chart_tick(0.0003, 5), 5e-5, 1e-18);
    ck_assert_double_eq(chart_tick(1e6, 1), 1e6);
}
END_TEST

static struct metrics_series series(int n)
{
    struct metrics_series s = { .n = (size_t)n };

    s.step = calloc((size_t)n, sizeof(*s.step));
    s.value = calloc((size_t)n, sizeof(*s.value));
    for (int i = 0; i < n; i++) {
        s.step[i] = i + 1;
        s.value[i] = sin(i) + 2;
    }
    return s;
}

static void release(struct metrics_series *s)
{
    free(s->step);
    free(s->value);
}

/* Three points at hand-made places: y 0..2 of a range -0..2.1, x over 492
 * units from 56 on. */
START_TEST(chart_svg_places)
{
    struct metrics_series s = series(3);
    const struct metrics_series *list[] = { &s };

    s.value[0] = 0;
    s.value[1] = NAN;
    s.value[2] = 2;
    chart_svg(&html, list, 1, 1, 3);
    ck_assert_int_eq(count("<path class=\"c0\" d=\"M56.0 214.0M548.0 19.7\""),
                     1);
    s.value[1] = 1;
    strbuf_reset(&html);
    chart_svg(&html, list, 1, 1, 3);
    ck_assert_int_eq(count("d=\"M56.0 214.0L302.0 116.9L548.0 19.7\""), 1);
    release(&s);
}
END_TEST

/* Half a million values: few points, and the highest one is among them. */
START_TEST(chart_svg_thins)
{
    struct metrics_series s = series(500000);
    const struct metrics_series *list[] = { &s };
    char top[32];

    s.value[123456] = 50;
    chart_svg(&html, list, 1, 1, 500000);
    ck_assert_uint_lt(html.len, 40000);
    ck_assert_int_eq(count("class=\"c0 raw\""), 1);
    ck_assert_int_eq(count("class=\"c0\""), 1);
    /* 0..52.45 on 204 units above 214 */
    snprintf(top, sizeof(top), "%.1f %.1f", 56 + 123456.0 / 499999 * 492,
             214 - 204 * 50 / 52.45);
    ck_assert_int_eq(count(top), 1);
    release(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/report");
    TCase *t = tcase_create("report");

    tcase_add_checked_fixture(t, setup, stop);
    tcase_add_test(t, report_write_groups);
    tcase_add_test(t, report_write_escapes);
    tcase_add_test(t, report_write_of_nothing);
    tcase_add_test(t, report_write_odd_values);
    tcase_add_test(t, chart_tick_is_round);
    tcase_add_test(t, chart_svg_places);
    tcase_add_test(t, chart_svg_thins);
    suite_add_tcase(s, t);
    return unit_run(s);
}
