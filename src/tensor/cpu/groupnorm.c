/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <stdlib.h>

#include "tensor/cpu/private.h"

/* Frames whose sums are single precision; the rest is double, in a fixed
 * order. */
enum { PIECE = 128 };

/* What is summed over the frames of each channel. */
enum sum_of { SUM_X, SUM_SQUARES, SUM_DY, SUM_DY_X };

CPU_CLONES
static void add_row(float *sum, const float *x, const float *dy,
                    const float *mean, const float *inv, int64_t n,
                    enum sum_of what)
{
    switch (what) {
    case SUM_X:
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            sum[i] += x[i];
        break;
    case SUM_SQUARES:
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            sum[i] += (x[i] - mean[i]) * (x[i] - mean[i]);
        break;
    case SUM_DY:
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            sum[i] += dy[i];
        break;
    case SUM_DY_X:
        #pragma omp simd
        for (int64_t i = 0; i < n; i++)
            sum[i] += dy[i] * (x[i] - mean[i]) * inv[i];
        break;
    }
}

/* One window of the batch. */
struct window {
    const float *x, *dy;   /* (time, n) */
    const float *mean, *inv; /* (n), by channel */
    int64_t time, n;
    float *piece; /* (pieces, n), work space */
};

static int64_t pieces(int64_t time)
{
    return (time + PIECE - 1) / PIECE;
}

static void sum_frames(double *sum, const struct window *w, enum sum_of what)
{
    int64_t n = w->n;

    #pragma omp parallel for
    for (int64_t p = 0; p < pieces(w->time); p++) {
        float *s = w->piece + p * n;
        int64_t end = (p + 1) * PIECE < w->time ? (p + 1) * PIECE : w->time;

        memset(s, 0, (size_t)n * sizeof(*s));
        for (int64_t t = p * PIECE; t < end; t++)
            add_row(s, w->x + t * n, w->dy ? w->dy + t * n : NULL, w->mean,
                    w->inv, n, what);
    }
    memset(sum, 0, (size_t)n * sizeof(*sum));
    for (int64_t p = 0; p < pieces(w->time); p++)
        for (int64_t i = 0; i < n; i++)
            sum[i] += w->piece[p * n + i];
}

/* a (n) over each group: its mean over the frames too, for each channel. */
static void group_means(double *a, int64_t n, int groups, int64_t time)
{
    int64_t each = n / groups;

    for (int64_t g = 0; g < groups; g++) {
        double s = 0;

        for (int64_t i = 0; i < each; i++)
            s += a[g * each + i];
        for (int64_t i = 0; i < each; i++)
            a[g * each + i] = s / (double)(each * time);
    }
}

/* Work space of an operation: sum[0], sum[1] (n) and by-channel floats. */
struct work {
    double *sum[2];
    float *channel[5]; /* (n) each */
    float *piece;
};

static int work_new(struct work *w, int64_t time, int64_t n, struct err *err)
{
    size_t count = (size_t)n * (4 + 5 + (size_t)pieces(time));
    float *all = malloc((count + 1) * sizeof(*all));

    if (!all)
        return err_set(err, ERR_NOMEM, "no memory for the sums of a group "
                       "normalisation");
    w->sum[0] = (double *)(void *)all;
    w->sum[1] = w->sum[0] + n;
    for (int i = 0; i < 5; i++)
        w->channel[i] = all + (4 + i) * n;
    w->piece = all + 9 * n;
    return 0;
}

static void work_free(struct work *w)
{
    free(w->sum[0]);
}

CPU_CLONES
static void apply_row(float *y, const float *x, const float *scale,
                      const float *mean, const float *beta, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean[i]) * scale[i] + beta[i];
}

static void normalise(float *y, struct window *w, struct work *k,
                      const float *gamma, const float *beta)
{
    float *scale = k->channel[2];

    for (int64_t i = 0; i < w->n; i++)
        scale[i] = gamma[i] * w->inv[i];
    #pragma omp parallel for
    for (int64_t t = 0; t < w->time; t++)
        apply_row(y + t * w->n, w->x + t * w->n, scale, w->mean, beta, w->n);
}

