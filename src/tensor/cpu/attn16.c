/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <omp.h>

#include "tensor/cpu/attn.h"
#include "tensor/cpu/pack16.h"

/* (n, T) of (n, d) and (d, T); (n, d) of (n, T) and (T, d); (T, d) of
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

/* All matrices are dense: oneDNN's fast products want that. right: how the
 * second one lies. */
static int make_product(struct cpu *cpu, const struct cpu_key *key,
                        const dnnl_memory_desc_t *right, struct cpu_prim **out,
                        struct err *err)
{
    int64_t n = key->dim[0], time = key->dim[1], d = key->dim[2];
    const struct { dnnl_dims_t x, y, strides; } m[PRODUCTS] = {
        { { n, d }, { n, time }, { d, 1 } },
        { { n, time }, { n, d }, { time, 1 } },
        { { time, n }, { time, d }, { 1, time } },
        { { time, n }, { time, d }, { 1, time } },
    }, *p = &m[key->flags];
    struct matmul_opts o = { .accumulate = key->flags == SUMS_ADD };
    struct cpu_operands a = { .w = *right };

    a.status = dnnl_memory_desc_init_by_strides(&a.x, 2, p->x, dnnl_bf16,
                                                p->strides);
    a.status |= dnnl_memory_desc_init_by_tag(&a.y, 2, p->y, dnnl_f32, dnnl_ab);
    return cpu_make_product(cpu, key, &a, o, out, err);
}

static const dnnl_memory_desc_t *right_of(const struct cpu_prim *p)
{
    const dnnl_memory_desc_t *md = NULL;

    return dnnl_memory_get_memory_desc(p->mem[CPU_WEIGHTS], &md) ? NULL : md;
}

/* The second matrix as oneDNN likes it best, if that is an order that pack16.h
 * knows, else row-major as the copies of (T, d). The last block's product takes
 * it as the others do: like. */
static int new_product(struct cpu *cpu, const struct cpu_key *key,
                       const struct cpu_prim *like, struct cpu_prim **out,
                       struct err *err)
{
    int64_t n = key->dim[0], time = key->dim[1], d = key->dim[2];
    dnnl_dims_t across = { d, time }, plain = { time, d }, some = { n, d };
    dnnl_dims_t turned = { 1, d };
    int what = key->flags, wanted = what == SCORES || what == VALUES;
    dnnl_memory_desc_t md;
    struct cpu_pack16 pack;
    int s;

    if (wanted && like)
        return make_product(cpu, key, right_of(like), out, err);
    if (wanted) {
        s = dnnl_memory_desc_init_by_tag(&md, 2, what == SCORES ? across
                                         : plain, dnnl_bf16,
                                         dnnl_format_tag_any);
        TRY(cpu_check(s, "attention", err));
        TRY(make_product(cpu, key, &md, out, err));
        if (cpu_pack16_of(&pack, right_of(*out)))
            return 0;
        cpu_forget_last(cpu);
    }
    if (what == SCORES)
        s = dnnl_memory_desc_init_by_strides(&md, 2, across, dnnl_bf16, turned);
    else
        s = dnnl_memory_desc_init_by_tag(&md, 2, what == VALUES ? plain : some,
                                         dnnl_bf16, dnnl_ab);
    TRY(cpu_check(s, "attention", err));
    return make_product(cpu, key, &md, out, err);
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
        int64_t n = last ? h->time - (h->blocks - 1) * ROWS : ROWS;
        struct cpu_key key = { .kind = CPU_ATTENTION, .flags = what };
        struct cpu_prim **p = &a->prim[last][what];

