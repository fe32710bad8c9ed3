/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <omp.h>

#include "tensor/cpu/attn.h"

/* (n, T) of (n, d) and (T, d)^T; (n, d) of (n, T) and (T, d); (T, d) of
 * (n, T)^T and (n, d), written or added to. */
enum { SCORES, VALUES, SUMS, SUMS_ADD, PRODUCTS };

#define LOW (-87.0f)

/* e^x within 3e-6 of it for x at most 0, or a little more: sixteen bits need no
 * better, and this takes half of cpu_exp's time. A large number is added to
 * x / ln 2, whose last bits then are n, the nearest integer; a polynomial gives
 * two to the power of the rest. low is LOW, but no constant, so that the
 * compiler makes a maximum of it and no branch. */
static inline float exp_short(float x, float low)
{
    float t, r, p;
    uint32_t n, bits;

    x = (x > low ? x : low) * 1.44269504f;
    t = x + 12582912.0f;
    r = x - (t - 12582912.0f);
    p = 0.00957010128f;
    p = p * r + 0.0559178591f;
    p = p * r + 0.240247443f;
    p = p * r + 0.693121791f;
    p = p * r + 0.999999285f;
    memcpy(&n, &t, 4);
    memcpy(&bits, &p, 4);
    bits += n << 23;
    memcpy(&p, &bits, 4);
    return p;
}

/* ---- primitives ---- */

/* All matrices are dense: oneDNN's fast products want that. */
static int make_product(struct cpu *cpu, const struct cpu_key *key, int what,
                        const struct heads *h, int64_t n,
                        struct cpu_prim **out, struct err *err)
{
    int64_t time = h->time, d = h->d;
    const struct { dnnl_dims_t dim, x, w, y; } m[PRODUCTS] = {
        { { n, d, time }, { d, 1 }, { 1, d }, { time, 1 } },
        { { n, time, d }, { time, 1 }, { d, 1 }, { d, 1 } },
        { { time, n, d }, { 1, time }, { d, 1 }, { d, 1 } },
        { { time, n, d }, { 1, time }, { d, 1 }, { d, 1 } },
    }, *p = &m[what];
    dnnl_dims_t xd = { p->dim[0], p->dim[1] }, wd = { p->dim[1], p->dim[2] };
    dnnl_dims_t yd = { p->dim[0], p->dim[2] };
    struct matmul_opts o = { .accumulate = what == SUMS_ADD };
    struct cpu_operands a = { 0 };

    a.status = dnnl_memory_desc_init_by_strides(&a.x, 2, xd, dnnl_bf16, p->x);
    a.status |= dnnl_memory_desc_init_by_strides(&a.w, 2, wd, dnnl_bf16, p->w);
    a.status |= dnnl_memory_desc_init_by_strides(&a.y, 2, yd, dnnl_f32, p->y);
    return cpu_make_product(cpu, key, &a, o, out, err);
}

/* All products; whether one had to be made, when others may have been
 * forgotten. Each runs on one thread, so it is made for one. */
static int find_products(struct half *a, const struct heads *h, int kinds,
                         struct err *err)
{
    int made = 0, threads = omp_get_max_threads(), rc = 0;

    omp_set_num_threads(1);
    for (int i = 0; i < 2 * kinds && !rc; i++) {
        int last = i / kinds, what = i % kinds;
        int64_t n = last ? h->time - (h->blocks - 1) * QUERIES : QUERIES;
        struct cpu_key key = { .kind = CPU_ATTENTION, .flags = what };
        struct cpu_prim **p = &a->prim[last][what];

        memcpy(key.dim, (int64_t[]){ n, h->time, h->d },
               3 * sizeof(*key.dim));
        *p = cpu_find(a->cpu, &key);
        if (!*p) {
            rc = make_product(a->cpu, &key, what, h, n, p, err);
            made = 1;
        }
        if (!rc && (*p)->scratch > a->scratch_size)
            a->scratch_size = (*p)->scratch;
    }
    omp_set_num_threads(threads);
    return rc ? rc : made;
}

/* ---- a call ---- */

/* Head after head, (B, n, T, d). */
static void copy(uint16_t *to, const struct tensor *from,
                 const struct heads *h)
{
    #pragma omp parallel for
    for (int64_t r = 0; r < h->batch * h->time; r++)
        for (int64_t i = 0; i < h->n; i++) {
            int64_t head = r / h->time * h->n + i;

            cpu_narrow_some(to + (head * h->time + r % h->time) * h->d,
                            from->data + r * h->stride + i * h->d, h->d);
        }
}

int half_begin(struct half *a, struct cpu *cpu, const struct heads *h,
               const struct tensor *q, const struct tensor *k,
               const struct tensor *v, const struct tensor *dy, int threads,
               struct err *err)
{
    int64_t n = tensor_count(q), rows = threads * QUERIES * h->time;
    void *p;
    int rc;

    *a = (struct half){ .cpu = cpu };
    do
        rc = find_products(a, h, dy ? PRODUCTS : SUMS, err);
    while (rc > 0);
    if (rc)
        return rc;
    a->scratch_size = (a->scratch_size + 63) & ~(size_t)63;
    TRY(cpu_buf(cpu, CPU_BUF_SCRATCH, (size_t)threads * a->scratch_size + 1, &p,
                err));
    a->scratch = p;
    TRY(cpu_buf(cpu, CPU_BUF_X, (size_t)(4 * n + 2 * rows) * sizeof(*a->q), &p,
                err));
    a->q = p;
    a->k = a->q + n;
    a->v = a->k + n;
    a->dy = a->v + n;
    a->p = a->dy + n;
    a->ds = a->p + rows;
    TRY(cpu_buf(cpu, CPU_BUF_Y, (size_t)(threads * QUERIES * h->d) *
                sizeof(*a->y), &p, err));
    a->y = p;
    copy(a->q, q, h);
    copy(a->k, k, h);
    copy(a->v, v, h);
    if (dy)
        copy(a->dy, dy, h);
    return 0;
}

