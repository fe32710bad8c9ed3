/* pool.h - adaptive average pooling over time, as a stream: output i is the
 * mean of inputs floor(i r) .. ceil((i + 1) r) - 1 with r = rate_in / rate_out
 * (torch's AdaptiveAvgPool1d, r = n / m). It repeats inputs when r < 1. */
#ifndef HEAD_POOL_H
#define HEAD_POOL_H

#include <stdint.h>
#include "base/err.h"

struct pool; /* rows that arrived and are still needed */

/* Rows of dim values. The rates are in Hz, or any two numbers of that ratio;
 * both are taken to a millionth. ERR_ARG unless they are positive. */
int pool_new(struct pool **out, int dim, double rate_in, double rate_out,
             struct err *err);
void pool_free(struct pool *p); /* NULL is allowed */

/* Adds n rows and sets *rows (owned by the pool, valid until the next call) and
 * *count to the outputs that are complete. ERR_NOMEM. */
int pool_push(struct pool *p, const float *in, int64_t n, const float **rows,
              int64_t *count, struct err *err);

/* The rest: outputs that lack a part of their inputs average what there is, as
 * many as make round(inputs / r) in all, but at least one if there was an
 * input: a short recording has a key too. */
int pool_finish(struct pool *p, const float **rows, int64_t *count,
                struct err *err);

#endif
