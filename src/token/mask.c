/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "token/mask.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void mask_blocks(uint8_t *hidden, int64_t n_blocks, double p,
                 const struct draw *d)
{
    for (int64_t i = 0; i < n_blocks; i++)
        hidden[i] = draw_uniform(d, DRAW_MASK, (uint32_t)i) < p;
}

void mask_noise(float *x, const uint8_t *hidden, int64_t n_blocks,
                int64_t block, float std, const struct draw *d)
{
    for (int64_t i = 0; i < n_blocks; i++) {
        float *at = x + i * block;

        if (!hidden[i])
            continue;
        draw_normals(at, (uint64_t)(i * block), (size_t)block, d, DRAW_NOISE);
        for (int64_t j = 0; j < block; j++)
            at[j] *= std;
    }
}

void mask_tokens(uint8_t *token, int64_t n, const uint8_t *hidden,
                 int64_t n_blocks, int64_t per_block)
{
    for (int64_t i = 0; i < n; i++)
        token[i] = i / per_block < n_blocks && hidden[i / per_block];
}

/* The number of spans for n frames of which starts may begin one. */
static int64_t span_count(int64_t n, int64_t starts, double p, int64_t span,
                          const struct draw *d)
{
    int64_t k = (int64_t)(p * (double)n / (double)span +
                          draw_uniform(d, DRAW_SPAN, 0));

    k = k < 1 ? 1 : k;
    if (k * span > n)
        k = n / span;
    return k < starts ? k : starts;
}

void mask_spans(uint8_t *hidden, int64_t n, double p, int64_t span,
                const struct draw *d)
{
    int64_t starts = n - span + 1, k, *start;

    memset(hidden, 0, (size_t)n);
    if (starts < 1 || !(p > 0))
        return;
    k = span_count(n, starts, p, span, d);
    start = xcalloc((size_t)starts, sizeof(*start));
    for (int64_t i = 0; i < starts; i++)
        start[i] = i;
    /* the first k of a shuffle (Fisher and Yates) */
    for (int64_t i = 0; i < k; i++) {
        double u = draw_uniform(d, DRAW_SPAN, (uint32_t)i + 1);
        int64_t j = i + (int64_t)(u * (double)(starts - i)), s = start[j];

        start[j] = start[i];
        memset(hidden + s, 1, (size_t)span);
    }
    free(start);
}
