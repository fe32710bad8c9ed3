/* backend.h - the one interface to whatever computes: a flat table of
 * operations on tensors. The encoder and the heads are written once over it.
 *
 * Conventions. Outputs first, then inputs, then numbers. B windows of T frames
 * and C channels are (B, T, C). Shapes must fit (assert). Operations may run
 * later than the call returns; download waits. An operation whose output may be
 * its input says "in place". Failures are ERR_NOMEM or ERR_DEVICE. One backend
 * serves one thread at a time. */
#ifndef TENSOR_BACKEND_H
#define TENSOR_BACKEND_H

#include <stdint.h>
#include "base/err.h"
#include "tensor/tensor.h"

enum act { ACT_NONE, ACT_RELU, ACT_SWISH, ACT_GELU };

struct conv2d; /* weights of one convolution, in the backend's own order */

/* y = act(scale * (x w^T + bias) + (accumulate ? y : 0)) */
struct matmul_opts {
    enum act act;
    float scale;    /* 0 is read as 1 */
    int accumulate; /* add to what y holds: residual connections */
};

struct backend {
    const struct backend_ops *ops;
};

struct backend_ops {
    const char *name; /* "cpu" */
    void (*close)(struct backend *be);

    /* ---- memory; tensor.h is the interface to these ---- */
    int (*alloc)(struct backend *be, float **out, int64_t n, struct err *err);
    void (*free)(struct backend *be, float *p);
    int64_t (*image_size)(struct backend *be, int64_t h, int64_t w, int64_t c);
    int (*import)(struct backend *be, struct tensor *t, const float *host,
                  struct err *err);
    int (*upload)(struct backend *be, float *dev, const float *host, int64_t n,
                  struct err *err);
    int (*download)(struct backend *be, float *host, const float *dev,
                    int64_t n, struct err *err);

    /* ---- linear: y (R, M), x (R, K), w (M, K), bias (M) or NULL ---- */
    int (*matmul)(struct backend *be, struct tensor *y, const struct tensor *x,
                  const struct tensor *w, const struct tensor *bias,
                  struct matmul_opts opts, struct err *err);

    /* ---- 3 x 3 convolution with zero padding of 1 on all sides ----
     * weight (Cout, Cin, 3, 3) as (.., row, column) and bias (Cout), host
     * arrays, copied. Strides 1 or 2. */
    int (*conv2d_new)(struct backend *be, struct conv2d **out,
                      const float *weight, const float *bias, int c_out,
                      int c_in, int stride_h, int stride_w, struct err *err);
    void (*conv2d_free)(struct backend *be, struct conv2d *c);
    /* y ((H-1)/sh+1, (W-1)/sw+1, Cout) and x (H, W, Cin) are images:
     * y = act(conv(x) + bias + (accumulate ? y : 0)); act NONE or RELU. */
    int (*conv2d)(struct backend *be, struct tensor *y, const struct tensor *x,
                  struct conv2d *c, enum act act, int accumulate,
                  struct err *err);
    /* y (n, C*W), y[i, c*W + w] = x[first + i, w, c]: rows of an image as
     * vectors, channel-major. */
    int (*image_flatten)(struct backend *be, struct tensor *y,
                         const struct tensor *x, int64_t first,
                         struct err *err);

    /* ---- over the last dimension C; gamma, beta (C); in place ---- */
    int (*layer_norm)(struct backend *be, struct tensor *y,
                      const struct tensor *x, const struct tensor *gamma,
                      const struct tensor *beta, float eps, struct err *err);

    /* ---- gated linear unit: y (R, C) = x[:, :C] * sigmoid(x[:, C:]) ---- */
    int (*glu)(struct backend *be, struct tensor *y, const struct tensor *x,
               struct err *err);

    /* ---- rotary position: y, x (B, T, heads*d), each head's halves rotated
     * by t * base^(-2i/d); Su et al. 2021, eq. 34, half-split pairs ---- */
    int (*rotary)(struct backend *be, struct tensor *y, const struct tensor *x,
                  int heads, float base, struct err *err);

    /* ---- softmax(q k^T / sqrt(d)) v for each head; y, q, k, v (B, T,
     * heads*d); never T x T in memory; y may be q ---- */
    int (*attention)(struct backend *be, struct tensor *y,
                     const struct tensor *q, const struct tensor *k,
                     const struct tensor *v, int heads, struct err *err);

    /* ---- depthwise convolution over T, 'same': y, x (B, T, C), w (K, C) with
     * odd K, bias (C); y = act(sum_k w[k] x[t + k - K/2] + bias) ---- */
    int (*depthwise)(struct backend *be, struct tensor *y,
                     const struct tensor *x, const struct tensor *w,
                     const struct tensor *bias, enum act act, struct err *err);
};

/* Opens "cpu", "auto" (the best there is) or "cuda[:N]" (not built yet:
 * ERR_UNSUPPORTED). threads 0 means as many as the machine has. */
int backend_open(struct backend **out, const char *device, int threads,
                 struct err *err);
void backend_close(struct backend *be); /* NULL is allowed */

#endif
