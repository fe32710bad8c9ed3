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

/* Arithmetic of matrix products and convolutions: of their operands, rounded.
 * tf32 has 10 bits of mantissa, and is CUDA's alone, as fp16. Sums are f32, and
 * so is all that a struct tensor holds, in each; images may hold 16-bit
 * values. */
enum precision {
    PRECISION_F32, PRECISION_BF16, PRECISION_TF32, PRECISION_FP16
};

struct backend {
    const struct backend_ops *ops;
    enum precision precision; /* backend_set_precision */
    int narrow; /* narrow tensors hold 16-bit values of that precision */
    /* What suits the device: windows of a recording to run side by side,
     * bytes of an image to convolve at a time, and how many rows at most. */
    int windows;
    int64_t image_bytes;
    int64_t rows; /* of a batch that a few layers work on at a time; 0: all */
    /* Of a batch of one image the memory of each so many channels is in one
     * piece, those of the next behind it; 0: it is not. */
    int image_channels;
    char device[160]; /* what computes, for people: "CPU AMD EPYC, 2 threads" */
    /* Where several processes compute parts of one batch: v (n) becomes the sum
     * over them, so that batch normalisation is over the whole batch. NULL: one
     * process. Set by whoever opened the backend. */
    int (*across)(void *ctx, double *v, int64_t n, struct err *err);
    void *across_ctx;
};

/* One step of Adam, or of AdamW where decay is not 0 (Loshchilov and Hutter
 * 2019, algorithm 2): w -= lr * decay * w first, then
 * w -= lr * (m / bias1) / (sqrt(v / bias2) + eps), as torch.optim. */
struct adam_step {
    float lr, beta1, beta2, eps, decay;
    float bias1, bias2; /* 1 - beta1^step, 1 - beta2^step */
    float grad_scale;   /* of the gradient, first: clipping */
};

/* What a softmax cross-entropy found. */
struct loss_sum {
    double loss;     /* sum of -log p(target), natural logarithm */
    int64_t rows;    /* with a target */
    int64_t correct; /* of them, those whose largest logit is the target's */
};

/* What processes need to find each other. */
struct group_id {
    unsigned char byte[128];
};

struct backend_ops {
    const char *name; /* "cpu" */
    void (*close)(struct backend *be);
    int (*set_precision)(struct backend *be, enum precision p,
                         struct err *err); /* backend_set_precision */

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

    /* ---- linear: y (R, M), x (R, K), w (M, K), bias (M) or NULL; x may be
     * narrow (tensor.h), and y where nothing is added to it or scaled ---- */
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

    /* ---- over the last dimension C; gamma, beta (C); y may be narrow, or x:
     * in place ---- */
    int (*layer_norm)(struct backend *be, struct tensor *y,
                      const struct tensor *x, const struct tensor *gamma,
                      const struct tensor *beta, float eps, struct err *err);

    /* ---- gated linear unit: y (R, C) = x[:, :C] * sigmoid(x[:, C:]); both
     * may be narrow ---- */
    int (*glu)(struct backend *be, struct tensor *y, const struct tensor *x,
               struct err *err);

    /* ---- rotary position: y, x (B, T, heads*d), each head's halves rotated
     * by t * base^(-2i/d); Su et al. 2021, eq. 34, half-split pairs; both may
     * be narrow ---- */
    int (*rotary)(struct backend *be, struct tensor *y, const struct tensor *x,
                  int heads, float base, struct err *err);

    /* ---- softmax(q k^T / sqrt(d)) v for each head; y, q, k, v (B, T,
     * heads*d); never T x T in memory; y may be q. k and v may be narrow, q
     * and y both ---- */
    int (*attention)(struct backend *be, struct tensor *y,
                     const struct tensor *q, const struct tensor *k,
                     const struct tensor *v, int heads, struct err *err);

    /* ---- depthwise convolution over T, 'same': y, x (B, T, C), w (K, C) with
     * odd K, bias (C); y = act(sum_k w[k] x[t + k - K/2] + bias); y and x may
     * be narrow ---- */
    int (*depthwise)(struct backend *be, struct tensor *y,
                     const struct tensor *x, const struct tensor *w,
                     const struct tensor *bias, enum act act, struct err *err);

