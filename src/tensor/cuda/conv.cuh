/* conv.cuh - the arithmetic of the 3 x 3 convolutions: products of tiles that
 * lie in shared memory, for 256 x 128 sums of a block (128 x 128 in f32).
 *
 * By rows, a tile of an operand is a row of 64 bytes for each of its rows or
 * columns of sums, along the axis that is summed over: 32 values of 16 bit or
 * 16 of 32. By columns it lies the other way round: so many rows, of one value
 * for each row or column of sums. Chunks of 16 bytes are permuted within a row,
 * so that neither 8 rows of one chunk nor 8 chunks of a row meet in a bank. */
#ifndef TENSOR_CUDA_CONV_CUH
#define TENSOR_CUDA_CONV_CUH

#include <string.h>

#include "tensor/cuda/image.cuh"
#include "tensor/cuda/mma.cuh"

template <class V> __host__ __device__ constexpr int chunk_values()
{
    return 16 / (int)sizeof(V);
}

/* Where chunk c of row r begins. The same chunk of a row some 8 further is as
 * many rows' bytes away, and so, by columns, is one some 8 chunks further:
 * loops say so, for the compiler does not find out. */
enum { ROW_BYTES = 64 };
__device__ __forceinline__ int by_rows(int r, int c)
{
    return r * ROW_BYTES + ((c ^ (r >> 1 & 3)) << 4);
}
/* width: of the row, in values. */
template <class V>
__device__ __forceinline__ int by_columns(int r, int c, int width)
{
    int swap = sizeof(V) == 2 ? r & 7 : (r & 3) * 2;

    return r * width * (int)sizeof(V) + ((c ^ swap) << 4);
}
/* Values along the axis that is summed over. */
template <class V> __host__ __device__ constexpr int tile_depth()
{
    return ROW_BYTES / (int)sizeof(V);
}

/* d += a b with the 32 bytes along k that fragments of either width hold. */
template <class V>
__device__ __forceinline__ void multiply(float d[4], const uint32_t a[4],
                                         const uint32_t b[2])
{
    mma_16x8x16<V>(d, a, b);
}
template <>
__device__ __forceinline__ void multiply<float>(float d[4], const uint32_t a[4],
                                                const uint32_t b[2])
{
    mma_16x8x8_tf32(d, a, b);
}

/* What a warp holds of both operands for one multiplication of each of its
 * 4 x 8 pieces of 16 x 8 sums. */
struct fragments {
    uint32_t a[4][4], b[8][2];
};

/* Tensor cores truncate what tf32 has no room for. */
template <class V>
__device__ __forceinline__ void fragments_round(struct fragments *)
{
}
template <>
__device__ __forceinline__ void fragments_round<float>(struct fragments *f)
{
    UNROLL for (int i = 0; i < 4; i++)
        UNROLL for (int j = 0; j < 4; j++)
            f->a[i][j] = tf32_rounded(f->a[i][j]);
    UNROLL for (int i = 0; i < 8; i++)
        UNROLL for (int j = 0; j < 2; j++)
            f->b[i][j] = tf32_rounded(f->b[i][j]);
}

/* m, n: the warp's first row and column of sums; step: 0 or 1, which half of
 * what the tiles hold along k. */
template <class V>
__device__ __forceinline__ void fragments_by_rows(
    struct fragments *f, const unsigned char *a, const unsigned char *b, int m,
    int n, int step)
{
    int lane = (int)threadIdx.x % 32;

    UNROLL for (int i = 0; i < 4; i++)
        ldmatrix_x4(f->a[i], a + (m + 16 * i) * ROW_BYTES +
                             by_rows(lane % 16, 2 * step + lane / 16));
    UNROLL for (int i = 0; i < 8; i += 2) {
        uint32_t r[4];

        ldmatrix_x4(r, b + (n + 8 * i) * ROW_BYTES +
                       by_rows(lane / 16 * 8 + lane % 8,
                               2 * step + lane / 8 % 2));
        UNROLL for (int j = 0; j < 4; j++)
            f->b[i + j / 2][j % 2] = r[j];
    }
    fragments_round<V>(f);
}

