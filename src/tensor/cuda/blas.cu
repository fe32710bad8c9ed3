/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/blas.cuh"

#include <cublasLt.h>
#include <stdlib.h>
#include <string.h>

enum { WORKSPACE = 32 << 20, MAX_PLANS = 256 };

/* What cuBLASLt chose for one shape. */
struct plan {
    struct gemm key;    /* without addresses and factors; bias is set or not */
    uint32_t aligned[3]; /* bytes that divide the addresses of a, b, d */
    cublasLtMatmulDesc_t op;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algo;
};

struct blas {
    cublasLtHandle_t lt;
    struct plan *plan[MAX_PLANS];
    int n;
};

static int check(cublasStatus_t s, const char *what, struct err *err)
{
    if (s == CUBLAS_STATUS_SUCCESS)
        return 0;
    return err_set(err, s == CUBLAS_STATUS_ALLOC_FAILED ? ERR_NOMEM
                                                        : ERR_DEVICE,
                   "%s: cuBLASLt: %s", what, cublasLtGetStatusString(s));
}

int blas_open(struct blas **out, struct err *err)
{
    struct blas *b = (struct blas *)calloc(1, sizeof(*b));
    int rc;

    if (!b)
        return err_set(err, ERR_NOMEM, "no memory for cuBLASLt");
    rc = check(cublasLtCreate(&b->lt), "start", err);
    if (rc)
        free(b);
    else
        *out = b;
    return rc;
}

static void plan_free(struct plan *p)
{
    cublasLtMatrixLayoutDestroy(p->a);
    cublasLtMatrixLayoutDestroy(p->b);
    cublasLtMatrixLayoutDestroy(p->d);
    cublasLtMatmulDescDestroy(p->op);
    free(p);
}

void blas_close(struct blas *b)
{
    if (!b)
        return;
    while (b->n)
        plan_free(b->plan[--b->n]);
    cublasLtDestroy(b->lt);
    free(b);
}

static cudaDataType_t type_of(enum operand o)
{
    return o == OPERAND_BF16 ? CUDA_R_16BF : o == OPERAND_F16 ? CUDA_R_16F
                                                              : CUDA_R_32F;
}

/* cuBLASLt's matrices have columns one after the other: its (cols, rows) is our
 * row-major (rows, cols). */
static int layout(cublasLtMatrixLayout_t *out, cudaDataType_t type,
                  int64_t rows, int64_t cols, int64_t ld, const struct gemm *g,
                  int64_t stride, struct err *err)
{
    int32_t batch = (int32_t)g->batch;

    TRY(check(cublasLtMatrixLayoutCreate(out, type, (uint64_t)cols,
                                         (uint64_t)rows, ld), "layout", err));
    if (batch == 1)
        return 0;
    TRY(check(cublasLtMatrixLayoutSetAttribute(
                  *out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch,
                  sizeof(batch)), "layout", err));
    return check(cublasLtMatrixLayoutSetAttribute(
                     *out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                     sizeof(stride)), "layout", err);
}

static int set(struct plan *p, cublasLtMatmulDescAttributes_t what,
               const void *value, size_t size, struct err *err)
{
    return check(cublasLtMatmulDescSetAttribute(p->op, what, value, size),
                 "product", err);
}

/* d^T = b^T a^T: our b is its first operand, and what lies as we say is
 * transposed to it. */
static int describe(struct plan *p, struct err *err)
{
    const struct gemm *g = &p->key;
    cudaDataType_t type = type_of(g->operand);
    cublasOperation_t first = g->b_trans ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasOperation_t second = g->a_trans ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;

    TRY(check(cublasLtMatmulDescCreate(
                  &p->op, g->operand == OPERAND_TF32
                              ? CUBLAS_COMPUTE_32F_FAST_TF32
                              : CUBLAS_COMPUTE_32F, CUDA_R_32F),
              "product", err));
    TRY(set(p, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof(first), err));
    TRY(set(p, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof(second), err));
    if (g->bias)
        TRY(set(p, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(epilogue),
                err));
    TRY(layout(&p->b, type, g->b_trans ? g->n : g->k, g->b_trans ? g->k : g->n,
               g->ldb, g, g->stride_b, err));
    TRY(layout(&p->a, type, g->a_trans ? g->k : g->m, g->a_trans ? g->m : g->k,
               g->lda, g, g->stride_a, err));
    return layout(&p->d, g->narrow ? type : CUDA_R_32F, g->m, g->n, g->ldd, g,
                  g->stride_d, err);
}

/* The largest power of two up to 256 that divides the addresses of a batch's
 * matrices, which begin at p and are stride bytes apart. */
