/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Convolutions over a batch of images in training. */
#include <assert.h>

#include "tensor/cpu/private.h"

int cpu_conv_input(struct cpu *cpu, const struct cpu_image *m, const float *x,
                   void **out, struct err *err)
{
    if (cpu_is_bf16(cpu) && !m->bf16)
        return cpu_narrowed(cpu, CPU_BUF_X, x, m->b * m->h * m->w, out, err);
    *out = (void *)x;
    return 0;
}

/* ---- parts of a batch: some whole images, or a stretch of one's rows ----
 * Winograd's scratch memory is some five times the images, and oneDNN has no
 * convolution that adds to dx: what is large goes in stretches of rows, copied
 * with those around that they need. Shapes alone say how a batch is cut. */

struct part {
    int64_t b;          /* the first image */
    int64_t x, y;       /* the first row that is read or computed */
    int64_t first, end; /* the rows of y that are its own */
};

/* One pass of one of the three. */
struct pass {
    struct cpu *cpu;
    struct cpu_conv c;         /* of a part */
    struct cpu_image x, y;
    struct tensor tx, ty;      /* what was given */
    const float *w, *bias;
    float *dw, *dbias;
    int accumulate;
    dnnl_memory_desc_t plain;
    int64_t step;              /* images at a time */
    int64_t rows, n;           /* of y in a stretch, 0: images are whole; so
                                  many stretches in an image */
    void *tmp[2];              /* x and y of a stretch; x that is added */
    const void *ready;         /* weights are packed for this primitive */
};

static int64_t image_values(const struct cpu_image *m)
{
    return m->groups * m->block * m->h * m->w;
}

static size_t value_size(const struct cpu_image *m)
{
    return m->bf16 ? sizeof(uint16_t) : sizeof(float);
}

/* Steps and stretches are alike as far as they can be: each size is a
 * primitive. */
static void cut(struct pass *p)
{
    enum { VALUES_AT_ONCE = 8 << 20, VALUES_OF_STRETCH = 3 << 19 };
    int winograd = !p->x.bf16 && p->c.stride_h == 1 && p->c.stride_w == 1;
    int64_t most = image_values(&p->x), steps;

    if (most < image_values(&p->y))
        most = image_values(&p->y);
    steps = (p->x.b * most + VALUES_AT_ONCE - 1) / VALUES_AT_ONCE;
    p->step = steps > 1 ? (p->x.b + steps - 1) / steps : p->x.b;
    p->n = 1;
    if (p->x.c == 1 || most <= VALUES_AT_ONCE || !(winograd || p->accumulate))
        return;
    p->n = (most + VALUES_OF_STRETCH - 1) / VALUES_OF_STRETCH;
    p->rows = (p->y.h + p->n - 1) / p->n;
    p->n = (p->y.h + p->rows - 1) / p->rows;
}

static int pass_init(struct pass *p, struct backend *be, int kind,
                     const struct tensor *x, const struct tensor *y,
                     int stride_h, int stride_w, struct err *err)
{
    p->cpu = cpu_of(be);
    p->tx = *x;
    p->ty = *y;
    p->x = cpu_image_of(p->cpu, x);
    p->y = cpu_image_of(p->cpu, y);
    assert(p->x.b == p->y.b && p->y.c > 1);
    assert(kind != CPU_IMAGE_DX || p->x.c > 1);
    assert(p->y.h == (p->x.h - 1) / stride_h + 1);
    assert(p->y.w == (p->x.w - 1) / stride_w + 1);
    p->c = (struct cpu_conv){
        .kind = kind, .stride_h = stride_h, .stride_w = stride_w,
        .w = p->x.w, .c_in = p->x.c, .c_out = p->y.c,
    };
    cut(p);
    return cpu_conv_plain(&p->plain, p->c.c_out, p->c.c_in, err);
}

/* Part i, and its size in p->c. A stretch has a row more on either side, which
 * the rows of its own need; at an end of the image both are on the same
 * side. */
static struct part part_at(struct pass *p, int64_t i)
{
    struct part q = { .b = i * p->step, .end = p->y.h };
    int64_t rows = p->rows + 2 < p->y.h ? p->rows + 2 : p->y.h, end;

    if (!p->rows) {
        p->c.b = p->x.b - q.b < p->step ? p->x.b - q.b : p->step;
        p->c.h = p->x.h;
        return q;
    }
    q.b = i / p->n;
    q.first = i % p->n * p->rows;
    if (q.end > q.first + p->rows)
        q.end = q.first + p->rows;
    q.y = q.first ? q.first - 1 : 0;
    if (q.y > p->y.h - rows)
        q.y = p->y.h - rows;
    q.x = q.y * p->c.stride_h;
    end = (q.y + rows) * p->c.stride_h;
    p->c.b = 1;
    p->c.h = (end < p->x.h ? end : p->x.h) - q.x;
    return q;
}

