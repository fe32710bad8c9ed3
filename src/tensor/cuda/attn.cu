/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/attn.cuh"

int attn_of(struct attn *a, const struct tensor *q, int heads, struct err *err)
{
    int64_t d = q->dim[2] / heads;

    assert(q->ndim == 3 && q->dim[2] % heads == 0);
    assert(q->dim[1] < 1 << 30);
    if (d > 128)
        return err_set(err, ERR_UNSUPPORTED, "attention heads of %lld values: "
                       "at most 128 on CUDA devices", (long long)d);
    *a = {};
    a->all = q->dim[0] * heads;
    a->time = (int)q->dim[1];
    a->heads = heads;
    a->d = (int)d;
    a->width = d <= 32 ? 32 : d <= 64 ? 64 : 128;
    a->size = a->all * a->time * a->width;
    a->step = (int64_t)heads * a->d;
    a->step16 = (int64_t)heads * a->width;
    a->scale = (float)(1 / sqrt((double)d));
    a->scale2 = (float)(1.44269504088896341 / sqrt((double)d));
    return 0;
}

/* ---- tensors in 16 bit ---- */

/* n tensors and what becomes of them. */
struct attn_sources {
    int n;
    const void *x[4];
    void *y[4];
};

/* Tensor y, values of S. Each thread has the same 4 columns of some rows. */
template <class T, class S>
__global__ void attn_narrow_all(struct attn_sources s, int64_t rows, int d,
                                int width, int wide)
{
    int each = width / 4, col = (int)threadIdx.x % each * 4, left = d - col;
    int64_t row = blockIdx.x * (int64_t)(BLOCK / each) + threadIdx.x / each;
    unsigned k = blockIdx.y;
    const S *x = (const S *)(k == 0 ? s.x[0] : k == 1 ? s.x[1] :
                             k == 2 ? s.x[2] : s.x[3]);
    T *y = (T *)(k == 0 ? s.y[0] : k == 1 ? s.y[1] : k == 2 ? s.y[2] : s.y[3]);

    for (; row < rows; row += gridDim.x * (int64_t)(BLOCK / each))
        *(uint2 *)(y + row * width + col) =
            four_at<T>(x + row * d + col, left, wide);
}

template <class T, class S>
static int narrow(struct cuda *c, const struct attn *a,
                  const struct attn_sources *s, struct err *err)
{
    int64_t rows = a->all * a->time;
    dim3 grid(cuda_grid(c, rows * a->width / 4), (unsigned)s->n);
    auto kernel = attn_narrow_all<T, S>;

    return s->n ? LAUNCH(kernel, grid, BLOCK, 0, *s, rows, a->d, a->width,
                         a->wide) : 0;
}

int attn_narrow(struct cuda *c, const struct attn *a,
                const struct tensor *const *x, int n, const void **out,
                struct err *err)
{
    struct attn_sources from[2] = {}; /* in f32, in 16 bit */
    void *work;

    TRY(cuda_buf(c, CUDA_BUF_X, (size_t)(n * a->size) * sizeof(uint16_t),
                 &work, err));
    for (int i = 0; i < n; i++) {
        struct attn_sources *s = &from[x[i]->narrow];

        out[i] = x[i]->data;
        if (x[i]->narrow && a->d == a->width && (uintptr_t)out[i] % 16 == 0)
            continue;
        s->x[s->n] = x[i]->data;
        out[i] = s->y[s->n++] = (uint16_t *)work + i * a->size;
    }
    if (c->base.precision == PRECISION_BF16) {
        TRY((narrow<bf16, float>(c, a, &from[0], err)));
        return narrow<bf16, bf16>(c, a, &from[1], err);
    }
    TRY((narrow<f16, float>(c, a, &from[0], err)));
    return narrow<f16, f16>(c, a, &from[1], err);
}

/* ---- forward, 16 bit ---- */

/* A tile's scores become weights, the maximum so far goes into top (as an
 * exponent of 2), and what was summed with the former one is brought to it. A
 * lane has two rows and, of each, the sum over its own columns. */
