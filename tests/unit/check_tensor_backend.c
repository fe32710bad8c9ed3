/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each operation of the CPU backend against a plain loop in double. Tolerance:
 * relative L2 error 1e-6 (f32 sums of up to some hundred terms), 3e-6 for the
 * convolution, which Winograd computes. Sizes are odd on purpose; every output
 * lies between guard values that must survive. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "tensor/backend.h"

enum { GUARD = 64 };

static struct backend *be;

/* A tensor with guards around it, filled with fixed pseudo-random values. */
struct guarded {
    struct tensor whole, t;
    int64_t n;
};

static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (1 << 23) - 1;
}

static struct guarded make(int ndim, int64_t a, int64_t b, int64_t c,
                           uint32_t seed)
{
    int64_t dim[3] = { a, b, c }, all;
    struct guarded g;
    struct err err = {0};

    memset(&g, 0, sizeof(g));
    g.n = ndim == 1 ? a : ndim == 2 ? a * b : a * b * c;
    all = g.n + 2 * GUARD;
    ck_assert_msg(!tensor_reserve(&g.whole, be, 1, &all, &err), "%s", err.msg);
    for (int64_t i = 0; i < all; i++)
        g.whole.data[i] = 1e9f;
    g.t = tensor_view(&g.whole, GUARD, ndim, dim);
    for (int64_t i = 0; i < g.n; i++)
        g.t.data[i] = noise(&seed);
    return g;
}

static void drop(struct guarded *g)
{
    for (int64_t i = 0; i < GUARD; i++) {
        ck_assert(g->whole.data[i] == 1e9f);
        ck_assert(g->whole.data[GUARD + g->n + i] == 1e9f);
    }
    tensor_release(&g->whole);
}

static void assert_near(const float *got, const double *want, int64_t n,
                        double tolerance)
{
    double diff = 0, norm = 0;

    for (int64_t i = 0; i < n; i++) {
        diff += (got[i] - want[i]) * (got[i] - want[i]);
        norm += want[i] * want[i];
    }
    ck_assert_msg(diff <= tolerance * tolerance * norm,
                  "relative error %g over %g", sqrt(diff / norm), tolerance);
}

static double activate(double x, enum act act)
{
    switch (act) {
    case ACT_RELU: return x > 0 ? x : 0;
    case ACT_SWISH: return x / (1 + exp(-x));
    case ACT_GELU: return 0.5 * x * (1 + erf(x / sqrt(2)));
    default: return x;
    }
}

static const struct matmul_opts matmul_cases[] = {
    { 0 },
    { .act = ACT_RELU },
    { .act = ACT_SWISH, .scale = 2 },
    { .act = ACT_GELU },
    { .scale = 0.5f, .accumulate = 1 },
    { .act = ACT_RELU, .accumulate = 1 },
};

START_TEST(matmul_all_options)
{
    enum { R = 13, K = 37, M = 29 };
    struct matmul_opts o = matmul_cases[_i];
    struct guarded y = make(2, R, M, 0, 1), x = make(2, R, K, 0, 2);
    struct guarded w = make(2, M, K, 0, 3), b = make(1, M, 0, 0, 4);
    double want[R * M];

    for (int r = 0; r < R; r++)
        for (int m = 0; m < M; m++) {
            double s = b.t.data[m];

            for (int k = 0; k < K; k++)
                s += (double)x.t.data[r * K + k] * w.t.data[m * K + k];
            s *= o.scale ? o.scale : 1;
            if (o.accumulate)
                s += y.t.data[r * M + m];
            want[r * M + m] = activate(s, o.act);
        }
    ck_assert(!be->ops->matmul(be, &y.t, &x.t, &w.t, &b.t, o, NULL));
    assert_near(y.t.data, want, R * M, 1e-6);
    drop(&y);
    drop(&x);
    drop(&w);
    drop(&b);
}
END_TEST

