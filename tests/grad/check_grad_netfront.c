/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The Conformer's front end in training against the same in double, written out
 * as the formulas say (frontend.h): its output, and every element of its
 * gradients against central differences of that. In double the steps are so
 * small that the kinks of the ReLUs do not count. */
#include "grad.h"

#include "model/netfront.h"
#include "nets.h"

enum { B = 2, BANDS = 8, CH = 3, DIM = 12, MAX_TIME = 9 };

static struct backend *be;
static struct model_config config;
static struct params p;

static void set_up(void)
{
    ck_assert(!backend_open(&be, "cpu", 1, NULL));
}

static void tear_down(void)
{
    params_release(&p);
    config_release(&config);
    backend_close(be);
}

/* ---- the same in double ---- */

struct image {
    int t, b, c; /* frames, bands, channels; B of them */
    double v[B * MAX_TIME * BANDS * CH];
};

/* A copy of all trained values in double: what the differences move. */
static double *value;

static const double *values_of(const char *prefix, int m, int k,
                               const char *part)
{
    char *name = xasprintf("conv.conv.%d.%s%d.%s", m, prefix, k + 1, part);
    int i = params_index(&p, name);

    ck_assert_msg(i >= 0, "%s", name);
    free(name);
    return value + p.item[i].offset;
}

static double *at(struct image *x, int b, int t, int band, int c)
{
    return &x->v[((b * x->t + t) * x->b + band) * x->c + c];
}

/* y = conv(x) + bias; files have the taps as (out, in, band, time). */
static void conv(struct image *y, struct image *x, int m, int k, int stride_t,
                 int stride_b)
{
    const double *w = values_of("conv", m, k, "weight");
    const double *bias = values_of("conv", m, k, "bias");

    y->t = (x->t - 1) / stride_t + 1;
    y->b = (x->b - 1) / stride_b + 1;
    y->c = CH;
    for (int i = 0; i < B * y->t * y->b * CH; i++) {
        int o = i % CH, band = i / CH % y->b, t = i / CH / y->b % y->t;
        int b = i / CH / y->b / y->t;
        double sum = bias[o];

        for (int j = 0; j < x->c * 9; j++) {
            int in = j / 9, from_b = band * stride_b + j / 3 % 3 - 1;
            int from_t = t * stride_t + j % 3 - 1;

            if (from_t >= 0 && from_t < x->t && from_b >= 0 && from_b < x->b)
                sum += w[o * x->c * 9 + j] * *at(x, b, from_t, from_b, in);
        }
        y->v[i] = sum;
    }
}

/* With the batch's own statistics. */
static void batch_norm(struct image *x, int m, int k)
{
    const double *gamma = values_of("bn", m, k, "weight");
    const double *beta = values_of("bn", m, k, "bias");
    int n = B * x->t * x->b;

    for (int c = 0; c < CH; c++) {
        double mean = 0, var = 0;

        for (int i = 0; i < n; i++)
            mean += x->v[i * CH + c] / n;
        for (int i = 0; i < n; i++)
            var += pow(x->v[i * CH + c] - mean, 2) / n;
        for (int i = 0; i < n; i++)
            x->v[i * CH + c] = (x->v[i * CH + c] - mean) / sqrt(var + 1e-5) *
                                   gamma[c] + beta[c];
    }
}

static void module(struct image *y, struct image *x, int m)
{
    static struct image a, other;
    int stride = config.encoder.time_strides[m];

    conv(&a, x, m, 0, stride, 2);
    batch_norm(&a, m, 0);
    for (int i = 0; i < B * a.t * a.b * CH; i++)
        a.v[i] = fmax(a.v[i], 0);
    conv(y, &a, m, 1, 1, 1);
    batch_norm(y, m, 1);
    conv(&other, x, m, 2, stride, 2);
    batch_norm(&other, m, 2);
    for (int i = 0; i < B * y->t * y->b * CH; i++)
        y->v[i] = fmax(y->v[i] + other.v[i], 0);
}

/* y (B, T', DIM): the rows' channels one after another, then the linear
 * layer. Returns T'. */
static int front(double *y, const float *mel, int time)
{
    static struct image in, mid, top;
    const double *w = value + p.item[params_index(&p,
                                                  "conv.linear.weight")].offset;
    const double *bias = value + p.item[params_index(&p,
                                                     "conv.linear.bias")]
                                     .offset;

    in.t = time;
    in.b = BANDS;
    in.c = 1;
    for (int i = 0; i < B * time * BANDS; i++)
        in.v[i] = mel[i];
    module(&mid, &in, 0);
    module(&top, &mid, 1);
    for (int i = 0; i < B * top.t * DIM; i++) {
        const double *row = w + i % DIM * CH * top.b;

        y[i] = bias[i % DIM];
        for (int j = 0; j < CH * top.b; j++)
            y[i] += row[j] * *at(&top, i / DIM / top.t, i / DIM % top.t,
                                 j % top.b, j / top.b);
    }
    return top.t;
}

