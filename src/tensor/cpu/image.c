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

/* ---- convolutions over a batch ---- */

int cpu_conv_input(struct cpu *cpu, const struct cpu_image *m, const float *x,
                   void **out, struct err *err)
{
    if (cpu_is_bf16(cpu) && !m->bf16)
        return cpu_narrowed(cpu, CPU_BUF_X, x, m->b * m->h * m->w, out, err);
    *out = (void *)x;
    return 0;
}

/* One pass of one of the three. Winograd's scratch memory is some five times
 * the images: they go through it some at a time. */
struct pass {
    struct cpu *cpu;
    struct cpu_conv c;
    struct cpu_image x, y;
    dnnl_memory_desc_t plain;
    int64_t step;      /* images at a time */
    const void *ready; /* weights are packed for this primitive */
};

/* The steps are alike as far as they can be: each size is a primitive. */
static int pass_init(struct pass *p, struct backend *be, int kind,
                     const struct tensor *x, const struct tensor *y,
                     int stride_h, int stride_w, struct err *err)
{
    enum { VALUES_AT_ONCE = 8 << 20 };
    int64_t most, steps;

    memset(p, 0, sizeof(*p));
    p->cpu = cpu_of(be);
    p->x = cpu_image_of(p->cpu, x);
    p->y = cpu_image_of(p->cpu, y);
    assert(p->x.b == p->y.b && p->y.c > 1);
    assert(kind != CPU_IMAGE_DX || p->x.c > 1);
    assert(p->y.h == (p->x.h - 1) / stride_h + 1);
    assert(p->y.w == (p->x.w - 1) / stride_w + 1);
    p->c = (struct cpu_conv){
        .kind = kind, .stride_h = stride_h, .stride_w = stride_w,
        .h = p->x.h, .w = p->x.w, .c_in = p->x.c, .c_out = p->y.c,
    };
    most = p->x.h * p->x.w * p->x.c;
    if (most < p->y.h * p->y.w * p->y.c)
        most = p->y.h * p->y.w * p->y.c;
    steps = (p->x.b * most + VALUES_AT_ONCE - 1) / VALUES_AT_ONCE;
    p->step = steps > 1 ? (p->x.b + steps - 1) / steps : p->x.b;
    return cpu_conv_plain(&p->plain, p->c.c_out, p->c.c_in, err);
}

static int64_t image_values(const struct cpu_image *m)
{
    return m->groups * m->block * m->h * m->w;
}

static void *image_at(const struct tensor *t, const struct cpu_image *m,
                      int64_t b)
{
    int64_t at = b * image_values(m);

    return m->bf16 ? (void *)((uint16_t *)t->data + at) : t->data + at;
}

/* The primitive for images b..; how many it takes is in p->c.b. */
static int pass_prim(struct pass *p, int64_t b, struct cpu_prim **out,
                     struct err *err)
{
    p->c.b = p->x.b - b < p->step ? p->x.b - b : p->step;
    return cpu_conv_prim(p->cpu, &p->c, out, err);
}

static int pass_input(struct pass *p, const struct tensor *x, int64_t b,
                      void **out, struct err *err)
{
    struct cpu_image some = p->x;

    some.b = p->c.b;
    return cpu_conv_input(p->cpu, &some, image_at(x, &p->x, b), out, err);
}

static int pass_weights(struct pass *p, const struct cpu_prim *prim,
                        const struct tensor *w, void **out, struct err *err)
{
    struct cpu_weights to = { &p->plain, prim };

    TRY(cpu_buf(p->cpu, CPU_BUF_WEIGHTS, cpu_packed_size(prim), out, err));
    if (p->ready == prim)
        return 0;
    p->ready = prim;
    return cpu_pack(p->cpu, to, *out, w->data, err);
}

int cpu_image_conv(struct backend *be, struct tensor *y,
                   const struct tensor *x, const struct tensor *w,
                   const struct tensor *bias, int stride_h, int stride_w,
                   struct err *err)
{
    struct pass p;

    TRY(pass_init(&p, be, CPU_IMAGE_CONV, x, y, stride_h, stride_w, err));
    assert(tensor_count(w) == p.c.c_out * p.c.c_in * 9);
    assert(!bias || tensor_count(bias) == p.c.c_out);
    p.c.bias = bias != NULL;
    for (int64_t b = 0; b < p.x.b; b += p.c.b) {
        void *addr[CPU_SCRATCH] = { NULL, image_at(y, &p.y, b) };
        struct cpu_prim *prim;

        TRY(pass_prim(&p, b, &prim, err));
        TRY(pass_input(&p, x, b, &addr[CPU_SRC], err));
        addr[CPU_BIAS] = bias ? bias->data : NULL;
        TRY(pass_weights(&p, prim, w, &addr[CPU_WEIGHTS], err));
        TRY(cpu_run(p.cpu, prim, addr, err));
    }
    return 0;
}