static const struct conv_case {
    int h, w, c_in, c_out, stride_h, stride_w;
    enum act act;
    int accumulate;
} conv_cases[] = {
    { 11, 9, 1, 8, 2, 2, ACT_RELU, 0 },
    { 12, 10, 8, 8, 1, 1, ACT_RELU, 1 },
    { 12, 9, 32, 32, 1, 1, ACT_NONE, 0 },
    { 13, 8, 20, 36, 2, 2, ACT_NONE, 0 },
    { 7, 16, 16, 32, 1, 2, ACT_RELU, 0 },
    { 1, 4, 16, 16, 1, 1, ACT_NONE, 0 },
};

/* One output value; images as flat arrays (H, W, C). */
static double conv_at(const struct conv_case *c, const float *x,
                      const float *w, int oh, int ow, int co)
{
    double s = 0;

    for (int ci = 0; ci < c->c_in; ci++)
        for (int kh = 0; kh < 3; kh++)
            for (int kw = 0; kw < 3; kw++) {
                int h = oh * c->stride_h + kh - 1;
                int v = ow * c->stride_w + kw - 1;

                if (h >= 0 && h < c->h && v >= 0 && v < c->w)
                    s += (double)x[(ci * c->h + h) * c->w + v] *
                         w[((co * c->c_in + ci) * 3 + kh) * 3 + kw];
            }
    return s;
}

/* Fills an image of the backend's own order through a 1 x 1-like identity: a
 * convolution of plain one-channel pictures would not reach c_in > 1, so the
 * image is built by conv2d from one channel with known kernels instead. */
static void make_image(struct tensor *img, int h, int w, int c, float *plain)
{
    float *weight = calloc((size_t)c * 9, sizeof(*weight));
    float *bias = calloc((size_t)c, sizeof(*bias));
    struct guarded one = make(3, h, w, 1, 7);
    struct conv2d *conv;

    for (int i = 0; i < c; i++) {
        weight[i * 9 + 4] = 1 + 0.1f * (float)(i % 7);
        bias[i] = 0.3f * (float)(i % 5) - 0.5f;
    }
    ck_assert(!tensor_reserve_image(img, be, h, w, c, NULL));
    ck_assert(!be->ops->conv2d_new(be, &conv, weight, bias, c, 1, 1, 1, NULL));
    ck_assert(!be->ops->conv2d(be, img, &one.t, conv, ACT_NONE, 0, NULL));
    for (int i = 0; i < c; i++)
        for (int j = 0; j < h * w; j++)
            plain[i * h * w + j] = one.t.data[j] * weight[i * 9 + 4] + bias[i];
    be->ops->conv2d_free(be, conv);
    drop(&one);
    free(weight);
    free(bias);
}

START_TEST(conv2d_and_flatten)
{
    const struct conv_case *c = &conv_cases[_i];
    int h = (c->h - 1) / c->stride_h + 1, w = (c->w - 1) / c->stride_w + 1;
    size_t nx = (size_t)(c->c_in * c->h * c->w);
    size_t ny = (size_t)(c->c_out * h * w);
    float *px = malloc(nx * sizeof(*px)), *py = malloc(ny * sizeof(*py));
    double *want = malloc(ny * sizeof(*want));
    struct guarded k = make(1, c->c_out * c->c_in * 9, 0, 0, 5);
    struct guarded b = make(1, c->c_out, 0, 0, 6), flat;
    struct tensor x = {0}, y = {0};
    struct conv2d *conv;

    if (c->c_in == 1) {
        struct guarded one = make(3, c->h, c->w, 1, 9);

        ck_assert(!tensor_reserve_image(&x, be, c->h, c->w, 1, NULL));
        memcpy(x.data, one.t.data, nx * sizeof(*px));
        memcpy(px, x.data, nx * sizeof(*px));
        drop(&one);
    } else {
        make_image(&x, c->h, c->w, c->c_in, px);
    }
    make_image(&y, h, w, c->c_out, py);
    for (int co = 0; co < c->c_out; co++)
        for (int i = 0; i < h * w; i++) {
            double s = conv_at(c, px, k.t.data, i / w, i % w, co) +
                       b.t.data[co];

            if (c->accumulate)
                s += py[co * h * w + i];
            /* flattened: row, channel, column */
            want[(i / w * c->c_out + co) * w + i % w] = activate(s, c->act);
        }
    ck_assert(!be->ops->conv2d_new(be, &conv, k.t.data, b.t.data, c->c_out,
                                   c->c_in, c->stride_h, c->stride_w, NULL));
    ck_assert(!be->ops->conv2d(be, &y, &x, conv, c->act, c->accumulate, NULL));
    flat = make(2, h, c->c_out * w, 0, 8);
    ck_assert(!be->ops->image_flatten(be, &flat.t, &y, 0, NULL));
    assert_near(flat.t.data, want, (int64_t)ny, 3e-6);
    be->ops->conv2d_free(be, conv);
    drop(&flat);
    drop(&k);
    drop(&b);
    tensor_release(&x);
    tensor_release(&y);
    free(px);
    free(py);
    free(want);
}
END_TEST