/* ---- the tests ---- */

struct run {
    int time, frames;
    float *mel, *r;
    double y[B * MAX_TIME * DIM];
};

static double loss(struct run *r)
{
    double sum = 0;
    int frames = front(r->y, r->mel, r->time);

    ck_assert_int_eq(frames, r->frames);
    for (int i = 0; i < B * frames * DIM; i++)
        sum += r->y[i] * r->r[i];
    return sum;
}

/* Central differences for each element of a tensor; f32 sums over some hundred
 * terms differ by 1e-6 of their parts from those in double. */
static void assert_tensor(struct run *r, const struct param *q, double all)
{
    static const double h = 1e-5;
    const float *have = p.grad.data + q->offset;
    double diff = 0, size = grad_norm(have, q->count);

    for (int64_t j = 0; j < q->count; j++) {
        double *v = value + q->offset + j, was = *v, side;

        *v = was + h;
        side = loss(r);
        *v = was - h;
        side -= loss(r);
        *v = was;
        diff = hypot(diff, side / (2 * h) - have[j]);
    }
    ck_assert_msg(diff <= 1e-5 * size + 1e-6 * all, "%s: off by %g of %g "
                  "(%g in all)", q->name, diff, size, all);
}

static void begin(struct run *r, struct net_front *f, int time)
{
    memset(f, 0, sizeof(*f));
    net_front_find(f, &p, &config);
    r->time = time;
    r->frames = (int)net_front_frames(f, time);
    r->mel = grad_noises(2, B * time * BANDS);
    r->r = grad_noises(3, B * r->frames * DIM);
    value = xcalloc((size_t)p.trained, sizeof(*value));
    for (int64_t i = 0; i < p.trained; i++)
        value[i] = p.value.data[i];
}

static void end(struct run *r, struct net_front *f)
{
    free(r->mel);
    free(r->r);
    free(value);
    net_front_release(f);
}

/* The published strides of 25, 50 and 100 states a second, and one where the
 * modules' differ the other way; times that no stride divides. */
static const int strides[][3] = {
    { 2, 2, 9 }, { 2, 1, 7 }, { 1, 1, 5 }, { 1, 2, 8 }, { 2, 2, 1 }
};

START_TEST(net_front_gradients)
{
    int time = strides[_i][2];
    struct net_front f;
    struct tensor x = {0}, dx = {0};
    struct run r;
    double all;

    nets_conformer_begin(&config, &p, be, strides[_i][0], strides[_i][1]);
    begin(&r, &f, time);
    ck_assert(!tensor_reserve(&x, be, 3, (int64_t[]){ B, r.frames, DIM },
                              NULL));
    ck_assert(!tensor_reserve(&dx, be, 3, x.dim, NULL));
    ck_assert(!tensor_upload(&dx, r.r, NULL));
    ck_assert(!net_front_forward(&f, &x, r.mel, B, time, NULL));
    loss(&r);
    for (int i = 0; i < B * r.frames * DIM; i++)
        ck_assert_msg(fabs(x.data[i] - r.y[i]) < 5e-6 * (1 + fabs(r.y[i])),
                      "output %d: %g, not %g", i, x.data[i], r.y[i]);
    ck_assert(!net_front_backward(&f, &dx, NULL));
    all = grad_norm(p.grad.data, p.trained);
    for (size_t i = 0; i < p.n; i++)
        if (p.item[i].kind == PARAM_TRAINED &&
            !strncmp(p.item[i].name, "conv.", 5))
            assert_tensor(&r, &p.item[i], all);
    tensor_release(&x);
    tensor_release(&dx);
    end(&r, &f);
}
END_TEST

/* A longer batch in between: work space is of no consequence, and gradients are
 * added up. */
