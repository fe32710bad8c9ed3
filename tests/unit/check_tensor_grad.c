/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each backward operation of the CPU backend against central differences of a
 * plain forward loop in double, and the new forward operations against that
 * loop (relative L2 error 1e-6). Sizes are odd; guards must survive; what is
 * added to starts from values that are not 0. */
#include "guarded.h"

#include <omp.h>

static float *copy(const struct guarded *g)
{
    float *f = malloc((size_t)g->n * sizeof(*f));

    memcpy(f, g->t.data, (size_t)g->n * sizeof(*f));
    return f;
}

/* ---- activations ---- */

static void act_forward(const struct problem *p, double *y)
{
    for (int64_t i = 0; i < p->out; i++) {
        double x = p->in[0][i];

        y[i] = p->act == ACT_RELU ? (x > 0 ? x : 0) :
               p->act == ACT_SWISH ? x / (1 + exp(-x)) :
               p->act == ACT_GELU ? x / 2 * (1 + erf(x / sqrt(2))) : x;
    }
}

START_TEST(act_all)
{
    struct guarded x = make(13, 71, 0, 1), y = make(13, 71, 0, 2);
    struct guarded dy = make(13, 71, 0, 3);
    struct problem p = { .forward = act_forward, .act = (enum act)_i };

    for (int64_t i = 0; i < x.n; i++)
        x.t.data[i] *= 5;
    problem_set(&p, &dy, &x, NULL, NULL);
    ck_assert(!be->ops->act(be, &y.t, &x.t, p.act, NULL));
    act_forward(&p, p.y);
    assert_near(y.t.data, p.y, y.n, 1e-6);
    ck_assert(!be->ops->act_backward(be, &dy.t, &dy.t, &x.t, p.act, NULL));
    assert_gradient(&p, 0, dy.t.data, NULL, 1);
    ck_assert(!be->ops->act(be, &x.t, &x.t, p.act, NULL));
    ck_assert(!memcmp(x.t.data, y.t.data, (size_t)x.n * sizeof(float)));
    problem_release(&p);
    drop(&x);
    drop(&y);
    drop(&dy);
}
END_TEST

/* The far ends: finite, and their limits. */
START_TEST(act_saturates)
{
    static const float far[] = { -1e30f, -200, -12, 12, 200, 1e30f };
    struct guarded x = make(6, 0, 0, 1), y = make(6, 0, 0, 2);
    struct guarded one = make(6, 0, 0, 3);

    for (int a = ACT_RELU; a <= ACT_GELU; a++) {
        for (int i = 0; i < 6; i++) {
            x.t.data[i] = far[i];
            one.t.data[i] = 1;
        }
        ck_assert(!be->ops->act(be, &y.t, &x.t, (enum act)a, NULL));
        ck_assert(!be->ops->act_backward(be, &one.t, &one.t, &x.t, (enum act)a,
                                         NULL));
        for (int i = 0; i < 6; i++) {
            ck_assert_float_eq_tol(y.t.data[i], i < 3 ? 0 : far[i],
                                   i < 3 ? 1e-4f : fabsf(far[i]) * 1e-5f);
            ck_assert_float_eq_tol(one.t.data[i], i >= 3, 1e-4f);
        }
    }
    drop(&x);
    drop(&y);
    drop(&one);
}
END_TEST

static void glu_forward(const struct problem *p, double *y)
{
    int c = p->dim[0];

    for (int64_t i = 0; i < p->out; i++) {
        const double *row = p->in[0] + i / c * 2 * c;

        y[i] = row[i % c] / (1 + exp(-row[c + i % c]));
    }
}

START_TEST(glu_backward)
{
    enum { R = 9, C = 37 };
    struct guarded x = make(R, 2 * C, 0, 1), dx = make(R, 2 * C, 0, 2);
    struct guarded dy = make(R, C, 0, 3);
    struct problem p = { .forward = glu_forward, .dim = { C } };

    for (int64_t i = 0; i < x.n; i++)
        x.t.data[i] *= 3;
    problem_set(&p, &dy, &x, NULL, NULL);
    ck_assert(!be->ops->glu_backward(be, &dx.t, &dy.t, &x.t, NULL));
    assert_gradient(&p, 0, dx.t.data, NULL, 1);
    problem_release(&p);
    drop(&x);
    drop(&dx);
    drop(&dy);
}
END_TEST

