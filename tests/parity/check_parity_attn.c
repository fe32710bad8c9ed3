/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attention. Relative L2 error: f32 2e-6, roundings of sums in another order;
 * bf16 1e-2 and, of gradients, which are products of products, 2e-2: operands,
 * P and dS are rounded to 8 bits, and dS is the difference of like numbers;
 * fp16 with its 11 bits 2e-3 and 4e-3. */
#include "parity.h"

static double tolerance, tolerance_back;

static void use(enum precision p, double forward, double backward)
{
    open_both(p);
    tolerance = forward;
    tolerance_back = backward;
}
static void f32(void) { use(PRECISION_F32, 2e-6, 2e-6); }
static void tf32(void) { use(PRECISION_TF32, 2e-6, 2e-6); }
static void bf16(void) { use(PRECISION_BF16, 1e-2, 2e-2); }
static void fp16(void) { use(PRECISION_FP16, 2e-3, 4e-3); }

/* Below, at and above the rows of tiles (16, 32, 64) and of blocks (32, 64,
 * 96), and each width of tiles (32, 64, 128): full, and with zeros behind d. */
static const struct { int64_t batch, time, heads, d; } shapes[] = {
    { 2, 5, 3, 10 }, { 1, 63, 1, 16 }, { 1, 64, 3, 32 }, { 2, 65, 1, 64 },
    { 1, 33, 3, 96 }, { 1, 97, 1, 128 }, { 1, 200, 3, 32 }, { 2, 17, 1, 9 },
    { 1, 200, 1, 64 }, { 1, 513, 1, 32 },
};
enum { SHAPES = sizeof(shapes) / sizeof(*shapes) };

START_TEST(attention_shapes)
{
    int64_t b = shapes[_i].batch, t = shapes[_i].time;
    int heads = (int)shapes[_i].heads;
    int64_t n = heads * shapes[_i].d;
    struct twin q = TWIN(1, b, t, n), k = TWIN(2, b, t, n);
    struct twin v = TWIN(3, b, t, n), dy = TWIN(4, b, t, n);
    struct twin y = TWIN(5, b, t, n), lse = TWIN(6, b, heads, t);
    struct twin z = TWIN(7, b, t, n), dq = TWIN(8, b, t, n);
    struct twin dk = TWIN(9, b, t, n), dv = TWIN(10, b, t, n);

    BOTH(axpby, T(q), 0, NULL, 3); /* weights far from 1 / T */
    BOTH(attention, T(z), T(q), T(k), T(v), heads);
    BOTH(attention_save, T(y), T(lse), T(q), T(k), T(v), heads);
    BOTH(attention_backward, T(dq), T(dk), T(dv), T(dy), T(y), T(lse), T(q),
         T(k), T(v), heads);
    BOTH(attention, T(q), T(q), T(k), T(v), heads);
    SAME(z, tolerance);
    SAME(y, tolerance);
    SAME(q, tolerance);
    SAME(lse, tolerance);
    SAME(dq, tolerance_back);
    SAME(dk, tolerance_back);
    SAME(dv, tolerance_back);
    SAME(k, 0);
    SAME(v, 0);
    SAME(dy, 0);
}
END_TEST

/* Narrow tensors, which are read as they lie where d is the width of a tile. */
START_TEST(attention_narrow)
{
    int64_t b = shapes[_i].batch, t = shapes[_i].time;
    int heads = (int)shapes[_i].heads;
    int64_t n = heads * shapes[_i].d;
    struct twin q = NARROW(1, b, t, n), k = NARROW(2, b, t, n);
    struct twin v = NARROW(3, b, t, n), dy = TWIN(4, b, t, n);
    struct twin y = NARROW(5, b, t, n), lse = TWIN(6, b, heads, t);
    struct twin f = TWIN(7, b, t, n), dq = TWIN(8, b, t, n);
    struct twin dk = TWIN(9, b, t, n), dv = TWIN(10, b, t, n);

    BOTH(attention_save, T(y), T(lse), T(q), T(k), T(v), heads);
    BOTH(attention_backward, T(dq), T(dk), T(dv), T(dy), T(y), T(lse), T(q),
         T(k), T(v), heads);
    BOTH(attention, T(f), T(f), T(k), T(v), heads); /* only k and v */
    BOTH(attention, T(q), T(q), T(k), T(v), heads);
    SAME(y, tolerance);
    SAME(f, tolerance);
    SAME(q, tolerance);
    SAME(lse, tolerance);
    SAME(dq, tolerance_back);
    SAME(dk, tolerance_back);
    SAME(dv, tolerance_back);
    SAME(k, 0);
    SAME(v, 0);
    twin_drop(&dy);
}
END_TEST

