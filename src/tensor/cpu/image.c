/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

/* ---- where the values lie ---- */

int64_t cpu_image_size(struct backend *be, int64_t h, int64_t w, int64_t c)
{
    int64_t block = cpu_of(be)->block;

    if (c > 1 && cpu_is_bf16(cpu_of(be)))
        return (h * w * c + 1) / 2;
    return c == 1 ? h * w : (c + block - 1) / block * block * h * w;
}

struct cpu_image cpu_image_of(const struct cpu *cpu, const struct tensor *t)
{
    const int64_t *d = t->dim + t->ndim - 3;
    struct cpu_image m = { .h = d[0], .w = d[1], .c = d[2] };

    assert(t->ndim == 3 || t->ndim == 4);
    m.b = t->ndim == 4 ? t->dim[0] : 1;
    m.bf16 = m.c > 1 && cpu_is_bf16(cpu);
    m.block = m.c == 1 || m.bf16 ? m.c : cpu->block;
    m.groups = (m.c + m.block - 1) / m.block;
    return m;
}

static int image_md(const struct cpu *cpu, dnnl_memory_desc_t *md, int64_t b,
                    int64_t h, int64_t w, int64_t c)
{
    dnnl_dims_t dims = { b, c, h, w };
    dnnl_format_tag_t tag = c == 1 ? dnnl_nchw
                            : cpu->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;

    if (cpu_is_bf16(cpu))
        return dnnl_memory_desc_init_by_tag(md, 4, dims, dnnl_bf16, dnnl_nhwc);
    return dnnl_memory_desc_init_by_tag(md, 4, dims, dnnl_f32, tag);
}

/* ---- convolution primitives ---- */

struct conv_mds {
    dnnl_memory_desc_t x, y, w, bias;
    dnnl_dims_t stride;
};

static int conv_mds(const struct cpu *cpu, const struct cpu_conv *c,
                    struct conv_mds *m)
{
    dnnl_dims_t w = { c->c_out, c->c_in, 3, 3 }, n = { c->c_out };
    dnnl_data_type_t type = cpu_is_bf16(cpu) ? dnnl_bf16 : dnnl_f32;
    int s = image_md(cpu, &m->x, c->b, c->h, c->w, c->c_in);

    s |= image_md(cpu, &m->y, c->b, (c->h - 1) / c->stride_h + 1,
                  (c->w - 1) / c->stride_w + 1, c->c_out);
    s |= dnnl_memory_desc_init_by_tag(&m->w, 4, w, type, dnnl_format_tag_any);
    s |= dnnl_memory_desc_init_by_tag(&m->bias, 1, n, dnnl_f32, dnnl_x);
    m->stride[0] = c->stride_h;
    m->stride[1] = c->stride_w;
    return s;
}

static int forward_pd(struct cpu *cpu, const struct cpu_conv *c,
                      const struct conv_mds *m, dnnl_alg_kind_t alg,
                      const_dnnl_primitive_attr_t attr,
                      dnnl_primitive_desc_t *out)
{
    dnnl_dims_t pad = { 1, 1 };
    dnnl_convolution_desc_t d;
    int s = dnnl_convolution_forward_desc_init(
        &d, c->kind == CPU_CONV ? dnnl_forward_inference
                                : dnnl_forward_training,
        alg, &m->x, &m->w, c->bias ? &m->bias : NULL, &m->y, m->stride, pad,
        pad);

    return s ? s : (int)dnnl_primitive_desc_create(out, &d, attr, cpu->engine,
                                                   NULL);
}

static int backward_pd(struct cpu *cpu, const struct cpu_conv *c,
                       const struct conv_mds *m, dnnl_alg_kind_t alg,
                       const_dnnl_primitive_attr_t attr,
                       dnnl_primitive_desc_t *out)
{
    dnnl_dims_t pad = { 1, 1 };
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_memory_desc_t w = m->w;
    int s = forward_pd(cpu, c, m, alg, attr, &hint);

    if (s)
        return s;
    if (c->kind == CPU_IMAGE_DW)
        w.data_type = dnnl_f32; /* gradients of weights are f32 */
    if (c->kind == CPU_IMAGE_DX)
        s = dnnl_convolution_backward_data_desc_init(
            &d, alg, &m->x, &w, &m->y, m->stride, pad, pad);
    else
        s = dnnl_convolution_backward_weights_desc_init(
            &d, alg, &m->x, &w, c->bias ? &m->bias : NULL, &m->y, m->stride,
            pad, pad);
    if (!s)
        s = dnnl_primitive_desc_create(out, &d, attr, cpu->engine, hint);
    dnnl_primitive_desc_destroy(hint);
    return s;
}

/* oneDNN's auto choice never takes Winograd, which is three times as fast here
 * (relative L2 error 1e-6): ask for it first where the stride allows. */