    /* ======== training ========
     * Backward operations get the gradient of the output (dy) and what the
     * forward operation read or wrote; they write or, where it says "adds",
     * accumulate gradients. Results are the same for any number of threads only
     * where it says "fixed order". */

    /* Weights were changed in place: copies that the backend made of them in
     * another precision or order are stale. Any w that matmul and matmul_dx
     * were given may be copied; one whose memory was allocated, imported or
     * uploaded to since is not stale. */
    void (*weights_changed)(struct backend *be);

    /* ---- linear: dx (R, K) = scale * dy w, added to dx if accumulate;
     * dw (M, K) adds scale * dy^T x, dbias (M, or NULL) scale * the column
     * sums of dy (R, M). opts.act is not looked at. ---- */
    int (*matmul_dx)(struct backend *be, struct tensor *dx,
                     const struct tensor *dy, const struct tensor *w,
                     struct matmul_opts opts, struct err *err);
    int (*matmul_dw)(struct backend *be, struct tensor *dw,
                     struct tensor *dbias, const struct tensor *dy,
                     const struct tensor *x, float scale, struct err *err);

    /* Both of a layer y = opts of x w^T at once. */
    int (*matmul_backward)(struct backend *be, struct tensor *dx,
                           struct tensor *dw, struct tensor *dbias,
                           const struct tensor *dy, const struct tensor *x,
                           const struct tensor *w, struct matmul_opts opts,
                           struct err *err);

    /* ---- y = act(x), where y, or both, may be narrow; dx = dy * act'(x), x
     * before the activation. In place. ---- */
    int (*act)(struct backend *be, struct tensor *y, const struct tensor *x,
               enum act act, struct err *err);
    int (*act_backward)(struct backend *be, struct tensor *dx,
                        const struct tensor *dy, const struct tensor *x,
                        enum act act, struct err *err);

    /* ---- dx is written, or added to if accumulate; dgamma, dbeta (C) are
     * added to. In place (dx is dy) without accumulate. ---- */
    int (*layer_norm_backward)(struct backend *be, struct tensor *dx,
                               struct tensor *dgamma, struct tensor *dbeta,
                               const struct tensor *dy, const struct tensor *x,
                               const struct tensor *gamma, float eps,
                               int accumulate, struct err *err);

    /* ---- dx (R, 2C) of dy (R, C) and x (R, 2C) ---- */
    int (*glu_backward)(struct backend *be, struct tensor *dx,
                        const struct tensor *dy, const struct tensor *x,
                        struct err *err);

    /* ---- the rotation by the opposite angles; dx is added to if accumulate,
     * else in place ---- */
    int (*rotary_backward)(struct backend *be, struct tensor *dx,
                           const struct tensor *dy, int heads, float base,
                           int accumulate, struct err *err);

    /* ---- attention that also writes lse (B, heads, T), the logarithm of each
     * row's sum of exponentials, for the backward pass (FlashAttention-2, Dao
     * 2023, algorithms 1 and 2). y may not be q here. dq, dk, dv are written.
     * y, q, k, v may be narrow as above. ---- */
    int (*attention_save)(struct backend *be, struct tensor *y,
                          struct tensor *lse, const struct tensor *q,
                          const struct tensor *k, const struct tensor *v,
                          int heads, struct err *err);
    int (*attention_backward)(struct backend *be, struct tensor *dq,
                              struct tensor *dk, struct tensor *dv,
                              const struct tensor *dy, const struct tensor *y,
                              const struct tensor *lse, const struct tensor *q,
                              const struct tensor *k, const struct tensor *v,
                              int heads, struct err *err);

    /* ---- depthwise convolution: dx (B, T, C) is written, dw (K, C) added
     * to; no bias ---- */
    int (*depthwise_backward)(struct backend *be, struct tensor *dx,
                              struct tensor *dw, const struct tensor *dy,
                              const struct tensor *x, const struct tensor *w,
                              struct err *err);