START_TEST(layer_norm_in_place)
{
    enum { R = 5, C = 67 };
    struct guarded x = make(2, R, C, 0, 1), g = make(1, C, 0, 0, 2);
    struct guarded b = make(1, C, 0, 0, 3);
    double want[R * C];

    for (int r = 0; r < R; r++) {
        double m = 0, v = 0;

        for (int c = 0; c < C; c++)
            m += x.t.data[r * C + c] / (double)C;
        for (int c = 0; c < C; c++)
            v += pow(x.t.data[r * C + c] - m, 2) / C;
        for (int c = 0; c < C; c++)
            want[r * C + c] = (x.t.data[r * C + c] - m) / sqrt(v + 1e-5) *
                                  g.t.data[c] + b.t.data[c];
    }
    ck_assert(!be->ops->layer_norm(be, &x.t, &x.t, &g.t, &b.t, 1e-5f, NULL));
    assert_near(x.t.data, want, R * C, 1e-6);
    drop(&x);
    drop(&g);
    drop(&b);
}
END_TEST

START_TEST(glu_gates)
{
    enum { R = 3, C = 21 };
    struct guarded x = make(2, R, 2 * C, 0, 1), y = make(2, R, C, 0, 2);
    double want[R * C];

    x.t.data[C] = 200; /* gates far outside must give 1 and 0, not NaN */
    x.t.data[C + 1] = -200;
    for (int i = 0; i < R * C; i++)
        want[i] = x.t.data[i / C * 2 * C + i % C] /
                  (1 + exp(-x.t.data[i / C * 2 * C + C + i % C]));
    ck_assert(!be->ops->glu(be, &y.t, &x.t, NULL));
    assert_near(y.t.data, want, R * C, 1e-6);
    drop(&x);
    drop(&y);
}
END_TEST

static void check_rotary(int time, int heads, int d)
{
    enum { B = 2 };
    int c = heads * d;
    struct guarded x = make(3, B, time, c, 1), y = make(3, B, time, c, 2);
    double *want = malloc((size_t)x.n * sizeof(*want));

    for (int i = 0; i < B * time * heads; i++)
        for (int k = 0; k < d / 2; k++) {
            double a = i / heads % time * pow(10000, -2.0 * k / d);
            double p = x.t.data[i * d + k], q = x.t.data[i * d + k + d / 2];

            want[i * d + k] = p * cos(a) - q * sin(a);
            want[i * d + k + d / 2] = q * cos(a) + p * sin(a);
        }
    ck_assert(!be->ops->rotary(be, &y.t, &x.t, heads, 10000, NULL));
    assert_near(y.t.data, want, x.n, 1e-6);
    drop(&x);
    drop(&y);
    free(want);
}

/* One after another, as the table of angles is kept. */
START_TEST(rotary_half_split)
{
    check_rotary(9, 3, 10);
    check_rotary(5, 3, 10);
    check_rotary(9, 5, 6);
    check_rotary(33, 5, 6);
}
END_TEST