/* y = x w. Threads share the primitive, each with memory objects of its own. */
static int multiply(const struct task *a, int64_t n, int what, float *y,
                    const uint16_t *x, const uint16_t *w)
{
    static const struct { int arg, name; } use[] = {
        { CPU_DST, DNNL_ARG_DST }, { CPU_SRC, DNNL_ARG_SRC },
        { CPU_WEIGHTS, DNNL_ARG_WEIGHTS },
        { CPU_SCRATCH, DNNL_ARG_SCRATCHPAD }
    };
    struct half *c = a->half;
    const struct cpu_prim *p = c->prim[n != QUERIES][what];
    void *data[] = {
        y, (void *)x, (void *)w,
        c->scratch + (size_t)a->thread * c->scratch_size
    };
    dnnl_exec_arg_t arg[4];
    int made = 0, s = 0;

    for (int i = 0; i < 4 && !s; i++) {
        const dnnl_memory_desc_t *md;

        if (!p->mem[use[i].arg])
            continue;
        s = dnnl_memory_get_memory_desc(p->mem[use[i].arg], &md);
        arg[made].arg = use[i].name;
        if (!s)
            s = dnnl_memory_create(&arg[made].memory, md, c->cpu->engine,
                                   data[i]);
        made += !s;
    }
    if (!s)
        s = dnnl_primitive_execute(p->prim, c->cpu->stream, made, arg);
    for (int i = 0; i < made; i++)
        dnnl_memory_destroy(arg[i].memory);
    return s;
}

/* ---- forward ---- */

/* x becomes exp(scale (x - max)), and p the same; sets *max of scale x and
 * returns the sum. The loops that convert are apart, as the compiler takes
 * shorter vectors for loops over two types. */
CPU_CLONES
static float exp_row(uint16_t *p, float *x, int64_t n, float scale, float low,
                     float *max)
{
    float top = x[0], sum = 0;

    #pragma omp simd reduction(max:top)
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    #pragma omp simd reduction(+:sum)
    for (int64_t i = 0; i < n; i++) {
        x[i] = exp_short(scale * (x[i] - top), low);
        sum += x[i];
    }
    cpu_narrow_some(p, x, n);
    *max = scale * top;
    return sum;
}

int half_block(const struct heads *h, const struct task *a, int64_t t,
               int64_t n)
{
    const struct half *c = a->half;
    int64_t time = h->time, at = a->head * time * h->d;
    uint16_t *p = c->p + a->thread * QUERIES * time;
    float sum[QUERIES], top, *y = c->y + a->thread * QUERIES * h->d;
    int s = multiply(a, n, SCORES, a->scores, c->q + at + t * h->d, c->k + at);

    if (s)
        return s;
    for (int64_t i = 0; i < n; i++) {
        sum[i] = exp_row(p + i * time, a->scores + i * time, time, h->scale,
                         LOW, &top);
        if (a->lse)
            a->lse[t + i] = top + logf(sum[i]);
    }
    s = multiply(a, n, VALUES, y, p, c->v + at);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < h->d; j++)
            a->y[(t + i) * h->stride + j] = y[i * h->d + j] / sum[i];
    return s;
}

/* ---- backward, as in attn.c ---- */

CPU_CLONES
static void score_row_backward(uint16_t *p, uint16_t *ds, float *score,
                               float *dp, float lse, float delta, float scale,
                               float low, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float e = exp_short(scale * score[i] - lse, low);

        score[i] = e;
        dp[i] = scale * e * (dp[i] - delta);
    }
    cpu_narrow_some(p, score, n);
    cpu_narrow_some(ds, dp, n);
}

int half_block_backward(const struct heads *h, const struct task *a, int64_t t,
                        int64_t n, int first)
{
    const struct half *c = a->half;
    int64_t time = h->time, at = a->head * time * h->d, row = at + t * h->d;
    uint16_t *p = c->p + a->thread * QUERIES * time;
    uint16_t *ds = c->ds + a->thread * QUERIES * time;
    float *dq = c->y + a->thread * QUERIES * h->d;
    int sums = first ? SUMS : SUMS_ADD;
    int s = multiply(a, n, SCORES, a->scores, c->q + row, c->k + at);

    if (!s)
        s = multiply(a, n, SCORES, a->dp, c->dy + row, c->v + at);
    if (s)
        return s;
    for (int64_t i = 0; i < n; i++) {
        int64_t from = (t + i) * h->stride;
        float delta = attn_row_dot(a->dy + from, a->y + from, h->d);

        score_row_backward(p + i * time, ds + i * time, a->scores + i * time,
                           a->dp + i * time, a->lse[t + i], delta, h->scale,
                           LOW, time);
    }
    s = multiply(a, n, sums, a->dv, p, c->dy + row);
    if (!s)
        s = multiply(a, n, sums, a->dk, ds, c->q + row);
    if (!s)
        s = multiply(a, n, VALUES, dq, ds, c->k + at);
    for (int64_t i = 0; i < n; i++)
        memcpy(a->dq + (t + i) * h->stride, dq + i * h->d,
               (size_t)h->d * sizeof(*dq));
    return s;
}
