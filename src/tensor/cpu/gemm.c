/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

enum { HAS_BIAS = 8, ACCUMULATE = 16 };
enum { LARGE = 1 << 20 }; /* elements of a matrix */

/* out (n, m) = a (n, k) b (k, m); a or b may lie transposed. */
struct product {
    dnnl_dim_t n, k, m;
    int a_transposed, b_transposed;
    int bias;
    int a_ready; /* bf16: a lies converted in CPU_BUF_X */
};

static dnnl_status_t matrix_md(dnnl_memory_desc_t *md, dnnl_dim_t rows,
                               dnnl_dim_t cols, int transposed,
                               dnnl_data_type_t type)
{
    dnnl_dims_t dim = { rows, cols };
    dnnl_dims_t plain = { cols, 1 }, across = { 1, rows };

    return dnnl_memory_desc_init_by_strides(md, 2, dim, type,
                                            transposed ? across : plain);
}

int cpu_make_product(struct cpu *cpu, const struct cpu_key *key,
                     const struct cpu_operands *a, struct matmul_opts o,
                     struct cpu_prim **out, struct err *err)
{
    dnnl_matmul_desc_t desc;
    dnnl_primitive_attr_t attr = NULL;
    int s = a->status, rc;

    s |= dnnl_matmul_desc_init(&desc, &a->x, &a->w,
                               a->has_bias ? &a->bias : NULL, &a->y);
    rc = cpu_check(s, "matrix product", err);
    if (!rc)
        rc = cpu_attr(&attr, o, err);
    if (!rc)
        rc = cpu_make(cpu, key, &desc, attr, NULL, out, err);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return rc;
}

/* Whether the second matrix is copied into the order that the primitive wants.
 * In f32 that makes products with many rows an eighth faster; a copy of a large
 * matrix would cost half as much memory again as the model. */
static int is_packed(const struct cpu_key *key)
{
    return key->bf16 || (key->kind == CPU_MATMUL &&
                         key->dim[1] * key->dim[2] < LARGE);
}

static int make_product(struct cpu *cpu, const struct cpu_key *key,
                        const struct product *p, struct matmul_opts o,
                        struct cpu_prim **out, struct err *err)
{
    dnnl_data_type_t type = key->bf16 ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t bd = { p->k, p->m };
    struct cpu_operands a = { .has_bias = p->bias };
    int s = matrix_md(&a.x, p->n, p->k, p->a_transposed, type);

    if (is_packed(key))
        s |= dnnl_memory_desc_init_by_tag(&a.w, 2, bd, type,
                                          dnnl_format_tag_any);
    else
        s |= matrix_md(&a.w, p->k, p->m, p->b_transposed, type);
    s |= matrix_md(&a.y, p->n, p->m, 0, dnnl_f32);
    s |= matrix_md(&a.bias, 1, p->m, 0, dnnl_f32);
    a.status = s;
    return cpu_make_product(cpu, key, &a, o, out, err);
}

/* a is converted at each call, unless a_ready says that it is. */
static int convert(struct cpu *cpu, const struct product *p,
                   void *addr[CPU_SCRATCH], struct err *err)
{
    if (p->a_ready)
        return cpu_buf(cpu, CPU_BUF_X, (size_t)(p->n * p->k) * sizeof(uint16_t),
                       &addr[CPU_SRC], err);
    return cpu_narrowed(cpu, CPU_BUF_X, addr[CPU_SRC], p->n * p->k,
                        &addr[CPU_SRC], err);
}

/* b is packed at each call, where it is not weights. */
static int pack(struct cpu *cpu, const struct product *p,
                const struct cpu_prim *prim, void *addr[CPU_SCRATCH],
                struct err *err)
{
    dnnl_memory_desc_t plain;
    struct cpu_weights w = { &plain, prim };
    const float *b = addr[CPU_WEIGHTS];
    int kind = prim->key.kind;

