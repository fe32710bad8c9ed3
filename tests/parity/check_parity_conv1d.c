/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Convolutions over time, plain and grouped. Relative L2 error: f32 2e-6, sums
 * of up to some thousand products; bf16 (8 bits of mantissa) 5e-3, tf32 and
 * fp16 (11 bits) 1e-3, of operands rounded once. */
#include "parity.h"

static double tolerance, wave;

static void f32(void) { open_f32(); tolerance = wave = 2e-6; }
static void bf16(void) { open_bf16(); tolerance = 5e-3; wave = 2e-6; }
static void fp16(void) { open_fp16(); tolerance = 1e-3; wave = 2e-6; }
static void tf32(void) { open_tf32(); tolerance = wave = 1e-3; }

/* ---- plain: B, T, Cin, Cout, K, stride ---- */

/* As BERT's, windows that overlap and that do not, a rest of frames behind the
 * last window, one output, taps between which frames fall out; one channel of
 * sound with more outputs, channels and taps than a block takes. */
static const int64_t plain[][6] = {
    { 2, 41, 8, 24, 3, 2 }, { 3, 22, 16, 8, 2, 2 }, { 1, 30, 5, 7, 7, 3 },
    { 2, 5, 4, 3, 5, 1 }, { 2, 20, 3, 6, 2, 5 }, { 18, 9, 2, 3, 3, 1 },
    { 2, 1400, 1, 140, 10, 5 }, { 1, 200, 1, 5, 37, 2 }, { 3, 40, 1, 2, 3, 7 }
};
enum { PLAIN = (int)(sizeof(plain) / sizeof(*plain)) };

START_TEST(conv1d_sizes)
{
    const int64_t *d = plain[_i];
    int64_t out = (d[1] - d[4]) / d[5] + 1;
    int stride = (int)d[5];
    struct twin x = TWIN(1, d[0], d[1], d[2]), w = TWIN(2, d[3], d[4], d[2]);
    struct twin y = TWIN(3, d[0], out, d[3]), dy = TWIN(4, d[0], out, d[3]);
    struct twin dx = TWIN(5, d[0], d[1], d[2]);
    struct twin dw = TWIN(6, d[3], d[4], d[2]);
    double most = d[2] > 1 ? tolerance : wave;

    BOTH(conv1d, T(y), T(x), T(w), stride);
    BOTH(conv1d_dx, T(dx), T(dy), T(w), stride);
    BOTH(conv1d_dw, T(dw), T(dy), T(x), stride);
    SAME(y, most);
    SAME(dx, most);
    SAME(dw, most);
    SAME(x, 0);
    SAME(w, 0);
    SAME(dy, 0);
}
END_TEST

/* ---- grouped: B, T, groups, channels and outputs of a group, K ---- */

/* Even and odd taps, more than a window has frames; more outputs, channels and
 * taps than a block takes at a time. */
static const int64_t grouped[][6] = {
    { 2, 19, 2, 16, 16, 8 }, { 1, 7, 3, 5, 7, 3 }, { 2, 5, 1, 4, 3, 16 },
    { 1, 300, 2, 8, 10, 9 }, { 1, 70, 1, 70, 66, 4 }, { 1, 33, 1, 3, 4, 67 }
};
enum { GROUPED = (int)(sizeof(grouped) / sizeof(*grouped)) };

START_TEST(conv1d_grouped_sizes)
{
    const int64_t *d = grouped[_i];
    int64_t in = d[2] * d[3], out = d[2] * d[4];
    int groups = (int)d[2];
    struct twin x = TWIN(1, d[0], d[1], in), w = TWIN(2, out, d[5], d[3]);
    struct twin y = TWIN(3, d[0], d[1], out), dy = TWIN(4, d[0], d[1], out);
    struct twin dx = TWIN(5, d[0], d[1], in), dw = TWIN(6, out, d[5], d[3]);
    struct twin b = TWIN(7, out), db = TWIN(8, out);

    BOTH(conv1d_grouped, T(y), T(x), T(w), T(b), groups);
    BOTH(conv1d_grouped_backward, T(dx), T(dw), T(db), T(dy), T(x), T(w),
         groups);
    SAME(y, tolerance);
    SAME(dx, tolerance);
    SAME(dw, tolerance);
    SAME(db, 1e-6);
    SAME(x, 0);
    SAME(w, 0);
    SAME(b, 0);
    SAME(dy, 0);
}
END_TEST

static void add(Suite *s, const char *name, void (*open)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, open, close_both);
    tcase_add_loop_test(tc, conv1d_sizes, 0, PLAIN);
    tcase_add_loop_test(tc, conv1d_grouped_sizes, 0, GROUPED);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("parity_conv1d");

    if (no_device())
        return 77;
    add(s, "f32", f32);
    add(s, "bf16", bf16);
    add(s, "fp16", fp16);
    add(s, "tf32", tf32);
    return unit_run(s);
}
