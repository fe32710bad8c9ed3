/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <omp.h>
#include <stdlib.h>

#include "tensor/cpu/private.h"

enum { QUERIES = 64 }; /* rows of scores in work at a time */

/* Turns a row of scores into exp(x - max) and returns the sum. */
CPU_CLONES
static float exp_row(float *x, int64_t n)
{
    float top = x[0], sum = 0;

    #pragma omp simd reduction(max:top)
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    #pragma omp simd reduction(+:sum)
    for (int64_t i = 0; i < n; i++) {
        x[i] = cpu_exp(x[i] - top);
        sum += x[i];
    }
    return sum;
}

/* One block of queries of one head: scores, softmax, weighted values. The
 * division by the sum comes last, over d instead of T numbers. */
static int head_block(float *y, const float *q, const float *k, const float *v,
                      float *scores, int64_t n, int64_t time, int64_t d,
                      int64_t stride)
{
    float sum[QUERIES];
    int s = dnnl_sgemm('N', 'T', n, time, d, 1.0f / sqrtf((float)d), q, stride,
                       k, stride, 0, scores, time);

    if (s)
        return s;
    for (int64_t i = 0; i < n; i++)
        sum[i] = exp_row(scores + i * time, time);
    s = dnnl_sgemm('N', 'N', n, d, time, 1, scores, time, v, stride, 0, y,
                   stride);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            y[i * stride + j] /= sum[i];
    return s;
}

int cpu_attention(struct backend *be, struct tensor *y, const struct tensor *q,
                  const struct tensor *k, const struct tensor *v, int heads,
                  struct err *err)
{
    int64_t batch = q->dim[0], time = q->dim[1], c = q->dim[2], d = c / heads;
    int64_t blocks = (time + QUERIES - 1) / QUERIES;
    int threads = omp_get_max_threads(), status = 0;
    float *scores = malloc((size_t)threads * QUERIES * (size_t)time *
                           sizeof(*scores));

    (void)be;
    assert(q->ndim == 3 && c % heads == 0);
    if (!scores)
        return err_set(err, ERR_NOMEM, "no memory for attention over %lld "
                       "frames", (long long)time);
    #pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < batch * heads * blocks; i++) {
        int64_t b = i / (heads * blocks), h = i / blocks % heads;
        int64_t t = i % blocks * QUERIES, at = b * time * c + h * d;
        int64_t n = time - t < QUERIES ? time - t : QUERIES;
        int s = head_block(y->data + at + t * c, q->data + at + t * c,
                           k->data + at, v->data + at,
                           scores + omp_get_thread_num() * QUERIES * time, n,
                           time, d, c);

        if (s) {
            #pragma omp atomic write
            status = s;
        }
    }
    free(scores);
    return cpu_check(status, "attention", err);
}
