/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <omp.h>
#include <stdlib.h>

#include "tensor/cpu/attn.h"

static struct heads heads_of(const struct tensor *q, int heads)
{
    struct heads h = { q->dim[0], q->dim[1], heads, q->dim[2] / heads,
                       q->dim[2], 0, 0 };

    assert(q->ndim == 3 && q->dim[2] % heads == 0);
    h.blocks = (h.time + ROWS - 1) / ROWS;
    h.scale = 1.0f / sqrtf((float)h.d);
    return h;
}

/* Where head i of batch * n begins. */
static int64_t head_at(const struct heads *h, int64_t i)
{
    return i / h->n * h->time * h->stride + i % h->n * h->d;
}

static int64_t block_rows(const struct heads *h, int64_t t)
{
    return h->time - t < ROWS ? h->time - t : ROWS;
}

/* Head after head transposed, (B, n, d, T): dnnl_sgemm takes half as long again
 * where it turns the second matrix itself. */
static void turn(float *to, const struct tensor *x, const struct heads *h)
{
    enum { TIME = 128 };
    int64_t spans = (h->time + TIME - 1) / TIME;

    #pragma omp parallel for
    for (int64_t i = 0; i < h->batch * h->n * spans; i++) {
        int64_t head = i / spans, t = i % spans * TIME;
        int64_t n = h->time - t < TIME ? h->time - t : TIME;

        cpu_turn(to + head * h->d * h->time + t, h->time,
                 x->data + head_at(h, head) + t * h->stride, h->stride, n,
                 h->d, 0);
    }
}

/* The same of a, and of b if it is not NULL, in memory of the backend's. */
static int turn_both(float *turned[2], struct cpu *cpu, const struct heads *h,
                     const struct tensor *a, const struct tensor *b,
                     struct err *err)
{
    int64_t n = tensor_count(a);
    void *p;

    TRY(cpu_buf(cpu, CPU_BUF_X, (size_t)(b ? 2 * n : n) * sizeof(float), &p,
                err));
    turned[0] = p;
    turn(turned[0], a, h);
    if (!b)
        return 0;
    turned[1] = turned[0] + n;
    turn(turned[1], b, h);
    return 0;
}

static const float *turned_of(const struct heads *h, const struct task *a,
                              int which)
{
    return a->turned[which] + a->head * h->d * h->time;
}

/* Turns a row of scores into exp(x - max), sets *max and returns the sum. */
CPU_CLONES
static float exp_row(float *x, int64_t n, float *max)
{
    float top = x[0], sum = 0;

    #pragma omp simd reduction(max:top)
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    #pragma omp simd reduction(+:sum)
    for (int64_t i = 0; i < n; i++) {
        x[i] = cpu_exp(x[i] - top);
        sum += x[i];
    }
    *max = top;
    return sum;
}

/* The n queries from t on: scores, softmax, weighted values. The division by
 * the sum comes last, over d instead of T numbers. */
static int block(const struct heads *h, const struct task *a, int64_t t,
                 int64_t n)
{
    float sum[ROWS], top, *y = a->y + t * h->stride;
    int s = dnnl_sgemm('N', 'N', n, h->time, h->d, h->scale,
                       a->q + t * h->stride, h->stride, turned_of(h, a, 0),
                       h->time, 0, a->scores, h->time);

    if (s)
        return s;
    for (int64_t i = 0; i < n; i++) {
        sum[i] = exp_row(a->scores + i * h->time, h->time, &top);
        if (a->lse)
            a->lse[t + i] = top + logf(sum[i]);
    }
    s = dnnl_sgemm('N', 'N', n, h->d, h->time, 1, a->scores, h->time, a->v,
                   h->stride, 0, y, h->stride);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < h->d; j++)
            y[i * h->stride + j] /= sum[i];
    return s;
}