    TRY(cpu_check(matrix_md(&plain, p->k, p->m, p->b_transposed, dnnl_f32),
                  "weights", err));
    /* the backward pass has one product a matrix and step: a copy of its own
     * would be another half of the model */
    if (kind == CPU_MATMUL || (kind == CPU_MATMUL_DX && p->k * p->m < LARGE))
        return cpu_kept_copy(cpu, w, b, &addr[CPU_WEIGHTS], err);
    TRY(cpu_buf(cpu, CPU_BUF_WEIGHTS, cpu_packed_size(prim),
                &addr[CPU_WEIGHTS], err));
    return cpu_pack(cpu, w, addr[CPU_WEIGHTS], b, err);
}

static int product(struct cpu *cpu, int kind, const struct product *p,
                   struct matmul_opts o, void *addr[CPU_SCRATCH],
                   struct err *err)
{
    struct cpu_key key = {
        .kind = kind,
        .flags = (int)o.act | (p->bias ? HAS_BIAS : 0) |
                 (o.accumulate ? ACCUMULATE : 0),
        .scale = o.scale ? o.scale : 1,
        .bf16 = cpu_is_bf16(cpu),
        .dim = { p->n, p->k, p->m },
    };
    struct cpu_prim *prim = cpu_find(cpu, &key);

    if (!prim)
        TRY(make_product(cpu, &key, p, o, &prim, err));
    if (key.bf16)
        TRY(convert(cpu, p, addr, err));
    if (is_packed(&key))
        TRY(pack(cpu, p, prim, addr, err));
    return cpu_run(cpu, prim, addr, err);
}

int cpu_matmul(struct backend *be, struct tensor *y, const struct tensor *x,
               const struct tensor *w, const struct tensor *bias,
               struct matmul_opts opts, struct err *err)
{
    struct product p = {
        .n = tensor_rows(x), .k = tensor_cols(x), .m = tensor_cols(y),
        .b_transposed = 1, .bias = bias != NULL,
    };
    void *addr[CPU_SCRATCH] = { x->data, y->data, bias ? bias->data : NULL,
                                w->data };

    assert(tensor_rows(y) == p.n);
    assert(tensor_count(w) == p.k * p.m);
    assert(!bias || tensor_count(bias) == p.m);
    if (!p.n)
        return 0;
    return product(cpu_of(be), CPU_MATMUL, &p, opts, addr, err);
}

static int product_dx(struct backend *be, struct tensor *dx,
                      const struct tensor *dy, const struct tensor *w,
                      struct matmul_opts opts, int a_ready, struct err *err)
{
    struct product p = {
        .n = tensor_rows(dy), .k = tensor_cols(dy), .m = tensor_cols(dx),
        .a_ready = a_ready,
    };
    void *addr[CPU_SCRATCH] = { dy->data, dx->data, NULL, w->data };

    assert(tensor_rows(dx) == p.n);
    assert(tensor_count(w) == p.k * p.m);
    opts.act = ACT_NONE;
    if (!p.n)
        return 0;
    return product(cpu_of(be), CPU_MATMUL_DX, &p, opts, addr, err);
}

int cpu_matmul_dx(struct backend *be, struct tensor *dx,
                  const struct tensor *dy, const struct tensor *w,
                  struct matmul_opts opts, struct err *err)
{
    return product_dx(be, dx, dy, w, opts, 0, err);
}

/* ---- sums over rows ---- */

CPU_CLONES
static void add_rows(float *sum, const float *x, int64_t rows, int64_t n,
                     float scale)
{
    for (int64_t r = 0; r < rows; r++)
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            sum[i] += scale * x[r * n + i];
}

/* Some rows of dy: dbias (or NULL) += scale * the column sums, in a fixed
 * order; the error grows with the root of the rows. half (or NULL) is where
 * they go in bf16. */
static int read_rows(struct cpu *cpu, float *dbias, uint16_t *half,
                     const float *dy, int64_t rows, int64_t cols, float scale,
                     struct err *err)
{
    enum { ROWS = 64 };
    int64_t parts = (rows + ROWS - 1) / ROWS;
    void *sums;
    float *part;

