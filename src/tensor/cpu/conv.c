/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "tensor/cpu/private.h"

/* Images lie as (C/block, H, W, block), which Winograd needs; an image of one
 * channel is plain. The weights are kept as they came and once more in each
 * order that a primitive asked for (Winograd and direct at most). */
struct conv2d {
    int c_out, c_in, stride_h, stride_w;
    float *weight, *bias;
    struct packed {
        dnnl_memory_desc_t md;
        float *data;
    } packed[2];
    int npacked;
};

int64_t cpu_image_size(struct backend *be, int64_t h, int64_t w, int64_t c)
{
    int64_t block = cpu_of(be)->block;

    return c == 1 ? h * w : (c + block - 1) / block * block * h * w;
}

int cpu_conv2d_new(struct backend *be, struct conv2d **out,
                   const float *weight, const float *bias, int c_out, int c_in,
                   int stride_h, int stride_w, struct err *err)
{
    struct conv2d *c = xcalloc(1, sizeof(*c));
    size_t n = (size_t)c_out * (size_t)c_in * 9;

    c->c_out = c_out;
    c->c_in = c_in;
    c->stride_h = stride_h;
    c->stride_w = stride_w;
    c->weight = malloc(n * sizeof(float));
    c->bias = malloc((size_t)c_out * sizeof(float));
    if (!c->weight || !c->bias) {
        cpu_conv2d_free(be, c);
        return err_set(err, ERR_NOMEM, "no memory for %zu weights", n);
    }
    memcpy(c->weight, weight, n * sizeof(float));
    memcpy(c->bias, bias, (size_t)c_out * sizeof(float));
    *out = c;
    return 0;
}

void cpu_conv2d_free(struct backend *be, struct conv2d *c)
{
    (void)be;
    if (!c)
        return;
    for (int i = 0; i < c->npacked; i++)
        free(c->packed[i].data);
    free(c->weight);
    free(c->bias);
    free(c);
}

/* ---- weights in the order a primitive wants ---- */

static int reorder(struct cpu *cpu, const dnnl_memory_desc_t *from, float *src,
                   const dnnl_memory_desc_t *to, float *dst, struct err *err)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t prim = NULL;
    dnnl_memory_t a = NULL, b = NULL;
    int s = dnnl_reorder_primitive_desc_create(&pd, from, cpu->engine, to,
                                               cpu->engine, NULL);

    if (!s)
        s = dnnl_primitive_create(&prim, pd);
    if (!s)
        s = dnnl_memory_create(&a, from, cpu->engine, src);
    if (!s)
        s = dnnl_memory_create(&b, to, cpu->engine, dst);
    if (!s) {
        dnnl_exec_arg_t arg[2] = { { DNNL_ARG_FROM, a }, { DNNL_ARG_TO, b } };

        s = dnnl_primitive_execute(prim, cpu->stream, 2, arg);
        if (!s)
            s = dnnl_stream_wait(cpu->stream);
    }
    if (a)
        dnnl_memory_destroy(a);
    if (b)
        dnnl_memory_destroy(b);
    if (prim)
        dnnl_primitive_destroy(prim);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return cpu_check(s, "reorder of weights", err);
}

static int packed_weights(struct cpu *cpu, struct conv2d *c,
                          const dnnl_memory_desc_t *md, float **out,
                          struct err *err)
{
    dnnl_dims_t dims = { c->c_out, c->c_in, 3, 3 };
    dnnl_memory_desc_t plain;
    struct packed *p = c->packed;
    void *data;
    int rc;

    for (int i = 0; i < c->npacked; i++, p++)
        if (dnnl_memory_desc_equal(&p->md, md)) {
            *out = p->data;
            return 0;
        }
    assert(c->npacked < 2);
    if (posix_memalign(&data, 64, dnnl_memory_desc_get_size(md)))
        return err_set(err, ERR_NOMEM, "no memory for weights");
    rc = cpu_check(dnnl_memory_desc_init_by_tag(&plain, 4, dims, dnnl_f32,
                                                dnnl_oihw), "weights", err);
    if (!rc)
        rc = reorder(cpu, &plain, c->weight, md, data, err);
    if (rc) {
        free(data);
        return rc;
    }
    p->md = *md;
    p->data = data;
    c->npacked++;
    *out = data;
    return 0;
}

/* ---- primitives ---- */

enum { ACCUMULATE = 16 };

static int image_md(struct cpu *cpu, dnnl_memory_desc_t *md, dnnl_dim_t h,
                    dnnl_dim_t w, dnnl_dim_t c)
{
    dnnl_dims_t dims = { 1, c, h, w };
    dnnl_format_tag_t tag = c == 1 ? dnnl_nchw
                            : cpu->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;

    return dnnl_memory_desc_init_by_tag(md, 4, dims, dnnl_f32, tag);
}

/* oneDNN's auto choice never takes Winograd, which is three times as fast here
 * (relative L2 error 1e-6): ask for it first where the stride allows. */
