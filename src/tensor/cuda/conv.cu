/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Convolutions as products: a row for each pixel of the output, a column for
 * each of its channels, summed over the taps and the channels of the input. The
 * matrix of the inputs is never made: blocks gather its tiles from the image.
 *
 * The gradient of the input is a convolution too, of the gradient of the output
 * with the taps mirrored. Where the stride is 2, only every other tap meets an
 * output pixel, which ones depends on whether row and column are odd: four
 * classes of pixels, each a product of its own. */
#include <stdlib.h>
#include <string.h>

#include "tensor/cuda/conv.cuh"

/* Pixel (i, j), i < h, j < w, of the class is (y0 + i * apart_h, x0 + j *
 * apart_w) of y. Tap t takes pixel (i * step_h + dh[t], j * step_w + dw[t]) of
 * x; weights (n, taps, kp), zeros for channels k to kp. */
struct conv_class {
    int h, w, y0, x0, taps;
    signed char dh[9], dw[9];
    const void *weights;
};
struct conv_product {
    const void *x;
    void *y;
    const float *bias; /* or NULL */
    int images, x_h, x_w, k, kp, y_h, y_w, n;
    int step_h, step_w, apart_h, apart_w;
    int accumulate, relu;
    int classes;
    struct conv_class cls[4];
};

/* ---- the tiles of a block on their way to shared memory ---- */

/* A thread brings chunks threadIdx.x % 4 of every APARTth row. */
template <class M, bool WHOLE> struct gather {
    typedef typename M::value V;
    static constexpr int APART = M::THREADS / 4, X_ROWS = M::ROWS / APART;
    static constexpr int W_ROWS = M::COLUMNS / APART;
    static constexpr int CHUNK = chunk_values<V>();
    const V *x[X_ROWS], *w;
    unsigned x_there[X_ROWS], w_there; /* bits: of taps; of rows */
    int tap, channel, k; /* where the chunk is; k: along the rows of w */
    int shift;           /* from pixel (i * step, j * step) to the tap's */

    __device__ __forceinline__ void find_tap(const struct conv_product *p,
                                             const struct conv_class *c)
    {
        for (; channel >= p->kp; channel -= p->kp)
            tap++;
        if (tap < c->taps)
            shift = (c->dh[tap] * p->x_w + c->dw[tap]) * p->k;
    }
    /* rows: of each row of the tile its pixel of x and the taps that are
     * there. */
    __device__ __forceinline__ void begin(const struct conv_product *p,
                                          const struct conv_class *c,
                                          const int (*rows)[2], int n0)
    {
        int row = (int)threadIdx.x / 4;

        channel = k = (int)threadIdx.x % 4 * CHUNK;
        tap = shift = 0;
        w = (const V *)c->weights + (int64_t)(n0 + row) * c->taps * p->kp;
        w_there = 0;
        UNROLL for (int i = 0; i < W_ROWS; i++)
            if (n0 + row + i * APART < p->n)
                w_there |= 1u << i;
        UNROLL for (int i = 0; i < X_ROWS; i++) {
            x[i] = (const V *)p->x + (int64_t)rows[row + i * APART][0] * p->k;
            x_there[i] = (unsigned)rows[row + i * APART][1];
        }
        find_tap(p, c);
    }
    /* The next stage. */
    __device__ __forceinline__ void bring(unsigned char *tiles,
                                          const struct conv_product *p,
                                          const struct conv_class *c)
    {
        int at = by_rows((int)threadIdx.x / 4, (int)threadIdx.x % 4);
        int all = c->taps * p->kp;
        int64_t down = (int64_t)APART * all;

        UNROLL for (int i = 0; i < X_ROWS; i++)
            copy_chunk<V, WHOLE>(tiles + at + i * APART * ROW_BYTES,
                                 x[i] + shift + channel, x_there[i] >> tap & 1,
                                 p->k - channel);
        UNROLL for (int i = 0; i < W_ROWS; i++)
            copy16(tiles + at + (M::ROWS + i * APART) * ROW_BYTES,
                   w + i * down + k, k < all && (w_there >> i & 1));
        k += tile_depth<V>();
        channel += tile_depth<V>();
        if (channel >= p->kp)
            find_tap(p, c);
    }
};