        memcpy(key.dim, (int64_t[]){ n, h->time, h->d },
               3 * sizeof(*key.dim));
        *p = cpu_find(a->cpu, &key);
        if (!*p) {
            rc = new_product(a->cpu, &key, last ? a->prim[0][what] : NULL, p,
                             err);
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
static void copy(const struct half_side *to, const struct tensor *from,
                 const struct heads *h)
{
    #pragma omp parallel for
    for (int64_t r = 0; r < h->batch * h->time; r++)
        for (int64_t i = 0; i < h->n; i++) {
            size_t head = (size_t)(r / h->time * h->n + i);

            cpu_narrow_some((uint16_t *)(to->data + head * to->size) +
                                r % h->time * h->d,
                            from->data + r * h->stride + i * h->d, h->d);
        }
}

/* The second matrix of products what: across for SCORES. */
static void fill_right(const struct half *a, int what,
                       const struct half_side *to, const struct tensor *from,
                       const struct heads *h)
{
    struct cpu_pack16 p;

    if (!cpu_pack16_of(&p, right_of(a->prim[0][what]))) {
        copy(to, from, h);
        return;
    }
    #pragma omp parallel for collapse(2)
    for (int64_t i = 0; i < h->batch * h->n; i++)
        for (int64_t k = 0; k < cpu_pack16_blocks(&p); k++)
            cpu_pack16_block(&p, k, to->data + (size_t)i * to->size,
                             from->data + i / h->n * h->time * h->stride +
                                 i % h->n * h->d, h->stride, what == SCORES);
}

/* Divides memory at p, or counts it where p is NULL. */
static char *part(char *p, size_t *used, size_t size)
{
    char *at = p ? p + *used : NULL;

    *used += (size + 63) & ~(size_t)63;
    return at;
}

static size_t lay_out(struct half *a, const struct heads *h, int backward,
                      int threads, char *p)
{
    size_t heads = (size_t)(h->batch * h->n), used = 0;
    size_t rows = (size_t)(threads * ROWS * h->time) * sizeof(*a->p);
    size_t plain = (size_t)(h->time * h->d) * sizeof(uint16_t);

    for (int i = 0; i < 1 + backward; i++) {
        a->rows[i].size = plain;
        a->rows[i].data = part(p, &used, heads * plain);
    }
    for (int i = 0; i < 2 + 2 * backward; i++) {
        int what = i < 1 + backward ? SCORES : VALUES;

        a->right[i].size = (cpu_packed_size(a->prim[0][what]) + 63) &
                           ~(size_t)63;
        a->right[i].data = part(p, &used, heads * a->right[i].size);
    }
    a->p = (uint16_t *)part(p, &used, rows);
    a->ds = (uint16_t *)part(p, &used, rows);
    a->y = (float *)part(p, &used, (size_t)(threads * ROWS * h->d) *
                         sizeof(*a->y));
    a->scratch_size = (a->scratch_size + 63) & ~(size_t)63;
    a->scratch = part(p, &used, (size_t)threads * a->scratch_size);
    return used;
}

int half_begin(struct half *a, struct cpu *cpu, const struct heads *h,
               const struct tensor *q, const struct tensor *k,
               const struct tensor *v, const struct tensor *dy, int threads,
               struct err *err)
{
    int backward = dy != NULL, rc;
    void *p;

    *a = (struct half){ .cpu = cpu };
    do
        rc = find_products(a, h, backward ? PRODUCTS : SUMS, err);
    while (rc > 0);
    if (rc)
        return rc;
    TRY(cpu_buf(cpu, CPU_BUF_X, lay_out(a, h, backward, threads, NULL), &p,
                err));
    lay_out(a, h, backward, threads, p);
    copy(&a->rows[0], backward ? k : q, h);
    if (backward)
        copy(&a->rows[1], v, h);
    fill_right(a, SCORES, &a->right[0], backward ? q : k, h);
    fill_right(a, backward ? SCORES : VALUES, &a->right[1], backward ? dy : v,
               h);
    if (backward) {
        fill_right(a, VALUES, &a->right[2], q, h);
        fill_right(a, VALUES, &a->right[3], dy, h);
    }
    return 0;
}

static const void *side(const struct task *a, const struct half_side *s,
                        int64_t value)
{
    return s->data + (size_t)a->head * s->size +
           (size_t)value * sizeof(uint16_t);
}

/* y = x w. Threads share the primitive, each with memory objects of its own. */
static int multiply(const struct task *a, int64_t n, int what, float *y,
                    const void *x, const void *w)
{
    static const struct { int arg, name; } use[] = {
        { CPU_DST, DNNL_ARG_DST }, { CPU_SRC, DNNL_ARG_SRC },
        { CPU_WEIGHTS, DNNL_ARG_WEIGHTS },
        { CPU_SCRATCH, DNNL_ARG_SCRATCHPAD }
    };
    struct half *c = a->half;
    const struct cpu_prim *p = c->prim[n != ROWS][what];
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
    int64_t time = h->time;
    uint16_t *p = c->p + a->thread * ROWS * time;
    float sum[ROWS], top, *y = c->y + a->thread * ROWS * h->d;
    int s = multiply(a, n, SCORES, a->scores, side(a, &c->rows[0], t * h->d),
                     side(a, &c->right[0], 0));

    if (s)
        return s;
    for (int64_t i = 0; i < n; i++) {
        sum[i] = exp_row(p + i * time, a->scores + i * time, time, h->scale,
                         LOW, &top);
        if (a->lse)
            a->lse[t + i] = top + logf(sum[i]);
    }
    s = multiply(a, n, VALUES, y, p, side(a, &c->right[1], 0));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < h->d; j++)
            a->y[(t + i) * h->stride + j] = y[i * h->d + j] / sum[i];
    return s;
}

/* ---- backward, as in attn.c ---- */

CPU_CLONES
static void score_row_backward(uint16_t *p, uint16_t *ds, float *score,
                               float *dp, const float *lse, const float *delta,
                               float scale, float low, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float e = exp_short(scale * score[i] - lse[i], low);

        score[i] = e;
        dp[i] = scale * e * (dp[i] - delta[i]);
    }
    cpu_narrow_some(p, score, n);
    cpu_narrow_some(ds, dp, n);
}

