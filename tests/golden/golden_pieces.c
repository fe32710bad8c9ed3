/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "golden.h"

#include <stdio.h>
#include <string.h>

#include "head/pool.h"
#include "model/safetensors.h"

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
    safetensors_release(&st);
}
