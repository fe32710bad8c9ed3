/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The path against a Viterbi decoder over all states that follows the text of
 * the model: every state of every frame, dense transitions, one addition after
 * another. The same operations in another order differ by rounding only, so
 * random activations (without ties) must give the same path, and the score to
 * 1e-9 of its size. Odd numbers of frames are decoded without the widest
 * vectors. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "decode/viterbi.h"

static unsigned int seed;

static float uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) * 0x1p-24f;
}

/* ---- the plain decoder ---- */

struct state {
    int beat, interval, position;
};

static int list_states(struct state *s, const struct bar_space *sp, int beats)
{
    int n = 0;

    for (int b = 0; b < beats; b++)
        for (int k = 0; k < sp->n; k++)
            for (int p = 0; p < sp->interval[k]; p++)
                s[n++] = (struct state){ b, sp->interval[k], p };
    return n;
}

/* Probability of going from a to b; 0 if it cannot be. */
static double probability(const struct bar_space *sp, const struct state *a,
                          const struct state *b, int beats, double lambda)
{
    double sum = 0, p;

    if (b->position)
        return a->beat == b->beat && a->interval == b->interval &&
               a->position + 1 == b->position;
    if (a->position + 1 != a->interval || (a->beat + 1) % beats != b->beat)
        return 0;
    for (int k = 0; k < sp->n; k++) {
        p = exp(-lambda * fabs((double)sp->interval[k] / a->interval - 1));
        sum += p > 0x1p-52 ? p : 0;
    }
    p = exp(-lambda * fabs((double)b->interval / a->interval - 1));
    return p > 0x1p-52 ? p / sum : 0;
}

static double density(const struct state *s, const float *act, double lambda)
{
    float b = act[0], d = act[1];

    if ((double)s->position / s->interval >= 1 / lambda - 1e-12)
        return logf((1 - (b + d)) / (float)(lambda - 1));
    return s->beat ? logf(b) : logf(d);
}

/* The states on the best path (malloced, T of them); n states at most 600. */
static struct state *plain(const struct bar_space *sp, int beats,
                           const float *act, int t_all, double lambda,
                           double obs, double *score)
{
    static struct state s[600];
    static double trans[600][600], now[600], old[600];
    int n = list_states(s, sp, beats), end = 0;
    short *back = malloc(sizeof(short) * (size_t)n * (size_t)t_all);
    struct state *path = malloc(sizeof(*path) * (size_t)t_all);

    ck_assert(back && path);
    for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++)
            trans[a][b] = log(probability(sp, &s[a], &s[b], beats, lambda));
    for (int a = 0; a < n; a++)
        old[a] = log(1.0 / n);
    for (int t = 0; t < t_all; t++) {
        for (int b = 0; b < n; b++) {
            double d = density(&s[b], act + 2 * t, obs);

            now[b] = -INFINITY;
            for (int a = 0; a < n; a++)
                if (old[a] + trans[a][b] + d > now[b]) {
                    now[b] = old[a] + trans[a][b] + d;
                    back[t * n + b] = (short)a;
                }
        }
        memcpy(old, now, sizeof(old));
    }
    for (int a = 1; a < n; a++)
        if (now[a] > now[end])
            end = a;
    *score = now[end];
    for (int t = t_all - 1; t >= 0; t--) {
        path[t] = s[end];
        end = back[t * n + end];
    }
    free(back);
    return path;
}

/* ---- comparison ---- */

