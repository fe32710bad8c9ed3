/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/lines.h"

#include <string.h>

#include "base/xalloc.h"
#include "unit.h"

/* The lines, each with a ";"; "!N" where line N is refused. */
static const struct {
    const char *text, *want[3]; /* for each enum lines_gaps */
} texts[] = {
    { "a\nb\n", { "a;b;", "a;b;", "a;b;" } },
    { "a \t\r\n# c\n\\ x\nb", { "a;b;", "a;b;", "a;b;" } },
    { "\xef\xbb\xbf" "a\n\n \n", { "a;", "a;", "a;" } },
    { "a\n\nb\n", { "a;!2", "a;!2", "a;b;" } },
    { "a\n\t        \nb\n", { "a;!2", "a;b;", "a;b;" } },
    { "", { "", "", "" } },
};

START_TEST(lines_next_cuts)
{
    for (int gaps = 0; gaps < 3; gaps++) {
        char *text = xstrdup(texts[_i].text), *line, got[80] = "";
        struct lines l;
        struct err err = { 0 };
        int rc = 0;

        lines_init(&l, text, "x");
        l.gaps = (enum lines_gaps)gaps;
        while (!(rc = lines_next(&l, &line, &err)) && line)
            sprintf(got + strlen(got), "%s;", line);
        if (rc) {
            sprintf(got + strlen(got), "!%d", l.number);
            ck_assert(!strncmp(err.msg, "x:2: ", 5));
        } else {
            ck_assert(lines_done(&l));
        }
        ck_assert_str_eq(got, texts[_i].want[gaps]);
        free(text);
    }
}
END_TEST

START_TEST(lines_number_is_strict)
{
    static const char *const not[] = { "", "-", "0x10", "nan", "inf", "1e999",
                                       "1,5", "1s", "e5", "." };
    double v;
    int p;

    ck_assert(lines_number(&v, "7.3469387e-2") && v == 7.3469387e-2);
    ck_assert(lines_number(&v, "-0.195") && v == -0.195);
    for (size_t i = 0; i < ARRAY_LEN(not); i++)
        ck_assert_msg(!lines_number(&v, not[i]), "%s", not[i]);
    ck_assert(!lines_number(&v, NULL));
    ck_assert(lines_position(&p, "4.0") && p == 4);
    ck_assert(lines_position(&p, "0") && p == 0);
    ck_assert(!lines_position(&p, "1.5") && !lines_position(&p, "-1") &&
              !lines_position(&p, "1001") && !lines_position(&p, ""));
}
END_TEST

START_TEST(lines_column_takes)
{
    char text[] = "  a \tb c", *s = text;

    ck_assert_str_eq(lines_column(&s), "a");
    ck_assert_str_eq(lines_column(&s), "b");
    ck_assert_str_eq(lines_column(&s), "c");
    ck_assert_ptr_null(lines_column(&s));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_lines");
    TCase *t = tcase_create("lines");

    tcase_add_loop_test(t, lines_next_cuts, 0, ARRAY_LEN(texts));
    tcase_add_test(t, lines_number_is_strict);
    tcase_add_test(t, lines_column_takes);
    suite_add_tcase(s, t);
    return unit_run(s);
}
