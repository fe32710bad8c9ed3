/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/xalloc.h"

struct pool {
    atomic_size_t next;
    size_t n;
    pool_fn *fn;
    void *ctx;
};

struct worker {
    struct pool *pool;
    int number;
    pthread_t thread;
};

static void *work(void *arg)
{
    const struct worker *w = arg;
    struct pool *p = w->pool;
    size_t i;

    while ((i = atomic_fetch_add(&p->next, 1)) < p->n)
        p->fn(p->ctx, w->number, i);
    return NULL;
}

void pool_each(int threads, size_t n, pool_fn *fn, void *ctx)
{
    struct pool p = { .n = n, .fn = fn, .ctx = ctx };
    size_t want = threads > 1 ? (size_t)threads : 1;
    struct worker *w;
    size_t made;

    want = want > n && n ? n : want;
    w = xcalloc(want, sizeof(*w));
    w[0].pool = &p;
    for (made = 1; made < want; made++) {
        w[made].pool = &p;
        w[made].number = (int)made;
        if (pthread_create(&w[made].thread, NULL, work, &w[made]))
            break;
    }
    work(&w[0]);
    for (size_t i = 1; i < made; i++)
        pthread_join(w[i].thread, NULL);
    free(w);
}