/* M, N: the tiles' widths. ldmatrix transposes 16-bit values only. */
template <class V, int M, int N> struct columns {
    static __device__ __forceinline__ void read(
        struct fragments *f, const unsigned char *a, const unsigned char *b,
        int m, int n, int step)
    {
        int lane = (int)threadIdx.x % 32, high = lane / 16, odd = lane / 8 % 2;

        a += m * 2 + step * 32 * M;
        b += n * 2 + step * 32 * N;
        UNROLL for (int i = 0; i < 4; i++)
            ldmatrix_x4_trans(f->a[i], a + by_columns<V>(8 * high + lane % 8,
                                                         2 * i + odd, M));
        UNROLL for (int i = 0; i < 8; i += 2) {
            uint32_t r[4];

            ldmatrix_x4_trans(r, b + by_columns<V>(8 * odd + lane % 8, i + high,
                                                   N));
            UNROLL for (int j = 0; j < 4; j++)
                f->b[i + j / 2][j % 2] = r[j];
        }
    }
};
template <int M, int N> struct columns<float, M, N> {
    static __device__ __forceinline__ void read(
        struct fragments *f, const unsigned char *a, const unsigned char *b,
        int m, int n, int step)
    {
        int lane = (int)threadIdx.x % 32, g = lane / 4, p[4], q[4];

        UNROLL for (int i = 0; i < 4; i++) { /* 8 i + g of row lane % 4 */
            p[i] = by_columns<float>(lane % 4, 2 * i + g / 4, M) + g % 4 * 4;
            q[i] = by_columns<float>(lane % 4, 2 * i + g / 4, N) + g % 4 * 4;
        }
        a += m * 4 + step * 32 * M;
        b += n * 4 + step * 32 * N;
        UNROLL for (int i = 0; i < 4; i++)
            UNROLL for (int j = 0; j < 4; j++)
                f->a[i][j] = *(const uint32_t *)(a + p[(2 * i + j % 2) % 4] +
                                                 i / 2 * 128 + j / 2 * 16 * M);
        UNROLL for (int i = 0; i < 8; i++)
            UNROLL for (int j = 0; j < 2; j++)
                f->b[i][j] = *(const uint32_t *)(b + q[i % 4] + i / 4 * 128 +
                                                 j * 16 * N);
        fragments_round<float>(f);
    }
};

/* ---- sums of a tile, spread over the threads of a block ---- */

/* Values V of 16 bit, or float for tf32. DOWN x RIGHT warps of 64 x 64 sums;
 * a block fills a multiprocessor's registers. */
template <class V, int DOWN, int RIGHT> struct tensor_sums {
    typedef V value;
    static constexpr int ROWS = 64 * DOWN, COLUMNS = 64 * RIGHT;
    static constexpr int THREADS = 32 * DOWN * RIGHT, BLOCKS = 1, STAGES = 0;
    float sum[4][8][4];

    __device__ __forceinline__ void clear()
    {
        UNROLL for (int i = 0; i < 4; i++)
            UNROLL for (int j = 0; j < 8; j++)
                UNROLL for (int k = 0; k < 4; k++)
                    sum[i][j][k] = 0;
    }
    __device__ __forceinline__ int first_row() const
    {
        return (int)threadIdx.x / 32 / RIGHT * 64;
    }
    __device__ __forceinline__ int first_column() const
    {
        return (int)threadIdx.x / 32 % RIGHT * 64;
    }
    /* Has this thread any of the first rows x columns sums? */
    __device__ __forceinline__ bool has_some(int rows, int columns) const
    {
        return first_row() < rows && first_column() < columns;
    }
    __device__ __forceinline__ void add(const struct fragments *f)
    {
        UNROLL for (int i = 0; i < 4; i++)
            UNROLL for (int j = 0; j < 8; j++)
                multiply<V>(sum[i][j], f->a[i], f->b[j]);
    }
    __device__ __forceinline__ void add_by_rows(const unsigned char *a,
                                                const unsigned char *b)
    {
        struct fragments f[2];

        fragments_by_rows<V>(&f[0], a, b, first_row(), first_column(), 0);
        fragments_by_rows<V>(&f[1], a, b, first_row(), first_column(), 1);
        add(&f[0]);
        add(&f[1]);
    }
    __device__ __forceinline__ void add_by_columns(const unsigned char *a,
                                                   const unsigned char *b)
    {
        struct fragments f[2];

        columns<V, ROWS, COLUMNS>::read(&f[0], a, b, first_row(),
                                        first_column(), 0);
        columns<V, ROWS, COLUMNS>::read(&f[1], a, b, first_row(),
                                        first_column(), 1);
        add(&f[0]);
        add(&f[1]);
    }
    /* Calls f(row, column, n, v) for each n sums v side by side. */
    template <class F> __device__ __forceinline__ void each_by_rows(F f) const
    {
        int lane = (int)threadIdx.x % 32;

        UNROLL for (int i = 0; i < 4; i++)
            UNROLL for (int j = 0; j < 8; j++) {
                int row = first_row() + 16 * i + lane / 4;
                int column = first_column() + 8 * j + lane % 4 * 2;

                f(row, column, 2, &sum[i][j][0]);
                f(row + 8, column, 2, &sum[i][j][2]);
            }
    }
    template <class F>
    __device__ __forceinline__ void each_by_columns(F f) const
    {
        each_by_rows(f);
    }
};