/* Row r of the tile from pixel m0 on: its pixel of x and bits of the taps that
 * meet the image there; and its pixel of y, -1 where there is none. */
__device__ __forceinline__ void find_row(const struct conv_product *p,
                                         const struct conv_class *c, int m,
                                         int row[2], int *y)
{
    int j = m % c->w, i = m / c->w % c->h, b = m / c->w / c->h;

    row[0] = row[1] = 0;
    *y = -1;
    if (b >= p->images)
        return;
    *y = (b * p->y_h + c->y0 + i * p->apart_h) * p->y_w + c->x0 +
         j * p->apart_w;
    i *= p->step_h;
    j *= p->step_w;
    row[0] = (b * p->x_h + i) * p->x_w + j;
    for (int t = 0; t < c->taps; t++)
        if ((unsigned)(i + c->dh[t]) < (unsigned)p->x_h &&
            (unsigned)(j + c->dw[t]) < (unsigned)p->x_w)
            row[1] |= 1 << t;
}

/* ---- the sums of a block on their way to y ---- */

enum { WAIT_ROWS = 64, WAIT_WIDTH = 128 + 8 };

/* sums (WAIT_ROWS, WAIT_WIDTH) for pixels place[] of y, from channel n0 on. */
template <class M, bool WHOLE>
__device__ __forceinline__ void write_rows(const struct conv_product *p,
                                           const float *sums, const int *place,
                                           int n0)
{
    typedef typename M::value V;
    constexpr int CHUNK = chunk_values<V>(), CHUNKS = M::COLUMNS / CHUNK;
    int column = (int)threadIdx.x % CHUNKS * CHUNK, n = n0 + column;
    int some = p->n - n < CHUNK ? p->n - n : CHUNK;
    float bias[CHUNK];

    if (some <= 0)
        return;
    UNROLL for (int i = 0; i < CHUNK; i++)
        bias[i] = p->bias && i < some ? p->bias[n + i] : 0;
    for (int r = (int)threadIdx.x / CHUNKS; r < WAIT_ROWS;
         r += M::THREADS / CHUNKS) {
        V *to = (V *)p->y + (int64_t)place[r] * p->n + n;
        V v[CHUNK];

        if (place[r] < 0)
            continue;
        UNROLL for (int i = 0; i < CHUNK; i++)
            v[i] = from_float<V>(0);
        if (p->accumulate && WHOLE)
            read_chunk(v, to);
        UNROLL for (int i = 0; i < CHUNK; i++) {
            float s = sums[r * WAIT_WIDTH + column + i] + bias[i];

            if (!WHOLE && p->accumulate && i < some)
                v[i] = to[i];
            s += to_float(v[i]);
            v[i] = from_float<V>(p->relu && !(s > 0) ? 0 : s);
            if (!WHOLE && i < some)
                to[i] = v[i];
        }
        if (WHOLE)
            write_chunk(to, v);
    }
}

template <class M, bool WHOLE>
__device__ __forceinline__ void write_tile(const struct conv_product *p,
                                           const struct conv_class *c,
                                           const M *sums,
                                           unsigned char *shared, int m0,
                                           int n0)
{
    float *wait = (float *)shared;
    int *place = (int *)(wait + WAIT_ROWS * WAIT_WIDTH), row[2];

    if (threadIdx.x < M::ROWS)
        find_row(p, c, m0 + (int)threadIdx.x, row, &place[threadIdx.x]);
    for (int first = 0; first < M::ROWS; first += WAIT_ROWS) {
        sums->each_by_rows([&](int r, int column, int n, const float *v) {
            if (r / WAIT_ROWS * WAIT_ROWS == first)
                for (int i = 0; i < n; i++)
                    wait[(r - first) * WAIT_WIDTH + column + i] = v[i];
        });
        __syncthreads();
        write_rows<M, WHOLE>(p, wait, place + first, n0);
        __syncthreads();
    }
}

/* ---- the product ---- */

/* Block x: a tile of y, columns first, so that blocks which run together share
 * the image; z: the class. WHOLE: channels are whole chunks in x and y. */
