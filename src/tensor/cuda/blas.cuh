/* blas.cuh - matrix products by cuBLASLt; the tests' emulation answers with
 * loops (tests/emu/blas_emu.cc). All matrices are row-major. */
#ifndef TENSOR_CUDA_BLAS_CUH
#define TENSOR_CUDA_BLAS_CUH

#include "tensor/cuda/common.cuh"

/* tf32: f32 in memory, 10 bits of mantissa in the products. */
enum operand { OPERAND_F32, OPERAND_TF32, OPERAND_BF16, OPERAND_F16 };

/* d (m, n) = alpha * a b + beta * d + bias, a (m, k), b (k, n), bias (n) for
 * each row or NULL. a_trans: a lies as (k, m); b_trans: b as (n, k). ld: values
 * from one row to the next as it lies. d is not read where beta is 0. batch
 * (at least 1) products, stride values apart. */
struct gemm {
    const void *a, *b;
    void *d;
    const void *bias;
    int64_t m, n, k, lda, ldb, ldd;
    int a_trans, b_trans;
    float alpha, beta;
    enum operand operand;
    int narrow; /* d and bias are of the operands' type, else f32 */
    int64_t batch, stride_a, stride_b, stride_d;
};

/* What the backend's precision makes of f32 operands (gemm.cu). */
enum operand cuda_operand(const struct cuda *c);

int blas_open(struct blas **out, struct err *err);
void blas_close(struct blas *b); /* NULL is allowed */
int blas_gemm(struct cuda *c, const struct gemm *g, struct err *err);

#endif
