/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The operations of BERT's convolutional parts against plain loops in double,
 * and their backward passes against central differences of these loops: with
 * L = sum(r * y), what the backward operation makes of dy = r is dL. Forward
 * within a relative error of 1e-6 (f32 sums of up to some hundred terms),
 * gradients within 1e-5 (the step of 1e-4 leaves 1e-8, f32 sums the rest). */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "tensor/backend.h"

enum { MAX = 4096 };

static struct backend *be;
static uint32_t state;

static void open_backend(void)
{
    struct err err = {0};

    state = 7;
    ck_assert_msg(!backend_open(&be, "cpu", 2, &err), "%s", err.msg);
}

static void close_backend(void)
{
    backend_close(be);
}

static struct tensor make(int ndim, const int64_t *dim)
{
    struct tensor t = {0};
    struct err err = {0};

    ck_assert_msg(!tensor_reserve(&t, be, ndim, dim, &err), "%s", err.msg);
    for (int64_t i = 0; i < tensor_count(&t); i++) {
        state = state * 1664525u + 1013904223u;
        t.data[i] = (float)(state >> 8) / (1 << 23) - 1;
    }
    return t;
}

#define MAKE(...)                                                    \
    make((int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), \
         (int64_t[]){ __VA_ARGS__ })

static void near(const float *got, const double *want, int64_t n,
                 double tolerance, const char *what)
{
    double diff = 0, norm = 0;

    for (int64_t i = 0; i < n; i++) {
        diff += (got[i] - want[i]) * (got[i] - want[i]);
        norm += want[i] * want[i];
    }
    ck_assert_msg(norm > 0 && diff <= tolerance * tolerance * norm,
                  "%s: relative error %g over %g", what, sqrt(diff / norm),
                  tolerance);
}

/* ---- references; inputs in double so that they can be moved a little ---- */

struct task {
    int64_t batch, time, in, out, taps, groups, out_time;
    int stride;
    double *x, *w, *bias;
    double y[MAX];
};

typedef void reference(struct task *k);

static void conv_reference(struct task *k)
{
    for (int64_t b = 0; b < k->batch; b++)
        for (int64_t t = 0; t < k->out_time; t++)
            for (int64_t o = 0; o < k->out; o++) {
                double s = 0;

                for (int64_t j = 0; j < k->taps; j++)
                    for (int64_t i = 0; i < k->in; i++)
                        s += k->w[(o * k->taps + j) * k->in + i] *
                             k->x[(b * k->time + t * k->stride + j) * k->in +
                                  i];
                k->y[(b * k->out_time + t) * k->out + o] = s;
            }
}

/* in, out: all channels */
static void grouped_reference(struct task *k)
{
    int64_t in = k->in / k->groups, out = k->out / k->groups;

    for (int64_t r = 0; r < k->batch * k->time; r++)
        for (int64_t o = 0; o < k->out; o++) {
            double s = k->bias[o];

            for (int64_t j = 0; j < k->taps; j++) {
                int64_t t = r % k->time + j - k->taps / 2;

                for (int64_t i = 0; i < in && t >= 0 && t < k->time; i++)
                    s += k->w[(o * k->taps + j) * in + i] *
                         k->x[(r / k->time * k->time + t) * k->in +
                              o / out * in + i];
            }
            k->y[r * k->out + o] = s;
        }
}

/* w: gamma */
static void norm_reference(struct task *k)
{
    int64_t each = k->in / k->groups;

    for (int64_t b = 0; b < k->batch; b++)
        for (int64_t g = 0; g < k->groups; g++) {
            double mean = 0, var = 0, n = (double)(k->time * each);

            for (int pass = 0; pass < 2; pass++)
                for (int64_t t = 0; t < k->time; t++)
                    for (int64_t i = 0; i < each; i++) {
                        double v = k->x[(b * k->time + t) * k->in + g * each +
                                        i];

                        if (pass)
                            var += (v - mean) * (v - mean) / n;
                        else
                            mean += v / n;
                    }
            for (int64_t t = 0; t < k->time; t++)
                for (int64_t i = 0; i < each; i++) {
                    int64_t c = g * each + i;
                    int64_t at = (b * k->time + t) * k->in + c;

                    k->y[at] = (k->x[at] - mean) / sqrt(var + 1e-5) * k->w[c] +
                               k->bias[c];
                }
        }
}

/* x: v (out, in, taps), w: g */
static void weight_reference(struct task *k)
{
    for (int64_t j = 0; j < k->taps; j++) {
        double sq = 0;

        for (int64_t r = 0; r < k->out * k->in; r++)
            sq += k->x[r * k->taps + j] * k->x[r * k->taps + j];
        for (int64_t o = 0; o < k->out; o++)
            for (int64_t i = 0; i < k->in; i++)
                k->y[(o * k->taps + j) * k->in + i] =
                    k->w[j] * k->x[(o * k->in + i) * k->taps + j] / sqrt(sq);
    }
}

