/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <stdlib.h>

#include "tensor/cpu/private.h"

/* sum (K) over all rows of a[r, k] * b[r, k], in a fixed order. */
static void sum_taps(double *sum, const float *a, const float *b, int64_t rows,
                     int64_t taps)
{
    memset(sum, 0, (size_t)taps * sizeof(*sum));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < taps; k++)
            sum[k] += (double)a[r * taps + k] * b[r * taps + k];
}

int cpu_weight_norm(struct backend *be, struct tensor *w, struct tensor *norm,
                    const struct tensor *v, const struct tensor *g,
                    struct err *err)
{
    int64_t in = v->dim[1], taps = v->dim[2];
    double *sum = malloc((size_t)(taps + 1) * sizeof(*sum));

    (void)be;
    assert(v->ndim == 3 && tensor_count(w) == tensor_count(v));
    assert(tensor_count(norm) == taps && tensor_count(g) == taps);
    if (!sum)
        return err_set(err, ERR_NOMEM, "no memory for %lld sums",
                       (long long)taps);
    sum_taps(sum, v->data, v->data, v->dim[0] * in, taps);
    for (int64_t k = 0; k < taps; k++) {
        norm->data[k] = (float)sqrt(sum[k]);
        sum[k] = sum[k] > 0 ? g->data[k] / sqrt(sum[k]) : 0;
    }
    #pragma omp parallel for
    for (int64_t o = 0; o < v->dim[0]; o++)
        for (int64_t k = 0; k < taps; k++)
            for (int64_t i = 0; i < in; i++)
                w->data[(o * taps + k) * in + i] =
                    (float)(v->data[(o * in + i) * taps + k] * sum[k]);
    free(sum);
    return 0;
}

/* dg = v . dw / |v|; dv = g / |v| (dw - v (v . dw) / |v|^2), tap by tap. */
int cpu_weight_norm_backward(struct backend *be, struct tensor *dv,
                             struct tensor *dg, const struct tensor *dw,
                             const struct tensor *v, const struct tensor *g,
                             const struct tensor *norm, struct err *err)
{
    int64_t in = v->dim[1], taps = v->dim[2], n = v->dim[0] * in * taps;
    double *sum = malloc((size_t)(taps + 1) * sizeof(*sum));
    float *flat = malloc((size_t)(n + 1) * sizeof(*flat));
    struct tensor back = { .be = be, .ndim = 3, .data = flat,
                           .dim = { v->dim[0], in, taps } };
    struct tensor from = { .be = be, .ndim = 3, .data = dw->data,
                           .dim = { v->dim[0], taps, in } };

    assert(tensor_count(dw) == n && tensor_count(dv) == n);
    if (!sum || !flat) {
        free(sum);
        free(flat);
        return err_set(err, ERR_NOMEM, "no memory for %lld weights",
                       (long long)n);
    }
    cpu_transpose(be, &back, &from, 0, err);
    sum_taps(sum, v->data, flat, v->dim[0] * in, taps);
    for (int64_t k = 0; k < taps; k++) {
        double l = norm->data[k];

        dg->data[k] += l > 0 ? (float)(sum[k] / l) : 0;
        sum[k] = l > 0 ? sum[k] / (l * l) : 0;
    }
    #pragma omp parallel for
    for (int64_t r = 0; r < v->dim[0] * in; r++)
        for (int64_t k = 0; k < taps; k++) {
            int64_t i = r * taps + k;
            double l = norm->data[k];

            if (l > 0)
                dv->data[i] += (float)(g->data[k] / l *
                                       (flat[i] - v->data[i] * sum[k]));
        }
    free(sum);
    free(flat);
    return 0;
}