/* ---- normalisation ---- */

static void layer_norm_forward(const struct problem *p, double *y)
{
    int c = p->dim[0];

    for (int64_t r = 0; r < p->out / c; r++) {
        const double *x = p->in[0] + r * c;
        double m = 0, v = 0;

        for (int i = 0; i < c; i++)
            m += x[i] / c;
        for (int i = 0; i < c; i++)
            v += (x[i] - m) * (x[i] - m) / c;
        for (int i = 0; i < c; i++)
            y[r * c + i] = (x[i] - m) / sqrt(v + p->eps) * p->in[1][i] +
                           p->in[2][i];
    }
}

START_TEST(layer_norm_backward)
{
    enum { C = 67 };
    int rows = _i ? 131 : 5; /* more and fewer than the chunks of the sums */
    struct guarded x = make(rows, C, 0, 1), dy = make(rows, C, 0, 2);
    struct guarded dx = make(rows, C, 0, 3), g = make(C, 0, 0, 4);
    struct guarded b = make(C, 0, 0, 5), dg = make(C, 0, 0, 6);
    struct guarded db = make(C, 0, 0, 7);
    float *dx0 = copy(&dx), *dg0 = copy(&dg), *db0 = copy(&db);
    struct problem p = { .forward = layer_norm_forward, .dim = { C },
                         .eps = 1e-3f };

    problem_set(&p, &dy, &x, &g, &b);
    ck_assert(!be->ops->layer_norm_backward(be, &dx.t, &dg.t, &db.t, &dy.t,
                                            &x.t, &g.t, 1e-3f, 1, NULL));
    assert_gradient(&p, 0, dx.t.data, dx0, _i ? 97 : 1);
    assert_gradient(&p, 1, dg.t.data, dg0, 1);
    assert_gradient(&p, 2, db.t.data, db0, 1);
    ck_assert(!be->ops->layer_norm_backward(be, &dy.t, &dg.t, &db.t, &dy.t,
                                            &x.t, &g.t, 1e-3f, 0, NULL));
    assert_gradient(&p, 0, dy.t.data, NULL, _i ? 97 : 1);
    problem_release(&p);
    free(dx0);
    free(dg0);
    free(db0);
    drop(&x);
    drop(&dy);
    drop(&dx);
    drop(&g);
    drop(&b);
    drop(&dg);
    drop(&db);
}
END_TEST

static void column_moments(const struct problem *p, int i, double *mean,
                           double *var)
{
    int c = p->dim[0], rows = p->dim[1];

    *mean = *var = 0;
    for (int r = 0; r < rows; r++)
        *mean += p->in[0][r * c + i] / rows;
    for (int r = 0; r < rows; r++)
        *var += pow(p->in[0][r * c + i] - *mean, 2) / rows;
}

static void batch_norm_forward(const struct problem *p, double *y)
{
    int c = p->dim[0];

    for (int i = 0; i < c; i++) {
        double m, v;

        column_moments(p, i, &m, &v);
        for (int r = 0; r < p->dim[1]; r++)
            y[r * c + i] = (p->in[0][r * c + i] - m) / sqrt(v + p->eps) *
                           p->in[1][i] + p->in[2][i];
    }
}

