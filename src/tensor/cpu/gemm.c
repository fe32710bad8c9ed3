/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

enum { HAS_BIAS = 8, ACCUMULATE = 16 };

/* The weights stay as they lie in the file, (M, K): packing them would cost a
 * second copy of the model to gain 5 %. */
static int make_matmul(struct cpu *cpu, const struct cpu_key *key,
                       struct matmul_opts o, struct cpu_prim **out,
                       struct err *err)
{
    dnnl_dim_t r = key->dim[0], k = key->dim[1], m = key->dim[2];
    dnnl_dims_t xd = { r, k }, wd = { k, m }, yd = { r, m }, bd = { 1, m };
    dnnl_dims_t xs = { k, 1 }, ws = { 1, k }, ys = { m, 1 }, bs = { m, 1 };
    dnnl_memory_desc_t x, w, y, b;
    const dnnl_memory_desc_t *md[CPU_SCRATCH] = { &x, &y, NULL, &w };
    dnnl_matmul_desc_t desc;
    dnnl_primitive_attr_t attr = NULL;
    int s, rc;

    s = dnnl_memory_desc_init_by_strides(&x, 2, xd, dnnl_f32, xs);
    s |= dnnl_memory_desc_init_by_strides(&w, 2, wd, dnnl_f32, ws);
    s |= dnnl_memory_desc_init_by_strides(&y, 2, yd, dnnl_f32, ys);
    s |= dnnl_memory_desc_init_by_strides(&b, 2, bd, dnnl_f32, bs);
    if (key->flags & HAS_BIAS)
        md[CPU_BIAS] = &b;
    s |= dnnl_matmul_desc_init(&desc, &x, &w, md[CPU_BIAS], &y);
    rc = cpu_check(s, "matrix product", err);
    if (!rc)
        rc = cpu_attr(&attr, o, err);
    if (!rc)
        rc = cpu_make(cpu, key, &desc, attr, md, out, err);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return rc;
}

int cpu_matmul(struct backend *be, struct tensor *y, const struct tensor *x,
               const struct tensor *w, const struct tensor *bias,
               struct matmul_opts opts, struct err *err)
{
    struct cpu *cpu = cpu_of(be);
    struct cpu_key key = {0};
    struct cpu_prim *p;
    void *addr[CPU_SCRATCH] = { x->data, y->data, bias ? bias->data : NULL,
                                w->data };

    if (!opts.scale)
        opts.scale = 1;
    key.kind = CPU_MATMUL;
    key.flags = (int)opts.act | (bias ? HAS_BIAS : 0) |
                (opts.accumulate ? ACCUMULATE : 0);
    key.scale = opts.scale;
    key.dim[0] = tensor_rows(x);
    key.dim[1] = tensor_cols(x);
    key.dim[2] = tensor_cols(y);
    assert(tensor_rows(y) == key.dim[0]);
    assert(tensor_count(w) == key.dim[1] * key.dim[2]);
    assert(!bias || tensor_count(bias) == key.dim[2]);
    if (!key.dim[0])
        return 0;
    p = cpu_find(cpu, &key);
    if (!p)
        TRY(make_matmul(cpu, &key, opts, &p, err));
    return cpu_run(cpu, p, addr, err);
}
