/* cuda_bf16.h - bfloat16 on the host: see cuda_runtime.h here. */
#ifndef TESTS_EMU_CUDA_BF16_H
#define TESTS_EMU_CUDA_BF16_H

#include "cuda_runtime.h"

struct __nv_bfloat16 { uint16_t bits; };
struct __nv_bfloat162 { __nv_bfloat16 x, y; };

static inline __nv_bfloat16 __float2bfloat16(float f)
{
    uint32_t u = __float_as_uint(f);

    if (f != f)
        return { 0x7fff };
    return { (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16) };
}
static inline __nv_bfloat16 __float2bfloat16_rn(float f)
{
    return __float2bfloat16(f);
}
static inline float __bfloat162float(__nv_bfloat16 h)
{
    return __uint_as_float((uint32_t)h.bits << 16);
}
static inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b)
{
    return { __float2bfloat16(a), __float2bfloat16(b) };
}
static inline float2 __bfloat1622float2(__nv_bfloat162 h)
{
    return { __bfloat162float(h.x), __bfloat162float(h.y) };
}

#endif
