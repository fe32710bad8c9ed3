/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/across.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "model/net.h"

int across_divide(const struct dist *d, int batch, int accumulate,
                  int64_t *stride, int64_t *first, int64_t *count,
                  struct err *err)
{
    int size = dist_size(d);

    *stride = (batch - 1) / accumulate + 1;
    *first = 0;
    *count = *stride;
    if (size == 1)
        return 0;
    if (batch % *stride || *stride % size)
        return err_set(err, ERR_ARG, "train.batch: %d samples in %d passes "
                       "(train.accumulate) cannot be divided evenly among %d "
                       "processes", batch, accumulate, size);
    *count = *stride / size;
    *first = *count * dist_rank(d);
    return 0;
}

void across_init(struct across *a, const struct optim *o)
{
    const struct params *p = o->p;

    memset(a, 0, sizeof(*a));
    a->dist = o->dist;
    a->optim = o;
    for (size_t i = 0; i < p->n; i++) {
        const struct param *q = &p->item[i];
        struct across_range *last = a->n ? &a->range[a->n - 1] : NULL;
        int layer = net_layer_of(q->name);

        if (q->kind != PARAM_TRAINED)
            continue;
        if (last && last->layer == layer && q->offset >= last->end &&
            q->offset < last->end + 16) {
            last->end = q->offset + q->count;
            continue;
        }
        ARRAY_GROW(a->range, a->n, a->cap);
        a->range[a->n++] = (struct across_range){ layer, q->offset,
                                                  q->offset + q->count };
    }
}

void across_release(struct across *a)
{
    free(a->range);
    memset(a, 0, sizeof(*a));
}

static int reduce(struct across *a, const struct across_range *range,
                  struct err *err)
{
    const int64_t *part = a->optim->part;
    float *grad = a->optim->p->grad.data;

    for (int r = 0; r < dist_size(a->dist); r++) {
        int64_t first = range->first > part[r] ? range->first : part[r];
        int64_t end = range->end < part[r + 1] ? range->end : part[r + 1];

        if (first < end)
            TRY(dist_reduce(a->dist, grad + first, end - first, r, err));
    }
    return 0;
}

int across_added(void *ctx, int layer, struct err *err)
{
    struct across *a = ctx;

    for (size_t i = 0; a->last && i < a->n; i++)
        if (a->range[i].layer == layer)
            TRY(reduce(a, &a->range[i], err));
    return 0;
}

int across_wait(struct across *a, struct err *err)
{
    return dist_wait(a->dist, err);
}
