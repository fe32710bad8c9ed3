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

/* The key and the metre speak for and against; what is not known says nothing,
 * and other tags stay. */
START_TEST(tags_agree_with_others)
{
    static const char *const label[] = { "waltz", "major", "rock", "minor" };
    static const struct classes c = { label, 4 };
    static const float head[4] = { .3f, .5f, .5f, NAN };
    struct key key = {0};
    float score[4];

    memcpy(score, head, sizeof(score));
    tags_agree(score, &c, NULL, 0);
    key_set(&key, "N", .9);
    tags_agree(score, &c, &key, 0);
    ck_assert(!memcmp(score, head, sizeof(score)));
    key_set(&key, "A minor", .5);
    tags_agree(score, &c, &key, 3);
    ck_assert_double_eq_tol(score[0], 1 / (1 + exp(.48 * log(7 / 3.) - 1.9)),
                            1e-6);
    ck_assert_double_eq_tol(score[1], 1 / (1 + exp(1.06 - .32)), 1e-6);
    ck_assert_float_eq(score[2], .5f);
    ck_assert_float_nan(score[3]);
    score[0] = score[3] = .5f;
    key_set(&key, "C major", 1);
    tags_agree(score, &c, &key, 4);
    ck_assert_float_lt(score[0], .2f);
    ck_assert_float_gt(score[1], .9f);
    ck_assert_float_lt(score[3], .1f);
    key_release(&key);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_tags");
    TCase *t = tcase_create("tags");

    tcase_add_test(t, tags_rank_sorts);
    tcase_add_test(t, tags_agree_with_others);
    suite_add_tcase(s, t);
    return unit_run(s);
}