template <class M, bool WHOLE>
__global__ void __launch_bounds__(M::THREADS, M::BLOCKS)
conv_kernel(const __grid_constant__ struct conv_product p, int asked)
{
    SHARED_DYNAMIC(unsigned char, shared);
    const int stages = stages_of<M>(asked);
    constexpr int DEPTH = tile_depth<typename M::value>();
    const struct conv_class *c = &p.cls[blockIdx.z];
    int across = (p.n + M::COLUMNS - 1) / M::COLUMNS;
    int n0 = (int)blockIdx.x % across * M::COLUMNS;
    int m0 = (int)blockIdx.x / across * M::ROWS;
    int left = p.images * c->h * c->w - m0, steps, unused;
    int (*rows)[2] = (int (*)[2])(shared + (stages - 1) * stage_bytes<M>());
    struct gather<M, WHOLE> g;
    M sums;
    bool busy = sums.has_some(left, p.n - n0);

    if (left <= 0)
        return;
    if (threadIdx.x < M::ROWS)
        find_row(&p, c, m0 + (int)threadIdx.x, rows[threadIdx.x], &unused);
    __syncthreads();
    g.begin(&p, c, rows, n0);
    sums.clear();
    steps = (c->taps * p.kp + DEPTH - 1) / DEPTH;
    LOOP for (int s = 0; s < stages - 1; s++) {
        if (s < steps)
            g.bring(shared + s * stage_bytes<M>(), &p, c);
        copy_commit();
    }
    LOOP for (int s = 0, now = 0, next = stages - 1; s < steps; s++) {
        const unsigned char *tiles = shared + now * stage_bytes<M>();

        wait_for_stage(stages);
        __syncthreads(); /* the tiles are there, and those before are done */
        if (s + stages - 1 < steps)
            g.bring(shared + next * stage_bytes<M>(), &p, c);
        copy_commit();
        __syncwarp(); /* the threads of a warp may have found other taps */
        if (busy)
            sums.add_by_rows(tiles, tiles + M::ROWS * ROW_BYTES);
        now = now + 1 < stages ? now + 1 : 0;
        next = next + 1 < stages ? next + 1 : 0;
    }
    copy_wait<0>();
    __syncthreads();
    write_tile<M, WHOLE>(&p, c, &sums, shared, m0, n0);
}

template <class M, bool WHOLE>
static int launch_product(struct cuda *c, const struct conv_product *p,
                          struct err *err)
{
    auto kernel = conv_kernel<M, WHOLE>;
    int64_t most = 0, across = (p->n + M::COLUMNS - 1) / M::COLUMNS;
    int stages = conv_stages<M>(c);
    size_t shared = (size_t)stages * stage_bytes<M>();

    for (int i = 0; i < p->classes; i++) {
        int64_t m = (int64_t)p->images * p->cls[i].h * p->cls[i].w;

        most = m > most ? m : most;
    }
    TRY(cuda_allow_shared(kernel, shared, err));
    return LAUNCH(kernel, dim3((unsigned)((most + M::ROWS - 1) / M::ROWS *
                                          across), 1, (unsigned)p->classes),
                  M::THREADS, shared, *p, stages);
}

/* ---- weights ---- */

/* Position i of all taps in the order of the classes: tap of w, and of its
 * class the first position and how many. */
struct tap_order {
    int n, tap[9], start[9], count[9];
};

/* Block y: a position. w (Cout, Cin, 3, 3). */
template <class V>
__global__ void pack_taps(V *out, const float *w,
                          const __grid_constant__ struct tap_order o, int n,
                          int k, int kp, int backward)
{
    int at = (int)blockIdx.y, start = o.start[at], count = o.count[at];

    out += (int64_t)start * n * kp;
    FOR_EACH(i, (int64_t)n * kp) {
        int64_t row = (unsigned)i / (unsigned)kp, col = i - row * kp;
        int64_t from = backward ? col * n + row : row * k + col;

        out[(row * count + at - start) * kp + col] =
            from_float<V>(col < k ? w[from * 9 + o.tap[at]] : 0);
    }
}

static int chunk_of(const struct cuda *c)
{
    return cuda_is_16(c) ? 8 : 4;
}

