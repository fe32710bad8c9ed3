/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Convolutions of images of one channel, which is f32: little arithmetic and
 * one pass over the image of many channels. A thread keeps the taps (or their
 * gradients) of a few channels in registers and goes along rows of pixels. */
#include "tensor/cuda/conv.cuh"

enum { CHANNELS = 4 /* of a thread */ };

struct one_shape {
    const float *x;
    int64_t rows; /* of the image of many channels, b * y_h */
    int x_h, x_w, y_h, y_w, n, stride_h, stride_w;
};

/* What the taps of row i of y meet in x: the three rows, NULL for those beyond
 * the edges. */
__device__ __forceinline__ void rows_at(const struct one_shape *s, int64_t i,
                                        const float *row[3])
{
    int64_t b = i / s->y_h;
    int h = (int)(i - b * s->y_h) * s->stride_h - 1;

    UNROLL for (int t = 0; t < 3; t++)
        row[t] = (unsigned)(h + t) < (unsigned)s->x_h
            ? s->x + (b * s->x_h + h + t) * s->x_w : NULL;
}

__device__ __forceinline__ void taps_at(const struct one_shape *s,
                                        const float *const row[3], int j,
                                        float x[9])
{
    int w = j * s->stride_w - 1;

    UNROLL for (int t = 0; t < 9; t++)
        x[t] = row[t / 3] && (unsigned)(w + t % 3) < (unsigned)s->x_w
            ? row[t / 3][w + t % 3] : 0;
}

/* CHANNELS values at once; or, where these do not lie as one word, some. */
template <int BYTES> struct word;
template <> struct word<2> { typedef uint2 type; };
template <> struct word<4> { typedef uint4 type; };

template <class V, bool WHOLE>
__device__ __forceinline__ void read_some(float *v, const V *from, int some)
{
    V u[CHANNELS];

    if (WHOLE) {
        typename word<sizeof(V)>::type all =
            *(const typename word<sizeof(V)>::type *)from;

        memcpy(u, &all, sizeof(u));
    }
    UNROLL for (int i = 0; i < CHANNELS; i++)
        v[i] = WHOLE ? to_float(u[i]) : i < some ? to_float(from[i]) : 0;
}

template <class V, bool WHOLE>
__device__ __forceinline__ void write_some(V *to, const float *v, int some)
{
    V u[CHANNELS];

    UNROLL for (int i = 0; i < CHANNELS; i++) {
        u[i] = from_float<V>(v[i]);
        if (!WHOLE && i < some)
            to[i] = u[i];
    }
    if (WHOLE) {
        typename word<sizeof(V)>::type all;

        memcpy(&all, u, sizeof(u));
        *(typename word<sizeof(V)>::type *)to = all;
    }
}

/* Threads (x, y): channels, pixels; a warp's are neighbours. */
static dim3 block_for(int64_t n)
{
    unsigned lanes = 1;

    while (lanes < 32 && lanes * CHANNELS < n)
        lanes *= 2;
    return dim3(lanes, BLOCK / lanes);
}

static int64_t groups_for(int64_t n, dim3 block)
{
    return (n + block.x * CHANNELS - 1) / (block.x * CHANNELS);
}

/* Blocks (x, y): rows of pixels, groups of channels. */
static dim3 grid_for(const struct cuda *c, int64_t rows, int64_t groups)
{
    int64_t most = 8 * (int64_t)c->sms / groups + 1;

    return dim3((unsigned)(rows < most ? rows : most), (unsigned)groups);
}

static int fits_words(const struct cuda_image *m)
{
    return m->c % CHANNELS == 0 && (uintptr_t)m->data % 16 == 0;
}

static struct one_shape shape_of(const struct cuda_image *x,
                                 const struct cuda_image *y, int stride_h,
                                 int stride_w)
{
    struct one_shape s = {};

    s.x = (const float *)x->data;
    s.rows = y->b * y->h;
    s.x_h = (int)x->h;
    s.x_w = (int)x->w;
    s.y_h = (int)y->h;
    s.y_w = (int)y->w;
    s.n = (int)y->c;
    s.stride_h = stride_h;
    s.stride_w = stride_w;
    return s;
}

/* ---- forward ---- */

template <class V, bool WHOLE>
__global__ void one_kernel(V *y, struct one_shape s, const float *w,
                           const float *bias, int accumulate, int relu)
{
    int n = (int)(blockIdx.y * blockDim.x + threadIdx.x) * CHANNELS;
    int some = s.n - n < CHANNELS ? s.n - n : (int)CHANNELS;
    float tap[9][CHANNELS], first[CHANNELS];

    UNROLL for (int i = 0; i < CHANNELS; i++) {
        first[i] = bias && i < some ? bias[n + i] : 0;
        UNROLL for (int t = 0; t < 9; t++)
            tap[t][i] = i < some ? w[(n + i) * 9 + t] : 0;
    }
    if (some <= 0)
        return;
    for (int64_t i = blockIdx.x; i < s.rows; i += gridDim.x) {
        const float *row[3];

        rows_at(&s, i, row);
        for (int j = (int)threadIdx.y; j < s.y_w; j += (int)blockDim.y) {
            V *to = y + (i * s.y_w + j) * s.n + n;
            float x[9], v[CHANNELS];

            UNROLL for (int k = 0; k < CHANNELS; k++)
                v[k] = 0;
            if (accumulate)
                read_some<V, WHOLE>(v, to, some);
            taps_at(&s, row, j, x);
            UNROLL for (int k = 0; k < CHANNELS; k++) {
                v[k] += first[k];
                UNROLL for (int t = 0; t < 9; t++)
                    v[k] += tap[t][k] * x[t];
                v[k] = relu && !(v[k] > 0) ? 0 : v[k];
            }
            write_some<V, WHOLE>(to, v, some);
        }
    }
}

