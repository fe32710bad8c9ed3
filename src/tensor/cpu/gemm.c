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
    int a_ready; /* bf16: a is what the last product had converted */
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

static int make_product(struct cpu *cpu, const struct cpu_key *key,
                        const struct product *p, struct matmul_opts o,
                        struct cpu_prim **out, struct err *err)
{
    dnnl_data_type_t type = key->bf16 ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t bd = { p->k, p->m };
    struct cpu_operands a = { .has_bias = p->bias };
    int s = matrix_md(&a.x, p->n, p->k, p->a_transposed, type);

    if (key->bf16 && key->kind != CPU_MATMUL_DW)
        s |= dnnl_memory_desc_init_by_tag(&a.w, 2, bd, type,
                                          dnnl_format_tag_any);
    else
        s |= matrix_md(&a.w, p->k, p->m, p->b_transposed, type);
    s |= matrix_md(&a.y, p->n, p->m, 0, dnnl_f32);
    s |= matrix_md(&a.bias, 1, p->m, 0, dnnl_f32);
    a.status = s;
    return cpu_make_product(cpu, key, &a, o, out, err);
}

/* a is converted at each call, unless a_ready says that the last one did; so is
 * b, where it is not weights. */
static int convert(struct cpu *cpu, const struct product *p,
                   const struct cpu_prim *prim, void *addr[CPU_SCRATCH],
                   struct err *err)
{
    dnnl_memory_desc_t plain;
    struct cpu_weights w = { &plain, prim };
    const float *b = addr[CPU_WEIGHTS];

    if (p->a_ready)
        TRY(cpu_buf(cpu, CPU_BUF_X, (size_t)(p->n * p->k) * sizeof(uint16_t),
                    &addr[CPU_SRC], err));
    else
        TRY(cpu_narrowed(cpu, CPU_BUF_X, addr[CPU_SRC], p->n * p->k,
                         &addr[CPU_SRC], err));
    if (prim->key.kind == CPU_MATMUL_DW)
        return cpu_narrowed(cpu, CPU_BUF_Y, b, p->k * p->m, &addr[CPU_WEIGHTS],
                            err);
    TRY(cpu_check(matrix_md(&plain, p->k, p->m, p->b_transposed, dnnl_f32),
                  "weights", err));
    /* the backward pass has one product a matrix and step: a copy of its own
     * would be another half of the model */
    if (prim->key.kind == CPU_MATMUL || p->k * p->m < LARGE)
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
        TRY(convert(cpu, p, prim, addr, err));
    return cpu_run(cpu, prim, addr, err);
}

/* In f32 the weights stay as they lie in the file, (M, K): packing them would
 * cost a second copy of the model to gain 5 %. */
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

/* dbias += scale * the column sums of dy, in a fixed order; the error grows
 * with the root of the rows. */
static int add_column_sums(struct cpu *cpu, float *dbias, const float *dy,
                           int64_t rows, int64_t cols, float scale,
                           struct err *err)
{
    enum { ROWS = 128 };
    int64_t parts = (rows + ROWS - 1) / ROWS;
    void *sums;
    float *part;

    TRY(cpu_buf(cpu, CPU_BUF_SUMS, (size_t)(parts * cols) * sizeof(*part),
                &sums, err));
    part = sums;
    #pragma omp parallel for
    for (int64_t i = 0; i < parts; i++) {
        int64_t n = rows - i * ROWS < ROWS ? rows - i * ROWS : ROWS;

        memset(part + i * cols, 0, (size_t)cols * sizeof(*part));
        add_rows(part + i * cols, dy + i * ROWS * cols, n, cols, 1);
    }
    add_rows(part, part + cols, parts - 1, cols, 1);
    add_rows(dbias, part, 1, cols, scale);
    return 0;
}

int cpu_matmul_dw(struct backend *be, struct tensor *dw, struct tensor *dbias,
                  const struct tensor *dy, const struct tensor *x, float scale,
                  struct err *err)
{
    struct product p = {
        .n = tensor_cols(dy), .k = tensor_rows(dy), .m = tensor_cols(x),
        .a_transposed = 1,
    };
    struct matmul_opts o = { .scale = scale, .accumulate = 1 };
    void *addr[CPU_SCRATCH] = { dy->data, dw->data, NULL, x->data };

    assert(tensor_rows(x) == p.k);
    assert(tensor_count(dw) == p.n * p.m);
    assert(!dbias || tensor_count(dbias) == p.n);
    if (!p.k)
        return 0;
    if (dbias)
        TRY(add_column_sums(cpu_of(be), dbias->data, dy->data, p.k, p.n,
                            scale ? scale : 1, err));
    return product(cpu_of(be), CPU_MATMUL_DW, &p, o, addr, err);
}

int cpu_matmul_backward(struct backend *be, struct tensor *dx,
                        struct tensor *dw, struct tensor *dbias,
                        const struct tensor *dy, const struct tensor *x,
                        const struct tensor *w, struct matmul_opts opts,
                        struct err *err)
{
    TRY(cpu_matmul_dw(be, dw, dbias, dy, x, opts.scale ? opts.scale : 1, err));
    return product_dx(be, dx, dy, w, opts, tensor_rows(x) > 0, err);
}