/* The n rows of y from t on, to a head's rows in place. */
static int values(const struct heads *h, const struct task *a, int64_t t,
                  int64_t n, float *to, const uint16_t *p,
                  const struct half_side *right)
{
    float *y = a->half->y + a->thread * ROWS * h->d;
    int s = multiply(a, n, VALUES, y, p, side(a, right, 0));

    for (int64_t i = 0; i < n; i++)
        memcpy(to + (t + i) * h->stride, y + i * h->d,
               (size_t)h->d * sizeof(*y));
    return s;
}

int half_block_backward(const struct heads *h, const struct task *a, int64_t t,
                        int64_t n, int first)
{
    const struct half *c = a->half;
    int64_t time = h->time;
    const void *k = side(a, &c->rows[0], t * h->d);
    const void *v = side(a, &c->rows[1], t * h->d);
    uint16_t *p = c->p + a->thread * ROWS * time;
    uint16_t *ds = c->ds + a->thread * ROWS * time;
    int s = multiply(a, n, SCORES, a->scores, k, side(a, &c->right[0], 0));

    if (!s)
        s = multiply(a, n, SCORES, a->dp, v, side(a, &c->right[1], 0));
    if (s)
        return s;
    for (int64_t i = 0; i < n; i++)
        score_row_backward(p + i * time, ds + i * time, a->scores + i * time,
                           a->dp + i * time, a->lse, a->delta, h->scale, LOW,
                           time);
    s = values(h, a, t, n, a->dv, p, &c->right[3]);
    if (!s)
        s = values(h, a, t, n, a->dk, ds, &c->right[2]);
    if (!s)
        s = multiply(a, n, first ? SUMS : SUMS_ADD, a->dq, ds, k);
    return s;
}
