/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/attn.cuh"

/* With P = softmax(S), D the row sums of dy * y, dP = dy v^T,
 * dS = P * (dP - D): dv = P^T dy, dk = scale dS^T q, dq = scale dS k (Dao 2023,
 * algorithm 2). So that no sum is shared by blocks, two kernels make P and dS
 * again from lse:
 *   BY_KEYS: a block owns keys, makes P^T and dS^T, and writes dk and dv;
 *   else it owns queries and writes dq.
 * Each has its own rows of two tensors, x1 (k or q) and x2 (v or dy), and tiles
 * of the two others, t1 (q or k) and t2 (dy or v): scores are x1 t1^T, dP is
 * x2 t2^T, and d1 (dk or dq) is dS t1, d2 (dv) is P t2. */

/* What P and dS need of a query: lse, as an exponent of 2, and D; (B, heads,
 * T), one warp for each row (b, t, head) of dy and y. */
template <class V>
__global__ void attn_sums(float2 *sums, const float *lse, const float *dy,
                          const V *y, struct attn a)
{
    int64_t row = blockIdx.x * (int64_t)(BLOCK / 32) + threadIdx.x / 32;

    for (; row < a.all * a.time; row += gridDim.x * (int64_t)(BLOCK / 32)) {
        int64_t t = row / a.heads % a.time, head = row % a.heads;
        int64_t at = (row / a.heads / a.time * a.heads + head) * a.time + t;
        float sum = 0;

        for (int i = (int)threadIdx.x % 32; i < a.d; i += 32)
            sum += dy[row * a.d + i] * to_float(y[row * a.d + i]);
        sum = warp_sum(sum);
        if (threadIdx.x % 32 == 0)
            sums[at] = make_float2(lse[at] * LOG2_E, sum);
    }
}

/* Those of a head's row; past the last one there is no weight. */
__device__ __forceinline__ float2 sums_of(const float2 *sums, int row,
                                          const struct attn &a)
{
    return row < a.time ? sums[row] : make_float2(INFINITY, 0);
}

/* ---- 16 bit ---- */

enum { THREADS16 = 128, OWN16 = THREADS16 / 2 /* rows of a block */ };

/* Scores s (16, 16) become P, dp becomes dS. The lane's value i of half j is of
 * row i / 2, column 8 j + i % 2: sums of a tile's queries are read from column
 * on, those of own ones are given. left: the columns that there are. */
template <bool BY_KEYS>
__device__ __forceinline__ void slopes16(float s[2][4], float dp[2][4],
                                         const float2 *column,
                                         const float2 own[2], int left,
                                         float scale2)
{
    int t = (int)threadIdx.x % 4;

    UNROLL for (int j = 0; j < 2; j++) {
        float4 two = make_float4(0, 0, 0, 0);

        if (BY_KEYS)
            two = *(const float4 *)(column + 8 * j + 2 * t);
        UNROLL for (int i = 0; i < 4; i++) {
            float lse = !BY_KEYS ? own[i / 2].x : i % 2 ? two.z : two.x;
            float delta = !BY_KEYS ? own[i / 2].y : i % 2 ? two.w : two.y;
            float p = exp2_short(s[j][i] * scale2 - lse);

            if (!BY_KEYS && left < 16 && 8 * j + 2 * t + i % 2 >= left)
                p = 0; /* lse says nothing of keys that are not there */
            s[j][i] = p;
            dp[j][i] = p * (dp[j][i] - delta);
        }
    }
}

template <class T, int D> static constexpr size_t shared16()
{
    return 4 * tile16_size<D>() * sizeof(T) +
           2 * tile16_rows<D>() * sizeof(float2);
}