START_TEST(net_front_again)
{
    static const int time[3] = { 5, 9, 5 };
    struct net_front f;
    struct tensor x = {0}, dx = {0};
    struct run r;
    float *sum[3];

    nets_conformer_begin(&config, &p, be, 2, 1);
    begin(&r, &f, 9);
    for (int k = 0; k < 3; k++) {
        int64_t dim[3] = { B, net_front_frames(&f, time[k]), DIM };

        ck_assert(!tensor_reserve(&x, be, 3, dim, NULL));
        ck_assert(!tensor_reserve(&dx, be, 3, dim, NULL));
        ck_assert(!tensor_upload(&dx, r.r, NULL));
        ck_assert(!net_front_forward(&f, &x, r.mel, B, time[k], NULL));
        ck_assert(!net_front_backward(&f, &dx, NULL));
        sum[k] = xcalloc((size_t)p.trained, sizeof(*sum[k]));
        memcpy(sum[k], p.grad.data, (size_t)p.trained * sizeof(*sum[k]));
    }
    ck_assert(grad_norm(sum[0], p.trained) > 0);
    for (int64_t i = 0; i < p.trained; i++)
        ck_assert_float_eq_tol(sum[2][i] - sum[1][i], sum[0][i],
                               1e-5f * (1 + fabsf(sum[2][i])));
    for (int k = 0; k < 3; k++)
        free(sum[k]);
    tensor_release(&x);
    tensor_release(&dx);
    end(&r, &f);
}
END_TEST

/* What a front end gave and learned in two passes. */
struct learned {
    float *x, *grad, *all;
    int64_t n; /* of x */
    int kept;  /* activations of the first module, behind the forward pass */
};

static void learn(struct learned *l, int64_t batch, int time, int checkpoint)
{
    float *start = xcalloc((size_t)p.all, sizeof(*start));
    float *mel = grad_noises(2, batch * time * BANDS), *r;
    struct tensor x = {0}, dx = {0};
    struct net_front f;

    memset(&f, 0, sizeof(f));
    memcpy(start, p.value.data, (size_t)p.all * sizeof(*start));
    ck_assert(!params_zero_grad(&p, NULL));
    net_front_find(&f, &p, &config);
    f.checkpoint = checkpoint;
    ck_assert(!tensor_reserve(&x, be, 3, (int64_t[]){
                              batch, net_front_frames(&f, time), DIM }, NULL));
    ck_assert(!tensor_reserve(&dx, be, 3, x.dim, NULL));
    l->n = tensor_count(&x);
    r = grad_noises(3, l->n);
    for (int pass = 0; pass < 2; pass++) {
        ck_assert(!net_front_forward(&f, &x, mel, batch, time, NULL));
        l->kept = (f.save[0].c1.data != NULL) + (f.save[0].a.data != NULL) +
                  (f.save[0].c2.data != NULL) + (f.save[0].c3.data != NULL) +
                  (f.save[0].y.data != NULL);
        ck_assert(!tensor_upload(&dx, r, NULL));
        ck_assert(!net_front_backward(&f, &dx, NULL));
    }
    l->x = xcalloc((size_t)l->n, sizeof(*l->x));
    memcpy(l->x, x.data, (size_t)l->n * sizeof(*l->x));
    l->grad = xcalloc((size_t)p.trained, sizeof(*l->grad));
    memcpy(l->grad, p.grad.data, (size_t)p.trained * sizeof(*l->grad));
    l->all = xcalloc((size_t)p.all, sizeof(*l->all));
    memcpy(l->all, p.value.data, (size_t)p.all * sizeof(*l->all));
    memcpy(p.value.data, start, (size_t)p.all * sizeof(*start));
    free(start);
    free(mel);
    free(r);
    tensor_release(&x);
    tensor_release(&dx);
    net_front_release(&f);
}

static void forget(struct learned *l)
{
    free(l->x);
    free(l->grad);
    free(l->all);
}

/* One clip, in f32 in two parts of the channels, and a batch; in bf16 too: what
 * was kept is of no consequence, to the bit. */
START_TEST(net_front_checkpoint)
{
    struct learned whole, part;

    if (_i / 2 && backend_set_precision(be, PRECISION_BF16, NULL))
        return;
    nets_wide_begin(&config, &p, be, 129, 2, 1);
    learn(&whole, 1 + _i % 2, 9, 0);
    learn(&part, 1 + _i % 2, 9, 1);
    ck_assert_int_eq(whole.kept, 5);
    ck_assert_int_eq(part.kept, 1);
    ck_assert(grad_norm(whole.grad, p.trained) > 0);
    ck_assert_mem_eq(whole.x, part.x, (size_t)whole.n * sizeof(float));
    ck_assert_mem_eq(whole.grad, part.grad,
                     (size_t)p.trained * sizeof(float));
    ck_assert_mem_eq(whole.all, part.all, (size_t)p.all * sizeof(float));
    forget(&whole);
    forget(&part);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("grad_netfront");
    TCase *t = tcase_create("front");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, net_front_gradients, 0, (int)ARRAY_LEN(strides));
    tcase_add_test(t, net_front_again);
    tcase_add_loop_test(t, net_front_checkpoint, 0, 4);
    suite_add_tcase(s, t);
    return unit_run(s);
}
