/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What cuBLASLt is asked for, as loops. */
#include "tensor/cuda/blas.cuh"

#include <stdlib.h>

struct blas {
    int open;
};

int blas_open(struct blas **out, struct err *err)
{
    (void)err;
    *out = (struct blas *)calloc(1, sizeof(**out));
    return 0;
}

void blas_close(struct blas *b)
{
    free(b);
}

/* tf32 keeps 10 bits of the mantissa, rounded to nearest, ties away. */
static float operand(const void *p, int64_t i, enum operand o)
{
    if (o == OPERAND_BF16)
        return to_float(((const bf16 *)p)[i]);
    if (o == OPERAND_F16)
        return to_float(((const f16 *)p)[i]);
    if (o == OPERAND_F32)
        return ((const float *)p)[i];
    return __uint_as_float((__float_as_uint(((const float *)p)[i]) + 0x1000) &
                           ~0x1fffu);
}

/* Of d and bias. */
static float value(const struct gemm *g, const void *p, int64_t i)
{
    return operand(p, i, g->narrow ? g->operand : OPERAND_F32);
}

static void put(const struct gemm *g, int64_t i, double v)
{
    if (g->narrow && g->operand == OPERAND_BF16)
        ((bf16 *)g->d)[i] = from_float<bf16>((float)v);
    else if (g->narrow)
        ((f16 *)g->d)[i] = from_float<f16>((float)v);
    else
        ((float *)g->d)[i] = (float)v;
}

static void one(const struct gemm *g, int64_t at)
{
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->n; j++) {
            int64_t to = at * g->stride_d + i * g->ldd + j;
            double sum = 0;

            for (int64_t k = 0; k < g->k; k++) {
                int64_t a = g->a_trans ? k * g->lda + i : i * g->lda + k;
                int64_t b = g->b_trans ? j * g->ldb + k : k * g->ldb + j;

                sum += (double)operand(g->a, at * g->stride_a + a, g->operand) *
                       operand(g->b, at * g->stride_b + b, g->operand);
            }
            sum = g->alpha * sum + (g->bias ? value(g, g->bias, j) : 0);
            put(g, to, sum + (g->beta ? g->beta * value(g, g->d, to) : 0));
        }
}

int blas_gemm(struct cuda *c, const struct gemm *g, struct err *err)
{
    (void)c;
    (void)err;
    assert(g->m > 0 && g->n > 0 && g->k > 0 && g->batch > 0);
    for (int64_t i = 0; i < g->batch; i++)
        one(g, i);
    return 0;
}
