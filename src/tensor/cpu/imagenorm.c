/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <omp.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "tensor/cpu/private.h"

/* An image's groups are cut into spans of pixels of a fixed size. Sums over a
 * span are kept apart and added up in order: the result does not depend on the
 * number of threads. Within a span, sums are f32 over a tile of at most TILE
 * pixels and double from there on. What lies in bf16 is converted tile by
 * tile. */
enum { SPAN = 1024, TILE = 64, TILE_VALUES = 4096 };

struct spans {
    struct cpu_image m;
    int64_t pixels, per_group, n; /* spans in a group, in all */
    int64_t lanes;                /* groups * block: channels and padding */
    int64_t tile;                 /* pixels in a tile */
};

static struct spans spans_of(const struct cpu_image *m)
{
    struct spans s = { .m = *m, .pixels = m->h * m->w };

    s.per_group = (s.pixels + SPAN - 1) / SPAN;
    s.n = m->b * m->groups * s.per_group;
    s.lanes = m->groups * m->block;
    s.tile = m->block > TILE_VALUES ? 1 : TILE_VALUES / m->block;
    s.tile = s.tile > TILE ? TILE : s.tile;
    return s;
}

/* Where span i begins, how many pixels it has and its first channel. */
struct span {
    int64_t at, pixels, lane;
};

static struct span span_at(const struct spans *s, int64_t i)
{
    int64_t group = i / s->per_group, first = i % s->per_group * SPAN;
    struct span p = { .at = (group * s->pixels + first) * s->m.block };

    p.pixels = s->pixels - first < SPAN ? s->pixels - first : SPAN;
    p.lane = group % s->m.groups * s->m.block;
    return p;
}

/* ---- tiles as floats ---- */

/* n values as floats: where they lie, or in tmp. */
static const float *get(const struct spans *s, const struct tensor *t,
                        int64_t at, int64_t n, float *tmp)
{
    if (!s->m.bf16)
        return t->data + at;
    cpu_widen_some(tmp, (const uint16_t *)t->data + at, n);
    return tmp;
}

/* Where n values are to be written, which put then brings to their place. */
static float *room(const struct spans *s, const struct tensor *t, int64_t at,
                   float *tmp)
{
    return s->m.bf16 ? tmp : t->data + at;
}

static void put(const struct spans *s, const struct tensor *t, int64_t at,
                int64_t n, const float *tmp)
{
    if (s->m.bf16)
        cpu_narrow_some((uint16_t *)t->data + at, tmp, n);
}

/* Work memory of a call: doubles of each span, floats of each lane, and what
 * each thread converts: operands a, b and c of a tile. */
struct sums {
    double *span[2]; /* (n, block) each */
    float *lane[6];  /* (lanes) each */
    float *tile;     /* (n, 3, block) */
    float *tmp;      /* (threads, 3, tile * block) */
    int64_t tmp_size;
};

static int tmp_init(struct sums *w, struct cpu *cpu, const struct spans *s,
                    struct err *err)
{
    void *p;

    w->tmp_size = s->tile * s->m.block;
    TRY(cpu_buf(cpu, CPU_BUF_X, (size_t)(3 * w->tmp_size) * sizeof(float) *
                                    (size_t)omp_get_max_threads(), &p, err));
    w->tmp = p;
    return 0;
}

/* Operand 0, 1 or 2 of the calling thread. */
static float *tmp_of(const struct sums *w, int which)
{
    return w->tmp + (omp_get_thread_num() * 3 + which) * w->tmp_size;
}

static int sums_init(struct sums *w, struct cpu *cpu, const struct spans *s,
                     struct err *err)
{
    size_t n = (size_t)(s->n * s->m.block), lanes = (size_t)s->lanes;
    void *p;

    TRY(cpu_buf(cpu, CPU_BUF_SUMS,
                2 * n * sizeof(double) + (6 * lanes + 3 * n) * sizeof(float),
                &p, err));
    w->span[0] = p;
    w->span[1] = w->span[0] + n;
    w->lane[0] = (float *)(w->span[1] + n);
    for (int i = 1; i < 6; i++)
        w->lane[i] = w->lane[i - 1] + lanes;
    w->tile = w->lane[5] + lanes;
    memset(w->lane[0], 0, 6 * lanes * sizeof(float));
    return tmp_init(w, cpu, s, err);
}

