/* half.h - 16-bit floats. */
#ifndef BASE_HALF_H
#define BASE_HALF_H

#include <stdint.h>
#include <string.h>

/* IEEE binary16; exact. */
static inline float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, bits;
    uint32_t exponent = h >> 10 & 31, mantissa = h & 1023;
    float f;

    if (exponent == 0) { /* zero or subnormal: m * 2^-24 is exact */
        f = (float)mantissa * 0x1p-24f;
        return sign ? -f : f;
    }
    bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 |
           mantissa << 13;
    memcpy(&f, &bits, 4);
    return f;
}

/* bfloat16: the upper half of a float; exact. */
static inline float bf16_to_float(uint16_t b)
{
    uint32_t bits = (uint32_t)b << 16;
    float f;

    memcpy(&f, &bits, 4);
    return f;
}

#endif