static int padded(const struct cuda *c, int64_t k)
{
    int chunk = chunk_of(c);

    return (int)((k + chunk - 1) / chunk * chunk);
}

/* Floats of memory for n * k * 9 weights. */
static int64_t packed_size(const struct cuda *c, int64_t n, int64_t k)
{
    int64_t values = n * padded(c, k) * 9;

    return cuda_is_16(c) ? (values + 1) / 2 : values;
}

template <class V>
static int pack_of(struct cuda *c, void *out, const float *w,
                   const struct tap_order *o, int64_t n, int64_t k,
                   int backward, struct err *err)
{
    int kp = padded(c, k);

    return LAUNCH(pack_taps<V>, dim3(cuda_grid(c, n * kp), 9), BLOCK, 0,
                  (V *)out, w, *o, (int)n, (int)k, kp, backward);
}

static int pack(struct cuda *c, void *out, const float *w,
                const struct tap_order *o, int64_t n, int64_t k, int backward,
                struct err *err)
{
    switch (c->base.precision) {
    case PRECISION_BF16:
        return pack_of<bf16>(c, out, w, o, n, k, backward, err);
    case PRECISION_FP16:
        return pack_of<f16>(c, out, w, o, n, k, backward, err);
    default:
        return pack_of<float>(c, out, w, o, n, k, backward, err);
    }
}

/* ---- classes ---- */

/* Along one axis, outputs first, first + stride..: taps[i] meets the input
 * shift[i] from where the output stands. */
struct axis {
    int n, taps[3], shift[3];
};

static struct axis axis_forward(void)
{
    struct axis a = { 3, { 0, 1, 2 }, { -1, 0, 1 } };

    return a;
}

/* Pixel i of the input went into output o by tap t where i + 1 = o * stride +
 * t; i is first + a multiple of stride. */
static struct axis axis_backward(int first, int stride)
{
    struct axis a = {};

    for (int t = 0; t < 3; t++)
        if ((first + 1 - t) % stride == 0) {
            a.taps[a.n] = t;
            a.shift[a.n++] = (first + 1 - t) / stride;
        }
    return a;
}

static void add_class(struct conv_product *p, struct tap_order *o,
                      const struct axis *down, const struct axis *right, int y0,
                      int x0)
{
    struct conv_class *c = &p->cls[p->classes++];
    int start = o->n;

    c->y0 = y0;
    c->x0 = x0;
    c->h = (p->y_h - y0 + p->apart_h - 1) / p->apart_h;
    c->w = (p->y_w - x0 + p->apart_w - 1) / p->apart_w;
    for (int i = 0; i < down->n; i++)
        for (int j = 0; j < right->n; j++) {
            c->dh[c->taps] = (signed char)down->shift[i];
            c->dw[c->taps++] = (signed char)right->shift[j];
            o->tap[o->n] = 3 * down->taps[i] + right->taps[j];
            o->start[o->n] = start;
            o->count[o->n++] = down->n * right->n;
        }
}

/* Those with the most taps first, so that the last blocks to run are short. */
static void add_classes(struct conv_product *p, struct tap_order *o,
                        const struct conv_call *call)
{
    for (int y0 = p->apart_h; y0-- > 0;)
        for (int x0 = p->apart_w; x0-- > 0;) {
            struct axis down = axis_forward(), right = down;

            if (call->backward) {
                down = axis_backward(y0, call->stride_h);
                right = axis_backward(x0, call->stride_w);
            }
            add_class(p, o, &down, &right, y0, x0);
        }
}

static struct conv_product plan(const struct cuda *c,
                                const struct conv_call *call,
                                struct tap_order *o)
{
    const struct cuda_image *y = &call->y, *x = &call->x;
    struct conv_product p = {};

    p.x_h = (int)x->h;
    p.x_w = (int)x->w;
    p.k = (int)x->c;
    p.kp = padded(c, x->c);
    p.y_h = (int)y->h;
    p.y_w = (int)y->w;
    p.n = (int)y->c;
    p.step_h = call->backward ? 1 : call->stride_h;
    p.step_w = call->backward ? 1 : call->stride_w;
    p.apart_h = call->backward ? call->stride_h : 1;
    p.apart_w = call->backward ? call->stride_w : 1;
    p.bias = call->bias;
    p.accumulate = call->accumulate;
    p.relu = call->relu;
    memset(o, 0, sizeof(*o));
    add_classes(&p, o, call);
    return p;
}

