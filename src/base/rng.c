/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/rng.h"

static void multiply(uint32_t *high, uint32_t *low, uint32_t a, uint32_t b)
{
    uint64_t p = (uint64_t)a * b;

    *high = (uint32_t)(p >> 32);
    *low = (uint32_t)p;
}

/* The multipliers, and the key's steps (golden ratio and sqrt 3 - 1), are those
 * of the paper's section 4.3 and its published test vectors. */
void rng_philox(uint32_t out[4], const uint32_t counter[4],
                const uint32_t key[2])
{
    uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        uint32_t high0, low0, high1, low1;

        multiply(&high0, &low0, 0xD2511F53u, a);
        multiply(&high1, &low1, 0xCD9E8D57u, c);
        a = high1 ^ b ^ k0;
        b = low1;
        c = high0 ^ d ^ k1;
        d = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
}

void rng_block(uint32_t out[4], uint64_t seed, uint64_t stream,
               uint64_t block)
{
    const uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32),
                                  (uint32_t)stream,
                                  (uint32_t)(stream >> 32) };
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };

    rng_philox(out, counter, key);
}

uint64_t rng_name(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return h;
}
