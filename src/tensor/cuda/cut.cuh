/* cut.cuh - how columns.cu and columns_backward.cu cut up a matrix: in a block
 * of (tx, ty) threads each has N neighbouring columns, whose numbers it keeps
 * in registers, and every ty-th row of its part of the rows. */
#ifndef TENSOR_CUDA_CUT_CUH
#define TENSOR_CUDA_CUT_CUH

#include "tensor/cuda/columns.cuh"
#include "tensor/cuda/pack.cuh"

/* FORWARD and BACKWARD blocks fit on a multiprocessor, by their registers. */
enum { THREADS = 256, FORWARD = 4, BACKWARD = 3 };

struct cut {
    int64_t windows, rows, c;
    int64_t tiles;       /* blocks that lie side by side */
    int64_t parts, step; /* parts of the rows; rows in each but the last */
    int tx, ty;
};

static inline struct cut cut_of(const struct cuda *c, const struct columns *s,
                                int n, int blocks)
{
    int64_t packs = (s->c + n - 1) / n, most;
    struct cut k = {};

    k.windows = s->windows;
    k.rows = s->rows;
    k.c = s->c;
    for (k.tx = 1; k.tx < 32 && k.tx < packs;)
        k.tx *= 2;
    k.ty = THREADS / k.tx;
    k.tiles = (packs + k.tx - 1) / k.tx;
    /* all blocks at once on the device, and some rows for each thread */
    k.parts = (int64_t)c->sms * blocks / (k.tiles * k.windows);
    most = k.rows / (8 * k.ty);
    k.parts = k.parts > most ? most : k.parts;
    k.parts = k.parts < 1 ? 1 : k.parts;
    k.step = (k.rows + k.parts - 1) / k.parts;
    k.parts = (k.rows + k.step - 1) / k.step;
    return k;
}

static inline unsigned blocks_of(const struct cut *k)
{
    return (unsigned)(k->windows * k->parts * k->tiles);
}

/* The thread's first column, in the matrix and in all windows'; where its first
 * row lies and how many there are, each `skip` values further: none beside the
 * matrix. */
struct place {
    int64_t col, lane, part, at, n, skip;
};

template <int N> __device__ __forceinline__ struct place place_of(struct cut k)
{
    int64_t b = blockIdx.x, window, from, to;
    struct place p;

    p.col = (b % k.tiles * k.tx + threadIdx.x) * N;
    b /= k.tiles;
    p.part = b % k.parts;
    window = b / k.parts;
    from = p.part * k.step + threadIdx.y;
    to = (p.part + 1) * k.step < k.rows ? (p.part + 1) * k.step : k.rows;
    p.lane = window * k.c + p.col;
    p.at = (window * k.rows + from) * k.c + p.col;
    p.n = from < to && p.col < k.c ? (to - from + k.ty - 1) / k.ty : 0;
    p.skip = k.ty * k.c;
    return p;
}

/* Where the parts of the thread's columns are: those of one column follow each
 * other. */
__device__ __forceinline__ int64_t part_at(struct cut k, struct place p, int j)
{
    return (p.lane + j) * k.parts + p.part;
}

/* Work memory: by column of each window two doubles, some floats, and the two
 * numbers of each part. */
struct work {
    double *sum;
    float *coef, *part;
};

static inline int work_of(struct cuda *c, const struct cut *k, struct work *w,
                          struct err *err)
{
    int64_t all = k->windows * k->c, floats = 4 * all + 2 * all * k->parts;
    void *p;

    TRY(cuda_buf(c, CUDA_BUF_SUMS, (size_t)(2 * all) * sizeof(double) +
                 (size_t)floats * sizeof(float), &p, err));
    w->sum = (double *)p;
    w->coef = (float *)(w->sum + 2 * all);
    w->part = w->coef + 4 * all;
    return 0;
}

/* Threads that add up n parts. */
static inline unsigned fold_threads(int64_t n)
{
    return n > 256 ? 256 : n > 32 ? 128 : 32;
}

#endif