static int choose(struct cpu *cpu, const struct cpu_conv *c,
                  const_dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *pd)
{
    int backward = c->kind == CPU_IMAGE_DX || c->kind == CPU_IMAGE_DW;
    int winograd = c->stride_h == 1 && c->stride_w == 1 && !cpu_is_bf16(cpu);
    struct conv_mds m;
    int s = conv_mds(cpu, c, &m);

    if (s)
        return s;
    for (; winograd >= 0; winograd--) {
        s = (backward ? backward_pd : forward_pd)(
            cpu, c, &m, winograd ? dnnl_convolution_winograd
                                 : dnnl_convolution_direct, attr, pd);
        if (!s)
            return 0;
    }
    return s;
}

static int make_conv(struct cpu *cpu, const struct cpu_conv *c,
                     const struct cpu_key *key, struct cpu_prim **out,
                     struct err *err)
{
    struct matmul_opts o = { .act = c->act, .accumulate = c->accumulate };
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    int rc = cpu_attr(&attr, o, err);

    if (!rc)
        rc = cpu_check(choose(cpu, c, attr, &pd), "convolution", err);
    if (!rc)
        rc = cpu_keep(cpu, key, pd, out, err);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return rc;
}

int cpu_conv_prim(struct cpu *cpu, const struct cpu_conv *c,
                  struct cpu_prim **out, struct err *err)
{
    enum { BIAS = 8, ACCUMULATE = 16 };
    struct cpu_key key = {
        .kind = c->kind,
        .flags = (int)c->act | (c->bias ? BIAS : 0) |
                 (c->accumulate ? ACCUMULATE : 0),
        .bf16 = cpu_is_bf16(cpu),
        .dim = { c->b, c->h, c->w, c->c_in, c->c_out, c->stride_h,
                 c->stride_w },
    };

    *out = cpu_find(cpu, &key);
    return *out ? 0 : make_conv(cpu, c, &key, out, err);
}

int cpu_conv_plain(dnnl_memory_desc_t *md, int64_t c_out, int64_t c_in,
                   struct err *err)
{
    dnnl_dims_t dims = { c_out, c_in, 3, 3 };

    return cpu_check(dnnl_memory_desc_init_by_tag(md, 4, dims, dnnl_f32,
                                                  dnnl_oihw), "weights", err);
}

/* ---- rows of an image as vectors ---- */

static void row_of_floats(const struct cpu_image *m, float *image, float *row,
                          int64_t i, int to_image)
{
    int64_t b = i / m->h, h = i % m->h;

    for (int64_t c = 0; c < m->groups * m->block; c++) {
        int64_t group = b * m->groups + c / m->block;
        float *a = image + (group * m->h + h) * m->w * m->block + c % m->block;
        float *r = row + c * m->w;

        for (int64_t k = 0; k < m->w; k++)
            if (to_image)
                a[k * m->block] = c < m->c ? r[k] : 0;
            else if (c < m->c)
                r[k] = a[k * m->block];
    }
}

static void row_of_bf16(const struct cpu_image *m, uint16_t *pixel, float *row,
                        int to_image)
{
    enum { CHANNELS = 64 };
    float v[CHANNELS];

    for (int64_t k = 0; k < m->w; k++, pixel += m->c)
        for (int64_t c = 0; c < m->c; c += CHANNELS) {
            int64_t n = m->c - c < CHANNELS ? m->c - c : CHANNELS;
            float *r = row + c * m->w + k;

            for (int64_t j = 0; to_image && j < n; j++)
                v[j] = r[j * m->w];
            if (to_image)
                cpu_narrow_some(pixel + c, v, n);
            else
                cpu_widen_some(v, pixel + c, n);
            for (int64_t j = 0; !to_image && j < n; j++)
                r[j * m->w] = v[j];
        }
}

void cpu_image_row(const struct cpu_image *m, float *image, float *row,
                   int64_t i, int to_image)
{
    if (m->bf16)
        row_of_bf16(m, (uint16_t *)image + i * m->w * m->c, row, to_image);
    else
        row_of_floats(m, image, row, i, to_image);
}

static int move_rows(struct backend *be, const struct tensor *rows,
                     const struct tensor *image, int to_image)
{
    struct cpu_image m = cpu_image_of(cpu_of(be), image);
    int64_t cols = m.c * m.w;

    assert(tensor_rows(rows) == m.b * m.h && tensor_cols(rows) == cols);
    #pragma omp parallel for
    for (int64_t i = 0; i < m.b * m.h; i++)
        cpu_image_row(&m, image->data, rows->data + i * cols, i, to_image);
    return 0;
}

int cpu_image_rows(struct backend *be, struct tensor *y,
                   const struct tensor *x, struct err *err)
{
    (void)err;
    return move_rows(be, y, x, 0);
}

int cpu_image_rows_backward(struct backend *be, struct tensor *dx,
                            const struct tensor *dy, struct err *err)
{
    (void)err;
    return move_rows(be, dy, dx, 1);
}
