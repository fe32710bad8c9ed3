/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The gradient of the weights: a product with a row for each channel of the
 * output, a column for each tap and channel of the input, summed over the
 * output's pixels. They are shared out to parts, of which each has its own sums
 * in work memory; these are added up in order. */
#include "tensor/cuda/conv.cuh"

/* part (parts, n, 9 * kp): part i is of pixels i * step and so on, step being a
 * multiple of what a tile takes. */
struct dw_product {
    const void *dy, *x;
    float *part;
    int pixels, step; /* of dy, b * y_h * y_w */
    int x_h, x_w, k, kp, y_h, y_w, n;
    int stride_h, stride_w;
};

/* After so many tiles, the sums go to memory: f32 sums of ever more values lose
 * digits. */
enum { TILES_AT_ONCE = 128 };

/* ---- the tiles of a block on their way to shared memory ---- */

/* A row of the tiles is a pixel of dy. A thread brings one chunk of every
 * so-many-th row of both, and for x keeps track of the pixel it is at. */
template <class M, bool WHOLE> struct dw_gather {
    typedef typename M::value V;
    static constexpr int CHUNK = chunk_values<V>(), DEPTH = tile_depth<V>();
    static constexpr int DY_CHUNKS = M::ROWS / CHUNK;
    static constexpr int X_CHUNKS = M::COLUMNS / CHUNK;
    static constexpr int DY_APART = M::THREADS / DY_CHUNKS;
    static constexpr int X_APART = M::THREADS / X_CHUNKS;
    const V *dy, *line;           /* line: pixel (i, 0) of the tap in x */
    int m, k, dh, dw;             /* channels of dy and x; the tap */
    int column_there, line_there; /* is there anything at all */
    int left, i, j, b;            /* left: pixels of the part */

    __device__ __forceinline__ void find_line(const struct dw_product *p)
    {
        int h = i * p->stride_h + dh;

        line_there = column_there && (unsigned)h < (unsigned)p->x_h;
        line = (const V *)p->x + ((int64_t)b * p->x_h + h) * p->x_w * p->k + k;
    }
    __device__ __forceinline__ void begin(const struct dw_product *p, int m0,
                                          int n0)
    {
        int column = n0 + (int)threadIdx.x % X_CHUNKS * CHUNK;
        int first = (int)blockIdx.y * p->step, tap = column / p->kp;
        int pixel = first + (int)threadIdx.x / X_CHUNKS;

        k = column - tap * p->kp;
        column_there = tap < 9;
        dh = tap / 3 - 1;
        dw = tap % 3 - 1;
        j = pixel % p->y_w;
        i = pixel / p->y_w % p->y_h;
        b = pixel / p->y_w / p->y_h;
        find_line(p);
        left = p->pixels - first < p->step ? p->pixels - first : p->step;
        m = m0 + (int)threadIdx.x % DY_CHUNKS * CHUNK;
        dy = (const V *)p->dy +
             (int64_t)(first + (int)threadIdx.x / DY_CHUNKS) * p->n + m;
    }
    __device__ __forceinline__ void bring_dy(unsigned char *tile,
                                             const struct dw_product *p)
    {
        int row = (int)threadIdx.x / DY_CHUNKS;
        int chunk = (int)threadIdx.x % DY_CHUNKS;

        UNROLL for (int r = 0; r < DEPTH; r += DY_APART) {
            copy_chunk<V, WHOLE>(tile + by_columns<V>(row + r, chunk, M::ROWS),
                                 dy, row + r < left && m < p->n, p->n - m);
            dy += DY_APART * p->n;
        }
    }
    __device__ __forceinline__ void bring_x(unsigned char *tile,
                                            const struct dw_product *p)
    {
        int row = (int)threadIdx.x / X_CHUNKS;
        int chunk = (int)threadIdx.x % X_CHUNKS;

        UNROLL for (int r = 0; r < DEPTH; r += X_APART) {
            int w = j * p->stride_w + dw;

            copy_chunk<V, WHOLE>(
                tile + by_columns<V>(row + r, chunk, M::COLUMNS),
                line + w * p->k, row + r < left && line_there &&
                                     (unsigned)w < (unsigned)p->x_w, p->k - k);
            j += X_APART;
            if (j < p->y_w)
                continue;
            for (; j >= p->y_w; j -= p->y_w)
                if (++i == p->y_h) {
                    i = 0;
                    b++;
                }
            find_line(p);
        }
    }
    /* The next stage. */
    __device__ __forceinline__ void bring(unsigned char *tiles,
                                          const struct dw_product *p)
    {
        bring_dy(tiles, p);
        bring_x(tiles + M::ROWS * ROW_BYTES, p);
        left -= DEPTH;
    }
};