template <class T, int D, bool BY_KEYS>
__global__ __launch_bounds__(THREADS16, D > 64 ? 2 : 3)
void attn_slopes(float *d1, float *d2, const T *x1, const T *x2, const T *t1,
                 const T *t2, const float2 *sums, struct attn a)
{
    enum { ROWS = tile16_rows<D>(), SIZE = tile16_size<D>(),
           LD = tile16_ld<D>() };
    SHARED_DYNAMIC(T, shared); /* t1, t2, the next ones, their sums */
    float2 *columns = reinterpret_cast<float2 *>(shared + 4 * SIZE);
    int64_t head = attn_head(a), at = attn_at(a, head, a.d);
    int64_t at16 = attn_at(a, head, D);
    int first = (int)(blockIdx.x % (unsigned)a.blocks) * OWN16 +
                (int)threadIdx.x / 32 * 16;
    float o1[D / 8][4] = {}, o2[D / 8][4] = {};
    float scale[2] = { a.scale, a.scale }, one[2] = { 1, 1 };
    float2 own[2] = {};
    uint32_t own1[D / 16][4], own2[D / 16][4];

    t1 += at16;
    t2 += at16;
    sums += head * a.time;
    tiles16_load<T, D>(shared, t1, t2, 0, THREADS16, a);
    copy_commit();
    if (BY_KEYS && threadIdx.x < ROWS)
        columns[threadIdx.x] = sums_of(sums, (int)threadIdx.x, a);
    for (int i = 0; i < 2 && !BY_KEYS; i++)
        own[i] = sums_of(sums, first + (int)threadIdx.x % 32 / 4 + 8 * i, a);
    rows16_load<T, D>(own1, x1 + at16, first, a.step16, D, 1, a);
    rows16_load<T, D>(own2, x2 + at16, first, a.step16, D, 1, a);
    for (int n = 0; n < a.time; n += ROWS) {
        int now = n / ROWS % 2, next = 1 - now;

        copy_wait<0>();
        __syncthreads();
        if (n + ROWS < a.time) {
            tiles16_load<T, D>(shared + next * 2 * SIZE, t1, t2, n + ROWS,
                               THREADS16, a);
            copy_commit();
            if (BY_KEYS && threadIdx.x < ROWS)
                columns[next * ROWS + (int)threadIdx.x] =
                    sums_of(sums, n + ROWS + (int)threadIdx.x, a);
        }
        for (int j = 0; j < ROWS && n + j < a.time && first < a.time; j += 16) {
            const T *tile1 = shared + now * 2 * SIZE + j * LD;
            const T *tile2 = tile1 + SIZE;
            float s[2][4] = {}, dp[2][4] = {};

            dots16<T, D>(s, own1, tile1);
            dots16<T, D>(dp, own2, tile2);
            slopes16<BY_KEYS>(s, dp, columns + now * ROWS + j, own,
                              a.time - n - j, a.scale2);
            weigh16<T, D>(o1, dp, tile1);
            if (BY_KEYS)
                weigh16<T, D>(o2, s, tile2);
        }
    }
    rows16_store<D>(d1 + at, o1, first, scale, a);
    if (BY_KEYS)
        rows16_store<D>(d2 + at, o2, first, one, a);
}

/* One call. */
struct slopes {
    float *dq, *dk, *dv;
    const struct tensor *dy, *y, *q, *k, *v;
    const float *lse;
    float2 *sums;
};

/* narrow: q, dy, k, v in 16 bit. */
template <class T, int D>
static int backward16(struct cuda *c, const struct slopes *p, struct attn a,
                      const void *const narrow[4], struct err *err)
{
    auto by_keys = attn_slopes<T, D, true>;
    auto by_queries = attn_slopes<T, D, false>;
    const T *q = (const T *)narrow[0], *dy = (const T *)narrow[1];
    const T *k = (const T *)narrow[2], *v = (const T *)narrow[3];
    unsigned grid = attn_grid(&a, OWN16);

    TRY(LAUNCH(by_keys, grid, THREADS16, (shared16<T, D>()), p->dk, p->dv, k, v,
               q, dy, p->sums, a));
    return LAUNCH(by_queries, grid, THREADS16, (shared16<T, D>()), p->dq,
                  (float *)NULL, q, dy, k, v, p->sums, a);
}

/* ---- f32 ---- */

template <int D> __host__ __device__ constexpr int own32_rows()
{
    return D > 64 ? 32 : 64;
}

/* As slopes16, of rows ty + 16 i from first on, columns tx + 8 j from n on. */
template <int R, int C, bool BY_KEYS>
__device__ __forceinline__ void slopes32(float s[R][C], float dp[R][C],
                                         const float2 *sums, int first, int n,
                                         const struct attn &a)
{
    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int j = 0; j < C; j++) {
            int row = first + (int)threadIdx.x / 8 + 16 * i;
            int col = n + (int)threadIdx.x % 8 + 8 * j;
            float2 of = sums_of(sums, BY_KEYS ? col : row, a);
            float p = exp2f(s[i][j] * a.scale2 - of.x);

            s[i][j] = col < a.time ? p : 0;
            dp[i][j] = s[i][j] * (dp[i][j] - of.y);
        }
}

/* o += w times a tile. */
template <int D, int R, int C>
__device__ __forceinline__ void add_weighed32(float o[R][D / 8], float *shared,
                                              const float w[R][C],
                                              const float *tile)
{
    float part[R][D / 8];

    scores32_share<D, R, C>(shared, w);
    weigh32<D, R>(part, shared, tile);
    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int j = 0; j < D / 8; j++)
            o[i][j] += part[i][j];
}

template <int D> static constexpr size_t shared32()
{
    return (2 * (own32_rows<D>() + tile32_rows<D>()) * tile32_ld<D>() +
            own32_rows<D>() * scores32_ld<D>()) * sizeof(float);
}

template <int D, bool BY_KEYS>
__global__ __launch_bounds__(F32_THREADS, D > 64 ? 2 : 3)
void attn_slopes32(float *d1, float *d2, const float *x1, const float *x2,
                   const float *t1, const float *t2, const float2 *sums,
                   struct attn a)
{
    enum { OWN = own32_rows<D>(), ROWS = tile32_rows<D>(), R = OWN / 16,
           C = ROWS / 8 };
    SHARED_DYNAMIC(float, own1);
    float *own2 = own1 + OWN * tile32_ld<D>();
    float *tile1 = own2 + OWN * tile32_ld<D>();
    float *tile2 = tile1 + ROWS * tile32_ld<D>();
    float *scores = tile2 + ROWS * tile32_ld<D>();
    int64_t head = attn_head(a), at = attn_at(a, head, a.d);
    int first = (int)(blockIdx.x % (unsigned)a.blocks) * OWN;
    float o1[R][D / 8] = {}, o2[R][D / 8] = {}, s[R][C], dp[R][C];
    float scale[R], one[R];

