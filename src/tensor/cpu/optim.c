/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <stdlib.h>

#include "tensor/cpu/private.h"

enum { SPAN = 16384 }; /* values that a thread takes at a time */

static int64_t span_at(int64_t n, int64_t i)
{
    return n - i < SPAN ? n - i : SPAN;
}

CPU_CLONES
static void axpby_span(float *y, float a, const float *x, float b, int64_t n)
{
    if (!x) {
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] *= b;
    } else if (b == 0) {
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = a * x[i];
    } else {
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = a * x[i] + b * y[i];
    }
}

int cpu_axpby(struct backend *be, struct tensor *y, float a,
              const struct tensor *x, float b, struct err *err)
{
    int64_t n = tensor_count(y);

    (void)be;
    (void)err;
    assert(!x || tensor_count(x) == n);
    if (!x && b == 0) {
        memset(y->data, 0, (size_t)n * sizeof(*y->data));
        return 0;
    }
    #pragma omp parallel for
    for (int64_t i = 0; i < n; i += SPAN)
        axpby_span(y->data + i, a, x ? x->data + i : NULL, b, span_at(n, i));
    return 0;
}

CPU_CLONES
static double dot_span(const float *a, const float *b, int64_t n)
{
    double sum = 0;

    #pragma omp simd reduction(+:sum)
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

int cpu_dot(struct backend *be, double *out, const struct tensor *a,
            const struct tensor *b, struct err *err)
{
    int64_t n = tensor_count(a), spans = (n + SPAN - 1) / SPAN;
    double *part;
    void *p;

    assert(tensor_count(b) == n);
    TRY(cpu_buf(cpu_of(be), CPU_BUF_SUMS, (size_t)(spans + 1) * sizeof(*part),
                &p, err));
    part = p;
    #pragma omp parallel for
    for (int64_t i = 0; i < spans; i++)
        part[i] = dot_span(a->data + i * SPAN, b->data + i * SPAN,
                           span_at(n, i * SPAN));
    *out = 0;
    for (int64_t i = 0; i < spans; i++)
        *out += part[i];
    return 0;
}

/* ---- Adam ---- */

/* The numbers of a step as the loop wants them. */
struct adam_scalars {
    float grad, beta2, one_beta1, one_beta2;
    float shrink;      /* 1 - lr * decay */
    float rate;        /* lr / bias1 */
    float root_bias2;  /* 1 / sqrt(bias2) */
    float eps;
};

CPU_CLONES __attribute__((optimize("no-math-errno"))) /* sqrtf in lanes */
static void adam_span(float *w, float *m, float *v, const float *g, int64_t n,
                      struct adam_scalars s)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = g[i] * s.grad;
        float m1 = m[i] + s.one_beta1 * (d - m[i]);
        float v1 = s.beta2 * v[i] + s.one_beta2 * d * d;

        m[i] = m1;
        v[i] = v1;
        w[i] = w[i] * s.shrink -
               s.rate * m1 / (sqrtf(v1) * s.root_bias2 + s.eps);
    }
}

int cpu_adam(struct backend *be, struct tensor *w, struct tensor *m,
             struct tensor *v, const struct tensor *g, struct adam_step step,
             struct err *err)
{
    int64_t n = tensor_count(w);
    struct adam_scalars s = {
        .grad = step.grad_scale,
        .beta2 = step.beta2,
        .one_beta1 = (float)(1.0 - step.beta1),
        .one_beta2 = (float)(1.0 - step.beta2),
        .shrink = (float)(1.0 - (double)step.lr * step.decay),
        .rate = (float)((double)step.lr / step.bias1),
        .root_bias2 = (float)(1.0 / sqrt(step.bias2)),
        .eps = step.eps,
    };

    (void)be;
    (void)err;
    assert(tensor_count(m) == n && tensor_count(v) == n);
    assert(tensor_count(g) == n);
    #pragma omp parallel for
    for (int64_t i = 0; i < n; i += SPAN)
        adam_span(w->data + i, m->data + i, v->data + i, g->data + i,
                  span_at(n, i), s);
    return 0;
}