START_TEST(batch_norm_both)
{
    enum { C = 19 };
    int rows = _i ? 203 : 7;
    struct guarded x = make(rows, C, 0, 1), y = make(rows, C, 0, 2);
    struct guarded dy = make(rows, C, 0, 3), g = make(C, 0, 0, 4);
    struct guarded b = make(C, 0, 0, 5), m = make(C, 0, 0, 6);
    struct guarded s = make(C, 0, 0, 7), rm = make(C, 0, 0, 8);
    struct guarded rv = make(C, 0, 0, 9), dg = make(C, 0, 0, 10);
    struct guarded db = make(C, 0, 0, 11);
    float *rm0 = copy(&rm), *rv0 = copy(&rv), *dg0 = copy(&dg);
    float *db0 = copy(&db);
    struct problem p = { .forward = batch_norm_forward, .dim = { C, rows },
                         .eps = 1e-3f };

    for (int64_t i = 0; i < x.n; i++)
        x.t.data[i] += 10; /* a mean that differences of squares would feel */
    problem_set(&p, &dy, &x, &g, &b);
    ck_assert(!be->ops->batch_norm(be, &y.t, &m.t, &s.t, &rm.t, &rv.t, &x.t,
                                   &g.t, &b.t, 1e-3f, 0.1f, NULL));
    batch_norm_forward(&p, p.y);
    assert_near(y.t.data, p.y, y.n, 3e-6); /* the mean is 10 spreads */
    for (int i = 0; i < C; i++) {
        double mean, var;

        column_moments(&p, i, &mean, &var);
        ck_assert_double_eq_tol(m.t.data[i], mean, 1e-5);
        ck_assert_double_eq_tol(s.t.data[i], 1 / sqrt(var + 1e-3), 1e-5);
        ck_assert_double_eq_tol(rm.t.data[i], 0.9 * rm0[i] + 0.1 * mean, 1e-6);
        ck_assert_double_eq_tol(rv.t.data[i], 0.9 * rv0[i] +
                                0.1 * var * rows / (rows - 1), 1e-6);
    }
    ck_assert(!be->ops->batch_norm_backward(be, &dy.t, &dg.t, &db.t, &dy.t,
                                            &x.t, &m.t, &s.t, &g.t, NULL));
    assert_gradient(&p, 1, dg.t.data, dg0, 1);
    assert_gradient(&p, 2, db.t.data, db0, 1);
    assert_gradient(&p, 0, dy.t.data, NULL, _i ? 37 : 1);
    ck_assert(!be->ops->batch_norm(be, &x.t, &m.t, &s.t, NULL, NULL, &x.t,
                                   &g.t, &b.t, 1e-3f, 0.1f, NULL));
    ck_assert(!memcmp(x.t.data, y.t.data, (size_t)x.n * sizeof(float)));
    problem_release(&p);
    free(rm0);
    free(rv0);
    free(dg0);
    free(db0);
    drop(&x);
    drop(&y);
    drop(&dy);
    drop(&g);
    drop(&b);
    drop(&m);
    drop(&s);
    drop(&rm);
    drop(&rv);
    drop(&dg);
    drop(&db);
}
END_TEST

/* ---- over time ---- */

static void rotary_forward(const struct problem *p, double *y)
{
    int time = p->dim[0], heads = p->dim[1], d = p->dim[2];

    for (int64_t i = 0; i < p->out / d; i++)
        for (int k = 0; k < d / 2; k++) {
            double a = (double)(i / heads % time) * pow(100, -2.0 * k / d);
            double u = p->in[0][i * d + k], v = p->in[0][i * d + k + d / 2];

            y[i * d + k] = u * cos(a) - v * sin(a);
            y[i * d + k + d / 2] = v * cos(a) + u * sin(a);
        }
}

START_TEST(rotary_backward)
{
    enum { B = 2, T = 7, H = 3, D = 10 };
    struct guarded x = make(B, T, H * D, 1), dy = make(B, T, H * D, 2);
    struct guarded dx = make(B, T, H * D, 3);
    float *before = copy(&dx);
    struct problem p = { .forward = rotary_forward, .dim = { T, H, D } };

    problem_set(&p, &dy, &x, NULL, NULL);
    ck_assert(!be->ops->rotary_backward(be, &dx.t, &dy.t, H, 100, 1, NULL));
    assert_gradient(&p, 0, dx.t.data, before, 1);
    ck_assert(!be->ops->rotary_backward(be, &dy.t, &dy.t, H, 100, 0, NULL));
    assert_gradient(&p, 0, dy.t.data, NULL, 1);
    problem_release(&p);
    free(before);
    drop(&x);
    drop(&dy);
    drop(&dx);
}
END_TEST

