/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Matrix products and their backward passes against loops in double. Relative
 * L2 error: f32 1e-6; bf16 1e-2 (2^-9 for each factor). Outputs lie between
 * guards. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "tensor/backend.h"

enum { GUARD = 64 };

static struct backend *be;
static double tolerance;

static int use(int bf16)
{
    struct err err = {0};

    tolerance = bf16 ? 1e-2 : 1e-6;
    return !backend_set_precision(be, bf16 ? PRECISION_BF16 : PRECISION_F32,
                                  &err);
}

struct matrix {
    struct tensor whole, t;
    int64_t rows, cols;
    double *want; /* what it held at first */
};

static struct matrix make(int64_t rows, int64_t cols, uint32_t seed)
{
    int64_t dim[2] = { rows, cols }, all = rows * cols + 2 * GUARD;
    struct matrix m;

    memset(&m, 0, sizeof(m));
    m.rows = rows;
    m.cols = cols;
    m.want = malloc((size_t)(rows * cols) * sizeof(*m.want));
    ck_assert(!tensor_reserve(&m.whole, be, 1, &all, NULL));
    for (int64_t i = 0; i < all; i++)
        m.whole.data[i] = 1e9f;
    m.t = tensor_view(&m.whole, GUARD, 2, dim);
    for (int64_t i = 0; i < rows * cols; i++) {
        seed = seed * 1664525u + 1013904223u;
        m.t.data[i] = (float)(seed >> 8) / (1 << 23) - 1;
        m.want[i] = m.t.data[i];
    }
    return m;
}

static void drop(struct matrix *m)
{
    for (int64_t i = 0; i < GUARD; i++) {
        ck_assert(m->whole.data[i] == 1e9f);
        ck_assert(m->whole.data[GUARD + m->rows * m->cols + i] == 1e9f);
    }
    tensor_release(&m->whole);
    free(m->want);
}

static void near(const struct matrix *m, const char *what)
{
    double diff = 0, norm = 0;

    for (int64_t i = 0; i < m->rows * m->cols; i++) {
        diff += pow(m->t.data[i] - m->want[i], 2);
        norm += m->want[i] * m->want[i];
    }
    ck_assert_msg(diff <= tolerance * tolerance * norm,
                  "%s: relative error %g over %g", what, sqrt(diff / norm),
                  tolerance);
}

static const struct linear_case {
    int r, k, m;
    float scale;
    int accumulate;
} cases[] = {
    { 13, 37, 29, 0, 0 }, { 1, 5, 3, 2, 1 }, { 300, 64, 48, 0.5f, 1 },
    { 7, 1, 33, 1, 0 }, { 129, 31, 1, -1, 1 }, { 64, 96, 128, 1, 0 },
    { 40, 64, 64, 1, 0 }, /* the copy for y has the shape of that for dx */
    { 2600, 24, 20, 0.5f, 1 }, /* three stretches of rows, not all alike */
};

struct linear {
    struct matrix x, y, w, bias, dx, dy, dw, dbias;
};

static void linear_make(const struct linear_case *c, struct linear *l)
{
    l->x = make(c->r, c->k, 1);
    l->y = make(c->r, c->m, 2);
    l->w = make(c->m, c->k, 3);
    l->bias = make(1, c->m, 4);
    l->dx = make(c->r, c->k, 5);
    l->dy = make(c->r, c->m, 6);
    l->dw = make(c->m, c->k, 7);
    l->dbias = make(1, c->m, 8);
}

static void linear_drop(struct linear *l)
{
    drop(&l->x);
    drop(&l->y);
    drop(&l->w);
    drop(&l->bias);
    drop(&l->dx);
    drop(&l->dy);
    drop(&l->dw);
    drop(&l->dbias);
}

static void linear_want(const struct linear_case *c, struct linear *l)
{
    double s = c->scale != 0 ? c->scale : 1;

    for (int i = 0; i < c->r * c->m; i++)
        l->y.want[i] = s * l->bias.want[i % c->m] +
                       (c->accumulate ? l->y.want[i] : 0);
    for (int i = 0; i < c->r * c->k; i++)
        l->dx.want[i] = c->accumulate ? l->dx.want[i] : 0;
    for (int r = 0; r < c->r; r++)
        for (int m = 0; m < c->m; m++) {
            double d = s * l->dy.want[r * c->m + m];

            l->dbias.want[m] += d;
            for (int k = 0; k < c->k; k++) {
                double w = l->w.want[m * c->k + k];

                l->y.want[r * c->m + m] += s * l->x.want[r * c->k + k] * w;
                l->dx.want[r * c->k + k] += d * w;
                l->dw.want[m * c->k + k] += d * l->x.want[r * c->k + k];
            }
        }
}