static int forward(struct backend *be, struct tensor *y, float *lse,
                   const struct tensor *q, const struct tensor *k,
                   const struct tensor *v, int heads, struct err *err)
{
    struct heads h = heads_of(q, heads);
    int threads = omp_get_max_threads(), status = 0;
    int is_half = cpu_is_bf16(cpu_of(be));
    int64_t size = ROWS * h.time;
    struct half half;
    float *turned[2] = { NULL, NULL };
    void *scores;

    assert(tensor_count(y) == tensor_count(q));
    assert(tensor_count(k) == tensor_count(q));
    assert(tensor_count(v) == tensor_count(q));
    if (!tensor_count(q))
        return 0;
    TRY(cpu_buf(cpu_of(be), CPU_BUF_SUMS, (size_t)(threads * size) *
                sizeof(float), &scores, err));
    if (is_half)
        TRY(half_begin(&half, cpu_of(be), &h, q, k, v, NULL, threads, err));
    else
        TRY(turn_both(turned, cpu_of(be), &h, k, NULL, err));
    #pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < h.batch * h.n * h.blocks; i++) {
        int64_t head = i / h.blocks, t = i % h.blocks * ROWS;
        int64_t at = head_at(&h, head);
        int thread = omp_get_thread_num(), s;
        struct task a = {
            .q = q->data + at, .k = k->data + at, .v = v->data + at,
            .turned = { turned[0] },
            .y = y->data + at, .lse = lse ? lse + head * h.time : NULL,
            .scores = (float *)scores + thread * size,
            .half = is_half ? &half : NULL, .head = head, .thread = thread
        };

        s = (is_half ? half_block : block)(&h, &a, t, block_rows(&h, t));
        if (s) {
            #pragma omp atomic write
            status = s;
        }
    }
    return cpu_check(status, "attention", err);
}

int cpu_attention(struct backend *be, struct tensor *y, const struct tensor *q,
                  const struct tensor *k, const struct tensor *v, int heads,
                  struct err *err)
{
    return forward(be, y, NULL, q, k, v, heads, err);
}

int cpu_attention_save(struct backend *be, struct tensor *y, struct tensor *lse,
                       const struct tensor *q, const struct tensor *k,
                       const struct tensor *v, int heads, struct err *err)
{
    assert(y->data != q->data);
    assert(tensor_count(lse) == q->dim[0] * q->dim[1] * heads);
    return forward(be, y, lse->data, q, k, v, heads, err);
}

/* ---- backward: with P = softmax(S), D the row sums of dy * y,
 * dP = dy v^T, dS = P * (dP - D):
 * dv = P^T dy, dq = scale dS k, dk = scale dS^T q. In work are rows of S^T,
 * dP^T and dS^T. ---- */

/* Scores become P^T, dp becomes scale * dS^T. */
CPU_CLONES
static void score_row_backward(float *score, float *dp, const float *lse,
                               const float *delta, float scale, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float p = cpu_exp(score[i] - lse[i]);

        score[i] = p;
        dp[i] = scale * p * (dp[i] - delta[i]);
    }
}

/* The n keys from t on; first: dq is written, not added to. */
static int block_backward(const struct heads *h, const struct task *a,
                          int64_t t, int64_t n, int first)
{
    int64_t c = h->stride, time = h->time, at = t * c;
    int s;

    s = dnnl_sgemm('N', 'N', n, time, h->d, h->scale, a->k + at, c,
                   turned_of(h, a, 0), time, 0, a->scores, time);
    s |= dnnl_sgemm('N', 'N', n, time, h->d, 1, a->v + at, c,
                    turned_of(h, a, 1), time, 0, a->dp, time);
    for (int64_t i = 0; i < n; i++)
        score_row_backward(a->scores + i * time, a->dp + i * time, a->lse,
                           a->delta, h->scale, time);
    s |= dnnl_sgemm('N', 'N', n, h->d, time, 1, a->scores, time, a->dy, c, 0,
                    a->dv + at, c);
    s |= dnnl_sgemm('N', 'N', n, h->d, time, 1, a->dp, time, a->q, c, 0,
                    a->dk + at, c);
    s |= dnnl_sgemm('T', 'N', time, h->d, n, 1, a->dp, time, a->k + at, c,
                    first ? 0 : 1, a->dq, a->ld);
    return s;
}

