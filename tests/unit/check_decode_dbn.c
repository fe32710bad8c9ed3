/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against madmom's own results: tests/golden_check on golden/dbn; against a
 * plain Viterbi decoder: check_decode_viterbi. Here: limits and bad input. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "decode/dbn.h"

/* ---- limits ---- */

static int decode(struct beats *out, const float *act, size_t frames,
                  const struct dbn_config *c)
{
    struct err err = {0};
    int rc = dbn_decode(out, act, frames, c, &err);

    ck_assert(!rc == !*err.msg);
    return rc;
}

START_TEST(dbn_decode_little_input)
{
    float act[6] = { 0.2f, 0.4f, 0.1f, 0.1f, 0, 0 };
    struct beats got = {0};
    struct dbn_config c;

    for (int down = 0; down < 2; down++) {
        dbn_config_init(&c, 50, down);
        ck_assert_int_eq(decode(&got, act, 0, &c), 0);
        ck_assert_uint_eq(got.n, 0);
        ck_assert_int_eq(decode(&got, act + 4, 1, &c), 0);
        ck_assert_uint_eq(got.n, 0);
        for (size_t n = 1; n < 4; n++) {
            ck_assert_int_eq(decode(&got, act, n, &c), 0);
            ck_assert_uint_le(got.n, 1);
            got.n = 0;
        }
    }
    beats_release(&got);
}
END_TEST

/* 20 s at 120 a minute with a downbeat on every so many beats: how many are
 * found, by bars of 3, 4 and 5 or by those that dbn_config_init sets. */
static size_t bars_of(int metre, float down, int own)
{
    static float act[2 * 1000];
    struct beats got = {0};
    struct dbn_config c;
    size_t downbeats = 0;

    memset(act, 0, sizeof(act));
    for (int i = 0; i < 40; i++) {
        act[50 * i] = i % metre ? 0.88f : 0.9f - down;
        act[50 * i + 1] = i % metre ? 0.02f : down;
    }
    dbn_config_init(&c, 50, 1);
    dbn_config_bars(&c, (int[]){ 3, 4, 5 }, own ? 3 : 0);
    ck_assert_int_eq(decode(&got, act, 1000, &c), 0);
    for (size_t i = 0; i < got.n; i++)
        downbeats += got.v[i].position == 1;
    ck_assert_uint_ge(got.n, 39);
    beats_release(&got);
    return downbeats;
}

START_TEST(dbn_decode_rare_bars)
{
    ck_assert_uint_eq(bars_of(5, 0.8f, 1), 8);
    ck_assert_uint_gt(bars_of(5, 0.8f, 0), 8);
    ck_assert_uint_eq(bars_of(4, 0.8f, 1), 10);
    ck_assert_uint_gt(bars_of(5, 0.03f, 1), 8); /* hardly heard: no bars of 5 */
}
END_TEST

static void bad_fps(struct dbn_config *c) { c->fps = 0; }
static void nan_fps(struct dbn_config *c) { c->fps = NAN; }
static void huge_fps(struct dbn_config *c) { c->fps = 1e9; }
static void tiny_fps(struct dbn_config *c) { c->fps = 1e-3; }
static void crossed(struct dbn_config *c) { c->min_bpm = 300; }
static void slow(struct dbn_config *c) { c->min_bpm = 1e-6; }
static void fast(struct dbn_config *c) { c->max_bpm = 1e9; }
static void infinite(struct dbn_config *c) { c->max_bpm = INFINITY; }
static void zero_bpm(struct dbn_config *c) { c->min_bpm = 0; }
static void no_bars(struct dbn_config *c) { c->num_bars = 0; }
static void many_bars(struct dbn_config *c) { c->num_bars = 1000; }
static void long_bar(struct dbn_config *c) { c->bars[0] = 1 << 30; }
static void empty_bar(struct dbn_config *c) { c->bars[1] = 0; }
static void bad_lambda(struct dbn_config *c) { c->transition_lambda = -1; }
static void bad_split(struct dbn_config *c) { c->observation_lambda = 1; }
static void nan_threshold(struct dbn_config *c) { c->threshold = NAN; }
static void bad_tempi(struct dbn_config *c) { c->num_tempi = -1; }
static void many_tempi(struct dbn_config *c)
{
    c->fps = 1000;
    c->min_bpm = 2;
    c->num_tempi = 0;
}

