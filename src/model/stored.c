/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/stored.h"

#include <stdio.h>
#include <string.h>

#include "base/half.h"

enum { PIECE = 8192 }; /* elements converted at a time */

static const struct type_info {
    const char *name;
    int bits;
    const char *torch;
} types[STORED_TYPES] = {
    [STORED_BOOL] = { "BOOL", 8, "BoolStorage" },
    [STORED_F4] = { "F4", 4, NULL },
    [STORED_F6_E2M3] = { "F6_E2M3", 6, NULL },
    [STORED_F6_E3M2] = { "F6_E3M2", 6, NULL },
    [STORED_U8] = { "U8", 8, "ByteStorage" },
    [STORED_I8] = { "I8", 8, "CharStorage" },
    [STORED_F8_E5M2] = { "F8_E5M2", 8, NULL },
    [STORED_F8_E4M3] = { "F8_E4M3", 8, NULL },
    [STORED_F8_E8M0] = { "F8_E8M0", 8, NULL },
    [STORED_F8_E4M3FNUZ] = { "F8_E4M3FNUZ", 8, NULL },
    [STORED_F8_E5M2FNUZ] = { "F8_E5M2FNUZ", 8, NULL },
    [STORED_I16] = { "I16", 16, "ShortStorage" },
    [STORED_U16] = { "U16", 16, NULL },
    [STORED_F16] = { "F16", 16, "HalfStorage" },
    [STORED_BF16] = { "BF16", 16, "BFloat16Storage" },
    [STORED_I32] = { "I32", 32, "IntStorage" },
    [STORED_U32] = { "U32", 32, NULL },
    [STORED_F32] = { "F32", 32, "FloatStorage" },
    [STORED_C64] = { "C64", 64, "ComplexFloatStorage" },
    [STORED_F64] = { "F64", 64, "DoubleStorage" },
    [STORED_I64] = { "I64", 64, "LongStorage" },
    [STORED_U64] = { "U64", 64, NULL },
};

const char *stored_type_name(enum stored_type t)
{
    return types[t].name;
}

int stored_type_bits(enum stored_type t)
{
    return types[t].bits;
}

const char *stored_type_torch(enum stored_type t)
{
    return types[t].torch;
}

int stored_type_by_name(const char *name)
{
    for (int i = 0; i < STORED_TYPES; i++)
        if (!strcmp(types[i].name, name))
            return i;
    return -1;
}

int stored_type_by_torch(const char *name, size_t len)
{
    static const char untyped[] = "UntypedStorage";

    for (int i = 0; i < STORED_TYPES; i++)
        if (types[i].torch && strlen(types[i].torch) == len &&
            !memcmp(types[i].torch, name, len))
            return i;
    if (len == sizeof(untyped) - 1 && !memcmp(untyped, name, len))
        return STORED_U8;
    return -1;
}

int stored_type_is_float(enum stored_type t)
{
    return t == STORED_F64 || t == STORED_F32 || t == STORED_F16 ||
           t == STORED_BF16;
}

int stored_count_checked(const struct stored *t, int64_t *count)
{
    int64_t n = 1, bits;

    for (int i = 0; i < t->ndim; i++)
        if (t->dim[i] < 0 || __builtin_mul_overflow(n, t->dim[i], &n))
            return 0;
    if (__builtin_mul_overflow(n, (int64_t)types[t->type].bits, &bits))
        return 0;
    *count = n;
    return 1;
}

int64_t stored_count(const struct stored *t)
{
    int64_t n = 1;

    for (int i = 0; i < t->ndim; i++)
        n *= t->dim[i];
    return n;
}

int64_t stored_bytes(const struct stored *t)
{
    return stored_count(t) * types[t->type].bits / 8;
}

void stored_set_strides(struct stored *t)
{
    int64_t step = 1;

    for (int i = t->ndim - 1; i >= 0; i--) {
        t->stride[i] = step;
        step *= t->dim[i] ? t->dim[i] : 1;
    }
}

int stored_contiguous(const struct stored *t)
{
    int64_t step = 1;

    if (stored_count(t) == 0)
        return 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != step)
            return 0;
        step *= t->dim[i];
    }
    return 1;
}

char *stored_shape(const struct stored *t, char *buf, size_t size)
{
    size_t n = 0;

    snprintf(buf, size, "[");
    for (int i = 0; i < t->ndim; i++) {
        n = strlen(buf);
        snprintf(buf + n, size - n, "%s%lld", i ? ", " : "",
                 (long long)t->dim[i]);
    }
    n = strlen(buf);
    snprintf(buf + n, size - n, "]");
    return buf;
}