/* ---- the product ---- */

/* Sums to (first: over) those in part; they become 0. */
template <class M>
__device__ __forceinline__ void put_sums(const struct dw_product *p, M *sums,
                                         int m0, int n0, int first)
{
    int64_t all = 9 * (int64_t)p->kp;
    float *part = p->part + blockIdx.y * (p->n * all) + m0 * all + n0;

    sums->each_by_columns([&](int r, int column, int n, const float *v) {
        float *to = part + r * all + column;

        if (m0 + r < p->n && n0 + column < all)
            for (int i = 0; i < n; i++)
                to[i] = (first ? 0 : to[i]) + v[i];
    });
    sums->clear();
}

/* Block x: tile of the sums, y: part. WHOLE: channels are whole chunks. */
template <class M, bool WHOLE>
__global__ void __launch_bounds__(M::THREADS, M::BLOCKS)
dw_kernel(const __grid_constant__ struct dw_product p, int asked)
{
    SHARED_DYNAMIC(unsigned char, shared);
    const int stages = stages_of<M>(asked);
    constexpr int DEPTH = tile_depth<typename M::value>();
    int across = (9 * p.kp + M::COLUMNS - 1) / M::COLUMNS;
    int n0 = (int)blockIdx.x % across * M::COLUMNS;
    int m0 = (int)blockIdx.x / across * M::ROWS;
    struct dw_gather<M, WHOLE> g;
    M sums;
    bool busy = sums.has_some(p.n - m0, 9 * p.kp - n0);
    int steps, first = 1;

    g.begin(&p, m0, n0);
    steps = (g.left + DEPTH - 1) / DEPTH;
    sums.clear();
    LOOP for (int s = 0; s < stages - 1; s++) {
        if (s < steps)
            g.bring(shared + s * stage_bytes<M>(), &p);
        copy_commit();
    }
    LOOP for (int s = 0, now = 0, next = stages - 1; s < steps; s++) {
        const unsigned char *tiles = shared + now * stage_bytes<M>();

        wait_for_stage(stages);
        __syncthreads(); /* the tiles are there, and those before are done */
        if (s + stages - 1 < steps)
            g.bring(shared + next * stage_bytes<M>(), &p);
        copy_commit();
        __syncwarp(); /* the threads of a warp may be in other lines */
        if (busy)
            sums.add_by_columns(tiles, tiles + M::ROWS * ROW_BYTES);
        now = now + 1 < stages ? now + 1 : 0;
        next = next + 1 < stages ? next + 1 : 0;
        if ((s + 1) % TILES_AT_ONCE == 0 || s + 1 == steps) {
            put_sums(&p, &sums, m0, n0, first);
            first = 0;
        }
    }
    copy_wait<0>();
}

/* dw (n, k, 9) += the parts (parts, n, 9, kp). */
__global__ void dw_fold(float *dw, const float *part, int parts, int n, int k,
                        int kp)
{
    int64_t all = (int64_t)n * 9 * kp;

    FOR_EACH(i, all) {
        int64_t row = i / kp, col = i - row * kp;
        float v = 0;

        if (col >= k)
            continue;
        for (int j = 0; j < parts; j++)
            v += part[j * all + i];
        dw[(row / 9 * k + col) * 9 + row % 9] += v;
    }
}

/* Enough parts to keep the device busy to the end, of work memory within
 * reason. */
