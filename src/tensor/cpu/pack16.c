/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cpu/pack16.h"

#include <string.h>

enum { DEPTH = 32 }; /* rows of B in a block: 16 pairs */

int cpu_pack16_of(struct cpu_pack16 *p, const dnnl_memory_desc_t *md)
{
    const dnnl_blocking_desc_t *b = &md->format_desc.blocking;
    int64_t wide;

    if (md->ndims != 2 || md->data_type != dnnl_bf16 ||
        md->format_kind != dnnl_blocked || b->inner_nblks != 3)
        return 0;
    wide = b->inner_blks[1];
    *p = (struct cpu_pack16){ md->dims[0], md->dims[1], wide };
    return b->inner_idxs[0] == 0 && b->inner_idxs[1] == 1 &&
           b->inner_idxs[2] == 0 && b->inner_blks[0] == DEPTH / 2 &&
           b->inner_blks[2] == 2 && wide <= CPU_PACK16_WIDE &&
           b->strides[0] == DEPTH * wide &&
           b->strides[1] == (p->rows + DEPTH - 1) / DEPTH * DEPTH * wide;
}

/* Rounded to nearest even, as cpu_narrow_some. */
static inline uint32_t half(float x)
{
    uint32_t u;

    memcpy(&u, &x, 4);
    if ((u & 0x7fffffff) > 0x7f800000)
        return u >> 16 | 0x40;
    return (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

/* One block: n x m values at x, a row each stride, the rest is 0. */
CPU_CLONES
static void block_of(uint32_t *out, const float *x, int64_t stride, int64_t n,
                     int64_t m, int64_t wide)
{
    if (n < DEPTH || m < wide)
        memset(out, 0, (size_t)(DEPTH / 2 * wide) * sizeof(*out));
    for (int64_t i = 0; i + 1 < n; i += 2, out += wide) {
        const float *a = x + i * stride, *b = a + stride;

        #pragma omp simd
        for (int64_t j = 0; j < m; j++)
            out[j] = half(a[j]) | half(b[j]) << 16;
    }
    for (int64_t j = 0; n % 2 && j < m; j++)
        out[j] = half(x[(n - 1) * stride + j]);
}

/* The same of a block that lies transposed: row j has the values of column
 * j. */
CPU_CLONES
static void block_across(uint32_t *out, const float *x, int64_t stride,
                         int64_t n, int64_t m, int64_t wide)
{
    uint32_t pair[CPU_PACK16_WIDE * DEPTH / 2];
    int64_t pairs = DEPTH / 2;

    memset(pair, 0, (size_t)(wide * pairs) * sizeof(*pair));
    for (int64_t j = 0; j < m; j++, x += stride) {
        #pragma omp simd
        for (int64_t i = 0; i < n / 2; i++)
            pair[j * pairs + i] = half(x[2 * i]) | half(x[2 * i + 1]) << 16;
        if (n % 2)
            pair[j * pairs + n / 2] = half(x[n - 1]);
    }
    for (int64_t i = 0; i < pairs; i++)
        #pragma omp simd
        for (int64_t j = 0; j < wide; j++)
            out[i * wide + j] = pair[j * pairs + i];
}

static int64_t deep(const struct cpu_pack16 *p)
{
    return (p->rows + DEPTH - 1) / DEPTH;
}

int64_t cpu_pack16_blocks(const struct cpu_pack16 *p)
{
    return (p->cols + p->wide - 1) / p->wide * deep(p);
}

void cpu_pack16_block(const struct cpu_pack16 *p, int64_t i, void *out,
                      const float *x, int64_t stride, int across)
{
    int64_t r = i % deep(p) * DEPTH, c = i / deep(p) * p->wide;
    int64_t rows = p->rows - r < DEPTH ? p->rows - r : DEPTH;
    int64_t cols = p->cols - c < p->wide ? p->cols - c : p->wide;
    uint32_t *to = (uint32_t *)out + i * DEPTH / 2 * p->wide;

    if (across)
        block_across(to, x + c * stride + r, stride, rows, cols, p->wide);
    else
        block_of(to, x + r * stride + c, stride, rows, cols, p->wide);
}

void cpu_pack16(const struct cpu_pack16 *p, void *out, const float *x)
{
    #pragma omp parallel for
    for (int64_t i = 0; i < cpu_pack16_blocks(p); i++)
        cpu_pack16_block(p, i, out, x, p->cols, 0);
}
