/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "token/quant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "token/kmeans.h"

enum { CHUNK = 48 }; /* rows projected at a time */

struct quant {
    int width, dim, codes;
    struct kmeans *nearest; /* codes of length 1 */
    float projection[];     /* (width, dim) */
};

/* rows (codes, dim) of length 1; zeros stay. */
static void normalise(float *out, const float *rows, int codes, int dim)
{
    for (int c = 0; c < codes; c++) {
        const float *row = rows + (size_t)c * (size_t)dim;
        double sq = 0;

        for (int j = 0; j < dim; j++)
            sq += (double)row[j] * row[j];
        sq = sq > 0 ? 1 / sqrt(sq) : 0;
        for (int j = 0; j < dim; j++)
            out[(size_t)c * (size_t)dim + (size_t)j] = (float)(row[j] * sq);
    }
}

int quant_new(struct quant **out, const float *projection,
              const float *codebook, int width, int dim, int codes,
              struct err *err)
{
    struct quant *q;
    float *code;
    size_t np;
    int rc;

    if (width < 1 || dim < 1 || codes < 1)
        return err_set(err, ERR_ARG, "a codebook of %d x %d on %d values is "
                       "empty", codes, dim, width);
    np = (size_t)width * (size_t)dim;
    q = calloc(1, sizeof(*q) + np * sizeof(*q->projection));
    code = malloc((size_t)codes * (size_t)dim * sizeof(*code));
    if (!q || !code) {
        free(q);
        free(code);
        return err_set(err, ERR_NOMEM, "no memory for %d codes", codes);
    }
    q->width = width;
    q->dim = dim;
    q->codes = codes;
    memcpy(q->projection, projection, np * sizeof(*projection));
    normalise(code, codebook, codes, dim);
    rc = kmeans_new_dot(&q->nearest, code, codes, dim, err);
    free(code);
    if (rc)
        quant_free(q);
    else
        *out = q;
    return rc;
}

void quant_free(struct quant *q)
{
    if (!q)
        return;
    kmeans_free(q->nearest);
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

/* v (dim) = x (width) times the projection, summed in double; sum (dim) is
 * scratch. */
static void project(const struct quant *q, float *v, const float *x,
                    double *sum)
{
    for (int j = 0; j < q->dim; j++)
        sum[j] = 0;
    for (int i = 0; i < q->width; i++)
        for (int j = 0; j < q->dim; j++)
            sum[j] += (double)x[i] * q->projection[i * q->dim + j];
    for (int j = 0; j < q->dim; j++)
        v[j] = (float)sum[j];
}

/* The codes have length 1, so the largest dot product is the smallest angle and
 * the projection need not be normalised. */
static void chunk(const struct quant *q, int32_t *token, const float *x, int n,
                  double *sum)
{
    float *v = (float *)(sum + q->dim); /* (CHUNK, dim) */

    for (int i = 0; i < n; i++)
        project(q, v + i * q->dim, x + (size_t)i * (size_t)q->width, sum);
    kmeans_tokens(q->nearest, token, v, n);
}

void quant_tokens(const struct quant *q, int32_t *token, const float *x,
                  int64_t n)
{
    #pragma omp parallel if (n > CHUNK)
    {
        double *sum = malloc((size_t)q->dim *
                             (sizeof(*sum) + CHUNK * sizeof(float)));

        /* a few kB: a machine that lacks them cannot go on */
        if (!sum)
            abort();
        #pragma omp for
        for (int64_t i = 0; i < n; i += CHUNK)
            chunk(q, token + i, x + i * q->width,
                  (int)(n - i < CHUNK ? n - i : CHUNK), sum);
        free(sum);
    }
}
