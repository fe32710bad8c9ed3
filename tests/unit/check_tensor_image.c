/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images in training against plain loops in double, and the backward passes
 * against the definition: the derivative of sum(dy * y), by central differences
 * of the loops. Relative L2 error: f32 1e-5 (Winograd; sums over all pixels for
 * the weights), bf16 1e-2 (2^-9 for each of the two factors and the result;
 * more where near-equal values are subtracted, as batch normalisation does).
 * Every buffer lies between guards, and padding channels must stay zero. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "tensor/backend.h"

enum { GUARD = 64 };

static struct backend *be;
static double tolerance;
static uint32_t seed;

static float noise(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / (1 << 23) - 1;
}

/* Precision i of a loop test; 0 if this machine does not have it. */
static int use(int bf16)
{
    struct err err = {0};

    seed = 1;
    tolerance = bf16 ? 1e-2 : 1e-5;
    return !backend_set_precision(be, bf16 ? PRECISION_BF16 : PRECISION_F32,
                                  &err);
}

/* An image (b, h, w, c) or a vector (n) with guards, and its values in the
 * order (b, c, h, w). */
struct thing {
    struct tensor whole, t;
    int64_t n, floats; /* values; memory without the guards */
    double *v;
};

static void reserve(struct thing *g, int ndim, const int64_t *dim,
                    int64_t floats)
{
    int64_t all = floats + 2 * GUARD;

    memset(g, 0, sizeof(*g));
    ck_assert(!tensor_reserve(&g->whole, be, 1, &all, NULL));
    for (int64_t i = 0; i < all; i++)
        g->whole.data[i] = 1e9f;
    g->t = tensor_view(&g->whole, GUARD, ndim, dim);
    g->n = tensor_count(&g->t);
    g->floats = floats;
    g->v = calloc((size_t)g->n, sizeof(*g->v));
}

static struct thing vector(int64_t n, float mean, float range)
{
    struct thing g;

    reserve(&g, 1, &n, n);
    for (int64_t i = 0; i < n; i++)
        g.v[i] = g.t.data[i] = mean + range * noise();
    return g;
}

/* Position in (b, h, c * w) of value i of (b, c, h, w). */
static int64_t row_index(const struct tensor *t, int64_t i)
{
    int64_t h = t->dim[1], w = t->dim[2], c = t->dim[3];
    int64_t col = i % w, row = i / w % h, ch = i / w / h % c, b = i / w / h / c;

    return ((b * h + row) * c + ch) * w + col;
}

static struct thing rows_of(const struct thing *g)
{
    int64_t d[3] = { g->t.dim[0], g->t.dim[1], g->t.dim[3] * g->t.dim[2] };
    struct thing r;

    reserve(&r, 3, d, g->n);
    return r;
}

static void drop(struct thing *g)
{
    for (int64_t i = 0; i < GUARD; i++) {
        ck_assert(g->whole.data[i] == 1e9f);
        ck_assert(g->whole.data[GUARD + g->floats + i] == 1e9f);
    }
    tensor_release(&g->whole);
    free(g->v);
}

static struct thing image(int64_t b, int64_t h, int64_t w, int64_t c)
{
    int64_t d[4] = { b, h, w, c };
    struct thing g, r;

    reserve(&g, 4, d, b * be->ops->image_size(be, h, w, c));
    r = rows_of(&g);
    for (int64_t i = 0; i < g.n; i++)
        g.v[i] = r.t.data[row_index(&g.t, i)] = noise();
    ck_assert(!be->ops->image_rows_backward(be, &g.t, &r.t, NULL));
    drop(&r);
    return g;
}

static void near(const double *got, const double *want, int64_t n,
                 const char *what)
{
    double diff = 0, norm = 0;

    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(isfinite(got[i]), "%s: value %d", what, (int)i);
        diff += (got[i] - want[i]) * (got[i] - want[i]);
        norm += want[i] * want[i];
    }
    ck_assert_msg(diff <= tolerance * tolerance * norm,
                  "%s: relative error %g over %g", what, sqrt(diff / norm),
                  tolerance);
}

