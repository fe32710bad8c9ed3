/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Losses, optimiser and noise of the CPU backend: against loops in double,
 * against torch's AdamW, and the same bits for any number of threads. */
#include "guarded.h"

#include <omp.h>

#include "base/rng.h"
#include "model/safetensors.h"

#define PIECES "fixtures/golden/pieces/pieces.safetensors"

/* More than one span of a thread, and not a whole number of them. */
enum { MANY = 3 * 16384 + 77 };

/* ---- adam ---- */

static struct adam_step step_of(int number, float decay)
{
    return (struct adam_step){
        .lr = 2e-3f, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-8f,
        .decay = decay, .bias1 = (float)(1 - pow(0.9, number)),
        .bias2 = (float)(1 - pow(0.98, number)), .grad_scale = 1
    };
}

/* Loshchilov and Hutter 2019, algorithm 2, in double. */
static void adam_slow(double *w, double *m, double *v, double g,
                      const struct adam_step *s)
{
    g *= s->grad_scale;
    *m = s->beta1 * *m + (1.0 - s->beta1) * g;
    *v = s->beta2 * *v + (1.0 - s->beta2) * g * g;
    *w -= s->lr * (s->decay * *w + *m / s->bias1 /
                                   (sqrt(*v / s->bias2) + s->eps));
}

START_TEST(adam_double)
{
    float decay = _i ? 0.05f : 0;
    struct guarded w = make(MANY, 0, 0, 1), m = make(MANY, 0, 0, 2);
    struct guarded v = make(MANY, 0, 0, 3), g = make(MANY, 0, 0, 4);
    double *ws, *ms, *vs;

    for (int64_t i = 0; i < v.n; i++)
        v.t.data[i] *= v.t.data[i];
    ws = doubles(&w);
    ms = doubles(&m);
    vs = doubles(&v);
    for (int n = 3; n < 6; n++) {
        struct adam_step s = step_of(n, decay);

        s.grad_scale = 0.3f;
        for (int64_t i = 0; i < w.n; i++)
            adam_slow(&ws[i], &ms[i], &vs[i], g.t.data[i], &s);
        ck_assert(!be->ops->adam(be, &w.t, &m.t, &v.t, &g.t, s, NULL));
    }
    assert_near(w.t.data, ws, w.n, 3e-7);
    assert_near(m.t.data, ms, w.n, 3e-7);
    assert_near(v.t.data, vs, w.n, 3e-7);
    free(ws);
    free(ms);
    free(vs);
    drop(&w);
    drop(&m);
    drop(&v);
    drop(&g);
}
END_TEST

static const float *stored(const struct safetensors *st, const char *name)
{
    const struct stored *t = safetensors_find(st, name);

    ck_assert_ptr_nonnull(t);
    return (const float *)t->data;
}

/* Four steps of torch's AdamW, with the gradient clipped to norm 1. */
START_TEST(adam_golden)
{
    const char *path = unit_shared(PIECES);
    struct safetensors st = {0};
    struct guarded w, m, v, g;

    if (!path)
        return;
    w = make(7, 5, 0, 1);
    m = make(7, 5, 0, 2);
    v = make(7, 5, 0, 3);
    g = make(7, 5, 0, 4);
    ck_assert(!safetensors_open(&st, path, NULL));
    memcpy(w.t.data, stored(&st, "adamw.w0"), 35 * sizeof(float));
    ck_assert(!be->ops->axpby(be, &m.t, 0, NULL, 0, NULL));
    ck_assert(!be->ops->axpby(be, &v.t, 0, NULL, 0, NULL));
    for (int n = 1; n <= 4; n++) {
        struct adam_step s = step_of(n, 0.05f);
        char name[] = "adamw.w0";
        const float *want;
        double norm, worst = 0;

        name[7] = (char)('0' + n);
        want = stored(&st, name);
        memcpy(g.t.data, stored(&st, "adamw.grads") + (n - 1) * 35,
               35 * sizeof(float));
        ck_assert(!be->ops->dot(be, &norm, &g.t, &g.t, NULL));
        norm = sqrt(norm);
        s.grad_scale = norm > 1 ? (float)(1 / (norm + 1e-6)) : 1;
        ck_assert(!be->ops->adam(be, &w.t, &m.t, &v.t, &g.t, s, NULL));
        for (int i = 0; i < 35; i++)
            worst = fmax(worst, fabs((double)w.t.data[i] - want[i]));
        ck_assert_msg(worst < 5e-7, "step %d: %g", n, worst);
    }
    safetensors_release(&st);
    drop(&w);
    drop(&m);
    drop(&v);
    drop(&g);
}
END_TEST