static double *doubles(const struct tensor *t)
{
    double *d = xcalloc((size_t)tensor_count(t) + 1, sizeof(*d));

    for (int64_t i = 0; i < tensor_count(t); i++)
        d[i] = t->data[i];
    return d;
}

static void drop_task(struct task *k)
{
    free(k->x);
    free(k->w);
    free(k->bias);
}

/* got against the central difference of L by the n numbers at v. base: what
 * the operation added to. */
static void check_gradient(struct task *k, reference *f, double *v, int64_t n,
                           const struct tensor *r, const float *got,
                           double base, const char *what)
{
    static const double h = 1e-4;
    double want[MAX];

    ck_assert(n <= MAX && tensor_count(r) <= MAX);
    for (int64_t i = 0; i < n; i++) {
        double was = v[i], sum = 0;

        for (int side = -1; side <= 1; side += 2) {
            v[i] = was + side * h;
            f(k);
            for (int64_t j = 0; j < tensor_count(r); j++)
                sum += side * k->y[j] * r->data[j];
        }
        v[i] = was;
        want[i] = base + sum / (2 * h);
    }
    near(got, want, n, 1e-5, what);
}

static void fill(struct tensor *t, float v)
{
    for (int64_t i = 0; i < tensor_count(t); i++)
        t->data[i] = v;
}

/* ---- convolution ---- */

static const struct conv_case {
    int64_t batch, time, in, out, taps;
    int stride;
} convs[] = {
    { 2, 47, 1, 7, 10, 5 }, /* the first layer of the extractor */
    { 2, 17, 5, 3, 3, 2 },
    { 1, 18, 4, 9, 2, 2 },
    { 2, 11, 3, 4, 3, 1 },
    { 1, 20, 2, 5, 4, 3 },
    { 2, 13, 3, 2, 2, 5 }, /* frames between the windows that nothing reads */
    { 1, 3, 6, 8, 3, 2 },  /* a single output */
};

START_TEST(conv1d_forward_and_gradients)
{
    const struct conv_case *c = &convs[_i];
    int64_t out_time = (c->time - c->taps) / c->stride + 1;
    struct tensor x = MAKE(c->batch, c->time, c->in);
    struct tensor w = MAKE(c->out, c->taps, c->in);
    struct tensor y = MAKE(c->batch, out_time, c->out);
    struct tensor r = MAKE(c->batch, out_time, c->out);
    struct tensor dx = MAKE(c->batch, c->time, c->in);
    struct tensor dw = MAKE(c->out, c->taps, c->in);
    struct task k = { .batch = c->batch, .time = c->time, .in = c->in,
                      .out = c->out, .taps = c->taps, .out_time = out_time,
                      .stride = c->stride, .x = doubles(&x),
                      .w = doubles(&w) };

    conv_reference(&k);
    ck_assert(!be->ops->conv1d(be, &y, &x, &w, c->stride, NULL));
    near(y.data, k.y, tensor_count(&y), 1e-6, "y");
    fill(&dw, 0.5f);
    ck_assert(!be->ops->conv1d_dx(be, &dx, &r, &w, c->stride, NULL));
    ck_assert(!be->ops->conv1d_dw(be, &dw, &r, &x, c->stride, NULL));
    check_gradient(&k, conv_reference, k.x, tensor_count(&x), &r, dx.data, 0,
                   "dx");
    check_gradient(&k, conv_reference, k.w, tensor_count(&w), &r, dw.data, 0.5,
                   "dw");
    drop_task(&k);
    tensor_release(&x);
    tensor_release(&w);
    tensor_release(&y);
    tensor_release(&r);
    tensor_release(&dx);
    tensor_release(&dw);
}
END_TEST

/* bf16 holds 8 bits: each product is off by up to 2^-8, and by chance their sum
 * by as much as one of them. The sound of one channel stays exact. */
