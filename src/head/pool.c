/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "head/pool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* frames times rates in millionths pass 2^63 within the limits of pool_new */
__extension__ typedef __int128 wide;

struct pool {
    int dim;
    int64_t num, den;  /* r = num / den */
    int64_t seen;      /* inputs so far */
    int64_t made;      /* outputs so far */
    float *kept;       /* inputs first .. seen - 1 */
    int64_t first, kept_cap;
    float *out;
    int64_t out_cap;
};

int pool_new(struct pool **out, int dim, double rate_in, double rate_out,
             struct err *err)
{
    struct pool *p;

    if (dim < 1 || !(rate_in >= 1e-3) || !(rate_out >= 1e-3) ||
        !(rate_in <= 1e5) || !(rate_out <= 1e5))
        return err_set(err, ERR_ARG, "cannot pool %g Hz to %g Hz", rate_in,
                       rate_out);
    p = xcalloc(1, sizeof(*p));
    p->dim = dim;
    p->num = llround(rate_in * 1e6);
    p->den = llround(rate_out * 1e6);
    *out = p;
    return 0;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    free(p->kept);
    free(p->out);
    free(p);
}

static int64_t begin_of(const struct pool *p, int64_t i)
{
    return (int64_t)((wide)i * p->num / p->den);
}

static int64_t end_of(const struct pool *p, int64_t i)
{
    return (int64_t)(((wide)(i + 1) * p->num + p->den - 1) / p->den);
}

static int reserve(float **buf, int64_t *cap, int64_t rows, int dim,
                   struct err *err)
{
    float *b;

    if (rows <= *cap)
        return 0;
    b = realloc(*buf, (size_t)rows * (size_t)dim * sizeof(*b));
    if (!b)
        return err_set(err, ERR_NOMEM, "no memory for %lld frames",
                       (long long)rows);
    *buf = b;
    *cap = rows;
    return 0;
}

static void average(const struct pool *p, float *out, int64_t from, int64_t to)
{
    for (int j = 0; j < p->dim; j++) {
        double sum = 0;

        for (int64_t t = from; t < to; t++)
            sum += p->kept[(t - p->first) * p->dim + j];
        out[j] = (float)(sum / (double)(to - from));
    }
}

/* Makes outputs up to index end, clipping their inputs to what was seen. */
static int make(struct pool *p, int64_t end, const float **rows,
                int64_t *count, struct err *err)
{
    int64_t n = end - p->made, keep;

    *count = 0;
    *rows = NULL;
    if (n <= 0)
        return 0;
    TRY(reserve(&p->out, &p->out_cap, n, p->dim, err));
    #pragma omp parallel for if (n > 64)
    for (int64_t i = 0; i < n; i++) {
        int64_t to = end_of(p, p->made + i), from = begin_of(p, p->made + i);

        to = to < p->seen ? to : p->seen;
        from = from < to ? from : to - 1;
        average(p, p->out + i * p->dim, from, to);
    }
    p->made = end;
    *rows = p->out;
    *count = n;
    keep = begin_of(p, end);
    if (keep > p->first && keep <= p->seen) {
        memmove(p->kept, p->kept + (keep - p->first) * p->dim,
                (size_t)((p->seen - keep) * p->dim) * sizeof(*p->kept));
        p->first = keep;
    }
    return 0;
}

int pool_push(struct pool *p, const float *in, int64_t n, const float **rows,
              int64_t *count, struct err *err)
{
    int64_t ready;

    TRY(reserve(&p->kept, &p->kept_cap, p->seen - p->first + n, p->dim, err));
    memcpy(p->kept + (p->seen - p->first) * p->dim, in,
           (size_t)(n * p->dim) * sizeof(*in));
    p->seen += n;
    /* output i is complete when end_of(i) <= seen: (i + 1) num <= seen den */
    ready = (int64_t)((wide)p->seen * p->den / p->num);
    return make(p, ready, rows, count, err);
}

int pool_finish(struct pool *p, const float **rows, int64_t *count,
                struct err *err)
{
    int64_t all = llround((double)p->seen * (double)p->den / (double)p->num);

    all = all < 1 ? 1 : all;
    return make(p, p->seen ? all : 0, rows, count, err);
}
