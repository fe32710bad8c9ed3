/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

enum { LANES = 16, VALUES = 4 * LANES, SPAN = 256 * VALUES };

/* One round of Philox4x32 on a, b, c, d, as base/rng.c: a loop over
 * counters vectorises. */
#define ROUND(n)                                                      \
    do {                                                              \
        uint64_t p = (uint64_t)0xD2511F53u * a;                       \
        uint64_t q = (uint64_t)0xCD9E8D57u * c;                       \
                                                                      \
        a = (uint32_t)(q >> 32) ^ b ^ (k0 + (n) * 0x9E3779B9u);       \
        b = (uint32_t)q;                                              \
        c = (uint32_t)(p >> 32) ^ d ^ (k1 + (n) * 0xBB67AE85u);       \
        d = (uint32_t)p;                                              \
    } while (0)

/* The numbers of the blocks first .. first + LANES - 1, as rng_block. */
static inline void draw(uint32_t out[VALUES], uint64_t seed, uint64_t stream,
                        uint64_t first)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t s0 = (uint32_t)stream, s1 = (uint32_t)(stream >> 32);

    #pragma omp simd
    for (uint32_t i = 0; i < LANES; i++) {
        uint32_t a = (uint32_t)first + i;
        uint32_t b = (uint32_t)(first >> 32) + (a < i), c = s0, d = s1;

        ROUND(0u);
        ROUND(1u);
        ROUND(2u);
        ROUND(3u);
        ROUND(4u);
        ROUND(5u);
        ROUND(6u);
        ROUND(7u);
        ROUND(8u);
        ROUND(9u);
        out[4 * i] = a;
        out[4 * i + 1] = b;
        out[4 * i + 2] = c;
        out[4 * i + 3] = d;
    }
}

/* Values at .. at + n - 1, at a multiple of VALUES; those whose number is below
 * limit fall. */
CPU_CLONES
static void drop_span(float *y, const float *x, int64_t at, int64_t n,
                      uint32_t limit, float scale, uint64_t seed,
                      uint64_t stream)
{
    uint32_t word[VALUES];

    for (int64_t i = 0; i < n; i += VALUES) {
        int64_t m = n - i < VALUES ? n - i : VALUES;

        draw(word, seed, stream, (uint64_t)(at + i) / 4);
        #pragma omp simd
        for (int64_t j = 0; j < m; j++)
            y[i + j] = word[j] < limit ? 0 : x[i + j] * scale;
    }
}

int cpu_dropout(struct backend *be, struct tensor *y, const struct tensor *x,
                float p, uint64_t seed, uint64_t stream, struct err *err)
{
    int64_t n = tensor_count(x);
    uint32_t limit = (uint32_t)(p * 4294967296.0);

    (void)be;
    (void)err;
    assert(tensor_count(y) == n && p >= 0 && p < 1);
    #pragma omp parallel for
    for (int64_t i = 0; i < n; i += SPAN)
        drop_span(y->data + i, x->data + i, i, n - i < SPAN ? n - i : SPAN,
                  limit, 1.0f / (1.0f - p), seed, stream);
    return 0;
}