START_TEST(conv1d_bf16)
{
    const struct conv_case *c = &convs[_i];
    int64_t out_time = (c->time - c->taps) / c->stride + 1;
    double tolerance = c->in == 1 ? 1e-6 : 1e-2, off = 0;
    struct tensor x = MAKE(c->batch, c->time, c->in);
    struct tensor w = MAKE(c->out, c->taps, c->in);
    struct tensor r = MAKE(c->batch, out_time, c->out), y[2] = { { 0 } };
    struct tensor dx[2] = { { 0 } }, dw[2] = { { 0 } };
    struct err err = {0};

    for (int pass = 0; pass < 2; pass++) {
        if (backend_set_precision(be, pass ? PRECISION_BF16 : PRECISION_F32,
                                  &err))
            return; /* this processor has none */
        ck_assert(!tensor_reserve(&y[pass], be, 3, r.dim, NULL));
        ck_assert(!tensor_reserve(&dx[pass], be, 3, x.dim, NULL));
        ck_assert(!tensor_reserve(&dw[pass], be, 3, w.dim, NULL));
        fill(&dw[pass], 0);
        ck_assert(!be->ops->conv1d(be, &y[pass], &x, &w, c->stride, NULL));
        ck_assert(!be->ops->conv1d_dx(be, &dx[pass], &r, &w, c->stride, NULL));
        ck_assert(!be->ops->conv1d_dw(be, &dw[pass], &r, &x, c->stride, NULL));
    }
    for (int i = 0; i < 3; i++) {
        struct tensor *a = i == 0 ? y : i == 1 ? dx : dw;
        double *want = doubles(&a[0]);

        near(a[1].data, want, tensor_count(&a[0]), tolerance, "bf16");
        for (int64_t j = 0; j < tensor_count(&a[0]); j++)
            off += fabs(a[1].data[j] - want[j]);
        free(want);
        tensor_release(&a[0]);
        tensor_release(&a[1]);
    }
    ck_assert_msg(c->in == 1 || off > 0, "computed in f32");
    tensor_release(&x);
    tensor_release(&w);
    tensor_release(&r);
}
END_TEST

static const struct grouped_case {
    int64_t batch, time, each_in, each_out, taps;
    int groups;
} grouped[] = {
    { 2, 13, 3, 2, 8, 3 },
    { 1, 37, 2, 2, 20, 2 }, /* even, no multiple of the parts of taps */
    { 2, 9, 2, 3, 5, 2 },   /* odd */
    { 1, 3, 2, 2, 16, 2 },  /* longer than the sound */
};

START_TEST(conv1d_grouped_forward_and_gradients)
{
    const struct grouped_case *c = &grouped[_i];
    int64_t in = c->each_in * c->groups, out = c->each_out * c->groups;
    struct tensor x = MAKE(c->batch, c->time, in);
    struct tensor w = MAKE(out, c->taps, c->each_in), bias = MAKE(out);
    struct tensor y = MAKE(c->batch, c->time, out);
    struct tensor r = MAKE(c->batch, c->time, out);
    struct tensor dx = MAKE(c->batch, c->time, in), dbias = MAKE(out);
    struct tensor dw = MAKE(out, c->taps, c->each_in);
    struct task k = { .batch = c->batch, .time = c->time, .in = in, .out = out,
                      .taps = c->taps, .groups = c->groups, .x = doubles(&x),
                      .w = doubles(&w), .bias = doubles(&bias) };

    grouped_reference(&k);
    ck_assert(!be->ops->conv1d_grouped(be, &y, &x, &w, &bias, c->groups, NULL));
    near(y.data, k.y, tensor_count(&y), 1e-6, "y");
    fill(&dw, 0.5f);
    fill(&dbias, 0.5f);
    ck_assert(!be->ops->conv1d_grouped_backward(be, &dx, &dw, &dbias, &r, &x,
                                                &w, c->groups, NULL));
    check_gradient(&k, grouped_reference, k.x, tensor_count(&x), &r, dx.data,
                   0, "dx");
    check_gradient(&k, grouped_reference, k.w, tensor_count(&w), &r, dw.data,
                   0.5, "dw");
    check_gradient(&k, grouped_reference, k.bias, out, &r, dbias.data, 0.5,
                   "dbias");
    drop_task(&k);
    tensor_release(&x);
    tensor_release(&w);
    tensor_release(&bias);
    tensor_release(&y);
    tensor_release(&r);
    tensor_release(&dx);
    tensor_release(&dw);
    tensor_release(&dbias);
}
END_TEST

/* ---- group normalisation ---- */

static const struct { int64_t batch, time, in; int groups; } norms[] = {
    { 2, 15, 6, 6 }, /* as BERT: a group for each channel */
    { 2, 7, 12, 3 },
    { 1, 301, 5, 1 }, /* several pieces of time */
};