START_TEST(linear_and_backward)
{
    const struct linear_case *c = &cases[_i / 2];
    struct matmul_opts o = { .scale = c->scale, .accumulate = c->accumulate };
    struct linear l;

    if (!use(_i % 2))
        return;
    linear_make(c, &l);
    linear_want(c, &l);
    ck_assert(!be->ops->matmul(be, &l.y.t, &l.x.t, &l.w.t, &l.bias.t, o, NULL));
    near(&l.y, "y");
    o.act = ACT_RELU; /* not looked at */
    ck_assert(!be->ops->matmul_dx(be, &l.dx.t, &l.dy.t, &l.w.t, o, NULL));
    near(&l.dx, "dx");
    ck_assert(!be->ops->matmul_dw(be, &l.dw.t, _i % 4 < 2 ? &l.dbias.t : NULL,
                                  &l.dy.t, &l.x.t, c->scale, NULL));
    near(&l.dw, "dw");
    tolerance = 1e-5; /* sums of f32 in any precision; terms cancel */
    if (_i % 4 < 2)
        near(&l.dbias, "dbias");
    linear_drop(&l);
}
END_TEST

/* Both products at once: the bits of one after the other, though dy is turned
 * into bf16 once only. */
START_TEST(backward_at_once)
{
    const struct linear_case *c = &cases[_i / 2];
    struct matmul_opts o = { .scale = c->scale, .accumulate = c->accumulate };
    struct linear a, b;
    struct tensor *dbias[2] = { NULL, NULL };

    if (!use(_i % 2))
        return;
    linear_make(c, &a);
    linear_make(c, &b);
    if (_i % 4 < 2) {
        dbias[0] = &a.dbias.t;
        dbias[1] = &b.dbias.t;
    }
    ck_assert(!be->ops->matmul_dw(be, &a.dw.t, dbias[0], &a.dy.t, &a.x.t,
                                  c->scale, NULL));
    ck_assert(!be->ops->matmul_dx(be, &a.dx.t, &a.dy.t, &a.w.t, o, NULL));
    ck_assert(!be->ops->matmul_backward(be, &b.dx.t, &b.dw.t, dbias[1], &b.dy.t,
                                        &b.x.t, &b.w.t, o, NULL));
    ck_assert_mem_eq(a.dx.t.data, b.dx.t.data, (size_t)(c->r * c->k) * 4);
    ck_assert_mem_eq(a.dw.t.data, b.dw.t.data, (size_t)(c->m * c->k) * 4);
    ck_assert_mem_eq(a.dbias.t.data, b.dbias.t.data, (size_t)c->m * 4);
    linear_drop(&a);
    linear_drop(&b);
}
END_TEST

/* Weights that an optimiser changes, or memory that is used again for others:
 * no stale copy of them may be used. */
START_TEST(weights_that_change)
{
    struct linear_case c = { 20, 48, 32, 1, 0 };
    struct matmul_opts o = {0};
    struct linear l;

    if (!use(_i))
        return;
    for (int step = 0; step < 3; step++) {
        linear_make(&c, &l);
        for (int pass = 0; pass < 2; pass++) {
            memset(l.bias.want, 0, sizeof(double) * (size_t)c.m);
            linear_want(&c, &l);
            ck_assert(!be->ops->matmul(be, &l.y.t, &l.x.t, &l.w.t, NULL, o,
                                       NULL));
            near(&l.y, "y");
            ck_assert(!be->ops->matmul_dx(be, &l.dx.t, &l.dy.t, &l.w.t, o,
                                          NULL));
            near(&l.dx, "dx");
            for (int i = 0; i < c.m * c.k; i++)
                l.w.want[i] = l.w.t.data[i] = -2 * l.w.t.data[i] + 1;
            be->ops->weights_changed(be);
        }
        linear_drop(&l);
    }
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof(*(a)))

int main(void)
{
    Suite *s = suite_create("tensor_gemm");
    TCase *t = tcase_create("cpu");
    struct err err = {0};
    int rc;

    if (backend_open(&be, "cpu", 0, &err)) {
        printf("%s\n", err.msg);
        return 1;
    }
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, linear_and_backward, 0, 2 * COUNT(cases));
    tcase_add_loop_test(t, backward_at_once, 0, 2 * COUNT(cases));
    tcase_add_loop_test(t, weights_that_change, 0, 2);
    suite_add_tcase(s, t);
    rc = unit_run(s);
    backend_close(be);
    return rc;
}