    UNROLL for (int i = 0; i < R; i++) {
        scale[i] = a.scale;
        one[i] = 1;
    }
    sums += head * a.time;
    tile32_load<D>(own1, x1 + at, OWN, first, a);
    tile32_load<D>(own2, x2 + at, OWN, first, a);
    for (int n = 0; n < a.time; n += ROWS) {
        __syncthreads();
        tile32_load<D>(tile1, t1 + at, ROWS, n, a);
        tile32_load<D>(tile2, t2 + at, ROWS, n, a);
        copy_commit();
        copy_wait<0>();
        __syncthreads();
        dots32<D, R, C>(s, own1, tile1);
        dots32<D, R, C>(dp, own2, tile2);
        slopes32<R, C, BY_KEYS>(s, dp, sums, first, n, a);
        if (BY_KEYS)
            add_weighed32<D, R, C>(o2, scores, s, tile2);
        add_weighed32<D, R, C>(o1, scores, dp, tile1);
    }
    rows32_store<D, R>(d1 + at, o1, first, scale, a);
    if (BY_KEYS)
        rows32_store<D, R>(d2 + at, o2, first, one, a);
}

template <int D>
static int backward32(struct cuda *c, const struct slopes *p, struct attn a,
                      struct err *err)
{
    auto by_keys = attn_slopes32<D, true>, by_queries = attn_slopes32<D, false>;
    unsigned grid = attn_grid(&a, own32_rows<D>());

    TRY(cuda_allow_shared(by_keys, shared32<D>(), err));
    TRY(cuda_allow_shared(by_queries, shared32<D>(), err));
    TRY(LAUNCH(by_keys, grid, F32_THREADS, shared32<D>(), p->dk, p->dv,
               p->k->data, p->v->data, p->q->data, p->dy->data, p->sums, a));
    return LAUNCH(by_queries, grid, F32_THREADS, shared32<D>(), p->dq,
                  (float *)NULL, p->q->data, p->dy->data, p->k->data,
                  p->v->data, p->sums, a);
}

/* ---- the operation ---- */

template <class V>
static int make_sums(struct cuda *c, const struct slopes *p,
                     const struct attn *a, struct err *err)
{
    return LAUNCH(attn_sums<V>, cuda_grid(c, a->all * a->time * 32), BLOCK, 0,
                  p->sums, p->lse, p->dy->data, (const V *)p->y->data, *a);
}

static int make_sums_any(struct cuda *c, const struct slopes *p,
                         const struct attn *a, struct err *err)
{
    CUDA_VALUES_CALL(c, p->y, make_sums<V>(c, p, a, err));
}

static int backward(struct cuda *c, const struct slopes *p, struct attn a,
                    struct err *err)
{
    const struct tensor *const four[4] = { p->q, p->dy, p->k, p->v };
    const void *narrow[4];

    TRY(make_sums_any(c, p, &a, err));
    if (!cuda_is_16(c))
        ATTN_WIDTH_CALL(&a, backward32<D>(c, p, a, err));
    TRY(attn_narrow(c, &a, four, 4, narrow, err));
    if (c->base.precision == PRECISION_BF16)
        ATTN_WIDTH_CALL(&a, (backward16<bf16, D>(c, p, a, narrow, err)));
    ATTN_WIDTH_CALL(&a, (backward16<f16, D>(c, p, a, narrow, err)));
}

int cuda_attention_backward(struct backend *be, struct tensor *dq,
                            struct tensor *dk, struct tensor *dv,
                            const struct tensor *dy, const struct tensor *y,
                            const struct tensor *lse, const struct tensor *q,
                            const struct tensor *k, const struct tensor *v,
                            int heads, struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t n = tensor_count(q);
    struct slopes p = { dq->data, dk->data, dv->data, dy, y, q, k, v,
                        lse->data, NULL };
    struct attn a = {};
    void *sums;

    assert(tensor_count(dq) == n && tensor_count(dk) == n);
    assert(tensor_count(dv) == n && tensor_count(dy) == n);
    assert(tensor_count(k) == n && tensor_count(v) == n);
    TRY(attn_of(&a, q, heads, err));
    assert(tensor_count(lse) == a.all * a.time);
    if (!n)
        return 0;
    assert(!dq->narrow && !dk->narrow && !dv->narrow && !dy->narrow);
    a.wide = attn_wide(&a, p.dq, p.dk, p.dv, dy->data, q->data, k->data,
                       v->data);
    TRY(cuda_buf(c, CUDA_BUF_SUMS, (size_t)(a.all * a.time) * sizeof(float2),
                 &sums, err));
    p.sums = (float2 *)sums;
    return backward(c, &p, a, err);
}