/* ---- rows of images ---- */

static void add(float *y, const float *x, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void add_bf16(uint16_t *y, const uint16_t *x, int64_t n)
{
    enum { PIECE = 1024 };

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

/* Images of h rows, from one of them on. */
struct side {
    void *image;
    int64_t h, row;
};

/* n rows of each of the groups. */
static void move_rows(const struct cpu_image *m, struct side to,
                      struct side from, int64_t groups, int64_t n, int adds)
{
    int64_t values = m->w * m->block;
    size_t size = (size_t)values * value_size(m);

    #pragma omp parallel for
    for (int64_t i = 0; i < groups * n; i++) {
        int64_t group = i / n, row = i % n;
        char *y = (char *)to.image +
                  (size_t)(group * to.h + to.row + row) * size;
        const char *x = (const char *)from.image +
                        (size_t)(group * from.h + from.row + row) * size;

        if (!adds)
            memcpy(y, x, size);
        else if (m->bf16)
            add_bf16((uint16_t *)(void *)y,
                     (const uint16_t *)(const void *)x, values);
        else
            add((float *)(void *)y, (const float *)(const void *)x, values);
    }
}

static void clear_rows(const struct cpu_image *m, struct side s, int64_t n)
{
    size_t size = (size_t)(m->w * m->block) * value_size(m);

    for (int64_t g = 0; g < m->groups; g++)
        memset((char *)s.image + (size_t)(g * s.h + s.row) * size, 0,
               (size_t)n * size);
}

static void *image_at(const struct tensor *t, const struct cpu_image *m,
                      int64_t b)
{
    return (char *)t->data + (size_t)(b * image_values(m)) * value_size(m);
}

/* ---- operands of a part ---- */

static int64_t rows_of_y(const struct pass *p)
{
    return (p->c.h - 1) / p->c.stride_h + 1;
}

static int take(struct pass *p, int which, const struct cpu_image *m,
                int64_t rows, struct err *err)
{
    size_t n = (size_t)(p->c.b * m->groups * m->block * rows * m->w);

    return p->tmp[which] ? 0 : cpu_take(p->cpu, n * value_size(m),
                                        &p->tmp[which], err);
}

/* Where x and y lie for the primitive, with what it reads. */
static int part_begin(struct pass *p, const struct part *q,
                      void *addr[CPU_SCRATCH], struct err *err)
{
    struct cpu_image some = p->x;
    int64_t rows = rows_of_y(p);
    struct side y = { NULL, rows, 0 };

    some.b = p->c.b;
    addr[CPU_SRC] = image_at(&p->tx, &p->x, q->b);
    addr[CPU_DST] = image_at(&p->ty, &p->y, q->b);
    if (p->rows || p->accumulate)
        TRY(take(p, 0, &p->x, p->c.h, err));
    if (p->rows)
        TRY(take(p, 1, &p->y, rows, err));
    if (p->rows && p->c.kind != CPU_IMAGE_DX)
        move_rows(&p->x, (struct side){ p->tmp[0], p->c.h, 0 },
                  (struct side){ addr[CPU_SRC], p->x.h, q->x }, p->x.groups,
                  p->c.h, 0);
    y.image = p->tmp[1];
    if (p->rows && p->c.kind != CPU_IMAGE_CONV)
        move_rows(&p->y, y, (struct side){ addr[CPU_DST], p->y.h, q->y },
                  p->y.groups, rows, 0);
    if (p->rows && p->c.kind == CPU_IMAGE_DW) {
        clear_rows(&p->y, y, q->first - q->y);
        y.row = q->end - q->y;
        clear_rows(&p->y, y, rows - y.row);
    }
    for (int i = 0; i < 2; i++)
        if (p->tmp[i])
            addr[i] = p->tmp[i];
    if (p->c.kind == CPU_IMAGE_DX)
        return 0;
    return cpu_conv_input(p->cpu, &some, addr[CPU_SRC], &addr[CPU_SRC], err);
}

/* What was computed goes to its place. */
static void part_end(struct pass *p, const struct part *q)
{
    int s = p->c.stride_h;
    int64_t first = q->first * s, end = q->end * s;
    void *x = image_at(&p->tx, &p->x, q->b), *y = image_at(&p->ty, &p->y, q->b);

    if (end > p->x.h || q->end == p->y.h)
        end = p->x.h;
    if (p->c.kind == CPU_IMAGE_CONV && p->rows)
        move_rows(&p->y, (struct side){ y, p->y.h, q->first },
                  (struct side){ p->tmp[1], rows_of_y(p), q->first - q->y },
                  p->y.groups, q->end - q->first, 0);
    if (p->c.kind == CPU_IMAGE_DX && p->tmp[0])
        move_rows(&p->x, (struct side){ x, p->x.h, first },
                  (struct side){ p->tmp[0], p->c.h, first - q->x },
                  p->c.b * p->x.groups, end - first, p->accumulate);
}

static int pass_weights(struct pass *p, const struct cpu_prim *prim,
                        void **out, struct err *err)
{
    struct cpu_weights to = { &p->plain, prim };

    TRY(cpu_buf(p->cpu, CPU_BUF_WEIGHTS, cpu_packed_size(prim), out, err));
    if (p->ready == prim || p->c.kind == CPU_IMAGE_DW)
        return 0;
    p->ready = prim;
    return cpu_pack(p->cpu, to, *out, p->w, err);
}

static int run_part(struct pass *p, int64_t i, struct err *err)
{
    struct part q = part_at(p, i);
    void *addr[CPU_SCRATCH] = { NULL, NULL, (void *)p->bias, NULL };
    struct cpu_weights from = { &p->plain, NULL };
    struct cpu_prim *prim;

    TRY(cpu_conv_prim(p->cpu, &p->c, &prim, err));
    TRY(part_begin(p, &q, addr, err));
    TRY(pass_weights(p, prim, &addr[CPU_WEIGHTS], err));
    if (p->c.kind == CPU_IMAGE_DW)
        TRY(cpu_buf(p->cpu, CPU_BUF_SUMS,
                    (size_t)(p->y.groups * p->y.block) * sizeof(float),
                    &addr[CPU_BIAS], err));
    TRY(cpu_run(p->cpu, prim, addr, err));
    part_end(p, &q);
    if (p->c.kind != CPU_IMAGE_DW)
        return 0;
    from.user = prim;
    if (p->dbias)
        add(p->dbias, addr[CPU_BIAS], p->c.c_out);
    return cpu_unpack_add(p->cpu, from, p->dw, addr[CPU_WEIGHTS], err);
}

static int run_all(struct pass *p, struct err *err)
{
    int64_t n = p->rows ? p->x.b * p->n : (p->x.b + p->step - 1) / p->step;
    int rc = 0;

    for (int64_t i = 0; i < n && !rc; i++)
        rc = run_part(p, i, err);
    for (int i = 1; i >= 0; i--)
        arena_give(&p->cpu->arena, p->tmp[i]);
    return rc;
}

/* ---- the operations ---- */

int cpu_image_conv(struct backend *be, struct tensor *y,
                   const struct tensor *x, const struct tensor *w,
                   const struct tensor *bias, int stride_h, int stride_w,
                   struct err *err)
{
    struct pass p = { .w = w->data, .bias = bias ? bias->data : NULL };

    TRY(pass_init(&p, be, CPU_IMAGE_CONV, x, y, stride_h, stride_w, err));
    assert(tensor_count(w) == p.c.c_out * p.c.c_in * 9);
    assert(!bias || tensor_count(bias) == p.c.c_out);
    p.c.bias = bias != NULL;
    return run_all(&p, err);
}

int cpu_image_conv_dx(struct backend *be, struct tensor *dx,
                      const struct tensor *dy, const struct tensor *w,
                      int stride_h, int stride_w, int accumulate,
                      struct err *err)
{
    struct pass p = { .w = w->data, .accumulate = accumulate };

    TRY(pass_init(&p, be, CPU_IMAGE_DX, dx, dy, stride_h, stride_w, err));
    assert(tensor_count(w) == p.c.c_out * p.c.c_in * 9);
    return run_all(&p, err);
}

int cpu_image_conv_dw(struct backend *be, struct tensor *dw,
                      struct tensor *dbias, const struct tensor *dy,
                      const struct tensor *x, int stride_h, int stride_w,
                      struct err *err)
{
    struct pass p = { .dw = dw->data, .dbias = dbias ? dbias->data : NULL };

    TRY(pass_init(&p, be, CPU_IMAGE_DW, x, dy, stride_h, stride_w, err));
    assert(tensor_count(dw) == p.c.c_out * p.c.c_in * 9);
    assert(!dbias || tensor_count(dbias) == p.c.c_out);
    p.c.bias = dbias != NULL;
    return run_all(&p, err);
}