/* ---- axpby, dot ---- */

START_TEST(axpby_all)
{
    struct guarded x = make(MANY, 0, 0, 1), y = make(MANY, 0, 0, 2);
    double *want = doubles(&y);

    ck_assert(!be->ops->axpby(be, &y.t, 0.25f, &x.t, -3, NULL));
    for (int64_t i = 0; i < y.n; i++)
        want[i] = 0.25 * x.t.data[i] - 3 * want[i];
    assert_near(y.t.data, want, y.n, 1e-7);
    ck_assert(!be->ops->axpby(be, &y.t, 0, NULL, 0.5f, NULL));
    for (int64_t i = 0; i < y.n; i++)
        want[i] *= 0.5;
    assert_near(y.t.data, want, y.n, 1e-7);
    y.t.data[5] = NAN; /* is not read */
    ck_assert(!be->ops->axpby(be, &y.t, 2, &x.t, 0, NULL));
    for (int64_t i = 0; i < y.n; i++)
        ck_assert(y.t.data[i] == 2 * x.t.data[i]);
    y.t.data[MANY - 1] = NAN;
    ck_assert(!be->ops->axpby(be, &y.t, 0, NULL, 0, NULL));
    for (int64_t i = 0; i < y.n; i++)
        ck_assert(y.t.data[i] == 0);
    free(want);
    drop(&x);
    drop(&y);
}
END_TEST

START_TEST(dot_threads)
{
    struct guarded a = make(MANY, 0, 0, 1), b = make(MANY, 0, 0, 2);
    double want = 0, got, first = 0;

    for (int64_t i = 0; i < a.n; i++)
        want += (double)a.t.data[i] * b.t.data[i];
    for (int threads = 1; threads < 6; threads++) {
        omp_set_num_threads(threads);
        ck_assert(!be->ops->dot(be, &got, &a.t, &b.t, NULL));
        ck_assert_double_eq_tol(got, want, 1e-10);
        first = threads == 1 ? got : first;
        ck_assert(got == first);
    }
    drop(&a);
    drop(&b);
}
END_TEST

/* ---- dropout ---- */

enum { SEED = 7, STREAM = 11 };

START_TEST(dropout_mask)
{
    const float p = 0.3f; /* 19661 of 65536 */
    struct guarded x = make(MANY, 0, 0, 1), y = make(MANY, 0, 0, 2);
    int64_t fell = 0;

    for (int threads = 1; threads < 4; threads++) {
        fell = 0;
        omp_set_num_threads(threads);
        ck_assert(!be->ops->dropout(be, &y.t, &x.t, p, SEED, STREAM, 0,
                                    NULL));
        for (int64_t i = 0; i < x.n; i++) {
            uint64_t block = (uint64_t)(i / 128 * 16 + i / 2 % 16);
            uint32_t word[4];
            int gone;

            rng_block(word, SEED, STREAM, block);
            gone = (word[i / 32 % 4] >> i % 2 * 16 & 0xffff) < 19661;
            fell += gone;
            ck_assert(y.t.data[i] == (gone ? 0 : x.t.data[i] * (1 / (1 - p))));
        }
    }
    /* within four standard deviations */
    ck_assert_double_eq_tol((double)fell / MANY, p, 4 * sqrt(0.21 / MANY));
    ck_assert(!be->ops->dropout(be, &x.t, &x.t, p, SEED, STREAM, 0,
                                    NULL));
    ck_assert(!memcmp(x.t.data, y.t.data, (size_t)x.n * sizeof(float)));
    drop(&x);
    drop(&y);
}
END_TEST

