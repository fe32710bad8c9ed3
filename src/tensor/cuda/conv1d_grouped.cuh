/* conv1d_grouped.cuh - grouped convolution over time with as many outputs as
 * frames, in products of cuBLASLt or, in 16 bit, by kernels of its own. */
#ifndef TENSOR_CUDA_CONV1D_GROUPED_CUH
#define TENSOR_CUDA_CONV1D_GROUPED_CUH

#include "tensor/cuda/common.cuh"

/* y[t] = sum_k w[k] x[t + k - before]. */
struct grouped {
    int64_t batch, time, groups, taps, before;
    int64_t in, out; /* channels of one group */
};

/* In 16 bit (conv1d_mma.cu). dx is written, dw added to. */
int grouped_mma(struct cuda *c, float *y, const float *x, const float *w,
                const float *bias, const struct grouped *g, struct err *err);
int grouped_mma_backward(struct cuda *c, float *dx, float *dw, const float *dy,
                         const float *x, const float *w,
                         const struct grouped *g, struct err *err);

#endif
