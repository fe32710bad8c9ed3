/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/conv1d.cuh"

#include "tensor/cuda/fold.cuh"

/* Convolution of one channel of sound: a sum of ten products or so, so that
 * what counts is that y and dy go through memory once. A block takes CHANNELS
 * channels, of which each lane has EACH, LANES apart, and OUTPUTS outputs at a
 * time. Threads are (LANES, WARPS). */
enum {
    LANES = 32, WARPS = 8, EACH = 4, CHANNELS = LANES * EACH,
    ROWS = 8, /* outputs of a warp */
    OUTPUTS = WARPS * ROWS, TAPS = 16,
    ROUNDS = 4 /* times OUTPUTS of a block, for which w is read once */
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* ---- forward ---- */

/* The weights of taps k0 .. k0 + n - 1 and channels c0... */
template <class S>
static __device__ __forceinline__ void
stage_taps(S &tap, const float *w, const struct conv1d *g, int64_t c0,
           int64_t k0, int n)
{
    for (int o = (int)threadIdx.y; o < CHANNELS; o += WARPS)
        if ((int)threadIdx.x < n)
            tap[threadIdx.x][o] = c0 + o < g->out
                ? w[(c0 + o) * g->taps + k0 + threadIdx.x] : 0;
}

/* Samples by tap and output t0.. of the window x. */
template <class S>
static __device__ __forceinline__ void
stage_wave(S &wave, const float *x, const struct conv1d *g, int64_t t0,
           int64_t k0, int n)
{
    int thread = (int)(threadIdx.y * LANES + threadIdx.x);
    int64_t t = t0 + thread % OUTPUTS;

    for (int k = thread / OUTPUTS; k < n; k += LANES * WARPS / OUTPUTS)
        wave[k][thread % OUTPUTS] =
            t < g->out_time ? x[t * g->stride + k0 + k] : 0;
}

template <class S, class X>
static __device__ __forceinline__ void
add_taps(float sum[ROWS][EACH], S &tap, X &wave, int n)
{
    int lane = (int)threadIdx.x, row = (int)threadIdx.y * ROWS;

    for (int k = 0; k < n; k++) {
        float v[EACH];

        UNROLL for (int j = 0; j < EACH; j++)
            v[j] = tap[k][lane + j * LANES];
        UNROLL for (int i = 0; i < ROWS; i++) {
            float s = wave[k][row + i];

            UNROLL for (int j = 0; j < EACH; j++)
                sum[i][j] += s * v[j];
        }
    }
}

/* groups: of CHANNELS channels; tiles: of OUTPUTS * ROUNDS outputs in a
 * window. */
__global__ void __launch_bounds__(LANES * WARPS)
wave_forward(float *y, const float *x, const float *w, struct conv1d g,
             int64_t groups, int64_t tiles)
{
    SHARED2(float, tap, TAPS, CHANNELS + 1);
    SHARED2(float, wave, TAPS, OUTPUTS);
    int64_t c0 = blockIdx.x % groups * CHANNELS, tile = blockIdx.x / groups;
    int64_t b = tile / tiles, from = tile % tiles * OUTPUTS * ROUNDS;

    for (int round = 0; round < ROUNDS; round++) {
        int64_t t0 = from + round * OUTPUTS;
        float sum[ROWS][EACH] = {};

        for (int64_t k0 = 0; k0 < g.taps; k0 += TAPS) {
            int n = (int)(g.taps - k0 < TAPS ? g.taps - k0 : +TAPS);

            if (round == 0 || g.taps > TAPS)
                stage_taps(tap, w, &g, c0, k0, n);
            stage_wave(wave, x + b * g.time, &g, t0, k0, n);
            __syncthreads();
            add_taps(sum, tap, wave, n);
            __syncthreads();
        }
        UNROLL for (int i = 0; i < ROWS; i++)
            UNROLL for (int j = 0; j < EACH; j++) {
                int64_t t = t0 + threadIdx.y * ROWS + i;
                int64_t col = c0 + threadIdx.x + j * LANES;

                if (t < g.out_time && col < g.out)
                    y[(b * g.out_time + t) * g.out + col] = sum[i][j];
            }
    }
}

int conv1d_wave(struct cuda *c, float *y, const float *x, const float *w,
                const struct conv1d *g, struct err *err)
{
    int64_t groups = ceil_div(g->out, CHANNELS);
    int64_t tiles = ceil_div(g->out_time, OUTPUTS * ROUNDS);

    return LAUNCH(wave_forward, (unsigned)(g->batch * tiles * groups),
                  dim3(LANES, WARPS), 0, y, x, w, *g, groups, tiles);
}

/* ---- dw: the sums of some outputs by each block, then over the blocks ---- */

/* sum += the outputs t0 + the warp's of one window. */
template <class S>
static __device__ __forceinline__ void
add_outputs(float sum[TAPS][EACH], S &wave, const float *dy,
            const struct conv1d *g, int64_t c0, int64_t t0)
{
    int row = (int)threadIdx.y * ROWS;

    for (int i = 0; i < ROWS; i++) {
        int64_t t = t0 + row + i;
        float d[EACH];

        UNROLL for (int j = 0; j < EACH; j++) {
            int64_t col = c0 + threadIdx.x + j * LANES;

            d[j] = t < g->out_time && col < g->out ? dy[t * g->out + col] : 0;
        }
        UNROLL for (int k = 0; k < TAPS; k++) {
            float s = wave[row + i][k];

            UNROLL for (int j = 0; j < EACH; j++)
                sum[k][j] += s * d[j];
        }
    }
}

/* Block (x, y, z): channels, tiles of OUTPUTS y, y + step.., taps. part (step,
 * out, taps). */
__global__ void __launch_bounds__(LANES * WARPS)
wave_dw(float *part, const float *dy, const float *x, struct conv1d g,
        int64_t tiles)
{
    SHARED2(float, wave, OUTPUTS, TAPS);
    SHARED2(float, fold, WARPS, CHANNELS);
    int64_t c0 = (int64_t)blockIdx.x * CHANNELS;
    int64_t k0 = (int64_t)blockIdx.z * TAPS;
    int lane = (int)threadIdx.x, warp = (int)threadIdx.y;
    int thread = warp * LANES + lane;
    float sum[TAPS][EACH] = {};

    for (int64_t i = blockIdx.y; i < g.batch * tiles; i += gridDim.y) {
        int64_t b = i / tiles, t0 = i % tiles * OUTPUTS;

        __syncthreads();
        for (int r = thread / TAPS; r < OUTPUTS; r += LANES * WARPS / TAPS) {
            int64_t k = k0 + thread % TAPS;

            wave[r][thread % TAPS] =
                t0 + r < g.out_time && k < g.taps
                    ? x[b * g.time + (t0 + r) * g.stride + k] : 0;
        }
        __syncthreads();
        add_outputs(sum, wave, dy + b * g.out_time * g.out, &g, c0, t0);
    }
    UNROLL for (int k = 0; k < TAPS; k++) {
        __syncthreads();
        UNROLL for (int j = 0; j < EACH; j++)
            fold[warp][lane + j * LANES] = sum[k][j];
        __syncthreads();
        if (thread < CHANNELS && c0 + thread < g.out && k0 + k < g.taps) {
            float v = 0;

            for (int i = 0; i < WARPS; i++)
                v += fold[i][thread];
            part[(blockIdx.y * g.out + c0 + thread) * g.taps + k0 + k] = v;
        }
    }
}

int conv1d_wave_dw(struct cuda *c, float *dw, const float *dy, const float *x,
                   const struct conv1d *g, struct err *err)
{
    static const int64_t most = 512;
    int64_t tiles = ceil_div(g->out_time, OUTPUTS), n = g->out * g->taps;
    int64_t parts = g->batch * tiles < most ? g->batch * tiles : most;
    void *part;

    TRY(cuda_buf(c, CUDA_BUF_SUMS, (size_t)(parts * n) * sizeof(float), &part,
                 err));
    TRY(LAUNCH(wave_dw,
               dim3((unsigned)ceil_div(g->out, CHANNELS), (unsigned)parts,
                    (unsigned)ceil_div(g->taps, TAPS)),
               dim3(LANES, WARPS), 0, (float *)part, dy, x, *g, tiles));
    return cuda_fold(c, dw, (const float *)part, parts, n, err);
}