/* ---- a convolution ---- */

template <class M>
static int run_of(struct cuda *c, const struct conv_call *call,
                  struct conv_product p, const struct tap_order *o,
                  const void *packed, struct err *err)
{
    int64_t step = conv_images_at_once(&call->x, &call->y);
    int whole = conv_is_whole(&call->x) && conv_is_whole(&call->y);

    for (int i = 0, at = 0; i < p.classes; i++, at += o->count[at])
        p.cls[i].weights = (const typename M::value *)packed +
                           (int64_t)o->start[at] * p.n * p.kp;
    for (int64_t b = 0; b < call->x.b; b += step) {
        p.images = (int)(call->x.b - b < step ? call->x.b - b : step);
        p.x = conv_image_at(&call->x, b);
        p.y = conv_image_at(&call->y, b);
        TRY((whole ? launch_product<M, true>
                   : launch_product<M, false>)(c, &p, err));
    }
    return 0;
}

/* The weights as cuDNN wants them are those of the forward pass as conv_kernel
 * wants them. */
static int run_dnn(struct cuda *c, const struct conv_call *call, int *done,
                   struct err *err)
{
    int64_t n = call->backward ? call->x.c : call->y.c;
    int64_t k = call->backward ? call->y.c : call->x.c;
    struct conv_call forward = *call;
    struct tap_order o;
    void *packed = (void *)call->packed;

    *done = 0;
    if (!conv_dnn_takes(c, &call->x, &call->y))
        return 0;
    if (!packed) {
        forward.backward = 0;
        plan(c, &forward, &o);
        TRY(cuda_buf(c, CUDA_BUF_WORK,
                     (size_t)packed_size(c, n, k) * sizeof(float), &packed,
                     err));
        TRY(pack(c, packed, call->w, &o, n, k, 0, err));
    }
    return conv_dnn(c, call, packed, done, err);
}

static int run(struct cuda *c, const struct conv_call *call, struct err *err)
{
    struct tap_order o;
    struct conv_product p = plan(c, call, &o);
    void *work;
    const void *packed = call->packed;
    int done;

    TRY(run_dnn(c, call, &done, err));
    if (done)
        return 0;

    if (!packed) {
        size_t size = (size_t)packed_size(c, p.n, p.k) * sizeof(float);

        TRY(cuda_buf(c, CUDA_BUF_WORK, size, &work, err));
        TRY(pack(c, work, call->w, &o, p.n, p.k, call->backward, err));
        packed = work;
    }
    switch (c->base.precision) {
    case PRECISION_BF16:
        return run_of<tensor_sums<bf16, 4, 2>>(c, call, p, &o, packed, err);
    case PRECISION_FP16:
        return run_of<tensor_sums<f16, 4, 2>>(c, call, p, &o, packed, err);
    case PRECISION_TF32:
        return run_of<tensor_sums<float, 4, 2>>(c, call, p, &o, packed, err);
    default:
        return run_of<plain_sums>(c, call, p, &o, packed, err);
    }
}

static struct conv_call call_of(const struct cuda *c, const struct tensor *y,
                                const struct tensor *x, int stride_h,
                                int stride_w)
{
    struct conv_call call = {};

    call.y = cuda_image_of(c, y);
    call.x = cuda_image_of(c, x);
    call.stride_h = stride_h;
    call.stride_w = stride_w;
    return call;
}

/* small is what comes out of big. */
static int sizes_fit(const struct cuda_image *small,
                     const struct cuda_image *big, int stride_h, int stride_w)
{
    return small->b == big->b && small->h == (big->h - 1) / stride_h + 1 &&
           small->w == (big->w - 1) / stride_w + 1;
}

