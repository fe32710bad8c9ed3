/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/common.cuh"

/* ---- matrices of more than SMALL rows and columns: square tiles ---- */

enum { TILE = 32, WARPS = 8, SMALL = 16 };

/* tiles: of one matrix, (down, across). */
__global__ void transpose_tiles(float *y, const float *x, int64_t rows,
                                int64_t cols, int64_t down, int64_t across,
                                int accumulate)
{
    SHARED2(float, tile, TILE, TILE + 1);
    int64_t at = blockIdx.x / (down * across) * rows * cols;
    int64_t r0 = blockIdx.x / across % down * TILE;
    int64_t c0 = blockIdx.x % across * TILE;
    int lane = (int)threadIdx.x;

    UNROLL for (int j = 0; j < TILE; j += WARPS) {
        int i = j + (int)threadIdx.y;

        if (r0 + i < rows && c0 + lane < cols)
            tile[i][lane] = x[at + (r0 + i) * cols + c0 + lane];
    }
    __syncthreads();
    UNROLL for (int j = 0; j < TILE; j += WARPS) {
        int i = j + (int)threadIdx.y;
        float *to = y + at + (c0 + i) * rows + r0 + lane;

        if (c0 + i < cols && r0 + lane < rows)
            *to = tile[lane][i] + (accumulate ? *to : 0);
    }
}

/* ---- others: a block takes some whole matrices, or a piece of one, which is
 * dense in memory on one side or both ---- */

enum { PIECE = 4096 };

/* i / d for i of at most PIECE: a product in place of a division. */
struct divisor {
    unsigned d, inverse;
};

static struct divisor divisor_of(int64_t d)
{
    struct divisor v = { (unsigned)d, d > 1 ? (unsigned)((((uint64_t)1 << 32) +
                                              (uint64_t)d - 1) / (uint64_t)d)
                                            : 0 };

    return v;
}

static __device__ __forceinline__ unsigned
quotient(unsigned i, struct divisor v)
{
    return v.d > 1 ? __umulhi(i, v.inverse) : i;
}

/* n matrices of rows x cols, taken each at a time (1 where pieces of high x
 * wide are smaller than the matrix). */
struct pieces {
    int64_t n, rows, cols, down, across, each;
    struct divisor high, wide, area;
};

__global__ void transpose_pieces(float *y, const float *x, struct pieces p,
                                 int accumulate)
{
    SHARED1(float, piece, PIECE);
    int64_t first = blockIdx.x / (p.down * p.across) * p.each;
    int64_t r0 = blockIdx.x / p.across % p.down * p.high.d;
    int64_t c0 = blockIdx.x % p.across * p.wide.d;
    int64_t left = p.n - first < p.each ? p.n - first : p.each;
    unsigned count = (unsigned)left * p.area.d;

    for (unsigned i = threadIdx.x; i < count; i += BLOCK) {
        unsigned m = quotient(i, p.area), in = i - m * p.area.d;
        unsigned r = quotient(in, p.wide), c = in - r * p.wide.d;

        if (r0 + r < p.rows && c0 + c < p.cols)
            piece[i] = x[((first + m) * p.rows + r0 + r) * p.cols + c0 + c];
    }
    __syncthreads();
    for (unsigned i = threadIdx.x; i < count; i += BLOCK) {
        unsigned m = quotient(i, p.area), in = i - m * p.area.d;
        unsigned c = quotient(in, p.high), r = in - c * p.high.d;

        if (r0 + r < p.rows && c0 + c < p.cols) {
            float *to = y + ((first + m) * p.cols + c0 + c) * p.rows + r0 + r;

            *to = piece[m * p.area.d + r * p.wide.d + c] +
                  (accumulate ? *to : 0);
        }
    }
}

static struct pieces cut(int64_t n, int64_t rows, int64_t cols)
{
    struct pieces p = { n, rows, cols, 1, 1, 1, {}, {}, {} };
    int64_t high = rows, wide = cols;

    if (rows * cols <= PIECE)
        p.each = PIECE / (rows * cols);
    else if (cols <= rows)
        high = PIECE / cols;
    else
        wide = PIECE / rows;
    p.down = (rows + high - 1) / high;
    p.across = (cols + wide - 1) / wide;
    p.high = divisor_of(high);
    p.wide = divisor_of(wide);
    p.area = divisor_of(high * wide);
    return p;
}

int cuda_transpose(struct backend *be, struct tensor *y, const struct tensor *x,
                   int accumulate, struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t cols = tensor_cols(x), rows = x->dim[x->ndim - 2];
    int64_t all = tensor_count(x), n, down, across;
    struct pieces p;

    assert(x->ndim >= 2 && y->ndim == x->ndim);
    assert(y->dim[y->ndim - 2] == cols && tensor_cols(y) == rows);
    assert(y->data != x->data);
    if (!all)
        return 0;
    n = all / (rows * cols);
    down = (rows + TILE - 1) / TILE;
    across = (cols + TILE - 1) / TILE;
    if (rows > SMALL && cols > SMALL)
        return LAUNCH(transpose_tiles, (unsigned)(n * down * across),
                      dim3(TILE, WARPS), 0, y->data, x->data, rows, cols, down,
                      across, accumulate);
    p = cut(n, rows, cols);
    return LAUNCH(transpose_pieces,
                  (unsigned)((n + p.each - 1) / p.each * p.down * p.across),
                  BLOCK, 0, y->data, x->data, p, accumulate);
}
