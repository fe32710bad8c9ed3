/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The squared error of the spectrum and its gradients against plain loops in
 * double. Tolerance: relative L2 error 1e-5, f32 sums. */
#include "unit.h"

#include <math.h>

#include "train.h"
#include "train/cqtloss.h"

enum { B = 2, T = 3, R = B * T, D = 5, N = CQTLOSS_BINS };

static struct backend *be;
static struct params p;
static struct cqtloss q;

static void setup(void)
{
    struct err err = {0};

    be = train_open();
    memset(&p, 0, sizeof(p));
    cqtloss_describe(D, &p);
    ck_assert(!params_alloc(&p, be, &err) && !params_init(&p, 4, &err));
    ck_assert_msg(!cqtloss_init(&q, &p, 2, &err), "%s", err.msg);
}

static void teardown(void)
{
    cqtloss_release(&q);
    params_release(&p);
    backend_close(be);
}

static void near(const struct tensor *t, const double *want, int n)
{
    static float got[N * D];
    double diff = 0, norm = 0;

    train_get(t, got);
    for (int i = 0; i < n; i++) {
        diff += pow(got[i] - want[i], 2);
        norm += pow(want[i], 2);
    }
    ck_assert_double_le(sqrt(diff), 1e-5 * sqrt(norm));
}

static float x[R * D], want[R * N], dx0[R * D];
static double dx[R * D], dw[N * D], db[N], loss;

/* Of one row, where the scale of a squared error is known. */
static void plain_row(int r, double scale)
{
    float w[N * D], b[N];
    struct tensor v = params_value(&p, 0), u = params_value(&p, 1);

    train_get(&v, w);
    train_get(&u, b);
    for (int c = 0; c < N; c++) {
        double e = b[c] - want[r * N + c], g;

        for (int d = 0; d < D; d++)
            e += (double)w[c * D + d] * x[r * D + d];
        g = 2 * scale * e;
        loss += scale * e * e;
        db[c] += g;
        for (int d = 0; d < D; d++) {
            dw[c * D + d] += g * x[r * D + d];
            dx[r * D + d] += g * w[c * D + d];
        }
    }
}

/* Two parts of a step, the second on top of the first. */
START_TEST(cqtloss_pass_both)
{
    static const int32_t hide[R] = { 3, -1, 0, -1, -1, 7 };
    struct tensor hidden = {0}, dhidden = {0}, g;
    struct err err = {0};
    const double weight = 0.7;

    for (int i = 0; i < R * D; i++) {
        x[i] = train_gradient(1, i, 1);
        dx[i] = dx0[i] = train_gradient(1, i, 2);
    }
    for (int i = 0; i < R * N; i++)
        want[i] = train_gradient(1, i, 3);
    for (int k = 0; k < 2; k++)
        for (int r = 0; r < R; r++)
            if (hide[r] >= 0)
                plain_row(r, weight / 6 / N);
    ck_assert(!tensor_reserve(&hidden, be, 3, (int64_t[]){ B, T, D }, &err));
    ck_assert(!tensor_reserve(&dhidden, be, 3, (int64_t[]){ B, T, D }, &err));
    ck_assert(!tensor_upload(&hidden, x, &err));
    ck_assert(!tensor_upload(&dhidden, dx0, &err));
    cqtloss_begin(&q, weight, 6, 1);
    for (int k = 0; k < 2; k++)
        ck_assert(!cqtloss_pass(&q, &dhidden, &hidden, want, hide, &err));
    ck_assert_double_eq_tol(q.loss, loss, 1e-5 * loss);
    near(&dhidden, dx, R * D);
    g = params_grad(&p, 0);
    near(&g, dw, N * D);
    g = params_grad(&p, 1);
    near(&g, db, N);
    /* the loss is not scaled, what is added to gradients is */
    cqtloss_begin(&q, weight, 6, 8);
    for (int k = 0; k < 2; k++)
        ck_assert(!cqtloss_pass(&q, &dhidden, &hidden, want, hide, &err));
    ck_assert_double_eq_tol(q.loss, loss, 1e-5 * loss);
    for (int i = 0; i < R * D; i++)
        dx[i] = dx0[i] + 9 * (dx[i] - dx0[i]);
    near(&dhidden, dx, R * D);
    /* a step where nothing is hidden */
    cqtloss_begin(&q, weight, 0, 1);
    ck_assert(!cqtloss_pass(&q, &dhidden, &hidden, want, hide, &err));
    ck_assert_double_eq(q.loss, 0);
    near(&dhidden, dx, R * D);
    tensor_release(&hidden);
    tensor_release(&dhidden);
}
END_TEST

/* 440 Hz is bin 48 * log2(440 / 32.7) = 180.01 in every frame; both threads
 * give the same, for longer clips after shorter ones too. */
START_TEST(cqtloss_target_of_a_tone)
{
    enum { FRAMES = 75, RATE = 24000 };
    float *sound = malloc(RATE * sizeof(*sound));
    float *a = malloc(cqtloss_bytes(FRAMES));
    float *b = malloc(cqtloss_bytes(FRAMES));
    struct err err = {0};

    ck_assert_uint_eq(cqtloss_bytes(FRAMES), FRAMES * N * sizeof(float));
    for (int i = 0; i < RATE; i++)
        sound[i] = (float)(0.3 * sin(2 * M_PI * 440 * i / RATE));
    ck_assert(!cqtloss_target(&q, 0, sound, RATE / 2, 30, a, &err));
    ck_assert(!cqtloss_target(&q, 0, sound, RATE, FRAMES, a, &err));
    ck_assert(!cqtloss_target(&q, 1, sound, RATE, FRAMES, b, &err));
    ck_assert_mem_eq(a, b, cqtloss_bytes(FRAMES));
    for (int t = 0; t < FRAMES; t++) {
        int best = 0;

        for (int c = 1; c < N; c++)
            best = a[t * N + c] > a[t * N + best] ? c : best;
        ck_assert_int_eq(best, 180);
    }
    free(sound);
    free(a);
    free(b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_cqtloss");
    TCase *t = tcase_create("cqtloss");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, cqtloss_pass_both);
    tcase_add_test(t, cqtloss_target_of_a_tone);
    suite_add_tcase(s, t);
    return unit_run(s);
}