/* T over one block of queries, so that a block ends in the middle. */
START_TEST(attention_over_blocks)
{
    enum { B = 2, T = 71, H = 2, D = 6, C = H * D };
    struct guarded q = make(3, B, T, C, 1), k = make(3, B, T, C, 2);
    struct guarded v = make(3, B, T, C, 3);
    static double want[B * T * C];

    for (int64_t i = 0; i < q.n; i++)
        q.t.data[i] *= 8; /* peaked enough that the maximum matters */
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++)
            for (int t = 0; t < T; t++) {
                double e[T], sum = 0, *y = want + (b * T + t) * C + h * D;

                for (int s = 0; s < T; s++) {
                    double dot = 0;

                    for (int j = 0; j < D; j++)
                        dot += (double)q.t.data[(b * T + t) * C + h * D + j] *
                               k.t.data[(b * T + s) * C + h * D + j];
                    sum += e[s] = exp(dot / sqrt(D));
                }
                for (int j = 0; j < D; j++) {
                    y[j] = 0;
                    for (int s = 0; s < T; s++)
                        y[j] += e[s] / sum *
                                v.t.data[(b * T + s) * C + h * D + j];
                }
            }
    ck_assert(!be->ops->attention(be, &q.t, &q.t, &k.t, &v.t, H, NULL));
    assert_near(q.t.data, want, B * T * C, 1e-6);
    drop(&q);
    drop(&k);
    drop(&v);
}
END_TEST

static const struct { int time, taps, channels; enum act act; } dw_cases[] = {
    { 40, 31, 70, ACT_SWISH },
    { 5, 31, 64, ACT_NONE }, /* shorter than the kernel on both sides */
    { 33, 15, 3, ACT_SWISH },
    { 1, 1, 130, ACT_NONE },
};

START_TEST(depthwise_same)
{
    int t = dw_cases[_i].time, n = dw_cases[_i].taps, c = dw_cases[_i].channels;
    struct guarded x = make(3, 2, t, c, 1), y = make(3, 2, t, c, 2);
    struct guarded w = make(2, n, c, 0, 3), b = make(1, c, 0, 0, 4);
    double *want = malloc((size_t)x.n * sizeof(*want));

    for (int64_t i = 0; i < x.n; i++) {
        int64_t ch = i % c, at = i / c % t, batch = i / c / t;
        double s = b.t.data[ch];

        for (int k = 0; k < n; k++) {
            int64_t from = at + k - n / 2;

            if (from >= 0 && from < t)
                s += (double)w.t.data[k * c + ch] *
                     x.t.data[(batch * t + from) * c + ch];
        }
        want[i] = activate(s, dw_cases[_i].act);
    }
    ck_assert(!be->ops->depthwise(be, &y.t, &x.t, &w.t, &b.t, dw_cases[_i].act,
                                  NULL));
    assert_near(y.t.data, want, x.n, 1e-6);
    drop(&x);
    drop(&y);
    drop(&w);
    drop(&b);
    free(want);
}
END_TEST

START_TEST(open_refuses)
{
    struct backend *none = NULL;
    struct err err = {0};

    ck_assert_int_eq(backend_open(&none, "cuda:0", 0, &err), ERR_UNSUPPORTED);
    ck_assert_int_eq(backend_open(&none, "gpu", 0, &err), ERR_ARG);
    ck_assert_ptr_null(none);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof(*(a)))

int main(void)
{
    Suite *s = suite_create("tensor_backend");
    TCase *t = tcase_create("cpu");
    struct err err = {0};
    int rc;

    if (backend_open(&be, "cpu", 0, &err)) {
        printf("%s\n", err.msg);
        return 1;
    }
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, matmul_all_options, 0, COUNT(matmul_cases));
    tcase_add_loop_test(t, conv2d_and_flatten, 0, COUNT(conv_cases));
    tcase_add_test(t, layer_norm_in_place);
    tcase_add_test(t, glu_gates);
    tcase_add_test(t, rotary_half_split);
    tcase_add_test(t, attention_over_blocks);
    tcase_add_loop_test(t, depthwise_same, 0, COUNT(dw_cases));
    tcase_add_test(t, open_refuses);
    suite_add_tcase(s, t);
    rc = unit_run(s);
    backend_close(be);
    return rc;
}