    /* ---- y (.., C, R) = the transposes of the matrices x (.., R, C), added to
     * y if accumulate: files have taps last, operations channels ---- */
    int (*transpose)(struct backend *be, struct tensor *y,
                     const struct tensor *x, int accumulate, struct err *err);

    /* ---- batch normalisation over the rows of x (R, C) with their own mean
     * and biased variance (of all processes' rows: struct backend); mean,
     * inv_std (C) are written for the backward pass.
     * running_mean, running_var (C, or NULL) become (1 - momentum) * old +
     * momentum * new, the variance unbiased. y may be x where the backward pass
     * is not wanted. dgamma, dbeta are added to; dx may be dy. ---- */
    int (*batch_norm)(struct backend *be, struct tensor *y, struct tensor *mean,
                      struct tensor *inv_std, struct tensor *running_mean,
                      struct tensor *running_var, const struct tensor *x,
                      const struct tensor *gamma, const struct tensor *beta,
                      float eps, float momentum, struct err *err);
    int (*batch_norm_backward)(struct backend *be, struct tensor *dx,
                               struct tensor *dgamma, struct tensor *dbeta,
                               const struct tensor *dy, const struct tensor *x,
                               const struct tensor *mean,
                               const struct tensor *inv_std,
                               const struct tensor *gamma, struct err *err);

    /* ---- images in training: tensors (B, H, W, C) made by
     * tensor_reserve_batch, in the backend's own order and precision. A batch
     * of (H, W, 1) is plain f32, row-major. w (Cout, Cin, 3, 3), bias (Cout).
     * dx is written, or added to if accumulate; dw, dbias are added to. ---- */
    int (*image_conv)(struct backend *be, struct tensor *y,
                      const struct tensor *x, const struct tensor *w,
                      const struct tensor *bias, int stride_h, int stride_w,
                      struct err *err);
    int (*image_conv_dx)(struct backend *be, struct tensor *dx,
                         const struct tensor *dy, const struct tensor *w,
                         int stride_h, int stride_w, int accumulate,
                         struct err *err);
    int (*image_conv_dw)(struct backend *be, struct tensor *dw,
                         struct tensor *dbias, const struct tensor *dy,
                         const struct tensor *x, int stride_h, int stride_w,
                         struct err *err);
    /* As batch_norm with R = B * H * W; relu: y = max(0, .), and then dy is
     * taken as 0 where y is 0 (y is looked at only if relu). dx may be dy or
     * x. */
    int (*image_batch_norm)(struct backend *be, struct tensor *y,
                            struct tensor *mean, struct tensor *inv_std,
                            struct tensor *running_mean,
                            struct tensor *running_var, const struct tensor *x,
                            const struct tensor *gamma,
                            const struct tensor *beta, float eps,
                            float momentum, int relu, struct err *err);
    /* y = (x - mean) * inv_std * gamma + beta, and max(0, .) if relu: what
     * image_batch_norm wrote, to the bit, once it has found mean and inv_std.
     * In place. */
    int (*image_normalise)(struct backend *be, struct tensor *y,
                           const struct tensor *x, const struct tensor *mean,
                           const struct tensor *inv_std,
                           const struct tensor *gamma,
                           const struct tensor *beta, int relu,
                           struct err *err);
    int (*image_batch_norm_backward)(struct backend *be, struct tensor *dx,
                                     struct tensor *dgamma,
                                     struct tensor *dbeta,
                                     const struct tensor *dy,
                                     const struct tensor *y,
                                     const struct tensor *x,
                                     const struct tensor *mean,
                                     const struct tensor *inv_std,
                                     const struct tensor *gamma, int relu,
                                     struct err *err);
    /* y = max(0, a + b); dx = dy where y > 0, else 0. In place. */
    int (*image_add_relu)(struct backend *be, struct tensor *y,
                          const struct tensor *a, const struct tensor *b,
                          struct err *err);
    int (*image_relu_backward)(struct backend *be, struct tensor *dx,
                               const struct tensor *dy, const struct tensor *y,
                               struct err *err);
    /* y (B, H, C*W), y[b, h, c*W + w] = x[b, h, w, c], and back. */
    int (*image_rows)(struct backend *be, struct tensor *y,
                      const struct tensor *x, struct err *err);
    int (*image_rows_backward)(struct backend *be, struct tensor *dx,
                               const struct tensor *dy, struct err *err);

