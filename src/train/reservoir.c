/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/reservoir.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/xalloc.h"

/* What is kept of a vector besides its values. */
struct entry {
    uint64_t key;
    uint64_t file;
    int64_t index;
    int64_t slot;
};

struct reservoir {
    int64_t most, n;
    int dim;
    uint64_t seed, stream;
    struct entry *heap;     /* (n): the largest key first */
    float *values;          /* (most, dim) by slot */
    float *sorted;
    _Atomic uint64_t limit; /* keys above it are of no use */
    pthread_mutex_t lock;
};

int reservoir_new(struct reservoir **out, int64_t most, int dim, uint64_t seed,
                  int stream, struct err *err)
{
    struct reservoir *r;

    if (most < 1 || dim < 1)
        return err_set(err, ERR_ARG, "a sample of %lld vectors of %d values",
                       (long long)most, dim);
    r = xcalloc(1, sizeof(*r));
    r->most = most;
    r->dim = dim;
    r->seed = seed;
    r->stream = (uint64_t)stream;
    atomic_init(&r->limit, UINT64_MAX);
    pthread_mutex_init(&r->lock, NULL);
    r->heap = malloc((size_t)most * sizeof(*r->heap));
    r->values = malloc((size_t)most * (size_t)dim * sizeof(*r->values));
    if (!r->heap || !r->values) {
        reservoir_free(r);
        return err_set(err, ERR_NOMEM, "no memory for a sample of %lld vectors "
                       "of %d values", (long long)most, dim);
    }
    *out = r;
    return 0;
}

void reservoir_free(struct reservoir *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r->heap);
    free(r->values);
    free(r->sorted);
    free(r);
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static void rise(struct entry *heap, int64_t i)
{
    while (i > 0) {
        int64_t up = (i - 1) / 2;
        struct entry e = heap[i];

        if (compare(&heap[i], &heap[up]) <= 0)
            return;
        heap[i] = heap[up];
        heap[up] = e;
        i = up;
    }
}

static void sink(struct entry *heap, int64_t n)
{
    for (int64_t i = 0;;) {
        int64_t down = 2 * i + 1;
        struct entry e = heap[i];

        if (down >= n)
            return;
        if (down + 1 < n && compare(&heap[down + 1], &heap[down]) > 0)
            down++;
        if (compare(&heap[down], &heap[i]) <= 0)
            return;
        heap[i] = heap[down];
        heap[down] = e;
        i = down;
    }
}

static void keep(struct reservoir *r, struct entry e, const float *x)
{
    if (r->n < r->most) {
        e.slot = r->n;
        r->heap[r->n++] = e;
        rise(r->heap, r->n - 1);
    } else if (compare(&e, &r->heap[0]) < 0) {
        e.slot = r->heap[0].slot;
        r->heap[0] = e;
        sink(r->heap, r->n);
    } else {
        return;
    }
    memcpy(r->values + e.slot * r->dim, x, (size_t)r->dim * sizeof(*x));
    if (r->n == r->most)
        atomic_store_explicit(&r->limit, r->heap[0].key, memory_order_relaxed);
}

void reservoir_offer(struct reservoir *r, size_t file, int64_t index,
                     const float *x)
{
    struct entry e = { .file = file, .index = index };
    uint32_t bits[4];

    rng_block(bits, r->seed, r->stream << 48 | file, (uint64_t)index);
    e.key = (uint64_t)bits[0] << 32 | bits[1];
    if (e.key > atomic_load_explicit(&r->limit, memory_order_relaxed))
        return;
    pthread_mutex_lock(&r->lock);
    keep(r, e, x);
    pthread_mutex_unlock(&r->lock);
}

int reservoir_take(struct reservoir *r, const unsigned char *failed, float **x,
                   int64_t *n, struct err *err)
{
    size_t dim = (size_t)r->dim;

    *n = 0;
    free(r->sorted);
    r->sorted = malloc(((size_t)r->n * dim + 1) * sizeof(*r->sorted));
    if (!r->sorted)
        return err_set(err, ERR_NOMEM, "no memory for a sample of %lld vectors",
                       (long long)r->n);
    if (r->n)
        qsort(r->heap, (size_t)r->n, sizeof(*r->heap), compare);
    for (int64_t i = 0; i < r->n; i++)
        if (!failed[r->heap[i].file])
            memcpy(r->sorted + (size_t)(*n)++ * dim,
                   r->values + (size_t)r->heap[i].slot * dim,
                   dim * sizeof(*r->sorted));
    free(r->values);
    r->values = NULL;
    *x = r->sorted;
    return 0;
}
