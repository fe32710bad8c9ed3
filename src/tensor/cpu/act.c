/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <stdlib.h>

#include "tensor/cpu/private.h"

enum { SPAN = 16384 }; /* values that a thread takes at a time */

static inline float sigmoid(float x)
{
    return 1.0f / (1.0f + cpu_exp(-x));
}

/* The normal distribution below x, 1e-7 off at most, where density is
 * exp(-x^2 / 2): Abramowitz and Stegun, equation 7.1.26. A loop over erff would
 * not vectorise. */
static inline float normal_below(float x, float density)
{
    float t = 1.0f / (1.0f + 0.3275911f * 0.707106781f * fabsf(x)), p;

    p = 1.061405429f * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    p = 0.5f * p * t * density;
    return x < 0 ? p : 1.0f - p;
}

CPU_CLONES
static void act_span(float *y, const float *x, int64_t n, enum act act)
{
    if (act == ACT_RELU) {
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] > 0 ? x[i] : 0;
    } else if (act == ACT_SWISH) {
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * sigmoid(x[i]);
    } else if (act == ACT_GELU) {
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * normal_below(x[i], cpu_exp(-0.5f * x[i] * x[i]));
    } else if (y != x) {
        memcpy(y, x, (size_t)n * sizeof(*y));
    }
}

CPU_CLONES
static void act_span_backward(float *dx, const float *dy, const float *x,
                              int64_t n, enum act act)
{
    if (act == ACT_RELU) {
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dx[i] = x[i] > 0 ? dy[i] : 0;
    } else if (act == ACT_SWISH) {
        #pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            float s = sigmoid(x[i]);

            dx[i] = dy[i] * s * (1.0f + x[i] * (1.0f - s));
        }
    } else if (act == ACT_GELU) {
        #pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            float e = cpu_exp(-0.5f * x[i] * x[i]);

            dx[i] = dy[i] * (normal_below(x[i], e) + 0.398942280f * x[i] * e);
        }
    } else if (dx != dy) {
        memcpy(dx, dy, (size_t)n * sizeof(*dx));
    }
}

int cpu_act(struct backend *be, struct tensor *y, const struct tensor *x,
            enum act act, struct err *err)
{
    int64_t n = tensor_count(x);

    (void)be;
    (void)err;
    assert(tensor_count(y) == n);
    #pragma omp parallel for
    for (int64_t i = 0; i < n; i += SPAN)
        act_span(y->data + i, x->data + i, n - i < SPAN ? n - i : SPAN, act);
    return 0;
}

int cpu_act_backward(struct backend *be, struct tensor *dx,
                     const struct tensor *dy, const struct tensor *x,
                     enum act act, struct err *err)
{
    int64_t n = tensor_count(x);

    (void)be;
    (void)err;
    assert(tensor_count(dx) == n && tensor_count(dy) == n);
    #pragma omp parallel for
    for (int64_t i = 0; i < n; i += SPAN)
        act_span_backward(dx->data + i, dy->data + i, x->data + i,
                          n - i < SPAN ? n - i : SPAN, act);
    return 0;
}

CPU_CLONES
static void glu_row(float *y, const float *a, const float *b, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] / (1.0f + cpu_exp(-b[i]));
}

int cpu_glu(struct backend *be, struct tensor *y, const struct tensor *x,
            struct err *err)
{
    int64_t rows = tensor_rows(x), n = tensor_cols(y);

    (void)be;
    (void)err;
    assert(tensor_cols(x) == 2 * n && tensor_rows(y) == rows);
    #pragma omp parallel for
    for (int64_t r = 0; r < rows; r++)
        glu_row(y->data + r * n, x->data + 2 * r * n, x->data + (2 * r + 1) * n,
                n);
    return 0;
}

CPU_CLONES
static void glu_row_backward(float *da, float *db, const float *dy,
                             const float *a, const float *b, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float s = sigmoid(b[i]), g = dy[i] * s;

        db[i] = g * a[i] * (1.0f - s);
        da[i] = g;
    }
}

int cpu_glu_backward(struct backend *be, struct tensor *dx,
                     const struct tensor *dy, const struct tensor *x,
                     struct err *err)
{
    int64_t rows = tensor_rows(x), n = tensor_cols(dy);

    (void)be;
    (void)err;
    assert(tensor_cols(x) == 2 * n && tensor_rows(dy) == rows);
    assert(tensor_count(dx) == tensor_count(x));
    #pragma omp parallel for
    for (int64_t r = 0; r < rows; r++) {
        int64_t a = 2 * r * n, b = a + n;

        glu_row_backward(dx->data + a, dx->data + b, dy->data + r * n,
                         x->data + a, x->data + b, n);
    }
    return 0;
}

/* sign -1: by the opposite angles. */
CPU_CLONES
static void rotate(float *y, const float *x, const float *cosine,
                   const float *sine, int64_t half, float sign, int accumulate)
{
    #pragma omp simd
    for (int64_t i = 0; i < half; i++) {
        float a = x[i], b = x[i + half], s = sign * sine[i];
        float up = accumulate ? y[i] : 0;
        float down = accumulate ? y[i + half] : 0;

        y[i] = up + a * cosine[i] - b * s;
        y[i + half] = down + b * cosine[i] + a * s;
    }
}

/* Cosines and sines of each frame's angles, (time, d), kept for the next layer
 * and window. Angles in double: at t = 15,000 a float angle has lost the fourth
 * digit. */
static int rotary_table(struct cpu *cpu, int64_t time, int64_t d, float base,
                        struct err *err)
{
    struct cpu_rotary *r = &cpu->rotary;
    float *table;

    if (r->table && r->time >= time && r->d == d && r->base == base)
        return 0;
    table = malloc((size_t)(time * d + 1) * sizeof(*table));
    if (!table)
        return err_set(err, ERR_NOMEM, "no memory for %lld rotary angles",
                       (long long)(time * d));
    #pragma omp parallel for
    for (int64_t t = 0; t < time; t++)
        for (int64_t i = 0; i < d / 2; i++) {
            double a = (double)t * pow(base, -2.0 * (double)i / (double)d);

            table[t * d + i] = (float)cos(a);
            table[t * d + d / 2 + i] = (float)sin(a);
        }
    free(r->table);
    *r = (struct cpu_rotary){ table, time, d, base };
    return 0;
}

static int turn(struct backend *be, struct tensor *y, const struct tensor *x,
                int heads, float base, float sign, int accumulate,
                struct err *err)
{
    int64_t batch = x->dim[0], time = x->dim[1], c = x->dim[2];
    int64_t d = c / heads, half = d / 2;
    const float *table;

    assert(x->ndim == 3 && tensor_count(y) == tensor_count(x));
    assert(c % heads == 0 && d % 2 == 0);
    TRY(rotary_table(cpu_of(be), time, d, base, err));
    table = cpu_of(be)->rotary.table;
    #pragma omp parallel for
    for (int64_t r = 0; r < batch * time; r++)
        for (int64_t h = 0; h < heads; h++)
            rotate(y->data + r * c + h * d, x->data + r * c + h * d,
                   table + r % time * d, table + r % time * d + half, half,
                   sign, accumulate);
    return 0;
}

int cpu_rotary(struct backend *be, struct tensor *y, const struct tensor *x,
               int heads, float base, struct err *err)
{
    return turn(be, y, x, heads, base, 1, 0, err);
}

int cpu_rotary_backward(struct backend *be, struct tensor *dx,
                        const struct tensor *dy, int heads, float base,
                        int accumulate, struct err *err)
{
    return turn(be, dx, dy, heads, base, -1, accumulate, err);
}
