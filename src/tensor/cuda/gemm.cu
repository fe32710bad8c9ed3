/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "tensor/cuda/blas.cuh"
#include "tensor/cuda/common.cuh"
#include "tensor/cuda/pack.cuh"

/* ---- operands in 16 bit ---- */

template <class T> __global__ void narrow_all(T *y, const float *x, int64_t n)
{
    FOR_EACH(i, n)
        y[i] = from_float<T>(x[i]);
}

__global__ void act_all(float *y, int64_t n, int act)
{
    FOR_EACH(i, n)
        y[i] = act_value(y[i], act);
}

/* Eight values a thread. act: what is done to them first, in place. */
template <class T>
__global__ void narrow_packs(T *y, float *x, int64_t packs, int act)
{
    FOR_EACH(i, packs) {
        pack<T, 8> out;

        UNROLL for (int half = 0; half < 2; half++) {
            pack<float, 4> v = pack_at<4>(x + 8 * i + 4 * half);

            UNROLL for (int j = 0; j < 4; j++) {
                if (act)
                    v.v[j] = act_value(v.v[j], act);
                out.v[4 * half + j] = from_float<T>(v.v[j]);
            }
            if (act)
                pack_put(x + 8 * i + 4 * half, v);
        }
        pack_put(y + 8 * i, out);
    }
}

template <class T>
static int narrow_of(struct cuda *c, T *y, float *x, int64_t n, int act,
                     struct err *err)
{
    if (pack_fits(x, n) && pack_fits(y, n))
        return LAUNCH(narrow_packs<T>, cuda_grid(c, n / 8), BLOCK, 0, y, x,
                      n / 8, act);
    assert(!act);
    return LAUNCH(narrow_all<T>, cuda_grid(c, n), BLOCK, 0, y, x, n);
}

static int narrow(struct cuda *c, void *y, float *x, int64_t n, int act,
                  struct err *err)
{
    return c->base.precision == PRECISION_FP16
        ? narrow_of(c, (f16 *)y, x, n, act, err)
        : narrow_of(c, (bf16 *)y, x, n, act, err);
}

int cuda_narrow(struct cuda *c, void *y, const float *x, int64_t n,
                struct err *err)
{
    return narrow(c, y, (float *)x, n, ACT_NONE, err);
}

static void set_ready(struct cuda *c, const float *x, int64_t n, void *copy)
{
    c->ready.data = x;
    c->ready.n = n;
    c->ready.precision = c->base.precision;
    c->ready.launched = c->launched;
    c->ready.copy = copy;
}

/* *out: t as a product wants it, itself or a copy in work memory. */
static int narrowed(struct cuda *c, int which, const struct tensor *t,
                    const void **out, struct err *err)
{
    const struct cuda_ready *r = &c->ready;
    const float *x = t->data;
    int64_t n = tensor_count(t);
    void *copy;

    *out = x;
    if (t->narrow || !cuda_is_16(c))
        return 0;
    if (which == CUDA_BUF_X && r->data == x && r->n == n &&
        r->precision == c->base.precision && r->launched == c->launched) {
        *out = r->copy;
        return 0;
    }
    TRY(cuda_buf(c, which, (size_t)n * sizeof(uint16_t), &copy, err));
    *out = copy;
    TRY(cuda_narrow(c, copy, x, n, err));
    if (which == CUDA_BUF_X)
        set_ready(c, x, n, copy);
    return 0;
}

int cuda_act_ready(struct cuda *c, float *y, int64_t n, enum act act,
                   struct err *err)
{
    void *copy;

    if (!cuda_is_16(c) || !pack_fits(y, n) || n % 8)
        return LAUNCH(act_all, cuda_grid(c, n), BLOCK, 0, y, n, (int)act);
    TRY(cuda_buf(c, CUDA_BUF_X, (size_t)n * sizeof(uint16_t), &copy, err));
    TRY(narrow(c, copy, y, n, act, err));
    set_ready(c, y, n, copy);
    return 0;
}