    /* ---- adaptive average pooling over time (head/pool.h): y (B, m, C) of
     * x (B, n, C); dx is added to. ---- */
    int (*pool)(struct backend *be, struct tensor *y, const struct tensor *x,
                struct err *err);
    int (*pool_backward)(struct backend *be, struct tensor *dx,
                         const struct tensor *dy, struct err *err);

    /* ---- each value is set to 0 with probability p, else multiplied by
     * 1 / (1 - p), with p taken to 1/65536; value i, of which x has first,
     * first + 1.., depends on (seed, stream, i) alone (base/rng.h), so the
     * backward pass is the same call on the gradient. In place. ---- */
    int (*dropout)(struct backend *be, struct tensor *y, const struct tensor *x,
                   float p, uint64_t seed, uint64_t stream, int64_t first,
                   struct err *err);

    /* ---- softmax cross-entropy of logits (R, C) with target (R, host) in
     * 0..C-1, or -1 for a row that does not count. dlogits (may be logits) =
     * scale * gradient of the summed loss. Fixed order. ---- */
    int (*cross_entropy)(struct backend *be, struct loss_sum *sum,
                         struct tensor *dlogits, const struct tensor *logits,
                         const int32_t *target, float scale, struct err *err);

    /* ---- rows r of x (R, C) with hidden[r] (host) become v (C); backward:
     * dv adds their gradients, which become 0 in dx ---- */
    int (*replace_rows)(struct backend *be, struct tensor *x,
                        const uint8_t *hidden, const struct tensor *v,
                        struct err *err);
    int (*replace_rows_backward)(struct backend *be, struct tensor *dx,
                                 struct tensor *dv, const uint8_t *hidden,
                                 struct err *err);

    /* ---- over all elements; fixed order where there is a sum ---- */
    /* y = a * x + b * y; b 0: y is not read; x NULL: y = b * y. */
    int (*axpby)(struct backend *be, struct tensor *y, float a,
                 const struct tensor *x, float b, struct err *err);
    int (*dot)(struct backend *be, double *out, const struct tensor *a,
               const struct tensor *b, struct err *err);
    int (*adam)(struct backend *be, struct tensor *w, struct tensor *m,
                struct tensor *v, const struct tensor *g,
                struct adam_step step, struct err *err);

    /* ---- BERT's convolutional parts; x (B, T, C) ----
     * conv1d: no padding, y (B, (T - K) / stride + 1, Cout), w (Cout, K, Cin),
     * bias none. dx is written, dw added to. */
    int (*conv1d)(struct backend *be, struct tensor *y, const struct tensor *x,
                  const struct tensor *w, int stride, struct err *err);
    int (*conv1d_dx)(struct backend *be, struct tensor *dx,
                     const struct tensor *dy, const struct tensor *w,
                     int stride, struct err *err);
    int (*conv1d_dw)(struct backend *be, struct tensor *dw,
                     const struct tensor *dy, const struct tensor *x,
                     int stride, struct err *err);
    /* Grouped, stride 1, padding K / 2 on both sides, the first T outputs;
     * w (Cout, K, Cin / groups), bias (Cout). */
    int (*conv1d_grouped)(struct backend *be, struct tensor *y,
                          const struct tensor *x, const struct tensor *w,
                          const struct tensor *bias, int groups,
                          struct err *err);
    int (*conv1d_grouped_backward)(struct backend *be, struct tensor *dx,
                                   struct tensor *dw, struct tensor *dbias,
                                   const struct tensor *dy,
                                   const struct tensor *x,
                                   const struct tensor *w, int groups,
                                   struct err *err);
    /* Group normalisation over time and the channels of a group; mean, inv_std
     * (B, groups). dx is written (may be dy); dgamma, dbeta are added to. */
    int (*group_norm)(struct backend *be, struct tensor *y, struct tensor *mean,
                      struct tensor *inv_std, const struct tensor *x,
                      const struct tensor *gamma, const struct tensor *beta,
                      int groups, float eps, struct err *err);
    int (*group_norm_backward)(struct backend *be, struct tensor *dx,
                               struct tensor *dgamma, struct tensor *dbeta,
                               const struct tensor *dy, const struct tensor *x,
                               const struct tensor *mean,
                               const struct tensor *inv_std,
                               const struct tensor *gamma, int groups,
                               struct err *err);
    /* Weight normalisation of each tap (Salimans and Kingma 2016; torch's
     * weight_norm over dimension 2): w (Cout, K, C), w[o, k, i] =
     * g[k] v[o, i, k] / norm[k], norm (K) the Euclidean norm of v[:, :, k];
     * v (Cout, C, K). dv, dg are added to. */
    int (*weight_norm)(struct backend *be, struct tensor *w,
                       struct tensor *norm, const struct tensor *v,
                       const struct tensor *g, struct err *err);
    int (*weight_norm_backward)(struct backend *be, struct tensor *dv,
                                struct tensor *dg, const struct tensor *dw,
                                const struct tensor *v, const struct tensor *g,
                                const struct tensor *norm, struct err *err);

