/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "tensor/cuda/common.cuh"
#include "tensor/cuda/pack.cuh"

/* Values are taken SPAN at a time, LANES blocks of random numbers for each:
 * the 16 bits of value i are half i % 2 of word i / 32 % 4 of the block
 * i / 128 * 16 + i / 2 % 16 of the stream, as the CPU has them (cpu/dropout.c).
 * A thread draws one block, for eight values. */
enum { LANES = 16, SPAN = 128 };

struct drop {
    uint64_t seed, stream;
    uint32_t limit; /* values with a number below it fall */
    float scale;
    int64_t first, n;
};

/* The four words of a block: Philox4x32-10, as rng_block of base/rng.c. */
static __device__ __forceinline__ uint4
draw(uint64_t seed, uint64_t stream, uint64_t block)
{
    uint32_t a = (uint32_t)block, b = (uint32_t)(block >> 32);
    uint32_t c = (uint32_t)stream, d = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

    UNROLL for (int round = 0; round < 10; round++) {
        uint32_t high0 = __umulhi(0xD2511F53u, a), low0 = 0xD2511F53u * a;
        uint32_t high1 = __umulhi(0xCD9E8D57u, c), low1 = 0xCD9E8D57u * c;

        a = high1 ^ b ^ k0;
        b = low1;
        c = high0 ^ d ^ k1;
        d = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return make_uint4(a, b, c, d);
}

/* The values of word w: i and i + 1, of which those outside 0 .. n - 1 are not
 * there. pairs: both at once, where all pairs are aligned. */
static __device__ __forceinline__ void
drop_two(float *y, const float *x, int64_t i, uint32_t w, const struct drop *d,
         int pairs)
{
    bool low = (w & 0xffffu) < d->limit, high = w >> 16 < d->limit;

    if (pairs && i >= 0 && i + 1 < d->n) {
        pack<float, 2> v = pack_at<2>(x + i);

        v.v[0] = low ? 0 : v.v[0] * d->scale;
        v.v[1] = high ? 0 : v.v[1] * d->scale;
        pack_put(y + i, v);
        return;
    }
    if (i >= 0 && i < d->n)
        y[i] = low ? 0 : x[i] * d->scale;
    if (i + 1 >= 0 && i + 1 < d->n)
        y[i + 1] = high ? 0 : x[i + 1] * d->scale;
}

__global__ void dropout_values(float *y, const float *x, struct drop d,
                               int64_t draws, int pairs)
{
    int64_t before = d.first / SPAN * LANES;

    FOR_EACH(k, draws) {
        int64_t block = before + k;
        int64_t i = block / LANES * SPAN + block % LANES * 2 - d.first;
        uint4 w = draw(d.seed, d.stream, (uint64_t)block);

        drop_two(y, x, i, w.x, &d, pairs);
        drop_two(y, x, i + 2 * LANES, w.y, &d, pairs);
        drop_two(y, x, i + 4 * LANES, w.z, &d, pairs);
        drop_two(y, x, i + 6 * LANES, w.w, &d, pairs);
    }
}

int cuda_dropout(struct backend *be, struct tensor *y, const struct tensor *x,
                 float p, uint64_t seed, uint64_t stream, int64_t first,
                 struct err *err)
{
    struct cuda *c = cuda_of(be);
    long limit = lrintf(p * 65536.0f);
    struct drop d = { seed, stream, (uint32_t)(limit > 65535 ? 65535 : limit),
                      1.0f / (1.0f - p), first, tensor_count(x) };
    uintptr_t odd = (uintptr_t)(first % 2) * sizeof(float);
    int pairs = ((uintptr_t)x->data - odd) % sizeof(float2) == 0 &&
                ((uintptr_t)y->data - odd) % sizeof(float2) == 0;
    int64_t draws;

    assert(tensor_count(y) == d.n && p >= 0 && p < 1);
    if (!d.n)
        return 0;
    draws = ((first + d.n - 1) / SPAN - first / SPAN + 1) * LANES;
    return LAUNCH(dropout_values, cuda_grid(c, draws), BLOCK, 0, y->data,
                  x->data, d, draws, pairs);
}
