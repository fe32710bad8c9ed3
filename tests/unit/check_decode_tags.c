/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "decode/tags.h"

static const char *const names[] = { "rock", "slow", "piano", "voice" };
static const struct classes four = { names, 4 };

START_TEST(tags_rank_sorts)
{
    float score[4] = { .25f, .5f, .75f, .5f };
    struct tags t = {0};

    ck_assert(!tags_rank(&t, score, &four, 0, 0, NULL));
    ck_assert_uint_eq(t.n, 4);
    ck_assert_str_eq(t.v[0].label, "piano");
    ck_assert_str_eq(t.v[1].label, "slow");
    ck_assert_str_eq(t.v[2].label, "voice");
    ck_assert_double_eq(t.v[3].score, .25);
    tags_release(&t);
    ck_assert(!tags_rank(&t, score, &four, 2, 0, NULL));
    ck_assert_uint_eq(t.n, 2);
    tags_release(&t);
    ck_assert(!tags_rank(&t, score, &four, 0, .5, NULL));
    ck_assert_uint_eq(t.n, 3);
    ck_assert(!tags_rank(&t, score, &four, 9, 1, NULL));
    ck_assert_uint_eq(t.n, 3);
    tags_release(&t);
    score[2] = NAN;
    ck_assert_int_eq(tags_rank(&t, score, &four, 0, 0, NULL), ERR_ARG);
    ck_assert_uint_eq(t.n, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_tags");
    TCase *t = tcase_create("tags");

    tcase_add_test(t, tags_rank_sorts);
    suite_add_tcase(s, t);
    return unit_run(s);
}