static void add(void *to, const void *from, int64_t n)
{
    float *y = to;
    const float *x = from;

    #pragma omp parallel for simd
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void add_bf16(void *to, const void *from, int64_t n)
{
    enum { PIECE = 1024 };
    uint16_t *y = to;
    const uint16_t *x = from;

    #pragma omp parallel for
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t m = n - i < PIECE ? n - i : PIECE;
        float a[PIECE], b[PIECE];

        cpu_widen_some(a, y + i, m);
        cpu_widen_some(b, x + i, m);
        for (int64_t j = 0; j < m; j++)
            a[j] += b[j];
        cpu_narrow_some(y + i, a, m);
    }
}

/* oneDNN has no convolution that adds to dx. */
static int run_dx(struct pass *p, struct cpu_prim *prim,
                  void *addr[CPU_SCRATCH], int accumulate, struct err *err)
{
    int64_t n = p->c.b * image_values(&p->x);
    void *dx = addr[CPU_SRC];
    int rc;

    if (!accumulate)
        return cpu_run(p->cpu, prim, addr, err);
    TRY(cpu_take(p->cpu, (size_t)n * (p->x.bf16 ? sizeof(uint16_t)
                                                : sizeof(float)),
                 &addr[CPU_SRC], err));
    rc = cpu_run(p->cpu, prim, addr, err);
    if (!rc)
        (p->x.bf16 ? add_bf16 : add)(dx, addr[CPU_SRC], n);
    arena_give(&p->cpu->arena, addr[CPU_SRC]);
    return rc;
}

int cpu_image_conv_dx(struct backend *be, struct tensor *dx,
                      const struct tensor *dy, const struct tensor *w,
                      int stride_h, int stride_w, int accumulate,
                      struct err *err)
{
    struct pass p;

    TRY(pass_init(&p, be, CPU_IMAGE_DX, dx, dy, stride_h, stride_w, err));
    assert(tensor_count(w) == p.c.c_out * p.c.c_in * 9);
    for (int64_t b = 0; b < p.x.b; b += p.c.b) {
        void *addr[CPU_SCRATCH] = { image_at(dx, &p.x, b),
                                    image_at(dy, &p.y, b) };
        struct cpu_prim *prim;

        TRY(pass_prim(&p, b, &prim, err));
        TRY(pass_weights(&p, prim, w, &addr[CPU_WEIGHTS], err));
        TRY(run_dx(&p, prim, addr, accumulate, err));
    }
    return 0;
}

int cpu_image_conv_dw(struct backend *be, struct tensor *dw,
                      struct tensor *dbias, const struct tensor *dy,
                      const struct tensor *x, int stride_h, int stride_w,
                      struct err *err)
{
    struct pass p;

    TRY(pass_init(&p, be, CPU_IMAGE_DW, x, dy, stride_h, stride_w, err));
    assert(tensor_count(dw) == p.c.c_out * p.c.c_in * 9);
    assert(!dbias || tensor_count(dbias) == p.c.c_out);
    p.c.bias = dbias != NULL;
    for (int64_t b = 0; b < p.x.b; b += p.c.b) {
        void *addr[CPU_SCRATCH] = { NULL, image_at(dy, &p.y, b) };
        struct cpu_weights from = { &p.plain, NULL };
        struct cpu_prim *prim;

        TRY(pass_prim(&p, b, &prim, err));
        TRY(pass_input(&p, x, b, &addr[CPU_SRC], err));
        from.user = prim;
        TRY(cpu_buf(p.cpu, CPU_BUF_SUMS,
                    (size_t)(p.y.groups * p.y.block) * sizeof(float),
                    &addr[CPU_BIAS], err));
        TRY(cpu_buf(p.cpu, CPU_BUF_WEIGHTS, cpu_packed_size(prim),
                    &addr[CPU_WEIGHTS], err));
        TRY(cpu_run(p.cpu, prim, addr, err));
        TRY(cpu_unpack_add(p.cpu, from, dw->data, addr[CPU_WEIGHTS], err));
        if (dbias)
            add(dbias->data, addr[CPU_BIAS], p.c.c_out);
    }
    return 0;
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
