/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cpu/private.h"

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#include <immintrin.h>

/* The instruction that rounds 32 floats at a time; it takes subnormal numbers
 * for 0. Returns how many it did. */
__attribute__((target("avx512f,avx512bf16,avx512vl,avx512bw")))
static int64_t narrow_most(uint16_t *y, const float *x, int64_t n)
{
    int64_t i = 0;

    for (; i + 32 <= n; i += 32) {
        __m512bh v = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16),
                                         _mm512_loadu_ps(x + i));

        _mm512_storeu_si512(y + i, (__m512i)v);
    }
    return i;
}

static int has_narrow(void)
{
    return __builtin_cpu_supports("avx512bf16");
}
#else
static int64_t narrow_most(uint16_t *y, const float *x, int64_t n)
{
    (void)y;
    (void)x;
    (void)n;
    return 0;
}

static int has_narrow(void)
{
    return 0;
}
#endif

CPU_CLONES
static void narrow_rest(uint16_t *y, const float *x, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        uint32_t u, nan;

        memcpy(&u, x + i, 4);
        /* rounding up must not carry a NaN's bits away */
        nan = (u & 0x7fffffff) > 0x7f800000 ? 0x400000 : 0;
        u = nan ? u | nan : u + 0x7fff + (u >> 16 & 1);
        y[i] = (uint16_t)(u >> 16);
    }
}

CPU_CLONES
static void widen(float *y, const uint16_t *x, int64_t n)
{
    #pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = (uint32_t)x[i] << 16;

        memcpy(y + i, &u, 4);
    }
}

static void narrow(uint16_t *y, const float *x, int64_t n)
{
    int64_t done = has_narrow() ? narrow_most(y, x, n) : 0;

    narrow_rest(y + done, x + done, n - done);
}

void cpu_narrow_some(uint16_t *y, const float *x, int64_t n)
{
    narrow(y, x, n);
}

void cpu_widen_some(float *y, const uint16_t *x, int64_t n)
{
    widen(y, x, n);
}

enum { PIECE = 1 << 14 };

void cpu_narrow(uint16_t *y, const float *x, int64_t n)
{
    #pragma omp parallel for
    for (int64_t i = 0; i < n; i += PIECE)
        narrow(y + i, x + i, n - i < PIECE ? n - i : PIECE);
}

int cpu_narrowed(struct cpu *cpu, int which, const float *x, int64_t n,
                 void **out, struct err *err)
{
    TRY(cpu_buf(cpu, which, (size_t)n * sizeof(uint16_t), out, err));
    cpu_narrow(*out, x, n);
    return 0;
}
