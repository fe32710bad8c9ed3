/* fold.cuh - the end of a sum that blocks computed in parts. */
#ifndef TENSOR_CUDA_FOLD_CUH
#define TENSOR_CUDA_FOLD_CUH

#include "tensor/cuda/common.cuh"

static __global__ void fold_parts(float *sum, const float *part, int64_t parts,
                                  int64_t n)
{
    FOR_EACH(i, n) {
        double v = 0;

        for (int64_t k = 0; k < parts; k++)
            v += part[k * n + i];
        sum[i] += (float)v;
    }
}

/* sum (n) += the rows of part (parts, n), in their order. */
static inline int cuda_fold(struct cuda *c, float *sum, const float *part,
                            int64_t parts, int64_t n, struct err *err)
{
    return LAUNCH(fold_parts, cuda_grid(c, n), BLOCK, 0, sum, part, parts, n);
}

#endif