static void compare(const struct bar_space *sp, const int *bars, int num_bars,
                    const float *act, int t_all, double lambda, size_t block)
{
    struct viterbi_config cfg = { sp, bars, num_bars, 16, 0, 0, block,
                                  t_all & 1 };
    struct bar_path got;
    struct state *want = NULL;
    double best = -INFINITY, score;
    int bar = 0;
    size_t step = 0;

    for (int m = 0; m < num_bars; m++) {
        struct state *p = plain(sp, bars[m], act, t_all, lambda, 16, &score);

        if (score > best) {
            free(want);
            want = p;
            best = score;
            bar = m;
        } else {
            free(p);
        }
    }
    ck_assert(!viterbi_decode(&got, act, (size_t)t_all, &cfg, NULL));
    ck_assert_int_eq(got.bar, bar);
    ck_assert_double_eq_tol(got.score, best, 1e-9 * fabs(best));
    for (int t = 0; t < t_all; t++) {
        const struct bar_step *s;

        if (step + 1 < got.n && got.v[step + 1].start == (size_t)t)
            step++;
        s = &got.v[step];
        ck_assert_int_eq(s->beat, want[t].beat);
        ck_assert_int_eq(s->interval, want[t].interval);
        ck_assert_int_eq(s->skip + t - (int)s->start, want[t].position);
    }
    ck_assert_uint_eq(step + 1, got.n);
    free(want);
    bar_path_release(&got);
}

static void random_activations(float *act, int n)
{
    for (int i = 0; i < n; i++) {
        float b = uniform(), d = uniform();

        act[2 * i] = 1e-4f + 0.5f * b * b * b;
        act[2 * i + 1] = 1e-4f + 0.45f * d * d * d * d;
    }
}

/* Small spaces of all kinds: one interval, intervals of one frame, one beat a
 * bar, wide and narrow transitions, fewer frames than a beat. */
START_TEST(viterbi_decode_equals_plain_decoder)
{
    static const int bars[] = { 3, 1, 4, 2 };
    static float act[2 * 160];
    struct bar_space sp;
    struct err err = {0};
    double low, high, lambda;
    int n, t_all;

    seed = (unsigned int)_i + 1;
    low = 1 + floor(6 * uniform());
    high = low + floor(5 * uniform());
    lambda = 200 * uniform() * uniform();
    n = 1 + (int)(3.99f * uniform());
    t_all = 1 + (int)(159 * uniform());
    random_activations(act, t_all);
    ck_assert_msg(!bar_space_init(&sp, low, high, 0, lambda, &err), "%s",
                  err.msg);
    compare(&sp, bars + (_i & 1), n - (n == 4 && (_i & 1)), act, t_all,
            lambda, 0);
    bar_space_release(&sp);
}
END_TEST

/* Ties: with lambda 0 every interval may follow every other alike, and with
 * activations of 1/17 beats and the rest are as probable, but for one beat in
 * the last frame: where the beats before it are matters only for their number.
 * The first of equals has to win. */
START_TEST(viterbi_decode_first_of_equals)
{
    static const int bars[] = { 3, 4 };
    static float act[2 * 100];
    struct bar_space sp;
    float x = 1 / 17.0f;

    ck_assert(logf(x) == logf((1 - (x + x)) / 15));
    for (int i = 0; i < 200; i++)
        act[i] = i < 198 - _i % 2 * 2 ? x : 0.45f;
    ck_assert(!bar_space_init(&sp, 2, 9, 0, _i / 2 * 10, NULL));
    compare(&sp, bars, 2, act, 100 - _i % 2, _i / 2 * 10, 0);
    bar_space_release(&sp);
}
END_TEST

/* The trace through blocks whose back-pointers are computed again. */
START_TEST(viterbi_decode_in_blocks)
{
    enum { T = 2600 };
    static const int bars[] = { 3, 2 };
    static float act[2 * T];
    struct bar_space sp;

    seed = 99;
    random_activations(act, T);
    ck_assert(!bar_space_init(&sp, 4, 9, 0, 20, NULL));
    compare(&sp, bars, 2, act, T, 20, 512);
    compare(&sp, bars, 2, act, T - 1, 20, 1000); /* odd: narrow vectors */
    bar_space_release(&sp);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_viterbi");
    TCase *t = tcase_create("viterbi");

    tcase_add_loop_test(t, viterbi_decode_equals_plain_decoder, 0, 60);
    tcase_add_loop_test(t, viterbi_decode_first_of_equals, 0, 8);
    tcase_add_test(t, viterbi_decode_in_blocks);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    return unit_run(s);
}
