/* pool.h - independent pieces of work on several threads. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

/* Piece i, on thread number 0..threads - 1. */
typedef void pool_fn(void *ctx, int thread, size_t i);

/* Calls fn for i = 0..n - 1 on up to threads threads, the caller's among them
 * (as number 0); pieces are begun in their order. Returns when all are done.
 * Where a thread cannot be made the others do its work. */
void pool_each(int threads, size_t n, pool_fn *fn, void *ctx);

#endif