static int64_t parts_for(const struct cuda *c, const struct dw_product *p,
                         int64_t tiles, int depth)
{
    const int64_t bytes = 64 << 20, blocks = 8 * (int64_t)c->sms;
    int64_t parts = blocks / tiles;
    int64_t fit = bytes / (p->n * 9 * (int64_t)p->kp * (int64_t)sizeof(float));
    int64_t most = p->pixels / (8 * depth); /* what is worth a block */

    parts = parts < fit ? parts : fit;
    parts = parts < most ? parts : most;
    return parts > 1 ? parts : 1;
}

template <class M, bool WHOLE>
static int launch_dw(struct cuda *c, struct dw_product p, float *dw,
                     struct err *err)
{
    auto kernel = dw_kernel<M, WHOLE>;
    const int depth = tile_depth<typename M::value>();
    int64_t all = 9 * (int64_t)p.kp, across = (all - 1) / M::COLUMNS + 1;
    int64_t tiles = ((p.n - 1) / M::ROWS + 1) * across;
    int64_t parts = parts_for(c, &p, tiles, depth);
    int stages = conv_stages<M>(c);
    size_t shared = (size_t)stages * stage_bytes<M>();
    void *part;

    p.step = (int)((p.pixels + parts * depth - 1) / (parts * depth)) * depth;
    parts = (p.pixels - 1) / p.step + 1;
    TRY(cuda_buf(c, CUDA_BUF_SUMS, (size_t)(parts * p.n * all) * sizeof(float),
                 &part, err));
    p.part = (float *)part;
    TRY(cuda_allow_shared(kernel, shared, err));
    TRY(LAUNCH(kernel, dim3((unsigned)tiles, (unsigned)parts), M::THREADS,
               shared, p, stages));
    return LAUNCH(dw_fold, cuda_grid(c, p.n * all), BLOCK, 0, dw,
                  (const float *)p.part, (int)parts, p.n, p.k, p.kp);
}

template <class M>
static int run_dw_of(struct cuda *c, const struct conv_dw_call *call,
                     struct err *err)
{
    const int chunk = chunk_values<typename M::value>();
    const struct cuda_image *x = &call->x, *dy = &call->dy;
    int64_t step = conv_images_at_once(x, dy);
    int whole = conv_is_whole(x) && conv_is_whole(dy);
    struct dw_product p = {};

    p.x_h = (int)x->h;
    p.x_w = (int)x->w;
    p.k = (int)x->c;
    p.kp = (p.k + chunk - 1) / chunk * chunk;
    p.y_h = (int)dy->h;
    p.y_w = (int)dy->w;
    p.n = (int)dy->c;
    p.stride_h = call->stride_h;
    p.stride_w = call->stride_w;
    for (int64_t b = 0; b < x->b; b += step) {
        int64_t images = x->b - b < step ? x->b - b : step;

        p.x = conv_image_at(x, b);
        p.dy = conv_image_at(dy, b);
        p.pixels = (int)(images * dy->h * dy->w);
        TRY((whole ? launch_dw<M, true> : launch_dw<M, false>)(c, p, call->dw,
                                                               err));
    }
    return 0;
}

static int run_dw(struct cuda *c, const struct conv_dw_call *call,
                  struct err *err)
{
    switch (c->base.precision) {
    case PRECISION_BF16:
        return run_dw_of<tensor_sums<bf16, 2, 4>>(c, call, err);
    case PRECISION_FP16:
        return run_dw_of<tensor_sums<f16, 2, 4>>(c, call, err);
    case PRECISION_TF32:
        return run_dw_of<tensor_sums<float, 2, 4>>(c, call, err);
    default:
        return run_dw_of<plain_sums>(c, call, err);
    }
}

/* ---- the gradient of the bias: sums over the pixels ---- */

/* Block x: a group of columns, of N values each; y: the rows of a part. The
 * threads of a column share the rows. */
