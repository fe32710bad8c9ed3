/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/conv1d_grouped.cuh"

#include "tensor/cuda/mma.cuh"
#include "tensor/cuda/pack.cuh"

/* Grouped convolution on the tensor cores, for many taps: the windows of
 * neighbouring outputs overlap, and rows in shared memory serve all taps that
 * see them. Operands are copied first: channels of a group together, with
 * zeros up to a multiple of DEPTH inputs or WIDTH outputs. A warp multiplies
 * matrices of WIDTH rows and columns. */
enum {
    LANES = 32, DEPTH = 16, WIDTH = 64,
    PACK = 8,             /* values in 16 bytes */
    PITCH = WIDTH + PACK, /* values from one row in shared memory to the next:
                             8 rows lie in different banks */
    TILE = 32, ROWS = 8,  /* of weights that are copied */
    /* outputs: */
    WARPS = 4, FRAMES = WARPS * WIDTH, TAPS = 64, SPAN = FRAMES + TAPS - 1,
    /* dw: */
    NEAR = 8, STEP = 64, SEEN = STEP + NEAR - 1
};

static int64_t up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* ---- operands ---- */

/* to (B, groups, time, wide) of x (B, time, groups * n); a thread 8 values. */
template <class T>
__global__ void grouped_rows(T *to, const float *x, struct grouped g, int64_t n,
                             int64_t wide, int64_t packs)
{
    FOR_EACH(i, packs) {
        int64_t each = wide / PACK, at = i % each * PACK, r = i / each;
        int64_t k = r % g.groups, row = r / g.groups;
        int64_t b = row / g.time, t = row % g.time;
        const float *from = x + r * n + at;
        pack<T, PACK> p;

        UNROLL for (int j = 0; j < PACK; j++)
            p.v[j] = from_float<T>(at + j < n ? from[j] : 0);
        pack_put(to + ((b * g.groups + k) * g.time + t) * wide + at, p);
    }
}

/* A block copies TILE x TILE weights of one group and tap: to (groups, taps,
 * outs, ins) of w (groups * out, taps, in). back: for dx, taps in reverse, to
 * (groups, taps, ins, outs). */
template <class T>
__global__ void grouped_weights(T *to, const float *w, struct grouped g,
                                int64_t outs, int64_t ins, int back)
{
    SHARED2(float, tile, TILE, TILE + 1);
    int64_t across = (ins + TILE - 1) / TILE, down = (outs + TILE - 1) / TILE;
    int64_t i0 = blockIdx.x % across * TILE;
    int64_t o0 = blockIdx.x / across % down * TILE;
    int64_t page = blockIdx.x / (across * down), group = page / g.taps;
    int64_t k = page % g.taps, from = back ? g.taps - 1 - k : k;
    int lane = (int)threadIdx.x;

    for (int r = (int)threadIdx.y; r < TILE; r += ROWS) {
        int64_t o = o0 + r, i = i0 + lane;

        tile[r][lane] = o < g.out && i < g.in
            ? w[((group * g.out + o) * g.taps + from) * g.in + i] : 0;
    }
    __syncthreads();
    to += page * outs * ins;
    for (int r = (int)threadIdx.y; r < TILE; r += ROWS) {
        int64_t o = o0 + (back ? lane : r), i = i0 + (back ? r : lane);

        if (o < outs && i < ins)
            to[back ? i * outs + o : o * ins + i] =
                from_float<T>(back ? tile[lane][r] : tile[r][lane]);
    }
}

template <class T>
static int copy_rows(struct cuda *c, int which, const float *x,
                     const struct grouped *g, int64_t n, const T **out,
                     struct err *err)
{
    auto kernel = grouped_rows<T>;
    int64_t wide = up(n, DEPTH), all = g->batch * g->time * g->groups * wide;
    void *p;

    TRY(cuda_buf(c, which, (size_t)all * sizeof(T), &p, err));
    *out = (const T *)p;
    return LAUNCH(kernel, cuda_grid(c, all / PACK), BLOCK, 0, (T *)p, x, *g, n,
                  wide, all / PACK);
}

template <class T>
static int copy_weights(struct cuda *c, const float *w, const struct grouped *g,
                        int back, const T **out, struct err *err)
{
    auto kernel = grouped_weights<T>;
    int64_t outs = up(g->out, back ? DEPTH : WIDTH);
    int64_t ins = up(g->in, back ? WIDTH : DEPTH);
    int64_t tiles = up(outs, TILE) / TILE * (up(ins, TILE) / TILE);
    void *p;

    TRY(cuda_buf(c, CUDA_BUF_WORK, (size_t)(g->groups * g->taps * outs * ins) *
                 sizeof(T), &p, err));
    *out = (const T *)p;
    return LAUNCH(kernel, (unsigned)(g->groups * g->taps * tiles),
                  dim3(TILE, ROWS), 0, (T *)p, w, *g, outs, ins, back);
}