static uint32_t alignment(const void *p, int64_t stride)
{
    uintptr_t low = (uintptr_t)p | (uintptr_t)stride | 256;

    return (uint32_t)(low & -low);
}

static void alignments(uint32_t out[3], const struct gemm *g)
{
    int64_t size = type_of(g->operand) == CUDA_R_32F ? 4 : 2;
    int64_t many = g->batch > 1;

    out[0] = alignment(g->a, many * g->stride_a * size);
    out[1] = alignment(g->b, many * g->stride_b * size);
    out[2] = alignment(g->d, many * g->stride_d * (g->narrow ? size : 4));
}

/* Kernels that read many bytes at once are chosen only for addresses that allow
 * it: views of a tensor begin anywhere. */
static int prefer(cublasLtMatmulPreference_t want, const struct plan *p,
                  struct err *err)
{
    static const cublasLtMatmulPreferenceAttributes_t what[3] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, /* ours is the second */
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES
    };
    size_t work = WORKSPACE;

    TRY(check(cublasLtMatmulPreferenceSetAttribute(
                  want, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &work,
                  sizeof(work)), "product", err));
    for (int i = 0; i < 3; i++)
        TRY(check(cublasLtMatmulPreferenceSetAttribute(
                      want, what[i], &p->aligned[i], sizeof(p->aligned[i])),
                  "product", err));
    return check(cublasLtMatmulPreferenceSetAttribute(
                     want, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                     &p->aligned[2], sizeof(p->aligned[2])), "product", err);
}

static int choose(struct blas *b, struct plan *p, struct err *err)
{
    cublasLtMatmulPreference_t want = NULL;
    cublasLtMatmulHeuristicResult_t found;
    int n = 0, rc = check(cublasLtMatmulPreferenceCreate(&want), "product",
                          err);

    if (!rc)
        rc = prefer(want, p, err);
    if (!rc)
        rc = check(cublasLtMatmulAlgoGetHeuristic(b->lt, p->op, p->b, p->a,
                                                  p->d, p->d, want, 1, &found,
                                                  &n), "product", err);
    if (!rc && !n)
        rc = err_set(err, ERR_DEVICE, "cuBLASLt has no way to multiply %lld x "
                     "%lld x %lld", (long long)p->key.m, (long long)p->key.k,
                     (long long)p->key.n);
    if (!rc)
        p->algo = found.algo;
    if (want)
        cublasLtMatmulPreferenceDestroy(want);
    return rc;
}

static int same(const struct plan *p, const struct gemm *g)
{
    const struct gemm *k = &p->key;
    uint32_t aligned[3];

    alignments(aligned, g);
    return k->m == g->m && k->n == g->n && k->k == g->k && k->lda == g->lda &&
           k->ldb == g->ldb && k->ldd == g->ldd && k->a_trans == g->a_trans &&
           k->b_trans == g->b_trans && k->operand == g->operand &&
           !k->bias == !g->bias && k->narrow == g->narrow &&
           k->batch == g->batch &&
           k->stride_a == g->stride_a && k->stride_b == g->stride_b &&
           k->stride_d == g->stride_d &&
           !memcmp(p->aligned, aligned, sizeof(aligned));
}

static int find_plan(struct blas *b, const struct gemm *g, struct plan **out,
                     struct err *err)
{
    struct plan *p;
    int rc;

    for (int i = 0; i < b->n; i++)
        if (same(b->plan[i], g)) {
            *out = b->plan[i];
            return 0;
        }
    p = (struct plan *)calloc(1, sizeof(*p));
    if (!p)
        return err_set(err, ERR_NOMEM, "no memory for a product");
    p->key = *g;
    alignments(p->aligned, g);
    rc = describe(p, err);
    if (!rc)
        rc = choose(b, p, err);
    if (rc) {
        plan_free(p);
        return rc;
    }
    if (b->n == MAX_PLANS) {
        plan_free(b->plan[0]);
        memmove(b->plan, b->plan + 1, --b->n * sizeof(*b->plan));
    }
    *out = b->plan[b->n++] = p;
    return 0;
}

int blas_gemm(struct cuda *c, const struct gemm *g, struct err *err)
{
    struct plan *p = NULL;
    void *work;

    TRY(find_plan(c->blas, g, &p, err));
    TRY(cuda_buf(c, CUDA_BUF_BLAS, WORKSPACE, &work, err));
    if (g->bias)
        TRY(set(p, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &g->bias,
                sizeof(g->bias), err));
    return check(cublasLtMatmul(c->blas->lt, p->op, &g->alpha, g->b, p->b, g->a,
                                p->a, &g->beta, g->d, p->d, g->d, p->d,
                                &p->algo, work, WORKSPACE, c->stream),
                 "product", err);
}