    TRY(cpu_buf(cpu, CPU_BUF_SUMS, (size_t)(parts * cols) * sizeof(*part),
                &sums, err));
    part = sums;
    #pragma omp parallel for
    for (int64_t i = 0; i < parts; i++) {
        int64_t n = rows - i * ROWS < ROWS ? rows - i * ROWS : ROWS;
        int64_t at = i * ROWS * cols;

        memset(part + i * cols, 0, (size_t)cols * sizeof(*part));
        if (dbias)
            add_rows(part + i * cols, dy + at, n, cols, 1);
        if (half)
            cpu_narrow_some(half + at, dy + at, n * cols);
    }
    if (!dbias)
        return 0;
    add_rows(part, part + cols, parts - 1, cols, 1);
    add_rows(dbias, part, 1, cols, scale);
    return 0;
}

/* dw of some rows; in bf16 dy then is ready for dx. */
static int product_dw(struct cpu *cpu, struct tensor *dw, struct tensor *dbias,
                      const struct tensor *dy, const struct tensor *x,
                      float scale, struct err *err)
{
    struct product p = {
        .n = tensor_cols(dy), .k = tensor_rows(dy), .m = tensor_cols(x),
        .a_transposed = 1, .a_ready = 1,
    };
    struct matmul_opts o = { .scale = scale, .accumulate = 1 };
    void *addr[CPU_SCRATCH] = { dy->data, dw->data, NULL, x->data };
    void *half = NULL;

    if (cpu_is_bf16(cpu))
        TRY(cpu_buf(cpu, CPU_BUF_X, (size_t)(p.k * p.n) * sizeof(uint16_t),
                    &half, err));
    if (half || dbias)
        TRY(read_rows(cpu, dbias ? dbias->data : NULL, half, dy->data, p.k, p.n,
                      scale, err));
    return product(cpu, CPU_MATMUL_DW, &p, o, addr, err);
}

static struct tensor some_rows(const struct tensor *t, int64_t first, int64_t n)
{
    int64_t cols = tensor_cols(t);

    return tensor_view(t, first * cols, 2, (int64_t[]){ n, cols });
}

/* dw, and dx if it is not NULL, by stretches of rows: what one of them reads is
 * in cache for all that read it, and sums over few rows are oneDNN's faster
 * ones. */
static int backward(struct cpu *cpu, struct tensor *dx, struct tensor *dw,
                    struct tensor *dbias, const struct tensor *dy,
                    const struct tensor *x, const struct tensor *w,
                    struct matmul_opts opts, struct err *err)
{
    int64_t rows = tensor_rows(x), parts = (rows + CPU_ROWS - 1) / CPU_ROWS;
    int64_t each = parts ? (rows + parts - 1) / parts : 1;

    assert(tensor_rows(dy) == rows);
    assert(tensor_count(dw) == tensor_cols(dy) * tensor_cols(x));
    assert(!dbias || tensor_count(dbias) == tensor_cols(dy));
    assert(!dx || tensor_rows(dx) == rows);
    for (int64_t r = 0; r < rows; r += each) {
        int64_t n = rows - r < each ? rows - r : each;
        struct tensor some_dy = some_rows(dy, r, n), some_dx;
        struct tensor some_x = some_rows(x, r, n);

        TRY(product_dw(cpu, dw, dbias, &some_dy, &some_x,
                       opts.scale ? opts.scale : 1, err));
        if (!dx)
            continue;
        some_dx = some_rows(dx, r, n);
        TRY(product_dx(&cpu->base, &some_dx, &some_dy, w, opts, 1, err));
    }
    return 0;
}

int cpu_matmul_dw(struct backend *be, struct tensor *dw, struct tensor *dbias,
                  const struct tensor *dy, const struct tensor *x, float scale,
                  struct err *err)
{
    struct matmul_opts o = { .scale = scale };

    return backward(cpu_of(be), NULL, dw, dbias, dy, x, NULL, o, err);
}

int cpu_matmul_backward(struct backend *be, struct tensor *dx,
                        struct tensor *dw, struct tensor *dbias,
                        const struct tensor *dy, const struct tensor *x,
                        const struct tensor *w, struct matmul_opts opts,
                        struct err *err)
{
    return backward(cpu_of(be), dx, dw, dbias, dy, x, w, opts, err);
}
