/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "decode/partlines.h"

enum { BARS = 200, FRAMES = BARS * 10 };

static const char *const names[] = { "C", "G" };
static float prob[FRAMES * 2], boundary[FRAMES];
static double bar[BARS + 1], p[BARS + 1];
static size_t line[BARS + 1], n;
static const struct frames frames = { FRAMES, 5, BARS * 2 };
static struct posterior chords = { prob, { FRAMES, 5, BARS * 2 },
                                   { names, 2 } };

/* Bars of 2 s of the same chord. */
static void setup(void)
{
    for (int i = 0; i <= BARS; i++)
        bar[i] = 2 * i;
    for (int i = 0; i < FRAMES; i++) {
        prob[2 * i] = prob[2 * i + 1] = 0.5f;
        boundary[i] = 0.05f;
    }
}

static void find(size_t bars)
{
    ck_assert(!partlines_find(line, p, &n, bar, bars, boundary, &frames,
                              &chords, NULL));
}

/* Where nothing else is known. */
START_TEST(partlines_without_evidence)
{
    size_t last = 0;

    setup();
    find(1);
    ck_assert_uint_eq(n, 0);
    find(BARS);
    ck_assert_uint_ge(n, BARS / PARTLINES_LONGEST);
    for (size_t i = 0; i < n; last = line[i++]) {
        ck_assert(line[i] > last && line[i] <= last + PARTLINES_LONGEST);
        ck_assert_double_eq_tol(p[i], 1 / (1 + exp(2.58)), 1e-9);
    }
}
END_TEST

/* The head hears a part of 8 bars, then one of 16, half a second late. */
START_TEST(partlines_by_the_head)
{
    setup();
    boundary[8 * 10 + 2] = boundary[24 * 10 + 2] = 0.9f;
    find(30);
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(line[0], 8);
    ck_assert_uint_eq(line[1], 24);
    ck_assert_double_gt(p[0], 0.2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_partlines");
    TCase *t = tcase_create("partlines");

    tcase_add_test(t, partlines_without_evidence);
    tcase_add_test(t, partlines_by_the_head);
    suite_add_tcase(s, t);
    return unit_run(s);
}
