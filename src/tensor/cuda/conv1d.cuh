/* conv1d.cuh - one convolution over time, and that of sound. */
#ifndef TENSOR_CUDA_CONV1D_CUH
#define TENSOR_CUDA_CONV1D_CUH

#include "tensor/cuda/common.cuh"

struct conv1d {
    int64_t batch, time, in, out_time, out, taps, stride;
    int64_t width;        /* taps * in */
    int64_t phases, step; /* step: floats from one output's window to the next
                             one's */
};

/* One channel: y (B, out_time, out), x (B, time), w (out, taps); dw is added
 * to. In f32 (conv1d_wave.cu). */
int conv1d_wave(struct cuda *c, float *y, const float *x, const float *w,
                const struct conv1d *g, struct err *err);
int conv1d_wave_dw(struct cuda *c, float *dw, const float *dy, const float *x,
                   const struct conv1d *g, struct err *err);

#endif
