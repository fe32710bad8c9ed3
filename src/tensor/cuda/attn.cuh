/* attn.cuh - what attention forward and backward share (FlashAttention-2, Dao
 * 2023, algorithms 1 and 2): each block owns some rows of one head and goes
 * through the head's other rows in tiles, of which the scores are never out of
 * registers.
 *
 * Operands of 16 bit: a warp owns 16 rows, the A of its products (mma.cuh),
 * read once. Tiles are the B; those in f32 are narrowed once for all blocks, by
 * attn_narrow, so that each block copies them asynchronously and half as many
 * bytes. In f32, 128 threads are 16 rows of 8, of which each has every
 * 16th row and every 8th column of a block's scores. */
#ifndef TENSOR_CUDA_ATTN_CUH
#define TENSOR_CUDA_ATTN_CUH

#include <math.h>
#include <string.h>

#include "tensor/cuda/mma.cuh"

#ifdef __CUDACC__
#define UNROLL_2 _Pragma("unroll 2")
#else
#define UNROLL_2
#endif

/* One call: tensors (B, T, heads * d). */
struct attn {
    int64_t all;         /* heads of all the batch */
    int64_t size;        /* of a narrowed tensor: all * time * width */
    int64_t step, step16; /* heads * d, heads * width: from row to row */
    int time, heads, d;
    int width;           /* d with the zeros of a tile's rows: 32, 64 or 128 */
    int blocks;          /* of rows in a head */
    int wide;            /* 16 bytes at a time */
    float scale, scale2; /* 1 / sqrt(d), log2(e) / sqrt(d): scores are exponents
                          * of 2 */
};

/* ERR_UNSUPPORTED where heads are wider than 128. */
int attn_of(struct attn *a, const struct tensor *q, int heads,
            struct err *err);
/* out[i]: tensor x[i] of n (at most 4) in the backend's 16 bit, (B, T, heads,
 * width) with zeros from d on: its own data if they lie so, or a copy. */
int attn_narrow(struct cuda *c, const struct attn *a,
                const struct tensor *const *x, int n, const void **out,
                struct err *err);

/* Whether these tensors may be read and written 16 bytes at a time. */
template <class... P>
static inline int attn_wide(const struct attn *a, const P *...p)
{
    return a->d % 4 == 0 && (... | (uintptr_t)p) % 16 == 0;
}

/* The blocks of a launch where each has these rows. */
static inline unsigned attn_grid(struct attn *a, int rows)
{
    a->blocks = (a->time + rows - 1) / rows;
    return (unsigned)(a->all * a->blocks);
}

/* Returns call, an expression with D as the width. */
#define ATTN_WIDTH_CALL(a, call)     \
    do {                             \
        if ((a)->width == 32) {      \
            enum { D = 32 };         \
            return call;             \
        }                            \
        if ((a)->width == 64) {      \
            enum { D = 64 };         \
            return call;             \
        }                            \
        enum { D = 128 };            \
        return call;                 \
    } while (0)

/* The block's head, and where a head of tensors this wide begins. */
__device__ __forceinline__ int64_t attn_head(const struct attn &a)
{
    return blockIdx.x / (unsigned)a.blocks;
}
__device__ __forceinline__ int64_t attn_at(const struct attn &a, int64_t head,
                                           int width)
{
    return (head / a.heads * a.time * a.heads + head % a.heads) * width;
}

#define LOG2_E 1.44269504088896f
#define LN_2 0.693147180559945f

/* ---- 16 bit ---- */

/* Two values as a word, lo in its lower half. */
template <class T> __device__ uint32_t pack(float lo, float hi);
template <> __device__ __forceinline__ uint32_t pack<bf16>(float lo, float hi)
{
    __nv_bfloat162 v = __floats2bfloat162_rn(lo, hi);
    uint32_t u;

    memcpy(&u, &v, sizeof(u));
    return u;
}
template <> __device__ __forceinline__ uint32_t pack<f16>(float lo, float hi)
{
    __half2 v = __floats2half2_rn(lo, hi);
    uint32_t u;

    memcpy(&u, &v, sizeof(u));
    return u;
}

