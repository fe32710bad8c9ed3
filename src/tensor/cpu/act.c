/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <stdlib.h>

#include "tensor/cpu/private.h"

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
static void rotate(float *y, const float *x, const float *cosine,
                   const float *sine, int64_t half)
{
    #pragma omp simd
    for (int64_t i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];

        y[i] = a * cosine[i] - b * sine[i];
        y[i + half] = b * cosine[i] + a * sine[i];
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

int cpu_rotary(struct backend *be, struct tensor *y, const struct tensor *x,
               int heads, float base, struct err *err)
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
                   table + r % time * d, table + r % time * d + half, half);
    return 0;
}

/* 64 channels of one frame: the sums stay in registers over the taps. */
enum { LANE = 64 };

CPU_CLONES
static void depthwise_lane(float *y, const float *x, const float *w,
                           const float *bias, int64_t stride, int64_t taps,
                           enum act act)
{
    float sum[LANE];

    #pragma omp simd
    for (int i = 0; i < LANE; i++)
        sum[i] = bias[i];
    for (int64_t k = 0; k < taps; k++) {
        #pragma omp simd
        for (int i = 0; i < LANE; i++)
            sum[i] += w[k * stride + i] * x[k * stride + i];
    }
    if (act == ACT_SWISH) {
        #pragma omp simd
        for (int i = 0; i < LANE; i++)
            sum[i] = sum[i] / (1.0f + cpu_exp(-sum[i]));
    }
    memcpy(y, sum, sizeof(sum));
}

/* What is left when the channels are no multiple of 64. */
static void depthwise_one(float *y, const float *x, const float *w, float bias,
                          int64_t stride, int64_t taps, enum act act)
{
    float sum = bias;

    for (int64_t k = 0; k < taps; k++)
        sum += w[k * stride] * x[k * stride];
    *y = act == ACT_SWISH ? sum / (1.0f + cpu_exp(-sum)) : sum;
}

int cpu_depthwise(struct backend *be, struct tensor *y, const struct tensor *x,
                  const struct tensor *w, const struct tensor *bias,
                  enum act act, struct err *err)
{
    int64_t batch = x->dim[0], time = x->dim[1], c = x->dim[2];
    int64_t half = w->dim[0] / 2;

    (void)be;
    (void)err;
    assert(x->ndim == 3 && tensor_count(y) == tensor_count(x));
    assert(y->data != x->data && w->dim[1] == c && w->dim[0] % 2 == 1);
    assert(tensor_count(bias) == c);
    assert(act == ACT_NONE || act == ACT_SWISH);
    #pragma omp parallel for
    for (int64_t r = 0; r < batch * time; r++) {
        int64_t t = r % time, lo = t < half ? half - t : 0;
        int64_t hi = time - t < half + 1 ? half + time - t : w->dim[0];
        const float *src = x->data + (r + lo - half) * c;
        const float *wt = w->data + lo * c;
        float *dst = y->data + r * c;
        int64_t i = 0;

        for (; i + LANE <= c; i += LANE)
            depthwise_lane(dst + i, src + i, wt + i, bias->data + i, c, hi - lo,
                           act);
        for (; i < c; i++)
            depthwise_one(dst + i, src + i, wt + i, bias->data[i], c, hi - lo,
                          act);
    }
    return 0;
}
