/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

/* The first and one past the last of n inputs that output i of m averages; with
 * n and m exchanged, the outputs that see input i. */
static int64_t begin_of(int64_t i, int64_t n, int64_t m)
{
    return i * n / m;
}

static int64_t end_of(int64_t i, int64_t n, int64_t m)
{
    return ((i + 1) * n + m - 1) / m;
}

CPU_CLONES
static void add_row(float *y, const float *x, float scale, int64_t c)
{
    #pragma omp simd
    for (int64_t i = 0; i < c; i++)
        y[i] += scale * x[i];
}

int cpu_pool(struct backend *be, struct tensor *y, const struct tensor *x,
             struct err *err)
{
    int64_t batch = x->dim[0], n = x->dim[1], c = x->dim[2], m = y->dim[1];

    (void)be;
    (void)err;
    assert(x->ndim == 3 && y->ndim == 3);
    assert(y->dim[0] == batch && y->dim[2] == c && n > 0);
    #pragma omp parallel for
    for (int64_t r = 0; r < batch * m; r++) {
        int64_t from = begin_of(r % m, n, m), to = end_of(r % m, n, m);
        float *out = y->data + r * c;

        memset(out, 0, (size_t)c * sizeof(*out));
        for (int64_t t = from; t < to; t++)
            add_row(out, x->data + (r / m * n + t) * c,
                    1.0f / (float)(to - from), c);
    }
    return 0;
}

int cpu_pool_backward(struct backend *be, struct tensor *dx,
                      const struct tensor *dy, struct err *err)
{
    int64_t batch = dx->dim[0], n = dx->dim[1], c = dx->dim[2];
    int64_t m = dy->dim[1];

    (void)be;
    (void)err;
    assert(dx->ndim == 3 && dy->ndim == 3);
    assert(dy->dim[0] == batch && dy->dim[2] == c);
    #pragma omp parallel for
    for (int64_t r = 0; r < batch * n; r++) {
        int64_t from = begin_of(r % n, m, n), to = end_of(r % n, m, n);

        for (int64_t i = from; i < to; i++) {
            int64_t seen = end_of(i, n, m) - begin_of(i, n, m);

            add_row(dx->data + r * c, dy->data + (r / n * m + i) * c,
                    1.0f / (float)seen, c);
        }
    }
    return 0;
}