START_TEST(group_norm_forward_and_gradients)
{
    int64_t batch = norms[_i].batch, time = norms[_i].time, n = norms[_i].in;
    int groups = norms[_i].groups;
    struct tensor x = MAKE(batch, time, n), y = MAKE(batch, time, n);
    struct tensor r = MAKE(batch, time, n), gamma = MAKE(n), beta = MAKE(n);
    struct tensor mean = MAKE(batch, groups), inv = MAKE(batch, groups);
    struct tensor dgamma = MAKE(n), dbeta = MAKE(n), dy = MAKE(batch, time, n);
    struct task k = { .batch = batch, .time = time, .in = n, .groups = groups,
                      .x = doubles(&x), .w = doubles(&gamma),
                      .bias = doubles(&beta) };

    norm_reference(&k);
    ck_assert(!be->ops->group_norm(be, &y, &mean, &inv, &x, &gamma, &beta,
                                   groups, 1e-5f, NULL));
    near(y.data, k.y, tensor_count(&y), 1e-6, "y");
    fill(&dgamma, 0.5f);
    fill(&dbeta, 0.5f);
    /* in place, as the header allows */
    memcpy(dy.data, r.data, (size_t)tensor_count(&r) * sizeof(*r.data));
    ck_assert(!be->ops->group_norm_backward(be, &dy, &dgamma, &dbeta, &dy, &x,
                                            &mean, &inv, &gamma, groups,
                                            NULL));
    check_gradient(&k, norm_reference, k.x, tensor_count(&x), &r, dy.data, 0,
                   "dx");
    check_gradient(&k, norm_reference, k.w, n, &r, dgamma.data, 0.5, "dgamma");
    check_gradient(&k, norm_reference, k.bias, n, &r, dbeta.data, 0.5,
                   "dbeta");
    drop_task(&k);
    tensor_release(&x);
    tensor_release(&y);
    tensor_release(&r);
    tensor_release(&gamma);
    tensor_release(&beta);
    tensor_release(&mean);
    tensor_release(&inv);
    tensor_release(&dgamma);
    tensor_release(&dbeta);
    tensor_release(&dy);
}
END_TEST

/* ---- weights ---- */

START_TEST(weight_norm_forward_and_gradients)
{
    enum { OUT = 5, IN = 3, TAPS = 7 };
    struct tensor v = MAKE(OUT, IN, TAPS), g = MAKE(TAPS), norm = MAKE(TAPS);
    struct tensor w = MAKE(OUT, TAPS, IN), r = MAKE(OUT, TAPS, IN);
    struct tensor dv = MAKE(OUT, IN, TAPS), dg = MAKE(TAPS);
    struct task k = { .in = IN, .out = OUT, .taps = TAPS, .x = doubles(&v),
                      .w = doubles(&g) };

    weight_reference(&k);
    ck_assert(!be->ops->weight_norm(be, &w, &norm, &v, &g, NULL));
    near(w.data, k.y, tensor_count(&w), 1e-6, "w");
    fill(&dv, 0.5f);
    fill(&dg, 0.5f);
    ck_assert(!be->ops->weight_norm_backward(be, &dv, &dg, &r, &v, &g, &norm,
                                             NULL));
    check_gradient(&k, weight_reference, k.x, tensor_count(&v), &r, dv.data,
                   0.5, "dv");
    check_gradient(&k, weight_reference, k.w, TAPS, &r, dg.data, 0.5, "dg");
    drop_task(&k);
    tensor_release(&v);
    tensor_release(&g);
    tensor_release(&norm);
    tensor_release(&w);
    tensor_release(&r);
    tensor_release(&dv);
    tensor_release(&dg);
}
END_TEST

/* A tap of zeros has no direction: it stays zero and gets no gradient, where
 * the quotient would be NaN. */
START_TEST(weight_norm_zero_tap)
{
    struct tensor v = MAKE(1, 1, 2), g = MAKE(2), norm = MAKE(2);
    struct tensor w = MAKE(1, 2, 1), dw = MAKE(1, 2, 1);
    struct tensor dv = MAKE(1, 1, 2), dg = MAKE(2);

    v.data[0] = 0;
    fill(&dv, 0);
    fill(&dg, 0);
    ck_assert(!be->ops->weight_norm(be, &w, &norm, &v, &g, NULL));
    ck_assert(!be->ops->weight_norm_backward(be, &dv, &dg, &dw, &v, &g, &norm,
                                             NULL));
    ck_assert(w.data[0] == 0 && dv.data[0] == 0 && dg.data[0] == 0);
    tensor_release(&v);
    tensor_release(&g);
    tensor_release(&norm);
    tensor_release(&w);
    tensor_release(&dw);
    tensor_release(&dv);
    tensor_release(&dg);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tensor_conv1d");
    TCase *t = tcase_create("conv1d");

    tcase_add_checked_fixture(t, open_backend, close_backend);
    tcase_add_loop_test(t, conv1d_forward_and_gradients, 0,
                        (int)ARRAY_LEN(convs));
    tcase_add_loop_test(t, conv1d_bf16, 0, (int)ARRAY_LEN(convs));
    tcase_add_loop_test(t, conv1d_grouped_forward_and_gradients, 0,
                        (int)ARRAY_LEN(grouped));
    tcase_add_loop_test(t, group_norm_forward_and_gradients, 0,
                        (int)ARRAY_LEN(norms));
    tcase_add_test(t, weight_norm_forward_and_gradients);
    tcase_add_test(t, weight_norm_zero_tap);
    suite_add_tcase(s, t);
    return unit_run(s);
}