/* Values of the device with an rms of at most this; not NaN. */
static void small(struct twin *w, double most)
{
    float *v = malloc((size_t)w->n * sizeof(*v));
    double sum = 0;

    OK(tensor_download(v, &w->t[CUDA], &err));
    for (int64_t i = 0; i < w->n; i++)
        sum += (double)v[i] * v[i];
    ck_assert_double_le(sqrt(sum / (double)w->n), most);
    free(v);
    twin_drop(w);
}

/* One key has weight 1: y is v, dv is dy, and other gradients are nothing but
 * roundings. */
START_TEST(attention_one_key)
{
    struct twin q = TWIN(1, 2, 1, 48), k = TWIN(2, 2, 1, 48);
    struct twin v = TWIN(3, 2, 1, 48), dy = TWIN(4, 2, 1, 48);
    struct twin y = TWIN(5, 2, 1, 48), lse = TWIN(6, 2, 3, 1);
    struct twin dq = TWIN(8, 2, 1, 48), dk = TWIN(9, 2, 1, 48);
    struct twin dv = TWIN(10, 2, 1, 48);

    BOTH(attention_save, T(y), T(lse), T(q), T(k), T(v), 3);
    BOTH(attention_backward, T(dq), T(dk), T(dv), T(dy), T(y), T(lse), T(q),
         T(k), T(v), 3);
    SAME(y, tolerance);
    SAME(lse, tolerance);
    SAME(dv, tolerance_back);
    small(&dq, tolerance);
    small(&dk, tolerance);
    twin_drop(&q);
    twin_drop(&k);
    twin_drop(&v);
    twin_drop(&dy);
}
END_TEST

/* Scores of +-40. One is right to 1e-7 of itself, of which its weight is the
 * exponential: to 1e-5. */
START_TEST(attention_large_scores)
{
    struct twin q = TWIN(1, 1, 70, 64), k = TWIN(2, 1, 70, 64);
    struct twin v = TWIN(3, 1, 70, 64), dy = TWIN(4, 1, 70, 64);
    struct twin y = TWIN(5, 1, 70, 64), lse = TWIN(6, 1, 2, 70);
    struct twin dq = TWIN(8, 1, 70, 64), dk = TWIN(9, 1, 70, 64);
    struct twin dv = TWIN(10, 1, 70, 64);

    BOTH(axpby, T(q), 0, NULL, 30);
    BOTH(attention_save, T(y), T(lse), T(q), T(k), T(v), 2);
    BOTH(attention_backward, T(dq), T(dk), T(dv), T(dy), T(y), T(lse), T(q),
         T(k), T(v), 2);
    SAME(y, 1e-5);
    SAME(lse, 1e-6);
    SAME(dq, 2e-5);
    SAME(dk, 2e-5);
    SAME(dv, 2e-5);
    twin_drop(&q);
    twin_drop(&k);
    twin_drop(&v);
    twin_drop(&dy);
}
END_TEST

/* All scores near -180: a key behind the last would have a weight of e^180,
 * more than a float can say. Weights are nearly alike, so that only their
 * errors are left of dq and dk. */