static void depthwise_forward(const struct problem *p, double *y)
{
    int time = p->dim[0], c = p->dim[1], taps = p->dim[2];

    for (int64_t i = 0; i < p->out; i++) {
        int64_t t = i / c % time;

        y[i] = 0;
        for (int k = 0; k < taps; k++) {
            int64_t shift = k - taps / 2;

            if (t + shift >= 0 && t + shift < time)
                y[i] += p->in[1][k * c + i % c] * p->in[0][i + shift * c];
        }
    }
}

static const struct { int time, channels, taps; } depthwise_cases[] = {
    { 45, 70, 31 }, { 5, 67, 9 }, { 5, 3, 31 }, { 1, 64, 1 }
};

START_TEST(depthwise_backward)
{
    int time = depthwise_cases[_i].time, c = depthwise_cases[_i].channels;
    int taps = depthwise_cases[_i].taps;
    struct guarded x = make(3, time, c, 1), dy = make(3, time, c, 2);
    struct guarded dx = make(3, time, c, 3), w = make(taps, c, 0, 4);
    struct guarded dw = make(taps, c, 0, 5);
    float *before = copy(&dw);
    struct problem p = { .forward = depthwise_forward,
                         .dim = { time, c, taps } };

    problem_set(&p, &dy, &x, &w, NULL);
    ck_assert(!be->ops->depthwise_backward(be, &dx.t, &dw.t, &dy.t, &x.t, &w.t,
                                           NULL));
    assert_gradient(&p, 0, dx.t.data, NULL, x.n > 2000 ? 89 : 3);
    assert_gradient(&p, 1, dw.t.data, before, w.n > 1000 ? 19 : 1);
    problem_release(&p);
    free(before);
    drop(&x);
    drop(&dy);
    drop(&dx);
    drop(&w);
    drop(&dw);
}
END_TEST

static void pool_forward(const struct problem *p, double *y)
{
    int n = p->dim[0], m = p->dim[1], c = p->dim[2];

    for (int64_t i = 0; i < p->out; i++) {
        int64_t o = i / c % m, b = i / c / m;
        int from = (int)floor((double)(o * n) / m);
        int to = (int)ceil((double)((o + 1) * n) / m);

        y[i] = 0;
        for (int t = from; t < to; t++)
            y[i] += p->in[0][(b * n + t) * c + i % c] / (to - from);
    }
}

static const struct { int n, m; } pool_cases[] = {
    { 75, 40 }, { 13, 31 }, { 12, 4 }, { 9, 1 }, { 1, 5 }, { 7, 7 }
};

START_TEST(pool_both)
{
    int n = pool_cases[_i].n, m = pool_cases[_i].m, c = 5;
    struct guarded x = make(2, n, c, 1), y = make(2, m, c, 2);
    struct guarded dy = make(2, m, c, 3), dx = make(2, n, c, 4);
    float *before = copy(&dx);
    struct problem p = { .forward = pool_forward, .dim = { n, m, c } };

    problem_set(&p, &dy, &x, NULL, NULL);
    ck_assert(!be->ops->pool(be, &y.t, &x.t, NULL));
    pool_forward(&p, p.y);
    assert_near(y.t.data, p.y, y.n, 1e-6);
    ck_assert(!be->ops->pool_backward(be, &dx.t, &dy.t, NULL));
    assert_gradient(&p, 0, dx.t.data, before, 1);
    problem_release(&p);
    free(before);
    drop(&x);
    drop(&y);
    drop(&dy);
    drop(&dx);
}
END_TEST

