/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/common.cuh"
#include "tensor/cuda/fold.cuh"

/* A block takes CHANNELS channels and FRAMES frames of one window, and as many
 * taps at a time as TAPS: what they need of x is in shared memory. Threads are
 * (CHANNELS, WARPS). */
enum {
    CHANNELS = 32, WARPS = 8, FRAMES = 128, TAPS = 32,
    SPAN = FRAMES + TAPS - 1,
    EACH = FRAMES / WARPS /* outputs of a thread */
};

struct geometry {
    int64_t batch, time, c, taps;
    int64_t tiles, groups; /* of FRAMES in a window; of CHANNELS */
};

static struct geometry measure(const struct tensor *x, const struct tensor *w)
{
    struct geometry g = { x->dim[0], x->dim[1], x->dim[2], w->dim[0], 0, 0 };

    assert(x->ndim == 3 && w->dim[1] == g.c && g.taps % 2 == 1);
    g.tiles = (g.time + FRAMES - 1) / FRAMES;
    g.groups = (g.c + CHANNELS - 1) / CHANNELS;
    return g;
}

/* The rows from .. from + n - 1 of one window's channel, 0 where there are
 * none. x is that of the window, the thread's channel is col. */
template <class S, class V>
static __device__ __forceinline__ void
stage(S &to, const V *x, int64_t from, int n, int64_t time, int64_t c,
      int64_t col)
{
    UNROLL for (int i = (int)threadIdx.y; i < n; i += WARPS) {
        int64_t t = from + i;

        to[i][threadIdx.x] = t >= 0 && t < time && col < c
                                 ? to_float(x[t * c + col]) : 0;
    }
}

/* sum[j] += the taps of frame j; x, w: columns in shared memory. Each value of
 * x is read once and then moves through the registers. */
template <class S, class W>
static __device__ __forceinline__ void
add_taps(float sum[EACH], S &x, W &w, int first, int taps)
{
    int lane = (int)threadIdx.x;
    float at[EACH];

    UNROLL for (int j = 0; j < EACH - 1; j++)
        at[j] = x[first + j][lane];
    for (int k = 0; k < taps; k += EACH) {
        UNROLL for (int u = 0; u < EACH; u++) {
            float v;

            if (k + u >= taps)
                break;
            v = w[k + u][lane];
            at[(u + EACH - 1) % EACH] = x[first + k + u + EACH - 1][lane];
            UNROLL for (int j = 0; j < EACH; j++)
                sum[j] += v * at[(u + j) % EACH];
        }
    }
}

/* y[t] = sum_k w[k] x[t + k - taps / 2] + bias, and its swish. back: taps in
 * reverse, which makes dx of dy. bias may be NULL. */
template <class V>
__global__ void __launch_bounds__(CHANNELS * WARPS, 4)
depthwise_tile(V *y, const V *x, const float *w, const float *bias,
               struct geometry g, int back, int swish)
{
    SHARED2(float, rows, SPAN, CHANNELS);
    SHARED2(float, tap, TAPS, CHANNELS);
    int64_t group = blockIdx.x % g.groups, tile = blockIdx.x / g.groups;
    int64_t window = tile / g.tiles * g.time, t0 = tile % g.tiles * FRAMES;
    int64_t col = group * CHANNELS + threadIdx.x;
    int mine = (int)threadIdx.y * EACH;
    float sum[EACH], start = bias && col < g.c ? bias[col] : 0;

    UNROLL for (int j = 0; j < EACH; j++)
        sum[j] = start;
    for (int64_t k = 0; k < g.taps; k += TAPS) {
        int n = (int)(g.taps - k < TAPS ? g.taps - k : +TAPS);

        stage(rows, x + window * g.c, t0 + k - g.taps / 2, FRAMES + n - 1,
              g.time, g.c, col);
        for (int i = (int)threadIdx.y; i < n; i += WARPS) {
            int64_t from = back ? g.taps - 1 - k - i : k + i;

            tap[i][threadIdx.x] = col < g.c ? w[from * g.c + col] : 0;
        }
        __syncthreads();
        add_taps(sum, rows, tap, mine, n);
        __syncthreads();
    }
    UNROLL for (int j = 0; j < EACH; j++)
        if (col < g.c && t0 + mine + j < g.time)
            y[(window + t0 + mine + j) * g.c + col] = from_float<V>(
                swish ? sum[j] * sigmoid_for<V>(sum[j]) : sum[j]);
}

template <class V>
static int run_tiles(struct cuda *c, const struct geometry *g, V *y,
                     const V *x, const float *w, const float *bias,
                     int back, int swish, struct err *err)
{
    int64_t blocks = g->batch * g->tiles * g->groups;

    if (!blocks)
        return 0;
    return LAUNCH(depthwise_tile<V>, (unsigned)blocks, dim3(CHANNELS, WARPS),
                  0, y, x, w, bias, *g, back, swish);
}

