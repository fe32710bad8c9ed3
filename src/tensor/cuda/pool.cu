/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/common.cuh"

/* A warp computes VALUES channels of one row for each of its lanes, LANES
 * apart: finding what the row averages takes long divisions. */
enum { LANES = 32, WARPS = 8, VALUES = 4, WIDTH = LANES * VALUES };

/* The first and one past the last of n inputs that output i of m averages; with
 * n and m exchanged, the outputs that see input i. */
static __device__ __forceinline__ int64_t
begin_of(int64_t i, int64_t n, int64_t m)
{
    return i * n / m;
}

static __device__ __forceinline__ int64_t
end_of(int64_t i, int64_t n, int64_t m)
{
    return ((i + 1) * n + m - 1) / m;
}

/* sum[j] += scale * row[j * LANES], of left channels. */
static __device__ __forceinline__ void
add_row(float sum[VALUES], const float *row, float scale, int64_t left)
{
    UNROLL for (int j = 0; j < VALUES; j++)
        if (j * LANES < left)
            sum[j] += scale * row[j * LANES];
}

struct geometry {
    int64_t batch, n, m, c, groups; /* groups: of WIDTH channels */
};

/* share (1 or WARPS) warps have one output, and each the share-th part of its
 * inputs. */
__global__ void __launch_bounds__(LANES * WARPS)
pool_rows(float *y, const float *x, struct geometry g, int share)
{
    SHARED2(float, part, WARPS, WIDTH);
    int lane = (int)threadIdx.x, warp = (int)threadIdx.y;
    int64_t unit = (int64_t)blockIdx.x * (WARPS / share) + warp / share;
    int64_t row = unit / g.groups, c = unit % g.groups * WIDTH + lane;
    int there = row < g.batch * g.m;
    int64_t i = row % g.m, from = begin_of(i, g.n, g.m);
    int64_t to = end_of(i, g.n, g.m);
    const float *in = x + row / g.m * g.n * g.c + c;
    float sum[VALUES] = {}, scale = 1.0f / (float)(to - from);

    for (int64_t t = from + warp % share; t < to && there; t += share)
        add_row(sum, in + t * g.c, 1, g.c - c);
    if (share > 1) {
        for (int j = 0; j < VALUES; j++)
            part[warp][j * LANES + lane] = sum[j];
        __syncthreads();
        for (int k = 1; k < WARPS && warp == 0; k++)
            for (int j = 0; j < VALUES; j++)
                sum[j] += part[k][j * LANES + lane];
    }
    for (int j = 0; j < VALUES; j++)
        if (there && warp % share == 0 && c + j * LANES < g.c)
            y[row * g.c + c + j * LANES] = scale * sum[j];
}

/* dx[t] += the shares of the outputs that t is in. */
__global__ void __launch_bounds__(LANES * WARPS)
pool_slopes(float *dx, const float *dy, struct geometry g)
{
    int64_t unit = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    int64_t row = unit / g.groups, c = unit % g.groups * WIDTH + threadIdx.x;
    int64_t t = row % g.n, to = end_of(t, g.m, g.n);
    const float *in = dy + row / g.n * g.m * g.c + c;
    float sum[VALUES] = {};

    if (row >= g.batch * g.n)
        return;
    for (int64_t i = begin_of(t, g.m, g.n); i < to; i++) {
        int64_t seen = end_of(i, g.n, g.m) - begin_of(i, g.n, g.m);

        add_row(sum, in + i * g.c, 1.0f / (float)seen, g.c - c);
    }
    for (int j = 0; j < VALUES; j++)
        if (c + j * LANES < g.c)
            dx[row * g.c + c + j * LANES] += sum[j];
}

static struct geometry measure(const struct tensor *in,
                               const struct tensor *out)
{
    struct geometry g = { in->dim[0], in->dim[1], out->dim[1], in->dim[2], 0 };

    assert(in->ndim == 3 && out->ndim == 3);
    assert(out->dim[0] == g.batch && out->dim[2] == g.c);
    g.groups = (g.c + WIDTH - 1) / WIDTH;
    return g;
}

int cuda_pool(struct backend *be, struct tensor *y, const struct tensor *x,
              struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct geometry g = measure(x, y);
    int64_t units = g.batch * g.m * g.groups;
    int share = g.n > 8 * g.m ? WARPS : 1;

    assert(g.n > 0);
    if (!units)
        return 0;
    return LAUNCH(pool_rows, (unsigned)((units * share + WARPS - 1) / WARPS),
                  dim3(LANES, WARPS), 0, y->data, x->data, g, share);
}

int cuda_pool_backward(struct backend *be, struct tensor *dx,
                       const struct tensor *dy, struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct geometry g = measure(dx, dy);
    int64_t units = g.batch * g.n * g.groups;

    if (!units)
        return 0;
    return LAUNCH(pool_slopes, (unsigned)((units + WARPS - 1) / WARPS),
                  dim3(LANES, WARPS), 0, dx->data, dy->data, g);
}