/* A part of the values falls as it does in the whole. */
START_TEST(dropout_parts)
{
    static const int64_t from[] = { 0, 1, 127, 128, 300, 16384, 20001 };
    struct guarded x = make(40000, 0, 0, 1), y = make(40000, 0, 0, 2);

    ck_assert(!be->ops->dropout(be, &y.t, &x.t, 0.3f, SEED, STREAM, 0, NULL));
    for (size_t k = 0; k < sizeof(from) / sizeof(*from); k++) {
        int64_t n = x.n - from[k] < 19000 ? x.n - from[k] : 19000;
        struct tensor some = tensor_view(&x.t, from[k], 1, &n);
        struct guarded z = make((int)n, 0, 0, 3);

        ck_assert(!be->ops->dropout(be, &z.t, &some, 0.3f, SEED, STREAM,
                                    from[k], NULL));
        ck_assert(!memcmp(z.t.data, y.t.data + from[k], (size_t)n * 4));
        drop(&z);
    }
    drop(&x);
    drop(&y);
}
END_TEST

START_TEST(dropout_seeds)
{
    struct guarded x = make(4096, 0, 0, 1), y = make(4096, 0, 0, 2);
    struct guarded z = make(4096, 0, 0, 3);
    uint64_t big = (uint64_t)1 << 40;
    int same[3] = {0};

    for (int64_t i = 0; i < x.n; i++)
        x.t.data[i] = 1;
    ck_assert(!be->ops->dropout(be, &y.t, &x.t, 0, 1, 1, 0, NULL));
    ck_assert(!memcmp(x.t.data, y.t.data, (size_t)x.n * sizeof(float)));
    ck_assert(!be->ops->dropout(be, &y.t, &x.t, 0.5f, 1, 1, 0, NULL));
    for (int k = 0; k < 3; k++) {
        ck_assert(!be->ops->dropout(be, &z.t, &x.t, 0.5f, k == 0 ? 2 :
                                    k == 1 ? 1 + big : 1, k == 2 ? 1 + big : 1,
                                    0, NULL));
        for (int64_t i = 0; i < x.n; i++)
            same[k] += y.t.data[i] == z.t.data[i];
        ck_assert(abs(same[k] - 2048) < 4 * 32);
    }
    drop(&x);
    drop(&y);
    drop(&z);
}
END_TEST

/* ---- cross-entropy ---- */

static void entropy_slow(struct loss_sum *sum, double *d, const float *x, int n,
                         int target, double scale)
{
    double all = 0;
    int best = 0;

    for (int i = 0; i < n; i++) {
        all += exp(x[i]);
        best = x[i] > x[best] ? i : best;
    }
    for (int i = 0; i < n; i++)
        d[i] = target < 0 ? 0 : scale * (exp(x[i]) / all - (i == target));
    if (target < 0)
        return;
    sum->loss += log(all) - x[target];
    sum->rows++;
    sum->correct += best == target;
}

START_TEST(cross_entropy_rows)
{
    int rows = _i ? 333 : 5, n = _i ? 67 : 3;
    struct guarded x = make(rows, n, 0, 1), d = make(rows, n, 0, 2);
    double *want = malloc((size_t)x.n * sizeof(*want)), loss = 0;
    int32_t *target = malloc((size_t)rows * sizeof(*target));
    struct loss_sum slow = {0}, got;

    for (int64_t i = 0; i < x.n; i++)
        x.t.data[i] *= 8;
    for (int r = 0; r < rows; r++) {
        target[r] = r % 3 == 2 ? -1 : r * 7 % n;
        if (r % 5 == 0 && target[r] >= 0)
            x.t.data[r * n + target[r]] += 9; /* some of them right */
        entropy_slow(&slow, want + r * n, x.t.data + r * n, n, target[r], 0.5);
    }
    for (int threads = 1; threads < 4; threads++) {
        omp_set_num_threads(threads);
        ck_assert(!be->ops->cross_entropy(be, &got, &d.t, &x.t, target, 0.5f,
                                          NULL));
        ck_assert_double_eq_tol(got.loss, slow.loss, 1e-6 * slow.loss);
        loss = threads == 1 ? got.loss : loss;
        ck_assert(got.loss == loss);
        ck_assert_int_eq(got.rows, slow.rows);
        ck_assert_int_eq(got.correct, slow.correct);
        assert_near(d.t.data, want, x.n, 1e-6);
    }
    ck_assert(!be->ops->cross_entropy(be, &got, &x.t, &x.t, target, 0.5f,
                                      NULL));
    ck_assert(!memcmp(x.t.data, d.t.data, (size_t)x.n * sizeof(float)));
    free(want);
    free(target);
    drop(&x);
    drop(&d);
}
END_TEST