/* A product was launched that writes to y: what is ready is not, if it is of
 * what lies there. */
static void wrote(struct cuda *c, const struct tensor *y)
{
    const float *d = y->data;
    int64_t n = y->narrow ? (tensor_count(y) + 1) / 2 : tensor_count(y);

    if (c->ready.data && c->ready.data < d + n &&
        d < c->ready.data + c->ready.n)
        c->ready.data = NULL;
}

enum operand cuda_operand(const struct cuda *c)
{
    switch (c->base.precision) {
    case PRECISION_BF16:
        return OPERAND_BF16;
    case PRECISION_FP16:
        return OPERAND_F16;
    case PRECISION_TF32:
        return OPERAND_TF32;
    default:
        return OPERAND_F32;
    }
}

/* ---- weights in 16 bit, kept from one call to the next ---- */

struct copy {
    const float *data; /* of the weights; n of them */
    int64_t n;
    void *narrow;
    int stale;
};
struct weights {
    struct copy *copy;
    size_t n, cap;
};

static void drop(struct cuda *c, size_t i)
{
    struct weights *w = c->weights;

    cudaFreeAsync(w->copy[i].narrow, c->stream);
    w->copy[i] = w->copy[--w->n];
}

void cuda_drop_copies(struct cuda *c, const float *data, int64_t n)
{
    struct weights *w = c->weights;

    for (size_t i = w ? w->n : 0; i-- > 0;)
        if (w->copy[i].data < data + n && data < w->copy[i].data + w->copy[i].n)
            drop(c, i);
}

void cuda_drop_all_copies(struct cuda *c)
{
    struct weights *w = c->weights;

    while (w && w->n)
        drop(c, w->n - 1);
    if (w) {
        free(w->copy);
        memset(w, 0, sizeof(*w));
    }
}

/* Memory of copies that nothing asked for since the last change is freed. */
void cuda_weights_changed(struct backend *be)
{
    struct weights *w = cuda_of(be)->weights;

    for (size_t i = w ? w->n : 0; i-- > 0;)
        if (w->copy[i].stale)
            drop(cuda_of(be), i);
        else
            w->copy[i].stale = 1;
}

static int new_copy(struct cuda *c, const float *data, int64_t n,
                    struct copy **out, struct err *err)
{
    struct weights *w = c->weights;
    struct copy made = { data, n, NULL, 1 };

    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 64;
        void *more = realloc(w->copy, cap * sizeof(*w->copy));

        if (!more)
            return err_set(err, ERR_NOMEM, "no memory for %zu copies", cap);
        w->copy = (struct copy *)more;
        w->cap = cap;
    }
    TRY(cuda_check(cudaMallocAsync(&made.narrow, (size_t)n * sizeof(uint16_t),
                                   c->stream), "weights", err));
    w->copy[w->n] = made;
    *out = &w->copy[w->n++];
    return 0;
}

/* *out: the n weights at data as a product wants them. */
static int kept_copy(struct cuda *c, const float *data, int64_t n,
                     const void **out, struct err *err)
{
    struct copy *found = NULL;

    *out = data;
    if (!cuda_is_16(c))
        return 0;
    if (!c->weights)
        c->weights = (struct weights *)calloc(1, sizeof(*c->weights));
    if (!c->weights)
        return err_set(err, ERR_NOMEM, "no memory for weights");
    for (size_t i = 0; i < c->weights->n && !found; i++)
        if (c->weights->copy[i].data == data && c->weights->copy[i].n == n)
            found = &c->weights->copy[i];
    if (!found)
        TRY(new_copy(c, data, n, &found, err));
    *out = found->narrow;
    if (!found->stale)
        return 0;
    found->stale = 0;
    return cuda_narrow(c, found->narrow, data, n, err);
}

/* ---- sums over rows ---- */