/* One matrix, more than a tile large, and several small ones. */
START_TEST(transpose_tiles)
{
    static const int sizes[2][3] = { { 1, 37, 67 }, { 3, 5, 4 } };
    int n = sizes[_i][0], r = sizes[_i][1], c = sizes[_i][2];
    struct guarded x = n > 1 ? make(n, r, c, 1) : make(r, c, 0, 1);
    struct guarded y = n > 1 ? make(n, c, r, 2) : make(c, r, 0, 2);

    for (int add = 0; add < 2; add++) {
        ck_assert(!be->ops->transpose(be, &y.t, &x.t, add, NULL));
        for (int i = 0; i < n * r * c; i++) {
            int in = i % (r * c), to = i - in + in % c * r + in / c;

            ck_assert(y.t.data[to] == (float)(1 + add) * x.t.data[i]);
        }
    }
    drop(&x);
    drop(&y);
}
END_TEST

/* ---- attention ---- */

/* One query: its row of y; returns the logarithm of the sum. */
static double attend(const struct problem *p, double *y, int64_t row, int h)
{
    int time = p->dim[0], d = p->dim[2], c = p->dim[1] * d;
    int64_t first = row / time * time;
    double sum = 0;

    memset(y, 0, (size_t)d * sizeof(*y));
    for (int64_t s = first; s < first + time; s++) {
        double dot = 0, e;

        for (int j = 0; j < d; j++)
            dot += p->in[0][row * c + h * d + j] * p->in[1][s * c + h * d + j];
        e = exp(dot / sqrt(d));
        sum += e;
        for (int j = 0; j < d; j++)
            y[j] += e * p->in[2][s * c + h * d + j];
    }
    for (int j = 0; j < d; j++)
        y[j] /= sum;
    return log(sum);
}

static void attention_forward(const struct problem *p, double *y)
{
    int heads = p->dim[1], d = p->dim[2];

    for (int64_t i = 0; i < p->out / d; i++)
        attend(p, y + i * d, i / heads, (int)(i % heads));
}

/* Over one block of queries, in groups or not; and a single frame. */
static const struct { int batch, time, heads, d; } attention_cases[] = {
    { 1, 139, 2, 6 }, { 6, 67, 3, 2 }, { 2, 1, 1, 4 }
};

START_TEST(attention_both)
{
    int b = attention_cases[_i].batch, time = attention_cases[_i].time;
    int h = attention_cases[_i].heads, d = attention_cases[_i].d, c = h * d;
    struct guarded q = make(b, time, c, 1), k = make(b, time, c, 2);
    struct guarded v = make(b, time, c, 3), y = make(b, time, c, 4);
    struct guarded dy = make(b, time, c, 5), lse = make(b, h, time, 6);
    struct guarded dq = make(b, time, c, 7), dk = make(b, time, c, 8);
    struct guarded dv = make(b, time, c, 9);
    struct problem p = { .forward = attention_forward, .dim = { time, h, d } };

    for (int64_t i = 0; i < q.n; i++)
        q.t.data[i] *= 8; /* peaked enough that the maximum matters */
    problem_set(&p, &dy, &q, &k, &v);
    ck_assert(!be->ops->attention_save(be, &y.t, &lse.t, &q.t, &k.t, &v.t, h,
                                       NULL));
    attention_forward(&p, p.y);
    assert_near(y.t.data, p.y, y.n, 1e-6);
    for (int64_t i = 0; i < lse.n; i++) {
        double row[8], want = attend(&p, row, i / time / h * time + i % time,
                                     (int)(i / time % h));

        ck_assert_double_eq_tol(lse.t.data[i], want, 1e-5);
    }
    ck_assert(!be->ops->attention_backward(be, &dq.t, &dk.t, &dv.t, &dy.t, &y.t,
                                           &lse.t, &q.t, &k.t, &v.t, h, NULL));
    assert_gradient(&p, 2, dv.t.data, NULL, time > 1 ? 31 : 1);
    if (time > 1) {
        assert_gradient(&p, 0, dq.t.data, NULL, 31);
        assert_gradient(&p, 1, dk.t.data, NULL, 31);
    }
    for (int64_t i = 0; i < dq.n && time == 1; i++) /* one key gets it all */
        ck_assert(fabsf(dq.t.data[i]) < 1e-5f && fabsf(dk.t.data[i]) < 1e-5f);
    problem_release(&p);
    drop(&q);
    drop(&k);
    drop(&v);
    drop(&y);
    drop(&dy);
    drop(&lse);
    drop(&dq);
    drop(&dk);
    drop(&dv);
}
END_TEST

