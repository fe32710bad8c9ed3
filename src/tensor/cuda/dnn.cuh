/* dnn.cuh - 3 x 3 convolutions by cuDNN, which is loaded where it is installed;
 * the tests' emulation answers with loops (tests/emu/dnn_emu.cc). */
#ifndef TENSOR_CUDA_DNN_CUH
#define TENSOR_CUDA_DNN_CUH

#include "tensor/cuda/common.cuh"

enum dnn_pass { DNN_FORWARD, DNN_DX, DNN_DW };

/* y (images, y_h, y_w, c_out) = conv(x), x (images, x_h, x_w, c_in), w (c_out,
 * 3, 3, c_in), padding of 1; all of the precision's 16 bit, f32 in tf32. The
 * pass says which of the three is computed, from the other two (gradients of y
 * and x in their places). accumulate: it is added to what is there. */
struct dnn_conv {
    enum dnn_pass pass;
    void *x, *y, *w;
    int images, x_h, x_w, c_in, y_h, y_w, c_out, stride_h, stride_w;
    int accumulate;
};

/* Whether there is a cuDNN to ask, and the precision is one for it; it is not
 * where the environment says MFM_CUDNN=0. */
int dnn_here(struct cuda *c);
/* *done = 0: cuDNN cannot do this one, and nothing has changed. */
int dnn_run(struct cuda *c, const struct dnn_conv *d, int *done,
             struct err *err);
void dnn_close(struct dnn *d); /* NULL is allowed */

#endif