static uint16_t float_to_bf16(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) /* a NaN must not round to Inf */
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float element(enum stored_type type, const unsigned char *p)
{
    union {
        float f32; double f64; uint16_t u16; int16_t i16; int32_t i32;
        uint32_t u32; int64_t i64; uint64_t u64;
    } v;

    memcpy(&v, p, (size_t)types[type].bits / 8);
    switch (type) {
    case STORED_F32: return v.f32;
    case STORED_F64: return (float)v.f64;
    case STORED_F16: return half_to_float(v.u16);
    case STORED_BF16: return bf16_to_float(v.u16);
    case STORED_I64: return (float)v.i64;
    case STORED_U64: return (float)v.u64;
    case STORED_I32: return (float)v.i32;
    case STORED_U32: return (float)v.u32;
    case STORED_I16: return v.i16;
    case STORED_U16: return v.u16;
    case STORED_I8: return (float)(signed char)*p;
    default: return *p; /* U8, BOOL */
    }
}

/* Walks a tensor in row-major order. */
struct walk {
    const struct stored *t;
    int64_t index[STORED_MAX_DIMS], left, at; /* at: elements from data */
};

static void walk_next(struct walk *w)
{
    w->left--;
    for (int i = w->t->ndim - 1; i >= 0; i--) {
        w->at += w->t->stride[i];
        if (++w->index[i] < w->t->dim[i])
            return;
        w->at -= w->t->stride[i] * w->t->dim[i];
        w->index[i] = 0;
    }
}

/* Up to max elements as raw bytes, or as floats if out is not NULL. */
static size_t walk_take(struct walk *w, size_t max, unsigned char *raw,
                        float *out)
{
    size_t size = (size_t)types[w->t->type].bits / 8, n = 0;

    for (; n < max && w->left > 0; n++) {
        const unsigned char *p = w->t->data + (size_t)w->at * size;

        if (out)
            out[n] = element(w->t->type, p);
        else
            memcpy(raw + n * size, p, size);
        walk_next(w);
    }
    return n;
}

void stored_emit(const struct stored *t, enum stored_type as,
                 void (*put)(void *ctx, const void *data, size_t n),
                 void *ctx)
{
    struct walk w = { .t = t, .left = stored_count(t) };
    unsigned char raw[PIECE * 8];
    float f[PIECE];
    uint16_t b[PIECE];
    size_t n;

    if (as == t->type && stored_contiguous(t)) {
        put(ctx, t->data, (size_t)stored_bytes(t));
        return;
    }
    if (as == t->type) {
        while ((n = walk_take(&w, PIECE, raw, NULL)) > 0)
            put(ctx, raw, n * (size_t)types[as].bits / 8);
        return;
    }
    while ((n = walk_take(&w, PIECE, NULL, f)) > 0) {
        if (as == STORED_F32) {
            put(ctx, f, n * sizeof(*f));
            continue;
        }
        for (size_t i = 0; i < n; i++)
            b[i] = float_to_bf16(f[i]);
        put(ctx, b, n * sizeof(*b));
    }
}

/* The common case of a large model, without the walk. */
static void bf16_floats(const struct stored *t, float *out)
{
    int64_t n = stored_count(t);

    for (int64_t i = 0; i < n; i++) {
        uint16_t b;

        memcpy(&b, t->data + 2 * i, 2);
        out[i] = bf16_to_float(b);
    }
}

int stored_floats(const struct stored *t, float *out, struct err *err)
{
    struct walk w = { .t = t, .left = stored_count(t) };

    if (!stored_type_is_float(t->type) &&
        (!types[t->type].torch || t->type == STORED_C64))
        return err_set(err, ERR_UNSUPPORTED, "%s: elements are %s, not numbers "
                       "that mfm reads as float", t->name,
                       types[t->type].name);
    if (t->type == STORED_F32 && stored_contiguous(t))
        memcpy(out, t->data, (size_t)stored_bytes(t));
    else if (t->type == STORED_BF16 && stored_contiguous(t))
        bf16_floats(t, out);
    else
        walk_take(&w, (size_t)w.left, NULL, out);
    return 0;
}

int stored_by_name(const void *a, const void *b)
{
    return strcmp(((const struct stored *)a)->name,
                  ((const struct stored *)b)->name);
}
