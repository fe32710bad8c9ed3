/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include "cmd/progress.h"

static const struct {
    size_t done, total;
    double parts, heard, seconds;
    const char *name, *text;
} texts[] = {
    { 0, 10, 0, 0, 0, "a", "0/10 files, 0 %: a" },
    { 2, 10, 0.5, 0, 10, "a", "2/10 files, 25 %, 0:30 left: a" },
    { 2, 10, 0.5, 123, 10, "a",
      "2/10 files, 25 %, 12 times real time, 0:30 left: a" },
    { 2, 8, 0, 5400, 3600, "a",
      "2/8 files, 25 %, 1.5 times real time, 3:00:00 left: a" },
    { 0, 1, 0.5, 0, 65, "a", "0/1 files, 50 %, 1:05 left: a" },
    { 0, 1, 7, 0, 65, "a", "0/1 files, 100 %: a" },
    { 3, 3, 0, 0, 65, NULL, "3/3 files, 100 %" },
    { 0, 0, 0, 0, 65, NULL, "0/0 files, 100 %" },
};

START_TEST(progress_text_of_each)
{
    const struct progress p = { .done = texts[_i].done,
                                .total = texts[_i].total,
                                .parts = texts[_i].parts,
                                .heard = texts[_i].heard };
    char buf[128];

    progress_text(buf, sizeof(buf), &p, texts[_i].seconds, texts[_i].name);
    ck_assert_str_eq(buf, texts[_i].text);
}
END_TEST

START_TEST(progress_text_fits)
{
    const struct progress p = { .done = 1, .total = 1000000, .heard = 100 };
    char buf[12];

    progress_text(buf, sizeof(buf), &p, 100, "long name");
    ck_assert_str_eq(buf, "1/1000000 f");
}
END_TEST

static int mode(const char *when, int quiet, int tty)
{
    struct cmd_common c = CMD_COMMON_INIT;
    struct progress p;

    c.progress = when;
    c.quiet = quiet;
    progress_init(&p, &c, 1, tty);
    return p.mode;
}

START_TEST(progress_init_modes)
{
    ck_assert_int_eq(mode("auto", 0, 1), PROGRESS_BAR);
    ck_assert_int_eq(mode("auto", 0, 0), PROGRESS_LINES);
    ck_assert_int_eq(mode("auto", 1, 1), PROGRESS_OFF);
    ck_assert_int_eq(mode("always", 0, 0), PROGRESS_BAR);
    ck_assert_int_eq(mode("never", 0, 1), PROGRESS_OFF);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd_progress");
    TCase *t = tcase_create("progress");

    tcase_add_loop_test(t, progress_text_of_each, 0,
                        sizeof(texts) / sizeof(*texts));
    tcase_add_test(t, progress_text_fits);
    tcase_add_test(t, progress_init_modes);
    suite_add_tcase(s, t);
    return unit_run(s);
}