int cpu_group_norm(struct backend *be, struct tensor *y, struct tensor *mean,
                   struct tensor *inv_std, const struct tensor *x,
                   const struct tensor *gamma, const struct tensor *beta,
                   int groups, float eps, struct err *err)
{
    int64_t time = x->dim[1], n = x->dim[2];
    struct work k;

    (void)be;
    assert(x->ndim == 3 && n % groups == 0);
    assert(tensor_count(mean) == x->dim[0] * groups);
    assert(tensor_count(inv_std) == x->dim[0] * groups);
    TRY(work_new(&k, time, n, err));
    for (int64_t b = 0; b < x->dim[0]; b++) {
        float *m = k.channel[0], *inv = k.channel[1];
        struct window w = { x->data + b * time * n, NULL, m, inv, time, n,
                            k.piece };

        sum_frames(k.sum[0], &w, SUM_X);
        group_means(k.sum[0], n, groups, time);
        for (int64_t i = 0; i < n; i++)
            m[i] = (float)k.sum[0][i];
        sum_frames(k.sum[1], &w, SUM_SQUARES);
        group_means(k.sum[1], n, groups, time);
        for (int64_t i = 0; i < n; i++)
            inv[i] = (float)(1 / sqrt(k.sum[1][i] + (double)eps));
        for (int64_t g = 0; g < groups; g++) {
            mean->data[b * groups + g] = m[g * (n / groups)];
            inv_std->data[b * groups + g] = inv[g * (n / groups)];
        }
        normalise(y->data + b * time * n, &w, &k, gamma->data, beta->data);
    }
    work_free(&k);
    return 0;
}

/* dx = inv * (gamma dy - mean(gamma dy) - xhat mean(gamma dy xhat)) with
 * a = inv * mean(gamma dy), b = inv^2 * mean(gamma dy xhat) by channel. */
CPU_CLONES
static void backward_row(float *dx, const float *dy, const float *x,
                         const float *mean, const float *scale, const float *a,
                         const float *b, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = scale[i] * dy[i] - a[i] - (x[i] - mean[i]) * b[i];
}

/* Adds to dgamma and dbeta; writes a (n), b (n) and the scale s (n). */
static void reduce(struct work *k, const struct window *w, float *dgamma,
                   float *dbeta, const float *gamma, int groups, float *a,
                   float *b, float *s)
{
    sum_frames(k->sum[0], w, SUM_DY);
    sum_frames(k->sum[1], w, SUM_DY_X);
    for (int64_t i = 0; i < w->n; i++) {
        dbeta[i] += (float)k->sum[0][i];
        dgamma[i] += (float)k->sum[1][i];
        k->sum[0][i] *= gamma[i];
        k->sum[1][i] *= gamma[i];
    }
    group_means(k->sum[0], w->n, groups, w->time);
    group_means(k->sum[1], w->n, groups, w->time);
    for (int64_t i = 0; i < w->n; i++) {
        a[i] = (float)(k->sum[0][i] * w->inv[i]);
        b[i] = (float)(k->sum[1][i] * w->inv[i] * w->inv[i]);
        s[i] = gamma[i] * w->inv[i];
    }
}

int cpu_group_norm_backward(struct backend *be, struct tensor *dx,
                            struct tensor *dgamma, struct tensor *dbeta,
                            const struct tensor *dy, const struct tensor *x,
                            const struct tensor *mean,
                            const struct tensor *inv_std,
                            const struct tensor *gamma, int groups,
                            struct err *err)
{
    int64_t time = x->dim[1], n = x->dim[2], each = n / groups;
    struct work k;

    (void)be;
    assert(x->ndim == 3 && n % groups == 0);
    TRY(work_new(&k, time, n, err));
    for (int64_t b = 0; b < x->dim[0]; b++) {
        int64_t at = b * time * n;
        struct window w = { x->data + at, dy->data + at, k.channel[0],
                            k.channel[1], time, n, k.piece };

        for (int64_t i = 0; i < n; i++) {
            k.channel[0][i] = mean->data[b * groups + i / each];
            k.channel[1][i] = inv_std->data[b * groups + i / each];
        }
        reduce(&k, &w, dgamma->data, dbeta->data, gamma->data, groups,
               k.channel[2], k.channel[3], k.channel[4]);
        #pragma omp parallel for
        for (int64_t t = 0; t < time; t++)
            backward_row(dx->data + at + t * n, w.dy + t * n, w.x + t * n,
                         w.mean, k.channel[4], k.channel[2], k.channel[3], n);
    }
    work_free(&k);
    return 0;
}