/* 2^x as the hardware has it, within 2^-22. */
__device__ __forceinline__ float exp2_short(float x)
{
#ifdef __CUDACC__
    float y;

    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#else
    return exp2f(x);
#endif
}

/* Rows of a tile in 16 bit; two tiles twice are below 48 KiB. Rows are 16 bytes
 * apart in banks, so that the 8 of an ldmatrix do not meet. */
template <int D> __host__ __device__ constexpr int tile16_rows()
{
    return D > 64 ? 32 : 64;
}
template <int D> __host__ __device__ constexpr int tile16_ld() { return D + 8; }
template <int D> __host__ __device__ constexpr int tile16_size()
{
    return tile16_rows<D>() * tile16_ld<D>();
}

/* The words of 2 and of 4 values from p on, of which left are there; wide: they
 * can be read at once. */
template <class T>
__device__ __forceinline__ uint32_t two_at(const float *p, int left, int wide)
{
    float2 v = make_float2(0, 0);

    if (wide && left > 0)
        v = *(const float2 *)p;
    else if (left > 0)
        v = make_float2(p[0], left > 1 ? p[1] : 0);
    return pack<T>(v.x, v.y);
}
template <class T>
__device__ __forceinline__ uint32_t two_at(const T *p, int left, int wide)
{
    if (wide)
        return left > 0 ? *(const uint32_t *)p : 0;
    return pack<T>(left > 0 ? to_float(p[0]) : 0, left > 1 ? to_float(p[1])
                                                           : 0);
}
template <class T>
__device__ __forceinline__ uint2 four_at(const float *p, int left, int wide)
{
    float4 v;

    if (!wide || left <= 0)
        return make_uint2(two_at<T>(p, left, 0), two_at<T>(p + 2, left - 2, 0));
    v = *(const float4 *)p;
    return make_uint2(pack<T>(v.x, v.y), pack<T>(v.z, v.w));
}
template <class T>
__device__ __forceinline__ uint2 four_at(const T *p, int left, int wide)
{
    if (!wide || left <= 0)
        return make_uint2(two_at<T>(p, left, 0), two_at<T>(p + 2, left - 2, 0));
    return *(const uint2 *)p;
}

/* Two values to p, of which left are there. */
__device__ __forceinline__ void two_put(float *p, float lo, float hi, int left,
                                        int wide)
{
    if (wide && left > 0)
        *(float2 *)p = make_float2(lo, hi);
    else if (left > 0) {
        p[0] = lo;
        if (left > 1)
            p[1] = hi;
    }
}
template <class T>
__device__ __forceinline__ void two_put(T *p, float lo, float hi, int left,
                                        int wide)
{
    if (wide && left > 0)
        *(uint32_t *)p = pack<T>(lo, hi);
    else if (left > 0) {
        p[0] = from_float<T>(lo);
        if (left > 1)
            p[1] = from_float<T>(hi);
    }
}

/* Two tiles, one after the other: rows from first on of a head of two narrowed
 * tensors; zeros after the last. A thread always has the same columns. */
template <class T, int D>
__device__ __forceinline__ void tiles16_load(T *to, const T *x, const T *y,
                                             int first, int threads,
                                             const struct attn &a)
{
    int row = (int)threadIdx.x / (D / 8), col = (int)threadIdx.x % (D / 8) * 8;
    int step = threads / (D / 8);
    int64_t at = (first + row) * a.step16 + col;

    for (; row < tile16_rows<D>(); row += step) {
        T *p = to + row * tile16_ld<D>() + col;

        copy16(p, x + at, first + row < a.time);
        copy16(p + tile16_size<D>(), y + at, first + row < a.time);
        at += step * a.step16;
    }
}

/* The A of the warp's 16 rows from first on, of a head in f32 or 16 bit whose
 * rows of d values are step apart. */
