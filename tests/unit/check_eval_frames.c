/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/frames.h"

#include "unit.h"

START_TEST(contingency_counts)
{
    struct span r[] = { { 0, 1, "a" }, { 1.5, 2, "None" } };
    struct span e[] = { { 0, 2, "A" } };
    struct span_list ref = { r, 2 }, est = { e, 1 };
    struct contingency c;

    /* frames 0, 0.5, 1 (its end counts), 1.5: the gap is empty, and "None" is
     * what it would be called */
    ck_assert(!contingency_init(&c, &ref, &est, 0.5, NULL));
    ck_assert(c.rows == 2 && c.cols == 1 && c.total == 4);
    ck_assert(c.row[0] == 3 && c.row[1] == 1 && c.same == 3);
    contingency_release(&c);
}
END_TEST

/* 3 * 0.1 is 0.3 in double and 0.3000000119 in the float that mir_eval makes of
 * it: a segment that ends at 0.3 does not own that frame. */
START_TEST(contingency_frames_are_float)
{
    struct span r[] = { { 0, 0.3, "a" }, { 0.3, 0.5, "b" } };
    struct span e[] = { { 0, 0.5, "a" } };
    struct span_list ref = { r, 2 }, est = { e, 1 };
    struct contingency c;

    ck_assert(!contingency_init(&c, &ref, &est, 0.1, NULL));
    ck_assert(c.total == 5 && c.same == 3);
    contingency_release(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_frames");
    TCase *t = tcase_create("frames");

    tcase_add_test(t, contingency_counts);
    tcase_add_test(t, contingency_frames_are_float);
    suite_add_tcase(s, t);
    return unit_run(s);
}