/* What lies in g now, into g->v. */
static void fetch(struct thing *g)
{
    struct thing r;
    double sum = 0, all = 0;

    if (g->t.ndim == 1) {
        for (int64_t i = 0; i < g->n; i++)
            g->v[i] = g->t.data[i];
        return;
    }
    r = rows_of(g);
    ck_assert(!be->ops->image_rows(be, &r.t, &g->t, NULL));
    for (int64_t i = 0; i < g->n; i++) {
        g->v[i] = r.t.data[row_index(&g->t, i)];
        sum += fabs(g->v[i]);
    }
    if (be->precision == PRECISION_F32) {
        for (int64_t i = 0; i < g->floats; i++)
            all += fabs((double)g->t.data[i]);
        ck_assert_msg(fabs(all - sum) <= 1e-12 * all, "padding is not zero");
    }
    drop(&r);
}

static void fetch_near(struct thing *g, const double *want, const char *what)
{
    fetch(g);
    near(g->v, want, g->n, what);
}

static double *copy(const double *v, int64_t n)
{
    double *c = malloc((size_t)n * sizeof(*c));

    memcpy(c, v, (size_t)n * sizeof(*c));
    return c;
}

/* What lies in g now is near what g->v said it should be. */
static void holds(struct thing *g, const char *what)
{
    double *want = copy(g->v, g->n);

    fetch_near(g, want, what);
    free(want);
}

/* ---- convolution ---- */

static const struct conv_case {
    int b, h, w, c_in, c_out, sh, sw;
} conv_cases[] = {
    { 2, 11, 9, 1, 8, 2, 2 },   { 3, 12, 10, 1, 32, 1, 2 },
    { 2, 12, 9, 32, 32, 1, 1 }, { 1, 13, 8, 20, 36, 2, 2 },
    { 3, 7, 16, 16, 32, 1, 2 }, { 2, 9, 11, 24, 5, 2, 1 },
    { 1, 1, 4, 16, 16, 1, 1 },  { 2, 17, 15, 40, 24, 1, 1 },
    { 1, 5, 3, 3, 17, 2, 2 },   { 1, 9, 13, 1, 24, 2, 2 },
    { 1, 8, 7, 48, 33, 1, 1 },
};

/* The three passes at once: each weight w links x to y. */
static void conv_loops(const struct conv_case *k, double *y, double *dx,
                       double *dw, const double *x, const double *w,
                       const double *dy)
{
    int oh = (k->h - 1) / k->sh + 1, ow = (k->w - 1) / k->sw + 1;

    for (int i = 0; i < k->b * k->c_out * oh * ow; i++) {
        int col = i % ow, row = i / ow % oh, co = i / ow / oh % k->c_out;
        int b = i / ow / oh / k->c_out;

        for (int j = 0; j < k->c_in * 9; j++) {
            int r = row * k->sh + j % 9 / 3 - 1, c = col * k->sw + j % 3 - 1;
            int at = ((b * k->c_in + j / 9) * k->h + r) * k->w + c;
            int wat = co * k->c_in * 9 + j;

            if (r < 0 || r >= k->h || c < 0 || c >= k->w)
                continue;
            y[i] += x[at] * w[wat];
            dx[at] += dy[i] * w[wat];
            dw[wat] += dy[i] * x[at];
        }
    }
}

struct conv_things {
    struct thing x, y, dx, dy, w, bias, dw, dbias;
};

static void conv_make(const struct conv_case *k, struct conv_things *t)
{
    int oh = (k->h - 1) / k->sh + 1, ow = (k->w - 1) / k->sw + 1;

    t->x = image(k->b, k->h, k->w, k->c_in);
    t->dx = image(k->b, k->h, k->w, k->c_in);
    t->y = image(k->b, oh, ow, k->c_out);
    t->dy = image(k->b, oh, ow, k->c_out);
    t->w = vector(k->c_out * k->c_in * 9, 0, 1);
    t->dw = vector(k->c_out * k->c_in * 9, 0, 1);
    t->bias = vector(k->c_out, 0, 1);
    t->dbias = vector(k->c_out, 0, 1);
}

