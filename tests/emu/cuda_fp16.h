/* cuda_fp16.h - IEEE half precision on the host: see cuda_runtime.h here. */
#ifndef TESTS_EMU_CUDA_FP16_H
#define TESTS_EMU_CUDA_FP16_H

#include "cuda_runtime.h"

struct __half { uint16_t bits; };
struct __half2 { __half x, y; };

static inline float __half2float(__half h)
{
    float m = (float)(h.bits & 1023), f;
    int e = h.bits >> 10 & 31;

    f = e == 0 ? ldexpf(m, -24)
      : e < 31 ? ldexpf(m + 1024, e - 25)
      : m ? NAN : INFINITY;
    return h.bits & 0x8000 ? -f : f;
}
/* Rounded to nearest, ties to even. The quotient of 1024 to 2047 carries into
 * the exponent, and below the normal numbers there is none. */
static inline __half __float2half(float f)
{
    uint16_t sign = (uint16_t)(__float_as_uint(f) >> 16 & 0x8000);
    float a = fabsf(f);
    int e;

    if (f != f)
        return { 0x7fff };
    if (a == 0)
        return { sign };
    if (a >= 65520.0f)
        return { (uint16_t)(sign | 0x7c00) };
    frexpf(a, &e); /* a = m * 2^e, m in [0.5, 1) */
    e = e < -13 ? -13 : e;
    return { (uint16_t)(sign | (((e + 14) << 10) +
                                (int)rintf(ldexpf(a, 11 - e)) - 1024)) };
}
static inline __half __float2half_rn(float f) { return __float2half(f); }
static inline __half2 __floats2half2_rn(float a, float b)
{
    return { __float2half(a), __float2half(b) };
}
static inline float2 __half22float2(__half2 h)
{
    return { __half2float(h.x), __half2float(h.y) };
}

#endif
