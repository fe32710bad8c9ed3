/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/spans.h"

#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "unit.h"

/* Adjusted to 5..10; results are those of mir_eval.util.adjust_intervals less
 * the intervals without length. One letter a label; < and > are the fillers. */
static const struct {
    size_t n;
    double start[3], end[3];
    const char *want; /* "label start end; ..." */
} cases[] = {
    { 0, { 0 }, { 0 }, "< 5 10;" },
    { 1, { 5 }, { 10 }, "a 5 10;" },
    { 1, { 0 }, { 20 }, "a 5 10;" },
    { 1, { 6 }, { 8 }, "< 5 6;a 6 8;> 8 10;" },
    { 1, { 0 }, { 1 }, "> 5 10;" },
    { 1, { 0 }, { 5 }, "> 5 10;" },
    { 1, { 11 }, { 12 }, "< 5 10;" },
    { 1, { 10 }, { 12 }, "< 5 10;" },
    { 2, { 0, 20 }, { 1, 21 }, "< 5 10;" },
    { 2, { 0, 6 }, { 5, 10 }, "a 5 6;b 6 10;" },
    { 3, { 0, 5, 10 }, { 5, 10, 11 }, "b 5 10;" },
    { 3, { -1, 6, 9 }, { 6, 9, 11 }, "a 5 6;b 6 9;c 9 10;" },
    { 2, { 6, 8 }, { 7, 9 }, "< 5 6;a 6 7;b 8 9;> 9 10;" },
};

START_TEST(span_list_adjust_cases)
{
    static const char *const label[] = { "a", "b", "c" };
    struct eval_spans in = { cases[_i].start, cases[_i].end, label,
                             cases[_i].n };
    struct span_list l = { 0 };
    char got[200] = "";

    ck_assert(!span_list_init(&l, &in, "x", NULL));
    span_list_adjust(&l, 5, 10, "<", ">");
    for (size_t i = 0; i < l.n; i++)
        sprintf(got + strlen(got), "%s %g %g;", l.at[i].label, l.at[i].start,
                l.at[i].end);
    ck_assert_str_eq(got, cases[_i].want);
    span_list_release(&l);
}
END_TEST

START_TEST(span_list_init_refuses)
{
    static const double bad[][4] = { /* start, end, start, end */
        { 0, 0, 1, 2 }, { 0, 1, 2, 1 }, { 1, 2, 0, 1 }, { 0, NAN, 1, 2 },
        { NAN, 1, 1, 2 }, { 0, INFINITY, 1, 2 }, { 0, 1, 1, 2e5 },
    };
    static const char *const label[] = { "a", "b" };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        double s[] = { bad[i][0], bad[i][2] }, e[] = { bad[i][1], bad[i][3] };
        struct eval_spans in = { s, e, label, 2 };
        struct span_list l = { 0 };
        struct err err = { 0 };

        ck_assert_int_eq(span_list_init(&l, &in, "chords", &err), ERR_ARG);
        ck_assert(strstr(err.msg, "chords: interval "));
        ck_assert_ptr_null(l.at);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_spans");
    TCase *t = tcase_create("spans");

    tcase_add_loop_test(t, span_list_adjust_cases, 0, ARRAY_LEN(cases));
    tcase_add_test(t, span_list_init_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