static void conv_drop(struct conv_things *t)
{
    drop(&t->x);
    drop(&t->dx);
    drop(&t->y);
    drop(&t->dy);
    drop(&t->w);
    drop(&t->dw);
    drop(&t->bias);
    drop(&t->dbias);
}

/* Everything that is added to starts from what it holds. */
static void conv_want(const struct conv_case *k, struct conv_things *t,
                      int accumulate)
{
    int64_t per = t->y.n / k->b / k->c_out;

    for (int64_t i = 0; i < t->y.n; i++) {
        t->y.v[i] = t->bias.v[i / per % k->c_out];
        t->dbias.v[i / per % k->c_out] += t->dy.v[i];
    }
    if (!accumulate)
        memset(t->dx.v, 0, (size_t)t->dx.n * sizeof(*t->dx.v));
    conv_loops(k, t->y.v, t->dx.v, t->dw.v, t->x.v, t->w.v, t->dy.v);
}

START_TEST(conv_passes)
{
    const struct conv_case *k = &conv_cases[_i / 2];
    int accumulate = _i / 2 % 2;
    struct conv_things t;

    if (!use(_i % 2))
        return;
    conv_make(k, &t);
    conv_want(k, &t, accumulate);
    ck_assert(!be->ops->image_conv(be, &t.y.t, &t.x.t, &t.w.t, &t.bias.t, k->sh,
                                   k->sw, NULL));
    holds(&t.y, "y");
    ck_assert(!be->ops->image_conv_dw(be, &t.dw.t, &t.dbias.t, &t.dy.t, &t.x.t,
                                      k->sh, k->sw, NULL));
    holds(&t.dw, "dw");
    holds(&t.dbias, "dbias");
    if (k->c_in > 1) {
        ck_assert(!be->ops->image_conv_dx(be, &t.dx.t, &t.dy.t, &t.w.t, k->sh,
                                          k->sw, accumulate, NULL));
        holds(&t.dx, "dx");
    }
    conv_drop(&t);
}
END_TEST

/* Images that go through in several steps, the last one smaller, and such that
 * are cut into stretches of rows: all passes, or where dx is added to. */
static const struct conv_case long_cases[] = {
    { 5, 520, 260, 17, 5, 2, 2 }, { 1, 801, 340, 17, 5, 1, 1 },
    { 2, 801, 340, 17, 3, 2, 2 },
};

START_TEST(conv_in_steps)
{
    struct conv_case k = long_cases[_i / 2];
    struct conv_things t;

    if (!use(_i % 2))
        return;
    tolerance *= 2; /* sums of 100 times as many terms */
    conv_make(&k, &t);
    conv_want(&k, &t, _i / 2 != 1);
    ck_assert(!be->ops->image_conv(be, &t.y.t, &t.x.t, &t.w.t, &t.bias.t, k.sh,
                                   k.sw, NULL));
    holds(&t.y, "y");
    ck_assert(!be->ops->image_conv_dw(be, &t.dw.t, &t.dbias.t, &t.dy.t, &t.x.t,
                                      k.sh, k.sw, NULL));
    holds(&t.dw, "dw");
    holds(&t.dbias, "dbias");
    ck_assert(!be->ops->image_conv_dx(be, &t.dx.t, &t.dy.t, &t.w.t, k.sh, k.sw,
                                      _i / 2 != 1, NULL));
    holds(&t.dx, "dx");
    conv_drop(&t);
}
END_TEST