template <class T, int D, class S>
__device__ __forceinline__ void rows16_load(uint32_t x[D / 16][4],
                                            const S *from, int first,
                                            int64_t step, int d, int wide,
                                            const struct attn &a)
{
    int g = (int)threadIdx.x % 32 / 4, t = (int)threadIdx.x % 4;

    UNROLL for (int k = 0; k < D / 16; k++)
        UNROLL for (int i = 0; i < 4; i++) {
            int row = first + g + i % 2 * 8, col = k * 16 + 2 * t + i / 2 * 8;

            x[k][i] = two_at<T>(from + row * step + col,
                                row < a.time ? d - col : 0, wide);
        }
}

/* The warp's 16 rows of D of a head in f32 or 16 bit, those of row g times
 * scale[0], those of row g + 8 times scale[1]. */
template <int D, class S>
__device__ __forceinline__ void rows16_store(S *to, float x[D / 8][4],
                                             int first, const float scale[2],
                                             const struct attn &a)
{
    int g = (int)threadIdx.x % 32 / 4, t = (int)threadIdx.x % 4;

    UNROLL for (int j = 0; j < D / 8; j++)
        UNROLL for (int i = 0; i < 2; i++) {
            int row = first + g + i * 8, col = j * 8 + 2 * t;

            two_put(to + row * a.step + col, x[j][2 * i] * scale[i],
                    x[j][2 * i + 1] * scale[i], row < a.time ? a.d - col : 0,
                    a.wide);
        }
}

/* s (16, 16) += x (16, D) times the transpose of 16 rows of a tile. */
template <class T, int D>
__device__ __forceinline__ void dots16(float s[2][4],
                                       const uint32_t x[D / 16][4],
                                       const T *rows)
{
    int lane = (int)threadIdx.x % 32;
    const T *p = rows + (lane % 8 + lane / 16 * 8) * tile16_ld<D>() +
                 lane / 8 % 2 * 8;

    UNROLL for (int k = 0; k < D / 16; k++) {
        uint32_t b[4];

        ldmatrix_x4(b, p + k * 16);
        mma_16x8x16<T>(s[0], x[k], b);
        mma_16x8x16<T>(s[1], x[k], b + 2);
    }
}

/* o (16, D) += w (16, 16) times 16 rows of a tile, w as D has it. */
template <class T, int D>
__device__ __forceinline__ void weigh16(float o[D / 8][4], const float w[2][4],
                                        const T *rows)
{
    int lane = (int)threadIdx.x % 32;
    const T *p = rows + lane % 16 * tile16_ld<D>() + lane / 16 * 8;
    uint32_t x[4], b[4];

    UNROLL for (int i = 0; i < 4; i++)
        x[i] = pack<T>(w[i / 2][i % 2 * 2], w[i / 2][i % 2 * 2 + 1]);
    UNROLL for (int j = 0; j < D / 16; j++) {
        ldmatrix_x4_trans(b, p + j * 16);
        mma_16x8x16<T>(o[2 * j], x, b);
        mma_16x8x16<T>(o[2 * j + 1], x, b + 2);
    }
}

/* ---- f32: thread (ty, tx) of (16, 8). Rows are 4 or 8 banks apart (ld), which
 * no two of a warp's 4 ty, and no two tx, meet in. ---- */

enum { F32_THREADS = 128 };

template <int D> __host__ __device__ constexpr int tile32_rows()
{
    return D > 64 ? 16 : 32;
}
template <int D> __host__ __device__ constexpr int tile32_ld() { return D + 4; }
/* Scores of a block, (rows, tile32_rows). */
template <int D> __host__ __device__ constexpr int scores32_ld()
{
    return tile32_rows<D>() + 8;
}

__device__ __forceinline__ void load4(float v[4], const float *p)
{
    float4 f = *(const float4 *)p;

    v[0] = f.x;
    v[1] = f.y;
    v[2] = f.z;
    v[3] = f.w;
}

