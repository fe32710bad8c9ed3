/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/pool.h"
#include "model/safetensors.h"
#include "token/cluster.h"
#include "token/kmeans.h"

/* pool.in (n, d) pooled to the rows of each pool.M; means of float32 values in
 * double, rounded once: 1e-6. */
static void check_pool(struct golden *g, const struct stored *in,
                       const struct stored *want)
{
    int64_t m = want->dim[0], made = 0, count = 0;
    int dim = (int)in->dim[1];
    struct pool *p = NULL;
    const float *rows;
    struct err err = {0};
    double worst = 0;

    if (pool_new(&p, dim, (double)in->dim[0], (double)m, &err) ||
        pool_push(p, (const float *)in->data, in->dim[0], &rows, &count,
                  &err)) {
        golden_broken(g, want->name, err.msg);
    } else {
        made = count;
        worst = golden_relative(rows, (const float *)want->data,
                                (size_t)(made * dim));
        if (!pool_finish(p, &rows, &count, &err))
            made += count;
        if (made != m || count)
            golden_broken(g, want->name, "another number of rows");
        else
            golden_report(g, want->name, worst, 1e-6);
    }
    pool_free(p);
}

/* Lloyd's iteration from a given start, until nothing changes; sums of float32
 * values in double, rounded once: 1e-6. */
static void check_kmeans(struct golden *g, const struct safetensors *st)
{
    const struct stored *points = safetensors_find(st, "kmeans.points");
    const struct stored *init = safetensors_find(st, "kmeans.init");
    const struct stored *want = safetensors_find(st, "kmeans.centers");
    const struct stored *labels = safetensors_find(st, "kmeans.labels");
    const struct stored *inertia = safetensors_find(st, "kmeans.inertia");
    int codes = (int)init->dim[0], dim = (int)init->dim[1], wrong = 0;
    int64_t n = points->dim[0];
    float *centers = malloc((size_t)stored_bytes(init));
    int32_t *token = malloc((size_t)n * sizeof(*token));
    struct kmeans *k = NULL;
    struct err err = {0};
    double sum = 0, due;

    memcpy(centers, init->data, (size_t)stored_bytes(init));
    memcpy(&due, inertia->data, sizeof(due));
    if (cluster_lloyd(centers, (const float *)points->data, n, codes, dim, 1000,
                      &sum, &err) ||
        kmeans_new(&k, centers, codes, dim, &err)) {
        golden_broken(g, "kmeans", err.msg);
    } else {
        kmeans_tokens(k, token, (const float *)points->data, n);
        for (int64_t i = 0; i < n; i++)
            wrong += token[i] != ((const int32_t *)labels->data)[i];
        golden_report(g, "kmeans.centers",
                      golden_relative(centers, (const float *)want->data,
                                      (size_t)(codes * dim)), 1e-6);
        golden_report(g, "kmeans.labels that differ", wrong, 0);
        golden_report(g, "kmeans.inertia", fabs(sum - due) / due, 1e-6);
    }
    kmeans_free(k);
    free(token);
    free(centers);
}

void check_pieces(struct golden *g)
{
    struct safetensors st = {0};
    const struct stored *in;
    struct err err = {0};

    if (safetensors_open(&st, golden_path(g, "pieces.safetensors"), &err)) {
        golden_broken(g, "pieces", err.msg);
        return;
    }
    in = safetensors_find(&st, "pool.in");
    for (size_t i = 0; in && i < st.n; i++)
        if (!strncmp(st.tensor[i].name, "pool.", 5) && &st.tensor[i] != in &&
            st.tensor[i].ndim == 2)
            check_pool(g, in, &st.tensor[i]);
    if (safetensors_find(&st, "kmeans.points"))
        check_kmeans(g, &st);
    safetensors_release(&st);
}