static void (*const spoil[])(struct dbn_config *) = {
    bad_fps, nan_fps, huge_fps, tiny_fps, crossed, slow, fast, infinite,
    zero_bpm, no_bars, many_bars, long_bar, empty_bar, bad_lambda, bad_split,
    nan_threshold, bad_tempi, many_tempi,
};

START_TEST(dbn_decode_refuses_bad_config)
{
    float act[4] = { 0.2f, 0.4f, 0.1f, 0.1f };
    struct beats got = {0};
    struct dbn_config c;

    dbn_config_init(&c, 50, 1);
    spoil[_i](&c);
    ck_assert_int_eq(decode(&got, act, 2, &c), ERR_ARG);
    ck_assert_uint_eq(got.n, 0);
}
END_TEST

START_TEST(dbn_decode_refuses_bad_activations)
{
    float act[6] = { 0.2f, 0.4f, 0.1f, 0.1f, 0.1f, 0.1f };
    struct beats got = {0};
    struct dbn_config c;
    struct err err = {0};

    dbn_config_init(&c, 50, 1);
    act[5] = NAN;
    ck_assert_int_eq(dbn_decode(&got, act, 3, &c, &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "frame 2"));
    act[5] = INFINITY;
    ck_assert_int_eq(decode(&got, act, 3, &c), ERR_ARG);
}
END_TEST

/* Sums above 1, negative values and exact zeros are finite: no crash, and
 * beats where the pulses are. */
START_TEST(dbn_decode_clamps_activations)
{
    enum { T = 500 };
    static float act[2 * T];
    struct beats got = {0};
    struct dbn_config c;

    for (int i = 0; i < T; i++) {
        act[2 * i] = i % 25 == 3 ? 3 : 0;
        act[2 * i + 1] = i % 100 == 3 ? 5 : -1;
    }
    dbn_config_init(&c, 50, 1);
    ck_assert_int_eq(decode(&got, act, T, &c), 0);
    ck_assert_uint_eq(got.n, 20);
    for (size_t i = 0; i < got.n; i++) {
        ck_assert_double_eq_tol(got.v[i].time, 0.5 * (double)i + 0.06, 1e-9);
        ck_assert_int_eq(got.v[i].position, (int)(i % 4) + 1);
    }
    beats_release(&got);
}
END_TEST

START_TEST(dbn_decode_one_tempo)
{
    enum { T = 200 };
    static float act[2 * T];
    struct beats got = {0};
    struct dbn_config c;

    for (int i = 0; i < T; i++)
        act[2 * i] = act[2 * i + 1] = i % 20 == 5 ? 0.4f : 0.01f;
    dbn_config_init(&c, 50, 0);
    c.min_bpm = c.max_bpm = 150;
    ck_assert_int_eq(decode(&got, act, T, &c), 0);
    ck_assert_uint_eq(got.n, 10);
    ck_assert_double_eq_tol(got.v[9].time, 185 / 50.0, 1e-9);
    beats_release(&got);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_dbn");
    TCase *u = tcase_create("limits");

    tcase_add_test(u, dbn_decode_little_input);
    tcase_add_test(u, dbn_decode_rare_bars);
    tcase_add_loop_test(u, dbn_decode_refuses_bad_config, 0,
                        sizeof(spoil) / sizeof(*spoil));
    tcase_add_test(u, dbn_decode_refuses_bad_activations);
    tcase_add_test(u, dbn_decode_clamps_activations);
    tcase_add_test(u, dbn_decode_one_tempo);
    suite_add_tcase(s, u);
    return unit_run(s);
}