/* n rows from first on; zeros after the last and from d on. */
template <int D>
__device__ __forceinline__ void tile32_load(float *to, const float *from, int n,
                                            int first, const struct attn &a)
{
    for (int i = (int)threadIdx.x; i < n * (D / 4); i += F32_THREADS) {
        int row = i / (D / 4), col = i % (D / 4) * 4;
        int left = first + row < a.time ? a.d - col : 0;
        const float *p = from + (first + row) * a.step + col;
        float *q = to + row * tile32_ld<D>() + col;

        if (a.wide)
            copy16(q, p, left > 0);
        else
            UNROLL for (int j = 0; j < 4; j++)
                q[j] = j < left ? p[j] : 0;
    }
}

/* s[i][j] = row ty + 16 i of x times row tx + 8 j of y. */
template <int D, int R, int C>
__device__ __forceinline__ void dots32(float s[R][C], const float *x,
                                       const float *y)
{
    const float *p = x + threadIdx.x / 8 * tile32_ld<D>();
    const float *q = y + threadIdx.x % 8 * tile32_ld<D>();

    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int j = 0; j < C; j++)
            s[i][j] = 0;
    UNROLL_2 for (int k = 0; k < D; k += 4) {
        float a[R][4], b[4];

        UNROLL for (int i = 0; i < R; i++)
            load4(a[i], p + i * 16 * tile32_ld<D>() + k);
        UNROLL for (int j = 0; j < C; j++) {
            load4(b, q + j * 8 * tile32_ld<D>() + k);
            UNROLL for (int i = 0; i < R; i++)
                UNROLL for (int l = 0; l < 4; l++)
                    s[i][j] += a[i][l] * b[l];
        }
    }
}

/* The thread's part of scores to shared memory, where the 8 of its row read
 * them: they are in one warp. */
template <int D, int R, int C>
__device__ __forceinline__ void scores32_share(float *to, const float s[R][C])
{
    float *p = to + threadIdx.x / 8 * scores32_ld<D>() + threadIdx.x % 8;

    __syncwarp();
    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int j = 0; j < C; j++)
            p[i * 16 * scores32_ld<D>() + j * 8] = s[i][j];
    __syncwarp();
}

/* Row ty + 16 i of the scores w times a tile: o[i][4 j + l] is column 32 j +
 * 4 tx + l. Summed by tiles, then over these, so that the roundings of a long
 * sum do not grow with its length. */
template <int D, int R>
__device__ __forceinline__ void weigh32(float o[R][D / 8], const float *w,
                                        const float *tile)
{
    const float *p = w + threadIdx.x / 8 * scores32_ld<D>();
    const float *q = tile + threadIdx.x % 8 * 4;

    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int j = 0; j < D / 8; j++)
            o[i][j] = 0;
    UNROLL_2 for (int k = 0; k < tile32_rows<D>(); k += 4) {
        float a[R][4], b[4];

        UNROLL for (int i = 0; i < R; i++)
            load4(a[i], p + i * 16 * scores32_ld<D>() + k);
        UNROLL for (int l = 0; l < 4; l++)
            UNROLL for (int j = 0; j < D / 32; j++) {
                load4(b, q + (k + l) * tile32_ld<D>() + j * 32);
                UNROLL for (int i = 0; i < R; i++)
                    UNROLL for (int m = 0; m < 4; m++)
                        o[i][j * 4 + m] += a[i][l] * b[m];
            }
    }
}

/* The rows from first on of a head, each times its scale. */
template <int D, int R>
__device__ __forceinline__ void rows32_store(float *to, float x[R][D / 8],
                                             int first, const float scale[R],
                                             const struct attn &a)
{
    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int j = 0; j < D / 32; j++) {
            int row = first + (int)threadIdx.x / 8 + 16 * i;
            int col = 32 * j + (int)threadIdx.x % 8 * 4;
            int left = row < a.time ? a.d - col : 0;
            float *p = to + row * a.step + col;
            float v[4];

            UNROLL for (int l = 0; l < 4; l++)
                v[l] = x[i][j * 4 + l] * scale[i];
            if (a.wide && left > 0)
                *(float4 *)p = make_float4(v[0], v[1], v[2], v[3]);
            else
                UNROLL for (int l = 0; l < 4; l++)
                    if (l < left)
                        p[l] = v[l];
        }
}

#endif