START_TEST(attention_low_scores)
{
    struct twin q = TWIN(1, 1, 70, 64), k = TWIN(2, 1, 70, 64);
    struct twin v = TWIN(3, 1, 70, 64), dy = TWIN(4, 1, 70, 64);
    struct twin y = TWIN(5, 1, 70, 64), lse = TWIN(6, 1, 2, 70);
    struct twin dq = TWIN(8, 1, 70, 64), dk = TWIN(9, 1, 70, 64);
    struct twin dv = TWIN(10, 1, 70, 64);

    for (int on = CPU; on <= CUDA; on++) {
        float one[70 * 64];

        for (int i = 0; i < 70 * 64; i++)
            one[i] = 1 + (float)(i * 37 % 101) * 1e-3f;
        OK(tensor_upload(&q.t[on], one, &err));
        OK(tensor_upload(&k.t[on], one, &err));
    }
    BOTH(axpby, T(q), 0, NULL, -30);
    BOTH(attention_save, T(y), T(lse), T(q), T(k), T(v), 2);
    BOTH(attention_backward, T(dq), T(dk), T(dv), T(dy), T(y), T(lse), T(q),
         T(k), T(v), 2);
    SAME(lse, tolerance);
    small(&y, 1);
    small(&dq, 1);
    small(&dk, 10);
    small(&dv, 1);
    twin_drop(&q);
    twin_drop(&k);
    twin_drop(&v);
    twin_drop(&dy);
}
END_TEST

/* Views that begin at no multiple of 16 bytes. */
static struct twin shifted(struct twin *w, int64_t t, int64_t n)
{
    struct twin view = *w;

    for (int on = CPU; on <= CUDA; on++)
        view.t[on] = tensor_view(&w->whole[on], GUARD + 1, 3,
                                 (int64_t[]){ 1, t, n });
    return view;
}

START_TEST(attention_unaligned)
{
    enum { TIME = 35, N = 2 * 12 };
    struct twin all[8], s[8], lse = TWIN(9, 1, 2, TIME);
    struct twin *q = &s[0], *k = &s[1], *v = &s[2], *dy = &s[3], *y = &s[4];

    for (int i = 0; i < 8; i++) {
        all[i] = TWIN((uint32_t)i, 1, TIME + 1, N);
        s[i] = shifted(&all[i], TIME, N);
    }
    BOTH(attention_save, T(*y), T(lse), T(*q), T(*k), T(*v), 2);
    BOTH(attention_backward, T(s[5]), T(s[6]), T(s[7]), T(*dy), T(*y), T(lse),
         T(*q), T(*k), T(*v), 2);
    SAME(lse, tolerance);
    for (int i = 0; i < 8; i++)
        SAME(all[i], i < 4 ? 0 : tolerance_back);
}
END_TEST

/* No rows: nothing happens. Heads wider than a tile: refused. */
START_TEST(attention_limits)
{
    struct twin none = TWIN(1, 0, 7, 64), x = TWIN(2, 1, 2, 260);

    BOTH(attention, T(none), T(none), T(none), T(none), 2);
    ck_assert_int_eq(two[CUDA]->ops->attention(two[CUDA], &x.t[CUDA],
                                               &x.t[CUDA], &x.t[CUDA],
                                               &x.t[CUDA], 2, &err),
                     ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "130"));
    twin_drop(&none);
    SAME(x, 0);
}
END_TEST

static void add(Suite *s, const char *name, void (*open)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, open, close_both);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, attention_shapes, 0, SHAPES);
    tcase_add_loop_test(tc, attention_narrow, 0, SHAPES);
    tcase_add_test(tc, attention_one_key);
    tcase_add_test(tc, attention_unaligned);
    tcase_add_test(tc, attention_limits);
    tcase_add_test(tc, attention_low_scores);
    if (open == f32)
        tcase_add_test(tc, attention_large_scores);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("parity_attn");

    if (no_device())
        return 77;
    add(s, "f32", f32);
    add(s, "tf32", tf32);
    add(s, "bf16", bf16);
    add(s, "fp16", fp16);
    return unit_run(s);
}