int cuda_image_conv(struct backend *be, struct tensor *y,
                    const struct tensor *x, const struct tensor *w,
                    const struct tensor *bias, int stride_h, int stride_w,
                    struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct conv_call call = call_of(c, y, x, stride_h, stride_w);

    assert(sizes_fit(&call.y, &call.x, stride_h, stride_w) && call.y.c > 1);
    assert(tensor_count(w) == call.y.c * call.x.c * 9);
    assert(!bias || tensor_count(bias) == call.y.c);
    call.w = w->data;
    call.bias = bias ? bias->data : NULL;
    return call.x.c == 1 ? cuda_conv_one(c, &call, err) : run(c, &call, err);
}

int cuda_image_conv_dx(struct backend *be, struct tensor *dx,
                       const struct tensor *dy, const struct tensor *w,
                       int stride_h, int stride_w, int accumulate,
                       struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct conv_call call = call_of(c, dx, dy, stride_h, stride_w);

    assert(sizes_fit(&call.x, &call.y, stride_h, stride_w));
    assert(call.x.c > 1 && call.y.c > 1);
    assert(tensor_count(w) == call.y.c * call.x.c * 9);
    call.w = w->data;
    call.backward = 1;
    call.accumulate = accumulate;
    return run(c, &call, err);
}

/* ---- with weights that stay: inference ---- */

struct conv2d {
    int c_out, c_in, stride_h, stride_w;
    float *weight, *bias;
    float *packed; /* for packed_for; NULL: not yet, or c_in is 1 */
    enum precision packed_for;
};

static int to_device(struct backend *be, float **out, const float *host,
                     int64_t n, struct err *err)
{
    TRY(be->ops->alloc(be, out, n, err));
    return be->ops->upload(be, *out, host, n, err);
}

int cuda_conv2d_new(struct backend *be, struct conv2d **out,
                    const float *weight, const float *bias, int c_out, int c_in,
                    int stride_h, int stride_w, struct err *err)
{
    struct conv2d *k = (struct conv2d *)calloc(1, sizeof(*k));
    int rc;

    if (!k)
        return err_set(err, ERR_NOMEM, "no memory for a convolution");
    k->c_out = c_out;
    k->c_in = c_in;
    k->stride_h = stride_h;
    k->stride_w = stride_w;
    rc = to_device(be, &k->weight, weight, (int64_t)c_out * c_in * 9, err);
    if (!rc)
        rc = to_device(be, &k->bias, bias, c_out, err);
    if (rc) {
        cuda_conv2d_free(be, k);
        return rc;
    }
    *out = k;
    return 0;
}

void cuda_conv2d_free(struct backend *be, struct conv2d *k)
{
    if (!k)
        return;
    if (k->weight)
        be->ops->free(be, k->weight);
    if (k->bias)
        be->ops->free(be, k->bias);
    if (k->packed)
        be->ops->free(be, k->packed);
    free(k);
}

/* Packs the weights unless they are packed for this precision. */
static int keep_packed(struct cuda *c, struct conv2d *k,
                       const struct conv_call *call, struct err *err)
{
    struct backend *be = &c->base;
    struct tap_order o;

    if (k->packed && k->packed_for == be->precision)
        return 0;
    if (k->packed)
        be->ops->free(be, k->packed);
    k->packed = NULL;
    TRY(be->ops->alloc(be, &k->packed, packed_size(c, k->c_out, k->c_in), err));
    k->packed_for = be->precision;
    plan(c, call, &o);
    return pack(c, k->packed, k->weight, &o, k->c_out, k->c_in, 0, err);
}

int cuda_conv2d(struct backend *be, struct tensor *y, const struct tensor *x,
                struct conv2d *k, enum act act, int accumulate,
                struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct conv_call call = call_of(c, y, x, k->stride_h, k->stride_w);

    assert(sizes_fit(&call.y, &call.x, k->stride_h, k->stride_w));
    assert(call.x.c == k->c_in && call.y.c == k->c_out && k->c_out > 1);
    assert(act == ACT_NONE || act == ACT_RELU);
    call.w = k->weight;
    call.bias = k->bias;
    call.accumulate = accumulate;
    call.relu = act == ACT_RELU;
    if (call.x.c == 1)
        return cuda_conv_one(c, &call, err);
    TRY(keep_packed(c, k, &call, err));
    call.packed = k->packed;
    return run(c, &call, err);
}