/* The inference path has an interface and weights of its own. */
START_TEST(conv2d_and_flatten)
{
    const struct conv_case *k = &conv_cases[_i / 2];
    int accumulate = _i / 2 % 2;
    struct tensor x, y, flat;
    struct conv_things t;
    struct thing rows;
    struct conv2d *conv;

    if (!use(_i % 2) || k->b > 1)
        return;
    conv_make(k, &t);
    for (int64_t i = 0, per = t.y.n / k->c_out; i < t.y.n; i++)
        t.y.v[i] = t.bias.v[i / per] + (accumulate ? t.y.v[i] : 0);
    conv_loops(k, t.y.v, t.dx.v, t.dw.v, t.x.v, t.w.v, t.dy.v);
    x = tensor_view(&t.x.t, 0, 3, t.x.t.dim + 1);
    y = tensor_view(&t.y.t, 0, 3, t.y.t.dim + 1);
    ck_assert(!be->ops->conv2d_new(be, &conv, t.w.t.data, t.bias.t.data,
                                   k->c_out, k->c_in, k->sh, k->sw, NULL));
    ck_assert(!be->ops->conv2d(be, &y, &x, conv, ACT_RELU, accumulate, NULL));
    be->ops->conv2d_free(be, conv);
    rows = rows_of(&t.y);
    flat = tensor_view(&rows.t, 0, 2, rows.t.dim + 1);
    ck_assert(!be->ops->image_flatten(be, &flat, &y, 0, NULL));
    for (int64_t i = 0; i < t.y.n; i++) {
        t.dy.v[i] = rows.t.data[row_index(&t.y.t, i)];
        t.y.v[i] = fmax(0, t.y.v[i]);
    }
    near(t.dy.v, t.y.v, t.y.n, "y");
    drop(&rows);
    conv_drop(&t);
}
END_TEST

/* ---- batch normalisation ---- */

static const struct norm_case {
    int b, h, w, c, relu;
    float offset; /* of the values, which vary by 1 around it. No y may lie
                     within a step of the kink of relu. */
} norm_cases[] = {
    { 2, 5, 7, 20, 0, 0 },   { 3, 4, 5, 32, 1, 0 }, { 1, 40, 33, 5, 1, 0 },
    { 2, 33, 35, 17, 0, 0 }, { 2, 10, 3, 40, 1, 30 },
};

struct norm {
    struct thing x, y, dy, dx, gamma, beta, mean, inv, rmean, rvar, dgamma;
    struct thing dbeta;
};

/* y of (b, c, per) values; the statistics where mean is not NULL. */
static void norm_loops(const struct norm_case *k, const double *x,
                       const double *gamma, const double *beta, double *y,
                       double *mean, double *var)
{
    int per = k->h * k->w, n = k->b * per;

    for (int c = 0; c < k->c; c++) {
        double mu = 0, v = 0;

        for (int i = 0; i < n; i++)
            mu += x[(i / per * k->c + c) * per + i % per] / n;
        for (int i = 0; i < n; i++)
            v += pow(x[(i / per * k->c + c) * per + i % per] - mu, 2) / n;
        for (int i = 0; i < n; i++) {
            int at = (i / per * k->c + c) * per + i % per;

            y[at] = (x[at] - mu) / sqrt(v + 1e-5) * gamma[c] + beta[c];
            if (k->relu && y[at] < 0)
                y[at] = 0;
        }
        if (mean) {
            mean[c] = mu;
            var[c] = v;
        }
    }
}

static void norm_make(const struct norm_case *k, struct norm *t)
{
    struct thing r;

    t->x = image(k->b, k->h, k->w, k->c);
    t->y = image(k->b, k->h, k->w, k->c);
    t->dy = image(k->b, k->h, k->w, k->c);
    t->dx = image(k->b, k->h, k->w, k->c);
    t->gamma = vector(k->c, 1, 0.5f);
    t->beta = vector(k->c, 0, 0.5f);
    t->mean = vector(k->c, 0, 1);
    t->inv = vector(k->c, 0, 1);
    t->rmean = vector(k->c, 0, 1);
    t->rvar = vector(k->c, 2, 1);
    t->dgamma = vector(k->c, 0, 1);
    t->dbeta = vector(k->c, 0, 1);
    r = rows_of(&t->x);
    for (int64_t i = 0; i < r.n; i++)
        r.t.data[row_index(&t->x.t, i)] = (float)t->x.v[i] + k->offset;
    ck_assert(!be->ops->image_rows_backward(be, &t->x.t, &r.t, NULL));
    fetch(&t->x); /* as rounded */
    drop(&r);
}

static void norm_drop(struct norm *t)
{
    struct thing *all[] = { &t->x, &t->y, &t->dy, &t->dx, &t->gamma, &t->beta,
                            &t->mean, &t->inv, &t->rmean, &t->rvar, &t->dgamma,
                            &t->dbeta };

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        drop(all[i]);
}

