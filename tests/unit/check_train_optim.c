/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steps of the optimiser against torch and against plain loops in double. */
#include "unit.h"

#include <math.h>

#include "train.h"

enum { ROOM = 512 };

static struct backend *be;
static struct params p;
static struct optim o;
static struct err err;

static void start(const struct optim_options *opt)
{
    train_params(&p, be);
    ck_assert_int_lt(p.all, ROOM);
    ck_assert_msg(!optim_init(&o, opt, &p, NULL, &err), "%s", err.msg);
}

static void stop(void)
{
    optim_release(&o);
    params_release(&p);
    backend_close(be);
}

static void setup(void)
{
    be = train_open();
}

static struct optim_result step(double factor, double scale)
{
    struct optim_result r;

    ck_assert_msg(!optim_step(&o, factor, scale, &r, &err), "%s", err.msg);
    return r;
}

static const float *item(const float *block, int i)
{
    return block + p.item[i].offset;
}

/* torch 2.11: AdamW(lr of each step, betas (0.9, 0.98), eps 1e-6), decay 0.1 of
 * the matrix alone, clip_grad_norm_(1). Tolerance: some roundings of f32. */
START_TEST(optim_step_is_torch)
{
    static const float first[8] = { 0.5f, -0.25f, 1, 0.125f, -2, 0.75f,
                                    0.1f, -0.2f };
    static const float grads[3][8] = {
        { 0.3f, -1.2f, 0.7f, 2, 0.01f, -0.4f, 1.5f, -0.8f },
        { -0.6f, 0.2f, 0.9f, 0.5f, -0.3f, 1.1f, 0.4f, 0.6f },
        { 0.05f, -0.02f, 0.01f, 0.03f, 0.04f, -0.06f, 0.02f, -0.01f },
    };
    static const double norm[3] = { 3.01166081, 1.811077, 0.0979795903 };
    static const double factor[3] = { 0.5, 1, 0.75 };
    static const double want[8] = {
        0.501356244, -0.237118363, 0.977568328, 0.105175473, -1.990237,
        0.744585335, 0.080310747, -0.197441921,
    };
    struct optim_options opt = { .lr = { 0.01f, 5 }, .beta1 = 0.9f,
                                 .beta2 = 0.98f, .eps = 1e-6f,
                                 .decay = 0.1f, .clip = 1 };
    struct tensor t[2];
    float got[8];

    params_add(&p, "w", PARAM_TRAINED, INIT_CONST, 0, 2, (int64_t[]){ 2, 3 });
    params_add(&p, "b", PARAM_TRAINED, INIT_CONST, 0, 1, (int64_t[]){ 2 });
    ck_assert(!params_alloc(&p, be, &err));
    for (int i = 0; i < 2; i++) {
        t[i] = params_value(&p, i);
        ck_assert(!tensor_upload(&t[i], first + 6 * i, &err));
    }
    ck_assert(!optim_init(&o, &opt, &p, NULL, &err));
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 2; i++) {
            t[i] = params_grad(&p, i);
            ck_assert(!tensor_upload(&t[i], grads[k] + 6 * i, &err));
        }
        ck_assert_double_eq_tol(step(factor[k], 1).grad_norm, norm[k], 1e-6);
    }
    for (int i = 0; i < 2; i++) {
        t[i] = params_value(&p, i);
        train_get(&t[i], got + 6 * i);
    }
    for (int i = 0; i < 8; i++)
        ck_assert_double_eq_tol(got[i], want[i], 2e-7);
    ck_assert_int_eq(o.steps, 3);
}
END_TEST

/* All of one tensor's steps in double. */
static void slow_steps(double *w, int i, int steps, const double *shrink)
{
    const struct optim_options *opt = &o.opt;
    double lr = opt->lr[p.item[i].group];
    double decay = p.item[i].ndim >= 2 ? opt->decay : 0;

    for (int64_t j = 0; j < p.item[i].count; j++) {
        double m = 0, v = 0;

        for (int t = 0; t < steps; t++) {
            double g = 0.5 * shrink[t] * train_gradient(i, j, t);

            m = opt->beta1 * m + (1 - opt->beta1) * g;
            v = opt->beta2 * v + (1 - opt->beta2) * g * g;
            w[j] -= lr * decay * w[j];
            w[j] -= lr * (m / (1 - pow(opt->beta1, t + 1))) /
                    (sqrt(v / (1 - pow(opt->beta2, t + 1))) + opt->eps);
        }
    }
}