/* f32 throughout. 256 threads of 8 x 8 sums: by rows those of rows y + 16 i and
 * columns x + 16 j, by columns of two times four neighbours each, 64 apart. */
struct plain_sums {
    typedef float value;
    static constexpr int ROWS = 128, COLUMNS = 128, THREADS = 256;
    static constexpr int BLOCKS = 2, STAGES = 3;
    float sum[8][8];

    __device__ __forceinline__ void clear()
    {
        UNROLL for (int i = 0; i < 8; i++)
            UNROLL for (int j = 0; j < 8; j++)
                sum[i][j] = 0;
    }
    __device__ __forceinline__ bool has_some(int, int) const { return true; }
    /* A warp: 4 rows, 8 columns. */
    __device__ __forceinline__ int x() const
    {
        return (int)threadIdx.x % 8 + (int)threadIdx.x / 32 % 2 * 8;
    }
    __device__ __forceinline__ int y() const
    {
        return (int)threadIdx.x / 8 % 4 + (int)threadIdx.x / 64 * 4;
    }
    __device__ __forceinline__ void add_by_rows(const unsigned char *a,
                                                const unsigned char *b)
    {
        UNROLL for (int c = 0; c < 4; c++) {
            const float4 *from = (const float4 *)(a + by_rows(y(), c));
            const float4 *with = (const float4 *)(b + by_rows(x(), c));
            float4 p[8];

            UNROLL for (int i = 0; i < 8; i++)
                p[i] = from[i * ROW_BYTES];
            UNROLL for (int j = 0; j < 8; j++) {
                float4 q = with[j * ROW_BYTES]; /* 16 rows */

                UNROLL for (int i = 0; i < 8; i++) {
                    sum[i][j] += p[i].x * q.x;
                    sum[i][j] += p[i].y * q.y;
                    sum[i][j] += p[i].z * q.z;
                    sum[i][j] += p[i].w * q.w;
                }
            }
        }
    }
    __device__ __forceinline__ void add_by_columns(const unsigned char *a,
                                                   const unsigned char *b)
    {
        LOOP for (int k = 0; k < tile_depth<float>(); k++)
            add_row(a + by_columns<float>(k, y(), ROWS),
                    b + by_columns<float>(k, x(), COLUMNS));
    }
    __device__ __forceinline__ void add_row(const unsigned char *a,
                                            const unsigned char *b)
    {
        float p[8], q[8];

        UNROLL for (int i = 0; i < 8; i += 4) {
            *(float4 *)&p[i] = *(const float4 *)(a + i * 64);
            *(float4 *)&q[i] = *(const float4 *)(b + i * 64);
        }
        UNROLL for (int i = 0; i < 8; i++)
            UNROLL for (int j = 0; j < 8; j++)
                sum[i][j] += p[i] * q[j];
    }
    template <class F> __device__ __forceinline__ void each_by_rows(F f) const
    {
        UNROLL for (int i = 0; i < 8; i++)
            UNROLL for (int j = 0; j < 8; j++)
                f(y() + 16 * i, x() + 16 * j, 1, &sum[i][j]);
    }
    template <class F>
    __device__ __forceinline__ void each_by_columns(F f) const
    {
        UNROLL for (int i = 0; i < 8; i++)
            UNROLL for (int j = 0; j < 8; j += 4)
                f(4 * y() + i / 4 * 64 + i % 4, 4 * x() + j / 4 * 64, 4,
                  &sum[i][j]);
    }
};

/* ---- stages: tiles of both operands, of which all but one are on their way
 * while that one is multiplied ---- */

