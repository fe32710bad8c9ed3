/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/match.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/xalloc.h"
#include "unit.h"

/* Maximum matching of any bipartite graph by augmenting paths (Kuhn): slow,
 * without a thought for order. */
struct graph {
    bool edge[40][40];
    int n, m, owner[40];
};

static bool augment(struct graph *g, int e, bool *seen)
{
    for (int r = 0; r < g->n; r++) {
        if (!g->edge[e][r] || seen[r])
            continue;
        seen[r] = true;
        if (g->owner[r] < 0 || augment(g, g->owner[r], seen)) {
            g->owner[r] = e;
            return true;
        }
    }
    return false;
}

static size_t slow_match(const double *ref, int n, const double *est, int m,
                         double window)
{
    struct graph g = { .n = n, .m = m };
    size_t count = 0;

    for (int r = 0; r < n; r++)
        g.owner[r] = -1;
    for (int e = 0; e < m; e++)
        for (int r = 0; r < n; r++)
            g.edge[e][r] =
                ref[r] >= est[e] - window && ref[r] <= est[e] + window;
    for (int e = 0; e < m; e++) {
        bool seen[40] = { false };

        count += augment(&g, e, seen);
    }
    return count;
}

static double draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 40) / (double)(1 << 24);
}

START_TEST(match_count_is_maximum)
{
    uint64_t state = (uint64_t)_i;
    double ref[40], est[40];

    for (int round = 0; round < 200; round++) {
        int n = (int)(draw(&state) * 40), m = (int)(draw(&state) * 40);
        /* a coarse grid makes ties and equal times */
        double grid = draw(&state) < 0.5 ? 8 : 1 << 20;

        for (int i = 0; i < n; i++)
            ref[i] = floor(draw(&state) * 10 * grid) / grid;
        for (int i = 0; i < m; i++)
            est[i] = floor(draw(&state) * 10 * grid) / grid;
        match_sort(ref, (size_t)n);
        match_sort(est, (size_t)m);
        for (double w = 0; w < 2; w += 0.125)
            ck_assert_uint_eq(match_count(ref, (size_t)n, est, (size_t)m, w),
                              slow_match(ref, n, est, m, w));
    }
}
END_TEST

START_TEST(match_nearest_takes_the_first)
{
    static const double t[] = { 1, 1, 2, 4, 4 };

    ck_assert_uint_eq(match_nearest(t, 5, 0), 0);
    ck_assert_uint_eq(match_nearest(t, 5, 1.5), 0);
    ck_assert_uint_eq(match_nearest(t, 5, 2.9), 2);
    ck_assert_uint_eq(match_nearest(t, 5, 3), 2);
    ck_assert_uint_eq(match_nearest(t, 5, 3.1), 3);
    ck_assert_uint_eq(match_nearest(t, 5, 9), 3);
}
END_TEST

START_TEST(match_check_events_refuses)
{
    static const double bad[][2] = {
        { 2, 1 }, { 0, NAN }, { 0, INFINITY }, { 0, 30001 }, { -1e9, 0 },
    };
    struct err err = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(match_check_events(bad[i], 2, "beats", &err),
                         ERR_ARG);
        ck_assert(strstr(err.msg, "beats"));
    }
    ck_assert_int_eq(match_check_events(NULL, 0, "beats", &err), 0);
    ck_assert_int_eq(match_check_events((double[]){ -1, -1, 0 }, 3, "b", &err),
                     0);
}
END_TEST

START_TEST(match_median_cases)
{
    ck_assert(isnan(match_median(NULL, 0)));
    ck_assert(match_median((double[]){ 3, 1, 2 }, 3) == 2);
    ck_assert(match_median((double[]){ 3, 1, 2, 8 }, 4) == 2.5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_match");
    TCase *t = tcase_create("match");

    tcase_add_loop_test(t, match_count_is_maximum, 0, 8);
    tcase_add_test(t, match_nearest_takes_the_first);
    tcase_add_test(t, match_check_events_refuses);
    tcase_add_test(t, match_median_cases);
    suite_add_tcase(s, t);
    return unit_run(s);
}