int cuda_depthwise(struct backend *be, struct tensor *y, const struct tensor *x,
                   const struct tensor *w, const struct tensor *bias,
                   enum act act, struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct geometry g = measure(x, w);

    assert(tensor_count(y) == tensor_count(x) && y->data != x->data);
    assert(tensor_count(bias) == g.c && x->narrow == y->narrow);
    assert(act == ACT_NONE || act == ACT_SWISH);
    CUDA_VALUES_CALL(c, x, run_tiles(c, &g, (V *)y->data, (const V *)x->data,
                                     w->data, bias->data, 0, act == ACT_SWISH,
                                     err));
}

/* ---- dw: the sums of some tiles by each block, then over the blocks ---- */

enum { HALF = TAPS / 2, QUARTERS = WARPS / 2, STEPS = FRAMES / QUARTERS };

/* sum[j] += dy[t] x[t + first tap + j] over STEPS frames; the window of x moves
 * through the registers as above. */
template <class D, class S>
static __device__ __forceinline__ void
add_frames(float sum[HALF], D &dy, S &x, int frame, int tap)
{
    int lane = (int)threadIdx.x;
    float at[HALF], tile[HALF] = {};

    UNROLL for (int j = 0; j < HALF - 1; j++)
        at[j] = x[frame + tap + j][lane];
    for (int t = 0; t < STEPS; t += HALF) {
        UNROLL for (int u = 0; u < HALF; u++) {
            int i = frame + t + u;
            float d = dy[i][lane];

            at[(u + HALF - 1) % HALF] = x[i + tap + HALF - 1][lane];
            UNROLL for (int j = 0; j < HALF; j++)
                tile[j] += d * at[(u + j) % HALF];
        }
    }
    UNROLL for (int j = 0; j < HALF; j++)
        sum[j] += tile[j];
}

/* Block (x, y, z): CHANNELS channels, tiles y, y + step.., TAPS taps. A warp
 * has half of the taps and a quarter of the frames. part (step, taps, C). */
__global__ void __launch_bounds__(CHANNELS * WARPS)
depthwise_dw(float *part, const float *dy, const float *x, struct geometry g)
{
    SHARED2(float, rows, SPAN, CHANNELS);
    SHARED2(float, grad, FRAMES, CHANNELS);
    int64_t col = (int64_t)blockIdx.x * CHANNELS + threadIdx.x;
    int64_t first = (int64_t)blockIdx.z * TAPS;
    int quarter = (int)threadIdx.y / 2, tap = (int)threadIdx.y % 2 * HALF;
    float sum[HALF] = {};

    for (int64_t i = blockIdx.y; i < g.batch * g.tiles; i += gridDim.y) {
        int64_t window = i / g.tiles * g.time, t0 = i % g.tiles * FRAMES;

        __syncthreads();
        stage(grad, dy + window * g.c, t0, FRAMES, g.time, g.c, col);
        stage(rows, x + window * g.c, t0 + first - g.taps / 2, SPAN, g.time,
              g.c, col);
        __syncthreads();
        add_frames(sum, grad, rows, quarter * STEPS, tap);
    }
    __syncthreads();
    UNROLL for (int j = 0; j < HALF; j++)
        rows[quarter * TAPS + tap + j][threadIdx.x] = sum[j];
    __syncthreads();
    for (int k = (int)threadIdx.y; k < TAPS && first + k < g.taps; k += WARPS) {
        float v = 0;

        for (int q = 0; q < QUARTERS; q++)
            v += rows[q * TAPS + k][threadIdx.x];
        if (col < g.c)
            part[(blockIdx.y * g.taps + first + k) * g.c + col] = v;
    }
}

int cuda_depthwise_backward(struct backend *be, struct tensor *dx,
                            struct tensor *dw, const struct tensor *dy,
                            const struct tensor *x, const struct tensor *w,
                            struct err *err)
{
    static const int64_t most = 64;
    struct cuda *c = cuda_of(be);
    struct geometry g = measure(x, w);
    int64_t tiles = g.batch * g.tiles, n = g.taps * g.c;
    unsigned parts = (unsigned)(tiles < most ? tiles : most);
    void *part;

    assert(tensor_count(dx) == tensor_count(x) && dx->data != dy->data);
    assert(tensor_count(dy) == tensor_count(x) && tensor_count(dw) == n);
    if (!tiles || !n)
        return 0;
    TRY(cuda_buf(c, CUDA_BUF_SUMS, (size_t)(parts * n) * sizeof(float), &part,
                 err));
    TRY(LAUNCH(depthwise_dw,
               dim3((unsigned)g.groups, parts,
                    (unsigned)((g.taps + TAPS - 1) / TAPS)),
               dim3(CHANNELS, WARPS), 0, (float *)part, dy->data, x->data, g));
    TRY(cuda_fold(c, dw->data, (const float *)part, parts, n, err));
    return run_tiles(c, &g, dx->data, dy->data, w->data, NULL, 1, 0, err);
}