static double slow_norm(int t)
{
    double sum = 0;

    for (int i = 0; i < (int)p.n; i++)
        for (int64_t j = 0; j < p.item[i].count; j++)
            if (p.item[i].kind == PARAM_TRAINED && !p.item[i].frozen)
                sum += pow(0.5 * train_gradient(i, j, t), 2);
    return sqrt(sum);
}

/* Two groups, decay of matrices only, a frozen tensor amid, two passes
 * accumulated (scale 0.5), clipping. */
START_TEST(optim_step_is_adamw)
{
    struct optim_options opt = { .lr = { 1e-2f, 3e-3f }, .beta1 = 0.8f,
                                 .beta2 = 0.99f, .eps = 1e-6f,
                                 .decay = 0.3f, .clip = 2 };
    float first[ROOM], got[ROOM];
    double shrink[5], w[64];

    start(&opt);
    train_get(&p.value, first);
    for (int t = 0; t < 5; t++) {
        struct optim_result r;
        double norm = slow_norm(t);

        train_pass(&p, t);
        r = step(1, 0.5);
        ck_assert_double_eq_tol(r.grad_norm, norm, 1e-6 * norm);
        ck_assert_double_eq_tol(r.lr[PARAM_GROUP_HEAD], 3e-3, 1e-9);
        ck_assert(norm > opt.clip);
        shrink[t] = opt.clip / (norm + 1e-6);
    }
    train_get(&p.value, got);
    for (int i = 0; i < (int)p.n; i++) {
        if (p.item[i].kind != PARAM_TRAINED)
            continue;
        for (int64_t j = 0; j < p.item[i].count; j++)
            w[j] = item(first, i)[j];
        if (!p.item[i].frozen)
            slow_steps(w, i, 5, shrink);
        for (int64_t j = 0; j < p.item[i].count; j++)
            ck_assert_double_eq_tol(item(got, i)[j], w[j], 1e-6);
    }
    ck_assert_mem_eq(item(got, TRAIN_FROZEN), item(first, TRAIN_FROZEN),
                     9 * sizeof(float));
}
END_TEST

/* A frozen tensor's gradient is not looked at, NaN included. */
START_TEST(optim_step_passes_over_frozen)
{
    float before[ROOM], after[ROOM], nan9[9];
    struct tensor g;

    start(&optim_defaults);
    for (int i = 0; i < 9; i++)
        nan9[i] = NAN;
    train_pass(&p, 0);
    g = params_grad(&p, TRAIN_FROZEN);
    ck_assert(!tensor_upload(&g, nan9, &err));
    train_get(&p.value, before);
    ck_assert_int_eq(step(1, 1).skipped, 0);
    train_get(&p.value, after);
    ck_assert_mem_eq(item(before, TRAIN_FROZEN), item(after, TRAIN_FROZEN),
                     sizeof(nan9));
    ck_assert(item(before, TRAIN_BIAS)[6] != item(after, TRAIN_BIAS)[6]);
    ck_assert(item(before, TRAIN_HEAD)[0] != item(after, TRAIN_HEAD)[0]);
}
END_TEST

START_TEST(optim_step_skips_what_is_no_number)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    struct optim_options opt = optim_defaults;
    float w[2][ROOM], m[2][ROOM], ema[2][ROOM], g[35] = {0};
    struct tensor t;

    opt.ema = 0.9f;
    opt.clip = 1;
    start(&opt);
    train_pass(&p, 0);
    step(1, 1);
    train_get(&p.value, w[0]);
    train_get(&o.m, m[0]);
    train_get(&o.ema, ema[0]);
    for (int k = 0; k < 3; k++) {
        t = params_grad(&p, TRAIN_MATRIX);
        g[34] = bad[k];
        ck_assert(!tensor_upload(&t, g, &err));
        ck_assert_int_eq(step(1, 1).skipped, 1);
        ck_assert_int_eq(o.skipped, k + 1);
    }
    train_get(&p.value, w[1]);
    train_get(&o.m, m[1]);
    train_get(&o.ema, ema[1]);
    ck_assert_mem_eq(w[0], w[1], sizeof(float) * (size_t)p.all);
    ck_assert_mem_eq(m[0], m[1], sizeof(float) * (size_t)p.trained);
    ck_assert_mem_eq(ema[0], ema[1], sizeof(float) * (size_t)p.all);
    ck_assert_int_eq(o.steps, 1);
    ck_assert(!params_zero_grad(&p, &err));
    ck_assert_int_eq(step(1, 1).skipped, 0);
}
END_TEST

/* A power of two goes without a trace, whether it clips or not; an overflow
 * halves it. */
