/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "token/quant.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

struct quant {
    int width, dim, codes;
    float *projection; /* (width, dim) */
    float *code;       /* (dim, codes): the inner loop runs over the codes */
};

int quant_new(struct quant **out, const float *projection,
              const float *codebook, int width, int dim, int codes,
              struct err *err)
{
    size_t np, nc;
    struct quant *q;

    if (width < 1 || dim < 1 || codes < 1)
        return err_set(err, ERR_ARG, "a codebook of %d x %d on %d values is "
                       "empty", codes, dim, width);
    np = (size_t)width * (size_t)dim;
    nc = (size_t)codes * (size_t)dim;
    q = malloc(sizeof(*q) + (np + nc) * sizeof(float));
    if (!q)
        return err_set(err, ERR_NOMEM, "no memory for %d codes", codes);
    q->width = width;
    q->dim = dim;
    q->codes = codes;
    q->projection = (float *)(q + 1);
    q->code = q->projection + np;
    for (size_t i = 0; i < np; i++)
        q->projection[i] = projection[i];
    for (int c = 0; c < codes; c++) {
        const float *row = codebook + (size_t)c * (size_t)dim;
        double sq = 0;

        for (int j = 0; j < dim; j++)
            sq += (double)row[j] * row[j];
        sq = sq > 0 ? 1 / sqrt(sq) : 0;
        for (int j = 0; j < dim; j++)
            q->code[(size_t)j * (size_t)codes + (size_t)c] =
                (float)(row[j] * sq);
    }
    *out = q;
    return 0;
}

void quant_free(struct quant *q)
{
    free(q);
}

/* out (n) ~ N(0, std^2), from blocks of the stream; pairs share two words. */
static void normal(float *out, size_t n, double std, uint64_t seed,
                   uint64_t stream)
{
    for (size_t i = 0; i < n; i += 4) {
        uint32_t r[4];

        rng_block(r, seed, stream, i / 4);
        for (size_t k = 0; k < 4 && i + k < n; k++) {
            const uint32_t *pair = r + (k & 2);
            double radius = sqrt(-2 * log((pair[0] + 0.5) * 0x1p-32));
            double angle = 2 * M_PI * pair[1] * 0x1p-32;

            out[i + k] = (float)(std * radius * (k & 1 ? sin(angle)
                                                       : cos(angle)));
        }
    }
}

void quant_draw(float *projection, float *codebook, int width, int dim,
                int codes, uint64_t seed, int number)
{
    uint64_t stream = 2 * (uint64_t)number;

    normal(projection, (size_t)width * (size_t)dim, sqrt(2.0 / (width + dim)),
           seed, stream);
    normal(codebook, (size_t)codes * (size_t)dim, 1, seed, stream + 1);
}

int quant_codes(const struct quant *q)
{
    return q->codes;
}

/* The codes have length 1, so the largest dot product is the smallest angle and
 * the projection need not be normalised. */
static int32_t nearest(const struct quant *q, const float *x, double *v,
                       float *dot)
{
    int32_t best = 0;

    for (int j = 0; j < q->dim; j++)
        v[j] = 0;
    for (int i = 0; i < q->width; i++)
        for (int j = 0; j < q->dim; j++)
            v[j] += (double)x[i] * q->projection[i * q->dim + j];
    for (int c = 0; c < q->codes; c++)
        dot[c] = 0;
    for (int j = 0; j < q->dim; j++) {
        const float *code = q->code + (size_t)j * (size_t)q->codes;
        float f = (float)v[j];

        #pragma omp simd
        for (int c = 0; c < q->codes; c++)
            dot[c] += f * code[c];
    }
    for (int c = 1; c < q->codes; c++)
        if (dot[c] > dot[best])
            best = c;
    return best;
}

void quant_tokens(const struct quant *q, int32_t *token, const float *x,
                  int64_t n)
{
    #pragma omp parallel
    {
        double *v = malloc((size_t)q->dim * sizeof(*v) +
                           (size_t)q->codes * sizeof(float));

        /* a few kB: a machine that lacks them cannot go on */
        if (!v)
            abort();
        #pragma omp for
        for (int64_t i = 0; i < n; i++)
            token[i] = nearest(q, x + i * q->width, v, (float *)(v + q->dim));
        free(v);
    }
}