/* Block (x, y): 32 columns, the rows of part y; warps share the rows. */
__global__ void column_parts(float *part, const float *x, int64_t rows,
                             int64_t n, int64_t step)
{
    SHARED2(float, sum, 8, 33);
    int64_t col = (int64_t)blockIdx.x * 32 + threadIdx.x;
    int64_t from = blockIdx.y * step, to = from + step < rows ? from + step
                                                              : rows;
    float v = 0;

    for (int64_t r = from + threadIdx.y; r < to && col < n; r += 8)
        v += x[r * n + col];
    sum[threadIdx.y][threadIdx.x] = v;
    __syncthreads();
    if (threadIdx.y)
        return;
    for (int i = 1; i < 8; i++)
        v += sum[i][threadIdx.x];
    if (col < n)
        part[blockIdx.y * n + col] = v;
}

__global__ void column_fold(float *sum, const float *part, int64_t parts,
                            int64_t n, float scale, float keep)
{
    FOR_EACH(i, n) {
        float v = 0;

        for (int64_t k = 0; k < parts; k++)
            v += part[k * n + i];
        sum[i] = scale * v + (keep ? keep * sum[i] : 0);
    }
}

int cuda_column_sums(struct cuda *c, float *sum, const float *x, int64_t rows,
                     int64_t n, float scale, float keep, struct err *err)
{
    int64_t step = rows / 64 > 128 ? (rows + 63) / 64 : 128;
    int64_t parts = (rows + step - 1) / step;
    void *part;

    TRY(cuda_buf(c, CUDA_BUF_SUMS, (size_t)(parts * n + 1) * sizeof(float),
                 &part, err));
    if (parts)
        TRY(LAUNCH(column_parts, dim3((unsigned)((n + 31) / 32),
                                      (unsigned)parts), dim3(32, 8), 0,
                   (float *)part, x, rows, n, step));
    return LAUNCH(column_fold, cuda_grid(c, n), BLOCK, 0, sum,
                  (const float *)part, parts, n, scale, keep);
}

/* ---- the operations ---- */

__global__ void scaled(float *y, const float *x, int64_t n, float scale)
{
    FOR_EACH(i, n)
        y[i] = scale * x[i];
}

/* cuBLASLt adds the bias as it is behind the scale, in the type of d. */
static int add_bias(struct cuda *c, struct gemm *g, const float *bias,
                    struct err *err)
{
    void *copy;

    g->bias = bias;
    if (!bias || (!g->narrow && g->alpha == 1))
        return 0;
    if (g->narrow)
        return kept_copy(c, bias, g->n, &g->bias, err);
    TRY(cuda_buf(c, CUDA_BUF_BIAS, (size_t)g->n * sizeof(float), &copy, err));
    TRY(LAUNCH(scaled, cuda_grid(c, g->n), BLOCK, 0, (float *)copy, bias, g->n,
               g->alpha));
    g->bias = copy;
    return 0;
}

/* d (m, n) of a (m, k) and b (k, n), each lying so or transposed. */
static struct gemm product(const struct cuda *c, const struct tensor *d,
                           int64_t m, int64_t n, int64_t k, int a_trans,
                           int b_trans)
{
    struct gemm g = {};

    g.d = d->data;
    g.narrow = d->narrow;
    g.m = m;
    g.n = n;
    g.k = k;
    g.a_trans = a_trans;
    g.b_trans = b_trans;
    g.lda = a_trans ? m : k;
    g.ldb = b_trans ? k : n;
    g.ldd = n;
    g.alpha = 1;
    g.operand = cuda_operand(c);
    g.batch = 1;
    return g;
}