START_TEST(optim_step_undoes_the_loss_scale)
{
    struct optim_options opt = optim_defaults;
    float w[2][ROOM], v[2][ROOM], g[ROOM];
    struct optim_result r;
    double norm[4];

    opt.clip = _i ? 0.01f : 0;
    for (int k = 0; k < 2; k++) {
        if (k) {
            optim_release(&o);
            params_release(&p);
        }
        start(&opt);
        o.scale.value = k ? 1024 : 0;
        for (int t = 0; t < 4; t++) {
            train_pass(&p, t);
            train_get(&p.grad, g);
            for (int64_t i = 0; i < p.trained && k; i++)
                g[i] *= 1024;
            ck_assert(!tensor_upload(&p.grad, g, &err));
            r = step(1, 0.5);
            ck_assert(r.loss_scale == o.scale.value);
            ck_assert(k == 0 || r.grad_norm == norm[t]);
            norm[t] = r.grad_norm;
        }
        train_get(&p.value, w[k]);
        train_get(&o.v, v[k]);
    }
    ck_assert_mem_eq(w[0], w[1], sizeof(float) * (size_t)p.all);
    ck_assert_mem_eq(v[0], v[1], sizeof(float) * (size_t)p.trained);
    ck_assert_int_eq(o.scale.good, 4);
    g[0] = INFINITY;
    ck_assert(!tensor_upload(&p.grad, g, &err));
    r = step(1, 1);
    ck_assert(r.skipped && r.overflow && r.loss_scale == 1024);
    ck_assert(o.scale.value == 512 && o.scale.good == 0);
    o.scale.value = 1;
    r = step(1, 1);
    ck_assert(r.skipped && !r.overflow);
}
END_TEST

/* Tolerance: f32 roundings of 20 steps. */
START_TEST(optim_step_averages)
{
    struct optim_options opt = optim_defaults;
    double want[ROOM];
    float value[ROOM], got[ROOM], first[ROOM];

    opt.ema = 0.4f;
    opt.lr[0] = opt.lr[1] = 0.1f;
    start(&opt);
    train_get(&p.value, first);
    for (int64_t i = 0; i < p.all; i++)
        want[i] = first[i];
    for (int t = 1; t <= 20; t++) {
        double warm = (1.0 + t) / (10.0 + t), d = warm < 0.4 ? warm : 0.4;

        train_pass(&p, t);
        step(1, 1);
        train_get(&p.value, value);
        for (int64_t i = 0; i < p.all; i++)
            want[i] = d * want[i] + (1 - d) * value[i];
    }
    train_get(&o.ema, got);
    for (int i = 0; i < (int)p.n; i++)
        for (int64_t j = 0; j < p.item[i].count && i != TRAIN_COUNT; j++)
            ck_assert_double_eq_tol(item(got, i)[j],
                                    want[p.item[i].offset + j], 2e-6);
    ck_assert_float_eq(*item(got, TRAIN_COUNT), 21);
    ck_assert_mem_eq(item(got, TRAIN_CODEBOOK), item(first, TRAIN_CODEBOOK),
                     44 * sizeof(float));
    ck_assert(item(got, TRAIN_MEAN)[0] != item(value, TRAIN_MEAN)[0]);
}
END_TEST

/* With a long average the first steps are followed closely all the same. */
START_TEST(optim_step_average_starts_warm)
{
    struct optim_options opt = optim_defaults;
    float ema[ROOM], value[ROOM], first[ROOM];

    opt.ema = 0.9999f;
    opt.lr[0] = 0.5f;
    start(&opt);
    train_get(&p.value, first);
    train_pass(&p, 0);
    step(1, 1);
    train_get(&o.ema, ema);
    train_get(&p.value, value);
    ck_assert_float_eq_tol(ema[0], first[0] + 9.0f / 11 * (value[0] - first[0]),
                           1e-6f);
}
END_TEST

START_TEST(optim_init_without_average)
{
    start(&optim_defaults);
    ck_assert_ptr_null(o.ema.data);
    train_pass(&p, 0);
    step(0, 1); /* learning rate 0: moments only */
    ck_assert_int_eq(o.steps, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/optim");
    TCase *t = tcase_create("optim");

    tcase_add_checked_fixture(t, setup, stop);
    tcase_add_test(t, optim_step_is_torch);
    tcase_add_test(t, optim_step_is_adamw);
    tcase_add_test(t, optim_step_passes_over_frozen);
    tcase_add_test(t, optim_step_skips_what_is_no_number);
    tcase_add_loop_test(t, optim_step_undoes_the_loss_scale, 0, 2);
    tcase_add_test(t, optim_step_averages);
    tcase_add_test(t, optim_step_average_starts_warm);
    tcase_add_test(t, optim_init_without_average);
    suite_add_tcase(s, t);
    return unit_run(s);
}
