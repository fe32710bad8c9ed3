/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "token/rvq.h"

#include <stdlib.h>
#include <string.h>

#include "token/kmeans.h"

enum {
    CHUNK = 1024,   /* rows whose tokens are found at a time */
    SMALL = 1 << 16 /* values that one thread does faster than several */
};

struct rvq {
    int stages, codes, dim;
    float *centers;         /* (stages, codes, dim) */
    struct kmeans *stage[]; /* (stages) */
};

int rvq_new(struct rvq **out, const float *centers, int stages, int codes,
            int dim, struct err *err)
{
    size_t one = (size_t)codes * (size_t)dim;
    struct rvq *q;
    int rc = 0;

    if (stages < 1 || codes < 1 || dim < 1)
        return err_set(err, ERR_ARG, "%d stages of %d centres of %d values",
                       stages, codes, dim);
    q = calloc(1, sizeof(*q) + (size_t)stages * sizeof(*q->stage));
    if (q)
        q->centers = malloc((size_t)stages * one * sizeof(*q->centers));
    if (!q || !q->centers) {
        rvq_free(q);
        return err_set(err, ERR_NOMEM, "no memory for %d stages of %d centres "
                       "of %d values", stages, codes, dim);
    }
    memcpy(q->centers, centers, (size_t)stages * one * sizeof(*q->centers));
    q->codes = codes;
    q->dim = dim;
    for (; q->stages < stages && !rc; q->stages++)
        rc = kmeans_new(&q->stage[q->stages],
                        centers + (size_t)q->stages * one, codes, dim, err);
    if (rc) {
        rvq_free(q);
        return rc;
    }
    *out = q;
    return 0;
}

void rvq_free(struct rvq *q)
{
    if (!q)
        return;
    for (int s = 0; s < q->stages; s++)
        kmeans_free(q->stage[s]);
    free(q->centers);
    free(q);
}

static void subtract(float *x, const int32_t *token, const float *centers,
                     int dim, int64_t n)
{
#pragma omp parallel for schedule(static) if (n * dim > SMALL)
    for (int64_t i = 0; i < n; i++) {
        const float *c = centers + (size_t)token[i] * (size_t)dim;

        for (int j = 0; j < dim; j++)
            x[i * dim + j] -= c[j];
    }
}

void rvq_tokens(const struct rvq *q, int32_t *token, float *x, int64_t n)
{
    size_t one = (size_t)q->codes * (size_t)q->dim;
    int32_t label[CHUNK];

    for (int64_t at = 0; at < n; at += CHUNK) {
        int64_t m = n - at < CHUNK ? n - at : CHUNK;

        for (int s = 0; s < q->stages; s++) {
            kmeans_tokens(q->stage[s], label, x + at * q->dim, m);
            subtract(x + at * q->dim, label, q->centers + (size_t)s * one,
                     q->dim, m);
            for (int64_t i = 0; i < m; i++)
                token[(at + i) * q->stages + s] = label[i];
        }
    }
}

int rvq_fit(float *centers, float *x, int64_t n, int stages,
            const struct cluster_config *config, struct err *err)
{
    size_t one = (size_t)config->codes * (size_t)config->dim;
    int32_t *label = malloc(((size_t)n + 1) * sizeof(*label));
    int rc = label ? 0 : err_set(err, ERR_NOMEM, "no memory for %lld vectors",
                                 (long long)n);

    for (int s = 0; s < stages && !rc; s++) {
        struct cluster_config c = *config;
        float *stage = centers + (size_t)s * one;
        struct kmeans *k = NULL;

        c.stream += 2 * (uint64_t)s;
        rc = cluster_fit(stage, x, n, &c, err);
        if (!rc)
            rc = kmeans_new(&k, stage, c.codes, c.dim, err);
        if (!rc) {
            kmeans_tokens(k, label, x, n);
            subtract(x, label, stage, c.dim, n);
        }
        kmeans_free(k);
    }
    free(label);
    return rc;
}