static int choose(struct cpu *cpu, const struct conv2d *c,
                  dnnl_convolution_desc_t *desc, const dnnl_memory_desc_t *x,
                  const dnnl_memory_desc_t *y, const dnnl_memory_desc_t *b,
                  const_dnnl_primitive_attr_t attr, dnnl_memory_desc_t *w)
{
    dnnl_dims_t wd = { c->c_out, c->c_in, 3, 3 }, pad = { 1, 1 };
    dnnl_dims_t stride = { c->stride_h, c->stride_w };
    int winograd = c->stride_h == 1 && c->stride_w == 1;

    for (; winograd >= 0; winograd--) {
        dnnl_primitive_desc_t pd = NULL;
        int s = dnnl_memory_desc_init_by_tag(w, 4, wd, dnnl_f32,
                                             dnnl_format_tag_any);

        s |= dnnl_convolution_forward_desc_init(
            desc, dnnl_forward_inference,
            winograd ? dnnl_convolution_winograd : dnnl_convolution_direct, x,
            w, b, y, stride, pad, pad);
        if (s)
            return s;
        s = dnnl_primitive_desc_create(&pd, desc, attr, cpu->engine, NULL);
        if (s && winograd)
            continue;
        if (s)
            return s;
        *w = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
        desc->weights_desc = *w;
        dnnl_primitive_desc_destroy(pd);
        return 0;
    }
    return dnnl_unimplemented;
}

static int make_conv(struct cpu *cpu, const struct conv2d *c,
                     const struct cpu_key *key, const struct tensor *x,
                     const struct tensor *y, enum act act, int accumulate,
                     dnnl_memory_desc_t *w, struct cpu_prim **out,
                     struct err *err)
{
    dnnl_memory_desc_t xd, yd, bd;
    dnnl_dims_t n = { c->c_out };
    const dnnl_memory_desc_t *md[CPU_SCRATCH] = { &xd, &yd, &bd, w };
    dnnl_convolution_desc_t desc;
    struct matmul_opts o = { .act = act, .accumulate = accumulate };
    dnnl_primitive_attr_t attr = NULL;
    int s, rc;

    s = image_md(cpu, &xd, x->dim[0], x->dim[1], x->dim[2]);
    s |= image_md(cpu, &yd, y->dim[0], y->dim[1], y->dim[2]);
    s |= dnnl_memory_desc_init_by_tag(&bd, 1, n, dnnl_f32, dnnl_x);
    rc = cpu_check(s, "convolution", err);
    if (!rc)
        rc = cpu_attr(&attr, o, err);
    if (!rc)
        rc = cpu_check(choose(cpu, c, &desc, &xd, &yd, &bd, attr, w),
                       "convolution", err);
    if (!rc)
        rc = cpu_make(cpu, key, &desc, attr, md, out, err);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return rc;
}

int cpu_conv2d(struct backend *be, struct tensor *y, const struct tensor *x,
               struct conv2d *c, enum act act, int accumulate,
               struct err *err)
{
    struct cpu *cpu = cpu_of(be);
    struct cpu_key key = {0};
    struct cpu_prim *p;
    dnnl_memory_desc_t wd;
    const dnnl_memory_desc_t *md;
    void *addr[CPU_SCRATCH] = { x->data, y->data, c->bias, NULL };
    float *weights = NULL;

    assert(x->dim[2] == c->c_in && y->dim[2] == c->c_out);
    assert(y->dim[0] == (x->dim[0] - 1) / c->stride_h + 1);
    assert(y->dim[1] == (x->dim[1] - 1) / c->stride_w + 1);
    assert(act == ACT_NONE || act == ACT_RELU);
    key.kind = CPU_CONV;
    key.flags = (int)act | (accumulate ? ACCUMULATE : 0);
    memcpy(key.dim, x->dim, 3 * sizeof(*key.dim));
    key.dim[3] = c->c_out;
    key.dim[4] = c->stride_h;
    key.dim[5] = c->stride_w;
    p = cpu_find(cpu, &key);
    if (!p)
        TRY(make_conv(cpu, c, &key, x, y, act, accumulate, &wd, &p, err));
    TRY(cpu_check(dnnl_memory_get_memory_desc(p->mem[CPU_WEIGHTS], &md),
                  "weights", err));
    TRY(packed_weights(cpu, c, md, &weights, err));
    addr[CPU_WEIGHTS] = weights;
    return cpu_run(cpu, p, addr, err);
}

int cpu_image_flatten(struct backend *be, struct tensor *y,
                      const struct tensor *x, int64_t first, struct err *err)
{
    int64_t n = y->dim[0], h = x->dim[0], w = x->dim[1], c = x->dim[2];
    int64_t block = c == 1 ? 1 : cpu_of(be)->block;

    (void)err;
    assert(y->dim[1] == w * c && first + n <= h);
    #pragma omp parallel for
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++) {
            const float *src = x->data + j / block * h * w * block +
                               (first + i) * w * block + j % block;
            float *dst = y->data + (i * c + j) * w;

            for (int64_t k = 0; k < w; k++)
                dst[k] = src[k * block];
        }
    return 0;
}
