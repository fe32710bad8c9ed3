/* mma_emu.h - the tensor core instructions of tensor/cuda/mma.cuh, one warp at
 * a time, with the layouts of the PTX manual ("Matrix fragments for
 * mma.m16n8k16", "ldmatrix"). Products are exact, sums f32 in order of k. */
#ifndef TESTS_EMU_MMA_EMU_H
#define TESTS_EMU_MMA_EMU_H

#include "cuda_bf16.h"
#include "cuda_fp16.h"

namespace emu {

template <class T> struct halves;
template <> struct halves<__nv_bfloat16> {
    static float get(uint32_t word, int high)
    {
        return __bfloat162float({ (uint16_t)(word >> (high ? 16 : 0)) });
    }
};
template <> struct halves<__half> {
    static float get(uint32_t word, int high)
    {
        return __half2float({ (uint16_t)(word >> (high ? 16 : 0)) });
    }
};

struct mma_operands {
    uint32_t a[4], b[2];
};

/* Row r, column k of the A of all lanes; row k, column c of B. */
template <class T> float mma_a(const char *all, int r, int k)
{
    const mma_operands *o = (const mma_operands *)
        (all + LANE_BYTES * (r % 8 * 4 + k % 8 / 2));

    return halves<T>::get(o->a[r / 8 + k / 8 * 2], k & 1);
}
template <class T> float mma_b(const char *all, int k, int c)
{
    const mma_operands *o = (const mma_operands *)
        (all + LANE_BYTES * (c * 4 + k % 8 / 2));

    return halves<T>::get(o->b[k / 8], k & 1);
}

template <class T>
void mma_16x8x16(float d[4], const uint32_t a[4], const uint32_t b[2], int line)
{
    mma_operands mine = { { a[0], a[1], a[2], a[3] }, { b[0], b[1] } };
    int g = (int)lane() / 4, t = (int)lane() % 4;
    const char *all = exchange(&mine, sizeof(mine), line);

    for (int i = 0; i < 4; i++) {
        int r = g + i / 2 * 8, c = 2 * t + i % 2;

        for (int k = 0; k < 16; k++)
            d[i] += mma_a<T>(all, r, k) * mma_b<T>(all, k, c);
    }
}

/* "Matrix fragments for mma.m16n8k8", .tf32: the lower 13 bits are ignored. */
static inline float tf32(uint32_t word)
{
    return __uint_as_float(word & ~0x1fffu);
}
static inline void mma_16x8x8_tf32(float d[4], const uint32_t a[4],
                                   const uint32_t b[2], int line)
{
    mma_operands mine = { { a[0], a[1], a[2], a[3] }, { b[0], b[1] } };
    int g = (int)lane() / 4, t = (int)lane() % 4;
    const char *all = exchange(&mine, sizeof(mine), line);

    for (int i = 0; i < 4; i++) {
        int r = g + i / 2 * 8, c = 2 * t + i % 2;

        for (int k = 0; k < 8; k++) {
            const mma_operands *x = (const mma_operands *)
                (all + LANE_BYTES * (r % 8 * 4 + k % 4));
            const mma_operands *y = (const mma_operands *)
                (all + LANE_BYTES * (c * 4 + k % 4));

            d[i] += tf32(x->a[r / 8 + k / 4 * 2]) * tf32(y->b[k / 4]);
        }
    }
}

/* Lane i gives the address of row i % 8 of matrix i / 8: 16 bytes. */
static inline void ldmatrix(uint32_t *r, int n, const void *row, int transposed,
                            int line)
{
    const char *all = exchange(&row, sizeof(row), line);
    int g = (int)lane() / 4, t = (int)lane() % 4;

    if ((uintptr_t)row % 16)
        fail("ldmatrix of an address that is no multiple of 16 in line %d",
             line);
    for (int m = 0; m < n; m++) {
        const uint16_t *rows[8];

        for (int i = 0; i < 8; i++)
            memcpy(&rows[i], all + LANE_BYTES * (8 * m + i), sizeof(rows[i]));
        r[m] = transposed ? rows[2 * t][g] | (uint32_t)rows[2 * t + 1][g] << 16
                          : rows[g][2 * t] | (uint32_t)rows[g][2 * t + 1] << 16;
    }
}

} /* namespace emu */

#endif