/* y, lse, dq, dk, dv in that order. */
static void attend_both(struct guarded *out, const struct guarded *in, int h)
{
    struct tensor *t[5];

    for (int i = 0; i < 5; i++)
        t[i] = &out[i].t;
    ck_assert(!be->ops->attention_save(be, t[0], t[1], &in[0].t, &in[1].t,
                                       &in[2].t, h, NULL));
    ck_assert(!be->ops->attention_backward(be, t[2], t[3], t[4], &in[3].t, t[0],
                                           t[1], &in[0].t, &in[1].t, &in[2].t,
                                           h, NULL));
}

/* With 16-bit products, 2^-9 off each, against f32: 1 %; the same for any
 * number of threads, and without lse. */
START_TEST(attention_half)
{
    int b = _i ? 6 : 1, time = _i ? 67 : 139, h = 3, d = _i ? 5 : 64;
    struct guarded in[4], want[5], got[5], more[5];

    for (uint32_t i = 0; i < 4; i++)
        in[i] = make(b, time, h * d, i + 1);
    for (int i = 0; i < 5; i++) {
        want[i] = i == 1 ? make(b, h, time, 9) : make(b, time, h * d, 9);
        got[i] = i == 1 ? make(b, h, time, 8) : make(b, time, h * d, 8);
        more[i] = i == 1 ? make(b, h, time, 7) : make(b, time, h * d, 7);
    }
    attend_both(want, in, h);
    if (backend_set_precision(be, PRECISION_BF16, NULL))
        return; /* not on this processor */
    omp_set_num_threads(1);
    attend_both(got, in, h);
    omp_set_num_threads(3);
    attend_both(more, in, h);
    for (int i = 0; i < 5; i++) {
        double *exact = doubles(&want[i]);

        assert_near(got[i].t.data, exact, got[i].n, 1e-2);
        ck_assert(!memcmp(got[i].t.data, more[i].t.data,
                          (size_t)got[i].n * sizeof(float)));
        free(exact);
    }
    ck_assert(!be->ops->attention(be, &in[0].t, &in[0].t, &in[1].t, &in[2].t, h,
                                  NULL));
    ck_assert(!memcmp(got[0].t.data, in[0].t.data,
                      (size_t)got[0].n * sizeof(float)));
    for (int i = 0; i < 5; i++) {
        drop(&want[i]);
        drop(&got[i]);
        drop(&more[i]);
    }
    for (int i = 0; i < 4; i++)
        drop(&in[i]);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof(*(a)))

int main(void)
{
    Suite *s = suite_create("tensor_grad");
    TCase *t = tcase_create("cpu");
    struct err err = {0};
    int rc;

    if (backend_open(&be, "cpu", 0, &err)) {
        printf("%s\n", err.msg);
        return 99;
    }
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, act_all, ACT_NONE, ACT_GELU + 1);
    tcase_add_test(t, act_saturates);
    tcase_add_test(t, glu_backward);
    tcase_add_loop_test(t, layer_norm_backward, 0, 2);
    tcase_add_loop_test(t, batch_norm_both, 0, 2);
    tcase_add_test(t, rotary_backward);
    tcase_add_loop_test(t, depthwise_backward, 0, COUNT(depthwise_cases));
    tcase_add_loop_test(t, pool_both, 0, COUNT(pool_cases));
    tcase_add_loop_test(t, transpose_tiles, 0, 2);
    tcase_add_loop_test(t, attention_both, 0, COUNT(attention_cases));
    tcase_add_loop_test(t, attention_half, 0, 2);
    suite_add_tcase(s, t);
    rc = unit_run(s);
    backend_close(be);
    return rc;
}
