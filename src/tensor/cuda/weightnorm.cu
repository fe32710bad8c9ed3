/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/common.cuh"

/* v (out, in, taps) has taps last, w and dw (out, taps, in) channels: tiles of
 * one output go through shared memory. Threads are (TILE, WARPS). */
enum { TILE = 32, WARPS = 8 };

struct geometry {
    int64_t out, in, taps, n;
    int64_t down, across; /* tiles of in, of taps */
};

static struct geometry measure(const struct tensor *v)
{
    struct geometry g = { v->dim[0], v->dim[1], v->dim[2], tensor_count(v), 0,
                          0 };

    assert(v->ndim == 3);
    g.down = (g.in + TILE - 1) / TILE;
    g.across = (g.taps + TILE - 1) / TILE;
    return g;
}

/* to[k][i] = dw[o, k0 + k, i0 + i]. */
template <class S>
static __device__ __forceinline__ void
stage(S &to, const float *dw, const struct geometry *g, int64_t o, int64_t k0,
      int64_t i0)
{
    int64_t i = i0 + threadIdx.x;

    UNROLL for (int j = 0; j < TILE; j += WARPS) {
        int k = j + (int)threadIdx.y;

        to[k][threadIdx.x] =
            i < g->in && k0 + k < g->taps
                ? dw[(o * g->taps + k0 + k) * g->in + i] : 0;
    }
}

/* Block (x, y): taps x * TILE.., the tiles of outputs and inputs y, y + step..;
 * part (step, taps) = sums of v * dw, or of v * v where dw is NULL. In double,
 * as the CPU. */
__global__ void tap_parts(double *part, const float *v, const float *dw,
                          struct geometry g)
{
    SHARED2(float, tile, TILE, TILE + 1);
    SHARED2(double, sum, WARPS, TILE);
    int lane = (int)threadIdx.x, warp = (int)threadIdx.y;
    int64_t k0 = (int64_t)blockIdx.x * TILE, k = k0 + lane;
    double s = 0;

    for (int64_t t = blockIdx.y; t < g.out * g.down; t += gridDim.y) {
        int64_t o = t / g.down, i0 = t % g.down * TILE;

        if (dw) {
            __syncthreads();
            stage(tile, dw, &g, o, k0, i0);
            __syncthreads();
        }
        UNROLL for (int j = 0; j < TILE; j += WARPS) {
            int i = j + warp, there = i0 + i < g.in && k < g.taps;
            float a = there ? v[(o * g.in + i0 + i) * g.taps + k] : 0;

            s += (double)a * (dw ? tile[lane][i] : a);
        }
    }
    sum[warp][lane] = s;
    __syncthreads();
    if (warp)
        return;
    for (int i = 1; i < WARPS; i++)
        s += sum[i][lane];
    if (k < g.taps)
        part[blockIdx.y * g.taps + k] = s;
}

static int sum_taps(struct cuda *c, double **part, int *parts, const float *v,
                    const float *dw, const struct geometry *g, struct err *err)
{
    static const int64_t most = 256;
    int64_t tiles = g->out * g->down;
    void *p;

    *parts = (int)(tiles < most ? tiles : most);
    TRY(cuda_buf(c, CUDA_BUF_SUMS, (size_t)(*parts * g->taps) * sizeof(double),
                 &p, err));
    *part = (double *)p;
    return LAUNCH(tap_parts, dim3((unsigned)g->across, (unsigned)*parts),
                  dim3(TILE, WARPS), 0, *part, v, dw, *g);
}

static __device__ __forceinline__ double
fold(const double *part, int parts, int64_t taps, int64_t k)
{
    double s = 0;

    for (int i = 0; i < parts; i++)
        s += part[i * taps + k];
    return s;
}

/* norm and the factor g / norm of each tap. */
__global__ void norm_factors(float *factor, float *norm, const float *g,
                             const double *part, int parts, int64_t taps)
{
    FOR_EACH(k, taps) {
        double l = sqrt(fold(part, parts, taps, k));

        norm[k] = (float)l;
        factor[k] = l > 0 ? (float)(g[k] / l) : 0;
    }
}

/* A block a tile: w[o, k, i] = factor[k] v[o, i, k]. */
__global__ void norm_apply(float *w, const float *v, const float *factor,
                           struct geometry g)
{
    SHARED2(float, tile, TILE, TILE + 1);
    int lane = (int)threadIdx.x;
    int64_t o = blockIdx.x / (g.down * g.across);
    int64_t i0 = blockIdx.x / g.across % g.down * TILE;
    int64_t k0 = blockIdx.x % g.across * TILE, k = k0 + lane;
    float f = k < g.taps ? factor[k] : 0;