template <class M> __host__ __device__ constexpr int stage_bytes()
{
    return (M::ROWS + M::COLUMNS) * ROW_BYTES;
}

/* As many as there is shared memory for. f32 has three in the 48 KiB that are
 * always there: one number, so that no register is needed for it. */
template <class M> static int conv_stages(const struct cuda *c)
{
    if (M::STAGES)
        return M::STAGES;
    return c->shared >= (size_t)(4 * stage_bytes<M>()) ? 4 : 2;
}
template <class M> __device__ __forceinline__ int stages_of(int asked)
{
    return M::STAGES ? M::STAGES : asked;
}

/* Waits for the oldest of them. */
__device__ __forceinline__ void wait_for_stage(int stages)
{
    if (stages == 4)
        copy_wait<2>();
    else if (stages == 3)
        copy_wait<1>();
    else
        copy_wait<0>();
}

/* ---- 16 bytes of values; some: how many of them there are, where an image's
 * channels are not a multiple of a chunk ---- */

template <class V>
__device__ __forceinline__ void read_chunk(V *v, const V *from)
{
    uint4 u = *(const uint4 *)from;

    memcpy(v, &u, sizeof(u));
}
template <class V>
__device__ __forceinline__ void write_chunk(V *to, const V *v)
{
    uint4 u;

    memcpy(&u, v, sizeof(u));
    *(uint4 *)to = u;
}

/* To shared memory, zeros for what is not there: whole chunks by copy16. */
template <class V, bool WHOLE>
__device__ __forceinline__ void copy_chunk(unsigned char *to, const V *from,
                                           bool there, int some)
{
    if (WHOLE) {
        copy16(to, from, there);
    } else {
        V v[chunk_values<V>()];

        UNROLL for (int i = 0; i < chunk_values<V>(); i++)
            v[i] = there && i < some ? from[i] : from_float<V>(0);
        write_chunk((V *)to, v);
    }
}

/* ---- what an operation is asked for ---- */

/* y = act(conv(x) + bias + y). backward: y is the gradient of the input, x that
 * of the output. */
struct conv_call {
    struct cuda_image y, x;
    const float *w, *bias; /* (Cout, Cin, 3, 3), (Cout) or NULL; device */
    const void *packed;    /* w as the kernels want it, or NULL */
    int stride_h, stride_w, backward, accumulate, relu;
};

/* Images of one channel (conv_one.cu): x is. */
int cuda_conv_one(struct cuda *c, const struct conv_call *call,
                  struct err *err);
struct conv_dw_call {
    struct cuda_image dy, x;
    float *dw, *dbias; /* added to; dbias may be NULL */
    int stride_h, stride_w;
};
int cuda_conv_one_dw(struct cuda *c, const struct conv_dw_call *call,
                     struct err *err);

/* By cuDNN (conv_dnn.cu): whether images like these may be for it; and then the
 * convolution itself, with the weights packed (Cout, 3, 3, Cin), and the
 * gradient of the weights, which is rounded to bf16 before it is added, as
 * PyTorch's autocast does; never in fp16. *done = 0: cuDNN refused, nothing has
 * changed. */
int conv_dnn_takes(struct cuda *c, const struct cuda_image *a,
                   const struct cuda_image *b);
int conv_dnn(struct cuda *c, const struct conv_call *call, void *packed,
             int *done, struct err *err);
int conv_dnn_dw(struct cuda *c, const struct conv_dw_call *call, int *done,
                struct err *err);

/* Blocks multiply int numbers of pixels: how many images of a and b at once. */
static inline int64_t conv_images_at_once(const struct cuda_image *a,
                                          const struct cuda_image *b)
{
    int64_t most = a->h * a->w > b->h * b->w ? a->h * a->w : b->h * b->w;

    assert(most <= 1 << 30);
    return (1 << 30) / most;
}

/* Image number i of m. */
static inline void *conv_image_at(const struct cuda_image *m, int64_t i)
{
    return (char *)m->data + i * m->h * m->w * m->c * (m->is_16 ? 2 : 4);
}

/* Whether its channels are whole chunks, as the fast kernels want them. */
static inline int conv_is_whole(const struct cuda_image *m)
{
    return m->c % (m->is_16 ? 8 : 4) == 0 && (uintptr_t)m->data % 16 == 0;
}

#endif