CPU_CLONES
static float row_dot(const float *a, const float *b, int64_t n)
{
    float sum = 0;

    #pragma omp simd reduction(+:sum)
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* delta (B, n, T) */
static void find_deltas(const struct heads *h, float *delta,
                        const struct tensor *dy, const struct tensor *y)
{
    #pragma omp parallel for
    for (int64_t i = 0; i < h->batch * h->n * h->time; i++) {
        int64_t at = head_at(h, i / h->time) + i % h->time * h->stride;

        delta[i] = row_dot(dy->data + at, y->data + at, h->d);
    }
}

/* A head's keys are split in groups where there are few heads: each group has
 * sums of its own for dq, (T, d), which are then added in order. Their number
 * follows from the shapes alone, as do the results. */
static int64_t group_count(const struct heads *h)
{
    enum { TASKS = 16 };
    int64_t n = h->batch * h->n, groups = (TASKS + n - 1) / n;

    return groups < h->blocks ? groups : h->blocks;
}

CPU_CLONES
static void add_row(float *y, const float *x, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void add_groups(const struct heads *h, float *dq, const float *part,
                       int64_t groups)
{
    int64_t size = h->time * h->d;

    #pragma omp parallel for
    for (int64_t i = 0; i < h->batch * h->n * h->time; i++) {
        int64_t head = i / h->time, t = i % h->time;
        int64_t to = head_at(h, head) + t * h->stride;
        const float *p = part + head * groups * size + t * h->d;

        memcpy(dq + to, p, (size_t)h->d * sizeof(*dq));
        for (int64_t g = 1; g < groups; g++)
            add_row(dq + to, p + g * size, h->d);
    }
}

/* The blocks of group g of groups. */
static int group_backward(const struct heads *h, const struct task *a,
                          int64_t g, int64_t groups)
{
    int64_t from = g * h->blocks / groups, to = (g + 1) * h->blocks / groups;
    int s = 0;

    for (int64_t b = from; b < to && !s; b++)
        s = (a->half ? half_block_backward : block_backward)(
            h, a, b * ROWS, block_rows(h, b * ROWS), b == from);
    return s;
}

int cpu_attention_backward(struct backend *be, struct tensor *dq,
                           struct tensor *dk, struct tensor *dv,
                           const struct tensor *dy, const struct tensor *y,
                           const struct tensor *lse, const struct tensor *q,
                           const struct tensor *k, const struct tensor *v,
                           int heads, struct err *err)
{
    struct heads h = heads_of(q, heads);
    int threads = omp_get_max_threads(), status = 0;
    int is_half = cpu_is_bf16(cpu_of(be));
    int64_t size = ROWS * h.time, groups = group_count(&h);
    int64_t n = tensor_count(q), rows = h.batch * h.n * h.time;
    int apart = groups > 1 || is_half; /* dq of a task in memory of its own */
    int64_t sums = apart ? groups * rows * h.d : 0;
    struct half half;
    float *work, *part, *delta, *turned[2] = { NULL, NULL };
    void *all;

    assert(tensor_count(dq) == n && tensor_count(dk) == n);
    assert(tensor_count(dv) == n && tensor_count(dy) == n);
    assert(tensor_count(lse) == h.batch * h.n * h.time);
    if (!n)
        return 0;
    TRY(cpu_buf(cpu_of(be), CPU_BUF_SUMS,
                (size_t)(2 * threads * size + rows + sums) * sizeof(*work),
                &all, err));
    if (is_half)
        TRY(half_begin(&half, cpu_of(be), &h, q, k, v, dy, threads, err));
    else
        TRY(turn_both(turned, cpu_of(be), &h, q, dy, err));
    work = all;
    delta = work + 2 * threads * size;
    part = delta + rows;
    find_deltas(&h, delta, dy, y);
    #pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < h.batch * h.n * groups; i++) {
        int64_t head = i / groups, at = head_at(&h, head);
        int thread = omp_get_thread_num(), s;
        struct task a = {
            .q = q->data + at, .k = k->data + at, .v = v->data + at,
            .lse = lse->data + head * h.time,
            .scores = work + 2 * thread * size,
            .half = is_half ? &half : NULL, .head = head, .thread = thread,
            .turned = { turned[0], turned[1] },
            .dy = dy->data + at, .delta = delta + head * h.time,
            .dk = dk->data + at, .dv = dv->data + at,
            .dq = apart ? part + i * h.time * h.d : dq->data + at,
            .ld = apart ? h.d : h.stride,
            .dp = work + (2 * thread + 1) * size
        };

        s = group_backward(&h, &a, i % groups, groups);
        if (s) {
            #pragma omp atomic write
            status = s;
        }
    }
    if (apart)
        add_groups(&h, dq->data, part, groups);
    return cpu_check(status, "attention", err);
}