int cuda_matmul(struct backend *be, struct tensor *y, const struct tensor *x,
                const struct tensor *w, const struct tensor *bias,
                struct matmul_opts opts, struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t m = tensor_rows(x), k = tensor_cols(x), n = tensor_cols(y);
    struct gemm g = product(c, y, m, n, k, 0, 1);

    assert(tensor_rows(y) == m && tensor_count(w) == n * k);
    assert(!bias || tensor_count(bias) == n);
    if (!m)
        return 0;
    g.alpha = opts.scale ? opts.scale : 1;
    g.beta = opts.accumulate ? 1 : 0;
    assert(!y->narrow || (g.alpha == 1 && !opts.accumulate));
    TRY(narrowed(c, CUDA_BUF_X, x, &g.a, err));
    TRY(kept_copy(c, w->data, n * k, &g.b, err));
    TRY(add_bias(c, &g, bias ? bias->data : NULL, err));
    TRY(blas_gemm(c, &g, err));
    wrote(c, y);
    if (!opts.act)
        return 0;
    if (y->narrow)
        return cuda_act(be, y, y, opts.act, err);
    return cuda_act_ready(c, y->data, m * n, opts.act, err);
}

/* ready: the operand dy as matmul_dw had it converted. */
static int product_dx(struct backend *be, struct tensor *dx,
                      const struct tensor *dy, const struct tensor *w,
                      struct matmul_opts opts, const void *ready,
                      struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t m = tensor_rows(dy), k = tensor_cols(dy), n = tensor_cols(dx);
    struct gemm g = product(c, dx, m, n, k, 0, 0);

    assert(tensor_rows(dx) == m && tensor_count(w) == n * k);
    if (!m)
        return 0;
    g.alpha = opts.scale ? opts.scale : 1;
    g.beta = opts.accumulate ? 1 : 0;
    g.a = ready;
    if (!ready)
        TRY(narrowed(c, CUDA_BUF_X, dy, &g.a, err));
    TRY(kept_copy(c, w->data, n * k, &g.b, err));
    wrote(c, dx);
    return blas_gemm(c, &g, err);
}

int cuda_matmul_dx(struct backend *be, struct tensor *dx,
                   const struct tensor *dy, const struct tensor *w,
                   struct matmul_opts opts, struct err *err)
{
    return product_dx(be, dx, dy, w, opts, NULL, err);
}

static int product_dw(struct backend *be, struct tensor *dw,
                      struct tensor *dbias, const struct tensor *dy,
                      const struct tensor *x, float scale, const void **ready,
                      struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t k = tensor_rows(dy), m = tensor_cols(dy), n = tensor_cols(x);
    struct gemm g = product(c, dw, m, n, k, 1, 0);

    assert(tensor_rows(x) == k && tensor_count(dw) == m * n);
    assert(!dbias || tensor_count(dbias) == m);
    *ready = NULL;
    if (!k)
        return 0;
    g.alpha = scale ? scale : 1;
    g.beta = 1;
    if (dbias)
        TRY(cuda_column_sums(c, dbias->data, dy->data, k, m, g.alpha, 1, err));
    TRY(narrowed(c, CUDA_BUF_X, dy, &g.a, err));
    TRY(narrowed(c, CUDA_BUF_Y, x, &g.b, err));
    *ready = g.a;
    wrote(c, dw);
    return blas_gemm(c, &g, err);
}

int cuda_matmul_dw(struct backend *be, struct tensor *dw, struct tensor *dbias,
                   const struct tensor *dy, const struct tensor *x, float scale,
                   struct err *err)
{
    const void *ready;

    return product_dw(be, dw, dbias, dy, x, scale, &ready, err);
}

int cuda_matmul_backward(struct backend *be, struct tensor *dx,
                         struct tensor *dw, struct tensor *dbias,
                         const struct tensor *dy, const struct tensor *x,
                         const struct tensor *w, struct matmul_opts opts,
                         struct err *err)
{
    const void *ready;

    TRY(product_dw(be, dw, dbias, dy, x, opts.scale, &ready, err));
    return product_dx(be, dx, dy, w, opts, ready, err);
}
