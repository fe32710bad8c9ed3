/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

CPU_CLONES
static float largest(const float *x, int64_t n)
{
    float top = x[0];

    #pragma omp simd reduction(max:top)
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    return top;
}

/* y = e^(x - top), which may be x; returns the sum. */
CPU_CLONES
static float exponentials(float *y, const float *x, float top, int64_t n)
{
    float sum = 0;

    #pragma omp simd reduction(+:sum)
    for (int64_t i = 0; i < n; i++) {
        y[i] = cpu_exp(x[i] - top);
        sum += y[i];
    }
    return sum;
}

CPU_CLONES
static void multiply(float *y, float scale, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] *= scale;
}

/* dlogits = scale * (softmax - one at the target). */
static void entropy_row(struct loss_sum *sum, float *dlogits,
                        const float *logits, int64_t n, int32_t target,
                        float scale)
{
    float top, hit, all;

    if (target < 0) {
        memset(dlogits, 0, (size_t)n * sizeof(*dlogits));
        return;
    }
    top = largest(logits, n);
    hit = logits[target];
    all = exponentials(dlogits, logits, top, n);
    multiply(dlogits, scale / all, n);
    dlogits[target] -= scale;
    sum->loss += log((double)all) + ((double)top - hit);
    sum->rows++;
    sum->correct += hit >= top;
}

int cpu_cross_entropy(struct backend *be, struct loss_sum *sum,
                      struct tensor *dlogits, const struct tensor *logits,
                      const int32_t *target, float scale, struct err *err)
{
    int64_t rows = tensor_rows(logits), n = tensor_cols(logits);
    struct loss_sum part[CPU_CHUNKS] = {0};

    (void)be;
    (void)err;
    assert(tensor_count(dlogits) == rows * n && n > 0);
    #pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < CPU_CHUNKS; i++)
        for (int64_t r = cpu_chunk(rows, i); r < cpu_chunk(rows, i + 1); r++) {
            assert(target[r] >= -1 && target[r] < n);
            entropy_row(&part[i], dlogits->data + r * n, logits->data + r * n,
                        n, target[r], scale);
        }
    *sum = (struct loss_sum){0};
    for (int i = 0; i < CPU_CHUNKS; i++) {
        sum->loss += part[i].loss;
        sum->rows += part[i].rows;
        sum->correct += part[i].correct;
    }
    return 0;
}