static void norm_forward(const struct norm_case *k, struct norm *t)
{
    ck_assert(!be->ops->image_batch_norm(
        be, &t->y.t, &t->mean.t, &t->inv.t, &t->rmean.t, &t->rvar.t, &t->x.t,
        &t->gamma.t, &t->beta.t, 1e-5f, 0.1f, k->relu, NULL));
}

START_TEST(batch_norm)
{
    const struct norm_case *k = &norm_cases[_i / 2];
    int n = k->b * k->h * k->w;
    struct norm t;
    double *mean, *var;

    if (!use(_i % 2))
        return;
    norm_make(k, &t);
    mean = copy(t.mean.v, k->c);
    var = copy(t.mean.v, k->c);
    norm_loops(k, t.x.v, t.gamma.v, t.beta.v, t.y.v, mean, var);
    norm_forward(k, &t);
    holds(&t.y, "y");
    fetch_near(&t.mean, mean, "mean");
    for (int c = 0; c < k->c; c++) {
        t.inv.v[c] = 1 / sqrt(var[c] + 1e-5);
        t.rmean.v[c] = 0.9 * t.rmean.v[c] + 0.1 * mean[c];
        t.rvar.v[c] = 0.9 * t.rvar.v[c] + 0.1 * var[c] * n / (n - 1);
    }
    holds(&t.inv, "inv_std");
    holds(&t.rmean, "running mean");
    holds(&t.rvar, "running variance");
    norm_drop(&t);
    free(mean);
    free(var);
}
END_TEST

/* sum(dy * y) where one value of v is moved by step. */
static double moved(const struct norm_case *k, const struct norm *t, double *v,
                    double step, double *y)
{
    double old = *v, sum = 0;

    *v += step;
    norm_loops(k, t->x.v, t->gamma.v, t->beta.v, y, NULL, NULL);
    *v = old;
    for (int64_t i = 0; i < t->y.n; i++)
        sum += t->dy.v[i] * y[i];
    return sum;
}

/* The derivative by each of some values of v, and what is found in got. */
static void differences(const struct norm_case *k, const struct norm *t,
                        double *v, const double *got, int64_t n,
                        const char *what)
{
    int64_t step = n / 150 + 1, count = 0;
    double *y = malloc((size_t)t->y.n * sizeof(*y)), a[200], b[200];

    for (int64_t i = 0; i < n; i += step) {
        a[count] = got[i];
        b[count++] = (moved(k, t, &v[i], 1e-6, y) -
                      moved(k, t, &v[i], -1e-6, y)) / 2e-6;
    }
    near(a, b, count, what);
    free(y);
}

START_TEST(batch_norm_backward)
{
    const struct norm_case *k = &norm_cases[_i / 6];
    int in_place = _i / 2 % 3;
    struct norm t;
    struct thing *dx = in_place == 2 ? &t.x : in_place ? &t.dy : &t.dx;
    double *dy, *x, *got;

    if (!use(_i % 2))
        return;
    norm_make(k, &t);
    dy = copy(t.dy.v, t.dy.n);
    x = copy(t.x.v, t.x.n);
    norm_forward(k, &t);
    for (int c = 0; c < k->c; c++)
        t.dgamma.t.data[c] = 0, t.dbeta.t.data[c] = 2;
    ck_assert(!be->ops->image_batch_norm_backward(
        be, &dx->t, &t.dgamma.t, &t.dbeta.t, &t.dy.t, &t.y.t, &t.x.t,
        &t.mean.t, &t.inv.t, &t.gamma.t, k->relu, NULL));
    fetch(dx);
    fetch(&t.dgamma);
    fetch(&t.dbeta);
    got = copy(dx->v, dx->n);
    for (int c = 0; c < k->c; c++)
        t.dbeta.v[c] -= 2;
    memcpy(t.dy.v, dy, (size_t)t.dy.n * sizeof(*dy));
    memcpy(t.x.v, x, (size_t)t.x.n * sizeof(*x));
    /* differences of sums lose digits; near 0, relu's two sides differ */
    tolerance = tolerance < 1e-3 ? 1e-4 : 3e-2;
    differences(k, &t, t.x.v, got, t.x.n, "dx");
    differences(k, &t, t.gamma.v, t.dgamma.v, k->c, "dgamma");
    differences(k, &t, t.beta.v, t.dbeta.v, k->c, "dbeta");
    norm_drop(&t);
    free(dy);
    free(x);
    free(got);
}
END_TEST