/* ---- mean and variance ---- */

/* Of n pixels the mean, as far as f32 sums find it, and the sums of the
 * differences from that, which correct it, and of their squares. */
CPU_CLONES
static void tile_moments(float *mean, float *rest, float *sq, const float *x,
                         int64_t n, int64_t block)
{
    float inv = 1.0f / (float)n;

    for (int64_t j = 0; j < block; j++)
        mean[j] = rest[j] = sq[j] = 0;
    for (int64_t i = 0; i < n; i++)
        #pragma omp simd
        for (int64_t j = 0; j < block; j++)
            mean[j] += x[i * block + j];
    #pragma omp simd
    for (int64_t j = 0; j < block; j++)
        mean[j] *= inv;
    for (int64_t i = 0; i < n; i++)
        #pragma omp simd
        for (int64_t j = 0; j < block; j++) {
            float d = x[i * block + j] - mean[j];

            rest[j] += d;
            sq[j] += d * d;
        }
}

/* Joins two sets' means and squared differences: Chan, Golub and LeVeque
 * 1983, eq. 2.1. */
static void join(double *mean, double *sq, double na, double mean_b,
                 double sq_b, double nb)
{
    double d = mean_b - *mean, n = na + nb;

    *mean += d * nb / n;
    *sq += sq_b + d * d * na * nb / n;
}

static void span_moments(struct sums *w, const struct spans *s,
                         const struct tensor *x, int64_t i)
{
    int64_t block = s->m.block;
    struct span p = span_at(s, i);
    double *mean = w->span[0] + i * block, *sq = w->span[1] + i * block;
    float *a = w->tile + 3 * i * block, *b = a + block, *c = b + block;

    memset(mean, 0, (size_t)block * sizeof(*mean));
    memset(sq, 0, (size_t)block * sizeof(*sq));
    for (int64_t t = 0; t < p.pixels; t += s->tile) {
        int64_t n = p.pixels - t < s->tile ? p.pixels - t : s->tile;

        tile_moments(a, b, c, get(s, x, p.at + t * block, n * block,
                                  tmp_of(w, 0)), n, block);
        for (int64_t j = 0; j < block; j++) {
            double d = (double)b[j] / (double)n;

            join(&mean[j], &sq[j], (double)t, (double)a[j] + d,
                 (double)c[j] - d * d * (double)n, (double)n);
        }
    }
}

/* All spans of channel c, in order: the mean, and the sum of squared
 * differences from it. */
static void channel_moments(const struct sums *w, const struct spans *s,
                            int64_t c, double *mean, double *sq)
{
    int64_t block = s->m.block, n = 0;

    *mean = *sq = 0;
    for (int64_t b = 0; b < s->m.b; b++)
        for (int64_t k = 0; k < s->per_group; k++) {
            int64_t i = (b * s->m.groups + c / block) * s->per_group + k;
            int64_t at = i * block + c % block;
            int64_t more = span_at(s, i).pixels;

            join(mean, sq, (double)n, w->span[0][at], w->span[1][at],
                 (double)more);
            n += more;
        }
}

/* y = (x - mean) * scale + shift, lane by lane. */
CPU_CLONES
static void normalise(float *y, const float *x, const float *mean,
                      const float *scale, const float *shift, int64_t n,
                      int64_t block, int relu)
{
    float least = relu ? 0 : -INFINITY;

    for (int64_t i = 0; i < n * block; i += block)
        #pragma omp simd
        for (int64_t j = 0; j < block; j++) {
            float v = (x[i + j] - mean[j]) * scale[j] + shift[j];

            y[i + j] = v < least ? least : v;
        }
}