/* ---- in a warp ---- */

/* 64 x 64 sums: [i][j] are the 16 x 8 at row 16 i, column 8 j (mma.cuh). */
typedef float sums[4][8][4];

/* d += a b^T over n columns (a multiple of 16) of both; rows of PITCH. */
template <class T>
static __device__ __forceinline__ void multiply_rows(sums d, const T *a,
                                                     const T *b, int n)
{
    int lane = (int)(threadIdx.x % LANES);
    const T *pa = a + lane % 16 * PITCH + lane / 16 * 8;
    const T *pb = b + (lane / 16 * 8 + lane % 8) * PITCH + lane / 8 % 2 * 8;

    for (int k = 0; k < n; k += DEPTH) {
        uint32_t fa[4][4], fb[4];

        UNROLL for (int i = 0; i < 4; i++)
            ldmatrix_x4(fa[i], pa + i * 16 * PITCH + k);
        UNROLL for (int j = 0; j < 4; j++) {
            ldmatrix_x4(fb, pb + j * 16 * PITCH + k);
            UNROLL for (int i = 0; i < 4; i++) {
                mma_16x8x16<T>(d[i][2 * j], fa[i], fb);
                mma_16x8x16<T>(d[i][2 * j + 1], fa[i], fb + 2);
            }
        }
    }
}

/* d += a^T b over n rows (a multiple of 16) of both; rows of PITCH. */
template <class T>
static __device__ __forceinline__ void multiply_columns(sums d, const T *a,
                                                        const T *b, int n)
{
    int lane = (int)(threadIdx.x % LANES);
    const T *pa = a + (lane / 16 * 8 + lane % 8) * PITCH + lane / 8 % 2 * 8;
    const T *pb = b + lane % 16 * PITCH + lane / 16 * 8;

    for (int k = 0; k < n; k += DEPTH) {
        uint32_t fa[4][4], fb[4];

        UNROLL for (int i = 0; i < 4; i++)
            ldmatrix_x4_trans(fa[i], pa + k * PITCH + i * 16);
        UNROLL for (int j = 0; j < 4; j++) {
            ldmatrix_x4_trans(fb, pb + k * PITCH + j * 16);
            UNROLL for (int i = 0; i < 4; i++) {
                mma_16x8x16<T>(d[i][2 * j], fa[i], fb);
                mma_16x8x16<T>(d[i][2 * j + 1], fa[i], fb + 2);
            }
        }
    }
}

/* Where value v of d[i][j] stands. */
static __device__ __forceinline__ int row_of(int i, int v)
{
    return 16 * i + v / 2 * 8 + (int)(threadIdx.x % LANES) / 4;
}

static __device__ __forceinline__ int col_of(int j, int v)
{
    return 8 * j + (int)(threadIdx.x % LANES) % 4 * 2 + v % 2;
}

/* to = n columns (a multiple of 8) of rows from .. from + rows - 1 of x, that
 * are stride apart; zeros for those outside 0 .. time - 1. */
template <class T>
static __device__ __forceinline__ void stage(T *to, const T *x, int64_t stride,
                                             int64_t from, int rows, int n,
                                             int64_t time)
{
    int at = (int)threadIdx.x % (WIDTH / PACK) * PACK;

    for (int r = (int)threadIdx.x / (WIDTH / PACK); r < rows;
         r += (int)blockDim.x / (WIDTH / PACK)) {
        int64_t t = from + r;

        if (at < n)
            copy16(to + r * PITCH + at, x + t * stride + at,
                   t >= 0 && t < time);
    }
}

/* ---- outputs: a block takes FRAMES outputs of WIDTH channels. The rows of x
 * stay for TAPS taps, the weights come tap by tap, one ahead. ---- */

/* Channels as they lie: ins and outs in the copies. */
struct shape {
    struct grouped g;
    int64_t ins, outs;
    int64_t tiles; /* of outputs in a window */
};

