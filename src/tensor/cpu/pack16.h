/* pack16.h - f32 matrices into the order in which oneDNN's products want their
 * second operand in bf16 (BA16a64b2a and the like): columns in blocks, rows in
 * blocks of 32 within them, pairs of rows side by side. oneDNN's own reorder
 * takes five times as long, a fifth of a large model's training step. */
#ifndef TENSOR_CPU_PACK16_H
#define TENSOR_CPU_PACK16_H

#include "tensor/cpu/private.h"

enum { CPU_PACK16_WIDE = 64 }; /* columns in a block at most */

struct cpu_pack16 {
    int64_t rows, cols, wide;
};

/* 0 if md is of another order. */
int cpu_pack16_of(struct cpu_pack16 *p, const dnnl_memory_desc_t *md);

/* x: (rows, cols), or across (cols, rows). What is past them in out becomes
 * 0. */
void cpu_pack16(const struct cpu_pack16 *p, void *out, const float *x,
                int across);

/* Block i of cpu_pack16_blocks alone; the rows of x are stride apart. */
int64_t cpu_pack16_blocks(const struct cpu_pack16 *p);
void cpu_pack16_block(const struct cpu_pack16 *p, int64_t i, void *out,
                      const float *x, int64_t stride, int across);

#endif