/* The mean of values that a difference of squares in f32 would lose. */
START_TEST(batch_norm_far_from_zero)
{
    struct norm_case k = { 2, 50, 40, 18, 0, 1000 };
    struct norm t;
    double *mean, *var;

    ck_assert(use(0));
    norm_make(&k, &t);
    mean = copy(t.mean.v, k.c);
    var = copy(t.mean.v, k.c);
    norm_loops(&k, t.x.v, t.gamma.v, t.beta.v, t.y.v, mean, var);
    norm_forward(&k, &t);
    for (int c = 0; c < k.c; c++)
        ck_assert(fabs(t.inv.t.data[c] * sqrt(var[c] + 1e-5) - 1) < 1e-6);
    tolerance = 1e-4; /* of the mean's last bit, 1e-7 * 1000 */
    holds(&t.y, "y");
    norm_drop(&t);
    free(mean);
    free(var);
}
END_TEST

/* ---- the rest ---- */

START_TEST(relu_and_add)
{
    struct thing a, b, y, d;

    if (!use(_i))
        return;
    a = image(2, 5, 7, 20);
    b = image(2, 5, 7, 20);
    y = image(2, 5, 7, 20);
    d = image(2, 5, 7, 20);
    for (int64_t i = 0; i < a.n; i++)
        y.v[i] = fmax(0, a.v[i] + b.v[i]);
    ck_assert(!be->ops->image_add_relu(be, &y.t, &a.t, &b.t, NULL));
    holds(&y, "y");
    for (int64_t i = 0; i < a.n; i++)
        a.v[i] = y.v[i] > 0 ? d.v[i] : 0;
    ck_assert(!be->ops->image_relu_backward(be, &a.t, &d.t, &y.t, NULL));
    holds(&a, "dx");
    ck_assert(!be->ops->image_relu_backward(be, &d.t, &d.t, &y.t, NULL));
    fetch_near(&d, a.v, "dx in place");
    drop(&a);
    drop(&b);
    drop(&y);
    drop(&d);
}
END_TEST

/* One channel is plain: (b, h, w) as it is. */
START_TEST(rows_of_images)
{
    struct thing a, r;

    if (!use(_i))
        return;
    a = image(2, 3, 5, 1);
    for (int64_t i = 0; i < a.n; i++)
        ck_assert((double)a.t.data[i] == a.v[i]);
    r = rows_of(&a);
    ck_assert(!be->ops->image_rows(be, &r.t, &a.t, NULL));
    ck_assert(!memcmp(r.t.data, a.t.data, (size_t)a.n * sizeof(float)));
    drop(&a);
    drop(&r);
    a = image(2, 3, 5, 21);
    holds(&a, "there and back");
    drop(&a);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof(*(a)))

int main(void)
{
    Suite *s = suite_create("tensor_image");
    TCase *t = tcase_create("cpu");
    struct err err = {0};
    int rc;

    if (backend_open(&be, "cpu", 0, &err)) {
        printf("%s\n", err.msg);
        return 1;
    }
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, conv_passes, 0, 2 * COUNT(conv_cases));
    tcase_add_loop_test(t, conv_in_steps, 0,
                        2 * (int)(sizeof(long_cases) / sizeof(*long_cases)));
    tcase_add_loop_test(t, conv2d_and_flatten, 0, 2 * COUNT(conv_cases));
    tcase_add_loop_test(t, batch_norm, 0, 2 * COUNT(norm_cases));
    tcase_add_loop_test(t, batch_norm_backward, 0, 6 * COUNT(norm_cases));
    tcase_add_test(t, batch_norm_far_from_zero);
    tcase_add_loop_test(t, relu_and_add, 0, 2);
    tcase_add_loop_test(t, rows_of_images, 0, 2);
    suite_add_tcase(s, t);
    rc = unit_run(s);
    backend_close(be);
    return rc;
}
