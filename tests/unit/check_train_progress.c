/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "train/progress.h"

static const char *text(struct train_state s, int64_t first, double seconds)
{
    static char buf[256];

    train_progress_text(buf, sizeof(buf), &s, first, seconds);
    return buf;
}

START_TEST(train_progress_text_tells)
{
    struct train_state s = { 120, 1000, 5.12345, 0.1234, 0.5167 };

    ck_assert_str_eq(text(s, 0, 60), "step 120/1000, loss 5.1235, accuracy "
                     "12.3 %, 0.517 h/s, 7:20 left");
    /* 20 steps of this process */
    ck_assert_str_eq(text(s, 100, 60), "step 120/1000, loss 5.1235, accuracy "
                     "12.3 %, 0.517 h/s, 44:00 left");
    s.loss = s.accuracy = s.hours_per_s = NAN;
    ck_assert_str_eq(text(s, 0, 6000), "step 120/1000, 12:13:20 left");
    ck_assert_str_eq(text(s, 119, 600), "step 120/1000, 6 d 2 h left");
    ck_assert_str_eq(text(s, 0, 0.5), "step 120/1000");
    ck_assert_str_eq(text(s, 120, 50), "step 120/1000");
    s.step = 1000;
    ck_assert_str_eq(text(s, 0, 50), "step 1000/1000");
}
END_TEST

START_TEST(train_progress_text_is_cut)
{
    struct train_state s = { 120, 1000, 5, 0.5, 1 };
    char buf[20];

    train_progress_text(buf, sizeof(buf), &s, 0, 60);
    ck_assert_str_eq(buf, "step 120/1000, loss");
}
END_TEST

/* What two calls in a mode write, the second after a long while. */
static void show(enum train_progress_mode mode, char *out, size_t size)
{
    struct train_state s = { 1, 4, NAN, NAN, NAN };
    struct train_progress p;
    FILE *f = fmemopen(out, size, "w");

    train_progress_init(&p, f, mode, 0);
    train_progress_show(&p, &s);
    p.last -= 11;
    train_progress_show(&p, &s);
    p.last -= 0.2;
    s.step = 4;
    train_progress_show(&p, &s);
    train_progress_clear(&p);
    train_progress_clear(&p);
    fclose(f);
}

START_TEST(train_progress_show_modes)
{
    char out[256];

    show(TRAIN_LINES, out, sizeof(out));
    ck_assert_str_eq(out, "mfm: step 1/4\n");
    show(TRAIN_BAR, out, sizeof(out));
    ck_assert_str_eq(out, "\rstep 1/4\rstep 4/4\r        \r");
    memset(out, 0, sizeof(out));
    show(TRAIN_SILENT, out, sizeof(out));
    ck_assert_str_eq(out, "");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/progress");
    TCase *t = tcase_create("progress");

    tcase_add_test(t, train_progress_text_tells);
    tcase_add_test(t, train_progress_text_is_cut);
    tcase_add_test(t, train_progress_show_modes);
    suite_add_tcase(s, t);
    return unit_run(s);
}