template <class T>
__global__ void __launch_bounds__(LANES * WARPS, 3)
grouped_outputs(float *y, const T *x, const T *w, const float *bias,
                struct shape s)
{
    SHARED_DYNAMIC(T, rows);
    T *weights = rows + SPAN * PITCH; /* two of (WIDTH, PITCH) */
    const struct grouped &g = s.g;
    int64_t tile = blockIdx.x % s.tiles, b = blockIdx.x / s.tiles % g.batch;
    int64_t rest = blockIdx.x / s.tiles / g.batch, group = rest % g.groups;
    int64_t o0 = rest / g.groups * WIDTH, t0 = tile * FRAMES;
    int warp = (int)threadIdx.x / LANES;
    const T *xs = x + (b * g.groups + group) * g.time * s.ins;
    const T *ws = w + (group * g.taps * s.outs + o0) * s.ins;
    sums d = {};

    for (int64_t i0 = 0; i0 < s.ins; i0 += WIDTH)
        for (int64_t k0 = 0; k0 < g.taps; k0 += TAPS) {
            int n = (int)(g.taps - k0 < TAPS ? g.taps - k0 : +TAPS);
            int wide = (int)(s.ins - i0 < WIDTH ? s.ins - i0 : +WIDTH);
            const T *tap = ws + k0 * s.outs * s.ins + i0;

            stage(rows, xs + i0, s.ins, t0 + k0 - g.before, FRAMES + n - 1,
                  wide, g.time);
            stage(weights, tap, s.ins, 0, WIDTH, wide, WIDTH);
            copy_commit();
            for (int k = 0; k < n; k++) {
                if (k + 1 < n)
                    stage(weights + (k + 1) % 2 * WIDTH * PITCH,
                          tap + (k + 1) * s.outs * s.ins, s.ins, 0, WIDTH,
                          wide, WIDTH);
                copy_commit();
                copy_wait<1>();
                __syncthreads();
                multiply_rows(d, rows + (warp * WIDTH + k) * PITCH,
                              weights + k % 2 * WIDTH * PITCH, wide);
                __syncthreads();
            }
        }
    UNROLL for (int i = 0; i < 4; i++)
        UNROLL for (int j = 0; j < 8; j++)
            UNROLL for (int v = 0; v < 4; v++) {
                int64_t t = t0 + warp * WIDTH + row_of(i, v);
                int64_t o = o0 + col_of(j, v), col = group * g.out + o;

                if (t < g.time && o < g.out)
                    y[(b * g.time + t) * g.groups * g.out + col] =
                        d[i][j][v] + (bias ? bias[col] : 0);
            }
}

/* x, w: copies. */
template <class T>
static int run_outputs(struct cuda *c, float *y, const T *x, const T *w,
                       const float *bias, const struct grouped *g,
                       struct err *err)
{
    auto kernel = grouped_outputs<T>;
    size_t shared = (SPAN + 2 * WIDTH) * PITCH * sizeof(T);
    struct shape s = { *g, up(g->in, DEPTH), up(g->out, WIDTH),
                       up(g->time, FRAMES) / FRAMES };
    int64_t blocks = s.tiles * g->batch * g->groups * (s.outs / WIDTH);

    TRY(cuda_allow_shared(kernel, shared, err));
    return LAUNCH(kernel, (unsigned)blocks, LANES * WARPS, shared, y, x, w,
                  bias, s);
}

/* ---- dw: a block takes WIDTH outputs and inputs of one group, each of its
 * warps one tap, and goes through all windows, STEP frames at a time ---- */

struct slope {
    const void *dy, *x; /* of this block's channels */
    int64_t k0;
    int n_dy, n_x;      /* channels, at most WIDTH */
};

/* Step i, of all windows' tiles, into shared memory. */
template <class T>
static __device__ __forceinline__ void
stage_step(T *to, const struct slope *p, const struct shape *s, int64_t i)
{
    int64_t b = i / s->tiles, t0 = i % s->tiles * STEP;
    int64_t window = b * s->g.groups * s->g.time;

    stage(to, (const T *)p->dy + window * s->outs, s->outs, t0, STEP, p->n_dy,
          s->g.time);
    stage(to + STEP * PITCH, (const T *)p->x + window * s->ins, s->ins,
          t0 + p->k0 - s->g.before, SEEN, p->n_x, s->g.time);
    copy_commit();
}

/* Columns beyond n_dy and n_x are never written and make sums that nobody
 * reads. */