    /* ---- what an encoder sees of sound (mel/meldevice.h is the interface):
     * y (F, bands) = (10 log10(max(filters p, 1e-10)) - mean) * scale, where p
     * (n_fft / 2 + 1) is |X|^2 of x[t * hop] .. times window (n_fft), x of at
     * least (F - 1) * hop + n_fft samples, filters (bands, n_fft / 2 + 1). f32
     * in every precision. NULL: mel.h does it as well. ---- */
    int (*mel)(struct backend *be, struct tensor *y, const struct tensor *x,
               const struct tensor *window, const struct tensor *filters,
               int64_t hop, float mean, float scale, struct err *err);

    /* ---- several devices, a process for each: dist/dist.h is the interface to
     * these. NULL where tensors are the host's memory. One process draws an id,
     * all join with it (once; close leaves). reduce is only begun: v is in use
     * until wait, behind which later operations see the sums. ---- */
    int (*group_id)(struct backend *be, struct group_id *id, struct err *err);
    int (*group_join)(struct backend *be, const struct group_id *id, int rank,
                      int size, struct err *err);
    int (*group_reduce)(struct backend *be, float *v, int64_t n, int root,
                        struct err *err);
    int (*group_wait)(struct backend *be, struct err *err);
    int (*group_share)(struct backend *be, float *all, const int64_t *first,
                       struct err *err);
    int (*group_gather)(struct backend *be, float *all, const float *part,
                        const int64_t *first, struct err *err);
};

/* Opens "cpu", "cuda[:N]" or "auto": the first GPU that works, else the CPU,
 * with a warning where a GPU is there and cannot be used. The CUDA backend is a
 * module that is loaded here (module.h); ERR_UNSUPPORTED says in one line what
 * is missing. ERR_ARG if device is none of these. threads, of the CPU, 0: as
 * many as the machine has. */
int backend_open(struct backend **out, const char *device, int threads,
                 struct err *err);
/* The same for number nth (0..) of several that compute side by side: they take
 * the GPUs in turn where device does not say which. The thread that opens a
 * backend is the one to use it. */
int backend_open_nth(struct backend **out, const char *device, int nth,
                     int threads, struct err *err);
/* ERR_ARG, with a list of what there is, if it is no name of a device. */
int backend_check_device(const char *device, struct err *err);
/* GPUs that the CUDA module sees; 0 without a module. */
int backend_cuda_devices(void);
void backend_close(struct backend *be); /* NULL is allowed */

/* ERR_UNSUPPORTED if the device does not compute in p; weights and images made
 * before are no longer valid. */
int backend_set_precision(struct backend *be, enum precision p,
                          struct err *err);
/* The same by name: "f32", "tf32", "bf16", "fp16", or "auto", which is f32 on
 * the CPU, bf16 on GPUs that have it (sm_80), and on older ones fp16, or for
 * training f32. */
int backend_choose_precision(struct backend *be, const char *name, int training,
                             struct err *err);
const char *precision_name(enum precision p);

#endif