template <class V, int N>
__global__ void pixel_parts(float *part, const V *dy, int64_t rows, int n,
                            int columns, int64_t step)
{
    SHARED2(float, sum, BLOCK, N);
    int t = (int)threadIdx.x, lanes = BLOCK / columns;
    int at = ((int)blockIdx.x * columns + t % columns) * N;
    int64_t from = blockIdx.y * step;
    int64_t to = rows - from < step ? rows : from + step;
    float v[N];

    UNROLL for (int i = 0; i < N; i++)
        v[i] = 0;
    if (t / columns < lanes && at < n)
        for (int64_t r = from + t / columns; r < to; r += lanes) {
            V y[N];

            if (N * sizeof(V) == 16)
                read_chunk(y, dy + r * n + at);
            else
                y[0] = dy[r * n + at];
            UNROLL for (int i = 0; i < N; i++)
                v[i] += to_float(y[i]);
        }
    UNROLL for (int i = 0; i < N; i++)
        sum[t][i] = v[i];
    __syncthreads();
    if (t >= columns || at >= n)
        return;
    for (int j = 1; j < lanes; j++)
        UNROLL for (int i = 0; i < N; i++)
            v[i] += sum[t + j * columns][i];
    UNROLL for (int i = 0; i < N; i++)
        part[(int64_t)blockIdx.y * n + at + i] = v[i];
}

template <class V, int N>
static int add_pixels(struct cuda *c, float *dbias, const struct cuda_image *dy,
                      struct err *err)
{
    auto kernel = pixel_parts<V, N>;
    int n = (int)dy->c, all = n / N, columns = all < 64 ? all : 64;
    int64_t rows = dy->b * dy->h * dy->w;
    int64_t groups = (all + columns - 1) / columns;
    int64_t blocks = 8 * (int64_t)c->sms / groups + 1;
    int64_t step = (rows + blocks - 1) / blocks, parts;
    void *part;

    step = step > 256 ? step : 256;
    parts = (rows + step - 1) / step;
    TRY(cuda_buf(c, CUDA_BUF_WORK, (size_t)(parts * n) * sizeof(float), &part,
                 err));
    TRY(LAUNCH(kernel, dim3((unsigned)groups, (unsigned)parts), BLOCK, 0,
               (float *)part, (const V *)dy->data, rows, n, columns, step));
    return cuda_column_sums(c, dbias, (const float *)part, parts, n, 1, 1, err);
}

template <class V>
static int add_pixels_of(struct cuda *c, float *dbias,
                         const struct cuda_image *dy, struct err *err)
{
    return conv_is_whole(dy)
        ? add_pixels<V, chunk_values<V>()>(c, dbias, dy, err)
        : add_pixels<V, 1>(c, dbias, dy, err);
}

static int add_to_dbias(struct cuda *c, float *dbias,
                        const struct cuda_image *dy, struct err *err)
{
    CUDA_IMAGE_CALL(c, *dy, add_pixels_of<V>(c, dbias, dy, err));
}

int cuda_image_conv_dw(struct backend *be, struct tensor *dw,
                       struct tensor *dbias, const struct tensor *dy,
                       const struct tensor *x, int stride_h, int stride_w,
                       struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct conv_dw_call call = {};
    int done;

    call.dy = cuda_image_of(c, dy);
    call.x = cuda_image_of(c, x);
    call.dw = dw->data;
    call.dbias = dbias ? dbias->data : NULL;
    call.stride_h = stride_h;
    call.stride_w = stride_w;
    assert(call.dy.b == call.x.b && call.dy.c > 1);
    assert(call.dy.h == (call.x.h - 1) / stride_h + 1);
    assert(call.dy.w == (call.x.w - 1) / stride_w + 1);
    assert(tensor_count(dw) == call.dy.c * call.x.c * 9);
    assert(!dbias || tensor_count(dbias) == call.dy.c);
    if (!call.x.b)
        return 0;
    if (call.x.c == 1)
        return cuda_conv_one_dw(c, &call, err);
    if (dbias)
        TRY(add_to_dbias(c, call.dbias, &call.dy, err));
    TRY(conv_dnn_dw(c, &call, &done, err));
    return done ? 0 : run_dw(c, &call, err);
}