static void span_normalise(const struct sums *w, const struct spans *s,
                           struct tensor *y, const struct tensor *x, int64_t i,
                           int relu)
{
    struct span p = span_at(s, i);

    for (int64_t t = 0; t < p.pixels; t += s->tile) {
        int64_t n = p.pixels - t < s->tile ? p.pixels - t : s->tile;
        int64_t at = p.at + t * s->m.block, values = n * s->m.block;
        float *out = room(s, y, at, tmp_of(w, 1));

        normalise(out, get(s, x, at, values, tmp_of(w, 0)),
                  w->lane[0] + p.lane, w->lane[1] + p.lane,
                  w->lane[2] + p.lane, n, s->m.block, relu);
        put(s, y, at, values, out);
    }
}

static void running(struct tensor *t, int64_t c, double value, float momentum)
{
    if (t)
        t->data[c] = (float)((1.0 - (double)momentum) * (double)t->data[c] +
                             (double)momentum * value);
}

int cpu_image_batch_norm(struct backend *be, struct tensor *y,
                         struct tensor *mean, struct tensor *inv_std,
                         struct tensor *running_mean,
                         struct tensor *running_var, const struct tensor *x,
                         const struct tensor *gamma, const struct tensor *beta,
                         float eps, float momentum, int relu, struct err *err)
{
    struct cpu_image m = cpu_image_of(cpu_of(be), x);
    struct spans s = spans_of(&m);
    double count = (double)(m.b * s.pixels), *mu, *sq;
    struct sums w;
    int rc;

    assert(tensor_count(y) == tensor_count(x));
    assert(tensor_count(gamma) == m.c && tensor_count(beta) == m.c);
    assert(tensor_count(mean) == m.c && tensor_count(inv_std) == m.c);
    TRY(sums_init(&w, cpu_of(be), &s, err));
    #pragma omp parallel for
    for (int64_t i = 0; i < s.n; i++)
        span_moments(&w, &s, x, i);
    mu = xcalloc(2 * (size_t)m.c, sizeof(*mu));
    sq = mu + m.c;
    for (int64_t c = 0; c < m.c; c++)
        channel_moments(&w, &s, c, &mu[c], &sq[c]);
    rc = cpu_across_moments(be, &count, mu, sq, m.c, err);
    for (int64_t c = 0; c < m.c && !rc; c++) {
        double var = sq[c] / count;

        mean->data[c] = w.lane[0][c] = (float)mu[c];
        inv_std->data[c] = (float)(1.0 / sqrt(var + (double)eps));
        w.lane[1][c] = inv_std->data[c] * gamma->data[c];
        w.lane[2][c] = beta->data[c];
        running(running_mean, c, mu[c], momentum);
        running(running_var, c, count > 1 ? var * count / (count - 1) : var,
                momentum);
    }
    free(mu);
    if (rc)
        return rc;
    #pragma omp parallel for
    for (int64_t i = 0; i < s.n; i++)
        span_normalise(&w, &s, y, x, i, relu);
    return 0;
}

int cpu_image_normalise(struct backend *be, struct tensor *y,
                        const struct tensor *x, const struct tensor *mean,
                        const struct tensor *inv_std,
                        const struct tensor *gamma, const struct tensor *beta,
                        int relu, struct err *err)
{
    struct cpu_image m = cpu_image_of(cpu_of(be), x);
    struct spans s = spans_of(&m);
    struct sums w;

    assert(tensor_count(y) == tensor_count(x));
    assert(tensor_count(gamma) == m.c && tensor_count(beta) == m.c);
    assert(tensor_count(mean) == m.c && tensor_count(inv_std) == m.c);
    TRY(sums_init(&w, cpu_of(be), &s, err));
    for (int64_t c = 0; c < m.c; c++) {
        w.lane[0][c] = mean->data[c];
        w.lane[1][c] = inv_std->data[c] * gamma->data[c];
        w.lane[2][c] = beta->data[c];
    }
    #pragma omp parallel for
    for (int64_t i = 0; i < s.n; i++)
        span_normalise(&w, &s, y, x, i, relu);
    return 0;
}

/* ---- backward ---- */