template <int N, int M>
__device__ __forceinline__ void soften16(float s[N][2][4], float o[M][4],
                                         float top[2], float sum[2],
                                         float scale2)
{
    UNROLL for (int r = 0; r < 2; r++) {
        float max = s[0][0][2 * r], part = 0, keep;

        UNROLL for (int j = 0; j < 2 * N; j++)
            max = fmaxf(max, fmaxf(s[j / 2][j % 2][2 * r],
                                   s[j / 2][j % 2][2 * r + 1]));
        max = fmaxf(max, __shfl_xor_sync(0xffffffffu, max, 1));
        max = fmaxf(max, __shfl_xor_sync(0xffffffffu, max, 2));
        max = fmaxf(top[r], max * scale2);
        keep = exp2_short(top[r] - max);
        top[r] = max;
        UNROLL for (int j = 0; j < 4 * N; j++) {
            float *p = &s[j / 4][j / 2 % 2][2 * r + j % 2];

            *p = exp2_short(*p * scale2 - max);
            part += *p;
        }
        sum[r] = sum[r] * keep + part;
        UNROLL for (int j = 0; j < M; j++) {
            o[j][2 * r] *= keep;
            o[j][2 * r + 1] *= keep;
        }
    }
}

/* No weight for keys from left on. */
template <int N>
__device__ __forceinline__ void hide16(float s[N][2][4], int left)
{
    int t = (int)threadIdx.x % 4;

    UNROLL for (int j = 0; j < 2 * N; j++)
        UNROLL for (int i = 0; i < 4; i++)
            if (8 * j + 2 * t + i % 2 >= left)
                s[j / 2][j % 2][i] = -INFINITY;
}

/* Rows of y by their sums, and lse unless NULL. */
template <int D, class S>
__device__ __forceinline__ void finish16(S *y, float *lse,
                                         float o[D / 8][4],
                                         const float top[2], float sum[2],
                                         int first, const struct attn &a)
{
    int64_t head = attn_head(a);

    UNROLL for (int r = 0; r < 2; r++) {
        int row = first + (int)threadIdx.x % 32 / 4 + 8 * r;

        sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 1);
        sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 2);
        if (lse && threadIdx.x % 4 == 0 && row < a.time)
            lse[head * a.time + row] = top[r] * LN_2 + logf(sum[r]);
        sum[r] = 1 / sum[r];
    }
    rows16_store<D>(y + attn_at(a, head, a.d), o, first, sum, a);
}

template <class T, int D, class S>
__global__ __launch_bounds__(D > 64 ? 128 : 192, 2)
void attn_forward(S *y, float *lse, const S *q, const T *k, const T *v,
                  struct attn a)
{
    enum { KEYS = tile16_rows<D>(), SIZE = tile16_size<D>() };
    SHARED_DYNAMIC(T, tiles); /* k, v and the next k, v */
    int64_t head = attn_head(a);
    int threads = (int)blockDim.x, rows = threads / 2;
    int first = (int)(blockIdx.x % (unsigned)a.blocks) * rows +
                (int)threadIdx.x / 32 * 16;
    float o[D / 8][4] = {}, top[2] = { -INFINITY, -INFINITY }, sum[2] = {};
    uint32_t x[D / 16][4];

    k += attn_at(a, head, D);
    v += attn_at(a, head, D);
    tiles16_load<T, D>(tiles, k, v, 0, threads, a);
    copy_commit();
    rows16_load<T, D>(x, q + attn_at(a, head, a.d), first, a.step, a.d, a.wide,
                      a);
    for (int n = 0; n < a.time; n += KEYS) {
        const T *tile = tiles + n / KEYS % 2 * 2 * SIZE;
        float s[KEYS / 16][2][4] = {};

        copy_wait<0>();
        __syncthreads();
        if (n + KEYS < a.time) {
            tiles16_load<T, D>(tiles + (n / KEYS + 1) % 2 * 2 * SIZE, k, v,
                               n + KEYS, threads, a);
            copy_commit();
        }
        if (first >= a.time)
            continue;
        UNROLL for (int j = 0; j < KEYS / 16; j++)
            dots16<T, D>(s[j], x, tile + j * 16 * tile16_ld<D>());
        if (n + KEYS > a.time)
            hide16<KEYS / 16>(s, a.time - n);
        soften16<KEYS / 16, D / 8>(s, o, top, sum, a.scale2);
        UNROLL for (int j = 0; j < KEYS / 16; j++)
            weigh16<T, D>(o, s[j], tile + SIZE + j * 16 * tile16_ld<D>());
    }
    finish16<D>(y, lse, o, top, sum, first, a);
}

