/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Convolutions that cuDNN computes, and what is left to do around them. */
#include "tensor/cuda/conv.cuh"
#include "tensor/cuda/dnn.cuh"
#include "tensor/cuda/pack.cuh"

/* y (pixels, n) = act(y + bias), N values a thread. */
template <class V, int N>
__global__ void bias_act(V *y, const float *bias, int64_t packs, int n,
                         int relu)
{
    int across = n / N;

    FOR_EACH(i, packs) {
        pack<V, N> v = pack_at<N>(y + i * N);
        const float *b = bias + i % across * N;

        UNROLL for (int j = 0; j < N; j++) {
            float s = to_float(v.v[j]) + b[j];

            v.v[j] = from_float<V>(relu && !(s > 0) ? 0 : s);
        }
        pack_put(y + i * N, v);
    }
}

template <class V> static int finish(struct cuda *c,
                                     const struct conv_call *call,
                                     struct err *err)
{
    const struct cuda_image *y = &call->y;
    constexpr int N = chunk_values<V>();
    int64_t packs = y->b * y->h * y->w * y->c / N;
    auto kernel = bias_act<V, N>;

    return LAUNCH(kernel, cuda_grid(c, packs), BLOCK, 0, (V *)y->data,
                  call->bias, packs, (int)y->c, call->relu);
}

static int finish_any(struct cuda *c, const struct conv_call *call,
                      struct err *err)
{
    CUDA_IMAGE_CALL(c, call->y, finish<V>(c, call, err));
}

/* dw (n, k, 3, 3) += d (n, 3, 3, k). */
template <class V>
__global__ void add_filter(float *dw, const V *d, int64_t all, int k)
{
    FOR_EACH(i, all) {
        int64_t row = i / k, col = i - row * k; /* row: of n * 9 */

        dw[(row / 9 * k + col) * 9 + row % 9] += to_float(d[i]);
    }
}

template <class V> static int add_dw(struct cuda *c, float *dw, const void *d,
                                     int64_t n, int64_t k, struct err *err)
{
    return LAUNCH(add_filter<V>, cuda_grid(c, n * k * 9), BLOCK, 0, dw,
                  (const V *)d, n * k * 9, (int)k);
}

static int add_dw_any(struct cuda *c, const struct conv_dw_call *call,
                      const void *d, struct err *err)
{
    CUDA_IMAGE_CALL(c, call->dy, add_dw<V>(c, call->dw, d, call->dy.c,
                                           call->x.c, err));
}

int conv_dnn_takes(struct cuda *c, const struct cuda_image *a,
                   const struct cuda_image *b)
{
    return a->b && conv_is_whole(a) && conv_is_whole(b) && dnn_here(c);
}

/* big: what y (small) is the convolution of. */
static struct dnn_conv shapes_of(const struct cuda_image *big,
                                 const struct cuda_image *small, int stride_h,
                                 int stride_w)
{
    struct dnn_conv d;

    memset(&d, 0, sizeof(d)); /* it is compared with others, gaps and all */
    d.x_h = (int)big->h;
    d.x_w = (int)big->w;
    d.c_in = (int)big->c;
    d.y_h = (int)small->h;
    d.y_w = (int)small->w;
    d.c_out = (int)small->c;
    d.stride_h = stride_h;
    d.stride_w = stride_w;
    return d;
}

/* cuDNN's tensors hold fewer than 2^31 values. */
static int64_t images_at_once(const struct cuda_image *a,
                              const struct cuda_image *b)
{
    int64_t x = a->h * a->w * a->c, y = b->h * b->w * b->c;
    int64_t most = INT32_MAX / (x > y ? x : y);

    return most > 1 ? most : 1;
}

/* All images of big and small, some at a time; dw: where gradients of the
 * weights go to, or NULL. */
static int run(struct cuda *c, struct dnn_conv d, const struct cuda_image *big,
               const struct cuda_image *small, const struct conv_dw_call *dw,
               int *done, struct err *err)
{
    int64_t step = images_at_once(big, small);

    for (int64_t b = 0; b < big->b; b += step) {
        d.images = (int)(big->b - b < step ? big->b - b : step);
        d.x = conv_image_at(big, b);
        d.y = conv_image_at(small, b);
        TRY(dnn_run(c, &d, done, err));
        if (!*done && b)
            return err_set(err, ERR_DEVICE, "cuDNN took the first %lld images "
                           "of a batch and not the rest: set MFM_CUDNN=0",
                           (long long)b);
        if (!*done)
            return 0;
        if (dw)
            TRY(add_dw_any(c, dw, d.w, err));
    }
    return 0;
}

int conv_dnn(struct cuda *c, const struct conv_call *call, void *packed,
             int *done, struct err *err)
{
    const struct cuda_image *big = call->backward ? &call->y : &call->x;
    const struct cuda_image *small = call->backward ? &call->x : &call->y;
    struct dnn_conv d = shapes_of(big, small, call->stride_h, call->stride_w);

    d.pass = call->backward ? DNN_DX : DNN_FORWARD;
    d.w = packed;
    d.accumulate = call->accumulate;
    assert(call->bias || !call->relu);
    TRY(run(c, d, big, small, NULL, done, err));
    if (*done && call->bias)
        return finish_any(c, call, err);
    return 0;
}

int conv_dnn_dw(struct cuda *c, const struct conv_dw_call *call, int *done,
                struct err *err)
{
    struct dnn_conv d = shapes_of(&call->x, &call->dy, call->stride_h,
                                  call->stride_w);
    size_t size = (size_t)(call->dy.c * call->x.c) * 9 * sizeof(float);

    *done = 0;
    /* sums over all pixels of scaled gradients leave the range of fp16 */
    if (c->base.precision == PRECISION_FP16 ||
        !conv_dnn_takes(c, &call->x, &call->dy))
        return 0;
    TRY(cuda_buf(c, CUDA_BUF_SUMS, size, &d.w, err));
    d.pass = DNN_DW;
    return run(c, d, &call->x, &call->dy, call, done, err);
}