/* Logits whose exponentials overflow. */
START_TEST(cross_entropy_large)
{
    struct guarded x = make(2, 3, 0, 1);
    static const int32_t target[] = { 1, 0 };
    struct loss_sum got;

    memcpy(x.t.data, (float[]){ 1000, 990, -1000, 1000, 1000, -1e30f },
           6 * sizeof(float));
    ck_assert(!be->ops->cross_entropy(be, &got, &x.t, &x.t, target, 1, NULL));
    ck_assert_double_eq_tol(got.loss, 10 + log1p(exp(-10)) + log(2), 1e-5);
    ck_assert_float_eq_tol(x.t.data[0], 1, 1e-4f);
    ck_assert_float_eq_tol(x.t.data[3], -0.5f, 1e-6f);
    drop(&x);
}
END_TEST

/* ---- the same bits for any number of threads ---- */

/* Runs what sums over rows in parallel; all results into out, 8 * n floats. */
static void sums(struct guarded *in, struct guarded *out)
{
    struct tensor *a = &in[0].t, *b = &in[1].t, *c = &in[2].t, *w = &in[3].t;
    struct tensor row = tensor_view(w, 0, 1, &c->dim[2]);

    for (int i = 0; i < 8; i++)
        ck_assert(!be->ops->axpby(be, &out[i].t, 0, NULL, 0, NULL));
    ck_assert(!be->ops->layer_norm_backward(be, &out[0].t, &out[1].t, &out[2].t,
                                            a, b, &row, 1e-5f, 0, NULL));
    ck_assert(!be->ops->depthwise_backward(be, &out[0].t, &out[3].t, a, b, w,
                                           NULL));
    ck_assert(!be->ops->attention_save(be, &out[0].t, &out[4].t, a, b, c, 3,
                                       NULL));
    ck_assert(!be->ops->attention_backward(be, &out[5].t, &out[6].t, &out[7].t,
                                           c, &out[0].t, &out[4].t, a, b, c, 3,
                                           NULL));
}

START_TEST(threads_change_nothing)
{
    enum { B = 2, T = 171, C = 12, K = 5 };
    struct guarded in[4], one[8], more[8];

    for (uint32_t i = 0; i < 4; i++)
        in[i] = i < 3 ? make(B, T, C, i + 1) : make(K, C, 0, 4);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 8; i++)
            (k ? more : one)[i] = i == 1 || i == 2 ? make(C, 0, 0, 5) :
                                  i == 3 ? make(K, C, 0, 5) :
                                  i == 4 ? make(B, 3, T, 5) : make(B, T, C, 5);
    omp_set_num_threads(1);
    sums(in, one);
    for (int threads = 2; threads < 5; threads++) {
        omp_set_num_threads(threads);
        sums(in, more);
        for (int i = 0; i < 8; i++)
            ck_assert(!memcmp(one[i].t.data, more[i].t.data,
                              (size_t)one[i].n * sizeof(float)));
    }
    for (int i = 0; i < 8; i++) {
        drop(&one[i]);
        drop(&more[i]);
    }
    for (int i = 0; i < 4; i++)
        drop(&in[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tensor_optim");
    TCase *t = tcase_create("cpu");
    struct err err = {0};
    int rc;

    if (backend_open(&be, "cpu", 0, &err)) {
        printf("%s\n", err.msg);
        return 99;
    }
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, adam_double, 0, 2);
    tcase_add_test(t, adam_golden);
    tcase_add_test(t, axpby_all);
    tcase_add_test(t, dot_threads);
    tcase_add_test(t, dropout_mask);
    tcase_add_test(t, dropout_parts);
    tcase_add_test(t, dropout_seeds);
    tcase_add_loop_test(t, cross_entropy_rows, 0, 2);
    tcase_add_test(t, cross_entropy_large);
    tcase_add_test(t, threads_change_nothing);
    suite_add_tcase(s, t);
    rc = unit_run_shared(s, PIECES);
    backend_close(be);
    return rc;
}