template <class V, bool WHOLE>
static int launch_one(struct cuda *c, const struct conv_call *call,
                      struct err *err)
{
    auto kernel = one_kernel<V, WHOLE>;
    struct one_shape s = shape_of(&call->x, &call->y, call->stride_h,
                                  call->stride_w);
    dim3 block = block_for(s.n);
    dim3 grid = grid_for(c, s.rows, groups_for(s.n, block));

    if (!s.rows)
        return 0;
    return LAUNCH(kernel, grid, block, 0, (V *)call->y.data, s, call->w,
                  call->bias, call->accumulate, call->relu);
}

template <class V>
static int one_of(struct cuda *c, const struct conv_call *call, struct err *err)
{
    return (fits_words(&call->y) ? launch_one<V, true>
                                 : launch_one<V, false>)(c, call, err);
}

int cuda_conv_one(struct cuda *c, const struct conv_call *call, struct err *err)
{
    CUDA_IMAGE_CALL(c, call->y, one_of<V>(c, call, err));
}

/* ---- the gradient of the weights: sums of each block, then of all ---- */

enum { SUMS = 10 }; /* the taps, the bias */

/* part (gridDim.x, SUMS, n). */
template <class V, bool WHOLE>
__global__ void one_dw_kernel(float *part, const V *dy, struct one_shape s)
{
    SHARED2(float, of, BLOCK, CHANNELS);
    int n = (int)(blockIdx.y * blockDim.x + threadIdx.x) * CHANNELS;
    int some = s.n - n < CHANNELS ? s.n - n : (int)CHANNELS;
    int lanes = (int)blockDim.x, at = (int)threadIdx.x;
    float sum[SUMS][CHANNELS];

    UNROLL for (int t = 0; t < SUMS; t++)
        UNROLL for (int k = 0; k < CHANNELS; k++)
            sum[t][k] = 0;
    for (int64_t i = blockIdx.x; i < s.rows && some > 0; i += gridDim.x) {
        const float *row[3];

        rows_at(&s, i, row);
        for (int j = (int)threadIdx.y; j < s.y_w; j += (int)blockDim.y) {
            float x[9], v[CHANNELS];

            read_some<V, WHOLE>(v, dy + (i * s.y_w + j) * s.n + n, some);
            taps_at(&s, row, j, x);
            UNROLL for (int k = 0; k < CHANNELS; k++) {
                UNROLL for (int t = 0; t < 9; t++)
                    sum[t][k] += v[k] * x[t];
                sum[9][k] += v[k];
            }
        }
    }
    UNROLL for (int t = 0; t < SUMS; t++) {
        UNROLL for (int k = 0; k < CHANNELS; k++)
            of[at + (int)threadIdx.y * lanes][k] = sum[t][k];
        __syncthreads();
        for (int y = 1; y < (int)blockDim.y && !threadIdx.y; y++)
            UNROLL for (int k = 0; k < CHANNELS; k++)
                sum[t][k] += of[at + y * lanes][k];
        UNROLL for (int k = 0; k < CHANNELS; k++)
            if (!threadIdx.y && k < some)
                part[((int64_t)blockIdx.x * SUMS + t) * s.n + n + k] =
                    sum[t][k];
        __syncthreads();
    }
}

__global__ void one_dw_fold(float *dw, float *dbias, const float *part,
                            int parts, int n)
{
    FOR_EACH(i, SUMS * (int64_t)n) {
        int t = (int)(i / n), k = (int)(i - (int64_t)t * n);
        float v = 0;

        for (int j = 0; j < parts; j++)
            v += part[(int64_t)j * SUMS * n + i];
        if (t < 9)
            dw[(int64_t)k * 9 + t] += v;
        else if (dbias)
            dbias[k] += v;
    }
}

template <class V, bool WHOLE>
static int launch_one_dw(struct cuda *c, const struct conv_dw_call *call,
                         struct err *err)
{
    auto kernel = one_dw_kernel<V, WHOLE>;
    struct one_shape s = shape_of(&call->x, &call->dy, call->stride_h,
                                  call->stride_w);
    dim3 block = block_for(s.n);
    dim3 grid = grid_for(c, s.rows, groups_for(s.n, block));
    void *part;

    TRY(cuda_buf(c, CUDA_BUF_SUMS, (size_t)grid.x * SUMS * (size_t)s.n *
                 sizeof(float), &part, err));
    TRY(LAUNCH(kernel, grid, block, 0, (float *)part,
               (const V *)call->dy.data, s));
    return LAUNCH(one_dw_fold, cuda_grid(c, SUMS * (int64_t)s.n), BLOCK, 0,
                  call->dw, call->dbias, (const float *)part, (int)grid.x, s.n);
}

template <class V>
static int one_dw_of(struct cuda *c, const struct conv_dw_call *call,
                     struct err *err)
{
    return (fits_words(&call->dy) ? launch_one_dw<V, true>
                                  : launch_one_dw<V, false>)(c, call, err);
}

int cuda_conv_one_dw(struct cuda *c, const struct conv_dw_call *call,
                     struct err *err)
{
    CUDA_IMAGE_CALL(c, call->dy, one_dw_of<V>(c, call, err));
}