/* Sums of the gradient and of its product with the normalised values. */
CPU_CLONES
static void tile_gradients(float *sum, float *dot, const float *dy,
                           const float *x, const float *mean,
                           const float *inv_std, int64_t n, int64_t block)
{
    for (int64_t j = 0; j < block; j++)
        sum[j] = dot[j] = 0;
    for (int64_t i = 0; i < n * block; i += block)
        #pragma omp simd
        for (int64_t j = 0; j < block; j++) {
            sum[j] += dy[i + j];
            dot[j] += dy[i + j] * ((x[i + j] - mean[j]) * inv_std[j]);
        }
}

CPU_CLONES
static void mask(float *dx, const float *dy, const float *y, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = y[i] > 0 ? dy[i] : 0;
}

/* The operands of a backward pass; y is NULL without relu. */
struct backward {
    struct tensor *dx;
    const struct tensor *dy, *y, *x;
};

/* The gradient behind the activation; tmp operands 0 and 1. */
static const float *masked(const struct sums *w, const struct spans *s,
                           const struct backward *o, int64_t at, int64_t n)
{
    const float *dy = get(s, o->dy, at, n, tmp_of(w, 0));

    if (!o->y)
        return dy;
    mask(tmp_of(w, 0), dy, get(s, o->y, at, n, tmp_of(w, 1)), n);
    return tmp_of(w, 0);
}

static void span_gradients(struct sums *w, const struct spans *s,
                           const struct backward *o, int64_t i)
{
    int64_t block = s->m.block;
    struct span p = span_at(s, i);
    double *sum = w->span[0] + i * block, *dot = w->span[1] + i * block;
    float *a = w->tile + 3 * i * block, *b = a + block;

    memset(sum, 0, (size_t)block * sizeof(*sum));
    memset(dot, 0, (size_t)block * sizeof(*dot));
    for (int64_t t = 0; t < p.pixels; t += s->tile) {
        int64_t n = p.pixels - t < s->tile ? p.pixels - t : s->tile;
        int64_t at = p.at + t * block;

        tile_gradients(a, b, masked(w, s, o, at, n * block),
                       get(s, o->x, at, n * block, tmp_of(w, 2)),
                       w->lane[0] + p.lane, w->lane[1] + p.lane, n, block);
        for (int64_t j = 0; j < block; j++) {
            sum[j] += (double)a[j];
            dot[j] += (double)b[j];
        }
    }
}

static double channel_sum(const double *span, const struct spans *s, int64_t c)
{
    int64_t block = s->m.block;
    double sum = 0;

    for (int64_t b = 0; b < s->m.b; b++)
        for (int64_t k = 0; k < s->per_group; k++) {
            int64_t i = (b * s->m.groups + c / block) * s->per_group + k;

            sum += span[i * block + c % block];
        }
    return sum;
}

/* dx = scale * (g - sum - (x - mean) * inv_std * dot), lane by lane; sum and
 * dot are means over all pixels. */
struct lanes {
    const float *mean, *inv_std, *scale, *sum, *dot;
};

CPU_CLONES
static void gradient(float *dx, const float *dy, const float *x,
                     struct lanes l, int64_t n, int64_t block)
{
    for (int64_t i = 0; i < n * block; i += block)
        #pragma omp simd
        for (int64_t j = 0; j < block; j++)
            dx[i + j] = l.scale[j] *
                        (dy[i + j] - l.sum[j] -
                         (x[i + j] - l.mean[j]) * l.inv_std[j] * l.dot[j]);
}

static void span_gradient(const struct sums *w, const struct spans *s,
                          const struct backward *o, int64_t i)
{
    struct span p = span_at(s, i);
    struct lanes l = {
        w->lane[0] + p.lane, w->lane[1] + p.lane, w->lane[2] + p.lane,
        w->lane[3] + p.lane, w->lane[4] + p.lane
    };

    for (int64_t t = 0; t < p.pixels; t += s->tile) {
        int64_t n = p.pixels - t < s->tile ? p.pixels - t : s->tile;
        int64_t at = p.at + t * s->m.block, values = n * s->m.block;
        const float *dy = masked(w, s, o, at, values);
        float *dx = room(s, o->dx, at, tmp_of(w, 1));

        gradient(dx, dy, get(s, o->x, at, values, tmp_of(w, 2)), l, n,
                 s->m.block);
        put(s, o->dx, at, values, dx);
    }
}