template <class T>
__global__ void __launch_bounds__(LANES * NEAR)
grouped_dw(float *dw, const T *dy, const T *x, struct shape s)
{
    static const int size = (STEP + SEEN) * PITCH;
    SHARED_DYNAMIC(T, pages); /* two */
    const struct grouped &g = s.g;
    int64_t chunks = (s.ins + WIDTH - 1) / WIDTH, group = blockIdx.y;
    int64_t i0 = blockIdx.z % chunks * WIDTH, o0 = blockIdx.z / chunks * WIDTH;
    int64_t steps = g.batch * s.tiles, k0 = (int64_t)blockIdx.x * NEAR;
    int warp = (int)threadIdx.x / LANES;
    struct slope p = { dy + group * g.time * s.outs + o0,
                       x + group * g.time * s.ins + i0, k0,
                       (int)(s.outs - o0 < WIDTH ? s.outs - o0 : +WIDTH),
                       (int)(s.ins - i0 < WIDTH ? s.ins - i0 : +WIDTH) };
    sums d = {};

    stage_step(pages, &p, &s, 0);
    for (int64_t i = 0; i < steps; i++) {
        const T *page = pages + i % 2 * size;

        if (i + 1 < steps)
            stage_step(pages + (i + 1) % 2 * size, &p, &s, i + 1);
        else
            copy_commit();
        copy_wait<1>();
        __syncthreads();
        multiply_columns(d, page, page + (STEP + warp) * PITCH, STEP);
        __syncthreads();
    }
    UNROLL for (int i = 0; i < 4; i++)
        UNROLL for (int j = 0; j < 8; j++)
            UNROLL for (int v = 0; v < 4; v++) {
                int64_t o = o0 + row_of(i, v), col = i0 + col_of(j, v);
                int64_t k = k0 + warp;

                if (o < g.out && col < g.in && k < g.taps)
                    dw[((group * g.out + o) * g.taps + k) * g.in + col] +=
                        d[i][j][v];
            }
}

template <class T>
static int run_dw(struct cuda *c, float *dw, const T *dy, const T *x,
                  const struct grouped *g, struct err *err)
{
    auto kernel = grouped_dw<T>;
    size_t shared = 2 * (STEP + SEEN) * PITCH * sizeof(T);
    struct shape s = { *g, up(g->in, DEPTH), up(g->out, DEPTH),
                       up(g->time, STEP) / STEP };
    int64_t chunks = up(g->in, WIDTH) / WIDTH * (up(g->out, WIDTH) / WIDTH);

    TRY(cuda_allow_shared(kernel, shared, err));
    return LAUNCH(kernel, dim3((unsigned)(up(g->taps, NEAR) / NEAR),
                               (unsigned)g->groups, (unsigned)chunks),
                  LANES * NEAR, shared, dw, dy, x, s);
}

/* ---- the operations ---- */

template <class T>
static int forward(struct cuda *c, float *y, const float *x, const float *w,
                   const float *bias, const struct grouped *g, struct err *err)
{
    const T *xs, *ws;

    TRY(copy_rows(c, CUDA_BUF_X, x, g, g->in, &xs, err));
    TRY(copy_weights(c, w, g, 0, &ws, err));
    return run_outputs(c, y, xs, ws, bias, g, err);
}

/* dx is the same convolution of dy, inputs and outputs exchanged and the taps
 * in reverse. */
template <class T>
static int backward(struct cuda *c, float *dx, float *dw, const float *dy,
                    const float *x, const float *w, const struct grouped *g,
                    struct err *err)
{
    struct grouped back = *g;
    const T *xs, *ys, *ws;

    back.in = g->out;
    back.out = g->in;
    back.before = g->taps - 1 - g->before;
    TRY(copy_rows(c, CUDA_BUF_X, x, g, g->in, &xs, err));
    TRY(copy_rows(c, CUDA_BUF_Y, dy, g, g->out, &ys, err));
    TRY(run_dw(c, dw, ys, xs, g, err));
    TRY(copy_weights(c, w, g, 1, &ws, err));
    return run_outputs(c, dx, ys, ws, (const float *)NULL, &back, err);
}

int grouped_mma(struct cuda *c, float *y, const float *x, const float *w,
                const float *bias, const struct grouped *g, struct err *err)
{
    if (c->base.precision == PRECISION_FP16)
        return forward<f16>(c, y, x, w, bias, g, err);
    return forward<bf16>(c, y, x, w, bias, g, err);
}

int grouped_mma_backward(struct cuda *c, float *dx, float *dw, const float *dy,
                         const float *x, const float *w,
                         const struct grouped *g, struct err *err)
{
    if (c->base.precision == PRECISION_FP16)
        return backward<f16>(c, dx, dw, dy, x, w, g, err);
    return backward<bf16>(c, dx, dw, dy, x, w, g, err);
}
