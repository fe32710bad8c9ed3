/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

/* Values are taken 128 at a time: the 16 bits of value i are half i % 2 of word
 * i / 32 % 4 of the block i / 128 * 16 + i / 2 % 16 of the stream, so that
 * neighbours in memory are neighbours in a vector of blocks. */
enum { LANES = 16, WORDS = 4 * LANES, VALUES = 2 * WORDS, SPAN = 128 * VALUES };

/* One round of Philox4x32 on a, b, c, d, as base/rng.c, in a form that a loop
 * over counters vectorises. */
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

/* Word w of the block first + i, as rng_block, in out[w * LANES + i]. */
CPU_CLONES
static void draw(uint32_t out[WORDS], uint64_t seed, uint64_t stream,
                 uint64_t first)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t s0 = (uint32_t)stream, s1 = (uint32_t)(stream >> 32);

    #pragma omp simd
    for (uint32_t i = 0; i < LANES; i++) {
        uint32_t a = (uint32_t)first + i, b = (uint32_t)(first >> 32);
        uint32_t c = s0, d = s1;

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
        out[i] = a;
        out[LANES + i] = b;
        out[2 * LANES + i] = c;
        out[3 * LANES + i] = d;
    }
}

/* Values at .. at + n - 1; those whose number is below limit fall. */
CPU_CLONES
static void drop_span(float *y, const float *x, int64_t at, int64_t n,
                      uint16_t limit, float scale, uint64_t seed,
                      uint64_t stream)
{
    uint32_t word[WORDS];
    uint16_t half[VALUES];

    for (int64_t i = 0, m; i < n; i += m) {
        int64_t skip = (at + i) % VALUES;

        m = n - i < VALUES - skip ? n - i : VALUES - skip;
        draw(word, seed, stream, (uint64_t)(at + i) / VALUES * LANES);
        memcpy(half, word, sizeof(half));
        #pragma omp simd
        for (int64_t j = 0; j < m; j++)
            y[i + j] = half[skip + j] < limit ? 0 : x[i + j] * scale;
    }
}

int cpu_dropout(struct backend *be, struct tensor *y, const struct tensor *x,
                float p, uint64_t seed, uint64_t stream, int64_t first,
                struct err *err)
{
    int64_t n = tensor_count(x);
    long limit = lrintf(p * 65536.0f);

    (void)be;
    (void)err;
    assert(tensor_count(y) == n && p >= 0 && p < 1);
    limit = limit > 65535 ? 65535 : limit;
    #pragma omp parallel for
    for (int64_t i = 0; i < n; i += SPAN)
        drop_span(y->data + i, x->data + i, first + i,
                  n - i < SPAN ? n - i : SPAN, (uint16_t)limit,
                  1.0f / (1.0f - p), seed, stream);
    return 0;
}