int cpu_image_batch_norm_backward(struct backend *be, struct tensor *dx,
                                  struct tensor *dgamma, struct tensor *dbeta,
                                  const struct tensor *dy,
                                  const struct tensor *y,
                                  const struct tensor *x,
                                  const struct tensor *mean,
                                  const struct tensor *inv_std,
                                  const struct tensor *gamma, int relu,
                                  struct err *err)
{
    struct cpu_image m = cpu_image_of(cpu_of(be), x);
    struct spans s = spans_of(&m);
    struct backward o = { dx, dy, relu ? y : NULL, x };
    double count = (double)(m.b * s.pixels), *sum, *dot;
    struct sums w;
    int rc;

    assert(tensor_count(dx) == tensor_count(x));
    assert(tensor_count(dy) == tensor_count(x));
    assert(tensor_count(gamma) == m.c);
    TRY(sums_init(&w, cpu_of(be), &s, err));
    memcpy(w.lane[0], mean->data, (size_t)m.c * sizeof(float));
    memcpy(w.lane[1], inv_std->data, (size_t)m.c * sizeof(float));
    #pragma omp parallel for
    for (int64_t i = 0; i < s.n; i++)
        span_gradients(&w, &s, &o, i);
    sum = xcalloc(2 * (size_t)m.c + 1, sizeof(*sum));
    dot = sum + m.c;
    for (int64_t c = 0; c < m.c; c++) {
        sum[c] = channel_sum(w.span[0], &s, c);
        dot[c] = channel_sum(w.span[1], &s, c);
        dbeta->data[c] += (float)sum[c];
        dgamma->data[c] += (float)dot[c];
    }
    dot[m.c] = count;
    rc = cpu_across(be, sum, 2 * m.c + 1, err);
    count = dot[m.c];
    for (int64_t c = 0; c < m.c; c++) {
        w.lane[2][c] = gamma->data[c] * inv_std->data[c];
        w.lane[3][c] = (float)(sum[c] / count);
        w.lane[4][c] = (float)(dot[c] / count);
    }
    free(sum);
    if (rc)
        return rc;
    #pragma omp parallel for
    for (int64_t i = 0; i < s.n; i++)
        span_gradient(&w, &s, &o, i);
    return 0;
}

/* ---- over all values, padding included ---- */

CPU_CLONES
static void add_relu(float *y, const float *a, const float *b, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i] < 0 ? 0 : a[i] + b[i]; /* NaN stays */
}

/* y = add_relu(a, b), or mask(a, b), tile by tile. */
static int by_tiles(struct backend *be, struct tensor *y,
                    const struct tensor *a, const struct tensor *b,
                    void (*f)(float *, const float *, const float *, int64_t),
                    struct err *err)
{
    struct cpu_image m = cpu_image_of(cpu_of(be), y);
    struct spans s = spans_of(&m);
    struct sums w;

    assert(tensor_count(a) == tensor_count(y));
    assert(tensor_count(b) == tensor_count(y));
    TRY(tmp_init(&w, cpu_of(be), &s, err));
    #pragma omp parallel for
    for (int64_t i = 0; i < s.n; i++) {
        struct span p = span_at(&s, i);
        int64_t end = p.at + p.pixels * m.block, step = s.tile * m.block;

        for (int64_t at = p.at; at < end; at += step) {
            int64_t n = end - at < step ? end - at : step;
            float *out = room(&s, y, at, tmp_of(&w, 2));

            f(out, get(&s, a, at, n, tmp_of(&w, 0)),
              get(&s, b, at, n, tmp_of(&w, 1)), n);
            put(&s, y, at, n, out);
        }
    }
    return 0;
}

int cpu_image_add_relu(struct backend *be, struct tensor *y,
                       const struct tensor *a, const struct tensor *b,
                       struct err *err)
{
    return by_tiles(be, y, a, b, add_relu, err);
}

int cpu_image_relu_backward(struct backend *be, struct tensor *dx,
                            const struct tensor *dy, const struct tensor *y,
                            struct err *err)
{
    return by_tiles(be, dx, dy, y, mask, err);
}