/* One call; lse may be NULL. q and y are of one kind. */
struct attending {
    const struct tensor *y, *q, *k, *v;
    float *lse;
};

/* kv: k and v in 16 bit. */
template <class T, int D, class S>
static int forward16_of(struct cuda *c, const struct attending *f,
                        const void *const kv[2], struct attn a,
                        struct err *err)
{
    int many = D <= 64 && attn_grid(&a, 96) >= 2 * (unsigned)c->sms;
    int warps = many ? 6 : 4; /* of a block: all read each tile */
    auto kernel = attn_forward<T, D, S>;
    unsigned grid;

    if (warps > (a.time + 15) / 16)
        warps = (a.time + 15) / 16;
    grid = attn_grid(&a, 16 * warps);
    return LAUNCH(kernel, grid, 32u * (unsigned)warps,
                  4 * tile16_size<D>() * sizeof(T), (S *)f->y->data, f->lse,
                  (const S *)f->q->data, (const T *)kv[0], (const T *)kv[1], a);
}

template <class T, int D>
static int forward16(struct cuda *c, const struct attending *f,
                     const void *const kv[2], struct attn a, struct err *err)
{
    return f->q->narrow ? forward16_of<T, D, T>(c, f, kv, a, err)
                        : forward16_of<T, D, float>(c, f, kv, a, err);
}

/* ---- forward, f32 ---- */

enum { QUERIES = 64 };

/* As soften16, of four rows; keep: the factors for what was summed before. */
template <int R, int C>
__device__ __forceinline__ void soften32(float s[R][C], float keep[R],
                                         float top[R], float sum[R], int left,
                                         float scale2)
{
    UNROLL for (int i = 0; i < R; i++) {
        float max = -INFINITY, part = 0;

        UNROLL for (int j = 0; j < C; j++) {
            if (8 * j + (int)threadIdx.x % 8 >= left)
                s[i][j] = -INFINITY;
            max = fmaxf(max, s[i][j]);
        }
        UNROLL for (int m = 4; m > 0; m /= 2)
            max = fmaxf(max, __shfl_xor_sync(0xffffffffu, max, m));
        max = fmaxf(top[i], max * scale2);
        keep[i] = exp2f(top[i] - max);
        top[i] = max;
        UNROLL for (int j = 0; j < C; j++) {
            s[i][j] = exp2f(s[i][j] * scale2 - max);
            part += s[i][j];
        }
        sum[i] = sum[i] * keep[i] + part;
    }
}

template <int D, int R>
__device__ __forceinline__ void finish32(float *y, float *lse,
                                         float o[R][D / 8],
                                         const float top[R], float sum[R],
                                         int first, const struct attn &a)
{
    int64_t head = attn_head(a);

    UNROLL for (int i = 0; i < R; i++) {
        int row = first + (int)threadIdx.x / 8 + 16 * i;

        UNROLL for (int m = 4; m > 0; m /= 2)
            sum[i] += __shfl_xor_sync(0xffffffffu, sum[i], m);
        if (lse && threadIdx.x % 8 == 0 && row < a.time)
            lse[head * a.time + row] = top[i] * LN_2 + logf(sum[i]);
        sum[i] = 1 / sum[i];
    }
    rows32_store<D, R>(y + attn_at(a, head, a.d), o, first, sum, a);
}

template <int D> static constexpr size_t shared32()
{
    return ((QUERIES + 2 * tile32_rows<D>()) * tile32_ld<D>() +
            QUERIES * scores32_ld<D>()) * sizeof(float);
}