    UNROLL for (int j = 0; j < TILE; j += WARPS) {
        int i = j + (int)threadIdx.y;

        if (i0 + i < g.in && k < g.taps)
            tile[i][lane] = f * v[(o * g.in + i0 + i) * g.taps + k];
    }
    __syncthreads();
    UNROLL for (int j = 0; j < TILE; j += WARPS) {
        int i = j + (int)threadIdx.y;

        if (k0 + i < g.taps && i0 + lane < g.in)
            w[(o * g.taps + k0 + i) * g.in + i0 + lane] = tile[lane][i];
    }
}

int cuda_weight_norm(struct backend *be, struct tensor *w, struct tensor *norm,
                     const struct tensor *v, const struct tensor *g,
                     struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct geometry m = measure(v);
    double *part;
    void *factor;
    int parts;

    assert(tensor_count(w) == m.n && tensor_count(norm) == m.taps);
    assert(tensor_count(g) == m.taps);
    if (!m.n)
        return 0;
    TRY(sum_taps(c, &part, &parts, v->data, NULL, &m, err));
    TRY(cuda_buf(c, CUDA_BUF_WORK, (size_t)m.taps * sizeof(float), &factor,
                 err));
    TRY(LAUNCH(norm_factors, cuda_grid(c, m.taps), BLOCK, 0, (float *)factor,
               norm->data, g->data, (const double *)part, parts, m.taps));
    return LAUNCH(norm_apply, (unsigned)(m.out * m.down * m.across),
                  dim3(TILE, WARPS), 0, w->data, v->data,
                  (const float *)factor, m);
}

/* ---- dg = v . dw / |v|; dv = g / |v| (dw - v (v . dw) / |v|^2) ---- */

/* dv += factor (dw, v): the two of each tap. */
__global__ void slope_factors(float2 *factor, float *dg, const float *g,
                              const float *norm, const double *part, int parts,
                              int64_t taps)
{
    FOR_EACH(k, taps) {
        double s = fold(part, parts, taps, k), l = norm[k];

        dg[k] += l > 0 ? (float)(s / l) : 0;
        factor[k] = l > 0 ? make_float2((float)(g[k] / l),
                                        (float)(-g[k] / l * s / (l * l)))
                          : make_float2(0, 0);
    }
}

__global__ void slope_apply(float *dv, const float *dw, const float *v,
                            const float2 *factor, struct geometry g)
{
    SHARED2(float, tile, TILE, TILE + 1);
    int lane = (int)threadIdx.x;
    int64_t o = blockIdx.x / (g.down * g.across);
    int64_t i0 = blockIdx.x / g.across % g.down * TILE;
    int64_t k0 = blockIdx.x % g.across * TILE, k = k0 + lane;
    float2 f = k < g.taps ? factor[k] : make_float2(0, 0);

    stage(tile, dw, &g, o, k0, i0);
    __syncthreads();
    UNROLL for (int j = 0; j < TILE; j += WARPS) {
        int i = j + (int)threadIdx.y;
        int64_t at = (o * g.in + i0 + i) * g.taps + k;

        if (i0 + i < g.in && k < g.taps)
            dv[at] += f.x * tile[lane][i] + f.y * v[at];
    }
}

int cuda_weight_norm_backward(struct backend *be, struct tensor *dv,
                              struct tensor *dg, const struct tensor *dw,
                              const struct tensor *v, const struct tensor *g,
                              const struct tensor *norm, struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct geometry m = measure(v);
    double *part;
    void *factor;
    int parts;

    assert(tensor_count(dw) == m.n && tensor_count(dv) == m.n);
    assert(tensor_count(dg) == m.taps && tensor_count(norm) == m.taps);
    if (!m.n)
        return 0;
    TRY(sum_taps(c, &part, &parts, v->data, dw->data, &m, err));
    TRY(cuda_buf(c, CUDA_BUF_WORK, (size_t)m.taps * sizeof(float2), &factor,
                 err));
    TRY(LAUNCH(slope_factors, cuda_grid(c, m.taps), BLOCK, 0, (float2 *)factor,
               dg->data, g->data, norm->data, (const double *)part, parts,
               m.taps));
    return LAUNCH(slope_apply, (unsigned)(m.out * m.down * m.across),
                  dim3(TILE, WARPS), 0, dv->data, dw->data, v->data,
                  (const float2 *)factor, m);
}