template <int D>
__global__ __launch_bounds__(F32_THREADS, D > 64 ? 2 : 3)
void attn_forward32(float *y, float *lse, const float *q, const float *k,
                    const float *v, struct attn a)
{
    enum { KEYS = tile32_rows<D>(), R = QUERIES / 16, C = KEYS / 8 };
    SHARED_DYNAMIC(float, q_rows);
    float *k_rows = q_rows + QUERIES * tile32_ld<D>();
    float *v_rows = k_rows + KEYS * tile32_ld<D>();
    float *weights = v_rows + KEYS * tile32_ld<D>();
    int64_t at = attn_at(a, attn_head(a), a.d);
    int first = (int)(blockIdx.x % (unsigned)a.blocks) * QUERIES;
    float o[R][D / 8] = {}, part[R][D / 8], s[R][C], keep[R], top[R], sum[R];

    UNROLL for (int i = 0; i < R; i++) {
        top[i] = -INFINITY;
        sum[i] = 0;
    }
    tile32_load<D>(q_rows, q + at, QUERIES, first, a);
    tile32_load<D>(k_rows, k + at, KEYS, 0, a);
    copy_commit();
    for (int n = 0; n < a.time; n += KEYS) {
        copy_wait<0>();
        __syncthreads();
        tile32_load<D>(v_rows, v + at, KEYS, n, a); /* while scores are made */
        copy_commit();
        dots32<D, R, C>(s, q_rows, k_rows);
        soften32<R, C>(s, keep, top, sum, a.time - n, a.scale2);
        scores32_share<D, R, C>(weights, s);
        copy_wait<0>();
        __syncthreads();
        if (n + KEYS < a.time)
            tile32_load<D>(k_rows, k + at, KEYS, n + KEYS, a);
        copy_commit();
        weigh32<D, R>(part, weights, v_rows);
        UNROLL for (int i = 0; i < R; i++)
            UNROLL for (int j = 0; j < D / 8; j++)
                o[i][j] = o[i][j] * keep[i] + part[i][j];
    }
    finish32<D, R>(y, lse, o, top, sum, first, a);
}

template <int D>
static int forward32(struct cuda *c, const struct attending *f, struct attn a,
                     struct err *err)
{
    unsigned grid = attn_grid(&a, QUERIES);

    TRY(cuda_allow_shared(attn_forward32<D>, shared32<D>(), err));
    return LAUNCH(attn_forward32<D>, grid, F32_THREADS, shared32<D>(),
                  f->y->data, f->lse, f->q->data, f->k->data, f->v->data, a);
}

/* ---- the operations ---- */

static int forward(struct backend *be, const struct attending *f, int heads,
                   struct err *err)
{
    struct cuda *c = cuda_of(be);
    const struct tensor *const two[2] = { f->k, f->v };
    const void *kv[2];
    struct attn a = {};

    assert(tensor_count(f->y) == tensor_count(f->q));
    assert(tensor_count(f->k) == tensor_count(f->q));
    assert(tensor_count(f->v) == tensor_count(f->q));
    assert(f->y->narrow == f->q->narrow);
    TRY(attn_of(&a, f->q, heads, err));
    if (!tensor_count(f->q))
        return 0;
    a.wide = attn_wide(&a, f->y->data, f->q->data, f->k->data, f->v->data);
    if (!cuda_is_16(c))
        ATTN_WIDTH_CALL(&a, forward32<D>(c, f, a, err));
    TRY(attn_narrow(c, &a, two, 2, kv, err));
    if (c->base.precision == PRECISION_BF16)
        ATTN_WIDTH_CALL(&a, (forward16<bf16, D>(c, f, kv, a, err)));
    ATTN_WIDTH_CALL(&a, (forward16<f16, D>(c, f, kv, a, err)));
}

int cuda_attention(struct backend *be, struct tensor *y, const struct tensor *q,
                   const struct tensor *k, const struct tensor *v, int heads,
                   struct err *err)
{
    struct attending f = { y, q, k, v, NULL };

    return forward(be, &f, heads, err);
}

int cuda_attention_save(struct backend *be, struct tensor *y,
                        struct tensor *lse, const struct tensor *q,
                        const struct tensor *k, const struct tensor *v,
                        int heads, struct err *err)
{
    struct attending f = { y, q, k, v, lse->data };

    assert(y->data != q->data);
    assert(tensor_count(lse) == q->dim[0] * q->dim[1] * heads);
    return forward(be, &f, heads, err);
}
